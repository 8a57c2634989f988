"""Training samples: an image in network units, and the boxes and kinds of what is in it."""

from dataclasses import dataclass

import numpy as np

from astro_yolo.boxes import longer_side

__all__ = [
    "IGNORE",
    "OBJECTS",
    "SMALL",
    "Sample",
    "clip_sample",
    "field_kinds",
    "packed",
    "transposed",
    "visible_kinds",
    "visible_sample",
]

#: Kinds of object in the label files. "galaxy" has a type that nobody has judged;
#: "ignore" is neither object nor background.
OBJECTS = ("elliptical", "spiral", "edge_on", "merger", "unknown", "star", "galaxy", "ignore")
GALAXY, STAR, UNKNOWN, EDGE_ON, IGNORE = (
    OBJECTS.index(name) for name in ("galaxy", "star", "unknown", "edge_on", "ignore")
)

#: Galaxies with both sides of the box below this have no discernible type (pixels).
SMALL = 15.0

_LEAST_CONTRAST = 0.004  # network units, the mean over an object: a tenth of a grey level

_LEAST_WHITE = 0.2  # the same, of a saturated star above the sky


@dataclass
class Sample:
    """An image (3, size, size) in network units, its boxes (N, 4) in edge pixels and kinds (N,)."""

    image: np.ndarray
    boxes: np.ndarray
    kinds: np.ndarray


def field_kinds(kind, boxes):
    """
    Return the kinds of a field's own sources: their types are nobody's judgement.

    Parameters
    ----------
    kind : (N,) array
        1 galaxy, 0 star, -1 to be ignored, see `astro_yolo.training.fields.Field`.
    boxes : (N, 4) array
        Edge pixels.

    Returns
    -------
    (N,) array
        Of `OBJECTS`.
    """
    kinds = np.where(kind == 1, GALAXY, np.where(kind == 0, STAR, IGNORE))
    small = longer_side(boxes) < SMALL
    kinds[(kind == 1) & small] = UNKNOWN
    return kinds


def visible_kinds(image, boxes, kinds):
    """
    Ignore the objects that the stretch of a picture left nothing of.

    Parameters
    ----------
    image : (3, ny, nx) array
        Network units.
    boxes : (N, 4) array
        Edge pixels.
    kinds : (N,) array
        Of `OBJECTS`.

    Returns
    -------
    (N,) array
        Kinds, `IGNORE` where the middle half of a box is no brighter than its surroundings. A
        saturated star stays: it lies within a flat disc that must not be taken for a galaxy.
    """
    light = image.mean(axis=0)
    white = max(0.95 * float(light.max()), float(np.median(light)) + _LEAST_WHITE)

    def seen(kind, box):
        return _stands_out(light, box) or (kind == STAR and _level(light, box) > white)

    return np.array(
        [
            kind if kind != IGNORE and seen(kind, box) else IGNORE
            for kind, box in zip(kinds, boxes, strict=True)
        ],
        dtype=int,
    )


def _level(light, box):
    """Return the mean of the middle half of a box, 0 if it lies outside."""
    inner = _middle_half(light, box)
    return inner.mean() if inner.size else 0.0


def _middle_half(light, box):
    """Return the pixels of the middle half of a box."""
    return _window(light, (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 4)


def _stands_out(light, box):
    """Return whether the middle of a box is brighter than what is round the box."""
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    inner = _middle_half(light, box)
    outer = _window(light, middle, half * 1.8 + 2)
    if not inner.size:
        return False
    sky = np.median(outer)
    noise = 1.4826 * np.median(np.abs(outer - sky)) / np.sqrt(inner.size)
    return inner.mean() - sky > max(3 * noise, _LEAST_CONTRAST)


def _window(light, middle, half):
    """Return the pixels within ``half`` of the middle, at least one in each direction."""
    low = np.maximum(np.floor(middle - half), 0).astype(int)
    high = np.maximum(np.ceil(middle + half), low + 1).astype(int)
    return light[low[1] : high[1], low[0] : high[0]]


def transposed(sample):
    """
    Return a sample with rows and columns swapped.

    Parameters
    ----------
    sample : Sample
        Image, boxes and kinds.

    Returns
    -------
    Sample
    """
    image = np.ascontiguousarray(sample.image.swapaxes(1, 2))
    return Sample(image, sample.boxes[:, [1, 0, 3, 2]], sample.kinds)


def visible_sample(image, objects):
    """
    Return the sample of an image and what was put into it.

    Parameters
    ----------
    image : (3, ny, nx) array
        Network units.
    objects : sequence of (box, kind)
        Edge pixels, kinds of `OBJECTS`.

    Returns
    -------
    Sample
        What cannot be seen is ignored, boxes end at the border.
    """
    boxes = np.array([box for box, _ in objects]).reshape(-1, 4)
    kinds = np.array([kind for _, kind in objects], dtype=int)
    sample = Sample(image, boxes, visible_kinds(image, boxes, kinds))
    return clip_sample(sample, image.shape[:0:-1])


def clip_sample(sample, size):
    """
    Clip the boxes of a sample; what is mostly outside is ignored.

    Parameters
    ----------
    sample : Sample
        Image, boxes and kinds.
    size : int or (int, int)
        Side, or width and height, in pixels.

    Returns
    -------
    Sample
    """
    width, height = size if isinstance(size, tuple) else (size, size)
    boxes = sample.boxes
    inside = np.clip(boxes, 0, [width, height, width, height])
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    seen = np.prod(inside[:, 2:] - inside[:, :2], axis=1)
    kinds = np.where(seen < 0.45 * area, IGNORE, sample.kinds)
    keep = (inside[:, 2:] - inside[:, :2]).min(axis=1, initial=np.inf) > 2
    return Sample(sample.image, inside[keep], kinds[keep])


def packed(sample):
    """
    Return a sample as trainers take it.

    Parameters
    ----------
    sample : astro_yolo.training.samples.Sample
        Image and objects.

    Returns
    -------
    image : (3, size, size) uint8 array
        Network units times 255.
    rows : (N, 5) float32 array
        Kind, then centre, width and height of the box as shares of the side.
    """
    image = (np.clip(sample.image, 0, 1) * 255 + 0.5).astype(np.uint8)
    x0, y0, x1, y1 = sample.boxes.T / sample.image.shape[1]
    columns = sample.kinds, (x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0
    return image, np.stack(columns, axis=-1).astype(np.float32)
