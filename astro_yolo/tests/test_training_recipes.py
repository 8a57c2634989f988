"""The recipes are the published ones, and fields are drawn the same everywhere."""

import pytest

from astro_yolo.training.recipes import (
    RECIPES,
    SELECTIONS,
    RecipeError,
    find_recipe,
    select_fields,
)


@pytest.mark.parametrize(
    ("name", "selection", "filters", "images"),
    [
        ("T1", "S1", "L", 6458),
        ("T2", "S1", "LH", 6458),
        ("T3", "S2", "L", 11_010),
        ("T4", "S2", "L LH S SH Q", 55_050),
        ("T5", "S2", "LH SH", 22_020),
        ("T6", "S1", "L LH S SH Q", 32_290),
    ],
)
def test_recipes_are_the_published_ones(name, selection, filters, images):
    """Selection, filters and number of images are the paper's, and fit each other."""
    recipe = RECIPES[name]
    assert recipe.selection.name == selection
    assert list(recipe.filters) == filters.split()
    assert recipe.images == images == len(recipe.filters) * recipe.selection.images[0]


def test_box_is_astrocvs():
    """A Petrosian radius of 7.92 arcsec, 20 pixels, has a box of 42 pixels a side."""
    assert SELECTIONS["S1"].side(7.92) == pytest.approx(42)
    assert SELECTIONS["S1"].min_side == SELECTIONS["S2"].min_side == 22


def test_fields_are_drawn_by_a_hash():
    """The draw depends on no order, holds the published number, and S2 holds S1."""
    fields = [(run, camcol, 11) for run in range(100, 3300) for camcol in range(1, 7)]
    first = select_fields(fields, "S1")
    assert len(first) == 7397
    assert first == select_fields(reversed(fields), "S1")
    assert set(first) < set(select_fields(fields, "S2"))


def test_few_fields_are_all_taken():
    """A small mirror gives all it has, each field once."""
    assert select_fields([(94, 1, 12), (94, 1, 12)], "S2") == [(94, 1, 12)]


def test_bad_names_are_refused():
    """An unknown recipe or selection and an empty list are named."""
    with pytest.raises(RecipeError, match=r"one of T1, T2, T3, T4, T5, T6, got 'T7'"):
        find_recipe("T7")
    with pytest.raises(RecipeError, match=r"one of S1, S2, got 'S3'"):
        select_fields([(1, 2, 3)], "S3")
    with pytest.raises(RecipeError, match="S1 must be one or more, got none"):
        select_fields([], "S1")
    assert find_recipe(find_recipe("t4")) is RECIPES["T4"]
