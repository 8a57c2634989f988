"""Sky positions, sizes and orientations of boxes."""

import json

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.wcsapi import SlicedLowLevelWCS
from numpy.testing import assert_allclose

from astro_yolo._sky import (
    celestial,
    north_in_pixels,
    pixel_to_sky,
    sky_boxes,
    sky_to_pixel,
    wcs_from_text,
    wcs_to_text,
)
from astro_yolo.exceptions import WCSError

from .wcs_cases import CASES, SCALE, make_wcs

X, Y = np.array([0.0, 250.0, 799.0]), np.array([0.0, 200.0, 599.0])


def test_reference_pixel_is_the_reference_position():
    """The 0-based reference pixel lies at CRVAL, whatever the shape of the arrays."""
    ra, dec = pixel_to_sky(make_wcs(turn=30), np.full((2, 1), 250.0), np.full((2, 1), 200.0))
    assert ra.shape == (2, 1)
    assert_allclose(ra, 150)
    assert_allclose(dec, 20)


def test_positions_are_icrs_in_any_frame():
    """A galactic image gives ICRS positions: the galactic centre is at 17h45m37.2s."""
    wcs = make_wcs(frame="galactic")
    wcs.wcs.crval = 0, 0
    ra, dec = pixel_to_sky(wcs, [250.0], [200.0])
    assert_allclose(ra, 266.405, atol=1e-3)
    assert_allclose(dec, -28.936, atol=1e-3)


@pytest.mark.parametrize("case", CASES)
def test_pixels_come_back(case):
    """Pixel to sky and back is where one was."""
    wcs = make_wcs(**CASES[case])
    x, y = sky_to_pixel(wcs, *pixel_to_sky(wcs, X, Y))
    assert_allclose([x, y], [X, Y], atol=1e-5)


def test_no_positions_are_fine():
    """An empty table asks for no positions."""
    boxes = sky_boxes(make_wcs(), *np.empty((4, 0)))
    assert boxes.ra.shape == boxes.width.shape == (0,)
    assert boxes.x_axis.shape == (0, 2)


@pytest.mark.parametrize("case", ["plain", "turned", "flipped", "pole", "galactic"])
def test_extent_is_pixels_times_scale(case):
    """A box of 20 by 10 pixels measures 20 and 10 times the pixel scale."""
    boxes = sky_boxes(make_wcs(**CASES[case]), X, Y, np.full(3, 20.0), np.full(3, 10.0))
    assert_allclose(boxes.width, 20 * SCALE, rtol=1e-5)
    assert_allclose(boxes.height, 10 * SCALE, rtol=1e-5)


def test_extent_follows_each_axis():
    """Pixels twice as high as wide give twice the height."""
    boxes = sky_boxes(make_wcs(ratio=2), [250.0], [200.0], [20.0], [20.0])
    assert_allclose(boxes.height / boxes.width, 2, rtol=1e-6)


def test_extent_is_the_distance_between_the_sides():
    """Under distortion a width is the separation of the middles of both sides."""
    wcs = make_wcs(sip=5e-5)
    boxes = sky_boxes(wcs, [700.0], [500.0], [60.0], [40.0])
    left, right = wcs.pixel_to_world([670, 730], [500, 500])
    assert_allclose(boxes.width, left.separation(right).arcsec)


@pytest.mark.parametrize("case", ["plain", "turned", "flipped_turned", "pole", "sip"])
def test_north_is_where_declination_grows(case):
    """The direction and scale of north are those of a step of one arcsec to the pole."""
    wcs = make_wcs(**CASES[case])
    angle, scale, parity = north_in_pixels(wcs, X, Y)
    here = wcs.pixel_to_world(X, Y)
    there = here.directional_offset_by(0 * here.dec.unit, 0.01 * here.dec.unit / 36)
    dx, dy = np.array(wcs.world_to_pixel(there)) - [X, Y]
    turn = angle - np.degrees(np.arctan2(dy, dx))
    assert_allclose((turn + 180) % 360 - 180, 0, atol=0.01)
    assert_allclose(scale, 1 / np.hypot(dx, dy), rtol=1e-4)
    assert_allclose(parity, -1 if "flipped" in case else 1)


@pytest.mark.parametrize("case", CASES)
def test_text_keeps_the_wcs(case):
    """JSON of header keywords gives the same positions, distortion and image size."""
    wcs = make_wcs(**CASES[case])
    text = wcs_to_text(wcs)
    again = wcs_from_text(text)
    assert "\n" not in text
    assert again.pixel_shape == wcs.pixel_shape
    assert_allclose(pixel_to_sky(again, X, Y), pixel_to_sky(wcs, X, Y), atol=1e-10)
    assert WCS(fits.Header(json.loads(text))).wcs == again.wcs


def test_a_wcs_that_keywords_cannot_hold_is_not_kept():
    """Look-up tables and other objects of the WCS interface give no text."""
    assert wcs_to_text(SlicedLowLevelWCS(make_wcs(), np.s_[10:, 10:])) is None


def test_any_wcs_of_the_shared_interface_will_do():
    """A sliced WCS is not an astropy.wcs.WCS, and works."""
    sliced = SlicedLowLevelWCS(make_wcs(), np.s_[10:, 20:])
    assert_allclose(pixel_to_sky(sliced, [230.0], [190.0]), [[150], [20]])


def test_a_cube_gives_its_celestial_part():
    """The spectral axis of a cube is left aside."""
    cube = WCS(naxis=3)
    cube.wcs.ctype = "RA---TAN", "DEC--TAN", "WAVE"
    cube.wcs.crval, cube.wcs.crpix, cube.wcs.cdelt = (10, 5, 1), (1, 1, 1), (-1e-4, 1e-4, 1)
    cube.wcs.cunit = "deg", "deg", "m"
    assert_allclose(pixel_to_sky(cube, [0.0], [0.0]), [[10], [5]])


def test_a_wcs_without_sky_is_refused():
    """An image in linear coordinates has no sky positions."""
    with pytest.raises(WCSError, match="wcs must have celestial axes"):
        celestial(WCS(naxis=2))


@pytest.mark.parametrize("wrong", ["TAN", fits.Header(), SkyCoord(0, 0, unit="deg")])
def test_what_is_no_wcs_is_a_type_error(wrong):
    """The kind of the argument is named."""
    with pytest.raises(TypeError, match="wcs must be a WCS object, got"):
        celestial(wrong)
