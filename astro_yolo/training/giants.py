"""Galaxies so large that a source finder at full resolution breaks them into pieces."""

import cv2
import numpy as np

from astro_yolo.exceptions import require
from astro_yolo.stretch import background_noise
from astro_yolo.tiling import bin_mean
from astro_yolo.training.cutouts import petrosian_box

__all__ = ["label_giants"]

_BINNING = 4
_THRESHOLD, _FEWEST_PIXELS, _CONTRAST = 4.0, 20, 0.03
_SMALLEST = 50.0  # pixels; a smaller galaxy is found whole at full resolution
_SPREAD = 4.5  # pixels of half-light radius that no star and no pair of stars has
_FAINTEST_PEAK = 15.0  # in units of the noise; nebulae and ghosts have no such core
_RULING_SHARE = 0.4  # of the brightest source's flux: a star in front is no reason to give up
_OWN_SHARE = 0.3  # of the blob's longer side; the parts of a chain of sources are smaller


def label_giants(detection, sources, boxes, kind, *, saturation):
    """
    Give large galaxies one box each, and ignore their pieces.

    The image is searched again binned by four, where a spiral is one blob. A blob counts as a
    galaxy if a bright source in its middle is wide and not saturated.

    Parameters
    ----------
    detection : (ny, nx) array
        Sky-subtracted image in units of its noise.
    sources : astro_yolo.training.labels.Sources
        Found at full resolution.
    boxes : (N, 4) array
        Their boxes, edge pixels.
    kind : (N,) int array
        1 galaxy, 0 star, -1 to be ignored, -2 background.
    saturation : float
        Peak, in units of the noise, above which a source is a bright star.

    Returns
    -------
    boxes, kind : arrays
        New arrays in which the brightest source of each large galaxy stands for all of it.
    """
    boxes, kind = boxes.copy(), kind.copy()
    taken = np.zeros(len(kind), dtype=bool)
    limits = _FAINTEST_PEAK, saturation
    for box in _blobs(detection):
        main = _main_source(sources, boxes, box, limits)
        if main is None or kind[main] == -2 or taken[main]:
            continue
        pieces = _inside(sources, _shrunk(box, 0.85)) & (kind != 0) & ~taken
        kind[pieces] = -1
        boxes[main], kind[main], taken[main] = box, 1, True
    return boxes, kind


def _main_source(sources, boxes, blob, limits):
    """Return the brightest wide source amid a blob if both are a large galaxy's, else None."""
    side = max(blob[2] - blob[0], blob[3] - blob[1])
    inside = np.flatnonzero(_inside(sources, _shrunk(blob, 0.5)))
    wide = inside[sources.half_light[inside] > _SPREAD]
    if not len(wide) or side < _SMALLEST:
        return None
    flux = sources.aperture_flux
    main = wide[flux[wide].argmax()]
    own = max(boxes[main, 2] - boxes[main, 0], boxes[main, 3] - boxes[main, 1])
    ruling = flux[main] > _RULING_SHARE * flux[inside].max() and own > _OWN_SHARE * side
    return main if ruling and limits[0] < sources.peak[main] < limits[1] else None


def _blobs(detection):
    """Return the boxes of the blobs of the binned image, in edge pixels of the full one."""
    sep = require("sep", extra="train", feature="measuring training labels")
    light = cv2.GaussianBlur(bin_mean(detection, _BINNING), (0, 0), 1.0)
    sky, noise = background_noise(light)
    light = np.ascontiguousarray((light - sky) / noise, dtype=np.float32)
    found, segments = sep.extract(
        light, _THRESHOLD, err=1.0, minarea=_FEWEST_PIXELS, deblend_cont=_CONTRAST,
        segmentation_map=True,
    )  # fmt: skip
    large = np.flatnonzero(6 * found["a"] * _BINNING > _SMALLEST)
    boxes = [petrosian_box(light, segments, k, found[k], reach=(8, 100), most=3.0) for k in large]
    return [_BINNING * box for box in boxes]


def _inside(sources, box):
    """Return which sources have their centre in a box."""
    x, y = sources.x + 0.5, sources.y + 0.5
    return (x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])


def _shrunk(box, share):
    """Return a box made smaller about its centre."""
    middle, half = (box[:2] + box[2:]) / 2, share * (box[2:] - box[:2]) / 2
    return np.concatenate([middle - half, middle + half])
