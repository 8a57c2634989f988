"""Samples of bright compact galaxies among bright stars: what saturates in most pictures.

There a galaxy is a white disc as a star is, and only its edge and its wings tell. A field has few
of them, so that a network learns it from what is added.
"""

import numpy as np

from astro_yolo.boxes import edges_to_centers
from astro_yolo.training.artefacts import add_artefacts
from astro_yolo.training.compose import others_of_frame, real_objects, with_psf_of_a_star
from astro_yolo.training.model_objects import add_sersic, add_star, blank_sky, draw_magnitudes
from astro_yolo.training.model_sky import draw_sky
from astro_yolo.training.network_input import to_input
from astro_yolo.training.samples import GALAXY, IGNORE, visible_sample
from astro_yolo.training.saturated_stars import add_bright_star

__all__ = ["compose_bright"]

_MAGNITUDES = 15.3, 18.9
_GALAXIES, _STARS = 7, 11
_COMPACT = 0.65  # of the galaxies; the others have the sizes of their magnitude
_FAINT = 30  # fainter galaxies of a blank sky
_PICTURES = 0.8  # chance of a picture
_SATURATED = 0.3  # chance of a star with halo and spikes
_APART = 14.0  # pixels between what is added and the field's own bright sources
_TRIES = 20


def compose_bright(field, rng, *, size=416, pictures=_PICTURES, **how):
    """
    Add bright compact galaxies and bright stars to a piece of a field, or to a blank sky.

    Parameters
    ----------
    field : astro_yolo.training.fields.Field or None
        The field; None for a blank sky of any seeing.
    rng : numpy.random.Generator
        Source of chance.
    size : int, optional
        Side in pixels.
    pictures : float, optional
        Chance of a picture.
    **how
        ``stretches`` of `~astro_yolo.training.network_input.to_input`.

    Returns
    -------
    astro_yolo.training.samples.Sample
        What was added counts; all else that is there is ignored.
    """
    place = draw_sky(rng) if field is None else with_psf_of_a_star(field, rng)
    planes, own, frame = _sky_of(field, place, rng, size)
    taken = edges_to_centers(np.reshape([box for box, _ in own], (-1, 4)))[:2]
    bright = []
    for add in [_add_galaxy] * _GALAXIES + [add_star] * _STARS:
        where = _free_place(taken, rng, size)
        magnitude = draw_magnitudes(rng, *_MAGNITUDES, slope=0.15)
        bright.append(add(planes, place, rng, magnitude, place=where))
    if rng.random() < _SATURATED:
        bright.append(add_bright_star(planes, place.noise, place.fwhm, rng))
    add_artefacts(planes, place.noise, place.fwhm, rng)
    image = to_input(planes, place.noise, rng, frame=frame, pictures=pictures, **how)
    return visible_sample(image, [*own, *bright])


def _sky_of(field, place, rng, size):
    """Return planes to add to, what is in them, and other pixels of their frame."""
    if field is None:
        planes = blank_sky(place.noise, rng, (size, size))
        magnitudes = draw_magnitudes(rng, 18, 22.5, 0.38, rng.poisson(_FAINT))
        faint = [add_sersic(planes, place, rng, magnitude) for magnitude in magnitudes]
        return planes, [(box, IGNORE) for box, _ in faint], None
    ny, nx = field.planes.shape[1:]
    x0, y0 = rng.integers(0, [nx - size + 1, ny - size + 1])
    planes = field.planes[:, y0 : y0 + size, x0 : x0 + size].copy()
    boxes, _ = real_objects(field, x0, y0, size)
    return planes, [(box, IGNORE) for box in boxes], others_of_frame(field, size)


def _add_galaxy(planes, field, rng, magnitude, *, place):
    """Add a galaxy, most often a compact one; return its box and kind."""
    size = None
    if rng.random() < _COMPACT:
        size = 10 ** rng.normal(-0.02 - 0.07 * (magnitude - 17.5), 0.18)  # arcsec
    box, kind = add_sersic(planes, field, rng, magnitude, size=size, place=place)
    return box, kind if kind == IGNORE else GALAXY


def _free_place(taken, rng, size):
    """Draw a place that is not beside what is there."""
    x, y = taken
    for _ in range(_TRIES):
        place = rng.uniform(0, size, 2)
        if (np.hypot(x - place[0], y - place[1]) > _APART).all():
            break
    return place
