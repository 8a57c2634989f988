"""Pixels and light of neighbours in a stamp, against loops over all of them."""

import numpy as np

from astro_yolo.network._neighbours import HALF, RADIUS, X, Y, light_of_neighbours, own_pixels

MIDDLE = np.array([[100.0, 50.0]])
AROUND = np.add(MIDDLE, [[7, 0], [0, 9], [-11, 3], [-4, -8], [13, 13], [6, -19]])


def test_own_pixels_are_nearer_to_no_other_source():
    """Within the radius of a stamp, of six sources about it; itself, a pixel off, is no other."""
    nearest = np.min([np.hypot(X - dx, Y - dy) for dx, dy in AROUND - MIDDLE], axis=0)
    near = RADIUS <= HALF
    for sources in (AROUND, np.concatenate([AROUND[::-1], MIDDLE + 0.9])):
        own = own_pixels(MIDDLE, sources)
        assert own.shape == (1, 21, 21)
        np.testing.assert_array_equal(own[0][near], (nearest >= RADIUS)[near])


def test_each_stamp_has_its_own_neighbours():
    """A source 19 pixels to the right takes the last column, one far away or none takes nothing."""
    places = np.array([[100.0, 50.0], [500.0, 50.0], [119.0, 50.0]])
    own = own_pixels(places, places)
    assert own[0].sum(axis=0).tolist() == [21] * 20 + [0]
    assert own[1].all()
    assert own[2].sum(axis=0).tolist() == [0] + [21] * 20
    assert own_pixels(places, np.empty((0, 2))).all()
    assert own_pixels(places[:0], places).shape == (0, 21, 21)


def test_light_is_that_of_all_neighbours_as_stars():
    """Kernels at whole pixels, each with its source's flux, add up; half-way they are mixed."""
    rng = np.random.default_rng(5)
    kernels, flux = rng.random((2, 21, 21)), rng.uniform(10, 20, (6, 2))
    light = light_of_neighbours(MIDDLE, AROUND, flux, kernels, 9.0)
    expected = np.zeros((2, 41, 41))
    padded = np.pad(kernels, ((0, 0), (10, 10), (10, 10)))
    for (dx, dy), star in zip((AROUND - MIDDLE).astype(int), flux, strict=True):
        expected += star[:, None, None] * np.roll(padded, (dy, dx), axis=(1, 2))
    expected = np.where(RADIUS < 9, expected[:, 10:31, 10:31], 0)
    np.testing.assert_allclose(light[0], expected, rtol=1e-5, atol=1e-4)
    half = light_of_neighbours(MIDDLE, np.add(MIDDLE, [2.5, 0]), flux[:1], kernels, 9.0)
    whole = [light_of_neighbours(MIDDLE, np.add(MIDDLE, [dx, 0]), flux[:1], kernels, 9.0)
             for dx in (2, 3)]  # fmt: skip
    np.testing.assert_allclose(half, (whole[0] + whole[1]) / 2, rtol=1e-5, atol=1e-4)
