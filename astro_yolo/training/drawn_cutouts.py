"""Cutouts of classified galaxies, drawn by chance for the samples of a training set."""

import numpy as np

from astro_yolo.training.cutouts import linearise, read_picture
from astro_yolo.training.turned import turn_cutout

__all__ = ["draw_picture", "draw_stamp"]


def _pick(groups, recipe, rng):
    """Draw a cutout, the class first."""
    names, shares = zip(*recipe.class_shares, strict=True)
    group = groups[rng.choice(names, p=shares)]
    return group[rng.integers(len(group))]


def draw_picture(groups, others, recipe, rng):
    """
    Draw a cutout, now and then one of another telescope, or one that is turned.

    Parameters
    ----------
    groups : dict
        Class to list of `~astro_yolo.training.cutouts.Cutout`.
    others : list of Cutout
        Of other telescopes.
    recipe : astro_yolo.training.dataset.DatasetRecipe
        Shares of classes, of other telescopes and of turned ones.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    label : str
        Class.
    picture : (ny, nx, 3) uint8 array
        Mirrored at random.
    box : (4,) array
        Of the galaxy in the middle, edge pixels.
    others : (N, 4) array
        Of other sources.
    linear : bool
        As of the cutout.
    """
    if others and rng.random() < recipe.other_share:
        return _picture(others[rng.integers(len(others))], rng)
    return _picture(_pick(groups, recipe, rng), rng, recipe.turned_share)


def _picture(cutout, rng, turned_share=0.0):
    """Return a cutout as `compose_cutouts` wants it, mirrored at random, now and then turned."""
    picture, box, others = read_picture(cutout.path), cutout.box, cutout.others
    if turned_share and rng.random() < turned_share:
        picture, box, others = turn_cutout(picture, cutout.label, rng) or (picture, box, others)
    if rng.random() < 0.5:  # by itself: a mosaic mixes both
        picture = picture.swapaxes(0, 1)
        box, others = box[[1, 0, 3, 2]], others[:, [1, 0, 3, 2]]
    return cutout.label, picture, box, others, cutout.linear


def draw_stamp(groups, recipe, rng):
    """
    Draw a cutout's galaxy alone, its edges tapered to the sky.

    Parameters
    ----------
    groups, recipe, rng
        As of `draw_picture`.

    Returns
    -------
    label : str
        Class.
    light : (3, ny, nx) array
        Linear.
    box : (4,) array
        Edge pixels of the stamp.
    """
    label, picture, box, *_ = _picture(_pick(groups, recipe, rng), rng)
    light = linearise(picture)
    light -= np.median(light[:, ::4, ::4], axis=(1, 2))[:, None, None]
    x0, y0, x1, y1 = box
    reach = 0.75 * np.array([x1 - x0, y1 - y0])
    middle = np.array([x0 + x1, y0 + y1]) / 2
    low = np.maximum(np.floor(middle - reach), 0).astype(int)
    high = np.minimum(np.ceil(middle + reach), picture.shape[1::-1]).astype(int)
    light = light[:, low[1] : high[1], low[0] : high[0]]
    y, x = np.indices(light.shape[1:])
    distance = np.hypot((x + low[0] - middle[0]) / reach[0], (y + low[1] - middle[1]) / reach[1])
    return label, light * np.clip((1 - distance) / 0.3, 0, 1), box - np.tile(low, 2)
