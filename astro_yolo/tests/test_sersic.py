"""Sersic profiles from the growth of their light, against integrals."""

import numpy as np
import pytest
from scipy.special import gammaincinv

from astro_yolo._sersic import SHARES, enclosed, mean_brightness, sersic_within


def radii_of(index, extent):
    """Return the radii, in half-light radii, with the shares of the light within an extent."""
    scale = gammaincinv(2 * index, 0.5)
    held = enclosed(index, extent)
    return [(gammaincinv(2 * index, share * held) / scale) ** index for share in SHARES]


@pytest.mark.parametrize("extent", [2.5, 3.6, 5.0])
@pytest.mark.parametrize("index", [0.5, 1.0, 2.0, 3.9])
def test_a_profile_is_told_from_its_growth(index, extent):
    """Index and half-light radius come back from two radii within an aperture."""
    radii = 7.0 * np.array(radii_of(index, extent))
    found, half_light = sersic_within(radii, 7.0 * extent)
    assert found == pytest.approx(index, abs=0.02)
    assert half_light == pytest.approx(7.0, rel=0.01)


def test_the_noise_of_faint_galaxies_has_limits():
    """What no profile grows like is taken for the nearest; without light there is none."""
    index, half_light = sersic_within((3.0, 9.5), 10.0)
    assert index == 4
    assert 0 < half_light < 10
    assert 0.3 <= sersic_within((9.0, 9.5), 10.0)[0] <= 4
    for radii in ((np.nan, 5.0), (0.0, 5.0), (3.0, 3.0)):
        assert np.isnan(sersic_within(radii, 10.0)).all()


@pytest.mark.parametrize("index", [0.5, 1.0, 4.0])
def test_light_adds_up(index):
    """The brightness within an ellipse times its area is the light that it encloses."""
    radius = 6.0 * (np.arange(200_000) + 0.5) / 200_000
    rings = [mean_brightness(index, 2.0, 0.4, r) * 2 * np.pi * r * 0.4 for r in radius[::100]]
    assert np.sum(rings) * 6.0 / 2000 == pytest.approx(enclosed(index, 3.0), rel=2e-3)
    assert enclosed(index, 1.0) == pytest.approx(0.5)


def test_an_exponential_disc_is_known():
    """Half-light radius 1.678 scale lengths: (1 + x) exp(-x) of the light is beyond x of them."""
    x = 1.6783 * 3
    assert enclosed(1.0, 3.0) == pytest.approx(1 - (1 + x) * np.exp(-x), rel=1e-4)
