"""A closer look at images that show little but galaxies.

What a network says of a source depends on what is around it, and it was trained on fields where a
part of what is small and bright is stars. In a deep field of hundreds of galaxies and hardly a star
it passes over half of those that anybody sees. In windows that show some of them at a time, as they
are and enlarged, it finds more. They are looked at where light is left that no source explains.
"""

import cv2
import numpy as np

from astro_yolo import boxes as box_math
from astro_yolo.centering import recenter
from astro_yolo.network.calibration import OUTPUTS, strength
from astro_yolo.network.singles import precedence, single_boxes
from astro_yolo.network.spread import SURE, pixel_centers, unknown_spread
from astro_yolo.stretch import NETWORK_SKY, from_network

__all__ = ["closer_look", "windows_with_light_left"]

_GALAXY, _STAR = OUTPUTS.index("galaxy"), OUTPUTS.index("star")
_MORE = 10  # galaxies than stars
_LEFT = 0.1  # of the clear peaks: so many without a source are no chance
_CORE = 128  # side in pixels that a window answers for
_MARGIN = 32  # pixels more that it shows on each side
_ZOOMS = 1.0, 1.5  # enlargements of the windows; their sides are multiples of 32
_CLEAR = 20.0  # light of a source over the noise of as many pixels
_PEAK = 12.0  # the same of 9 pixels, every other one, about a peak


def windows_with_light_left(planes, boxes, outputs):
    """
    Return the windows of an image in which light is left that no source explains.

    Parameters
    ----------
    planes, boxes, outputs
        As of `closer_look`.

    Returns
    -------
    (N, 2) int array
        Their corners, x and y in pixels. There are none unless the image has ten more sure galaxies
        than stars at least, and a tenth of its clear peaks of light have no sure source.
    """
    sure = strength(outputs) >= SURE
    galaxy = _are_galaxies(outputs[sure])
    if galaxy.sum() < (~galaxy).sum() + _MORE:
        return np.empty((0, 2), dtype=int)
    peaks = _peaks(planes)
    left = peaks[~_within(peaks, boxes[sure]).any(axis=1)]
    return np.unique(left // _CORE * _CORE, axis=0) if len(left) > _LEFT * len(peaks) else left[:0]


def closer_look(backend, planes, boxes, outputs, spread, windows):
    """
    Return the candidates of an image with those that only windows of it show.

    Parameters
    ----------
    backend : astro_yolo.network.backends.Backend
        The network.
    planes : sequence of (ny, nx) float32 arrays
        The image as `~astro_yolo.stretch.to_network` makes it.
    boxes, outputs, spread : (N, 4), (N, 7), (N, 3) arrays
        Candidates of the whole image without doubles, in edge pixels, their raw outputs, and their
        spreads.
    windows : (N, 2) int array
        From `windows_with_light_left`.

    Returns
    -------
    boxes, outputs, spread : (K, 4), (K, 7), (K, 3) arrays
        Sure galaxies of the windows that are clear and have nothing to do with a sure source of
        the whole image are added, without a spread: what passes for stars here may be small
        galaxies. What was there and is a double of one of them, but less sure, is left out.
    """
    light = np.mean([from_network(plane) for plane in planes], axis=0)
    looks = [(boxes, outputs, spread)]
    for zoom in _ZOOMS:
        seen = _in_windows(backend, planes, windows, zoom)
        new = _are_new(*seen, boxes, outputs) & _are_clear(light, seen[0])
        looks.append([*(values[new] for values in seen), unknown_spread(new.sum())])
    groups = np.repeat(np.arange(len(looks)), [len(look[0]) for look in looks])
    found = [np.concatenate(values) for values in zip(*looks, strict=True)]
    kept = box_math.nms(found[0], precedence(found[1]), groups=groups, **box_math.DOUBLES)
    return [values[kept] for values in found]


def _are_galaxies(outputs):
    """Tell which candidates are galaxies rather than stars."""
    return outputs[:, _GALAXY] > outputs[:, _STAR]


def _peaks(planes):
    """Return where clear light has peaks, (N, 2) pixels."""
    light = from_network(np.mean([plane[::2, ::2] for plane in planes], axis=0))
    light = cv2.blur(light, (3, 3)) * 3
    highest = cv2.dilate(light, np.ones((3, 3)))
    return 2 * np.argwhere((light == highest) & (light > _PEAK))[:, ::-1]


def _in_windows(backend, planes, windows, zoom):
    """Return boxes and outputs of what is sure in windows, each in the window that owns it."""
    shape, side = planes[0].shape, _CORE + 2 * _MARGIN
    beyond = [(_MARGIN, _MARGIN + -length % _CORE) for length in shape]
    padded = [np.pad(plane, beyond, constant_values=backend.weights.border) for plane in planes]
    found = [(np.empty((0, 4)), np.empty((0, len(OUTPUTS))))]
    for x, y in windows.tolist():
        window = [plane[y : y + side, x : x + side] for plane in padded]
        if zoom != 1:
            size = (round(side * zoom),) * 2
            window = [cv2.resize(part, size, interpolation=cv2.INTER_CUBIC) for part in window]
        boxes, outputs = single_boxes(*backend.predict(np.stack(window), SURE))
        boxes = boxes / zoom - _MARGIN
        center = pixel_centers(boxes)
        own = ((center >= -0.5) & (center < _CORE - 0.5)).all(axis=1)
        found.append((box_math.shift(boxes[own], x, y), outputs[own]))
    boxes, outputs = (np.concatenate(values) for values in zip(*found, strict=True))
    inside = (pixel_centers(boxes) < np.array(shape[::-1]) - 0.5).all(axis=1)
    boxes = recenter(boxes[inside], planes, NETWORK_SKY)
    return box_math.clip(boxes, shape), outputs[inside]


def _are_new(boxes, outputs, old, old_outputs):
    """Tell which are galaxies apart from all sure sources of the whole image."""
    sure = strength(old_outputs) >= SURE
    around = _within(pixel_centers(boxes), old[sure & _are_galaxies(old_outputs)]).any(axis=1)
    holds = _within(pixel_centers(old[sure]), boxes).any(axis=0)
    return _are_galaxies(outputs) & ~around & ~holds


def _within(places, boxes):
    """Tell which pixels lie in which boxes, (N, M)."""
    x, y = (places + 0.5).T[:, :, None]
    return (x > boxes[:, 0]) & (x < boxes[:, 2]) & (y > boxes[:, 1]) & (y < boxes[:, 3])


def _are_clear(light, boxes):
    """Tell which boxes hold light that stands well above the noise."""
    total = np.pad(light.cumsum(axis=0, dtype=float).cumsum(axis=1), ((1, 0), (1, 0)))
    x0, y0, x1, y1 = np.round(boxes).astype(int).T
    inside = total[y1, x1] - total[y0, x1] - total[y1, x0] + total[y0, x0]
    return inside > _CLEAR * np.sqrt(np.maximum((x1 - x0) * (y1 - y0), 1))
