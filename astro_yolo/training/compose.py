"""Training samples: crops of real fields with galaxies and stars added, and pictures of cutouts.

Every sample is a (3, size, size) float image in network units (see
`astro_yolo.stretch.to_network`) with its objects. Objects carry one of `OBJECTS`.
"""

from itertools import pairwise, product

import cv2
import numpy as np

from astro_yolo.injection import add_stamp, sersic_stamp, spiral_stamp
from astro_yolo.stretch import background_noise, to_network
from astro_yolo.training.artefacts import add_artefacts
from astro_yolo.training.cutouts import linearise
from astro_yolo.training.labels import BOX_RADII, ellipse_box, petrosian_radius
from astro_yolo.training.network_input import read_as_picture, through_picture, to_input
from astro_yolo.training.samples import (
    EDGE_ON,
    GALAXY,
    IGNORE,
    OBJECTS,
    SMALL,
    STAR,
    UNKNOWN,
    Sample,
    clip_sample,
    field_kinds,
    visible_kinds,
)

__all__ = ["add_sersic", "add_star", "compose_cutouts", "compose_field", "draw_magnitudes"]

# of a crop; far other pixels would teach that a star may be as wide as a galaxy, and detection
# resamples them
_ZOOMS = 0.92, 1.12
_LARGE = 45.0  # pixels: galaxies so rare that samples are drawn towards them
_FAINTEST = 22.3  # magnitude of what is added; beyond it nothing is seen
_ZERO_POINT = 22.5  # SDSS frames are in nanomaggies


def compose_field(field, stamps, rng, *, size=416, rescaled_share=0.0):
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

    Returns
    -------
    Sample
    """
    side = min(_crop_side(size, rescaled_share, rng), *field.planes.shape[1:])
    x0, y0 = _corner(field, rng, side)
    planes = field.planes[:, y0 : y0 + side, x0 : x0 + side].copy()
    boxes, kinds = _real_objects(field, x0, y0, side)
    # from r = 20 to 22 about as many galaxies to a star as the sky has
    added = [add_sersic(planes, field, rng) for _ in range(rng.poisson(12))]
    added += [add_star(planes, field, rng) for _ in range(rng.poisson(9))]
    added += [
        _add_galaxy_zoo(planes, stamps(rng), field, rng) for _ in range(rng.integers(0, 5))
    ]
    add_artefacts(planes, field.noise, field.fwhm, rng)
    boxes = np.concatenate([boxes, np.array([b for b, _ in added]).reshape(-1, 4)])
    kinds = np.concatenate([kinds, np.array([k for _, k in added], dtype=int)])
    planes, noise = _resampled(planes, field.noise, size)
    image = to_input(planes, noise, rng, frame=_others_of_frame(field, size))
    boxes = boxes * (size / side)
    return clip_sample(Sample(image, boxes, visible_kinds(image, boxes, kinds)), size)


def _others_of_frame(field, width, step=6):
    """Return pixels from all over a frame, arranged in rows of ``width``."""
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
    side = (field.boxes[:, 2:] - field.boxes[:, :2]).max(axis=1)
    large = np.flatnonzero((field.kind == 1) & (side > _LARGE))
    if len(large) and rng.random() < 0.2:
        box = field.boxes[rng.choice(large)]
        middle = (box[:2] + box[2:]) / 2 - size / 2 + rng.uniform(-0.3, 0.3, 2) * size
        low = np.clip(middle, 0, [nx - size, ny - size])
    return low.astype(int)


def _real_objects(field, x0, y0, size):
    """Return the field's own labelled objects that touch the crop."""
    boxes = field.boxes - np.array([x0, y0, x0, y0])
    touch = (boxes[:, 2] > 0) & (boxes[:, 3] > 0) & (boxes[:, 0] < size) & (boxes[:, 1] < size)
    touch &= field.kind > -2
    boxes = boxes[touch]
    return boxes, field_kinds(field.kind[touch], boxes)


def draw_magnitudes(rng, bright, faint, slope=0.35, number=None):
    """
    Draw magnitudes from power-law counts.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    bright, faint : float
        Limits.
    slope : float, optional
        Growth of the counts in dex a magnitude: 0.6 is Euclidean; 0.35 keeps bright ones.
    number : int, optional
        How many; by default one, as a float.

    Returns
    -------
    float or (number,) array
    """
    low, high = 10 ** (slope * bright), 10 ** (slope * faint)
    return np.log10(rng.uniform(low, high, number)) / slope


def _fluxes(r_magnitude, g_r, r_i):
    """Return g, r, i fluxes in nanomaggies."""
    magnitudes = np.array([r_magnitude + g_r, r_magnitude, r_magnitude - r_i])
    return 10 ** (0.4 * (_ZERO_POINT - magnitudes))


def _place(rng, size):
    """Return the middle pixel and the sub-pixel offset of a new object."""
    position = rng.uniform(-2, size + 2, 2)
    pixel = np.round(position).astype(int)
    return pixel, position - pixel


def add_sersic(planes, field, rng, magnitude=None):
    """
    Add a model galaxy.

    Parameters
    ----------
    planes : (3, size, size) float32 array
        g, r, i in nanomaggies, changed in place.
    field : astro_yolo.training.fields.Field
        Whose PSF and noise the galaxy gets.
    rng : numpy.random.Generator
        Source of chance.
    magnitude : float, optional
        In r; by default drawn.

    Returns
    -------
    box : (4,) array
        Edge pixels.
    kind : int
        Place in `~astro_yolo.training.samples.OBJECTS`; ignored if too faint to see.
    """
    if magnitude is None:
        magnitude = draw_magnitudes(rng, 16.5, _FAINTEST)
    # the fainter, the more galaxies are hardly wider than a star
    scatter = 0.17 + 0.025 * max(magnitude - 18, 0)
    size = 10 ** rng.normal(0.18 - 0.09 * (magnitude - 19), scatter)  # arcsec, at r = 19
    radius = np.clip(size / 0.396, 0.5, 40)
    early = rng.random() < 0.4
    index = rng.uniform(2.5, 5) if early else rng.uniform(0.6, 1.8)
    ratio = rng.uniform(0.45, 1) if early else rng.uniform(0.12, 1)
    theta = rng.uniform(0, np.pi)
    g_r, r_i = (0.85, 0.4) if early else (0.5, 0.22)
    colour = rng.normal(g_r, 0.15 if early else 0.2), rng.normal(r_i, 0.06 if early else 0.1)
    pixel, offset = _place(rng, planes.shape[1])
    arms = not early and ratio > 0.4 and radius > 4 and rng.random() < 0.7
    shape = dict(axis_ratio=ratio, theta=theta, offset=offset)
    if arms:
        shape |= dict(
            arms=int(rng.integers(2, 4)), pitch=rng.uniform(0.2, 0.5), bulge=rng.uniform(0.05, 0.4),
            handedness=rng.choice([-1, 1]),
        )
    fluxes, psf = _fluxes(magnitude, *colour), np.stack(field.psf)
    if arms:
        stamps = spiral_stamp(fluxes, radius, psf=psf, **shape)
    else:
        stamps = sersic_stamp(fluxes, radius, index, psf=psf, **shape)
    _lay(planes, stamps, pixel, rng)
    box = _box_of_stamp(stamps[1], pixel, offset, ratio, theta, field.fwhm, radius)
    return box, _kind_of_model(stamps, box, index, ratio, arms, field)


def _box_of_stamp(stamp, pixel, offset, ratio, theta, fwhm, radius):
    """Return the box of a model, its axis ratio rounded by the PSF."""
    petrosian = petrosian_radius(stamp)
    blur = (0.6 * fwhm) ** 2
    seen = np.sqrt(((ratio * radius) ** 2 + blur) / (radius**2 + blur))
    x, y = pixel + offset
    return ellipse_box(x, y, BOX_RADII * petrosian, seen, theta)


def _kind_of_model(stamps, box, index, ratio, arms, field):
    """Return the kind of a model galaxy: ignored if too faint to see, else by its size."""
    if _signal_to_noise(stamps, field) < 6.5:
        return IGNORE
    side = max(box[2] - box[0], box[3] - box[1])
    if side < SMALL:
        return UNKNOWN
    if index < 2 and ratio < 0.25:
        return EDGE_ON
    if arms and side > 40:
        return OBJECTS.index("spiral")
    if index > 3 and side > 22:
        return OBJECTS.index("elliptical")
    return GALAXY


def _signal_to_noise(stamps, field):
    """Return the matched-filter signal-to-noise over the three bands (sky-limited)."""
    return float(
        np.sqrt(sum((s**2).sum() / n**2 for s, n in zip(stamps, field.noise, strict=True)))
    )


def _lay(planes, stamps, pixel, rng):
    """Add the stamps of the three bands with the photon noise of the source itself."""
    for plane, stamp in zip(planes, stamps, strict=True):
        # an SDSS frame has roughly 200 electrons a nanomaggy
        noisy = stamp + rng.normal(0, 1, stamp.shape) * np.sqrt(np.maximum(stamp, 0) / 200)
        add_stamp(plane, noisy.astype(np.float32), *pixel)


def add_star(planes, field, rng, magnitude=None, psf=None):
    """
    Add a star with the colours of the stellar locus.

    Parameters
    ----------
    planes, field, rng, magnitude
        As of `add_sersic`.
    psf : sequence of three (n, n) arrays, optional
        One kernel a band; by default those of the field.

    Returns
    -------
    box, kind
        As of `add_sersic`.
    """
    if magnitude is None:
        magnitude = draw_magnitudes(rng, 16.0, _FAINTEST, slope=0.15)
    g_r = rng.uniform(0.2, 1.5)
    r_i = 0.4 * g_r if g_r < 1.3 else rng.uniform(0.5, 1.6)
    pixel, offset = _place(rng, planes.shape[1])
    move = np.array([[1, 0, offset[0]], [0, 1, offset[1]]])
    fluxes = _fluxes(magnitude, g_r, r_i + rng.normal(0, 0.04))
    stamps = [
        cv2.warpAffine(flux * kernel, move, kernel.shape[::-1], flags=cv2.INTER_CUBIC)
        for flux, kernel in zip(fluxes, field.psf if psf is None else psf, strict=True)
    ]
    _lay(planes, stamps, pixel, rng)
    x, y = pixel + offset + 0.5
    half = field.fwhm
    kind = STAR if _signal_to_noise(stamps, field) >= 8 else IGNORE
    return np.array([x - half, y - half, x + half, y + half]), kind


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
    _lay(planes, list(light), corner + extent // 2, rng)
    box = box + np.tile(corner, 2)
    if _signal_to_noise(light, field) < 15:
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
