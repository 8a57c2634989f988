"""Samples of what SDSS hardly shows: hundreds of small galaxies, light of clusters, arcs; stars.

In a field of SDSS half of what is small and bright is a star. A deep field from space has hundreds
of galaxies and hardly a star, so that even what is as small as one is a galaxy; a field on the disc
of the Galaxy has nothing but stars.
"""

import cv2
import numpy as np

from astro_yolo.injection import moffat_kernel, sersic_stamp
from astro_yolo.training._deep_objects import (
    add_spiked_star,
    bands_of,
    grain,
    lay_galaxy,
    turned,
)
from astro_yolo.training.artefacts import add_artefacts
from astro_yolo.training.model_objects import (
    SDSS_NOISE,
    add_sersic,
    add_star,
    blank_sky,
    draw_magnitudes,
)
from astro_yolo.training.model_sky import ModelSky
from astro_yolo.training.network_input import to_input
from astro_yolo.training.samples import visible_sample
from astro_yolo.training.saturated_stars import add_bright_star

__all__ = ["compose_full_field", "compose_star_field"]

_PICTURES = 0.6, 0.65  # chances of a picture: of galaxies, of stars
_MODELS = 0.35  # of the galaxies, instead of Hubble's: among those few are very compact
_COMPACT = 4.0  # half-light radius of these in pixels of the stamps' scale, median
_LARGEST_ARC = 161  # pixels: longer ones stay as they are
_GLOWS = 0.25  # of the fields
_LENSES = 0.6, 0.08  # of the fields with the light of a cluster, of the others
_DRAWN_OUT = 1.15, 4.0  # images less drawn out stay as they are; more is rare


def compose_full_field(stamps, rng, *, size=416):
    """
    Fill a blank sky with up to 500 galaxies, now and then behind a cluster that lenses them.

    Parameters
    ----------
    stamps : list of (ny, nx) array
        From `~astro_yolo.training.deep.read_stamps`.
    rng : numpy.random.Generator
        Source of chance.
    size : int, optional
        Side in pixels.

    Returns
    -------
    astro_yolo.training.samples.Sample
    """
    noise = SDSS_NOISE * np.exp(rng.normal(0, 0.2, 3)).astype(np.float32)
    width, zoom = rng.uniform(0.6, 1.7), np.exp(rng.uniform(np.log(0.2), 0))
    planes = np.zeros((3, size, size), np.float32)
    objects = [add_spiked_star(planes, noise, width, rng) for _ in range(rng.poisson(1.5))]
    glow = _add_glow(planes, noise, rng) if rng.random() < _GLOWS else None
    lens = _draw_lens(glow, rng, size)
    number = np.exp(rng.uniform(np.log(70), np.log(500))) * min(1, 0.35 / zoom)
    objects += [
        _add_galaxy(planes, noise, stamps, (width, zoom), lens, rng)
        for _ in range(max(int(number), 8))
    ]
    objects += [
        add_bright_star(planes, noise, 2.355 * width, rng) for _ in range(rng.poisson(0.35))
    ]
    planes += grain(planes.shape, rng) * noise[:, None, None]
    return visible_sample(to_input(planes, noise, rng, pictures=_PICTURES[0]), objects)


def _add_glow(planes, noise, rng):
    """Add the smooth light of a cluster; return its middle."""
    size = planes.shape[1]
    middle = rng.uniform(-0.1, 1.1, 2) * size
    y, x = np.indices((size, size), dtype=np.float32)
    x, y, turn = x - middle[0], y - middle[1], rng.uniform(0, np.pi)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    reach = np.exp(rng.uniform(np.log(40), np.log(250)))
    radius = np.hypot(along, across / rng.uniform(0.5, 1)) / reach
    light = np.exp(-0.5 * radius**2) if rng.random() < 0.5 else (1 + radius**2) ** -1.3
    colour = noise * np.array([0.8, 1, 1.1]) * np.exp(rng.normal(0, 0.1, 3))
    planes += (light * 10 ** rng.uniform(0.3, 2)) * colour[:, None, None].astype(np.float32)
    return middle


def _draw_lens(glow, rng, size):
    """Return middle and Einstein radius of an isothermal lens, in pixels, or None."""
    if rng.random() >= _LENSES[glow is None]:
        return None
    return rng.uniform(0, size, 2) if glow is None else glow, rng.uniform(25, 120)


def _add_galaxy(planes, noise, stamps, optics, lens, rng):
    """Add a galaxy, scaled, turned, lensed and blurred; return its box and kind."""
    width, zoom = optics
    signal = 10 ** (0.75 + min(rng.exponential(0.65), 2.9))
    # the brighter, the larger
    zoom = np.clip(zoom * np.exp(rng.normal(0, 0.4)) * (signal / 50) ** 0.15, 0.1, 1.6)
    pixel = rng.integers(0, planes.shape[1], 2)
    if rng.random() < _MODELS:
        stamp = _model(zoom, rng)
    else:
        stamp = turned(stamps[rng.integers(len(stamps))], zoom, rng)
    if lens is not None:
        stamp = _lensed(stamp, pixel - lens[0], lens[1])
    stamp = cv2.GaussianBlur(np.pad(stamp, 6), (0, 0), width)
    colour = np.exp(rng.normal(0, 0.35, 3) + rng.normal(0.05, 0.5) * np.array([-1, 0, 1]))
    bands = bands_of(stamp / stamp.sum(), noise, colour, signal)
    return lay_galaxy(planes, stamp, bands, signal, pixel)


def _model(zoom, rng):
    """Return a model galaxy as a telescope without diffraction would see it."""
    radius = np.clip(_COMPACT * zoom * np.exp(rng.normal(0, 0.6)), 0.6, 25)
    early = rng.random() < 0.4
    stamps = sersic_stamp(
        [1.0],
        radius,
        rng.uniform(2, 4.5) if early else rng.uniform(0.6, 1.6),
        psf=np.ones((1, 1, 1), np.float32),
        axis_ratio=rng.uniform(0.4, 1) if early else rng.uniform(0.15, 1),
        theta=rng.uniform(0, np.pi),
        offset=rng.uniform(-0.5, 0.5, 2),
    )
    return np.asarray(stamps[0], np.float32)


def _lensed(stamp, offset, einstein):
    """Draw a stamp out along the circle about a lens that it stands at an offset from."""
    distance = np.hypot(*offset)
    if not einstein < distance < 6 * einstein:
        return stamp
    factor = min(distance / (distance - einstein), _DRAWN_OUT[1])
    height, width = stamp.shape
    side = int(np.ceil(max(height, width) * factor)) | 1
    if factor < _DRAWN_OUT[0] or side > _LARGEST_ARC:
        return stamp
    cos, sin = np.array([-offset[1], offset[0]]) / distance
    turn = np.array([[cos, -sin], [sin, cos]])
    matrix = turn @ np.diag([factor, 1.0]) @ turn.T
    middle = np.full(2, (side - 1) / 2) - matrix @ np.array([(width - 1) / 2, (height - 1) / 2])
    return cv2.warpAffine(stamp, np.column_stack([matrix, middle]), (side, side))


def compose_star_field(rng, *, size=416):
    """
    Fill a blank sky with stars, saturated ones among them, and few galaxies.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    size : int, optional
        Side in pixels.

    Returns
    -------
    astro_yolo.training.samples.Sample
    """
    sky = _draw_sky(rng)
    planes = blank_sky(sky.noise, rng, (size, size))
    magnitudes = draw_magnitudes(rng, 17.0, 22.9, 0.38, rng.poisson(6))
    added = [add_sersic(planes, sky, rng, magnitude) for magnitude in magnitudes]
    number = int(np.exp(rng.uniform(np.log(15), np.log(300))) * min(1, 3.5 / sky.fwhm))
    for magnitude in draw_magnitudes(rng, 14.5, 22.3, rng.uniform(0.08, 0.25), number):
        place = rng.uniform(-2, size + 2, 2)
        added.append(add_star(planes, sky, rng, magnitude, place=place))
    saturated = rng.poisson(rng.choice([0, 1.5, 4]))
    added += [add_bright_star(planes, sky.noise, sky.fwhm, rng) for _ in range(saturated)]
    add_artefacts(planes, sky.noise, sky.fwhm, rng)
    return visible_sample(to_input(planes, sky.noise, rng, pictures=_PICTURES[1]), added)


def _draw_sky(rng):
    """Draw seeing and depth: from Hubble's pixels to a night of bad seeing."""
    fwhm = float(np.exp(rng.uniform(np.log(1.6), np.log(6))))
    half = int(min(15 * max(1, fwhm / 3), 31))
    shape = dict(beta=rng.uniform(2.5, 4.5), stretch=rng.uniform(0, 0.05))
    shape["angle"] = rng.uniform(0, np.pi)
    psf = tuple(moffat_kernel(fwhm * wider, half=half, **shape) for wider in (1.03, 1.0, 0.98))
    return ModelSky(psf, SDSS_NOISE * np.exp(rng.normal(0, 0.25, 3)).astype(np.float32), fwhm)
