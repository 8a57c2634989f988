import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from astro_yolo.network.singles import precedence, single_boxes

GALAXY = (40.0, 40.0, 60.0, 60.0)
PAIR = (30.0, 30.0, 72.0, 72.0)  # concentric with it


def outputs(galaxy, *, star=0.0, **classes):
    """Raw outputs of one box."""
    names = ("elliptical", "spiral", "edge_on", "merger", "unknown")
    return [*(classes.get(name, 0.0) for name in names), star, galaxy]


def test_a_galaxy_beside_another_is_not_boxed_as_a_merger():
    """A box round one galaxy outlasts one round two that is up to four times as sure."""
    raw = np.array([outputs(0.6, merger=0.02), outputs(0.2, elliptical=0.02)])
    boxes, _ = single_boxes(np.array([PAIR, GALAXY]), raw)
    assert_array_equal(boxes, [GALAXY])


def test_the_box_that_stays_is_as_sure_as_the_one_that_goes():
    """That there is a galaxy is what both boxes say; its class is that of the box that stays."""
    raw = np.array([outputs(0.6, star=0.01, merger=0.02), outputs(0.2, star=0.03, elliptical=0.02)])
    _, values = single_boxes(np.array([PAIR, GALAXY]), raw)
    assert_allclose(values, [outputs(0.6, star=0.01, elliptical=0.02)])


def test_a_merger_that_is_sure_enough_stays():
    """A box round two galaxies that is more than four times as sure suppresses that round one."""
    raw = np.array([outputs(0.6, merger=0.02), outputs(0.14, elliptical=0.02)])
    boxes, values = single_boxes(np.array([PAIR, GALAXY]), raw)
    assert_array_equal(boxes, [PAIR])
    assert_allclose(values, raw[:1])


@pytest.mark.parametrize("merger", [(500.0, 500.0, 540.0, 540.0), (58.0, 58.0, 98.0, 98.0)])
def test_a_merger_elsewhere_changes_nothing(merger):
    """Boxes that are not the same source keep their outputs, also where they touch."""
    raw = np.array([outputs(0.6, merger=0.02), outputs(0.2, elliptical=0.02)])
    boxes, values = single_boxes(np.array([merger, GALAXY]), raw)
    assert {tuple(box) for box in boxes} == {merger, GALAXY}
    assert_allclose(np.sort(values[:, -1]), [0.2, 0.6])


def test_a_star_is_no_less_sure_for_its_classes():
    """The class outputs say what a galaxy is: the precedence of a star does not hang on them."""
    raw = np.array([outputs(0.1, star=0.8, merger=0.9), outputs(0.8, merger=0.9), outputs(0.8)])
    assert_allclose(precedence(raw), [0.8, 0.2, 0.8])


def test_no_boxes_are_none():
    """An image without a candidate has no box."""
    boxes, values = single_boxes(np.empty((0, 4)), np.empty((0, 7)))
    assert boxes.shape == (0, 4)
    assert values.shape == (0, 7)
