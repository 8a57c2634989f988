"""Where on the sky detection ran, as a MOC (multi-order coverage map of HEALPix cells).

A catalogue says what is there; its coverage says where nothing was found and where nobody looked.
"""

from functools import reduce
from operator import or_

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table

from astro_yolo._files import replacing
from astro_yolo._sky import field_border, sky_to_pixel
from astro_yolo.catalog import table_wcs
from astro_yolo.exceptions import WCSError, require

__all__ = ["coverage", "write_coverage"]

_DEEPEST = 20  # 0.2 arcsec: finer cells than pixels say nothing


def coverage(fields, *, order=14):
    """
    Return the piece of sky that images cover.

    Parameters
    ----------
    fields : `~astropy.table.Table`, SkyImage, WCS, or sequence of them
        Tables from ``detect`` know the field of their image; images have their mask honoured, a
        table or a WCS stands for the whole field.
    order : int, optional
        HEALPix order of the smallest cells: 14 for 13 arcsec, each further one half of it.

    Returns
    -------
    `mocpy.MOC`
        The cells whose centre lies on a usable pixel of any of the fields: the area is right to the
        border's length times the error of a cell, with no bias.

    Raises
    ------
    WCSError
        If a field has no sky coordinates or does not know its size, or its border is not on the sky
        everywhere.
    ValueError
        If the order is not from 0 to 20.
    MissingExtraError
        If mocpy is not installed.

    Notes
    -----
    For an image that is read window by window only the mask that the caller gave is known.
    """
    mocpy = require("mocpy", extra="moc", feature="A coverage map")
    if not 0 <= order <= _DEEPEST:
        msg = f"order must be from 0 to {_DEEPEST}, got {order}"
        raise ValueError(msg)
    maps = [_of_field(mocpy.MOC, *_geometry(field), order) for field in _listed(fields)]
    return reduce(or_, maps) if maps else mocpy.MOC.new_empty(order)


def write_coverage(path, fields, *, order=14, overwrite=False):
    """
    Write the piece of sky that images cover to a FITS file.

    Parameters
    ----------
    path : path-like
        FITS file, for Aladin, TOPCAT, mocpy or ipyaladin.
    fields, order
        As in `coverage`.
    overwrite : bool, optional
        Replace an existing file.

    Returns
    -------
    `mocpy.MOC`
        What was written.

    Raises
    ------
    OSError
        If the file exists and ``overwrite`` is false, or it cannot be written.
    WCSError, ValueError, MissingExtraError
        As in `coverage`.
    """
    found = coverage(fields, order=order)
    with replacing(path, overwrite=overwrite) as temporary:
        found.save(temporary, format="fits")
    return found


def _listed(fields):
    """Return one field, or several, as a list."""
    one = isinstance(fields, Table) or hasattr(fields, "bands") or hasattr(fields, "pixel_to_world")
    return [fields] if one else list(fields)


def _geometry(field):
    """Return WCS, shape, and mask or None, of a table, an image or a WCS."""
    mask = None
    if isinstance(field, Table):
        wcs = table_wcs(field)
        shape = getattr(wcs, "array_shape", None)
    elif hasattr(field, "bands"):
        wcs, shape, mask = field.wcs, field.shape, field.mask
    else:
        wcs, shape = field, getattr(field, "array_shape", None)
    if not hasattr(wcs, "pixel_to_world") or shape is None:
        msg = (
            "fields must be tables, images or WCS with sky coordinates and the size of the image, "
            f"got {type(field).__name__} without"
        )
        raise WCSError(msg)
    return wcs, tuple(shape), mask


def _of_field(kind, wcs, shape, mask, order):
    """Return the cells whose centre lies on a usable pixel of one field."""
    healpix = require("astropy_healpix", extra="moc", feature="A coverage map")
    border = SkyCoord(*field_border(wcs, shape), unit="deg")
    if not np.isfinite(border.ra + border.dec).all():
        msg = (
            "fields must have sky all along their border, got one without, as maps of all the sky: "
            "cut the image to its sky"
        )
        raise WCSError(msg)
    around = kind.from_polygon_skycoord(border, max_depth=order)
    cells = np.asarray(around.flatten(), dtype=np.int64)
    ra, dec = (angle.deg for angle in healpix.healpix_to_lonlat(cells, 1 << order, order="nested"))
    x, y = (np.rint(values) for values in sky_to_pixel(wcs, ra, dec))
    good = (x >= 0) & (y >= 0) & (x < shape[1]) & (y < shape[0])
    if mask is not None:
        good[good] = ~mask[y[good].astype(int), x[good].astype(int)]
    cells = cells[good].astype(np.uint64)
    return kind.from_healpix_cells(cells, np.full(len(cells), order, dtype=np.uint8), order)
