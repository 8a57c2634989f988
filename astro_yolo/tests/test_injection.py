"""Model galaxies against the analytic profiles they stand for."""

import numpy as np
import pytest
from astropy import units as u
from astropy.nddata import CCDData
from scipy.special import gamma, gammaincinv

from astro_yolo.injection import (
    add_stamp,
    kernel_fwhm,
    moffat_kernel,
    sersic_stamp,
    spiral_stamp,
)

PSF = moffat_kernel(2.5)
GALAXY = {"flux": 10, "half_light_radius": 4, "axis_ratio": 0.5, "theta": 0.3, "psf": PSF}


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


@pytest.mark.parametrize(("angle", "x", "y"), [(0, 8, 2), (90, 2, 8), (180, 8, 2)])
def test_a_stretched_moffat(angle, x, y):
    """Twice as long along the angle it is half as wide across: 8 pixels become 16 and 4."""
    kernel = moffat_kernel(8.0, stretch=1, angle=angle * u.deg)
    middle = kernel.shape[0] // 2
    assert kernel[middle, middle + x] / kernel.max() == pytest.approx(0.5, abs=1e-5)
    assert kernel[middle + y, middle] / kernel.max() == pytest.approx(0.5, abs=1e-5)


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


@pytest.mark.parametrize("kind", [">f4", ">f8", "f8", "f2", list])
def test_numbers_of_a_psf_may_be_of_any_type(kind):
    """A PSF in the byte order of FITS, in another type or as a list is the same PSF."""
    given = PSF.tolist() if kind is list else PSF.astype(kind)
    stamp = sersic_stamp(**GALAXY | {"psf": given}, index=1)
    np.testing.assert_allclose(stamp, sersic_stamp(**GALAXY, index=1), rtol=5e-3, atol=1e-5)
    assert kernel_fwhm(given) == pytest.approx(2.5, abs=0.05)


def test_a_point_looks_like_the_psf():
    """A galaxy much smaller than a pixel has the shape of the PSF, not its mirror image."""
    psf = np.array([[0, 1, 0, 0, 2], [0, 5, 9, 3, 0], [0, 8, 20, 7, 1], [4, 6, 5, 0, 0], [0] * 5])
    stamp = sersic_stamp(3.0, 0.05, 1, 1, 0, psf=psf)
    np.testing.assert_allclose(stamp, np.pad(3.0 * psf / psf.sum(), 1), atol=1e-6)


def test_arms_turn_with_the_handedness():
    """For 1 the arms of a logarithmic spiral turn counter-clockwise on the way outwards."""
    stamp = spiral_stamp(1, 8, 1, 0, psf=np.ones((1, 1)), pitch=0.35, bulge=0, handedness=1)
    y, x = np.indices(stamp.shape) - stamp.shape[0] // 2
    turn, radius = np.exp(2j * np.arctan2(y, x)), np.hypot(x, y)
    inner, outer = ((stamp * turn)[np.abs(radius - r) < 0.7].sum() for r in (8, 10))
    expected = np.log((10 / 8 + 0.05) / (8 / 8 + 0.05)) / np.tan(0.35)
    assert np.angle(outer / inner) / 2 == pytest.approx(expected, abs=0.08)


@pytest.mark.parametrize(
    ("given", "error", "rule"),
    [
        ({"flux": 10 * u.nJy}, TypeError, r"flux must be finite in the units of .*10\.? nJy"),
        ({"flux": np.nan}, ValueError, "flux must be finite .* got nan"),
        ({"flux": [1, 2]}, ValueError, r"flux must be one number with a psf of shape \(31, 31"),
        ({"psf": [PSF] * 2}, ValueError, "flux must be one number for each .* got 10"),
        ({"half_light_radius": 4 * u.arcsec}, TypeError, "half_light_radius .* got .* arcsec"),
        ({"half_light_radius": 0}, ValueError, "half_light_radius must be more than 0 pixels"),
        ({"half_light_radius": np.inf}, ValueError, "half_light_radius must be .* got inf"),
        ({"half_light_radius": 1e-4}, ValueError, "half_light_radius and psf must leave light"),
        ({"index": 0}, ValueError, "index must be 0.1 to 20, got 0"),
        ({"index": -1}, ValueError, "index must be 0.1 to 20, got -1"),
        ({"axis_ratio": 0}, ValueError, "axis_ratio must be above 0 and up to 1, got 0"),
        ({"axis_ratio": 2}, ValueError, "axis_ratio must be above 0 and up to 1, got 2"),
        ({"theta": np.nan}, ValueError, "theta must be the finite angle of an axis, got nan"),
        ({"psf": PSF[1:, 1:]}, ValueError, r"psf must be .* k odd, got shape \(30, 30\)"),
        ({"psf": PSF[4:-4]}, ValueError, r"psf must be .* k odd, got shape \(23, 31\)"),
        ({"psf": [PSF, PSF[2:-2, 2:-2]]}, ValueError, "psf must be an array of numbers of one"),
        ({"psf": 2.5}, ValueError, r"psf must have two dimensions or more, got shape \(\)"),
        ({"psf": PSF * np.nan}, ValueError, "psf must be finite, got 961 pixels"),
        ({"offset": (120.3, 80.8)}, ValueError, "offset must be within 20 pixels of the middle"),
        ({"offset": 0.3}, ValueError, "offset must be x and y, got 0.3"),
    ],
)
def test_what_is_no_galaxy_is_refused(given, error, rule):
    """No NaN and no silently odd galaxy: the argument, its rule and what was got are named."""
    with pytest.raises(error, match=rule):
        sersic_stamp(**GALAXY | {"index": 1} | given)


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"arms": 2.5}, "arms must be a whole number, 0 or more, got 2.5"),
        ({"pitch": 0}, "pitch must be an angle of 0 to pi / 2"),
        ({"bulge": 2}, "bulge must be 0 to 1, got 2"),
        ({"handedness": 0}, "handedness must be 1 or -1, got 0"),
    ],
)
def test_what_is_no_spiral_is_refused(given, rule):
    """An argument outside of its range is named."""
    with pytest.raises(ValueError, match=rule):
        spiral_stamp(**GALAXY | given)


@pytest.mark.parametrize(
    ("given", "error", "rule"),
    [
        ({"fwhm": 0}, ValueError, "fwhm must be more than 0 pixels, got 0"),
        ({"fwhm": 1.3 * u.arcsec}, TypeError, "fwhm must be more than 0 pixels, .* arcsec"),
        ({"half": 2.5}, ValueError, "half must be a whole number of pixels, 0 or more, got 2.5"),
        ({"beta": 0}, ValueError, "beta must be above 0, got 0"),
        ({"stretch": -2}, ValueError, "stretch must be above -1, got -2"),
    ],
)
def test_what_is_no_psf_is_refused(given, error, rule):
    """An even-sized kernel, one without width and one in arcsec are none."""
    with pytest.raises(error, match=rule):
        moffat_kernel(**{"fwhm": 3} | given)


def test_angles_may_have_a_unit():
    """An angle in degrees is the same in radians, and gives a plain array."""
    kernel = moffat_kernel(3, stretch=0.3, angle=30 * u.deg)
    assert type(kernel) is np.ndarray
    np.testing.assert_array_equal(kernel, moffat_kernel(3, stretch=0.3, angle=np.radians(30)))


def test_several_bands_at_once():
    """Each band of an image gets its band of the stamp, cut at the edges as one alone."""
    planes = np.zeros((2, 8, 10), dtype=">f4")
    add_stamp(planes, np.ones((2, 3, 3)) * [[[1]], [[5]]], np.round(4.2), 7)
    np.testing.assert_array_equal(planes.sum(axis=(1, 2)), [6, 30])
    np.testing.assert_array_equal(planes[1, 6:, 3:6], np.full((2, 3), 5))


@pytest.mark.parametrize(
    ("plane", "place", "error", "rule"),
    [
        (np.zeros((8, 10)), (4.2, 3), ValueError, "x must be a whole pixel .* got 4.2"),
        (np.zeros((8, 10)), (4, np.nan), ValueError, "y must be a whole pixel .* got nan"),
        (np.zeros((8, 10), "u2"), (4, 3), TypeError, "plane must hold floats .* got uint16"),
        (CCDData(np.zeros((8, 10)), unit="adu"), (4, 3), TypeError, "plane must .* got CCDData"),
        (np.zeros((8, 10)) * u.nJy, (4, 3), TypeError, "both have a unit or .* nJy and None"),
        (np.zeros((3, 8, 10)), (4, 3), ValueError, r"of plane \(3, 8, 10\), got shape \(3, 3\)"),
    ],
)
def test_images_that_cannot_hold_a_stamp(plane, place, error, rule):
    """Nothing is added, least of all silently nothing, and the reason is named."""
    with pytest.raises(error, match=rule):
        add_stamp(plane, np.full((3, 3), 0.5), *place)
    assert not np.any(np.asarray(plane))
