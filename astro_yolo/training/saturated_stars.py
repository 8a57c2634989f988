"""Saturated stars of colour pictures: flat discs with haloes and spikes, or with a blanked core."""

import numpy as np

from astro_yolo.training.labels import ellipse_box
from astro_yolo.training.samples import STAR

__all__ = ["add_blanked_star", "add_bright_star"]


def add_bright_star(planes, noise, fwhm, rng):
    """
    Add a saturated star: a flat disc, a halo, the spikes of a spider, sometimes a bleeding column.

    Parameters
    ----------
    planes, noise, fwhm, rng
        As of `~astro_yolo.training.artefacts.add_artefacts`.

    Returns
    -------
    box, kind
        As of `~astro_yolo.training.model_objects.add_sersic`.
    """
    place, x, y = _somewhere(planes.shape[1], rng)
    light = _bright_profile(x, y, fwhm, rng)
    full = noise * np.float32(10 ** rng.uniform(2.7, 3.5))
    light = light * np.float32(10 ** rng.uniform(0.3, 2.3))
    colour = np.exp(rng.normal(0, 0.4, 3)).astype(np.float32)
    for plane, level, strength in zip(planes, full, colour, strict=True):
        np.minimum(plane + level * strength * light, np.maximum(level, plane), out=plane)
    if rng.random() < 0.3:
        reach = fwhm * 10 ** rng.uniform(0.5, 1.5)
        column = (np.abs(x) < rng.uniform(0.6, 2)) & (np.abs(y) < reach)
        planes[:, column] = full[:, None]
    return ellipse_box(*place, fwhm, 1.0, 0.0), STAR


def add_blanked_star(planes, noise, fwhm, rng):
    """
    Add a saturated star whose core the camera or a pipeline has blanked: no source is left of it.

    Parameters
    ----------
    planes, noise, fwhm, rng
        As of `~astro_yolo.training.artefacts.add_artefacts`.
    """
    _, x, y = _somewhere(planes.shape[1], rng)
    # cutouts of other telescopes are often enlarged
    fwhm = fwhm * np.exp(rng.uniform(0, np.log(4)))
    light = _bright_profile(x, y, fwhm, rng) * np.float32(10 ** rng.uniform(0.5, 2.3))
    reach = max(np.sqrt((light > 1).sum() / np.pi), 1.0)
    along, across = reach * rng.uniform(0.7, 3), reach * rng.uniform(0.5, 1.2)
    full = noise * np.float32(10 ** rng.uniform(2.3, 3.5))
    for plane, level, strength in zip(planes, full, np.exp(rng.normal(0, 0.3, 3)), strict=True):
        light_of_band = level * np.float32(strength) * light
        np.minimum(plane + light_of_band, np.maximum(level, plane), out=plane)
        a, b = np.array([along, across]) * np.exp(rng.normal(0, 0.15, 2))
        plane[(x / a) ** 2 + (y / b) ** 2 < 1] = 0


def _somewhere(size, rng):
    """Draw a place in a square; return it, and x and y of every pixel from there."""
    place = rng.uniform(0, size, 2)
    y, x = np.indices((size, size), dtype=np.float32)
    return place, x - np.float32(place[0]), y - np.float32(place[1])


def _bright_profile(x, y, fwhm, rng):
    """Return the light of a star with halo and spikes, 1 in its middle."""
    radius = np.hypot(x, y) / fwhm
    light = (1 + 2.3 * radius**2) ** -rng.uniform(2.2, 3.5)
    light += 10 ** rng.uniform(-4, -2.7) / (1 + (radius / rng.uniform(3, 10)) ** 3)
    arms, turn = rng.choice([0, 2, 2, 3, 4]), rng.uniform(0, np.pi)
    strength, fall = 10 ** rng.uniform(-2.7, -1.2), rng.uniform(1.2, 2.2)
    width = fwhm * rng.uniform(0.25, 0.6)
    for angle in turn + np.pi * np.arange(arms) / max(arms, 1):
        across = (x * np.sin(angle) - y * np.cos(angle)) / width
        light += strength * np.exp(-0.5 * across**2) * (1 + radius) ** -fall
    return light.astype(np.float32)
