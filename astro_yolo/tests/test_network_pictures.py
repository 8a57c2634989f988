"""Bands become the picture that a network was trained on."""

import numpy as np
import pytest

from astro_yolo.network.pictures import to_picture
from astro_yolo.stretch import to_rgb


@pytest.fixture
def bands():
    """g, r, i of noise with a source, nanomaggies."""
    rng = np.random.default_rng(3)
    planes = rng.normal(0, 0.05, (3, 40, 60)).astype(np.float32)
    planes[:, 10:20, 30:45] += 2
    return planes


@pytest.mark.parametrize("stretch", ["L", "LH", "S", "Q", "asinh"])
def test_same_as_the_training_pictures(bands, stretch):
    """Whole grey levels of to_rgb of i, r, g."""
    got = to_picture(bands, None, stretch=stretch)
    assert got.dtype == np.float32
    expected = np.moveaxis(to_rgb(bands[::-1], stretch), -1, 0)
    np.testing.assert_array_equal(got, expected.astype(np.float32) / np.float32(255))


def test_finished_pictures_stay(bands):
    """Planes of an 8-bit picture (blue first) and of a 16-bit one come out as they are."""
    picture = np.random.default_rng(4).integers(0, 256, (3, 8, 9)).astype(np.float32)
    picture[0, 0, 0] = 255
    got = to_picture(picture, None, stretch="L", finished=True)
    np.testing.assert_allclose(got, picture[::-1] / 255, atol=1e-6)
    got = to_picture(picture * 257, None, stretch="L", finished=True)
    np.testing.assert_allclose(got, picture[::-1] / 255, atol=1e-6)


def test_masked_and_missing_pixels_are_dark(bands):
    """A masked source and a NaN leave no light."""
    mask = np.zeros((40, 60), bool)
    mask[5:25, 25:50] = True
    bands[:, 0, 0] = np.nan
    got = to_picture(bands, mask, stretch="L")
    assert (got[:, mask] == 0).all()
    assert (got[:, 0, 0] == 0).all()


def test_zoom(bands):
    """Half the pixels each way; an odd side is rounded."""
    assert to_picture(bands[:, :39], None, stretch="L", zoom=0.5).shape == (3, 20, 30)
