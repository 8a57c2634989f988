"""Model galaxies against the analytic profiles they stand for."""

import numpy as np
import pytest
from scipy.special import gamma, gammaincinv

from astro_yolo.injection import add_stamp, moffat_kernel, sersic_stamp, spiral_stamp


def moments(stamp):
    """Return the centroid from the middle pixel and the second moments."""
    y, x = np.indices(stamp.shape) - stamp.shape[0] // 2
    total = stamp.sum()
    cx, cy = (x * stamp).sum() / total, (y * stamp).sum() / total
    xx = ((x - cx) ** 2 * stamp).sum() / total
    yy = ((y - cy) ** 2 * stamp).sum() / total
    xy = ((x - cx) * (y - cy) * stamp).sum() / total
    return cx, cy, xx, yy, xy


def test_moffat_has_its_width_and_unit_sum():
    """The kernel sums to 1 and falls to half of its peak at half of the FWHM."""
    kernel = moffat_kernel(6.0)
    middle = kernel.shape[0] // 2
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert kernel[middle, middle + 3] / kernel[middle, middle] == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize(("radius", "index"), [(3, 1), (8, 1), (4, 4)])
def test_half_of_the_light_is_inside_the_half_light_radius(radius, index):
    """Without blur a round galaxy has its flux, half of it within the half-light radius."""
    stamp = sersic_stamp(100, radius, index, 1, 0, psf=np.ones((1, 1), np.float32))
    y, x = np.indices(stamp.shape) - stamp.shape[0] // 2
    inside = stamp[np.hypot(x, y) <= radius + 0.02].sum()
    assert stamp.sum() == pytest.approx(100, rel=1e-4)
    # the stamp ends at 5 or 10 radii: a de Vaucouleurs profile has 4 % of its light beyond
    assert inside == pytest.approx(50 if index == 1 else 52, abs=2)


@pytest.mark.parametrize(("radius", "index", "ratio"), [(14, 4, 0.8), (40, 4, 1), (26, 1, 0.15)])
def test_large_galaxies_have_no_star_in_their_middle(radius, index, ratio):
    """The brightness round the centre of a large galaxy is Sersic's, averaged over pixels."""
    stamp = sersic_stamp(1, radius, index, ratio, 0, psf=np.ones((1, 1), np.float32))
    over, half = 40, 4
    fine = (np.arange((2 * half + 1) * over) + 0.5) / over - 0.5 - half
    scale = gammaincinv(2 * index, 0.5)
    light = np.exp(-scale * (np.hypot(fine, fine[:, None] / ratio) / radius) ** (1 / index))
    total = 2 * np.pi * index * radius**2 * ratio * gamma(2 * index) / scale ** (2 * index)
    expected = light.reshape(2 * half + 1, over, 2 * half + 1, over).mean(axis=(1, 3)) / total
    middle = stamp.shape[0] // 2
    found = stamp[middle - half : middle + half + 1, middle - half : middle + half + 1]
    # all of the flux is in the stamp, up to 10 % of which lies beyond it in the profile
    np.testing.assert_allclose(found, expected, rtol=0.13)


def test_angle_and_offset_are_where_they_should_be():
    """The major axis lies at theta from +x towards +y, the centre at the offset."""
    theta = np.deg2rad(30)
    stamp = sersic_stamp(1, 6, 1, 0.3, theta, psf=moffat_kernel(2.5), offset=(0.3, -0.2))
    cx, cy, xx, yy, xy = moments(stamp)
    assert (cx, cy) == (pytest.approx(0.3, abs=0.02), pytest.approx(-0.2, abs=0.02))
    assert np.arctan2(2 * xy, xx - yy) / 2 == pytest.approx(theta, abs=0.01)


def test_bands_get_their_own_flux_and_psf():
    """Several PSFs give as many planes with the fluxes asked for."""
    psf = np.stack([np.pad(moffat_kernel(2), 6)[:37, :37], moffat_kernel(3)])
    stamps = sersic_stamp([10, 30], 4, 1, 0.8, 0, psf=psf)
    np.testing.assert_allclose(stamps.sum(axis=(1, 2)), [10, 30], rtol=1e-4)
    assert moments(stamps[0])[2] < moments(stamps[1])[2]


def test_spiral_keeps_flux_and_is_symmetric_under_half_a_turn():
    """Two arms map on to each other when the picture is turned by 180 degrees."""
    stamp = spiral_stamp(50, 8, 0.8, 0.4, psf=moffat_kernel(2.5))
    assert stamp.sum() == pytest.approx(50, rel=1e-4)
    np.testing.assert_allclose(stamp, stamp[::-1, ::-1], atol=1e-3 * stamp.max())
    assert np.abs(stamp - stamp[:, ::-1]).max() > 0.02 * stamp.max()


def test_handedness_mirrors_the_arms():
    """The other sense of winding is the mirror image."""
    make = {"axis_ratio": 1.0, "theta": 0.0, "psf": moffat_kernel(2)}
    left = spiral_stamp(1, 8, handedness=1, **make)
    right = spiral_stamp(1, 8, handedness=-1, **make)
    np.testing.assert_allclose(left, right[::-1], atol=1e-3 * left.max())


@pytest.mark.parametrize(("x", "y", "total"), [(5, 5, 9), (0, 0, 4), (9, 5, 6), (-5, 3, 0)])
def test_stamps_are_clipped_at_the_edges(x, y, total):
    """Only the pixels inside the image are added, the middle pixel at (x, y)."""
    plane = np.zeros((8, 10))
    add_stamp(plane, np.ones((3, 3)), x, y)
    assert plane.sum() == total
    if 0 <= x < 10:
        assert plane[y, x] == 1
