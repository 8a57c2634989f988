"""Images whose pixels are changed as they are read."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from astro_yolo import tiling
from astro_yolo._rounding import dithered

__all__ = ["ChangedImage", "joined", "whole", "with_chance"]

_BLOCKS, _SIDE = 8, 48  # blocks along each axis that tell whether an image is rounded, their pixels


@dataclass(frozen=True)
class ChangedImage:
    """
    An image with other pixels, as far as `astro_yolo._scan` asks of an image.

    Parameters
    ----------
    image : SkyImage
        The image.
    change : callable
        Takes bands, mask and the window ``(y0, y1, x0, x1)`` that they are of; returns the bands.
    """

    image: object
    change: Callable

    is_lazy = True
    mask = saturated = None

    def __getattr__(self, name):
        """Take name, kind, shape, bands and pixel scale from the image."""
        return getattr(self.image, name)

    def window(self, *window):
        """Return bands and mask of a window, see `astro_yolo.image.SkyImage.window`."""
        data, mask = self.image.window(*window)
        return self.change(data, mask, window), mask


def with_chance(image):
    """
    Undo the rounding of an image of few steps to the noise, see `astro_yolo._rounding.dithered`.

    Parameters
    ----------
    image : SkyImage
        The image.

    Returns
    -------
    SkyImage or ChangedImage
        The image itself where it is not rounded, or finely, and pictures, which are all rounded.
    """
    if image.kind == "picture":
        return image
    rows, columns = (
        tiling.even_spans(side, max(1, min(_BLOCKS, side // _SIDE)), _SIDE) for side in image.shape
    )
    data, mask = joined([[image.window(*row, *column) for column in columns] for row in rows])
    if all(dithered(plane, mask) is plane for plane in data):
        return image
    return ChangedImage(image, _dithered_bands)


def _dithered_bands(data, mask, _window):
    """Return bands with a random number within a step added."""
    return np.stack([dithered(plane, mask) for plane in data])


def whole(image):
    """
    Return the bands and the mask of a whole image; of one in memory they are not copied.

    Parameters
    ----------
    image : SkyImage or what stands for one
        The image.

    Returns
    -------
    data : 3D `~numpy.ndarray` or tuple of 2D arrays
        The bands.
    mask : 2D `~numpy.ndarray` of bool or None
        None where all pixels are usable.
    """
    if image.is_lazy:
        return image.window(0, image.shape[0], 0, image.shape[1])
    return image.data, image.mask


def joined(pieces):
    """
    Put windows together.

    Parameters
    ----------
    pieces : list of lists of (3D array, 2D array or None)
        Bands and mask of each, row by row.

    Returns
    -------
    data : 3D `~numpy.ndarray`
        The bands.
    mask : 2D `~numpy.ndarray` of bool or None
        None where no piece has one.
    """
    if len(pieces) == len(pieces[0]) == 1:
        return pieces[0][0]
    data = np.block([[data for data, _ in row] for row in pieces])
    masks = [
        [np.zeros(data.shape[1:], bool) if mask is None else mask for data, mask in row]
        for row in pieces
    ]
    mask = np.block(masks)
    return data, mask if mask.any() else None
