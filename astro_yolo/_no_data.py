"""Regions of exact zeros, with which mosaics fill the places that no exposure covers."""

import cv2
import numpy as np

from astro_yolo.tiling import even_spans

__all__ = ["zero_region", "zero_share"]

_BLOCKS, _SIDE = 24, 8  # blocks along each axis that are looked at, and their side in pixels
_STRAY = 0.25  # share of zeros among the other pixels from which 0 is a value like any other
_KERNEL = np.ones((9, 9), np.uint8)  # zeros that fill no square of this size are pixels


def zero_share(pixels):
    """
    Estimate how much of an image regions without data take up.

    Blocks all over the image are looked at. Where exposures end, a block holds nothing but zeros
    or none; where 0 is a value, as in counts of photons and in a sky cut off at 0, most hold some.

    Parameters
    ----------
    pixels : `~astro_yolo._planes.Pixels`
        The image.

    Returns
    -------
    float
        Share of the blocks that are 0 throughout; 0 where 0 is a value, or the only one. Blocks at
        the border count, where most such regions lie: a border is rather over- than overlooked.
    """
    rows, columns = (even_spans(side, _BLOCKS, _SIDE) for side in pixels.shape)
    at = np.concatenate([np.arange(*span) for span in columns])
    strips = (pixels.read((*row, 0, pixels.shape[1]))[:, at] == 0 for row in rows)
    zero = np.stack(
        [strip.reshape(len(strip), _BLOCKS, -1).mean(axis=(0, 2)) for strip in strips]
    )
    empty = zero == 1
    if not empty.any() or empty.all() or zero[~empty].mean() > _STRAY:
        return 0.0
    return float(empty.mean())


def zero_region(pixels, window):
    """
    Find the pixels of a window that lie in a region of exact zeros.

    Parameters
    ----------
    pixels : `~astro_yolo._planes.Pixels`
        The image.
    window : tuple of int
        ``(y0, y1, x0, x1)``, end excluded.

    Returns
    -------
    2D `~numpy.ndarray` of bool
        True in squares of 9 by 9 zeros, of which any part may lie beyond the border of the image.
        It does not depend on how an image is cut into windows.
    """
    reach = len(_KERNEL) - 1
    spans, beyond = [], []
    for (low, high), side in zip((window[:2], window[2:]), pixels.shape, strict=True):
        first, last = max(low - reach, 0), min(high + reach, side)
        spans += [first, last]
        beyond.append((first - low + reach, high + reach - last))
    zero = np.pad((pixels.read(tuple(spans)) == 0).astype(np.uint8), beyond, constant_values=1)
    opened = cv2.morphologyEx(zero, cv2.MORPH_OPEN, _KERNEL)
    return opened[reach:-reach, reach:-reach].astype(bool)
