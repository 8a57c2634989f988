"""AstroCV's conversions equal Astropy's and Pillow's, and arithmetic."""

import numpy as np
import pytest
from astropy.visualization import make_lupton_rgb
from PIL import Image, ImageEnhance

from astro_yolo.filters import FILTERS, apply_filter, scale_channels, white_of
from astro_yolo.stretch import to_rgb


@pytest.fixture
def channels():
    """i, r, g with SDSS-like noise of 0.03 nanomaggies, a red galaxy and a saturated star."""
    rng = np.random.default_rng(11)
    planes = rng.normal(0, 0.03, (3, 90, 110)).astype(np.float32)
    y, x = np.indices(planes.shape[1:])
    galaxy = np.exp(-np.hypot(x - 40, y - 45) / 6)
    planes += galaxy * np.float32([3, 2, 1])[:, None, None]
    planes[:, 10:14, 80:84] += 400
    return planes


def by_pillow(channels):
    """Return LH as AstroCV's notebook makes it."""
    picture = Image.fromarray(make_lupton_rgb(*channels))
    picture = ImageEnhance.Brightness(picture).enhance(2)
    return np.asarray(ImageEnhance.Contrast(picture).enhance(2))


def test_l_is_astropys_default(channels):
    """L equals make_lupton_rgb(i, r, g) to one grey level, also where a red star is past white."""
    channels[:, 60:63, 20:23] += np.float32([400, 200, 100])[:, None, None]
    difference = to_rgb(channels, "L").astype(int) - make_lupton_rgb(*channels)
    assert np.abs(difference).max() <= 1


def test_lh_is_pillows(channels):
    """LH equals L after ImageEnhance, brightness and contrast by two, to the grey level."""
    for factor in (0.5, 1, 2, 3):  # greys whose mean is rounded up and down
        light = factor * channels
        np.testing.assert_array_equal(to_rgb(light, "LH"), by_pillow(light))


def test_the_order_of_enhancement_hardly_matters(channels):
    """Contrast before brightness gives the same picture but for rounding and saturation."""
    picture = Image.fromarray(make_lupton_rgb(*channels))
    picture = ImageEnhance.Contrast(picture).enhance(2)
    other = np.asarray(ImageEnhance.Brightness(picture).enhance(2)).astype(int)
    assert np.abs(other - to_rgb(channels, "LH")).max() <= 4


@pytest.mark.parametrize(("name", "factor", "percentile"), [("S", 350, 0.03), ("SH", 400, 0.1)])
def test_sinh_follows_the_formula(channels, name, factor, percentile):
    """S and SH are the factor times sinh above the percentile, cut at white."""
    curve = np.sinh(np.minimum(channels, 5).astype(float))
    expected = np.clip(factor * (curve - np.percentile(curve, percentile)), 0, 255) / 255
    np.testing.assert_allclose(apply_filter(channels, name), expected, atol=1e-4)


def test_sqrt_follows_the_formula(channels):
    """Q is 500 times the root above the minimum, the blue channel 1.3 times under it."""
    light = (channels - channels.min()).astype(float)
    light = np.minimum(light, np.median(light) + 6 * light.std())
    curve = np.sqrt(light * np.array([1, 1, 1.3])[:, None, None])
    expected = np.clip(500 * (curve - np.percentile(curve, 0.01)), 0, 255) / 255
    np.testing.assert_allclose(apply_filter(channels, "Q"), expected, atol=1e-3)


# Red, green, blue of the middle and the edge of the galaxy and of an empty place, computed with
# Pillow, Astropy and the notebook's formulas in float64, without any code of the package.
GOLDEN = {
    "L": [[97, 65, 35], [32, 19, 8], [0, 0, 2]],
    "LH": [[255, 254, 134], [122, 70, 26], [0, 0, 2]],
    "S": [[255, 255, 255], [255, 164, 94], [33, 33, 47]],
    "SH": [[255, 255, 255], [255, 183, 103], [33, 34, 50]],
    "Q": [[255, 255, 255], [255, 255, 255], [123, 125, 179]],
}


@pytest.mark.parametrize("name", FILTERS)
def test_golden_pixels(channels, name):
    """Every filter gives the stored grey levels, and the same ones again."""
    rgb = to_rgb(channels, name)
    got = [rgb[y, x].tolist() for y, x in ((45, 40), (45, 50), (80, 5))]
    np.testing.assert_allclose(got, GOLDEN[name], atol=1)
    np.testing.assert_array_equal(rgb, to_rgb(channels.copy(), name))


@pytest.mark.parametrize("name", FILTERS)
def test_float_and_8_bits_agree(channels, name):
    """The float picture is the 8-bit one to half a grey level; the input stays as it was."""
    before = channels.copy()
    unit = to_rgb(channels, name, as_float=True)
    assert unit.dtype == np.float32
    assert np.abs(unit * 255 - to_rgb(channels, name)).max() <= 0.501
    np.testing.assert_array_equal(channels, before)


def test_per_channel_scaling():
    """Each channel runs from the grey picture's minimum to its own maximum."""
    planes = np.array([[[1, 3.0]], [[2, 7.0]], [[3, 2.0]]])  # grey 2 and 4
    expected = [[[0, 1]], [[0, 1]], [[1, 0]]]
    np.testing.assert_allclose(scale_channels(planes), expected)
    assert scale_channels(np.ones((3, 2, 2))).max() == 0
    rgb = to_rgb(planes, "L", per_channel=True)
    np.testing.assert_array_equal(rgb, to_rgb(np.float32(expected), "L"))


def test_unknown_filter_is_named():
    """A filter that AstroCV does not have is refused."""
    with pytest.raises(ValueError, match=r"one of L, LH, S, SH, Q, got 'X'"):
        apply_filter(np.zeros((3, 2, 2)), "X")


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("shape", [(2, 4, 4), (4, 4, 4), (3, 4)])
def test_three_channels_are_needed(name, shape):
    """Another number of channels is refused by its shape, whatever the filter."""
    with pytest.raises(ValueError, match="channels must be three planes"):
        apply_filter(np.ones(shape), name)


@pytest.mark.parametrize("name", FILTERS)
def test_what_is_not_finite_counts_as_zero(channels, name):
    """Infinity and NaN are 0, without a warning."""
    given, zeros = channels.copy(), channels.copy()
    given[:, 1, 1:4], zeros[:, 1, 1:4] = [np.nan, np.inf, -np.inf], 0
    np.testing.assert_array_equal(apply_filter(given, name), apply_filter(zeros, name))
    np.testing.assert_array_equal(scale_channels(given), scale_channels(zeros))


def test_white_is_that_of_the_known_pixels():
    """A picture of 8 bits has 255 as white, one of 16 bits 65535, whatever pixels are missing."""
    assert white_of([np.array([[np.nan, 255]]), np.array([[0, 3]])]) == 255
    assert white_of([np.array([[np.nan, 256]]), np.array([[0, 3]])]) == 65535
