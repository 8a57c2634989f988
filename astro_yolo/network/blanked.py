"""Saturated stars whose middle a survey has blanked, in 8-bit pictures.

Where a detector saturates, surveys leave no data, and a picture has a black hole in the middle of
the brightest light that it shows. No galaxy looks so; to a network that sees the halo, many do.
"""

import cv2
import numpy as np

from astro_yolo.boxes import longer_side
from astro_yolo.filters import white_of
from astro_yolo.network.calibration import OUTPUTS

__all__ = ["blanked_stars", "with_blanked_stars"]

_STAR, _GALAXY = OUTPUTS.index("star"), OUTPUTS.index("galaxy")
_SMALLEST_BOX = 12.0  # pixels; in smaller ones a hole is no longer black
_BLACK, _BRIGHT = 0.12, 0.5  # shares of white: the hole at most, its rim at least
_FEWEST = 4  # pixels of a hole
_NARROWEST = 4  # pixels of a stamp with a hole and its rim: two each way
_OFF = 0.2  # of the longer side: distance of the hole from the middle


def with_blanked_stars(bands, boxes, outputs):
    """
    Call blanked stars stars.

    Parameters
    ----------
    bands : sequence of (ny, nx) arrays
        A picture, 255 or 65535 as white.
    boxes : (N, 4) array
        Edge pixels.
    outputs : (N, 7) array
        Raw outputs of the network, in the order of `~astro_yolo.network.calibration.OUTPUTS`.

    Returns
    -------
    (N, 7) array
        With the outputs for galaxy and star exchanged where `blanked_stars` sees a star and the
        network a galaxy.
    """
    taken = np.flatnonzero(outputs[:, _GALAXY] > outputs[:, _STAR])
    taken = taken[blanked_stars(bands, boxes[taken])]
    outputs = outputs.copy()
    outputs[np.ix_(taken, [_STAR, _GALAXY])] = outputs[np.ix_(taken, [_GALAXY, _STAR])]
    return outputs


def blanked_stars(bands, boxes):
    """
    Tell which sources have a black hole where they should be brightest.

    Parameters
    ----------
    bands, boxes
        As of `with_blanked_stars`.

    Returns
    -------
    (N,) bool array
    """
    found = np.zeros(len(boxes), dtype=bool)
    large = np.flatnonzero(longer_side(boxes) >= _SMALLEST_BOX)
    if large.size:
        white = white_of(bands)
        for k in large:
            x0, y0, x1, y1 = np.round(boxes[k]).astype(int)
            stamp = np.mean([band[y0:y1, x0:x1] for band in bands], axis=0) / white
            found[k] = _has_hole(stamp)
    return found


def _has_hole(stamp):
    """Return whether a black region near the middle of a stamp has bright light all round."""
    if min(stamp.shape) < _NARROWEST:
        return False
    dark = (stamp <= _BLACK).astype(np.uint8)
    _, regions, boxes, middles = cv2.connectedComponentsWithStats(dark, connectivity=4)
    size = np.array(stamp.shape[::-1])
    near = np.hypot(*(middles - (size - 1) / 2).T) <= _OFF * size.max()
    inside = (boxes[:, :2] > 0).all(axis=1) & (boxes[:, :2] + boxes[:, 2:4] < size).all(axis=1)
    holes = np.flatnonzero(near & inside & (boxes[:, cv2.CC_STAT_AREA] >= _FEWEST))
    return any(_rim(stamp, regions == k) >= _BRIGHT for k in holes if k > 0)


def _rim(stamp, hole):
    """Return the median of the pixels next to a hole."""
    grown = cv2.dilate(hole.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return np.median(stamp[grown & ~hole])
