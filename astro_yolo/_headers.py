"""What a FITS header says about an image: its WCS, its filter, its saturation level."""

import re
import threading
import warnings

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from astropy.wcs.wcsapi import BaseHighLevelWCS, BaseLowLevelWCS

from astro_yolo._bands import wavelength
from astro_yolo._sphere import unit_vectors
from astro_yolo.exceptions import InputWarning, WCSError, warn_user

CARD = 80
_SCALE_ERROR = 0.01  # of the matrix of a WCS, from which the scale is that of the image's centre
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
_ZERO_POINT_KEYWORDS = (
    "BUNIT", *_MAGNITUDE_KEYWORDS, "PHOTFLAM", "PHOTPLAM", "EXPTIME", "PIXAR_SR",
)  # fmt: skip
_JANSKY = 8.90  # AB magnitude
_MAGGY = u.Unit("maggy")
# Spellings of units that Astropy does not know, in lower case.
_UNITS = {"nanomaggies": "nanomaggy", "mjy/sr": "MJy/sr"}
# What Hubble counts in, with and without a "per second".
_COUNTS = r"(?:electrons?|e-?|photons?|ph|counts?|cts?|dn|adu)"
_SECOND = r"(?:s|secs?|seconds?)"
_RATE = re.compile(rf"cps|{_COUNTS}(?: ?/ ?{_SECOND}|[ .*]{_SECOND}(?:\^|\*\*)?\(?-1\)?)")
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
        Rows and columns.

    Returns
    -------
    float or None
        Arcseconds: the square root of the pixel's area, as a FITS header has it in its matrix. At
        the centre of the image where that is more than 1 % off, as far from the reference point
        of some projections and in distorted images, and for a WCS without a matrix.
    """
    if wcs is None:
        return None
    if not isinstance(wcs, WCS):
        x, y = shape[1] / 2, shape[0] / 2
        sky = wcs.pixel_to_world([x, x + 1, x], [y, y, y + 1])
        steps = sky[0].spherical_offsets_to(sky[1:])
        area = steps[0][0] * steps[1][1] - steps[0][1] * steps[1][0]
        return float(np.sqrt(abs(area.to_value("arcsec2"))))
    stated = float(np.sqrt(abs(np.linalg.det(wcs.pixel_scale_matrix))) * 3600.0)
    central = _central_scale(wcs, shape)
    # below that all cutouts of one frame keep the one scale
    return stated if not abs(central / stated - 1) > _SCALE_ERROR else central


def _central_scale(wcs, shape):
    """Side in arcseconds of the pixel at the centre of an image; NaN where there is no sky."""
    x, y = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    with np.errstate(all="ignore"):
        world = np.radians(wcs.all_pix2world([x - 1, x + 1, x, x], [y, y, y - 1, y + 1], 0))
    longitude, latitude = world[wcs.wcs.lng], world[wcs.wcs.lat]
    places = unit_vectors(longitude, latitude)
    area = np.linalg.norm(np.cross(places[1] - places[0], places[3] - places[2])) / 4
    return float(np.degrees(np.sqrt(area)) * 3600)


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


def zero_point(*headers, unit=None):
    """
    Return the AB magnitude of one unit of the pixels that some headers tell, or None.

    The rules, in this order: pixels in janskys of any prefix (1 Jy is 8.90 mag) or nanomaggies
    (SDSS, Legacy Surveys: 22.5); a number under MAGZERO, MAGZPT, ZEROPNT, ZPAB or PHOTZP; PHOTFLAM
    and PHOTPLAM (Hubble; ACS Data Handbook, section 5.1), which are of a count per second, with
    EXPTIME for counts; a surface brightness such as MJy/sr (Webb) with PIXAR_SR.

    Parameters
    ----------
    *headers : mapping
        The extension's header first, then the primary one.
    unit : `~astropy.units.Unit`, optional
        Of the pixels as they are now. Where BUNIT is another one, the numbers of the headers are
        of that, and are brought to this one if it can be done.

    Returns
    -------
    float or None
        None as well where a number that is needed, such as EXPTIME, is not there.
    """
    known = {key: next((h[key] for h in headers if key in h), None) for key in _ZERO_POINT_KEYWORDS}
    told = str(known["BUNIT"] or "")
    if unit is None or not str(unit):
        return _zero_point(known, told)
    step = _magnitudes_between(_as_unit(told), u.Unit(unit))
    if told and step is not None:
        found = _zero_point(known, told)
        return None if found is None else found + step
    return _zero_point(known, str(unit))


def _zero_point(known, unit):
    """Zero point of pixels in the unit that the cards are about."""
    numbers = {
        key: float(value) for key, value in known.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)
    }
    measure, area = _as_unit(unit), numbers.get("PIXAR_SR", 0)
    for base, magnitude in ((u.Jy, _JANSKY), (u.Jy / u.pix, _JANSKY), (_MAGGY, 0.0)):
        step = _magnitudes_between(base, measure)
        if step is not None:
            return magnitude + step
    for key in _MAGNITUDE_KEYWORDS:
        if key in numbers:
            return numbers[key]
    brightness = _magnitudes_between(u.Jy / u.sr, measure)
    if brightness is None:
        return _hubble_zero_point(numbers, unit)
    return float(_JANSKY + brightness - 2.5 * np.log10(area)) if area > 0 else None


def _hubble_zero_point(numbers, unit):
    """Zero point by PHOTFLAM, which is the flux of one count per second."""
    flam, plam, time = (numbers.get(key, 0) for key in ("PHOTFLAM", "PHOTPLAM", "EXPTIME"))
    if flam <= 0 or plam <= 0:
        return None
    found = float(-2.5 * np.log10(flam) - 5 * np.log10(plam) - 2.408)
    unit = unit.strip().lower()
    if not unit or _RATE.fullmatch(unit):
        return found
    counts = re.fullmatch(_COUNTS, unit)
    return float(found + 2.5 * np.log10(time)) if counts and time > 0 else None


def _as_unit(text):
    """Return the unit that a header names; one that converts to nothing if it is not known."""
    text = text.strip()
    return u.Unit(_UNITS.get(text.lower(), text), parse_strict="silent")


def _magnitudes_between(old, new):
    """Return what the zero point of one unit has more than that of another; None if unrelated."""
    try:
        return round(float(-2.5 * np.log10(new.to(old))), 9)  # 22.5, not a hair beside it
    except (u.UnitConversionError, TypeError, ValueError):
        return None


def saturation_level(*headers):
    """Return the first positive finite ``SATURATE`` or ``SATLEVEL`` of some headers, or None."""
    for value in (h.get(k) for h in headers for k in _SATURATION_KEYWORDS):
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < np.inf:
            return float(value)
    return None
