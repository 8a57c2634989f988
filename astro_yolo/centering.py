"""Move boxes on to the light they enclose.

A network places a box to a fraction of its stride; the light itself says where the source is.
"""

import cv2
import numpy as np

__all__ = ["recenter"]

_GRID = np.linspace(-2.2, 2.2, 12)  # sample places along each axis, in units of the window's sigma
_SIGMA = 0.2  # of the window, in units of the box's mean side
_SIGMA_RANGE = (1.2, 8.0)  # pixels; a giant is centred on its core
_ITERATIONS = 3
_LONGEST_MOVE = 0.12  # of the box's mean side, plus half a pixel; beyond it lies another source
_ROWS = 8192  # boxes at a time: OpenCV takes at most 32 767 rows
_LONGEST = 30_000  # pixels, of an image that is looked at as a whole, for the same reason
_WINDOW, _REACH = 16_384, 64  # pixels, of windows of a longer one and of what boxes see round them


def recenter(boxes, planes, sky):
    """
    Shift boxes to the Gaussian-windowed centroids of what they enclose.

    Each step moves the centre by twice the mean offset of the light under a Gaussian window, which
    for a Gaussian source leads to its true centre (the windowed positions of SExtractor; Bertin,
    SExtractor manual, "Windowed positional parameters"). A box whose centre would move far
    stays where it is.

    Parameters
    ----------
    boxes : (N, 4) array
        xmin, ymin, xmax, ymax in edge pixels.
    planes : sequence of (ny, nx) float32 arrays
        Planes whose light counts, equally weighted.
    sky : float
        Level of the sky in all of them.

    Returns
    -------
    (N, 4) array
        Boxes of the same sizes.
    """
    boxes = np.asarray(boxes, dtype=float)
    if max(planes[0].shape) > _LONGEST:
        return _by_windows(boxes, planes, sky)
    parts = [_recenter(boxes[k : k + _ROWS], planes, sky) for k in range(0, len(boxes), _ROWS)]
    return np.concatenate(parts) if parts else boxes


def _by_windows(boxes, planes, sky):
    """Recentre the boxes of a long image, window by window."""
    corner = (boxes[:, :2] + boxes[:, 2:]) // (2 * _WINDOW) * _WINDOW
    moved = boxes.copy()
    for start in np.unique(corner, axis=0):
        x, y = np.maximum(start - _REACH, 0).astype(int)
        end_x, end_y = (start + _WINDOW + _REACH).astype(int)
        here, shift = (corner == start).all(axis=1), np.tile([x, y], 2)
        window = [plane[y:end_y, x:end_x] for plane in planes]
        moved[here] = recenter(boxes[here] - shift, window, sky) + shift
    return moved


def _recenter(boxes, planes, sky):
    """Recentre boxes few enough for one call of OpenCV."""
    start = (boxes[:, :2] + boxes[:, 2:]) / 2 - 0.5  # pixel centres, as OpenCV counts
    side = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    sigma = np.clip(_SIGMA * side, *_SIGMA_RANGE)
    center = start.copy()
    for _ in range(_ITERATIONS):
        center += _step(center, sigma, planes, sky)
    move = center - start
    far = ~(np.abs(move) <= (_LONGEST_MOVE * side + 0.5)[:, None]).all(axis=1)
    move[far] = 0
    return boxes + np.tile(move, 2)


def _step(center, sigma, planes, sky):
    """Return twice the mean offset of the light in the windows, (N, 2)."""
    offset_x, offset_y = (grid.ravel() for grid in np.meshgrid(_GRID, _GRID))
    window = np.exp(-(offset_x**2 + offset_y**2) / 2)
    at_x = (center[:, :1] + sigma[:, None] * offset_x).astype(np.float32)
    at_y = (center[:, 1:] + sigma[:, None] * offset_y).astype(np.float32)
    light = -sky * len(planes) + sum(
        cv2.remap(plane, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for plane in planes
    )
    light = light * window
    total = np.maximum(light.sum(axis=1), 1e-3)
    mean = np.stack([light @ offset_x, light @ offset_y], axis=1) / total[:, None]
    return np.clip(2 * mean, -1, 1) * sigma[:, None]
