"""One band as it was given: its pixels read on demand, what is known about them, and checksums."""

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from astro_yolo._headers import pixel_scale
from astro_yolo._no_data import filled_region
from astro_yolo.exceptions import ImageError

_MOST = 40.0  # of a pixel under an arcsinh: 1e16 times the softening
_HASH_ROWS = 1024  # rows hashed at a time, so that a memory-mapped image is never copied whole


@dataclass(frozen=True, eq=False)
class Pixels:
    """
    A 2-D image whose windows are turned into native float32 when they are read.

    Parameters
    ----------
    raw : array_like
        Anything with ``shape`` and 2-D slicing: an array of any byte order, a memory map, the
        ``section`` of a compressed HDU.
    scale, zero : float
        ``BSCALE`` and ``BZERO`` still to be applied.
    blank : int or None
        ``BLANK``: the raw integer that means "no value".
    softening : float or None
        ``BSOFTEN`` of pixels that are scaled as ``2.5 / ln(10) arcsinh(flux / 2 / BSOFTEN)``, as in
        the stacks of Pan-STARRS (Waters et al. 2020, ApJS 251, 4).
    offset : float
        ``BOFFSET``, which was taken from the flux before.
    label : str
        How messages name the file.
    """

    raw: object
    scale: float = 1.0
    zero: float = 0.0
    blank: int | None = None
    softening: float | None = None
    offset: float = 0.0
    label: str = ""

    @property
    def shape(self):
        """Rows and columns."""
        return tuple(self.raw.shape)

    def read(self, window=None):
        """
        Read a window.

        Parameters
        ----------
        window : tuple of int, optional
            ``(y0, y1, x0, x1)``, end excluded, inside the image; all of it without.

        Returns
        -------
        2D `~numpy.ndarray`
            Native float32; NaN for blank pixels. The very array given where it is float32 already.
        """
        y0, y1, x0, x1 = window or (0, self.shape[0], 0, self.shape[1])
        block = np.asarray(self.raw[y0:y1, x0:x1])
        scaled = self.scale != 1.0 or self.zero != 0.0 or self.softening is not None
        if not scaled and self.blank is None:
            with np.errstate(over="ignore"):  # fills such as the largest float64 are infinite
                return np.ascontiguousarray(block, dtype=np.float32)
        values = block * self.scale + self.zero  # float64: 32-bit counters stay exact until here
        if self.blank is not None:
            values[block == self.blank] = np.nan
        if self.softening is not None:
            values = self._flux(values)
        return values.astype(np.float32)

    def _flux(self, values):
        """Return the flux of pixels under an arcsinh."""
        largest = np.abs(values[np.isfinite(values)]).max(initial=0)
        if largest > _MOST:
            msg = (
                f"{self.label}: BSOFTEN must stand only beside pixels under an arcsinh, got values"
                f" up to {largest:.4g}: if they are linear fluxes, delete the card"
            )
            raise ImageError(msg)
        return self.offset + 2 * self.softening * np.sinh(values * (np.log(10) / 2.5))


@dataclass(frozen=True, eq=False)
class MappedImage:
    """
    An image in a file, mapped into memory only while a window of it is read.

    A lasting map would keep every page that was ever read counted as the process's memory.

    Parameters
    ----------
    path : `~pathlib.Path`
        The file.
    dtype : `~numpy.dtype`
        Of its pixels.
    shape : tuple of int
        Two axes, or three with the bands first.
    offset : int
        Bytes before the first pixel.
    """

    path: Path
    dtype: np.dtype
    shape: tuple
    offset: int

    def __getitem__(self, key):
        """Return a plane of a cube, or the pixels of a window."""
        if isinstance(key, int) and len(self.shape) == 3:
            if key >= self.shape[0]:
                raise IndexError(key)
            size = self.shape[1] * self.shape[2] * self.dtype.itemsize
            return MappedImage(self.path, self.dtype, self.shape[1:], self.offset + key * size)
        return np.memmap(self.path, self.dtype, "r", self.offset, self.shape)[key]


@dataclass(frozen=True, eq=False)
class Plane:
    """
    One band as it was given, on its own pixel grid.

    Parameters
    ----------
    pixels : Pixels
        The image.
    label : str
        How messages name it: the file and HDU.
    bad : 2D `~numpy.ndarray` of bool, optional
        True where a mask that came with the data says "do not use".
    wcs : object, optional
        Its world coordinate system.
    band : str, optional
        The filter that its header names.
    saturation : float, optional
        Values from here on are saturated.
    digest : FileDigest or ArrayDigest
        Where its checksum comes from.
    magnitude : callable, optional
        `~astro_yolo._zero_point.zero_point` of its headers and unit, which asks for ``scale``.
    fill : float, optional
        The value of regions that hold no data.
    wcs_error : WCSError, optional
        Why its header gives no world coordinate system, where it should.
    """

    pixels: Pixels
    label: str
    bad: np.ndarray | None = None
    wcs: object = None
    band: str | None = None
    saturation: float | None = None
    digest: object = None
    magnitude: object = None
    fill: float | None = None
    wcs_error: Exception | None = None

    @property
    def shape(self):
        """Rows and columns."""
        return self.pixels.shape

    def zero_point(self, wcs):
        """Return the AB magnitude of one unit of its pixels, as large as a WCS says, or None."""
        if self.magnitude is None:
            return None
        return self.magnitude(scale=partial(pixel_scale, wcs, self.shape))

    def bad_in(self, window):
        """Return which pixels of a window are masked or in a gap, NaN aside, or None."""
        y0, y1, x0, x1 = window
        bad = None if self.bad is None else self.bad[y0:y1, x0:x1]
        if self.fill is None:
            return bad
        empty = filled_region(self.pixels, self.fill, window)
        if not empty.any():
            return bad
        return empty if bad is None else empty | bad


@dataclass(frozen=True, eq=False)
class FileDigest:
    """SHA-256 of a file's bytes, taken when it is asked for; the file must still be the same."""

    path: Path
    stamp: tuple = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "stamp", self._stamp())

    def _stamp(self):
        status = self.path.stat()
        return status.st_size, status.st_mtime_ns, status.st_ino

    @cached_property
    def hex(self):
        """64 hexadecimal digits."""
        with self.path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if self._stamp() != self.stamp:
            msg = f"{self.path}: must not change between reading and its checksum, but it did"
            raise ImageError(msg)
        return digest


@dataclass(frozen=True, eq=False)
class ArrayDigest:
    """SHA-256 of an array's bytes in C order, in the type and byte order it was given."""

    array: np.ndarray

    @cached_property
    def hex(self):
        """64 hexadecimal digits."""
        digest = hashlib.sha256()
        for start in range(0, self.array.shape[0], _HASH_ROWS):
            rows = np.ascontiguousarray(self.array[start : start + _HASH_ROWS])
            digest.update(rows.view(np.uint8).data)
        return digest.hexdigest()


class Checksums(Mapping):
    """
    Band name to SHA-256, computed together, in threads, the first time one is asked for.

    Parameters
    ----------
    digests : dict of str to (FileDigest or ArrayDigest)
        Bands of one file may share one digest, which is then computed once.
    """

    def __init__(self, digests):
        self._digests = dict(digests)
        self._jobs = {}

    def begin(self):
        """Start computing in threads, while the caller does something else."""
        if self._jobs or not self._digests:
            return
        unique = {id(digest): digest for digest in self._digests.values()}
        pool = ThreadPoolExecutor(len(unique))
        self._jobs = {key: pool.submit(getattr, one, "hex") for key, one in unique.items()}
        pool.shutdown(wait=False)

    def __getitem__(self, band):
        digest = self._digests[band]
        self.begin()
        return self._jobs[id(digest)].result()

    def __iter__(self):
        return iter(self._digests)

    def __len__(self):
        return len(self._digests)

    def __repr__(self):
        return f"Checksums({dict(self)})"

    def __reduce__(self):
        # other processes have neither the threads nor, perhaps, the file
        return dict, (dict(self),)
