"""Training samples: crops of real fields with galaxies and stars added, and pictures of cutouts.

Every sample is a (3, size, size) float image in network units (see
`astro_yolo.stretch.to_network`) with its objects. Objects carry one of `OBJECTS`.
"""

from dataclasses import replace
from itertools import pairwise, product

import cv2
import numpy as np

from astro_yolo.boxes import longer_side
from astro_yolo.stretch import background_noise, to_network
from astro_yolo.training.artefacts import add_artefacts
from astro_yolo.training.cutouts import linearise
from astro_yolo.training.model_objects import add_sersic, add_stars, lay, signal_to_noise
from astro_yolo.training.network_input import read_as_picture, through_picture, to_input
from astro_yolo.training.samples import (
    IGNORE,
    OBJECTS,
    SMALL,
    UNKNOWN,
    Sample,
    clip_sample,
    field_kinds,
    visible_sample,
)
from astro_yolo.training.saturated_stars import add_blanked_star, add_bright_star

__all__ = [
    "compose_cutouts", "compose_field", "others_of_frame", "real_objects", "with_psf_of_a_star",
]  # fmt: skip

# of a crop; far other pixels would teach that a star may be as wide as a galaxy, and detection
# resamples them
_ZOOMS = 0.92, 1.12
_LARGE = 45.0  # pixels: galaxies so rare that samples are drawn towards them


def compose_field(field, stamps, rng, *, size=416, rescaled_share=0.0, **how):
    """
    Cut a piece out of a field and add galaxies and stars of known truth.

    Parameters
    ----------
    field : astro_yolo.training.fields.Field
        The field.
    stamps : callable
        ``stamps(rng)`` returns (label, linear i-r-g stamp, box in it) of a Galaxy Zoo galaxy.
    rng : numpy.random.Generator
        Source of chance.
    size : int, optional
        Side in pixels.
    rescaled_share : float, optional
        Share of the crops that are brought to other pixel scales.
    **how
        ``pictures`` and ``stretches`` of `~astro_yolo.training.network_input.to_input`.

    Returns
    -------
    Sample
    """
    side = min(_crop_side(size, rescaled_share, rng), *field.planes.shape[1:])
    x0, y0 = _corner(field, rng, side)
    planes = field.planes[:, y0 : y0 + side, x0 : x0 + side].copy()
    boxes, kinds = real_objects(field, x0, y0, side)
    place = with_psf_of_a_star(field, rng)
    # from r = 20 to 22 about as many galaxies to a star as the sky has
    added = [add_sersic(planes, place, rng) for _ in range(rng.poisson(12))]
    added += [pair for _ in range(rng.poisson(8)) for pair in add_stars(planes, place, rng)]
    added += [
        _add_galaxy_zoo(planes, stamps(rng), field, rng) for _ in range(rng.integers(0, 5))
    ]
    if rng.random() < 0.12:
        added.append(add_bright_star(planes, field.noise, field.fwhm, rng))
    if rng.random() < 0.05:
        add_blanked_star(planes, field.noise, field.fwhm, rng)
    add_artefacts(planes, field.noise, field.fwhm, rng)
    planes, noise = _resampled(planes, field.noise, size)
    image = to_input(planes, noise, rng, frame=others_of_frame(field, size), **how)
    objects = [*zip(boxes, kinds, strict=True), *added]
    return visible_sample(image, [(box * (size / side), kind) for box, kind in objects])


def with_psf_of_a_star(field, rng):
    """
    Return a field, half of the time with the PSF of one place of it instead of the mean.

    Parameters
    ----------
    field : astro_yolo.training.fields.Field
        The field.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    astro_yolo.training.fields.Field
    """
    if field.stars is None or not len(field.stars) or rng.random() < 0.5:
        return field
    return replace(field, psf=tuple(field.stars[rng.integers(len(field.stars))]))


def others_of_frame(field, width, step=6):
    """
    Return pixels from all over a frame, for the black and white points of its picture.

    Parameters
    ----------
    field : astro_yolo.training.fields.Field
        The frame.
    width : int
        Of the rows that they are arranged in.
    step : int, optional
        Every so many rows of the frame is taken.

    Returns
    -------
    (3, n, width) array
    """
    pixels = field.planes[:, ::step].reshape(len(field.planes), -1)
    rows = pixels.shape[1] // width
    return pixels[:, : rows * width].reshape(len(pixels), rows, width)


def _crop_side(size, rescaled_share, rng):
    """Draw the side of a crop: as the sample's, or for another pixel scale."""
    if rng.random() >= rescaled_share:
        return size
    return round(size / np.exp(rng.uniform(*np.log(_ZOOMS))))


def _resampled(planes, noise, size):
    """Bring a crop to the size of a sample; return it and its noise."""
    side = planes.shape[1]
    if side == size:
        return planes, noise
    way = cv2.INTER_AREA if side > size else cv2.INTER_CUBIC
    planes = np.stack([cv2.resize(p, (size, size), interpolation=way) for p in planes])
    # neighbouring pixels now share noise: only a measurement tells how much is left
    return planes, np.array([background_noise(p)[1] for p in planes], dtype=np.float32)


def _corner(field, rng, size):
    """Draw the crop's lower left pixel; now and then so that a large galaxy is in it."""
    ny, nx = field.planes.shape[1:]
    low = rng.integers(0, [nx - size + 1, ny - size + 1])
    side = longer_side(field.boxes)
    large = np.flatnonzero((field.kind == 1) & (side > _LARGE))
    if len(large) and rng.random() < 0.2:
        box = field.boxes[rng.choice(large)]
        middle = (box[:2] + box[2:]) / 2 - size / 2 + rng.uniform(-0.3, 0.3, 2) * size
        low = np.clip(middle, 0, [nx - size, ny - size])
    return low.astype(int)


def real_objects(field, x0, y0, size):
    """
    Return the field's own labelled objects that touch a crop.

    Parameters
    ----------
    field : astro_yolo.training.fields.Field
        The field.
    x0, y0, size : int
        Lower left pixel and side of the crop.

    Returns
    -------
    boxes : (N, 4) array
        Edge pixels of the crop.
    kinds : (N,) array
        Of `~astro_yolo.training.samples.OBJECTS`.
    """
    boxes = field.boxes - np.array([x0, y0, x0, y0])
    touch = (boxes[:, 2] > 0) & (boxes[:, 3] > 0) & (boxes[:, 0] < size) & (boxes[:, 1] < size)
    touch &= field.kind > -2
    boxes = boxes[touch]
    return boxes, field_kinds(field.kind[touch], boxes)


def _add_galaxy_zoo(planes, stamp, field, rng):
    """Add a shrunken Galaxy Zoo galaxy; its class is known."""
    label, light, box = stamp
    side = max(box[2] - box[0], box[3] - box[1])
    target = np.exp(rng.uniform(np.log(14), np.log(130)))
    scale = min(target / side, 1.0)
    shape = [max(3, round(n * scale)) for n in light.shape[1:]]
    light = np.stack([cv2.resize(p, shape[::-1], interpolation=cv2.INTER_AREA) for p in light])
    blur = rng.uniform(0.5, 1.3)
    light = np.stack([cv2.GaussianBlur(p, (0, 0), blur) for p in light])[::-1]
    light *= np.exp(rng.uniform(np.log(0.35), np.log(1.5)))
    turns = int(rng.integers(0, 4))
    light = np.rot90(light, turns, axes=(1, 2))
    box = _turned(box * scale, shape, turns)
    extent = np.array(light.shape[:0:-1])
    corner = rng.uniform(-0.3 * extent, planes.shape[1] - 0.7 * extent).round().astype(int)
    lay(planes, list(light), corner + extent // 2, rng)
    box = box + np.tile(corner, 2)
    if signal_to_noise(light, field) < 15:
        return box, IGNORE
    kind = OBJECTS.index(label)
    small = scale * side < SMALL and label != "merger"
    return box, UNKNOWN if small else kind


def _turned(box, shape, turns):
    """Return a box after quarter turns of its image (as numpy.rot90 on rows, columns)."""
    height, width = shape
    x0, y0, x1, y1 = box
    for _ in range(turns):
        x0, y0, x1, y1 = y0, width - x1, y1, width - x0
        height, width = width, height
    return np.array([x0, y0, x1, y1])


def compose_cutouts(pick, rng, *, size=416):
    """
    Fill a sample with Galaxy Zoo cutouts: one large, or a mosaic of 4 or 9.

    Parameters
    ----------
    pick : callable
        ``pick(rng)`` returns (label, picture (ny, nx, 3) uint8, box, other boxes, whether the
        picture is SkyServer's, whose stretch can be undone).
    rng : numpy.random.Generator
        Source of chance.
    size : int, optional
        Side in pixels.

    Returns
    -------
    Sample
    """
    cells = int(rng.choice([1, 2, 3], p=[0.45, 0.33, 0.22]))
    edges = np.linspace(0, size, cells + 1).round().astype(int)
    image = np.empty((3, size, size), np.float32)
    boxes, kinds = [np.empty((0, 4))], [np.empty(0, dtype=int)]
    for (y0, y1), (x0, x1) in product(pairwise(edges), repeat=2):
        part, box, kind = _cutout_cell(pick(rng), (y1 - y0, x1 - x0), rng)
        image[:, y0:y1, x0:x1] = part
        visible = clip_sample(Sample(part, box, kind), (x1 - x0, y1 - y0))
        boxes.append(visible.boxes + np.array([x0, y0, x0, y0]))
        kinds.append(visible.kinds)
    return Sample(image, np.concatenate(boxes), np.concatenate(kinds))


def _cutout_cell(cutout, shape, rng):
    """Scale one cutout into a cell; return network image, boxes and kinds."""
    label, picture, box, others, linear = cutout
    zoom = max(shape) / picture.shape[0]
    zoom *= np.exp(rng.uniform(0, 0.55)) if max(shape) > 300 else np.exp(rng.uniform(0, 0.25))
    cover = max((shape[0] + 1) / picture.shape[0], (shape[1] + 1) / picture.shape[1])
    zoom = max(zoom, cover)
    turned = [round(n * zoom) for n in picture.shape[:2]]
    way = cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(picture, turned[::-1], interpolation=way)
    y0 = int(rng.integers(0, turned[0] - shape[0] + 1))
    x0 = int(rng.integers(0, turned[1] - shape[1] + 1))
    scaled = scaled[y0 : y0 + shape[0], x0 : x0 + shape[1]]
    boxes = np.concatenate([box[None], others]) * zoom - np.array([x0, y0, x0, y0])
    kinds = np.full(len(boxes), IGNORE)
    if label in OBJECTS:
        kinds[0] = OBJECTS.index(label)
    else:  # a star or an artefact in the middle: background
        boxes, kinds = boxes[1:], kinds[1:]
    return _cutout_input(scaled, rng) if linear else read_as_picture(scaled, rng), boxes, kinds


def _cutout_input(picture, rng):
    """Network units of a cutout: as it is, linearised, or through another stretch."""
    chance = rng.random()
    if chance < 0.4:
        return read_as_picture(picture, rng)
    linear = linearise(picture)
    # half of SDSS's noise in i, r, g hides the blocks of the JPEG compression
    grain = np.array([0.015, 0.0125, 0.0075], np.float32)[:, None, None]
    linear += rng.normal(0, 1, linear.shape).astype(np.float32) * grain
    if chance < 0.7:
        planes = list(linear[::-1])
        return to_network([sum(planes) / 3] if rng.random() < 0.15 else planes)
    return through_picture(list(linear), rng)
