"""Whether an image shows something so large that it must be looked at in binned copies."""

import cv2
import numpy as np

from astro_yolo._changed_image import whole
from astro_yolo.stretch import background_noise
from astro_yolo.tiling import bin_mean

__all__ = ["has_giants"]

_STRIDE, _BINNING = 4, 2  # of the pixels that are looked at
_LARGE = 250  # pixels: longer side of what is bright; galaxies up to 400 the network sees whole
_BRIGHT = 3.0  # over the noise of binned pixels


def has_giants(image, zoom=1.0):
    """
    Tell whether a bright patch of an image is longer than 250 pixels as the network sees it.

    That may be a galaxy, a nebula or the glow of a star: to look is cheap.

    Parameters
    ----------
    image : SkyImage
        The image.
    zoom : float, optional
        Factor by which it is enlarged before the network sees it.

    Returns
    -------
    bool
    """
    large = _LARGE / zoom
    if max(image.shape) < large or min(image.shape) < _STRIDE * _BINNING:
        return False
    light = _binned(image)
    sky, noise = background_noise(light)
    bright = np.nan_to_num(light - sky) > _BRIGHT * noise
    # what hangs together by single pixels is neighbours
    bright = cv2.erode(bright.astype(np.uint8), np.ones((3, 3), np.uint8))
    stats = cv2.connectedComponentsWithStats(bright, connectivity=4)[2][1:]
    sides = stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
    return bool((sides.max(axis=1, initial=0) + 2 >= large / (_STRIDE * _BINNING)).any())


def _binned(image):
    """Return the middle band in binned pixels, by a sixteenth of its own."""
    data, mask = whole(image)
    mask = None if mask is None else mask[::_STRIDE, ::_STRIDE]
    return bin_mean(data[len(data) // 2][::_STRIDE, ::_STRIDE], _BINNING, mask)
