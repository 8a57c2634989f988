"""Cutouts turned by any angle: of the rare types there are few, and none looks the same turned."""

import cv2
import numpy as np

from astro_yolo.training.cutouts import measure_cutout

__all__ = ["turn_cutout"]

_SCALES = 0.82, 1.22


def turn_cutout(picture, label, rng):
    """
    Turn a cutout about its middle, scale it a little, and measure it anew.

    A box that was turned with its galaxy would be too wide; the corners are filled with what is
    beside them, mirrored.

    Parameters
    ----------
    picture : (ny, nx, 3) uint8 array
        Red, green, blue, of SkyServer.
    label : str
        Class, as of `~astro_yolo.training.cutouts.measure_cutout`.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    tuple or None
        The picture, of the same shape; the (4,) box of its galaxy and the (M, 4) boxes of the
        others in edge pixels. None where no source covers the middle any more.
    """
    height, width = picture.shape[:2]
    scale = float(np.exp(rng.uniform(*np.log(_SCALES))))
    middle = (width - 1) / 2, (height - 1) / 2
    matrix = cv2.getRotationMatrix2D(middle, rng.uniform(0, 360), scale)
    turned = cv2.warpAffine(
        picture, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    box, others = measure_cutout(turned, label)
    return None if box is None or not np.isfinite(box).all() else (turned, box, others)
