"""FITS files and HDUs of any packing, as planes whose pixels stay on disk until they are read."""

import bz2
import lzma
import math
import zlib
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from numbers import Real

import numpy as np
from astropy.io import fits

from astro_yolo._fits_scan import HDUEntry, choose, mask_beside, scan, trim
from astro_yolo._headers import (
    facts,
    filter_name,
    plane_filters,
    saturation_level,
    wcs_or_error,
)
from astro_yolo._planes import ArrayDigest, FileDigest, MappedImage, Pixels, Plane
from astro_yolo._zero_point import zero_point
from astro_yolo.exceptions import ImageError, InputWarning, warn_user

_TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_GZIP = b"\x1f\x8b"


def _gunzip(content):
    """Unpack what gzip has packed, in one piece or, as some programs do, in several."""
    parts = []
    while content.startswith(_GZIP):
        stream = zlib.decompressobj(wbits=31)
        parts.append(stream.decompress(content))
        if not stream.eof:
            msg = "incomplete or truncated stream"
            raise EOFError(msg)
        content = stream.unused_data
    return b"".join(parts)


_PACKERS = {
    _GZIP: _gunzip,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ": lzma.decompress,
}
_SCALING = {"BSCALE": 1.0, "BZERO": 0.0}
_BIG = 30_000_000  # pixels; a larger image is read, and decoded, window by window


def is_fits(head):
    """Whether the first bytes of a file are those of a FITS file, packed or not."""
    return head.startswith((b"SIMPLE  =", *_PACKERS))


def read_fits_file(path, hdu=None):
    """
    Read the image of a FITS file.

    Parameters
    ----------
    path : `~pathlib.Path`
        Plain, or packed with gzip, bzip2 or xz; images may be tile-compressed (``.fz``).
    hdu : int, str or (str, int), optional
        Which HDU, where several hold images.

    Returns
    -------
    list of Plane
        One per band: one, or as many as the image has planes.

    Raises
    ------
    ImageError
        If the file is damaged, or holds no image, or several and ``hdu`` is not given.
    """
    buffer = _unpacked(path)
    entries = scan(buffer, path)
    entry = choose(entries, hdu, path)
    label = str(path) if len(entries) == 1 else f"{path}[{entry.index}]"
    if entry.compressed:
        pixels, header_text = _compressed_pixels(buffer, entry, label, path)
    else:
        pixels, header_text = _plain_pixels(buffer, entry, label, path), entry.text
    tables = partial(_open_bytes, buffer)
    texts = list(dict.fromkeys((header_text, entries[0].text)))
    headers = [facts(text, label) for text in texts]
    wcs = wcs_or_error(*texts, label=label, open_tables=tables)
    planes = _planes(pixels, label, headers, wcs, FileDigest(path))
    mask = mask_beside(entries, entry)
    if mask is None or mask.compressed or mask.facts["BITPIX"] != 8 or "BZERO" in mask.facts:
        return planes
    return _with_mask(planes, np.ndarray(mask.shape, np.uint8, buffer, mask.start))


def read_hdu_list(hdus, hdu=None):
    """
    Read the image of an open `~astropy.io.fits.HDUList`.

    Parameters
    ----------
    hdus : `~astropy.io.fits.HDUList`
        Open.
    hdu : int, str or (str, int), optional
        Which HDU, where several hold images.

    Returns
    -------
    list of Plane
        As `read_fits_file`.
    """
    name = hdus.filename() or "HDUList"
    entries = [_entry_of(index, unit) for index, unit in enumerate(hdus)]
    if not entries:
        msg = f"{name}: must hold an image, got an empty HDUList"
        raise ImageError(msg)
    entry = choose(entries, hdu, name)
    planes = _read_unit(hdus[entry.index], f"{name}[{entry.index}]", hdus)
    mask = mask_beside(entries, entry)
    return planes if mask is None else _with_mask(planes, np.asarray(hdus[mask.index].data))


def read_hdu(unit):
    """Read one image HDU, open or made in memory; see `read_fits_file`."""
    if not _entry_of(0, unit).shape:
        msg = f"{_unit_name(unit)}: must be an image HDU with data, got {type(unit).__name__}"
        raise ImageError(msg)
    return _read_unit(unit, _unit_name(unit))


def _read_unit(unit, label, hdus=None):
    """Planes of an HDU that astropy holds."""
    _require_scaling(unit.header, label, compressed=isinstance(unit, fits.CompImageHDU))
    try:
        data = np.asarray(unit.data)
    except (OSError, ValueError, TypeError) as error:
        raise _unreadable(label, error) from error
    text = _text(unit)
    texts = list(dict.fromkeys([text, *([_text(hdus[0])] if hdus else [])]))
    headers = [facts(text, label) for text in texts]
    tables = None if hdus is None else partial(nullcontext, hdus)
    wcs = wcs_or_error(*texts, label=label, open_tables=tables)
    blank = _blank(unit.header, data.dtype, label)
    pixels = Pixels(_squeezed(data), blank=blank, **_softening(unit.header, label))
    return _planes(pixels, label, headers, wcs, ArrayDigest(data))


def _with_mask(planes, mask):
    """Planes with the mask beside their image, if it is of bytes: others are sums of flags."""
    if mask.dtype != np.uint8:
        return planes
    bad = mask.astype(bool).reshape(len(planes), *planes[0].shape)
    return [replace(plane, bad=one) for plane, one in zip(planes, bad, strict=True)]


def _text(unit):
    """Return the cards of an HDU that astropy holds."""
    return unit.header.tostring(endcard=False, padding=False)


def _require_scaling(cards, label, *, compressed):
    """Raise where cards that pixels are scaled with hold no numbers."""
    # astropy reads no compressed image with such a BLANK
    for key in (*_SCALING, "BLANK", "ZBLANK") if compressed else _SCALING:
        _number(cards, key, label)


def _number(cards, key, label):
    """Return the number of a card that pixels are scaled with, its default where there is none."""
    value = cards.get(key)
    if value is None or isinstance(value, fits.card.Undefined):
        return _SCALING.get(key)
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        msg = f"{label}: {key} must be a number, got {value!r}"
        raise ImageError(msg)
    return float(value)


def _softening(cards, label):
    """Return what undoes the arcsinh under which Pan-STARRS keeps its pixels, if they are so."""
    softening, offset = (_number(cards, key, label) for key in ("BSOFTEN", "BOFFSET"))
    if not softening:
        return {}
    return {"softening": softening, "offset": offset or 0.0, "label": label}


def _whole_blank(cards, label):
    """Return BLANK; None where there is none, or, with a warning, none that is a whole number."""
    value = cards.get("BLANK")
    if value is None or isinstance(value, fits.card.Undefined):
        return None
    if not isinstance(value, bool) and isinstance(value, Real) and float(value).is_integer():
        return int(value)
    warn_user(f"{label}: BLANK is left out: it must be a whole number, got {value!r}", InputWarning)
    return None


def _blank(header, dtype, label):
    """Return BLANK in pixels that astropy has read; it makes others than integers NaN itself."""
    blank = _whole_blank(header, label) if dtype.kind in "iu" else None
    # FITS keeps unsigned numbers of 16 bits and more as signed ones and half their range
    unsigned = dtype.kind == "u" and dtype.itemsize > 1
    return blank + (1 << 8 * dtype.itemsize - 1) if unsigned and blank is not None else blank


def _unpacked(path):
    """Bytes of a file: memory-mapped where it is not packed."""
    with path.open("rb") as stream:
        head = stream.read(16)
    for magic, unpack in _PACKERS.items():
        if head.startswith(magic):
            try:
                return np.frombuffer(unpack(path.read_bytes()), dtype=np.uint8)
            except (OSError, ValueError, EOFError, zlib.error, lzma.LZMAError) as error:
                raise _unreadable(path, error) from error
    return np.memmap(path, dtype=np.uint8, mode="r")


def _unreadable(name, error):
    """Build the error for a file that is damaged or cut short."""
    return ImageError(f"{name}: must be a readable file, got damaged or truncated data ({error})")


def _squeezed(data):
    """Drop leading axes of length 1 beyond two dimensions."""
    return data.reshape(trim(data.shape))


def _plain_pixels(buffer, entry, label, path):
    """Pixels of an uncompressed image: on the buffer, or in the file where it is large."""
    kind = _TYPES.get(entry.facts["BITPIX"])
    if kind is None:
        msg = f"{label}: BITPIX must be one of {sorted(_TYPES)}, got {entry.facts['BITPIX']}"
        raise ImageError(msg)
    if isinstance(buffer, np.memmap) and math.prod(entry.shape[-2:]) > _BIG:
        raw = MappedImage(path, np.dtype(kind), entry.shape, entry.start)
    else:
        raw = np.ndarray(entry.shape, dtype=kind, buffer=buffer, offset=entry.start)
    scale, zero = (_number(entry.facts, key, label) for key in _SCALING)
    blank = _whole_blank(entry.facts, label) if raw.dtype.kind in "iu" else None
    return Pixels(raw, scale, zero, blank, **_softening(entry.facts, label))


def _open_bytes(buffer):
    """Open the bytes of a file with astropy."""
    return fits.HDUList.fromstring(buffer.tobytes())


class _CompressedImage:
    """The pixels of a tile-compressed image, decoded where they are read; may be pickled."""

    def __init__(self, path, index, section=None):
        self._source = path, index
        self._section = _open_bytes(_unpacked(path))[index].section if section is None else section
        self.shape, self.dtype = tuple(self._section.shape), self._section.dtype

    def __getitem__(self, key):
        return self._section[key]

    def __reduce__(self):
        return type(self), self._source


def _compressed_pixels(buffer, entry, label, path):
    """Pixels of a tile-compressed image: decoded now, or by windows where it is large."""
    _require_scaling(entry.facts, label, compressed=True)
    try:
        hdus = _open_bytes(buffer)
        unit = hdus[entry.index]
        text = _text(unit)
        large = math.prod(entry.shape) > _BIG
        raw = _CompressedImage(path, entry.index, unit.section) if large else np.asarray(unit.data)
        kind = raw[(slice(0, 1),) * len(raw.shape)].dtype  # a section's own is that of the file
    except (OSError, ValueError, TypeError, RuntimeError, KeyError) as error:
        raise _unreadable(label, error) from error
    keywords = {"blank": _blank(unit.header, kind, label), **_softening(unit.header, label)}
    return Pixels(raw if raw.shape == entry.shape else _squeezed(unit.data), **keywords), text


def _entry_of(index, unit):
    """Entry for an HDU that astropy holds; its shape is empty unless it is an image with data."""
    is_image = isinstance(unit, fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU)
    shape = tuple(unit.shape) if is_image and unit.shape and all(unit.shape) else ()
    name = unit.name or str(unit.header.get("EXTTYPE", ""))
    return HDUEntry(index, name, unit.ver, trim(shape), False, {}, "", 0)


def _unit_name(unit):
    """Name an HDU in messages."""
    return f"HDU {getattr(unit, 'name', '')}".strip()


def _planes(pixels, label, headers, wcs, digest):
    """One plane per band of a 2-D image or a cube with the bands first; ``wcs`` may be an error."""
    known = {
        "wcs": wcs[0],
        "wcs_error": wcs[1],
        "saturation": saturation_level(*headers),
        "magnitude": partial(zero_point, *headers),
        "digest": digest,
    }
    if len(pixels.shape) == 2:
        return [Plane(pixels, label, band=filter_name(*headers), **known)]
    names = plane_filters(pixels.shape[0], *headers)
    return [
        Plane(replace(pixels, raw=raw), f"{label} plane {k}", band=name, **known)
        for k, (raw, name) in enumerate(zip(pixels.raw, names, strict=True))
    ]
