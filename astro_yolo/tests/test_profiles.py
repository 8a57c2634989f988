"""Profiles of sources, on Gaussian stars whose profile is known."""

import numpy as np
import pytest

from astro_yolo.network._profiles import RADII, Light
from astro_yolo.stretch import to_network

SIZE, SIGMA, PEAK = 240, 2.0, 80.0
PLACES = np.array([[60.3, 80.6], [150.0, 70.5], [120.2, 170.9]])
LEVELS = [(0.0, 1.0)] * 3  # of sky and noise


def gaussian(places, peaks=PEAK):
    """Return an image of Gaussian stars."""
    y, x = np.indices((SIZE, SIZE))
    peaks = np.broadcast_to(peaks, len(places))
    return sum(
        peak * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * SIGMA**2))
        for peak, (px, py) in zip(peaks, places, strict=True)
    )


def profiles(image, centers=PLACES, sources=PLACES):
    """Return the profiles of sources in three equal bands of unit noise."""
    light = Light.of_image(to_network([image] * 3, levels=LEVELS))
    return light.profiles(centers, np.array(sources))


def test_the_profile_of_a_star():
    """It is the Gaussian, wider by a sixth of a square pixel, as places lie between pixels."""
    moved = PLACES + np.array([[0.6, -0.4], [-0.5, 0.5], [0.3, 0.6]])
    found = profiles(gaussian(PLACES), moved)
    assert found.shape == (3, 3, len(RADII))
    variance = SIGMA**2 + 1 / 6
    expected = PEAK * SIGMA**2 / variance * np.exp(-(RADII**2) / (2 * variance))
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=0.05 * PEAK)


def test_the_empty_sky_has_none():
    """Noise has no profile, though the fainter of two places is below the mean."""
    rng = np.random.default_rng(2)
    light = Light.of_image(to_network(rng.normal(0, 1, (3, SIZE, SIZE)), levels=LEVELS))
    places = rng.uniform(20, SIZE - 20, (400, 2))
    found = np.median(light.profiles(places, places[:0]), axis=1)
    assert (light.sky[..., 1:] < -0.1).all()
    assert np.abs(found[..., 2:]).max() < 0.15  # centroids sit on peaks of the noise


def test_light_of_a_neighbour_is_left_out():
    """Opposite places stand for those nearer to a neighbour, told of or not."""
    beside = PLACES + np.array([9, 0])
    image = gaussian(PLACES) + gaussian(beside, 3 * PEAK)
    found = profiles(image, sources=np.concatenate([PLACES, beside]))
    alone = profiles(gaussian(PLACES))
    np.testing.assert_allclose(found, alone, atol=0.08 * PEAK)
    assert (profiles(image)[..., RADII > 5] < 0.3 * PEAK).all()


def test_light_that_a_source_stands_in_is_taken_off():
    """A star on a plateau has the same profile as one on the sky."""
    y, x = np.indices((SIZE, SIZE))
    plateau = 10.0 * (np.hypot(x - PLACES[0, 0], y - PLACES[0, 1]) < 25)
    found = profiles(gaussian(PLACES) + plateau)
    alone = profiles(gaussian(PLACES))
    np.testing.assert_allclose(found[:, 0], alone[:, 0], atol=0.02 * PEAK)


def test_profiles_near_the_edge():
    """Eight pixels from it a star has the same profile as elsewhere; nearer it is not whole."""
    light = Light.of_image(to_network(np.zeros((3, 100, 200)), levels=LEVELS))
    inside = np.array([[8, 8], [191, 91], [7, 50], [100, 92], [192, 50]])
    assert light.whole(inside).tolist() == [True, True, False, False, False]
    places = np.array([[8.3, 100.6], [120.3, 100.6]])
    found = profiles(gaussian(places), places, places)
    np.testing.assert_allclose(found[:, 0], found[:, 1], atol=0.01 * PEAK)


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (31, 17)])
def test_small_images(shape):
    """Images smaller than a profile have one all the same."""
    light = Light.of_image(to_network(np.ones((3, *shape)), levels=LEVELS))
    assert np.isfinite(light.profiles(np.array([[0.5, 0.5]]), np.empty((0, 2)))).all()
