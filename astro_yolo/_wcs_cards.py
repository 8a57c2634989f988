"""The cards of a FITS header that make its WCS, and repairs of what others write into them."""

import re

from astropy.io import fits

from astro_yolo.exceptions import InputWarning, warn_user

__all__ = ["CARD", "SIP", "lacks_scale", "repaired", "wcs_cards"]

CARD = 80
SIP = ("A_ORDER", "B_ORDER")
# Everything WCS papers I-III, SIP, TPV, astropy's lookup tables and wcslib's distortions use. Dates
# are left out: no position needs them, and SDSS writes them in a form that costs a repair and a
# warning.
_WCS_CARD = re.compile(
    r"(?:WCSAXES|NAXIS\d*|RADESYS|RADECSYS|EQUINOX|EPOCH|LONPOLE|LATPOLE|PROJP\d+|PC\d{6}|CD\d{6}"
    r"|(?:CTYPE|CUNIT|CRPIX|CRVAL|CDELT|CROTA)\d+|(?:CD|PC|PV|PS)\d+_\d+"
    r"|(?:A|B|AP|BP)_(?:ORDER|DMAX|\d+_\d+)|(?:CPDIS|CPERR|D[PQ]\d|CQDIS|D2IM)\w*) *="
)
# IRAF's cards, which hold the distortion of its projections of these names.
_IRAF_CARD, _IRAF_NAMES = re.compile(r"WAT\d_\d{3}="), ("-TNX'", "-ZPX'")
_RENAMED = {"RADECSYS": "RADESYS", "EPOCH": "EQUINOX"}
_SCALE = re.compile(r"CDELT\d|CD\d+_\d|CD\d{6}|PC\d+_\d|PC\d{6}")
_ON_SKY = re.compile(r"'(?:RA-|DEC-|.?L(?:ON|AT)-)")
_NUMBER = re.compile(r"(?:CRPIX|CRVAL|CDELT|CROTA|CD|PC)\d")
_YEAR = re.compile(r"[JB]?(\d{4}(?:\.\d*)?)")
_FRAMES = {"ICRS", "FK5", "FK4", "FK4-NO-E"}  # that astropy converts from
_OTHER_FRAMES = {"J2000": "FK5", "B1950": "FK4"}
_YEARS = 1800, 2200


def wcs_cards(text):
    """
    Return the cards of a header that are about its WCS, under the names of the standard.

    Parameters
    ----------
    text : str
        The header as 80-character cards.

    Returns
    -------
    list of str
        Of EPOCH and EQUINOX the second alone where both are there: EPOCH is then often that of
        the observation.
    """
    every = [text[i : i + CARD] for i in range(0, len(text), CARD)]
    cards = [card for card in every if _WCS_CARD.match(card)]
    # others write WAT cards, too, which wcslib may stumble over
    if any(card[:5] == "CTYPE" and name in card for card in cards for name in _IRAF_NAMES):
        cards += [card for card in every if _IRAF_CARD.match(card)]
    keys = [card[:8].rstrip() for card in cards]
    names = [_RENAMED.get(key, key) for key in keys]
    return [
        f"{name:8}{card[8:]}" for card, key, name in zip(cards, keys, names, strict=True)
        if name == key or name not in keys
    ]


def lacks_scale(cards, label):
    """Whether cards lack the size of a pixel, for which wcslib takes a degree; with a warning."""
    if any(_SCALE.match(card) for card in cards):
        return False
    if any(card[:5] == "CTYPE" and _ON_SKY.search(card) for card in cards):
        msg = f"{label}: its WCS is left out: it must have CDELT, CD or PC cards, got none"
        warn_user(msg, InputWarning)
    return True


def repaired(cards, label):
    """
    Make a header of the cards of a WCS, with what wcslib would take for something else put right.

    Parameters
    ----------
    cards : list of str
        As `wcs_cards` returns them.
    label : str
        The input, for messages.

    Returns
    -------
    `~astropy.io.fits.Header`

    Raises
    ------
    ValueError
        If there is a text that is no number, where a number must be: wcslib would take 0.
    """
    header = fits.Header.fromstring("".join(cards))
    for key in header:
        if _NUMBER.match(key) and isinstance(header[key], str):
            header[key] = _number(key, header[key])
    _repair_frame(header, label)
    _repair_equinox(header, label)
    _name_sip(header, label)
    return header


def _number(key, text):
    """Return the number that a text holds."""
    try:
        return float(text)
    except ValueError:
        msg = f"{key} must be a number, got {text!r}"
        raise ValueError(msg) from None


def _repair_frame(header, label):
    """Leave out a RADESYS that is no frame, and spell the others as the standard does."""
    told = header.get("RADESYS")
    if not isinstance(told, str) or not told.strip():
        return
    name = told.strip().upper()
    name = _OTHER_FRAMES.get(name, name)
    if name in _FRAMES:
        header["RADESYS"] = name
        return
    del header["RADESYS"]
    msg = f"{label}: RADESYS is left out: it must be one of {sorted(_FRAMES)}, got {told!r}"
    warn_user(msg, InputWarning)


def _repair_equinox(header, label):
    """Leave out an EQUINOX that is no year of a catalogue, and read one that is a text."""
    told = header.get("EQUINOX")
    if told is None or isinstance(told, fits.card.Undefined):
        return
    match = _YEAR.fullmatch(str(told).strip().upper())
    if match and _YEARS[0] <= float(match[1]) <= _YEARS[1]:
        header["EQUINOX"] = float(match[1])
        return
    del header["EQUINOX"]
    if told != 0:  # IRAF's way to say that it is not known
        msg = f"{label}: EQUINOX is left out: it must be a year {_YEARS}, got {told!r}"
        warn_user(msg, InputWarning)


def _name_sip(header, label):
    """Let CTYPE name a SIP distortion that is there: astropy uses it, but has a page to say."""
    if not any(key in header for key in SIP):
        return
    types = {key: str(header.get(key, "")).strip() for key in ("CTYPE1", "CTYPE2")}
    if all(name.endswith("-TAN") for name in types.values()):
        header.update({key: f"{name}-SIP" for key, name in types.items()})
        msg = f"{label}: the SIP distortion of its WCS is used, though CTYPE does not end in -SIP"
        warn_user(msg, InputWarning)
