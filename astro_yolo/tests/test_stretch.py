"""Stretches against arithmetic, Astropy and Pillow."""

import numpy as np
import pytest
from astropy.visualization import make_lupton_rgb

from astro_yolo.stretch import (
    STRETCHES,
    background_noise,
    from_network,
    levels_of,
    to_channels,
    to_network,
    to_rgb,
)


@pytest.fixture
def sky():
    """Three planes of noise of sigma 2 about 10, with one bright square."""
    rng = np.random.default_rng(7)
    planes = [rng.normal(10, 2, (120, 150)).astype(np.float32) for _ in range(3)]
    for k, plane in enumerate(planes):
        plane[40:60, 70:90] += 1000 * (k + 1)
    return planes


def test_channels_go_from_long_to_short_wavelength():
    """One band fills all three, two leave their mean in the middle, six are averaged in pairs."""
    planes = [np.full((2, 2), float(k)) for k in range(6)]
    values = [[float(c[0, 0]) for c in to_channels(planes[:n])] for n in (1, 2, 3, 6)]
    assert values == [[0, 0, 0], [1, 0.5, 0], [2, 1, 0], [4.5, 2.5, 0.5]]


@pytest.mark.parametrize(("kind", "value"), [("u1", 200), ("i2", 30_000), ("u2", 60_000)])
def test_means_of_whole_numbers(kind, value):
    """The mean of equal bands is their value, also where two of them are too large for the type."""
    for number in (2, 4, 5, 6):
        channels = to_channels([np.full((2, 2), value, kind)] * number)
        assert [channel.tolist() for channel in channels] == [[[value] * 2] * 2] * 3


def test_channels_need_a_band():
    """No band is an error that says so."""
    with pytest.raises(ValueError, match="at least one plane, got none"):
        to_channels([])


def test_background_and_noise_are_those_of_the_sky(sky):
    """A bright source changes neither the level nor the noise by more than a few percent."""
    background, noise = background_noise(sky[2])
    assert background == pytest.approx(10, abs=0.1)
    assert noise == pytest.approx(2, rel=0.05)


def test_background_leaves_out_masked_and_broken_pixels(sky):
    """Masked pixels and NaN do not count."""
    plane = sky[0].copy()
    plane[:60] = np.nan
    mask = np.zeros(plane.shape, bool)
    plane[60:90], mask[60:90] = 500, True
    assert background_noise(plane, mask)[0] == pytest.approx(10, abs=0.2)
    assert background_noise(np.full((5, 5), np.nan)) == (0.0, 1.0)


def test_noise_of_a_flat_picture_is_one_grey_level():
    """Where most pixels are equal the noise is the step between grey levels, never zero."""
    plane = np.zeros((50, 50), np.float32)
    plane[10, 10:14] = [1, 2, 3, 200]
    assert background_noise(plane) == (0.0, 1.0)
    assert background_noise(257 * plane) == (0.0, 257.0)


def test_noise_above_a_black_sky():
    """With a sixth of the pixels 9 levels above a black median the noise is 3, between 1 and 9."""
    sky = np.random.default_rng(0).normal(0, 9, (200, 200))
    plane = np.round(np.clip(sky, 0, None)).astype(np.float32)
    assert background_noise(plane) == (0.0, pytest.approx(3, abs=0.1))


def test_network_units_follow_the_formula():
    """The sky becomes 1/8, and d becomes 1/8 + arcsinh((d - b) / 2n) / 12."""
    plane = np.array([[5.0, 7.0, 5 + 2 * 3 * np.sinh(6)]], np.float32)
    got = to_network([plane], levels=[(5.0, 3.0)] * 3)
    expected = [0.125, 0.125 + np.arcsinh(1 / 3) / 12, 0.625]
    np.testing.assert_allclose(got[:, 0], [expected] * 3, rtol=1e-6)


def test_network_input_does_not_depend_on_unit_or_pedestal(sky):
    """A thousand times the data plus a pedestal gives the same input."""
    once = to_network(sky)
    again = to_network([1000 * plane + 5e4 for plane in sky])
    np.testing.assert_allclose(once, again, atol=2e-3)


def test_bad_pixels_become_sky_and_stay_alone(sky):
    """NaN, infinity and masked pixels get the value of the sky; no other pixel changes."""
    levels = levels_of(to_channels(sky))
    clean = to_network(sky, levels=levels)
    planes = [plane.copy() for plane in sky]
    mask = np.zeros(planes[0].shape, bool)
    mask[3, 4] = True
    planes[1][10:13, 20] = np.nan, np.inf, -np.inf
    got = to_network(planes, mask, levels=levels)
    assert got[:, 3, 4].tolist() == [0.125] * 3
    assert got[1, 10:13, 20].tolist() == [0.125] * 3
    changed = np.argwhere(got != clean)
    assert {tuple(p[1:]) for p in changed} <= {(3, 4), (10, 20), (11, 20), (12, 20)}


def test_network_input_fills_a_larger_buffer(sky):
    """A buffer with room for padding is filled in its first rows and columns only."""
    out = np.full((3, 128, 160), 9, np.float32)
    got = to_network(sky, out=out)
    assert got is out
    np.testing.assert_array_equal(out[:, :120, :150], to_network(sky))
    assert (out[:, 120:] == 9).all()
    assert (out[:, :, 150:] == 9).all()


def test_big_endian_data_is_read(sky):
    """FITS byte order gives the same numbers."""
    np.testing.assert_array_equal(to_network([p.astype(">f4") for p in sky]), to_network(sky))


@pytest.mark.parametrize("stretch", STRETCHES)
def test_every_stretch_is_an_8_bit_picture_of_the_same_shape(sky, stretch):
    """Every stretch keeps the row order, takes NaN, and shows the source brighter than the sky."""
    planes = [(plane - 10) / 100 for plane in sky]
    planes[0][0, 0] = np.nan
    rgb = to_rgb(planes, stretch)
    assert rgb.shape == (120, 150, 3)
    assert rgb.dtype == np.uint8
    assert rgb[50, 80].mean() > np.median(rgb.mean(axis=-1))


@pytest.mark.parametrize("stretch", ["asinh", "log", "linear", "zscale", "sqrt", "sinh"])
@pytest.mark.parametrize("blank", ["nan", "mask"])
def test_pixels_without_data_do_not_count(sky, stretch, blank):
    """A field in a frame of NaN, or of masked zeros, four times its size looks as it does alone."""
    alone = to_rgb(sky, stretch).astype(int)
    framed = np.full((3, 300, 300), np.nan if blank == "nan" else 0, np.float32)
    framed[:, 90:210, 75:225] = sky
    mask = framed[0] == 0 if blank == "mask" else None
    shown = to_rgb(framed, stretch, mask=mask).astype(int)[90:210, 75:225]
    assert abs(shown - alone).mean() < 4
    assert abs(np.median(shown) - np.median(alone)) < 4


def test_a_picture_of_no_data_is_black():
    """Planes of NaN alone are shown without complaint."""
    for stretch in ("asinh", "zscale", "sqrt"):
        assert to_rgb(np.full((3, 20, 30), np.nan), stretch).max() <= 30


@pytest.mark.parametrize("stretch", STRETCHES)
def test_infinite_pixels_are_shown_as_zero(sky, stretch):
    """Infinity of either sign is shown as NaN is, which is as 0, and without a warning."""
    pictures = []
    for value in (np.nan, np.inf, -np.inf):
        planes = np.stack(sky)
        planes[:, 5, 7] = value
        pictures.append(to_rgb(planes, stretch))
    np.testing.assert_array_equal(pictures[1], pictures[0])
    np.testing.assert_array_equal(pictures[2], pictures[0])


def test_lupton_is_astropys(sky):
    """``lupton`` equals make_lupton_rgb of the same channels to one grey level."""
    planes = [(plane - 10) / 100 for plane in sky]
    expected = make_lupton_rgb(*planes, stretch=0.5, Q=8)
    difference = np.abs(to_rgb(planes, "lupton").astype(int) - expected)
    assert difference.max() <= 1


def test_unknown_stretch_is_named():
    """An unknown stretch is an error that lists the known ones."""
    with pytest.raises(ValueError, match=r"stretch must be one of lupton, .* got 'sqr'"):
        to_rgb([np.zeros((2, 2))] * 3, "sqr")
    with pytest.raises(ValueError, match="three planes, got 2"):
        to_rgb([np.zeros((2, 2))] * 2)


def test_the_scale_is_the_arcsinh_at_every_brightness():
    """From a millionth of the noise to a billion times it, of both signs, to 1e-6."""
    sky = np.concatenate([[0], np.geomspace(1e-6, 1e9, 200)])
    plane = np.stack([sky, -sky])
    got = to_network([plane], levels=[(0.0, 0.5)] * 3)[0]
    np.testing.assert_allclose(got, np.maximum(0.125 + np.arcsinh(plane) / 12, 0), atol=1e-6)
    assert got.min() >= 0


def test_network_values_come_back(sky):
    """Undone, values of the network are pixels over the background in units of the noise."""
    levels = [(10.0, 2.0)] * 3
    found = from_network(to_network(sky, levels=levels))
    wanted = np.maximum((np.stack(sky[::-1]) - 10) / 2, 2 * np.sinh(-1.5))  # the network's 0
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-3)


def test_levels_that_are_given():
    """Levels measured elsewhere count: ``linear`` runs from -2 to 30 times their noise."""
    planes = np.stack([np.full((4, 5), value, np.float32) for value in (10, 26, 200)])
    unit = to_rgb(planes, "linear", levels=[(10.0, 2.0)] * 3, as_float=True)
    assert unit.dtype == np.float32
    np.testing.assert_allclose(unit[2, 3], [2 / 32, 10 / 32, 1], rtol=1e-6)
