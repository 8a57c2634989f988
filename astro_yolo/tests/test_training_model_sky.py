"""Skies that are wholly modelled."""

import numpy as np
import pytest

from astro_yolo.training.model_sky import compose_model_sky, draw_sky
from astro_yolo.training.samples import OBJECTS, STAR


def _width(kernel):
    """Return the diameter of the area above half of the peak, pixels."""
    # a kernel of 3 pixels is sampled too coarsely to count pixels: its profile along two rows
    middle = len(kernel) // 2
    widths = []
    for row in (kernel[middle], kernel[:, middle]):
        half = row[middle:] / row[middle]
        outer = int(np.argmax(half < 0.5))
        step = (half[outer - 1] - 0.5) / (half[outer - 1] - half[outer])
        widths.append(2 * (outer - 1 + step))
    return float(np.sqrt(np.prod(widths)))


def test_seeing_is_that_of_the_sky_and_worse_in_g():
    """Kernels have sum 1 and the width that the sky says; r lies between g and i on the mean."""
    skies = [draw_sky(np.random.default_rng(seed)) for seed in range(40)]
    widths = np.array([[_width(kernel) for kernel in sky.psf] for sky in skies])
    for sky, width in zip(skies, widths, strict=True):
        assert [kernel.sum() for kernel in sky.psf] == pytest.approx([1, 1, 1], abs=1e-5)
        assert 2.2 <= sky.fwhm <= 4.6
        assert width[1] == pytest.approx(sky.fwhm, rel=0.2)
    g, r, i = np.median(widths, axis=0)
    assert g > r > i


def test_counts_are_those_of_the_sky():
    """Forty galaxies and sixteen stars, doubles among them, to a crop of 416 pixels on the mean."""
    counts = np.zeros(len(OBJECTS))
    for seed in range(12):
        sample = compose_model_sky(np.random.default_rng(seed), size=208)
        assert sample.image.shape == (3, 208, 208)
        assert np.isfinite(sample.image).all()
        assert sample.boxes.min() >= 0
        assert sample.boxes.max() <= 208
        counts += np.bincount(sample.kinds, minlength=len(OBJECTS))
    # a quarter of the area; the width of the draws is 0.6 in the logarithm for stars
    assert 12 * 8 < counts.sum() < 12 * 24
    assert counts[STAR] > 12


def test_the_same_seed_gives_the_same_sky():
    """Two skies of one seed are equal to the last bit."""
    one, two = (compose_model_sky(np.random.default_rng(7), size=128) for _ in range(2))
    np.testing.assert_array_equal(one.image, two.image)
    np.testing.assert_array_equal(one.boxes, two.boxes)
