"""Skies that are wholly modelled: every source is known, at any seeing and depth.

Of a real field's faint sources nobody can say what they are, so they teach nothing; and there are
only a handful of fields. Here stars and galaxies stand in the numbers that the sky has of them,
down to what drowns in the noise.
"""

from dataclasses import dataclass

import numpy as np

from astro_yolo.injection import moffat_kernel
from astro_yolo.training.artefacts import add_artefacts
from astro_yolo.training.model_objects import (
    SDSS_NOISE,
    add_sersic,
    add_stars,
    blank_sky,
    draw_magnitudes,
)
from astro_yolo.training.network_input import to_input
from astro_yolo.training.samples import visible_sample
from astro_yolo.training.saturated_stars import add_blanked_star, add_bright_star

__all__ = ["ModelSky", "compose_model_sky", "draw_sky", "lay_sources"]

_SEEING = 2.2, 4.6  # pixels, full width at half maximum: 0.9 to 1.8 arcsec
_WIDER = 1.06, 1.0, 0.96  # g, r, i: seeing falls with wavelength
_REACH = 15  # pixels
_FAINTEST = 22.9  # magnitude: beyond it sources are lost in the noise
# for a square of 416 SDSS pixels at high latitude, to that magnitude (Yasuda et al. 2001, AJ 122,
# 1104, extrapolated)
_GALAXIES, _STARS = 40.0, 14.0
# of the skies, and how many times as many stars they have: low latitudes, the skirts of clusters
_CROWDED_SHARE, _CROWDED = 0.06, (4.0, 25.0)


@dataclass(frozen=True)
class ModelSky:
    """What model objects need to know of a sky: kernels and noise of g, r, i, and the seeing."""

    psf: tuple
    noise: np.ndarray
    fwhm: float


def draw_sky(rng):
    """
    Draw the seeing and depth of a sky.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    ModelSky
    """
    fwhm = float(np.exp(rng.uniform(*np.log(_SEEING))))
    beta, stretch, angle = rng.uniform(2.5, 4.5), rng.uniform(0, 0.06), rng.uniform(0, np.pi)
    widths = [fwhm * wider * np.exp(rng.normal(0, 0.04)) for wider in _WIDER]
    psf = tuple(
        moffat_kernel(width, beta=beta, half=_REACH, stretch=stretch, angle=angle)
        for width in widths
    )
    return ModelSky(psf, SDSS_NOISE * np.exp(rng.normal(0, 0.25, 3)).astype(np.float32), fwhm)


def compose_model_sky(rng, *, size=416, **how):
    """
    Fill a blank sky with model galaxies and stars.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    size : int, optional
        Side in pixels.
    **how
        ``pictures`` and ``stretches`` of `~astro_yolo.training.network_input.to_input`.

    Returns
    -------
    astro_yolo.training.samples.Sample
    """
    sky = draw_sky(rng)
    planes = blank_sky(sky.noise, rng, (size, size))
    added = lay_sources(planes, sky, rng)
    if rng.random() < 0.35:
        added.append(add_bright_star(planes, sky.noise, sky.fwhm, rng))
    if rng.random() < 0.08:
        add_blanked_star(planes, sky.noise, sky.fwhm, rng)
    add_artefacts(planes, sky.noise, sky.fwhm, rng)
    return visible_sample(to_input(planes, sky.noise, rng, **how), added)


def lay_sources(planes, sky, rng):
    """
    Add galaxies and stars in the numbers that the sky has of them.

    Parameters
    ----------
    planes : (3, size, size) float32 array
        g, r, i in nanomaggies, changed in place.
    sky : ModelSky
        Seeing and depth.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    list of (box, kind)
        As of `~astro_yolo.training.model_objects.add_sersic`.
    """
    share = (planes.shape[1] / 416) ** 2
    galaxies = rng.poisson(_GALAXIES * share * np.exp(rng.normal(0, 0.3)))
    crowd = np.exp(rng.uniform(*np.log(_CROWDED))) if rng.random() < _CROWDED_SHARE else 1.0
    stars = rng.poisson(_STARS * share * crowd * np.exp(rng.normal(0, 0.6)))
    added = [
        add_sersic(planes, sky, rng, magnitude)
        for magnitude in draw_magnitudes(rng, 16.5, _FAINTEST, 0.38, galaxies)
    ]
    added += [pair for _ in range(stars) for pair in add_stars(planes, sky, rng)]
    return added
