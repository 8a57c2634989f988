"""AstroCV's training sets T1 to T6, as published, by name.

Gonzalez, Munoz & Hernandez 2018 (Astronomy and Computing 25, 103) draw two selections of SDSS
fields, S1 and S2, and convert each into pictures with one or more of five filters
(`astro_yolo.filters`). T6 uses S1: its 32 290 images are five times 6458. Which fields they drew is
not published; here they are drawn by a hash of their numbers, so that anyone draws the same ones.
"""

from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from astro_yolo.exceptions import AstroYoloError
from astro_yolo.filters import FILTERS

__all__ = [
    "RECIPES",
    "SELECTIONS",
    "Recipe",
    "RecipeError",
    "Selection",
    "find_recipe",
    "select_fields",
]

PIXEL_SCALE = 0.396  # arcsec per pixel, as AstroCV's box uses it


class RecipeError(AstroYoloError, ValueError):
    """A recipe is unknown, or its selection is empty."""


@dataclass(frozen=True)
class Selection:
    """
    A choice of SDSS fields and of the galaxies in them.

    Attributes
    ----------
    name : str
        S1 or S2.
    fields : int
        Number of field images that it was drawn from, as published.
    images, objects : tuple of int
        Published numbers of images and of galaxies, for training and for validation.
    min_side : float
        Smallest side of a galaxy's box, in pixels.
    box_radii : float
        Side of the box in r-band Petrosian radii.
    """

    name: str
    fields: int
    images: tuple
    objects: tuple
    min_side: float = 22.0
    box_radii: float = 2.1

    def side(self, petrosian):
        """Return the side of the square box, pixels, of a Petrosian radius in arcsec."""
        return self.box_radii * np.asarray(petrosian, dtype=float) / PIXEL_SCALE


#: The two selections of the paper.
SELECTIONS = {
    "S1": Selection("S1", 7397, (6458, 921), (20_103, 2770)),
    "S2": Selection("S2", 12_171, (11_010, 1161), (34_766, 3966)),
}


@dataclass(frozen=True)
class Recipe:
    """
    A training set: a selection, and the filters that each of its fields is converted with.

    Attributes
    ----------
    name : str
        T1 to T6.
    selection : Selection
        Its fields and galaxies.
    filters : tuple of str
        Names of `~astro_yolo.filters.FILTERS`: each field becomes one picture a filter.
    images : int
        Published number of training images.
    """

    name: str
    selection: Selection
    filters: tuple
    images: int


#: T1 to T6 by name.
RECIPES = {
    name: Recipe(name, SELECTIONS[selection], filters, images)
    for name, selection, filters, images in (
        ("T1", "S1", ("L",), 6458),
        ("T2", "S1", ("LH",), 6458),
        ("T3", "S2", ("L",), 11_010),
        ("T4", "S2", FILTERS, 55_050),
        ("T5", "S2", ("LH", "SH"), 22_020),
        ("T6", "S1", FILTERS, 32_290),
    )
}


def find_recipe(name):
    """
    Return a recipe by its name.

    Parameters
    ----------
    name : str or Recipe
        T1 to T6 in any case; a recipe is returned as it is.

    Returns
    -------
    Recipe

    Raises
    ------
    RecipeError
        If there is none of that name.

    Examples
    --------
    >>> from astro_yolo.training.recipes import find_recipe
    >>> find_recipe("t5").filters
    ('LH', 'SH')
    """
    if isinstance(name, Recipe):
        return name
    if str(name).upper() not in RECIPES:
        msg = f"recipe must be one of {', '.join(RECIPES)}, got {name!r}"
        raise RecipeError(msg)
    return RECIPES[str(name).upper()]


def select_fields(fields, selection):
    """
    Draw the fields of a selection.

    Parameters
    ----------
    fields : iterable of (int, int, int)
        run, camcol, field of every field with a Galaxy Zoo galaxy.
    selection : Selection or str
        S1 or S2.

    Returns
    -------
    list of (int, int, int)
        As many as the selection names, or all where there are fewer; a larger list of fields
        keeps most of what a smaller one gave. S2 holds all of S1.

    Raises
    ------
    RecipeError
        If the selection is unknown or there is no field.
    """
    if not isinstance(selection, Selection):
        if selection not in SELECTIONS:
            msg = f"selection must be one of {', '.join(SELECTIONS)}, got {selection!r}"
            raise RecipeError(msg)
        selection = SELECTIONS[selection]
    unique = {tuple(map(int, field)) for field in fields}
    if not unique:
        msg = f"fields of selection {selection.name} must be one or more, got none"
        raise RecipeError(msg)
    order = sorted(unique, key=lambda f: sha256(f"{f[0]}/{f[1]}/{f[2]}".encode()).digest())
    return sorted(order[: selection.fields])
