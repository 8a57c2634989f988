"""Coarsely sampled images: how wide their stars are, and what an enlarged image holds."""

import numpy as np
import pytest
from astropy.wcs import WCS

from astro_yolo._sampling import Enlarged, enlargement, point_source_width
from astro_yolo.image import read_image

NOISE = 0.02


def sky_of_stars(fwhm, shape=(300, 340), count=40, seed=3):
    """Gaussian stars of one width, integrated over pixels well enough, in white noise."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    image = rng.normal(0, NOISE, shape)
    sigma = fwhm / 2.3548
    for row, column in rng.uniform(12, np.array(shape) - 12, (count, 2)):
        image += rng.uniform(1, 20) * np.exp(-((x - column) ** 2 + (y - row) ** 2) / 2 / sigma**2)
    return image.astype(np.float32)


@pytest.mark.parametrize("fwhm", [1.6, 2.4, 3.9, 6.0])
def test_width_of_point_sources(fwhm):
    """The measured width is the full width at half maximum of the stars, to a tenth."""
    image = read_image(sky_of_stars(fwhm))
    assert point_source_width(image) == pytest.approx(fwhm, rel=0.1)


def test_galaxies_do_not_widen_the_stars():
    """Where half of the sources are twice as wide, the width is that of the others."""
    image = sky_of_stars(2.5, count=30) + sky_of_stars(5.0, count=30, seed=8)
    assert point_source_width(read_image(image)) == pytest.approx(2.5, rel=0.15)


def test_noise_and_cosmic_rays_are_no_point_sources():
    """Noise, single bright pixels and too few stars have no say: the image stays as it is."""
    noise = np.random.default_rng(0).normal(0, 1, (300, 300)).astype(np.float32)
    rays = noise.copy()
    rays[::30, ::30] += 500
    few = sky_of_stars(2.0, count=5)
    for pixels in (noise, rays, few, np.zeros((200, 200), np.float32)):
        assert point_source_width(read_image(pixels)) is None
        assert enlargement(read_image(pixels)) == 1


def test_enlarged_until_stars_are_as_wide_as_wanted():
    """Stars of 2.6 pixels become 3.9 wide, those of 1 are enlarged by 2.5, wide ones not."""
    assert enlargement(read_image(sky_of_stars(2.6))) == pytest.approx(1.5, rel=0.1)
    assert enlargement(read_image(sky_of_stars(1.3))) == 2.5
    assert enlargement(read_image(sky_of_stars(3.8))) == 1


def test_sdss_pixels_are_never_enlarged():
    """At 0.396 arcsec a pixel the network knows every seeing."""
    pixels, wcs = sky_of_stars(2.0), WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.cdelt = -0.396 / 3600, 0.396 / 3600
    assert enlargement(read_image((pixels, wcs))) == 1
    wcs.wcs.cdelt = -0.6 / 3600, 0.6 / 3600
    assert enlargement(read_image((pixels, wcs))) > 1.7


def test_enlarged_keeps_edge_coordinates():
    """Edge coordinates grow by the factor: a ramp keeps its values, to the cubic's 0.06."""
    y, x = np.indices((40, 50), dtype=np.float32)
    mask = np.zeros((40, 50), bool)
    mask[10, 20] = True
    big = Enlarged(read_image(np.stack([x, y]), mask=mask), 1.7)
    assert big.shape == (68, 85)
    data, bad = big.window(0, 68, 0, 85)
    at_x, at_y = ((np.arange(6, end) + 0.5) / 1.7 - 0.5 for end in (75, 60))
    np.testing.assert_allclose(data[0, 30, 6:75], at_x, atol=0.06)
    np.testing.assert_allclose(data[1, 6:60, 30], at_y, atol=0.06)
    part, bad_part = big.window(12, 40, 20, 60)
    np.testing.assert_allclose(part, data[:, 12:40, 20:60], atol=0.06)
    np.testing.assert_array_equal(bad_part, bad[12:40, 20:60])
    rows, columns = np.nonzero(bad)
    assert {*((rows + 0.5) / 1.7).astype(int)} == {10}
    assert {*((columns + 0.5) / 1.7).astype(int)} == {20}
    assert big.saturated_window(0, 68, 0, 85) is None
