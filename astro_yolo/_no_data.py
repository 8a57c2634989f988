"""Regions of one value, mostly 0, with which mosaics fill the places that no exposure covers."""

import cv2
import numpy as np

from astro_yolo.tiling import even_spans

__all__ = ["fill_value", "filled_region"]

_BLOCKS, _SIDE = 24, 8  # blocks along each axis that are looked at, and their side in pixels
_STRAY = 0.25  # share among the other pixels from which the value is one like any other
# times the scatter of the others: how far below or above them a value other than 0 must be; stars
# that are saturated have one value, too
_BELOW, _ABOVE = 10.0, 1e10
_KERNEL = np.ones((9, 9), np.uint8)  # what fills no square of this size is pixels


def fill_value(pixels):
    """
    Find the value of regions without data, and estimate how much of an image they take up.

    Blocks all over the image are looked at. Where exposures end, a block holds nothing but the
    value or none of it; where it is a value as any, as 0 in counts of photons and in a sky cut off
    at 0, most hold some. Other values than 0 must be far from all else, as -32768 or 1e20 are.

    Parameters
    ----------
    pixels : `~astro_yolo._planes.Pixels`
        The image.

    Returns
    -------
    value : float
        0 as well where there is none, and in images of 8 bits.
    share : float
        Share of the blocks that hold nothing else; 0 where there is no such value, or no other.
        Blocks at the border count, where most such regions lie: a border is rather over- than
        overlooked.
    """
    if pixels.raw.dtype == np.uint8:  # a picture, in which 0 is black
        return 0.0, 0.0
    blocks = _blocks(pixels)
    flat = (blocks == blocks[:, :1]).all(axis=1) & np.isfinite(blocks[:, 0])
    if not flat.any():
        return 0.0, 0.0
    values, numbers = np.unique(blocks[flat, 0], return_counts=True)
    value = values[numbers.argmax()]
    empty = flat & (blocks[:, 0] == value)
    others = blocks[~empty]
    if empty.all() or (others == value).mean() > _STRAY or not (value == 0 or _far(value, others)):
        return 0.0, 0.0
    return float(value), float(empty.mean())


def _blocks(pixels):
    """Return the pixels of the blocks, (blocks, pixels)."""
    rows, columns = (even_spans(side, _BLOCKS, _SIDE) for side in pixels.shape)
    at = np.concatenate([np.arange(*span) for span in columns])
    strips = (pixels.read((*row, 0, pixels.shape[1]))[:, at] for row in rows)
    blocks = [np.swapaxes(strip.reshape(len(strip), _BLOCKS, -1), 0, 1) for strip in strips]
    return np.concatenate([block.reshape(_BLOCKS, -1) for block in blocks])


def _far(value, others):
    """Whether a value is far below all others, or beyond what any detector tells apart."""
    others = others[np.isfinite(others) & (others != value)].astype(float)
    if others.size == 0 or others.min() < value < others.max():
        return False
    level = np.median(others)
    noise = 1.4826 * np.median(np.abs(others - level))
    return noise > 0 and not -_BELOW * noise <= value - level <= _ABOVE * noise


def filled_region(pixels, value, window):
    """
    Find the pixels of a window that lie in a region of one value.

    Parameters
    ----------
    pixels : `~astro_yolo._planes.Pixels`
        The image.
    value : float
        As `fill_value` finds it.
    window : tuple of int
        ``(y0, y1, x0, x1)``, end excluded.

    Returns
    -------
    2D `~numpy.ndarray` of bool
        True in squares of 9 by 9 such pixels, of which any part may lie beyond the border of the
        image. It does not depend on how an image is cut into windows.
    """
    reach = len(_KERNEL) - 1
    spans, beyond = [], []
    for (low, high), side in zip((window[:2], window[2:]), pixels.shape, strict=True):
        first, last = max(low - reach, 0), min(high + reach, side)
        spans += [first, last]
        beyond.append((first - low + reach, high + reach - last))
    same = (pixels.read(tuple(spans)) == np.float32(value)).astype(np.uint8)
    same = np.pad(same, beyond, constant_values=1)
    opened = cv2.morphologyEx(same, cv2.MORPH_OPEN, _KERNEL)
    return opened[reach:-reach, reach:-reach].astype(bool)
