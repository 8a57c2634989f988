"""The HDUs of a FITS file, listed without parsing more of their headers than must be."""

import math
from dataclasses import dataclass

from astro_yolo._wcs_cards import CARD
from astro_yolo.exceptions import ImageError

_BLOCK = 2880  # FITS standard 4.0, section 3.1
_STRUCTURE = {
    "XTENSION", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "GROUPS", "EXTNAME", "EXTTYPE", "EXTVER",
    "ZIMAGE", "ZBITPIX", "ZNAXIS", "BSCALE", "BZERO", "BLANK", "ZBLANK", "BSOFTEN", "BOFFSET",
}  # fmt: skip
# What astropy's CCDData calls its mask, and what stands beside an image there, with distortions of
# a WCS, and in the files of surveys: masks, errors and weights.
MASK = "MASK"
_BESIDE = {
    MASK, "UNCERT", "PSFIMAGE", "WCSDVARR", "D2IMARR", "MSK", "DQ", "QUAL", "FLAG", "FLAGS",
    "VARIANCE", "VAR", "IVAR", "INVVAR", "ERR", "ERRS", "ERROR", "SIGMA", "STD", "STDDEV", "STDEV",
    "STAT", "RMS", "NOISE", "UNC", "WHT", "WGT", "WEIGHT", "WEIGHTS", "CON", "CTX", "COVERAGE",
    "EXP", "EXPOSURE", "MASKBITS",
}  # fmt: skip


@dataclass(frozen=True)
class HDUEntry:
    """What is known of one HDU before its pixels are touched."""

    index: int
    name: str
    version: int
    shape: tuple  # () for a table or an empty HDU; leading axes of length 1 left out
    compressed: bool
    facts: dict
    text: str  # header cards
    start: int  # of the data, in bytes


def choose(entries, hdu, name):
    """
    Pick the HDU to read.

    Parameters
    ----------
    entries : list of HDUEntry
        All of the file.
    hdu : int, str, (str, int) or None
        The caller's choice. Without one: the only image, masks, errors, weights and distortions
        beside it aside, or the only one called ``SCI`` (as the Hubble and Webb pipelines name it).
    name : str
        The file, for messages.

    Returns
    -------
    HDUEntry
        It has two or three axes.

    Raises
    ------
    ImageError
        If there is no such HDU, it holds no image, or the choice is not clear.
    """
    images = [entry for entry in entries if len(entry.shape) in {2, 3}]
    if hdu is not None:
        return _chosen(entries, hdu, name)
    if not images:
        found = ", ".join(_describe(entry) for entry in entries)
        msg = f"{name}: must hold an image of two dimensions, or three (bands first), got {found}"
        raise ImageError(msg)
    alone = [entry for entry in images if entry.name.upper() not in _BESIDE]
    science = [entry for entry in images if entry.name.upper() == "SCI"]
    for candidates in (images, alone, science):
        if len(candidates) == 1:
            return candidates[0]
    found = ", ".join(_describe(entry) for entry in alone or images)
    msg = f"{name}: holds several images, one must be chosen with hdu=, got {found}"
    raise ImageError(msg)


def mask_beside(entries, chosen):
    """
    Find the mask that astropy's CCDData writes beside its image.

    Parameters
    ----------
    entries : list of HDUEntry
        All of the file.
    chosen : HDUEntry
        The image.

    Returns
    -------
    HDUEntry or None
        None for an image that is not the primary one: in the extensions of a pipeline a bit of
        a mask may say that there is a galaxy.
    """
    masks = [entry for entry in entries if entry.name.upper() == MASK and entry is not chosen]
    fits = len(masks) == 1 and masks[0].shape == chosen.shape and chosen.index == 0
    return masks[0] if fits else None


def _chosen(entries, hdu, name):
    """Find the HDU that the caller names."""
    wanted = hdu if isinstance(hdu, tuple) else (hdu, None)
    for entry in entries:
        by_index = entry.index == hdu and not isinstance(hdu, bool)
        by_name = entry.name.upper() == str(wanted[0]).upper() and entry.name
        if by_index or (by_name and wanted[1] in {None, entry.version}):
            if len(entry.shape) in {2, 3}:
                return entry
            msg = f"{name}: hdu must be an image of 2 or 3 dimensions, got {_describe(entry)}"
            raise ImageError(msg)
    found = ", ".join(_describe(entry) for entry in entries)
    msg = f"{name}: hdu must be one of the file's ({found}), got {hdu!r}"
    raise ImageError(msg)


def _describe(entry):
    """Short text for one HDU in a message."""
    size = "x".join(str(n) for n in entry.shape) if entry.shape else "no image"
    return f"{entry.index} {entry.name} ({size})".replace("  ", " ")


def scan(buffer, name):
    """
    List the HDUs of a FITS file from their structural keywords alone.

    Astropy's own opening parses every header, which for an SDSS frame costs more than reading and
    aligning its pixels; it does all further reading of the header that is chosen.

    Parameters
    ----------
    buffer : 1D `~numpy.ndarray` of uint8
        The whole file.
    name : str
        The file, for messages.

    Returns
    -------
    list of HDUEntry
        In file order.

    Raises
    ------
    ImageError
        If it is no FITS file, ends early, or has no whole number where one gives a size.
    """
    if bytes(buffer[:9]) != b"SIMPLE  =":
        msg = f"{name}: must be a FITS file, got something else"
        raise ImageError(msg)
    entries, position = [], 0
    while position < len(buffer):
        if entries and bytes(buffer[position : position + 8]) != b"XTENSION":
            break  # padding or special records after the last HDU
        text, start = _header_text(buffer, position, name)
        label = f"{name}: HDU {len(entries)}"
        entry = _entry(len(entries), text, start, label)
        size = _data_size(entry.facts, label)
        if start + size > len(buffer):
            msg = (
                f"{name}: truncated: HDU {entry.index} must reach byte {start + size}, got a file "
                f"of {len(buffer)} bytes"
            )
            raise ImageError(msg)
        entries.append(entry)
        position = start + -(-size // _BLOCK) * _BLOCK
    return entries


def _header_text(buffer, position, name):
    """Cards of the header at a position, without END, and where its data start."""
    blocks = []
    while position + _BLOCK <= len(buffer):
        block = bytes(buffer[position : position + _BLOCK]).decode("latin-1")
        position += _BLOCK
        for card in range(0, _BLOCK, CARD):
            if block[card : card + 8] == "END     ":
                blocks.append(block[:card])
                return "".join(blocks), position
        blocks.append(block)
    msg = f"{name}: truncated: a header must end with END, got the end of the file"
    raise ImageError(msg)


def _entry(index, text, start, label):
    """Entry for a header; a card without a value is none (FITS standard 4.0, section 4.1.2.3)."""
    facts = {}
    for at in range(0, len(text), CARD):
        key = text[at : at + 8].rstrip()
        if key.rstrip("0123456789") in _STRUCTURE and text[at + 8 : at + 10] == "= ":
            facts[key] = _value(text[at + 10 : at + CARD])
    facts = {key: value for key, value in facts.items() if value is not None}
    compressed = facts.get("ZIMAGE") is True
    kind = facts.get("XTENSION", "IMAGE")
    shape = ()
    if compressed or (kind == "IMAGE" and facts.get("GROUPS") is not True):
        shape = _axes(facts, "Z" if compressed else "", label)
    name = str(facts.get("EXTNAME") or facts.get("EXTTYPE", ""))  # older files of HSC
    return HDUEntry(
        index, name, facts.get("EXTVER", 1), trim(shape), compressed, facts, text, start
    )


def _value(field):
    """Value of a structural card; None where it has none, and what breaks the standard as text."""
    field = field.strip()
    if field.startswith("'"):
        return field[1:].partition("'")[0].strip()
    field = field.partition("/")[0].strip()
    if field in {"T", "F"}:
        return field == "T"
    try:
        return int(field) if field.lstrip("+-").isdigit() else float(field.replace("D", "E"))
    except ValueError:
        return field or None


def _axes(facts, prefix, label):
    """Shape in array order; empty where any axis is."""
    number = _whole(facts, f"{prefix}NAXIS", label)
    lengths = [_whole(facts, f"{prefix}NAXIS{k}", label) for k in range(number, 0, -1)]
    return tuple(lengths) if all(lengths) else ()


def _whole(facts, key, label, default=None):
    """Return the whole number, from 0 up, under a keyword."""
    value = facts.get(key, default)
    if type(value) is not int or value < 0:
        msg = f"{label}: {key} must be a whole number from 0 up, got {value!r}"
        raise ImageError(msg)
    return value


def trim(shape):
    """Shape without leading axes of length 1 beyond two dimensions, as radio images have them."""
    shape = tuple(shape)
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    return shape


def _data_size(facts, label):
    """Bytes of data after a header (FITS standard 4.0, equations 1 and 2)."""
    number = _whole(facts, "NAXIS", label)
    lengths = [_whole(facts, f"NAXIS{k}", label) for k in range(1, number + 1)]
    if facts.get("GROUPS") is True and lengths and lengths[0] == 0:
        lengths = lengths[1:]
    items = math.prod(lengths) if lengths else 0
    bits = facts.get("BITPIX")
    if type(bits) is not int:
        msg = f"{label}: BITPIX must be a whole number, got {bits!r}"
        raise ImageError(msg)
    groups = _whole(facts, "GCOUNT", label, 1)
    return abs(bits) // 8 * groups * (_whole(facts, "PCOUNT", label, 0) + items)
