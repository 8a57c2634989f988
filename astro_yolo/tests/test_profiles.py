"""Profiles of sources, on Gaussian stars whose profile is known."""

import numpy as np
import pytest

from astro_yolo.network._profiles import AROUND, RADII, Light
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
    return light.profiles(centers, np.array(sources))[0]


def test_the_profile_of_a_star():
    """It is the Gaussian, wider by a sixth of a square pixel, as places lie between pixels."""
    moved = PLACES + np.array([[0.6, -0.4], [-0.5, 0.5], [0.3, 0.6]])
    found = profiles(gaussian(PLACES), moved)
    assert found.shape == (3, 3, len(RADII))
    variance = SIGMA**2 + 1 / 6
    expected = PEAK * SIGMA**2 / variance * np.exp(-(RADII**2) / (2 * variance))
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=0.05 * PEAK)


def elongated(x, y, *, angle=0.0, blur=0.0):
    """Return a Gaussian source with axes of 2.5 and 2 pixels, the longer at an angle from x."""
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    own = np.array([2.5**2, SIGMA**2])
    seen = own + blur
    peak = PEAK * np.sqrt((own / seen).prod())
    return peak * np.exp(-(along**2 / seen[0] + across**2 / seen[1]) / 2)


def test_waves():
    """They are the second harmonic of the light at 3 to 6 pixels, along twice the axis's angle.

    Light between pixels is blurred by a variance of 1/6, beyond 3.6 pixels, between means of
    2 x 2 pixels, by 1/4 + 4/6.
    """
    y, x = np.indices((SIZE, SIZE))
    angles = np.deg2rad([0, 30, 100])
    image = sum(
        elongated(x - px, y - py, angle=angle)
        for (px, py), angle in zip(PLACES, angles, strict=True)
    )
    light = Light.of_image(to_network([image] * 3, levels=LEVELS))
    around = np.arange(720) * np.pi / 360
    expected = 0
    for radius in RADII[AROUND]:
        blur = 1 / 6 if radius < 3.6 else 11 / 12
        circle = elongated(radius * np.cos(around), radius * np.sin(around), blur=blur)
        expected += 3 * (circle * np.cos(2 * around)).mean()
    direction = np.stack([np.cos(2 * angles), np.sin(2 * angles)], axis=1)
    found = light.profiles(PLACES, PLACES)[1]
    np.testing.assert_allclose(found, expected * direction, atol=0.05 * expected)


def test_the_empty_sky_has_none():
    """Noise has no profile, though the fainter of two places is below the mean."""
    rng = np.random.default_rng(2)
    light = Light.of_image(to_network(rng.normal(0, 1, (3, SIZE, SIZE)), levels=LEVELS))
    places = rng.uniform(20, SIZE - 20, (400, 2))
    found = np.median(light.profiles(places, places[:0])[0], axis=1)
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
    for measured in light.profiles(np.array([[0.5, 0.5]]), np.empty((0, 2))):
        assert np.isfinite(measured).all()
