"""Stamps of galaxies of any size."""

import cv2
import numpy as np
import pytest

from astro_yolo.network.stamps import REACH, SIZE, cut_stamps
from astro_yolo.stretch import NETWORK_SKY


def blob(shape, x, y, width):
    """Return three planes with a Gaussian on the sky level, each plane a little brighter."""
    rows, columns = np.indices(shape)
    light = np.exp(-0.5 * ((columns - x) ** 2 + (rows - y) ** 2) / width**2)
    return (NETWORK_SKY + np.stack([light, 1.1 * light, 1.2 * light])).astype(np.float32)


def box_about(x, y, side):
    """Return the square about a 0-based centre, in edge pixels."""
    return np.array([x, y, x, y]) + 0.5 + np.array([-1, -1, 1, 1]) * side / 2


@pytest.mark.parametrize("width", [4.0, 12.0, 40.0])
def test_stamps_do_not_depend_on_size(width):
    """The same galaxy four times or a third as large gives the same stamp, centred."""
    planes = blob((600, 700), 320, 280, width)
    stamp = cut_stamps(planes, [box_about(320, 280, 5 * width)])[0]
    rows, columns = np.indices((SIZE, SIZE)) - (SIZE - 1) / 2
    expected = np.exp(-0.5 * (rows**2 + columns**2) / (SIZE / (5 * REACH)) ** 2)
    # stamps are cut at whole pixels: half a pixel off along both axes, on the steepest slope
    tolerance = 0.02 + 0.5 * np.sqrt(2) * 1.2 * np.exp(-0.5) / width
    for k, bright in enumerate((1, 1.1, 1.2)):
        np.testing.assert_allclose(stamp[k] - NETWORK_SKY, bright * expected, atol=tolerance)


def test_beyond_the_image_is_sky():
    """A galaxy at the corner keeps its place; what the image does not cover is at the sky level."""
    planes = blob((100, 100), 0, 0, 8)
    stamp = cut_stamps(planes, [box_about(0, 0, 40)])[0]
    half = SIZE // 2
    np.testing.assert_array_equal(stamp[:, : half - 2], np.float32(NETWORK_SKY))
    np.testing.assert_array_equal(stamp[:, :, : half - 2], np.float32(NETWORK_SKY))
    assert stamp[0, half + 1, half + 1] > NETWORK_SKY + 0.8


@pytest.mark.parametrize(
    ("corner", "box", "size", "before"),
    [
        *((corner, *box) for box in (((10, 4), 14, (2, 5)), ((4, 10), 14, (5, 2)))
          for corner in ((20, 10), (-4, 10), (20, -3), (-3, -1), (43, 9), (8, 27), (45, 25))),
        ((20, 10), (1, 1), 3, (1, 1)),
    ],
)
def test_stamps_of_their_own_size_are_the_pixels(corner, box, size, before):
    """A stamp as large as its piece of sky is that piece, 1.4 times the longer side, 3 at least."""
    planes = np.random.default_rng(1).random((3, 30, 50)).astype(np.float32)
    padded = np.pad(planes, ((0, 0), (20, 20), (20, 20)), constant_values=NETWORK_SKY)
    (x, y), (width, height) = corner, box
    stamp = cut_stamps(planes, np.array([[x, y, x + width, y + height]], float), size)[0]
    x, y = x - before[0] + 20, y - before[1] + 20
    np.testing.assert_array_equal(stamp, padded[:, y : y + size, x : x + size])


@pytest.mark.parametrize("size", [48, 100])
def test_stamps_have_the_size_that_is_asked_for(size):
    """More or fewer pixels across show the same piece of sky."""
    planes = blob((300, 300), 150, 140, 15)
    found = cut_stamps(planes, [box_about(150, 140, 80)], size)[0, 0]
    assert found.shape == (size, size)
    usual = cut_stamps(planes, [box_about(150, 140, 80)])[0, 0]
    expected = cv2.resize(usual, (size, size), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_no_boxes_no_stamps():
    """Without boxes the array is empty and of the right shape."""
    planes = blob((50, 50), 20, 20, 3)
    assert cut_stamps(planes, np.empty((0, 4))).shape == (0, 3, SIZE, SIZE)
