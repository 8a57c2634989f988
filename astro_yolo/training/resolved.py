"""Samples of nearby galaxies that are resolved: into arms, dust, star clusters and H II regions.

Such a galaxy is one object, and its knots are none, though one alone would be taken for a star or
a small galaxy. The galaxies that people have classified are too far away to show them.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from astro_yolo.training.artefacts import add_artefacts
from astro_yolo.training.labels import BOX_RADII, ellipse_box
from astro_yolo.training.model_objects import blank_sky, with_photon_noise
from astro_yolo.training.model_sky import draw_sky, lay_sources
from astro_yolo.training.network_input import to_input
from astro_yolo.training.recipes import PIXEL_SCALE
from astro_yolo.training.samples import EDGE_ON, GALAXY, IGNORE, OBJECTS, visible_sample

__all__ = ["compose_resolved"]

_SCALES = 9.0, 75.0  # pixels, of the exponential disc
_BRIGHTNESS = 19.8, 22.3  # r mag/arcsec^2 in the middle of the disc, face on
_BINNED = 0.3  # of the samples: large galaxies are looked for in binned copies
_SHORTEST = 8.0  # pixels, longer side of what counts there
_OUTSHONE = 0.5  # of the light in its box, of which a source must have more to be told from knots
_IN_KNOTS = 0.01, 0.25  # share of the light
_KNOTS = 0.3, 40.0  # nanomaggies; numbers go with the flux to the power -2
_MOST_KNOTS = 4000
_BLUE, _PINK = (0.95, 1.0, 1.05), (0.75, 1.0, 0.6)  # g, r, i over r: clusters, H II regions
_OLD, _DIMMED = (0.45, 1.0, 1.4), (1.3, 1.0, 0.8)  # colour of bulges, and how much dust takes
_END = 3.2, 5.0  # scale lengths, where discs break
_PLAIN = 0.15  # chance that there are no arms, but irregular patches


@dataclass(frozen=True)
class _Disc:
    """Where a galaxy is, pixels and radians, and how its light falls off."""

    x: float
    y: float
    scale: float
    ratio: float
    theta: float
    end: float
    bulge: float

    def plane(self, shape):
        """Return the radius in scale lengths and the angle of each pixel in the galaxy's plane."""
        dy, dx = np.indices(shape, dtype=np.float32) - np.float32([self.y, self.x])[:, None, None]
        along = dx * np.cos(self.theta) + dy * np.sin(self.theta)
        across = (dy * np.cos(self.theta) - dx * np.sin(self.theta)) / self.ratio
        return np.hypot(along, across) / self.scale, np.arctan2(across, along)

    def parts(self, radius):
        """Return the light of the disc and of the bulge at radii in scale lengths."""
        disc = np.exp(-radius - np.maximum(radius - self.end, 0) * 2)
        return disc, self.bulge * np.exp(-((radius / 0.12) ** 0.6))

    def box(self):
        """Return the box of its Petrosian ellipse, edge pixels."""
        radius = np.linspace(0.02, 12, 600)
        light = sum(self.parts(radius))
        mean = np.cumsum(light * radius) / np.cumsum(radius)
        half = BOX_RADII * self.scale * radius[np.argmax(light < 0.2 * mean)]
        return ellipse_box(self.x, self.y, half, self.ratio, self.theta)


def compose_resolved(rng, *, size=416, **how):
    """
    Lay a resolved galaxy into a model sky, which is binned now and then.

    Parameters
    ----------
    rng, size, **how
        As of `~astro_yolo.training.model_sky.compose_model_sky`.

    Returns
    -------
    astro_yolo.training.samples.Sample
        The galaxy is an object, as are the others and the stars; its knots are not.
    """
    binning = 2 if rng.random() < _BINNED else 1
    sky, side = draw_sky(rng), size * binning
    planes = blank_sky(sky.noise, rng, (side, side))
    added = lay_sources(planes, sky, rng)
    disc = _draw_disc(rng, side, binning)
    light = _light_of(disc, sky, rng, side)
    added = [(box, _seen(kind, box, planes, light, binning)) for box, kind in added]
    planes += with_photon_noise(light, rng)
    add_artefacts(planes, sky.noise, sky.fwhm, rng)
    planes = np.stack([
        cv2.resize(plane, (size, size), interpolation=cv2.INTER_AREA) for plane in planes
    ])
    objects = [(box / binning, kind) for box, kind in [*added, (disc.box(), _kind_of(disc))]]
    return visible_sample(to_input(planes, sky.noise / binning, rng, **how), objects)


def _seen(kind, box, planes, light, binning):
    """Return the kind of a source, ignored where it cannot be told from the knots beside it."""
    size = box[2:] - box[:2]
    if binning > 1 and size.max() < _SHORTEST * binning:
        return IGNORE
    x0, y0, x1, y1 = np.clip(np.round(box).astype(int), 0, planes.shape[1])
    own, other = (float(part[1:, y0:y1, x0:x1].sum()) for part in (planes, light))
    return kind if own > _OUTSHONE * (own + other) else IGNORE


def _draw_disc(rng, side, binning):
    """Draw a galaxy; one that is larger than the sample is in its middle."""
    scale = binning * np.exp(rng.uniform(*np.log(_SCALES)))
    free = max(side / 2 - 4 * scale, 0) + 0.1 * side
    x, y = side / 2 + rng.uniform(-free, free, 2)
    ratio = max(rng.uniform(0, 1), rng.uniform(0.1, 0.2))  # discs have any inclination
    return _Disc(
        x, y, scale, ratio, rng.uniform(0, np.pi), rng.uniform(*_END),
        10 ** rng.uniform(-1, 0.9),
    )  # fmt: skip


def _kind_of(disc):
    """Return the kind of a galaxy as far as its inclination tells."""
    if disc.ratio < 0.25:
        return EDGE_ON
    return OBJECTS.index("spiral") if disc.ratio > 0.4 else GALAXY


def _light_of(disc, sky, rng, side):
    """Return the light of a galaxy in g, r, i, nanomaggies, seen through the PSF."""
    radius, angle = disc.plane((side, side))
    smooth, core = disc.parts(radius)
    arms = _arms(radius, angle, rng, side)
    level = 10 ** (0.4 * (22.5 - rng.uniform(*_BRIGHTNESS))) * PIXEL_SCALE**2
    strength, dust = rng.uniform(0.2, 1.2), _texture(rng, side)
    dust = np.clip(dust, 0, None) * rng.uniform(0, 0.8) * (radius < 0.8 * disc.end)
    young = smooth * (1 - strength / 2 + strength * arms) * np.exp(0.35 * _texture(rng, side))
    colours = zip((rng.uniform(0.4, 0.8), 1.0, 1.3), _OLD, _DIMMED, strict=True)
    light = np.stack([
        np.float32(level) * (colour * young * np.exp(-dimmed * dust) + old * core)
        for colour, old, dimmed in colours
    ])
    flux = float(light[1].sum())
    light += _knots(smooth * arms**2 * (radius > 0.35), disc, flux, sky, rng)
    for plane, psf in zip(light, sky.psf, strict=True):
        plane[:] = np.maximum(cv2.filter2D(plane, -1, psf.astype(np.float32)), 0)
    return light


def _arms(radius, angle, rng, side):
    """Return how much of an arm each pixel is in, 0 to 1; now and then only patches."""
    wander = rng.uniform(0.1, 0.7) * _texture(rng, side, 3.0)
    if rng.random() < _PLAIN:
        return np.exp(-np.abs(wander) * 6)
    number, pitch = int(rng.integers(1, 6)), np.tan(rng.uniform(0.15, 0.6))
    phase = number * (rng.choice([-1, 1]) * angle - np.log(radius + 0.05) / pitch) + wander * 3
    phase += rng.uniform(0, 2 * np.pi)
    return np.exp((np.cos(phase) - 1) * rng.uniform(0.8, 3)) * np.clip(2 * radius, 0, 1)


def _texture(rng, side, steepness=1.1):
    """Return a field of mean 0 and variance 1 with structure of all sizes."""
    waves = np.hypot(*np.meshgrid(np.fft.rfftfreq(side), np.fft.fftfreq(side)))
    waves[0, 0] = np.inf
    noise = np.fft.rfft2(rng.normal(size=(side, side)).astype(np.float32))
    field = np.fft.irfft2(noise * waves**-steepness, s=(side, side))
    return (field / field.std()).astype(np.float32)


def _knots(chance, disc, flux, sky, rng):
    """Return the light of the knots before the PSF, some of them a little wider."""
    side = len(chance)
    light = np.zeros((2, 3, side, side), np.float32)
    chance = chance * np.exp(rng.uniform(0, 1) * _texture(rng, side))  # they come in groups
    total = flux * rng.uniform(*_IN_KNOTS) * disc.ratio**0.5
    mean = _KNOTS[0] * np.log(_KNOTS[1] / _KNOTS[0])
    number = min(rng.poisson(total / mean), _MOST_KNOTS)
    fluxes = _KNOTS[0] / rng.uniform(_KNOTS[0] / _KNOTS[1], 1, number)
    where = np.searchsorted(np.cumsum(chance.ravel()), rng.uniform(0, chance.sum(), number))
    y, x = np.unravel_index(np.minimum(where, chance.size - 1), chance.shape)
    pink, wide = rng.random(number) < rng.uniform(0, 0.6), (rng.random(number) < 0.5).astype(int)
    for band, (blue, red) in enumerate(zip(_BLUE, _PINK, strict=True)):
        np.add.at(light[:, band], (wide, y, x), fluxes * np.where(pink, red, blue))
    width = rng.uniform(0.2, 0.6) * sky.fwhm
    return light[0] + np.stack([cv2.GaussianBlur(plane, (0, 0), width) for plane in light[1]])
