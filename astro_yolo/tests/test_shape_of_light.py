"""Shapes and sizes of noiseless Gaussians and discs, whose numbers are known exactly."""

import numpy as np
import pytest

from astro_yolo._shape_of_light import (
    Ellipse,
    adaptive_ellipse,
    growth_radii,
    intrinsic_ratio,
    kron_radius,
    mean_squares,
    psf_squares,
    wide_axes,
    widened,
)

GALAXY = Ellipse(60.3, 45.8, 5.0, 3.0, 0.7)


def gaussian(ellipse, height=1.0, shape=(101, 121)):
    """Return an elliptical Gaussian with the standard deviations of an ellipse."""
    y, x = np.indices(shape)
    dx, dy = x - ellipse.x, y - ellipse.y
    along = dx * np.cos(ellipse.theta) + dy * np.sin(ellipse.theta)
    across = dy * np.cos(ellipse.theta) - dx * np.sin(ellipse.theta)
    return height * np.exp(-0.5 * ((along / ellipse.a) ** 2 + (across / ellipse.b) ** 2))


def test_elliptical_radius():
    """Places on the ellipse, at the ends of its axes and between, are a major axis away."""
    turn = np.linspace(0, 2 * np.pi, 9)
    along, across = 5 * np.cos(turn), 3 * np.sin(turn)
    cos, sin = np.cos(0.7), np.sin(0.7)
    x, y = 60.3 + along * cos - across * sin, 45.8 + along * sin + across * cos
    np.testing.assert_allclose(GALAXY.radius(x, y), 5)
    np.testing.assert_allclose(GALAXY.radius(60.3 + 2 * (x - 60.3), 45.8 + 2 * (y - 45.8)), 10)


@pytest.mark.parametrize("theta", [0.7, -1.2, 0.0, np.pi / 2])
def test_a_gaussian_has_its_own_covariance(theta):
    """From a start that is off by pixels, too large and round, the true ellipse is found."""
    truth = Ellipse(60.3, 45.8, 5.0, 3.0, theta)
    found = adaptive_ellipse(gaussian(truth), Ellipse(62.0, 44.5, 6.0, 6.0, 0.0))
    np.testing.assert_allclose([found.x, found.y], [60.3, 45.8], atol=2e-3)
    np.testing.assert_allclose([found.a, found.b], [5, 3], rtol=2e-3)
    assert np.sin(found.theta - theta) == pytest.approx(0, abs=2e-3)


@pytest.mark.parametrize(
    ("light", "start"),
    [
        (np.zeros((101, 121)), GALAXY),
        (-gaussian(GALAXY), GALAXY),
        (gaussian(GALAXY), Ellipse(54.0, 45.8, 1.5, 1.5, 0.0)),  # more than two start axes away
        (gaussian(Ellipse(60.3, 45.8, 9.0, 9.0, 0.0)), Ellipse(60.3, 45.8, 1.5, 1.5, 0.0)),
    ],
)
def test_what_does_not_settle_has_no_shape(light, start):
    """Nothing, less than nothing, and what runs away from its start in place or size."""
    assert adaptive_ellipse(light, start) is None


def test_the_wider_weight_gives_a_gaussian_the_same_axes():
    """A Gaussian has the same axes whatever the weight; at any other angle they come out mixed."""
    light = gaussian(GALAXY, 100.0)
    np.testing.assert_allclose(wide_axes(light, GALAXY), [25, 9], rtol=0.01)
    across = Ellipse(60.3, 45.8, 4.0, 4.0, 0.7 + np.pi / 2)
    np.testing.assert_allclose(wide_axes(light, across), [9, 25], rtol=0.01)


@pytest.mark.parametrize(("times", "enough"), [(1.03, True), (0.97, False)])
def test_the_wider_weight_needs_a_signal_to_noise_of_fifty(times, enough):
    """A Gaussian of height h in noise of 1 has h sqrt(pi a b), with the weight that matches."""
    height = times * 50 / np.sqrt(np.pi * 5 * 3)
    assert (wide_axes(gaussian(GALAXY, height), GALAXY) is not None) == enough


@pytest.mark.parametrize(
    ("axes", "first"), [((2.0, 2.0), (3.2, 3.2)), ((20.0, 20.0), (1.5, 1.5)), ((5, 2.0), (5, 3.2))]
)
def test_the_wider_weight_stays_near_the_first_shape(axes, first):
    """Squares of less than half of the first, or axes over five times the first, are none."""
    light = gaussian(Ellipse(60.3, 45.8, *axes, 0.0), 1000.0)
    assert wide_axes(light, Ellipse(60.3, 45.8, *first, 0.0)) is None


def test_widened_keeps_the_major_axis():
    """The axis ratio is that of the wider weight, unless its axes change places."""
    found = widened(GALAXY, np.array([16.0, 4.0]))
    assert (found.a, found.b, found.theta) == (5, 2.5, 0.7)
    assert widened(GALAXY, np.array([4.0, 16.0])) is GALAXY
    assert widened(GALAXY, None) is GALAXY


def test_mean_squares():
    """They are the means of the two squares, with each weight."""
    assert mean_squares(GALAXY, np.array([30.0, 10.0])) == (17, 20)
    first, second = mean_squares(GALAXY, None)
    assert first == 17
    assert np.isnan(second)


@pytest.mark.parametrize(
    ("wide", "psf", "expected"),
    [
        (None, None, 3 / 5),
        (None, (5.0, 99.0), np.sqrt(4 / 20)),
        ([36.0, 16.0], (99.0, 4.0), np.sqrt(12 / 32)),
        ([16.0, 36.0], None, 4 / 6),
        (None, (9.0, 0.0), 0),
        (None, (16.0, 0.0), 0),
        (None, (25.0, 0.0), np.nan),
    ],
)
def test_variances_of_the_psf_are_taken_off(wide, psf, expected):
    """Those seen with the same weight; 0 without a minor axis and NaN without a major one."""
    wide = None if wide is None else np.array(wide)
    assert intrinsic_ratio(GALAXY, wide, psf) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("height", [1e-9, 1.0, 1e6])
def test_squares_of_a_gaussian_psf(height):
    """With both weights the mean of the squares of its axes, whatever its units."""
    psf = gaussian(Ellipse(12.2, 11.9, 2.5, 1.5, 0.4), height, (25, 25))
    np.testing.assert_allclose(psf_squares(psf), (6.25 + 2.25) / 2, rtol=0.01)
    assert np.isnan(psf_squares(0 * psf)).all()


def test_kron_radius_of_a_gaussian_and_a_disc():
    """The first moment is sqrt(pi / 2) of the axis, two thirds of the radius of a disc."""
    y, x = np.indices((101, 121))
    radius = GALAXY.radius(x, y)
    light = gaussian(GALAXY)
    assert kron_radius(light, radius, 40.0) == pytest.approx(np.sqrt(np.pi / 2) * 5, rel=1e-3)
    assert kron_radius(np.ones_like(light), radius, 15.0) == pytest.approx(10, rel=5e-3)
    assert np.isnan(kron_radius(0 * light, radius, 15.0))
    # negative light near the middle or far out would put the moment beyond the limit, or below 0
    assert kron_radius(np.where(radius < 10, -0.9, 1.0), radius, 14.5) == 14.5
    assert kron_radius(np.where(radius < 3, 1.0, -0.04), radius, 12.0) == 0


def test_radii_that_hold_shares_of_the_light():
    """Of a disc to its limit the square root of the share, of a Gaussian sqrt(-2 ln(1 - share))."""
    y, x = np.indices((101, 121))
    radius, shares = np.hypot(x - 60.3, y - 49.6), np.array([0.2, 0.5, 0.8])
    found = growth_radii(np.ones_like(radius), radius, 40.0, shares)
    np.testing.assert_allclose(found, 40 * np.sqrt(shares), rtol=5e-3)
    light = np.exp(-0.5 * (radius / 6) ** 2)
    found = growth_radii(light, radius, 45.0, shares)
    np.testing.assert_allclose(found, 6 * np.sqrt(-2 * np.log(1 - shares)), rtol=1e-2)
    assert np.isnan(growth_radii(-light, radius, 45.0, shares)).all()
    assert np.isnan(growth_radii(light, radius + 50, 45.0, shares)).all()
