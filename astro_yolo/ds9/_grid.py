"""Pixels and sky coordinates of what DS9 shows."""

import warnings

import numpy as np
from astropy.io import fits

from astro_yolo._headers import wcs_from_text
from astro_yolo._mapping import convert
from astro_yolo.catalog import pixel_boxes
from astro_yolo.exceptions import InputWarning, WCSError
from astro_yolo.image import read_image

__all__ = ["frame_wcs", "image_of", "same_grid"]

_SAME = 0.02  # pixels that the corners of two grids may differ


def frame_wcs(bridge):
    """
    Return the sky coordinates of the current frame.

    Parameters
    ----------
    bridge : DS9Bridge
        The connection.

    Returns
    -------
    WCS or None
        None if the frame shows nothing, or something without.
    """
    if bridge.get("frame has fits") != "yes":
        return None
    header = fits.Header.fromstring(bridge.get("fits header"), sep="\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)  # DS9 leaves look-up tables out, too
        try:
            wcs = wcs_from_text(header.tostring(endcard=False, padding=False), label="frame")
        except WCSError:  # DS9 shows it all the same
            return None
    if wcs is not None:
        wcs.pixel_shape = header.get("NAXIS1"), header.get("NAXIS2")
    return wcs


def image_of(shown):
    """
    Return what a frame shows as an image to detect in.

    Parameters
    ----------
    shown : HDUList or list of them
        Of `DS9Bridge.read`.

    Returns
    -------
    SkyImage
        A picture where the frame has three colours of 8 bits each: such come from a picture, or
        were stretched for people, and values are no light in either.
    """
    image = read_image(shown)
    if isinstance(shown, fits.HDUList) or any(hdus[0].data.dtype != np.uint8 for hdus in shown):
        return image
    planes, _ = image.window(0, image.shape[0], 0, image.shape[1])
    painted = np.stack([np.nan_to_num(plane).astype(np.uint8) for plane in planes[::-1]], axis=2)
    return read_image(painted, wcs=image.wcs)


def same_grid(wcs, other, table=None):
    """
    Say whether two WCS give the same pixels for the same sky.

    Parameters
    ----------
    wcs, other : WCS or None
        To compare.
    table : `~astropy.table.Table`, optional
        Compare where its boxes are; by default at the corners of the image.

    Returns
    -------
    bool
    """
    if wcs is None or other is None:
        return wcs is other
    if table is not None and len(table):
        boxes = pixel_boxes(table)
        low, high = np.nanmin(boxes[:, :2], axis=0), np.nanmax(boxes[:, 2:], axis=0)
    else:
        low, high = (0, 0), other.pixel_shape or (1000, 1000)
    x, y = (side.ravel() for side in np.meshgrid(*np.linspace(low, high, 3).T))
    there = convert(wcs, other, x, y)
    return bool(np.all(np.hypot(there[0] - x, there[1] - y) < _SAME))
