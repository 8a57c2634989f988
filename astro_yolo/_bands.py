"""Band names: known wavelengths, the order they give, and the FILTER keyword that must agree."""

import re
from itertools import pairwise

from astro_yolo.exceptions import BandError

# Central wavelengths in nanometres, rounded: they order bands and tell them apart, nothing more.
# Lower case is SDSS/PS1/LSST, upper case is Johnson/Cousins and 2MASS/UKIDSS, whose own headers
# have it in lower case.
_NAMED = {
    "fuv": 153, "nuv": 231, "uvw2": 203, "uvm2": 223, "uvw1": 260, "vis": 715,
    "u": 355, "g": 475, "r": 622, "i": 763, "z": 890, "y": 970,
    "U": 365, "B": 440, "V": 550, "R": 640, "I": 795, "Z": 882, "Y": 1030,
    "J": 1240, "H": 1640, "K": 2190, "Ks": 2150, "j": 1240, "h": 1640, "k": 2190,
    "blue": 450, "green": 530, "red": 640,
    "ha": 656, "halpha": 656, "oiii": 501, "sii": 672,
    "W1": 3350, "W2": 4600, "W3": 11600, "W4": 22100,
}  # fmt: skip
_SLOAN = "ugrizy"
# NIRCam long-wave and MIRI numbers count tens of nanometres, and overlap with HST's nanometres; so
# do those of NICMOS from 222 and of NIRISS (380).
_TENS_OF_NM = {
    222, 237, 240, 250, 277, 300, 322, 323, 335, 356, 360, 380, 405, 410, 430, 444, 460, 466, 470,
    480, 560, 770, 1000, 1065, 1130, 1140, 1280, 1500, 1550, 1800, 2100, 2300, 2550,
}  # fmt: skip
# HST's own among these numbers and below 218: ultraviolet filters of WFPC2, ACS and WFC3.
_NANOMETRES = {"F122M", "F170W", "F185W", "F250W", "F300W", "F300X", "F380W"}
_SPACE_FILTER = re.compile(r"F(\d{3,4})(W2|LP|[WMNXCP]|)$", re.IGNORECASE)
_PREFIX = re.compile(r"^(?:sdss|des|decam|hsc|ps1|lsst|vista|ukidss|2mass|megacam)", re.IGNORECASE)
_SYSTEM = re.compile(r"^W-[JCS]-")  # of Suprime-Cam's filters: Johnson, Cousins, Sloan
_SHORTEST_HST_NM = 218  # F218W; a smaller number counts tens of nanometres (F090W, F160W, F200W)
_SAME_BAND_RATIO = 1.12  # B and g, r and F606W are one band in this sense; g and r are not


def wavelength(name):
    """
    Central wavelength of a band, from its name.

    Parameters
    ----------
    name : str
        A band or filter name: ``"r"``, ``"SDSS-g"``, ``"r.MP9601"``, ``"F814W"``, ``"Ks"``.

    Returns
    -------
    float or None
        Nanometres, rounded to the band; `None` where the name is not known.
    """
    token = _token(name)
    return None if token is None else float(_token_wavelength(token))


def is_red(name):
    """Whether a name means the r band (or R), the preferred reference for alignment."""
    return _token(name) in {"r", "R"}


def reference(names):
    """Return the index of the band whose pixel grid stands for all: r, or the middle one."""
    red = [k for k, name in enumerate(names) if is_red(name)]
    return red[0] if red else len(names) // 2


def order(names):
    """
    Find the indices that sort bands from short to long wavelength.

    Parameters
    ----------
    names : sequence of str
        Band names.

    Returns
    -------
    list of int
        The given order where the wavelength of any name is unknown.
    """
    lengths = [wavelength(name) for name in names]
    if any(length is None for length in lengths):
        return list(range(len(names)))
    return sorted(range(len(names)), key=lengths.__getitem__)


def check_agreement(name, keyword, label):
    """
    Refuse a FILTER keyword that contradicts the name a band was given under.

    Parameters
    ----------
    name : str
        The band name that the caller gave.
    keyword : str or None
        The filter that the file's header names.
    label : str
        The input, for the message.

    Raises
    ------
    BandError
        If both are known and differ.
    """
    given, found = _token(name), _token(keyword)
    if given is None or found is None or not _differ(given, found):
        return
    msg = f"band {name!r}: the FILTER keyword of {label} must agree, got {keyword!r}"
    raise BandError(msg)


def check_ascending(names, labels):
    """
    Refuse a list of bands whose FILTER keywords do not run from short to long wavelength.

    Parameters
    ----------
    names : sequence of (str or None)
        The filters that the headers name.
    labels : sequence of str
        The inputs, for the message.

    Raises
    ------
    BandError
        If the known wavelengths fall anywhere.
    """
    found = ((wavelength(n), n, text) for n, text in zip(names, labels, strict=True))
    known = [item for item in found if item[0] is not None]
    for (short, first, label), (long, second, other) in pairwise(known):
        if long < short:
            msg = (
                "a list of bands must run from short to long wavelength, got FILTER "
                f"{first!r} ({label}) before {second!r} ({other}); reorder it or name the bands "
                "in a dict"
            )
            raise BandError(msg)


def _differ(given, found):
    """Tell two known tokens apart: letters of one system exactly, others by wavelength."""
    if given in _SLOAN and found in _SLOAN:
        return given != found
    lengths = sorted((_token_wavelength(given), _token_wavelength(found)))
    return lengths[1] > _SAME_BAND_RATIO * lengths[0]


def _token(name):
    """Return the part of a name that is a known band, in its table spelling, or None."""
    name = _SYSTEM.sub("", str(name or ""))
    name = re.sub(r"H[\W_]?alpha", "halpha", name, flags=re.IGNORECASE)
    for word in re.split(r"[^A-Za-z0-9]+", name):
        token = _known(word) or _known(_PREFIX.sub("", word))
        if token is not None:
            return token
    return None


def _known(word):
    """Return one word as a known token; HSC's G means g and its R2 R, primes (gp) are dropped."""
    again = word.endswith("p") or word in {"R2", "I2"}
    for spelling in (word, word.lower(), word[:-1] if again else ""):
        if spelling in _NAMED:
            return spelling
    return word.upper() if _SPACE_FILTER.match(word) else None


def _token_wavelength(token):
    """Wavelength in nm of a known token."""
    if token in _NAMED:
        return _NAMED[token]
    number, kind = _SPACE_FILTER.match(token).groups()
    number = int(number)
    # a long-pass filter of so small a number is one of ACS in the far ultraviolet
    short = token in _NANOMETRES or (kind == "LP" and number < _SHORTEST_HST_NM)
    tens = number < _SHORTEST_HST_NM or number in _TENS_OF_NM
    return 10 * number if tens and not short else number
