"""Read images of any kind into one form: named bands on one pixel grid."""

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain

import numpy as np
from astropy.wcs import WCS

from astro_yolo._alignment import AlignedBand, area_ratio, noise_ratio, union
from astro_yolo._headers import as_wcs, pixel_scale
from astro_yolo._inputs import load
from astro_yolo._mapping import fit_mapping
from astro_yolo._no_data import fill_value
from astro_yolo._planes import Checksums
from astro_yolo.exceptions import ImageError, WCSError

__all__ = ["SkyImage", "read_image"]

# Above either, bands are read window by window. OpenCV cannot resample sides of 2**15 pixels.
_MEMORY_PIXELS = 30_000_000
_MEMORY_SIDE = 30_000

# Share of an image from which regions of one value are no data: where all bands have them, and
# where one has, which alone spoil the level of its sky.
_GAPS, _GAPS_OF_ONE = 0.02, 0.2


@dataclass(frozen=True, eq=False)
class SkyImage:
    """
    Bands of one piece of sky on one pixel grid.

    Pixels are 0-based, the centre of the first one is (0, 0), row 0 is the bottom.

    Parameters
    ----------
    bands : tuple of str
        Names, from short to long wavelength.
    data : tuple of 2D array
        One per band, (ny, nx), float32. For images above 30 million pixels each is read from its
        file as it is sliced, ``data[k][y0:y1, x0:x1]``, with NaN for bad pixels.
    mask : 2D `~numpy.ndarray` of bool, optional
        True where any band has no usable value (NaN, infinite, masked, outside the band or in a
        gap of it). `None` where all are usable. For a large image only what the caller masked:
        `window` has it all.
    saturated : 2D `~numpy.ndarray` of bool, optional
        True where any band reaches its saturation level; `None` where no header names one, and for
        a large image, which has `saturated_window`.
    wcs : object, optional
        Celestial WCS of the pixel grid.
    pixel_scale : float, optional
        Arcseconds per pixel.
    name : str, optional
        File name of the reference band, or the kind of the input.
    kind : {"fits", "picture", "array"}, optional
        A picture holds display values (blue, green and red), the others physical ones.
    checksums : mapping of str to str, optional
        SHA-256 per band: of the file as it is on disk, or of the array's bytes. Computed when first
        asked for.
    zero_points : tuple of (float or None), optional
        AB magnitude of one unit, per band, where a header tells it.
    mappings : tuple, optional
        Per band how it lies on the pixel grid, where it was resampled; else `None`.
    """

    bands: tuple
    data: tuple
    mask: np.ndarray | None = None
    saturated: np.ndarray | None = None
    wcs: object = None
    pixel_scale: float | None = None
    name: str = "array"
    kind: str = "array"
    checksums: Mapping = field(default_factory=dict)
    zero_points: tuple = ()
    mappings: tuple = ()

    @property
    def shape(self):
        """Rows and columns."""
        return tuple(self.data[0].shape)

    @property
    def n_bands(self):
        """Number of bands."""
        return len(self.bands)

    @property
    def is_lazy(self):
        """Whether pixels are read from disk window by window."""
        return isinstance(self.data[0], AlignedBand)

    def window(self, y0, y1, x0, x1):
        """
        Read a window of all bands.

        Parameters
        ----------
        y0, y1, x0, x1 : int
            First pixel and one past the last, inside the image.

        Returns
        -------
        data : 3D `~numpy.ndarray`
            (bands, y1 - y0, x1 - x0), float32, a copy.
        mask : 2D `~numpy.ndarray` of bool or None
            True where any band is bad; `None` where all are usable.

        Examples
        --------
        >>> import numpy as np
        >>> from astro_yolo.image import read_image
        >>> image = read_image(np.arange(12.0).reshape(3, 4))
        >>> data, mask = image.window(0, 2, 1, 3)
        >>> data.tolist(), mask
        ([[[1.0, 2.0], [5.0, 6.0]]], None)
        """
        self._check_window(y0, y1, x0, x1)
        mask = None if self.mask is None else self.mask[y0:y1, x0:x1]
        if not self.is_lazy:
            data = np.stack([band[y0:y1, x0:x1] for band in self.data])
            return data, mask if mask is not None and mask.any() else None
        read = [band.read((y0, y1, x0, x1)) for band in self.data]
        mask = union([mask, *(bad for _, bad in read)])
        return np.stack([values for values, _ in read]), mask

    def saturated_window(self, y0, y1, x0, x1):
        """
        Find the saturated pixels of a window.

        Parameters
        ----------
        y0, y1, x0, x1 : int
            As in `window`.

        Returns
        -------
        2D `~numpy.ndarray` of bool or None
            `None` where no header names a saturation level.
        """
        self._check_window(y0, y1, x0, x1)
        if not self.is_lazy:
            return None if self.saturated is None else self.saturated[y0:y1, x0:x1]
        return union([band.read_saturated((y0, y1, x0, x1)) for band in self.data])

    @cached_property
    def area_ratios(self):
        """How many of its own pixels a pixel of the grid covers, per band."""
        return np.array([area_ratio(mapping) for mapping in self._mappings])

    @property
    def _mappings(self):
        return self.mappings or (None,) * self.n_bands

    def noise_ratios(self, y0, y1, x0, x1):
        """
        Find how much noisier sums over pixels are than the noise of single ones says.

        Parameters
        ----------
        y0, y1, x0, x1 : int
            As in `window`.

        Returns
        -------
        1D `~numpy.ndarray`
            Per band; 1 for one that was not resampled.
        """
        return np.array([noise_ratio(mapping, (y0, y1, x0, x1)) for mapping in self._mappings])

    def _check_window(self, y0, y1, x0, x1):
        ny, nx = self.shape
        if not (0 <= y0 < y1 <= ny and 0 <= x0 < x1 <= nx):
            msg = f"window must lie inside the image of shape {self.shape}, got {(y0, y1, x0, x1)}"
            raise ValueError(msg)


def read_image(image, *, wcs=None, mask=None, hdu=None):
    """
    Read an image of any kind, with its bands brought onto one pixel grid.

    Parameters
    ----------
    image : str, path, HDUList, HDU, NDData, array, tuple, dict or list
        - a path to FITS (plain, ``.fz``, ``.gz``, ``.bz2``, ``.xz``), JPEG, PNG or TIFF; the kind
          is told from the content. A FITS image of three dimensions holds its bands first;
        - an `~astropy.io.fits.HDUList`, an image HDU, `~astropy.nddata.CCDData` or
          `~astropy.nddata.NDData`;
        - an array (ny, nx) or (bands, ny, nx), with a mask (NumPy's or Astropy's) or a unit or not;
          uint8 (ny, nx, 3) is a red, green, blue picture. Arrays are never flipped;
        - an ``(array, wcs)`` tuple;
        - a `SkyImage`, which is returned as it is;
        - a dict from band names to any of these, sorted by wavelength where the names are known,
          or a list of them from short to long wavelength.
    wcs : object, optional
        WCS (APE 14) or `~astropy.io.fits.Header` of the pixel grid of the result. It stands above
        what the input carries, which still serves to align the bands, unless it is broken.
    mask : 2D array, optional
        True for pixels not to be used, on the pixel grid of the result. Masks that come with the
        input count as well.
    hdu : int, str or (str, int), optional
        HDU to read. Without it a file must hold one image beside masks and weights, or one ``SCI``.

    Returns
    -------
    SkyImage
        The bands on the grid of the r band, or else of the middle one.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    ImageError
        If an input is unreadable, damaged, empty, no image, or has no usable pixel, or if ``hdu``
        comes with what has no HDUs.
    BandError
        If a band is missing, not one plane, or contradicts its FILTER keyword.
    WCSError
        If bands do not overlap on the sky, or only some have sky coordinates.
    TypeError
        If ``image`` is none of these.
    ValueError
        If ``wcs``, ``mask`` or ``hdu`` comes with a SkyImage.

    Notes
    -----
    Bands are resampled by linear interpolation at positions from both WCSs: through an affine
    where that is exact to 0.1 pixel, else through the WCSs at every 16th pixel. It serves for
    finding objects; do precise photometry on the original frames. Values stay those of a band's own
    pixels: where these are larger or smaller than the grid's, a sum over the grid times
    `SkyImage.area_ratios` is the flux. Pixels outside a band are bad.

    Mosaics are 0 where no exposure lies. Such regions are bad, as NaN is, where they take up more
    than 2 % of each band, or a fifth of one: squares of exact zeros of 9 pixels and more, in an
    image that has few others, or of a value far from all else. 8-bit images are left as they are.

    Picture files are flipped once, so that row 0 is the bottom row of the picture, as in DS9. Their
    sky coordinates come from a file of the same name ending in ``.wcs``, ``.hdr``, ``.fits`` or
    ``.txt``, or else from their AVM tags.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_yolo.image import read_image
    >>> image = read_image({"r": np.ones((4, 5)), "g": np.zeros((4, 5))})
    >>> image.bands, image.shape
    (('g', 'r'), (4, 5))
    """
    if isinstance(image, SkyImage):
        return _as_read(image, wcs=wcs, mask=mask, hdu=hdu)
    given = _with_gaps(load(image, hdu, has_wcs=wcs is not None))
    grid, bands = _align(given)
    mask = _checked_mask(mask, bands[0].shape)
    wcs = as_wcs(wcs)
    grid = _with_size(grid if wcs is None else wcs, bands[0].shape)
    data, mask, saturated = _read(bands, mask)
    return SkyImage(
        bands=given.names,
        data=data,
        mask=mask,
        saturated=saturated,
        wcs=grid,
        pixel_scale=pixel_scale(grid, bands[0].shape),
        name=given.title,
        kind=given.kind,
        checksums=Checksums(
            {name: p.digest for name, p in zip(given.names, given.planes, strict=True)}
        ),
        zero_points=tuple(
            band.plane.zero_point(grid if band.mapping is None else band.plane.wcs)
            for band in bands
        ),
        mappings=tuple(band.mapping for band in bands),
    )


def _as_read(image, **keywords):
    """Return an image that was read before; keywords that would change it are refused."""
    given = [name for name, value in keywords.items() if value is not None]
    if given:
        msg = f"{given[0]} must be given where the image is read, got it with a SkyImage"
        raise ValueError(msg)
    return image


def _with_gaps(given):
    """Tell the planes which value fills regions without data; in a picture, 0 is black."""
    if given.kind == "picture":
        return given
    found = [fill_value(plane.pixels) for plane in given.planes]
    least = _GAPS if min(share for _, share in found) > _GAPS else _GAPS_OF_ONE
    planes = [
        replace(plane, fill=value if share > least else None)
        for plane, (value, share) in zip(given.planes, found, strict=True)
    ]
    return replace(given, planes=tuple(planes))


def _align(given):
    """WCS of the reference band, and every band on its grid."""
    reference = given.planes[given.reference]
    known = [plane.wcs is not None for plane in given.planes]
    if not all(known):
        _check_without_wcs(given, known)
        return reference.wcs, [AlignedBand(plane, reference.shape) for plane in given.planes]
    return reference.wcs, [
        AlignedBand(plane, reference.shape, _mapping(plane, reference)) for plane in given.planes
    ]


def _with_size(wcs, shape):
    """Return a WCS that knows the size of the image read; the caller's own stays as it is."""
    if not isinstance(wcs, WCS) or wcs.pixel_shape == shape[::-1]:
        return wcs
    wcs = wcs.deepcopy()
    wcs.pixel_shape = shape[::-1]
    return wcs


def _mapping(plane, reference):
    """Find the mapping from the reference grid to a band's; None where the two share their WCS."""
    if plane.wcs is reference.wcs and plane.shape == reference.shape:
        return None
    return fit_mapping(reference.wcs, plane.wcs, reference.shape, plane)


def _check_without_wcs(given, known):
    """Refuse bands that cannot be aligned: some with a WCS and some without, or of other shape."""
    if any(known):
        lacking = [p.label for p, has in zip(given.planes, known, strict=True) if not has]
        msg = f"all bands must have sky coordinates or none, got none in {', '.join(lacking)}"
        raise WCSError(msg)
    shapes = {plane.shape for plane in given.planes}
    if len(shapes) > 1:
        found = ", ".join(f"{plane.label} {plane.shape}" for plane in given.planes)
        msg = f"bands without sky coordinates must have one shape, got {found}"
        raise ImageError(msg)


def _checked_mask(mask, shape):
    """Check the caller's mask."""
    if mask is None:
        return None
    mask = np.asarray(mask, dtype=bool)
    if mask.shape != shape:
        msg = f"mask must have the shape of the image {shape}, got {mask.shape}"
        raise ImageError(msg)
    return mask


def _read(bands, mask):
    """Pixels, mask and saturation: in memory for an image of usual size."""
    ny, nx = bands[0].shape
    sizes = [band.plane.shape for band in bands]
    largest, side = max(np.prod(size) for size in sizes), max(max(size) for size in sizes)
    if largest > _MEMORY_PIXELS or side > _MEMORY_SIDE:
        for band in bands:
            _check_large(band)
        return tuple(bands), mask, None
    with ThreadPoolExecutor(min(len(bands), os.cpu_count() or 1)) as pool:
        read = list(pool.map(_read_band, bands))
        saturated = union(list(pool.map(AlignedBand.read_saturated, bands)))
    mask = union([mask, *(bad for _, bad in read)])
    if mask is not None and mask.all():
        msg = f"{bands[0].plane.label}: must have usable pixels, got all {ny} x {nx} masked"
        raise ImageError(msg)
    return tuple(values for values, _ in read), mask, saturated


def _read_band(band):
    """Whole band; an error where it has no usable value at all."""
    values, bad = band.read()
    if bad is not None and bad.all():
        raise _nothing_usable(band)
    return values, bad


def _check_large(band):
    """Refuse a large band without a finite value, looking at a few places first."""
    pixels, (ny, nx) = band.plane.pixels, band.plane.shape
    places = [(y, min(y + 32, ny), x, min(x + 32, nx)) for y in _spread(ny) for x in _spread(nx)]
    strips = ((y, min(y + 512, ny), 0, nx) for y in range(0, ny, 512))
    if not any(np.isfinite(pixels.read(window)).any() for window in chain(places, strips)):
        raise _nothing_usable(band)


def _spread(size):
    """Choose the starts of a few short spans along an axis, the middle first."""
    return [int(size * part) for part in (0.5, 0.25, 0.75)]


def _nothing_usable(band):
    """Build the error for a band of nothing but NaN."""
    msg = f"{band.plane.label}: must have finite pixels, got none (all NaN or masked)"
    return ImageError(msg)
