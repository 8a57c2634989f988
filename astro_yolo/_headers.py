"""What a FITS header says about an image: its WCS, its filter, its saturation level."""

import re
import threading
import warnings

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from astropy.wcs.wcsapi import BaseHighLevelWCS, BaseLowLevelWCS

from astro_yolo._bands import wavelength
from astro_yolo.exceptions import InputWarning, WCSError, warn_user

CARD = 80
# Everything WCS papers I-III, SIP, TPV and astropy's lookup tables use. Dates are left out: no
# celestial position needs them, and SDSS writes them in a form that costs a repair and a warning.
_WCS_CARD = re.compile(
    r"(?:WCSAXES|NAXIS\d*|RADESYS|RADECSYS|EQUINOX|EPOCH|LONPOLE|LATPOLE|PROJP\d+|PC\d{6}|CD\d{6}"
    r"|(?:CTYPE|CUNIT|CRPIX|CRVAL|CDELT|CROTA)\d+|(?:CD|PC|PV|PS)\d+_\d+"
    r"|(?:A|B|AP|BP)_(?:ORDER|DMAX|\d+_\d+)|(?:CPDIS|CPERR|DP|CQDIS|D2IM)\w*) *="
)
_TABLE_DISTORTION = re.compile(r"(?:CPDIS|D2IMDIS)\d")
_RENAMED = {"RADECSYS=": "RADESYS =", "EPOCH   =": "EQUINOX ="}
_FILTER_KEYWORDS = ("FILTER", "FILTER1", "FILTER2", "FILTNAM1", "BAND")
_MAGNITUDE_KEYWORDS = ("MAGZERO", "MAGZPT", "ZEROPNT", "ZPAB", "PHOTZP")
_ZERO_POINT_KEYWORDS = ("BUNIT", *_MAGNITUDE_KEYWORDS, "PHOTFLAM", "PHOTPLAM", "PIXAR_SR")
_SATURATION_KEYWORDS = ("SATURATE", "SATLEVEL")
_FACTS = {*_FILTER_KEYWORDS, *_ZERO_POINT_KEYWORDS, *_SATURATION_KEYWORDS}
# `warnings.catch_warnings` swaps state of the whole process: one thread at a time may do it here.
_WARNING_LOCK = threading.Lock()


def is_wcs(value):
    """Whether a value is a world coordinate system (APE 14) or a FITS header."""
    return isinstance(value, BaseLowLevelWCS | BaseHighLevelWCS | fits.Header)


def as_wcs(value, label="wcs"):
    """
    Check a ``wcs=`` argument.

    Parameters
    ----------
    value : object
        A FITS header, or a WCS of the shared interface (APE 14).
    label : str
        The argument's name, for the message.

    Returns
    -------
    object or None
        The celestial WCS.

    Raises
    ------
    TypeError
        If it is neither.
    WCSError
        If it has no two celestial axes.
    """
    if value is None:
        return None
    if not is_wcs(value):
        msg = f"{label} must be a WCS or a FITS header, got {type(value).__name__}"
        raise TypeError(msg)
    if isinstance(value, fits.Header):
        value = wcs_from_text(value.tostring(), label=label)
    if value is None or (isinstance(value, WCS) and not value.has_celestial):
        msg = f"{label} must have celestial axes, got a WCS without"
        raise WCSError(msg)
    return _celestial(value)


def wcs_from_text(text, *, label, open_tables=None):
    """
    Build the celestial WCS of a header.

    Parameters
    ----------
    text : str
        The header as 80-character cards.
    label : str
        The input, for messages.
    open_tables : callable, optional
        Context manager giving the `~astropy.io.fits.HDUList` that holds lookup-table distortions.

    Returns
    -------
    `~astropy.wcs.WCS` or None
        `None` where the header has no celestial axes.

    Raises
    ------
    WCSError
        If the header's WCS cannot be used.
    """
    cards = [text[i : i + CARD] for i in range(0, len(text), CARD)]
    cards = [_RENAMED.get(card[:9], card[:9]) + card[9:] for card in cards if _WCS_CARD.match(card)]
    if not any(card.startswith("CTYPE") for card in cards):
        return None
    tables = any(_TABLE_DISTORTION.match(card) for card in cards)
    if tables and open_tables is None:
        warn_user(f"{label}: lookup-table distortions left out of its WCS", InputWarning)
        cards = [card for card in cards if not card.startswith(("CPDIS", "D2IM", "DP", "CPERR"))]
    try:
        if not tables or open_tables is None:
            return _build(cards)
        with open_tables() as hdus:
            return _build(cards, hdus)
    except Exception as error:  # wcslib and astropy raise a dozen kinds for a broken header
        msg = f"{label}: its header must hold a valid WCS, or wcs= be given, got: {error}"
        raise WCSError(msg) from error


def wcs_or_error(text, **keywords):
    """Return what `wcs_from_text` does and None, or None and its error, for who may do without."""
    try:
        return wcs_from_text(text, **keywords), None
    except WCSError as error:
        return None, error


def _build(cards, hdus=None):
    """Make the WCS of these cards, without the warnings about harmless repairs."""
    header = fits.Header.fromstring("".join(cards))
    with _WARNING_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        wcs = WCS(header, fobj=hdus)
        wcs.wcs.set()
    if not wcs.has_celestial:
        return None
    wcs = _celestial(wcs)
    if not abs(np.linalg.det(wcs.pixel_scale_matrix)) > 0:  # wcslib lets it pass; NaN fails, too
        msg = "a matrix of pixel scales that cannot be inverted"
        raise ValueError(msg)
    return wcs


def _celestial(wcs):
    """Reduce a WCS of a cube to its two celestial axes."""
    return wcs.celestial if isinstance(wcs, WCS) and wcs.naxis != 2 else wcs


def pixel_scale(wcs, shape):
    """
    Side of a pixel on the sky.

    Parameters
    ----------
    wcs : object or None
        Celestial WCS.
    shape : tuple of int
        Rows and columns: a WCS that is not `~astropy.wcs.WCS` is probed at the centre.

    Returns
    -------
    float or None
        Arcseconds: the square root of the pixel's area.
    """
    if wcs is None:
        return None
    if isinstance(wcs, WCS):
        return float(np.sqrt(abs(np.linalg.det(wcs.pixel_scale_matrix))) * 3600.0)
    x, y = shape[1] / 2, shape[0] / 2
    sky = wcs.pixel_to_world([x, x + 1, x], [y, y, y + 1])
    steps = sky[0].spherical_offsets_to(sky[1:])
    area = steps[0][0] * steps[1][1] - steps[0][1] * steps[1][0]
    return float(np.sqrt(abs(area.to_value("arcsec2"))))


def facts(text, label):
    """
    Read the cards about filter, units and saturation: parsing all would take longer.

    Parameters
    ----------
    text : str
        The header as 80-character cards.
    label : str
        The input, for messages.

    Returns
    -------
    dict
        Keyword to value. A card that breaks the FITS standard is left out with a warning, one
        without a value silently.
    """
    cards = (text[at : at + CARD] for at in range(0, len(text), CARD))
    found = {}
    for card in cards:
        key = card[:8].rstrip()
        if key in _FACTS:
            value = _value(card, f"{label}: {key}")
            if value is not None:
                found.setdefault(key, value)
    return found


def _value(card, name):
    """Return the value of a card; None where it has none, or, with a warning, none to be read."""
    try:
        if card[8:10] == "= ":
            value = fits.Card.fromstring(card).value
            return None if isinstance(value, fits.card.Undefined) else value
    except (fits.VerifyError, ValueError):
        pass
    msg = f"{name} is left out: it must be a valid FITS card, got {card.rstrip()!r}"
    warn_user(msg, InputWarning)
    return None


def filter_name(*headers):
    """
    Find the filter that headers name.

    Parameters
    ----------
    *headers : mapping
        The extension's header first, then the primary one.

    Returns
    -------
    str or None
        A name of known wavelength where there is one (ACS names two wheels, one of them clear).
    """
    names = [str(h[k]).strip() for h in headers for k in _FILTER_KEYWORDS if h.get(k) is not None]
    names = [name for name in names if name]
    known = [name for name in names if wavelength(name)]
    return (known or names or [None])[0]


def zero_point(*headers):
    """
    Return the AB magnitude of one unit of the pixels that some headers tell, or None.

    The rules, in this order: pixels in nanomaggies (SDSS, Legacy Surveys: 22.5); a number under
    MAGZERO, MAGZPT, ZEROPNT, ZPAB or PHOTZP; PHOTFLAM and PHOTPLAM (Hubble; ACS Data Handbook,
    section 5.1); MJy/sr with PIXAR_SR (Webb: 1 Jy is 8.90 mag).
    """
    known = {key: next((h[key] for h in headers if key in h), None) for key in _ZERO_POINT_KEYWORDS}
    unit = str(known["BUNIT"] or "").strip().lower()
    if unit.startswith("nanomagg"):
        return 22.5
    numbers = {
        key: float(value) for key, value in known.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)
    }
    for key in _MAGNITUDE_KEYWORDS:
        if key in numbers:
            return numbers[key]
    flam, plam, area = (numbers.get(key, 0) for key in ("PHOTFLAM", "PHOTPLAM", "PIXAR_SR"))
    if flam > 0 and plam > 0:
        return float(-2.5 * np.log10(flam) - 5 * np.log10(plam) - 2.408)
    if unit == "mjy/sr" and area > 0:
        return float(8.90 - 2.5 * np.log10(1e6 * area))
    return None


def saturation_level(*headers):
    """Return the first positive finite ``SATURATE`` or ``SATLEVEL`` of some headers, or None."""
    for value in (h.get(k) for h in headers for k in _SATURATION_KEYWORDS):
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < np.inf:
            return float(value)
    return None
