"""Colours of model galaxies, and which detection belongs to which of them."""

import numpy as np
import pytest
from astropy import units as u

from astro_yolo._model_galaxies import belongs_to, color_rows
from astro_yolo.exceptions import MeasurementError


def test_detections_are_shared_out_closest_first():
    """A detection goes to what is nearest, one to one; a tie goes to what was there before."""
    before, galaxies = np.array([[10.0, 10], [50, 50]]), np.array([[12.0, 10], [50, 50], [90, 90]])
    found = np.array([[10.9, 10], [50, 50], [90, 91.5], [90, 90.5], [13.5, 10]])
    assert belongs_to(galaxies, np.full(3, 2.0), before, found).tolist() == [4, -1, 3]
    assert belongs_to(galaxies, np.full(3, 1.0), before, found).tolist() == [-1, -1, 3]
    assert belongs_to(galaxies, np.full(3, 2.0), before[:0], found).tolist() == [0, 1, 3]
    assert belongs_to(galaxies, np.full(3, 2.0), before, found[:0]).tolist() == [-1, -1, -1]


@pytest.mark.parametrize(
    "colors",
    [
        np.array([0.5, 0, -0.25]),
        [0.5, 0, -0.25] * u.mag,
        [0.5 * u.mag, 0 * u.mag, -0.25 * u.mag],
        {"g": 0.5 * u.mag, "i": -0.25},
    ],
)
def test_colors_of_any_sequence(colors):
    """Arrays and magnitudes with their unit are colours as plain numbers are."""
    assert color_rows(colors, ("g", "r", "i"), 1).tolist() == [[0.5, 0, -0.25]]


@pytest.mark.parametrize("colors", [[1, 0, 2] * u.nJy, {"g": 0 * u.nJy, "i": 1}])
def test_colors_of_another_unit(colors):
    """What is no magnitude is no colour."""
    with pytest.raises(MeasurementError, match=r"colors must be magnitudes, got 0\.0 nJy"):
        color_rows(colors, ("g", "r", "i"), 1)
