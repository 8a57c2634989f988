"""Apertures and sky of one source, against slower ways to the same numbers."""

import numpy as np
import pytest
from photutils.aperture import EllipticalAperture

from astro_yolo._apertures import Aperture
from astro_yolo._measure_source import _level

RNG = np.random.default_rng(8)
PLANES = RNG.normal(1, 1, (2, 40, 50)).astype(np.float32)
ELLIPSES = {
    "inside": (20.3, 15.8, 9.0, 4.0, 0.7),
    "turned the other way": (24.0, 20.0, 12.0, 3.0, -1.2),
    "over two edges": (1.2, 38.6, 9.0, 4.0, 0.7),
    "centre outside": (52.0, 20.0, 8.0, 5.0, 0.0),
    "around the image": (25.0, 20.0, 60.0, 50.0, 0.3),
    "less than a pixel": (20.2, 20.3, 0.5, 0.3, 0.4),
}


@pytest.mark.parametrize("place", ELLIPSES)
def test_sums_and_counts_are_those_of_photutils(place):
    """Sums, and counts of pixels by their centres, are those of photutils' own apertures."""
    x, y, a, b, theta = ELLIPSES[place]
    mine, reference = Aperture(x, y, a, b, theta), EllipticalAperture((x, y), a, b, theta=theta)
    exact = reference.to_mask(method="exact")
    expected = [exact.multiply(plane).sum() for plane in PLANES]
    np.testing.assert_allclose(mine.sums(PLANES), expected, rtol=1e-6)
    assert mine.area == pytest.approx(exact.data.sum())
    marks = [plane > 1 for plane in PLANES]
    central = reference.to_mask(method="center")
    whole, inside, marked = mine.counts(marks)
    assert whole == central.data.sum()
    assert inside == central.get_values(np.ones(PLANES.shape[1:])).sum()
    assert marked == [central.get_values(mark.astype(float)).sum() for mark in marks]


@pytest.mark.parametrize("x", [-30.0, 90.0])
def test_an_aperture_off_the_image_has_no_sum(x):
    """Wholly outside, the sums are NaN and no pixel is inside."""
    aperture = Aperture(x, 20.0, 8.0, 5.0, 0.0)
    assert np.isnan(aperture.sums(PLANES)).all()
    whole, inside, marked = aperture.counts([PLANES[0] > 1])
    assert whole > 100
    assert (inside, marked) == (0, [0])


@pytest.mark.parametrize("size", [41, 500, 5001, 5002])
def test_the_sky_is_that_of_clipped_medians(size):
    """Sorted once, the sky and noise are those of medians taken anew after each clipping."""
    values = np.concatenate([RNG.normal(5, 1, size), RNG.exponential(20, size // 5)])
    sky, noise = _level(np.sort(values))
    for _ in range(5):
        middle = np.median(values)
        expected = 1.4826 * np.median(np.abs(values - middle))
        kept = values[np.abs(values - middle) < 3 * expected]
        if len(kept) == len(values):
            break
        values = kept
    assert noise == pytest.approx(expected, rel=1e-12)
    assert sky == pytest.approx(2.5 * np.median(values) - 1.5 * values.mean(), rel=1e-12)
