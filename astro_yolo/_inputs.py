"""Every kind of input as named planes: the one place that knows what a caller may hand over."""

import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.units import Quantity

from astro_yolo import _bands
from astro_yolo._fits_input import is_fits, read_fits_file, read_hdu, read_hdu_list
from astro_yolo._headers import (
    as_wcs,
    facts,
    filter_name,
    is_wcs,
    plane_filters,
    saturation_level,
)
from astro_yolo._picture_input import RGB_BANDS, is_picture, is_picture_array, read_picture
from astro_yolo._planes import ArrayDigest, Pixels, Plane
from astro_yolo._zero_point import zero_point
from astro_yolo.exceptions import BandError, ImageError, InputWarning, warn_user

MAX_BANDS = 32  # a cube with more planes is a spectrum in every pixel, or has its axes swapped
_HDU = (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU, fits.BinTableHDU, fits.TableHDU)
_KINDS = (
    "a path, an HDUList, an image HDU, CCDData, NDData, an array (ny, nx), (bands, ny, nx) or "
    "uint8 (ny, nx, 3), an (array, wcs) tuple, or a dict or list of these, one per band"
)


@dataclass(frozen=True, eq=False)
class Field:
    """The bands of one field as they were given, from short to long wavelength."""

    names: tuple
    planes: tuple
    kind: str  # "fits", "picture" or "array"
    title: str
    without: str = ""  # what it was read from, where that has no HDUs to choose from

    @property
    def reference(self):
        """Index of the band whose pixel grid the others are brought to: r, or the middle one."""
        return _bands.reference(self.names)


def load(image, hdu=None, *, has_wcs=False):
    """
    Turn any input into a `Field`.

    Parameters
    ----------
    image : object
        As `astro_yolo.image.read_image` describes.
    hdu : int, str or (str, int), optional
        HDU to read of every FITS file or HDUList.
    has_wcs : bool, optional
        Whether the caller has sky coordinates: those of an input that are broken are left out.

    Returns
    -------
    Field
        At least one band; pixels are not read yet.

    Raises
    ------
    TypeError, FileNotFoundError, ImageError, BandError, WCSError
        For what is no image, is not there, cannot be used, or contradicts itself.
    """
    if isinstance(image, Mapping):
        field = _load_named(image, hdu)
    elif isinstance(image, list | tuple) and not isinstance(image, fits.HDUList):
        field = _load_pair(image, hdu) if _is_pair(image) else _load_list(image, hdu)
    else:
        field = _load_one(image, hdu)
    if hdu is not None and field.without:
        msg = (
            f"{field.title}: hdu must come with a FITS file or an HDUList, got it with "
            f"{field.without}"
        )
        raise ImageError(msg)
    if not 1 <= len(field.planes) <= MAX_BANDS:
        msg = (
            f"{field.title}: must have 1 to {MAX_BANDS} bands, got {len(field.planes)}; "
            "in an array of three dimensions the bands come first"
        )
        raise BandError(msg)
    for plane in field.planes:
        _check_plane(plane)
    _check_wcs(field.planes, has_wcs=has_wcs)
    return field


def _check_plane(plane):
    """Refuse pixels that are no numbers, or none at all."""
    if 0 in plane.shape:
        msg = f"{plane.label}: must have pixels, got an empty image of shape {plane.shape}"
        raise ImageError(msg)
    kind = np.dtype(plane.pixels.raw.dtype)
    if kind.kind not in "iuf":
        msg = f"{plane.label}: pixels must be real numbers, got {kind}"
        raise ImageError(msg)


def _check_wcs(planes, *, has_wcs):
    """Refuse broken sky coordinates, or tell that they are left out, once for each input."""
    broken = {id(plane.wcs_error): plane for plane in planes if plane.wcs_error is not None}
    for plane in broken.values():
        if not has_wcs:
            raise plane.wcs_error
        msg = f"{plane.label}: its own WCS is left out, got: {plane.wcs_error.__cause__}"
        warn_user(msg, InputWarning)


def _is_pair(image):
    """Whether a tuple is an array with its WCS."""
    return len(image) == 2 and is_wcs(image[1])


def _load_pair(image, hdu):
    """Load an (array, wcs) tuple, or one of a file and its WCS."""
    field, wcs = _load_one(image[0], hdu), as_wcs(image[1])
    planes = tuple(replace(plane, wcs=wcs, wcs_error=None) for plane in field.planes)
    return replace(field, planes=planes)


def _load_named(images, hdu):
    """Load a dict of bands, sorted by wavelength where all names are known."""
    singles = _load_bands(list(images.values()), [f"band {name!r}" for name in images], hdu)
    names = [str(name) for name in images]
    for name, single in zip(names, singles, strict=True):
        _bands.check_agreement(name, single.planes[0].band, single.planes[0].label)
    order = _bands.order(names)
    return _combined([names[k] for k in order], [singles[k] for k in order])


def _load_list(images, hdu):
    """Load a list of bands, which runs from short to long wavelength."""
    singles = _load_bands(images, [f"band {k + 1} of the list" for k in range(len(images))], hdu)
    filters = [single.planes[0].band for single in singles]
    _bands.check_ascending(filters, [single.planes[0].label for single in singles])
    named = len({*filters, None}) == len(filters) + 1
    names = filters if named else [f"band{k + 1}" for k in range(len(singles))]
    return _combined(names, singles)


def _load_bands(images, where, hdu):
    """Load several inputs of one band each, in threads: unpacking releases Python's lock."""
    for image, place in zip(images, where, strict=True):
        if image is None:
            msg = f"{place}: is missing, got None"
            raise BandError(msg)
    if not images:
        msg = "image must hold at least one band, got none"
        raise BandError(msg)
    with ThreadPoolExecutor(min(len(images), os.cpu_count() or 1)) as pool:
        return list(pool.map(_load_band, images, where, [hdu] * len(images)))


def _load_band(image, place, hdu):
    """Load one input that must be a single plane."""
    pair = isinstance(image, tuple) and _is_pair(image)
    field = _load_pair(image, hdu) if pair else _load_one(image, hdu)
    if len(field.planes) != 1:
        msg = f"{place}: must be one plane, got {len(field.planes)} in {field.title}"
        raise BandError(msg)
    return field


def _combined(names, singles):
    """Put fields of one band each together."""
    kinds = {single.kind for single in singles}
    planes = tuple(single.planes[0] for single in singles)
    field = Field(tuple(names), planes, kinds.pop() if len(kinds) == 1 else "array", "")
    # one that has HDUs is enough: the choice is for it
    without = singles[0].without if all(single.without for single in singles) else ""
    return replace(field, title=singles[field.reference].title, without=without)


def _load_one(image, hdu):
    """Load an input that is not a collection of bands."""
    if isinstance(image, str | os.PathLike):
        return _load_path(Path(image).expanduser(), hdu)
    if isinstance(image, fits.HDUList):
        return _fits_field(read_hdu_list(image, hdu), Path(image.filename() or "HDUList").name)
    return replace(_load_pixels(image), without=type(image).__name__)


def _load_pixels(image):
    """Load an input that is neither a collection of bands nor one of HDUs."""
    if isinstance(image, _HDU):
        return _fits_field(read_hdu(image), image.name or "HDU")
    if _is_nddata(image):
        return _load_nddata(image)
    if isinstance(image, Quantity):
        return _in_unit(_load_array(image.value), image.unit)
    if isinstance(image, np.ndarray) or hasattr(image, "__array__"):
        return _load_array(image)
    msg = f"image must be {_KINDS}; got {type(image).__name__}"
    raise TypeError(msg)


def _is_nddata(image):
    """Tell NDData without the cost of importing it: who holds one has imported it."""
    nddata = sys.modules.get("astropy.nddata")
    return nddata is not None and isinstance(image, nddata.NDData)


def _load_path(path, hdu):
    """Load a file by what its first bytes say it is."""
    head = _first_bytes(path)
    if is_picture(head):
        names, planes = read_picture(path)
        return Field(names, tuple(planes), "picture", path.name, without="a picture")
    if not is_fits(head):
        msg = f"{path}: must be a FITS, JPEG, PNG or TIFF image, got something else"
        raise ImageError(msg)
    return _fits_field(read_fits_file(path, hdu), path.name)


def _first_bytes(path):
    """Open a file as far as to tell what it is."""
    if path.is_dir():
        msg = f"{path}: must be an image file, got a directory"
        raise ImageError(msg)
    if not path.exists():
        hint = "; an HDU is chosen with hdu=" if path.name.endswith("]") else ""
        msg = f"{path}: no such file{hint}"
        raise FileNotFoundError(msg)
    if not path.is_file():
        msg = f"{path}: must be a file, got a pipe or a device"
        raise ImageError(msg)
    try:
        with path.open("rb") as stream:
            head = stream.read(16)
    except OSError as error:
        msg = f"{path}: must be a readable file, got: {error}"
        raise ImageError(msg) from error
    if not head:
        msg = f"{path}: must be an image file, got an empty file"
        raise ImageError(msg)
    return head


def _fits_field(planes, title, kind="fits"):
    """Field of what was read from FITS, from short to long wavelength where filters are named."""
    names = _plane_names(planes)
    order = _bands.order(names)
    names, planes = ([items[k] for k in order] for items in (names, planes))
    return Field(tuple(names), tuple(planes), kind, title)


def _plane_names(planes):
    """Names of planes: their filters, where each has another one, else their numbers."""
    filters = tuple(plane.band for plane in planes)
    if len({*filters, None}) == len(planes) + 1:
        return filters
    return tuple(f"band{k + 1}" for k in range(len(planes)))


def _load_nddata(image):
    """Load CCDData or NDData with its own WCS, mask, unit and header."""
    field = _load_array(getattr(image.data, "value", image.data), image.mask)
    meta = image.meta if isinstance(image.meta, Mapping | fits.Header) else {}
    if isinstance(meta, fits.Header):
        meta = facts(meta.tostring(endcard=False, padding=False), field.title)
    wcs = as_wcs(image.wcs, "the WCS of image")
    number = len(field.planes)
    known = {
        "wcs": wcs,
        "saturation": saturation_level(meta),
        "magnitude": partial(zero_point, meta, unit=image.unit),
    }
    filters = plane_filters(number, meta) if number > 1 else [filter_name(meta)]
    planes = tuple(
        replace(plane, band=name, **known)
        for plane, name in zip(field.planes, filters, strict=True)
    )
    if field.kind == "picture":
        return replace(field, planes=planes)
    return _fits_field(planes, field.title, field.kind)


def _in_unit(field, unit):
    """Field whose pixels are in a unit."""
    told = partial(zero_point, unit=unit)
    return replace(field, planes=tuple(replace(plane, magnitude=told) for plane in field.planes))


def _load_array(array, mask=None):
    """Load an array, taken as given: row 0 is the bottom of the sky image."""
    data, own = _unmasked(array)
    digest = ArrayDigest(data)
    picture = is_picture_array(data)
    if picture:
        cube, names, kind = np.moveaxis(data, 2, 0)[::-1], RGB_BANDS, "picture"
    else:
        cube, names, kind = _as_cube(data), None, "array"
    labels = ["array"] if len(cube) == 1 else [f"array plane {k}" for k in range(len(cube))]
    planes = [
        Plane(Pixels(raw), label, digest=digest) for raw, label in zip(cube, labels, strict=True)
    ]
    for given in (own, mask):
        if given is not None:
            bad = _mask_cube(given, data, cube, picture=picture)
            planes = [_with_mask(plane, one) for plane, one in zip(planes, bad, strict=True)]
    return Field(names or _plane_names(planes), tuple(planes), kind, "array")


def _unmasked(array):
    """Array without its mask, and the mask or None: numpy's kind of masked array or astropy's."""
    if np.ma.isMaskedArray(array):
        mask = np.ma.getmask(array)
        return np.ma.getdata(array), None if mask is np.ma.nomask else mask
    if hasattr(array, "unmasked"):
        return np.asarray(array.unmasked), array.mask
    return np.asarray(array), None


def _mask_cube(mask, data, cube, *, picture):
    """Mask of every plane of a cube: one of the data's shape, or of what numpy spreads to it."""
    mask = np.asarray(mask, dtype=bool)
    if picture and mask.ndim == 2:
        mask = mask[..., np.newaxis]  # of all colours
    try:
        mask = np.broadcast_to(mask, data.shape)
    except ValueError as error:
        msg = f"the mask of array must have its shape {data.shape}, got {mask.shape}"
        raise ImageError(msg) from error
    return np.moveaxis(mask, 2, 0)[::-1] if picture else mask.reshape(cube.shape)


def _with_mask(plane, bad):
    """Plane with a mask, joined with what it has already."""
    return replace(plane, bad=bad if plane.bad is None else bad | plane.bad)


def _as_cube(data):
    """Array with the bands first."""
    while data.ndim > 3 and data.shape[0] == 1:
        data = data[0]
    if data.ndim not in {2, 3}:
        msg = f"image must have 2 dimensions (ny, nx) or 3 (bands, ny, nx), got shape {data.shape}"
        raise ImageError(msg)
    if data.ndim == 3 and len(data) > MAX_BANDS:
        msg = (
            f"image must have 1 to {MAX_BANDS} bands, got shape {data.shape}; the bands come first "
            "(numpy.moveaxis), unless it is a uint8 (ny, nx, 3) picture"
        )
        raise BandError(msg)
    return data if data.ndim == 3 else data[np.newaxis]
