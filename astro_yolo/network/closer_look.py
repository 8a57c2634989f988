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
from astro_yolo.network.singles import precedence, single_boxes
from astro_yolo.network.spread import SURE
from astro_yolo.stretch import NETWORK_SKY, from_network

__all__ = ["closer_look", "needs_closer_look"]

_GALAXY, _STAR = OUTPUTS.index("galaxy"), OUTPUTS.index("star")
_CROWDED = 2500  # pixels for a sure source; in SDSS each has 3000 to 6000
_MORE = 10  # galaxies than stars
_LEFT = 0.1  # of the clear peaks: so many without a source are no chance
_PEAK = 12.0  # light over the noise of as many pixels: 9, every other one, about a peak
_ZOOM = 1.3  # most of what is left is small
_CLEAR, _PATCH = 7.0, 5  # light of a source over its noise, from patches of 5 by 5 pixels
_MANY = 20  # sources that a look at a crowd is worth, and galaxies for a star in a deep field


def needs_closer_look(planes, boxes, outputs, *, by_light=True):
    """
    Tell whether galaxies of an image may have been passed over.

    Parameters
    ----------
    planes : sequence of (ny, nx) float32 arrays
        The image as `~astro_yolo.stretch.to_network` makes it.
    boxes, outputs : (N, 4), (N, 7) arrays
        Candidates of the whole image without doubles, in edge pixels, and their raw outputs.
    by_light : bool, optional
        Whether light without a source tells; flat discs of saturated stars in a picture have some.

    Returns
    -------
    bool
        True where there are more than 20 sure sources, one for each 2500 pixels, be they galaxies
        or stars; or where there are ten more sure galaxies than stars at least, and more than a
        tenth of the clear peaks of light have no sure source.
    """
    sure = strength(outputs) >= SURE
    if sure.sum() > max(planes[0].size / _CROWDED, _MANY):
        return True
    galaxies, stars = _count(outputs)
    if not by_light or galaxies < stars + _MORE:
        return False
    peaks = _peaks(planes)
    return bool((~_within(peaks, boxes[sure]).any(axis=1)).sum() > _LEFT * len(peaks))


def closer_look(backend, planes, boxes, outputs, min_raw):
    """
    Return the candidates of an image with those that a network for deep fields sees enlarged.

    Parameters
    ----------
    backend : astro_yolo.network.backends.Backend
        The network.
    planes, boxes, outputs
        As of `needs_closer_look`.
    min_raw : float
        Smallest raw value of the galaxy or star output.

    Returns
    -------
    tuple of (K, 4), (K, 7) arrays or None
        Boxes and outputs. What was a star is what the network says; of two boxes of one galaxy the
        surer stays. What is new has light of seven times its noise at least. None where the network
        sees less than 20 sure galaxies, or a star for less than 20, which it knows less well.
    """
    shape = planes[0].shape
    size = tuple(round(_ZOOM * side) for side in shape[::-1])
    enlarged = np.stack([cv2.resize(p, size, interpolation=cv2.INTER_CUBIC) for p in planes])
    new, values = single_boxes(*backend.predict(enlarged, min_raw))
    galaxies, stars = _count(values)
    if galaxies < _MANY * max(stars, 1):
        return None
    new = new * np.tile(np.divide(shape[::-1], size), 2)
    new = box_math.clip(recenter(new, planes, NETWORK_SKY), shape)
    clear = _are_clear(np.mean([from_network(plane) for plane in planes], axis=0), new)
    old = outputs[:, _GALAXY] > outputs[:, _STAR]
    found = np.concatenate([boxes[old], new[clear]]), np.concatenate([outputs[old], values[clear]])
    groups = np.repeat([0, 1], [old.sum(), clear.sum()])
    kept = box_math.nms(found[0], precedence(found[1]), groups=groups, **box_math.DOUBLES)
    return tuple(part[kept] for part in found)


def _count(outputs):
    """Return the number of sure galaxies, and of sure stars."""
    sure = outputs[strength(outputs) >= SURE]
    galaxies = int((sure[:, _GALAXY] > sure[:, _STAR]).sum())
    return galaxies, len(sure) - galaxies


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
