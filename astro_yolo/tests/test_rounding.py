"""Values that were rounded."""

import numpy as np
import pytest

from astro_yolo import detect
from astro_yolo._rounding import dithered, finest_step, unrounded
from astro_yolo.image import read_image
from astro_yolo.tests.planted import MODEL, nearest, plant, spread

SHAPE = (200, 240)


def noise(scatter, level=100.3, seed=0):
    """Return noise about a level."""
    return np.random.default_rng(seed).normal(level, scatter, SHAPE).astype(np.float32)


def test_equal_values_are_spread_over_a_step():
    """Of whole numbers each takes as much room as its neighbours' middle leaves it."""
    values, step = unrounded(np.array([1.0, 1, 1, 1, 2, 2, 4, 4]))
    assert step == 1
    np.testing.assert_allclose(values, [0.625, 0.875, 1.125, 1.375, 1.75, 2.25, 3.75, 4.25])


@pytest.mark.parametrize("values", [[], [3.0], [2.0, 2, 2], [1.0, 2, 3, 3], [0.1, 0.25, 0.3]])
def test_other_values_stay(values):
    """Nothing is done to values most of which differ, or none."""
    same, step = unrounded(np.array(values))
    assert step == 0
    assert same.tolist() == values


@pytest.mark.parametrize("scatter", [0.4, 1, 3])
def test_medians_of_whole_numbers(scatter):
    """Median and scatter are those before rounding, with the variance of it and of the chance."""
    plane = dithered(np.round(noise(scatter)))
    assert np.median(plane) == pytest.approx(100.3, abs=0.1)
    assert plane.std() == pytest.approx(np.hypot(scatter, 6**-0.5), rel=0.03)
    np.testing.assert_array_equal(plane, dithered(np.round(noise(scatter))))
    assert np.abs(plane - np.round(noise(scatter))).max() <= 0.5


def test_what_is_rounded_finely_stays():
    """Noise of ten steps, numbers with fractions, a constant and no data are left as they are."""
    for plane in (np.round(noise(10)), noise(1), np.full(SHAPE, 7.0), np.full(SHAPE, np.nan)):
        assert dithered(plane) is plane


def test_masked_values_do_not_count():
    """A plane of fractions is left as it is, though most of it is masked and of one value."""
    plane, mask = noise(1), np.ones(SHAPE, bool)
    mask[:60] = False
    plane[mask] = 5
    assert dithered(plane, mask) is plane


def test_finest_step():
    """It is the smallest distance between values of any band: 1 of 8 bits, 0 of a constant."""
    counts = np.round(noise(3))
    assert finest_step(read_image([counts, counts * 257])) == 1
    assert finest_step(read_image([counts * 257])) == 257
    assert finest_step(read_image([np.full(SHAPE, 7.0)])) == 0


def test_finest_step_of_large_images(monkeypatch):
    """Of an image that is read window by window it is that of the middle."""
    large = np.zeros((1500, 1800), np.float32)
    large[400:1100, 500:1300:2] = 3
    large[400:700, 501:1300:2] = 10
    monkeypatch.setattr("astro_yolo.image._MEMORY_PIXELS", 1000)
    image = read_image(large)
    assert image.is_lazy
    assert finest_step(image) == 3


def test_sources_in_counts_of_little_noise():
    """What is found in an image is found in it when it is rounded to steps of its noise."""
    positions = spread(SHAPE, 12)
    image = np.round(plant(SHAPE, positions, sky_level=100.5))
    table = detect(image.astype(np.uint16), model=MODEL, zoom=1)
    assert nearest(positions, table)[0].max() < 2
    assert len(table) == len(positions)
