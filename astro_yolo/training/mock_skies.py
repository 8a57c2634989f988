"""What a network's scores mean on the sky: a held-out field, and what is too faint to label in it.

Bright sources of a field are labelled by detection. Of the faint ones nobody can say what they
are, and leaving them out would bias a calibration: faint galaxies are most of what a network
is unsure of. Model galaxies and stars stand in for them, in the field's own noise and PSF, as many
as the counts of its bright sources promise.
"""

from functools import partial

import numpy as np

from astro_yolo.network.calibration import balance_of
from astro_yolo.network.picture_spread import picture_spread
from astro_yolo.network.spread import PointSpread, spread_of
from astro_yolo.stretch import to_network
from astro_yolo.training.evaluate import Outcome, candidates, centers, judge
from astro_yolo.training.fields import FAINTEST_GALAXY, FAINTEST_STAR
from astro_yolo.training.model_objects import (
    add_sersic,
    add_star,
    blank_sky,
    draw_companion,
    draw_magnitudes,
)
from astro_yolo.training.network_input import PICTURES, through_picture
from astro_yolo.training.samples import STAR, UNKNOWN, field_kinds

__all__ = [
    "ALSO", "WAYS", "mock_objects", "outcome_of_crowded_sky", "outcome_of_field",
    "outcome_of_fields", "outcome_of_mocks", "outcome_of_sky", "whole_sky",
]  # fmt: skip

#: Kinds of image that have score maps of their own: keywords of `outcome_of_sky`, one way of
#: seeing a sky each, which are judged together.
WAYS = {
    "frames": [{}],
    "band": [{"band": band} for band in range(3)],  # g, r, i, one at a time
    "pictures": [{"pictures": True}],
}
#: Kinds that the odds between galaxy and star of a kind are fitted to as well.
ALSO = {"frames": ["band"], "band": ["frames"], "pictures": []}

# Growth of the counts with magnitude, in dex: of galaxies near r = 20 (Yasuda et al. 2001, AJ
# 122, 1104), and of stars as in the five fields from r = 18 to 21.5
_GALAXY_SLOPE, _STAR_SLOPE = 0.4, 0.15
_COUNTED_GALAXIES = 19.0, 20.5  # magnitudes that the density of a field is counted in
_COUNTED_STARS = 17.5, 19.5
_BRIGHTEST = 17.0, 15.0  # galaxies and stars of a sky without a field's own
_PAIRS = 1 / 40  # of the stars: about as many among the bright ones of the fields, by eye
_DEEPEST = 24.5  # fainter sources do not reach a score
_SIDE = 736  # pixels of a mock sky, a multiple of the network's stride
_ROWS = 256  # of one above a field, in pictures
_PICTURES = 3  # of each sky: what a source looks like is another thing in every stretch
_SEAM = 10  # of these rows, in which sources are cut off


def outcome_of_sky(backend, field, models, seed=0, *, pictures=False, band=None):
    """
    Judge what a network finds in a field as if all of its sources were known.

    Parameters
    ----------
    backend : astro_yolo.network.backends.Backend
        The network.
    field : astro_yolo.training.fields.Field
        A field that took no part in training: the bright sources.
    models : sequence of astro_yolo.training.fields.Field
        Fields whose seeing, noise and counts the mock skies have, and in which what is no source
        is looked for: that a field's own sources were trained on does not matter there.
    seed : int, optional
        Of the mock skies.
    pictures : bool, optional
        Whether the network sees 8-bit pictures, each in a stretch that is drawn for it.
    band : int, optional
        The only band that it sees, 0 to 2 of g, r, i; by default all of them.

    Returns
    -------
    astro_yolo.training.evaluate.Outcome
        The sources of the field as many times as there are models, and as much of the mock sky
        and of what is no source of each; all of it three times in pictures.
    """
    rng = np.random.default_rng(seed)
    draw = rng if pictures else None
    frames = None if pictures else outcome_of_field(backend, field, band=band)
    found = Outcome()
    for model in [*models] * (_PICTURES if pictures else 1):
        bright = frames or outcome_of_field(backend, field, draw)
        own = outcome_of_field(backend, model, draw, band=band)
        mocks = outcome_of_mocks(backend, model, rng, pictures=pictures, band=band)
        found += whole_sky(bright, own, mocks)
    return found


def whole_sky(bright, own, mocks):
    """
    Join what is known of the sky of a field.

    Parameters
    ----------
    bright : astro_yolo.training.evaluate.Outcome
        Of a field not trained on: its sources count.
    own : astro_yolo.training.evaluate.Outcome
        Of the field itself: what is no source counts.
    mocks : astro_yolo.training.evaluate.Outcome
        Of its mock skies.

    Returns
    -------
    astro_yolo.training.evaluate.Outcome
    """
    return bright.of_kinds(-1, 1) + own.of_kinds(0) + mocks


def outcome_of_mocks(backend, model, rng, *, pictures=False, band=None):
    """
    Judge what a network finds in mock skies of a field, as much of them as there is of the field.

    Parameters
    ----------
    backend, pictures, band
        As of `outcome_of_sky`.
    model : astro_yolo.training.fields.Field
        Whose seeing, noise and counts they have.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    astro_yolo.training.evaluate.Outcome
    """
    ny, nx = model.planes[0].shape
    if pictures:
        number, judge_one = round(ny / _ROWS), partial(_outcome_of_mock_picture, backend, model)
    else:
        number = round(ny * nx / _SIDE**2)
        stars, balance = _stars(backend, model, band)
        judge_one = partial(
            _outcome_of_mock, backend, model, stars=stars, balance=balance, band=band
        )
    return sum((judge_one(rng) for _ in range(number)), Outcome())


def outcome_of_crowded_sky(backend, model, rng, crowding, *, pictures=False, band=None):
    """
    Judge what a network finds in a mock sky with more stars than a field, and bright ones as well.

    Parameters
    ----------
    backend, model, rng, pictures, band
        As of `outcome_of_mocks`.
    crowding : float
        How many times the field's stars it holds.

    Returns
    -------
    astro_yolo.training.evaluate.Outcome
    """
    planes, objects = _mock_sky(model, rng, (_SIDE, _SIDE), crowding)
    *found, spread = _found_in(backend, planes, rng if pictures else None, band, _levels(model))
    return judge(*found, *objects, spread=spread)


def _stars(backend, field, band):
    """Return the point-spread function and the balance that a network finds in a field."""
    seen = _as_frames(field.planes, band)
    boxes, outputs = candidates(backend, seen)
    return PointSpread.of_image(seen, boxes, outputs), balance_of(outputs)


def outcome_of_fields(backend, fields, seed=0, *, pictures=False, band=None):
    """
    Judge what a network finds in fields by their own labels.

    Parameters
    ----------
    backend, seed, pictures, band
        As of `outcome_of_sky`.
    fields : sequence of astro_yolo.training.fields.Field
        The fields.

    Returns
    -------
    astro_yolo.training.evaluate.Outcome
    """
    rng = np.random.default_rng(seed) if pictures else None
    return sum((outcome_of_field(backend, field, rng, band=band) for field in fields), Outcome())


def outcome_of_field(backend, field, rng=None, *, band=None):
    """
    Judge what a network finds in a field by the field's own labels.

    Parameters
    ----------
    backend : astro_yolo.network.backends.Backend
        The network.
    field : astro_yolo.training.fields.Field
        The field.
    rng : numpy.random.Generator, optional
        Draws the stretch of the 8-bit picture that the network sees; by default it sees the frames.
    band : int, optional
        Of frames, the only one that it sees, as of `outcome_of_sky`.

    Returns
    -------
    astro_yolo.training.evaluate.Outcome
    """
    *found, spread = _found_in(backend, field.planes, rng, band)
    labelled = field.kind > -2
    boxes = field.boxes[labelled]
    kinds = field_kinds(field.kind[labelled], boxes)
    return judge(*found, boxes, kinds, spread=spread)


def _found_in(backend, planes, rng, band, levels=None):
    """Return boxes, outputs and spreads of what a network finds, in a picture if there is a rng."""
    if rng is None:
        seen, measure = _as_frames(planes, band, levels), spread_of
    else:
        seen, measure = _as_picture(planes, rng), picture_spread
    boxes, outputs = candidates(backend, seen)
    return boxes, outputs, measure(seen, boxes, outputs)


def _outcome_of_mock(backend, field, rng, *, stars, balance, band):
    """Judge a mock sky, in which sources are as wide, and galaxies as frequent, as in a field."""
    planes, objects = _mock_sky(field, rng, (_SIDE, _SIDE))
    seen = _as_frames(planes, band, levels=_levels(field))
    boxes, outputs = candidates(backend, seen)
    spread = None if stars is None else stars.spread(seen, boxes, outputs)
    return judge(boxes, outputs, *objects, spread=spread, balance=balance)


def _outcome_of_mock_picture(backend, field, rng):
    """
    Judge a mock sky above a field in one picture.

    The field's pixels set black and white, and its stars tell how wide a star is after that.
    """
    planes, objects = _mock_sky(field, rng, (_ROWS, field.planes.shape[2]))
    seen = _as_picture(np.concatenate([planes, field.planes], axis=1), rng)
    boxes, outputs = candidates(backend, seen)
    spread = picture_spread(seen, boxes, outputs)
    of_mock, real = (centers(b)[:, 1] < _ROWS - _SEAM for b in (boxes, objects[0]))
    objects = [values[real] for values in objects]
    return judge(
        boxes[of_mock], outputs[of_mock], *objects, spread=spread[of_mock],
        balance=balance_of(outputs),
    )  # fmt: skip


def _mock_sky(field, rng, shape, crowding=None):
    """Return g, r, i planes with the noise of a field and objects, and what these are."""
    planes = blank_sky(field.noise, rng, shape)
    return planes, mock_objects(planes, field, rng, crowding)


def _levels(field):
    """Return sky and noise of a mock sky's planes."""
    return [(0.0, float(level)) for level in field.noise]


def _as_frames(planes, band, levels=None):
    """Return g, r, i planes, or one of them, as the network sees them; levels as of the planes."""
    if band is not None:
        planes, levels = planes[[band]], levels and [levels[band]] * len(planes)
    return to_network(planes, levels=levels and levels[::-1])


def _as_picture(planes, rng):
    """Return planes as the network sees them through an 8-bit picture."""
    return through_picture(planes[::-1], rng, stretches=PICTURES)


def mock_objects(planes, field, rng, crowding=None):
    """
    Add the galaxies and stars that are too faint for labels, or all in a crowded sky.

    Parameters
    ----------
    planes : (3, ny, nx) float32 array
        g, r, i, changed in place.
    field : astro_yolo.training.fields.Field
        Whose counts, PSF and noise they follow.
    rng : numpy.random.Generator
        Source of chance.
    crowding : float, optional
        Number of stars in units of the field's; then bright sources are added as well.

    Returns
    -------
    boxes, kinds, magnitudes : (N, 4), (N,), (N,) arrays
        Kinds of `astro_yolo.training.samples.OBJECTS`; magnitudes in r.
    """
    share = planes[0].size / field.planes[0].size
    galaxies, stars = _BRIGHTEST if crowding else (FAINTEST_GALAXY, FAINTEST_STAR)
    groups = (
        (1, _add_galaxy, UNKNOWN, _COUNTED_GALAXIES, _GALAXY_SLOPE, galaxies, 1),
        (0, _add_stars, STAR, _COUNTED_STARS, _STAR_SLOPE, stars, crowding or 1),
    )
    boxes, kinds, magnitudes = [], [], []
    for label, add, kind, counted, slope, bright, times in groups:
        number = _extrapolated(field, label, counted, slope, bright) * share * times
        for magnitude in draw_magnitudes(rng, bright, _DEEPEST, slope, rng.poisson(number)):
            for box, own in add(planes, field, rng, magnitude):
                boxes.append(box)
                kinds.append(kind)
                magnitudes.append(own)
    return np.reshape(boxes, (-1, 4)), np.array(kinds, dtype=int), np.array(magnitudes)


def _add_galaxy(planes, field, rng, magnitude):
    """Add a model galaxy; return a list of its box and magnitude."""
    return [(add_sersic(planes, field, rng, magnitude)[0], magnitude)]


def _add_stars(planes, field, rng, magnitude):
    """
    Add a star, and now and then one beside it; return boxes and magnitudes.

    They are bright ones of the field made faint, as the PSF is not the same everywhere.
    """
    some = field.stars is not None and len(field.stars)
    psf = field.stars[rng.integers(len(field.stars))] if some else None
    place = rng.uniform(0, planes[0].shape[::-1])
    added = [(add_star(planes, field, rng, magnitude, psf, place=place)[0], magnitude)]
    if rng.random() < _PAIRS:
        beside, fainter = draw_companion(rng, place, magnitude, field.fwhm)
        added.append((add_star(planes, field, rng, fainter, psf, place=beside)[0], fainter))
    return added


def _extrapolated(field, label, counted, slope, bright):
    """Return how many sources a field holds from ``bright`` to the deepest magnitude."""
    flux = np.maximum(field.sources.aperture_flux, 1e-3)
    magnitude = 22.5 - 2.5 * np.log10(flux)
    inside = (magnitude > counted[0]) & (magnitude < counted[1])
    known = max(1, int((inside & (field.kind == label)).sum()))
    growth = [10 ** (slope * m) for m in (*counted, bright, _DEEPEST)]
    return known * (growth[3] - growth[2]) / (growth[1] - growth[0])
