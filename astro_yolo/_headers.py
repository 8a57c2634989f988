"""What a FITS header says about an image: its WCS, its filter, its saturation level."""

import re
import threading
import warnings
from contextlib import nullcontext

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, WCSSUB_CELESTIAL, FITSFixedWarning
from astropy.wcs.utils import wcs_to_celestial_frame
from astropy.wcs.wcsapi import BaseHighLevelWCS, BaseLowLevelWCS

from astro_yolo._bands import wavelength
from astro_yolo._sphere import unit_vectors
from astro_yolo._wcs_cards import CARD, SIP, lacks_scale, repaired, wcs_cards
from astro_yolo._zero_point import KEYWORDS as ZERO_POINT_KEYWORDS
from astro_yolo.exceptions import InputWarning, WCSError, warn_user

_SCALE_ERROR = 0.01  # of the matrix of a WCS, from which the scale is that of the image's centre
_TABLE_DISTORTION = re.compile(r"(?:CPDIS|D2IMDIS)\d")
_POLYNOMIALS = ("-TPV", "-TPU")
_COORDINATES = "equatorial, galactic or ecliptic coordinates"
_ON_SKY = ("RA--", "DEC-", "GLON", "GLAT", "ELON", "ELAT")
_INHERITS = re.compile(r"(?:.{80})*INHERIT = +T[ /]", re.DOTALL)
# Webb's PUPIL holds the narrower filter where it holds one at all.
_FILTER_KEYWORDS = (
    "PUPIL", "FILTER", "FILTER1", "FILTER2", "FILTNAM1", "BAND", "FPA.FILTERID", "FPA.FILTER",
    "ESO INS FILT1 NAME", "ESO INS FILT2 NAME", "BAND0",
)  # fmt: skip
_PLANE_BAND = re.compile(r"BAND\d+")
# Who says that the planes of a cube are red, green and blue: GIMP and others, PixInsight, Siril.
_COLOR_CUBE = {"CTYPE3": "RGB", "COLORSPC": "RGB", "PROGRAM": "Siril"}
# What stands behind the band in the names of Pan-STARRS ("r.00000") and of DECam ("r DECam SDSS").
_BEHIND_BAND = re.compile(r"\.0+$| DECam\b.*$")
_SATURATION_KEYWORDS = ("SATURATE", "SATLEVEL")
_FACTS = {*_FILTER_KEYWORDS, *ZERO_POINT_KEYWORDS, *_SATURATION_KEYWORDS, *_COLOR_CUBE}
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
    label : str, optional
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
    value = _celestial(value)
    if isinstance(value, WCS) and not _has_known_frame(value):
        msg = (
            f"{label} must be in {_COORDINATES} that astropy knows, got {list(value.wcs.ctype)} "
            f"with RADESYS {value.wcs.radesys!r}"
        )
        raise WCSError(msg)
    return value


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
        `None` where the header has no celestial axes, or, with a warning, no scale of them or those
        are of the Sun or a planet.

    Raises
    ------
    WCSError
        If the header's WCS cannot be used.
    """
    cards = wcs_cards(text)
    if not any(card.startswith("CTYPE") for card in cards) or lacks_scale(cards, label):
        return None
    tables = any(_TABLE_DISTORTION.match(card) for card in cards)
    if tables and open_tables is None:
        warn_user(f"{label}: lookup-table distortions left out of its WCS", InputWarning)
        cards = [card for card in cards if not card.startswith(("CPDIS", "D2IM", "DP", "CPERR"))]
    try:
        header = repaired(cards, label)
        with open_tables() if tables and open_tables else nullcontext() as hdus:
            wcs = _build(header, hdus)
    except Exception as error:  # wcslib and astropy raise a dozen kinds for a broken header
        msg = f"{label}: its header must hold a valid WCS, or wcs= be given, got: {error}"
        raise WCSError(msg) from error
    if wcs is not None and not _has_known_frame(wcs):
        got = list(wcs.wcs.ctype)
        warn_user(
            f"{label}: its WCS is left out: it must be in {_COORDINATES}, got {got}", InputWarning
        )
        return None
    return wcs


def wcs_or_error(*texts, **keywords):
    """
    Return the WCS of an image and None, or None and its error, for who may do without.

    Parameters
    ----------
    *texts : str
        The image's header, then the primary one, which counts where the first inherits from it
        and has no WCS of its own (FITS standard 4.0, section 4.4.2.6).
    **keywords : dict
        Of `wcs_from_text`.

    Returns
    -------
    wcs : `~astropy.wcs.WCS` or None
    error : WCSError or None
    """
    try:
        wcs = wcs_from_text(texts[0], **keywords)
        if wcs is None and len(texts) > 1 and _INHERITS.match(texts[0]):
            wcs = wcs_from_text(texts[1], **keywords)
    except WCSError as error:
        return None, error
    return wcs, None


def _build(header, hdus=None):
    """Make the WCS of a header, without the warnings about harmless repairs."""
    # astropy takes distortions for two axes alone, and a cube of colours has a third
    deep = max(header.get("NAXIS", 0), header.get("WCSAXES", 0)) > 2 or "CTYPE3" in header
    distorted = hdus is not None or any(key in header for key in SIP)
    distorted |= any(str(header.get(key)).endswith(_POLYNOMIALS) for key in ("CTYPE1", "CTYPE2"))
    axes = [WCSSUB_CELESTIAL] if deep and distorted else None
    with _WARNING_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        wcs = WCS(header, fobj=hdus, naxis=axes)
        wcs.wcs.set()
    if not wcs.has_celestial:
        return None
    wcs = _celestial(wcs)
    if not abs(np.linalg.det(wcs.pixel_scale_matrix)) > 0:  # wcslib lets it pass; NaN fails, too
        msg = "a matrix of pixel scales that cannot be inverted"
        raise ValueError(msg)
    return wcs


def _has_known_frame(wcs):
    """Whether a WCS is of the sky, not of the Sun or a planet, and in a frame of astropy's."""
    if not all(name.startswith(_ON_SKY) for name in wcs.wcs.ctype):
        return False
    try:
        wcs_to_celestial_frame(wcs)
    except ValueError:
        return False
    return True


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
        if key == "HIERARCH":
            key = card[9:].partition("=")[0].strip()
        if key in _FACTS or _PLANE_BAND.fullmatch(key):
            value = _value(card, f"{label}: {key}")
            if value is not None:
                found.setdefault(key, value)
    return found


def _value(card, name):
    """Return the value of a card; None where it has none, or, with a warning, none to be read."""
    try:
        if card[8:10] == "= " or card.startswith("HIERARCH "):
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
    names = [_BEHIND_BAND.sub("", name) for name in names if name]
    known = [name for name in names if wavelength(name)]
    return (known or names or [None])[0]


def plane_filters(number, *headers):
    """
    Find the filters of the planes of a cube.

    Parameters
    ----------
    number : int
        How many planes there are.
    *headers : mapping
        The extension's header first, then the primary one.

    Returns
    -------
    list of (str or None)
        What BAND0, BAND1 and so on hold, as in cutouts of the Legacy Surveys; red, green and blue
        of three planes of a colour picture; None for all where there are no names.
    """
    for header in headers:
        names = [str(header.get(f"BAND{k}", "")).strip() for k in range(number)]
        if all(names):
            return names
        if number == 3 and any(
            str(header.get(key, "")).startswith(value) for key, value in _COLOR_CUBE.items()
        ):
            return ["red", "green", "blue"]
    return [None] * number


def saturation_level(*headers):
    """Return the first positive finite ``SATURATE`` or ``SATLEVEL`` of some headers, or None."""
    for value in (h.get(k) for h in headers for k in _SATURATION_KEYWORDS):
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < np.inf:
            return float(value)
    return None
