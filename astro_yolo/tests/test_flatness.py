"""An image whose sky is not flat."""

import warnings

import numpy as np
import pytest

from astro_yolo import read_image
from astro_yolo._flatness import sky_variation, warn_of_uneven_sky
from astro_yolo.exceptions import InputWarning

SHAPE = (400, 500)
Y, X = np.indices(SHAPE)


def noise(seed=0, scatter=2.0):
    """Return a flat sky."""
    return np.random.default_rng(seed).normal(100, scatter, SHAPE)


def test_slope_in_units_of_the_noise():
    """A slope counts from the outermost blocks of 32 pixels at one end to those at the other."""
    [found] = sky_variation(read_image(noise() + 40 * X / SHAPE[1]))
    # 8 of the 28 blocks stand at either end, so the percentiles are those of the ends
    assert found == pytest.approx(40 * (500 - 32) / 500 / 2, rel=0.05)


def test_step_between_amplifiers():
    """A step is measured as high as it is, in each band by itself."""
    bands = {"g": noise(1), "r": noise(2) + 16 * (X > 250), "i": noise(3)}
    flat, step, other = sky_variation(read_image(bands))
    assert step == pytest.approx(8, rel=0.1)
    assert max(flat, other) < 0.5


def test_a_galaxy_in_the_middle_is_no_slope():
    """What fills the middle, or one corner, does not count."""
    galaxy = 500 * np.exp(-np.hypot(X - 250, Y - 200) / 25)
    corner = 500 * np.exp(-np.hypot(X, Y) / 20)
    assert sky_variation(read_image(noise() + galaxy + corner)) < 0.5


def test_missing_pixels_are_left_out():
    """Blocks without data do not count, and nothing is said where hardly any is left."""
    image = noise() + 60 * (X > 250)
    image[:, 251:] = np.nan
    assert sky_variation(read_image(image)) < 0.5
    masked = noise() + np.where(X > 250, 60, 0)
    assert sky_variation(read_image(masked, mask=X > 250)) < 0.5
    image[30:, 20:] = np.nan
    assert sky_variation(read_image(image)) == 0


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (20, 20)])
def test_tiny_images(shape):
    """Images too small for blocks have no uneven sky."""
    assert sky_variation(read_image(np.random.default_rng(0).normal(size=shape))) == 0


def test_warning():
    """It names the band and the size of the step; a flat sky and a picture pass in silence."""
    uneven = read_image({"g": noise(1), "r": noise(2) + 30 * (X > 250)})
    with pytest.warns(InputWarning, match=r"band r .* varies by 1[45]\.\d times its noise"):
        warn_of_uneven_sky(uneven)
    with pytest.warns(InputWarning, match="the sky in array is not flat"):
        warn_of_uneven_sky(read_image(uneven.data[1]))
    picture = np.repeat((X // 4)[..., None], 3, axis=2).astype(np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_uneven_sky(read_image(noise()))
        warn_of_uneven_sky(read_image(picture))
