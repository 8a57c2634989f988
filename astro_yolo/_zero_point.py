"""The AB magnitude of one unit of the pixels, as far as the cards of a header tell it."""

import re

import numpy as np
from astropy import units as u

__all__ = ["KEYWORDS", "zero_point"]

_MAGNITUDE_KEYWORDS = ("MAGZERO", "MAGZPT", "ZEROPNT", "ZPAB", "PHOTZP")
_SYSTEM_KEYWORDS = ("PHOTSYS", "MAGSYS")
#: The cards that are read, by their names in a dict.
KEYWORDS = (
    "BUNIT", *_MAGNITUDE_KEYWORDS, *_SYSTEM_KEYWORDS, "MAGZRR", "MAGZP", "INSTRUME", "FLUXMAG0",
    "FPA.ZP", "PHOTFLAM", "PHOTPLAM", "EXPTIME", "PIXAR_SR", "SURVEY",
)  # fmt: skip
_JANSKY = 8.90  # AB magnitude
_SAME_AREA = 0.1  # of a distorted exposure the one card and the pixel at its centre differ by less
_MAGGY = u.Unit("maggy")
# Spellings of units that Astropy does not know, in lower case.
_UNITS = {
    "nanomaggies": "nanomaggy", "maggies": "maggy", "mjy/sr": "MJy/sr", "microjy": "uJy",
}  # fmt: skip
# What Hubble counts in, with and without a "per second".
_COUNTS = r"(?:electrons?|e-?|photons?|ph|counts?|cts?|dn|adu)"
_SECOND = r"(?:s|secs?|seconds?)"
_RATE = re.compile(rf"cps|{_COUNTS}(?: ?/ ?{_SECOND}|[ .*]{_SECOND}(?:\^|\*\*)?\(?-1\)?)")


def zero_point(*headers, unit=None, scale=None):
    """
    Return the AB magnitude of one unit of the pixels that some headers tell, or None.

    The rules, in this order: pixels in janskys of any prefix (1 Jy is 8.90 mag) or nanomaggies
    (SDSS, Legacy Surveys, also where BUNIT is missing: 22.5); FLUXMAG0, the counts of magnitude 0
    (HSC); FPA.ZP, which is of a count per second, with EXPTIME (Pan-STARRS); a number under
    MAGZERO, MAGZPT, ZEROPNT, ZPAB or PHOTZP, or MAGZP (ZTF); PHOTFLAM and PHOTPLAM
    (Hubble; ACS Data Handbook, section 5.1), which are of a count per second, with EXPTIME for
    counts; a surface brightness such as MJy/sr with PIXAR_SR (Webb) or the area of a pixel, which
    also stands where the two are a tenth apart, as in images that were binned or resampled.

    Parameters
    ----------
    *headers : mapping
        The extension's header first, then the primary one.
    unit : `~astropy.units.Unit`, optional
        Of the pixels as they are now. Where BUNIT is another one, the numbers of the headers are
        of that, and are brought to this one if it can be done.
    scale : callable, optional
        Returns the side of a pixel in arcsec, or None. It is asked where the headers do not say.

    Returns
    -------
    float or None
        None as well where a number that is needed, such as EXPTIME, is not there, and where the
        magnitudes are Vega's: PHOTSYS or MAGSYS says so, or MAGZRR, which the pipeline of
        UKIDSS, VISTA and the INT writes beside a MAGZPT of a count per second.
    """
    known = {key: next((h[key] for h in headers if key in h), None) for key in KEYWORDS}
    told = str(known["BUNIT"] or _unit_of_survey(known))
    if unit is None or not str(unit):
        return _zero_point(known, told, scale)
    step = _magnitudes_between(_as_unit(told), u.Unit(unit))
    if told and step is not None:
        found = _zero_point(known, told, scale)
        return None if found is None else found + step
    return _zero_point(known, str(unit), scale)


def _unit_of_survey(known):
    """Return the unit of cutouts of the Legacy Surveys, whose headers leave it out."""
    return "nanomaggy" if known["SURVEY"] == "LegacySurvey" else ""


def _zero_point(known, unit, scale):
    """Zero point of pixels in the unit that the cards are about."""
    numbers = {
        key: float(value) for key, value in known.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)
    }
    measure = _as_unit(unit)
    for base, magnitude in ((u.Jy, _JANSKY), (u.Jy / u.pix, _JANSKY), (_MAGGY, 0.0)):
        step = _magnitudes_between(base, measure)
        if step is not None:
            return magnitude + step
    told = _told_magnitude(known, numbers)
    if told is not None:
        return told
    brightness = _magnitudes_between(u.Jy / u.sr, measure)
    if brightness is None:
        return _hubble_zero_point(numbers, unit)
    area = _pixel_area(numbers.get("PIXAR_SR", 0), _area(scale))
    return float(_JANSKY + brightness - 2.5 * np.log10(area)) if area > 0 else None


def _told_magnitude(known, numbers):
    """Return the AB magnitude of one unit that a card holds, directly or nearly so."""
    if numbers.get("FLUXMAG0", 0) > 0:
        return float(2.5 * np.log10(numbers["FLUXMAG0"]))
    if "FPA.ZP" in numbers:
        time = numbers.get("EXPTIME", 0)
        return float(numbers["FPA.ZP"] + 2.5 * np.log10(time)) if time > 0 else None
    if any("VEGA" in str(known[key]).upper() for key in _SYSTEM_KEYWORDS):
        return None
    keys = [key for key in _MAGNITUDE_KEYWORDS if key in numbers]
    if "MAGZRR" in numbers:
        keys = [key for key in keys if key != "MAGZPT"]
    # elsewhere (2MASS, WISE) it is of Vega's system
    if str(known["INSTRUME"]).startswith("ZTF") and "MAGZP" in numbers:
        keys.append("MAGZP")
    return numbers[keys[0]] if keys else None


def _pixel_area(stated, seen):
    """Return the area of a pixel: that of the WCS where a card is far off, as after rebinning."""
    return seen if seen and abs(stated / seen - 1) > _SAME_AREA else stated


def _area(scale):
    """Return the area of a pixel in steradians; 0 where it is not known."""
    side = scale() if scale else None
    return float(np.radians(side / 3600) ** 2) if side else 0.0


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
    first, *others = text.split("/")
    if len(others) > 1 and "(" not in text:  # astropy warns of erg/s/cm2/Hz, and reads the same
        text = f"{first}/({' '.join(others)})"
    return u.Unit(_UNITS.get(text.lower(), text), parse_strict="silent")


def _magnitudes_between(old, new):
    """Return what the zero point of one unit has more than that of another; None if unrelated."""
    try:
        return round(float(-2.5 * np.log10(new.to(old))), 9)  # 22.5, not a hair beside it
    except (u.UnitConversionError, TypeError, ValueError):
        return None
