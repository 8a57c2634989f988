"""Images in which the network passes over galaxies, since they show little else.

What a network says of a source depends on what is around it, and it was trained on fields where a
part of what is small and bright is stars. In a deep field of hundreds of galaxies and hardly a star
it passes over half of those that anybody sees. Another one, trained on such fields, looks at them.
"""

import cv2
import numpy as np

from astro_yolo import boxes as box_math
from astro_yolo.centering import recenter
from astro_yolo.network.calibration import OUTPUTS, strength
from astro_yolo.network.singles import single_boxes
from astro_yolo.network.spread import SURE
from astro_yolo.stretch import NETWORK_SKY, from_network

__all__ = ["closer_look", "needs_closer_look"]

_GALAXY, _STAR = OUTPUTS.index("galaxy"), OUTPUTS.index("star")
_MORE = 10  # galaxies than stars
_LEFT = 0.1  # of the clear peaks: so many without a source are no chance
_PEAK = 12.0  # light over the noise of as many pixels: 9, every other one, about a peak
_ZOOM = 1.3  # most of what is left is small
_CLEAR, _PATCH = 5.0, 5  # light of a source over its noise, from patches of 5 by 5 pixels


def needs_closer_look(planes, boxes, outputs):
    """
    Tell whether galaxies of an image were passed over.

    Parameters
    ----------
    planes : sequence of (ny, nx) float32 arrays
        The image as `~astro_yolo.stretch.to_network` makes it.
    boxes, outputs : (N, 4), (N, 7) arrays
        Candidates of the whole image without doubles, in edge pixels, and their raw outputs.

    Returns
    -------
    bool
        True where there are ten more sure galaxies than stars at least, and more than a tenth of
        the clear peaks of light have no sure source.
    """
    sure = strength(outputs) >= SURE
    galaxy = outputs[sure, _GALAXY] > outputs[sure, _STAR]
    if galaxy.sum() < (~galaxy).sum() + _MORE:
        return False
    peaks = _peaks(planes)
    return bool((~_within(peaks, boxes[sure]).any(axis=1)).sum() > _LEFT * len(peaks))


def closer_look(backend, planes, min_raw):
    """
    Return what a network for deep fields sees in an image that it is shown enlarged.

    Parameters
    ----------
    backend : astro_yolo.network.backends.Backend
        The network.
    planes : sequence of (ny, nx) float32 arrays
        The image as `~astro_yolo.stretch.to_network` makes it.
    min_raw : float
        Smallest raw value of the galaxy or star output.

    Returns
    -------
    boxes, outputs : (N, 4), (N, 7) arrays
        Candidates without doubles, in edge pixels of the image, and their raw outputs; only those
        whose light is five times as large as its noise.
    """
    shape = planes[0].shape
    size = tuple(round(_ZOOM * side) for side in shape[::-1])
    enlarged = np.stack([cv2.resize(p, size, interpolation=cv2.INTER_CUBIC) for p in planes])
    boxes, outputs = single_boxes(*backend.predict(enlarged, min_raw))
    boxes = boxes * np.tile(np.divide(shape[::-1], size), 2)
    boxes = box_math.clip(recenter(boxes, planes, NETWORK_SKY), shape)
    clear = _are_clear(np.mean([from_network(plane) for plane in planes], axis=0), boxes)
    return boxes[clear], outputs[clear]


def _are_clear(light, boxes):
    """Tell which boxes hold light well above the noise, of which neighbouring pixels may know."""
    patches = cv2.blur(light, (_PATCH, _PATCH)) * _PATCH
    below = np.median(patches) - patches
    noise = np.sqrt(np.mean(below[below > 0] ** 2)) if (below > 0).any() else 0.0
    total = np.pad(light.cumsum(axis=0, dtype=float).cumsum(axis=1), ((1, 0), (1, 0)))
    x0, y0, x1, y1 = np.round(boxes).astype(int).T
    inside = total[y1, x1] - total[y0, x1] - total[y1, x0] + total[y0, x0]
    return inside > _CLEAR * noise * np.sqrt(np.maximum((x1 - x0) * (y1 - y0), 1))


def _peaks(planes):
    """Return where clear light has peaks, (N, 2) pixels."""
    light = from_network(np.mean([plane[::2, ::2] for plane in planes], axis=0))
    light = cv2.blur(light, (3, 3)) * 3
    highest = cv2.dilate(light, np.ones((3, 3)))
    return 2 * np.argwhere((light == highest) & (light > _PEAK))[:, ::-1]


def _within(places, boxes):
    """Tell which pixels lie in which boxes, (N, M)."""
    x, y = (places + 0.5).T[:, :, None]
    return (x > boxes[:, 0]) & (x < boxes[:, 2]) & (y > boxes[:, 1]) & (y < boxes[:, 3])
