"""Whether the boxes of a table stand on the pixels of an image."""

import numpy as np

from astro_yolo._columns import strays
from astro_yolo._headers import pixel_scale
from astro_yolo._sky import pixel_to_sky, separation
from astro_yolo.catalog import table_wcs
from astro_yolo.exceptions import MeasurementError
from astro_yolo.region_text import at_pixels

__all__ = ["check_grid"]

_SAME = 0.1  # pixels
_NODES = 5  # along each axis of the image


def check_grid(table, image, name="table"):
    """
    Refuse a table whose boxes are pixels of another image.

    Parameters
    ----------
    table : `~astropy.table.Table`
        With boxes in pixels.
    image : astro_yolo.image.SkyImage
        The image.
    name : str, optional
        The argument's name, for the message.

    Raises
    ------
    MeasurementError
        If the two give other sky for the same pixels; without sky coordinates of the image, if the
        table knows that its own has another shape.
    """
    wcs = table_wcs(table)
    found = "" if wcs is None else _difference(table, wcs, image)
    if not found:
        return
    msg = (
        f"{name} must be on the pixel grid of image, got {found}. Give all bands that it was made "
        "from, as for detect: they are brought to the grid of the r band, or else of the middle "
        "one. Where the pixels are the same and only sky coordinates are better, take WCS out of "
        f"{name}.meta"
    )
    raise MeasurementError(msg)


def _difference(table, wcs, image):
    """Return in words how a table of a WCS is not on the pixels of an image; empty if it is."""
    if image.wcs is None:
        known = getattr(wcs, "array_shape", None)
        if known is None or tuple(known) == image.shape:
            return ""
        return f"an image of shape {image.shape} for a table of one of {tuple(known)}"
    apart = _apart(wcs, image)
    if apart > _SAME:
        return f"the same pixels up to {apart:.3g} pixels apart on the sky"
    strange = sum(rows.sum() for rows, most in strays(table, ~at_pixels(table, image.wcs)) if most)
    if not strange:
        return ""
    return (
        f"{strange} rows whose ra and dec are not where their boxes are, as of a table that was "
        "stacked of several images"
    )


def _apart(wcs, image):
    """
    Return how far apart two WCS put the same pixels of an image on the sky, at most, in pixels.

    From pixels to the sky alone: the way back is not known everywhere for distorted images.
    """
    y, x = (axis.ravel() for axis in np.meshgrid(
        *(np.linspace(0, side - 1, _NODES) for side in image.shape), indexing="ij"))
    there, here = (pixel_to_sky(one, x, y) for one in (wcs, image.wcs))
    seen = np.isfinite(here).all(axis=0)
    if not seen.any():
        return 0.0
    distance = separation(*there, *here)[seen]
    # a place that is on the sky for one of them alone is as far off as can be
    return float(np.nan_to_num(distance, nan=np.inf).max() / pixel_scale(image.wcs, image.shape))
