"""Whether something in an image is as large as it."""

import numpy as np
import pytest

from astro_yolo._giants import has_giants
from astro_yolo.image import read_image


def sky_with(width, peak, shape=(900, 1100), count=1, seed=0):
    """Return unit noise about 50 with Gaussians of a width (sigma) and peak."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape, dtype=np.float32)
    image = rng.normal(50, 1, shape).astype(np.float32)
    for row, column in rng.uniform(100, 800, (count, 2)):
        image += peak * np.exp(-((x - column) ** 2 + (y - row) ** 2) / 2 / width**2)
    return image


def test_a_galaxy_that_fills_the_image():
    """Bright for 2 x 80 x sqrt(2 ln 20) = 390 pixels is large, for 100 is not."""
    assert has_giants(read_image(sky_with(80, 30)))
    assert not has_giants(read_image(sky_with(20, 30)))


def test_as_the_network_sees_it():
    """What is 390 pixels long is large enlarged by 1.5, not at half the size."""
    image = read_image(sky_with(80, 30))
    assert has_giants(image, 1.5)
    assert not has_giants(image, 0.5)


def test_many_small_sources_are_none():
    """Stars, noise and a constant are no giants; nor is one in a small image or a strip."""
    for pixels in (
        sky_with(3, 500, count=40), sky_with(1, 0), np.zeros((600, 700), np.float32),
        sky_with(80, 30)[:200, :200], sky_with(80, 30)[500:504],
    ):  # fmt: skip
        assert not has_giants(read_image(pixels))


@pytest.mark.parametrize("bands", [1, 3])
def test_pixels_without_data(bands):
    """A galaxy is seen beside a part without data, and that part is none."""
    image = sky_with(80, 30)
    image[:, :150] = np.nan
    assert has_giants(read_image([image] * bands))
    image = sky_with(1, 0)
    image[200:800, 300:900] = np.nan
    assert not has_giants(read_image([image] * bands))
