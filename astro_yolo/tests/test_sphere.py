"""Angles on the sphere, held against Astropy's, at poles and right ascension 0 too."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from astro_yolo import _sphere as sphere

PLACES = SkyCoord([0, 359.9999, 10, 200, 77], [0, 20, -89.99, 90, 45], unit="deg")
BESIDE = SkyCoord([359.99, 0.0001, 190, 20, 77], [0, 20, -89.99, 89.9, 45], unit="deg")


def vectors_of(places):
    """Return unit vectors of a SkyCoord."""
    return sphere.unit_vectors(places.ra.rad, places.dec.rad)


def test_vectors_are_astropys_and_come_back():
    """Unit vectors are Astropy's Cartesian ones; of any length, they give their angles again."""
    vectors = vectors_of(PLACES)
    np.testing.assert_allclose(vectors, PLACES.cartesian.xyz.value.T, atol=1e-15)
    longitude, latitude = sphere.angles(3 * vectors)
    np.testing.assert_allclose(latitude, PLACES.dec.rad, atol=1e-15)
    np.testing.assert_allclose(longitude, PLACES.ra.rad, atol=1e-12)


def test_separation_and_position_angle():
    """Both are Astropy's, from nothing to the opposite side."""
    first, second = vectors_of(PLACES), vectors_of(BESIDE)
    expected = PLACES.separation(BESIDE).rad
    np.testing.assert_allclose(sphere.separation(first, second), expected, rtol=1e-9)
    assert sphere.separation(first, -first) == pytest.approx(np.pi)
    near = np.array([0, 1])
    angle = PLACES[near].position_angle(BESIDE[near]).rad
    np.testing.assert_allclose(sphere.position_angle(first, second)[near], angle, atol=1e-6)


def test_offsets_lead_back():
    """Offsets are Astropy's for small angles, and moving by them gives the other place."""
    start = SkyCoord([0.0, 150, 300], [0.0, 60, -89], unit="deg")
    east, north = [3, -5, 2] * u.arcsec, [4, 1, -7] * u.arcsec
    moved = vectors_of(start.spherical_offsets_by(east, north))
    found = sphere.offsets(vectors_of(start), moved)
    np.testing.assert_allclose(found, [east.to_value("rad"), north.to_value("rad")], rtol=1e-4)
    again = sphere.displaced(vectors_of(start), *found)
    assert sphere.separation(again, moved).max() < 1e-13
    assert np.ravel(sphere.offsets(moved, moved)).tolist() == [0] * 6


@pytest.mark.parametrize("pole", [[0.0, 0.0, 1.0], [-0.0, -0.0, 1.0], [-0.0, 0.0, -1.0]])
def test_axes_at_a_pole_are_those_of_right_ascension_0(pole):
    """East is +y there whatever the sign of a zero, and north is away from right ascension 0."""
    east, north = sphere.tangent_axes(np.array([pole]))
    assert east[0].tolist() == [0, 1, 0]
    assert north[0].tolist() == [-pole[2], 0, 0]


def test_pairs_at_the_radius_count():
    """A pair that is exactly as far apart as the radius is one; a hair closer it is none."""
    rng = np.random.default_rng(4)
    places = SkyCoord(rng.uniform(0, 360, 200), rng.uniform(-90, 90, 200), unit="deg")
    first = vectors_of(places)
    second = vectors_of(places.directional_offset_by(rng.uniform(0, 360, 200) * u.deg,
                                                     rng.uniform(0.1, 60, 200) * u.arcsec))
    apart, order = sphere.separation(first, second), rng.permutation(200)
    second, partner = second[order], np.argsort(order)
    found = sphere.all_pairs(first, second, apart)
    np.testing.assert_array_equal(found, np.stack([np.arange(200), partner], axis=1))
    assert len(sphere.all_pairs(first, second, apart * (1 - 1e-9))) == 0
    index, angle = sphere.nearest(first, second)
    np.testing.assert_array_equal(index, partner)
    np.testing.assert_array_equal(angle, apart)


def test_a_radius_may_be_all_the_sky():
    """Beyond half a turn a radius holds everything, and pairs come in the order of the first."""
    first = vectors_of(PLACES)
    found = sphere.all_pairs(first, first, np.full(5, 4.0))
    assert found.tolist() == [[i, j] for i in range(5) for j in range(5)]


@pytest.mark.parametrize(("number", "others"), [(0, 5), (5, 0), (0, 0)])
def test_nothing_is_in_no_pair(number, others):
    """Without places on either side there are no pairs, of the same form as any."""
    row = vectors_of(PLACES)
    found = sphere.all_pairs(row[:number], row[:others], np.ones(number))
    assert (found.shape, found.dtype) == ((0, 2), int)


@pytest.mark.parametrize(("number", "counted"), [(4, 3), (10, 9), (40, 20)])
def test_density_is_that_of_the_nearest_twenty(number, counted):
    """Of sources a degree apart in a row, k in the cap that reaches to the next one, k at most 20.

    The cap of angular radius r has 2 pi (1 - cos r) steradians.
    """
    row = vectors_of(SkyCoord(np.arange(number), 0 * np.arange(number), unit="deg"))
    expected = counted / (2 * np.pi * (1 - np.cos(np.radians(counted))))
    np.testing.assert_allclose(sphere.density(row[:1], row), expected)


def test_density_of_next_to_nothing_is_not_known():
    """Three sources are too few for a density; about no place there is none."""
    row = vectors_of(PLACES)
    assert np.isnan(sphere.density(row, row[:3])).all()
    assert sphere.density(row[:0], row).shape == (0,)
