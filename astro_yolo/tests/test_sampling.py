"""How wide the stars of an image are, and what a resampled image holds."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from astro_yolo._alignment import AlignedBand
from astro_yolo._changed_image import with_chance
from astro_yolo._mapping import AffineMapping
from astro_yolo._planes import Pixels, Plane
from astro_yolo._sampling import Resampled, point_source_width, suitable_zoom
from astro_yolo.image import read_image

NOISE = 0.02


def sky_of_stars(fwhm, shape=(300, 340), count=40, seed=3):
    """Gaussian stars of one width, integrated over pixels well enough, in white noise."""
    rng = np.random.default_rng(seed)
    image = rng.normal(0, NOISE, shape)
    places = rng.uniform(12, np.array(shape) - 12, (count, 2))
    return (image + gaussians(shape, places, rng.uniform(1, 20, count), fwhm / 2.3548)).astype("f4")


def gaussians(shape, places, peaks, sigma):
    """Return the sum of round Gaussians at (row, column): each is a product of two of one axis."""
    rows, columns = (
        np.exp(-((np.arange(side) - at[:, np.newaxis]) ** 2) / 2 / sigma**2)
        for side, at in zip(shape, np.transpose(places), strict=True)
    )
    return np.transpose(rows) @ (np.reshape(peaks, (-1, 1)) * columns)


@pytest.mark.parametrize("fwhm", [1.6, 2.4, 3.9, 6.0])
def test_width_of_point_sources(fwhm):
    """The measured width is the full width at half maximum of the stars, to a tenth."""
    image = read_image(sky_of_stars(fwhm))
    assert point_source_width(image) == pytest.approx(fwhm, rel=0.1)


@pytest.mark.parametrize("fwhm", [9.0, 16.0])
def test_stars_wider_than_what_is_looked_at(fwhm):
    """Beyond twelve pixels on a side they are measured in binned copies."""
    image = read_image(sky_of_stars(fwhm, shape=(900, 1000)))
    assert point_source_width(image) == pytest.approx(fwhm, rel=0.12)


def test_galaxies_do_not_widen_the_stars():
    """Where half of the sources are twice as wide, the width is that of the others."""
    image = sky_of_stars(2.5, count=30) + sky_of_stars(5.0, count=30, seed=8)
    assert point_source_width(read_image(image)) == pytest.approx(2.5, rel=0.15)


def test_saturated_stars_do_not_count():
    """Among stars of 2.5 pixels discs and spikes of one brightness change nothing."""
    image = sky_of_stars(2.5)
    y, x = np.indices(image.shape)
    for row, column in ((60, 70), (150, 260), (240, 120)):
        disc = np.hypot(x - column, y - row) < 9
        spike = (np.abs(y - row) < 2) & (np.abs(x - column) < 40)
        image[disc | spike] = 30
    assert point_source_width(read_image(image)) == pytest.approx(2.5, rel=0.1)


def test_uneven_sky_does_not_hide_the_stars():
    """A glow of 250 times the noise over much of the image is no noise."""
    image = sky_of_stars(2.5)
    y, x = np.indices(image.shape)
    image += 5 * np.exp(-((x - 170) ** 2 + (y - 150) ** 2) / 2 / 100**2)
    assert point_source_width(read_image(image)) == pytest.approx(2.5, rel=0.1)


def test_one_large_galaxy_does_not_decide():
    """Knots of a galaxy that fills the middle of an image are fewer than the stars around it."""
    image = sky_of_stars(2.5, shape=(900, 1500), count=240)
    angle, radius = np.random.default_rng(5).uniform((0, 20), (2 * np.pi, 220), (120, 2)).T
    places = np.transpose([450 + radius * np.sin(angle), 750 + radius * np.cos(angle)])
    image += gaussians(image.shape, places, np.full(120, 8), 3).astype("f4")
    assert point_source_width(read_image(image)) == pytest.approx(2.5, rel=0.15)


def test_dark_picture():
    """Where more than half of a picture is black, what noise rises above it is no source."""
    rng = np.random.default_rng(2)
    noise = rng.normal(-2, 20, (300, 340))
    stars = sky_of_stars(2.5) * 12
    picture = np.clip(noise + stars, 0, 255).astype(np.uint8)
    assert (picture == 0).mean() > 0.5
    width = point_source_width(read_image(np.dstack([picture] * 3)))
    assert width == pytest.approx(2.5, rel=0.15)


def test_little_contrast_is_enough_in_a_picture():
    """Noise of a fifteenth of the range leaves no peak of 20 times it, yet stars are seen."""
    rng = np.random.default_rng(2)
    stars = np.clip(sky_of_stars(2.5) * 30, 0, 230)
    picture = np.clip(rng.normal(20, 17, stars.shape) + stars, 0, 255).astype(np.uint8)
    assert suitable_zoom(read_image(np.dstack([picture] * 3))) > 1.2


def test_noise_and_cosmic_rays_are_no_point_sources():
    """Noise, single bright pixels and too few stars have no say: the image stays as it is."""
    noise = np.random.default_rng(0).normal(0, 1, (300, 300)).astype(np.float32)
    rays = noise.copy()
    rays[::30, ::30] += 500
    few = sky_of_stars(2.0, count=5)
    for pixels in (noise, rays, few, np.zeros((200, 200), np.float32)):
        assert point_source_width(read_image(pixels)) is None
        assert suitable_zoom(read_image(pixels)) == 1


def test_stars_become_as_wide_as_wanted():
    """Stars of 2.6 and 6 pixels become 3.9 wide, those of 1.3 are enlarged by 2.5, 3.9 stays."""
    assert suitable_zoom(read_image(sky_of_stars(2.6))) == pytest.approx(1.5, rel=0.1)
    assert suitable_zoom(read_image(sky_of_stars(6.0))) == pytest.approx(0.65, rel=0.1)
    assert suitable_zoom(read_image(sky_of_stars(1.3))) == 2.5
    assert suitable_zoom(read_image(sky_of_stars(3.9))) == 1


@pytest.mark.parametrize("shape", [(300, 350), (700, 900)])
def test_pictures_are_made_smaller(shape):
    """In a picture of any size stars of 4.5 pixels stay, those of 8 and 12 become 4.4 wide."""
    for fwhm, zoom in ((4.5, 1), (8.0, 0.55), (12.0, 0.37)):
        stars = sky_of_stars(fwhm, shape=shape)
        grey = np.clip(stars * 3 + 20, 0, 255).astype(np.uint8)
        found = suitable_zoom(read_image(np.dstack([grey] * 3)))
        assert found == pytest.approx(zoom, rel=0.15)


def test_faint_stars_tell_where_bright_ones_are_few():
    """Of a dozen stars 8 pixels wide none is 20 times the noise: still they become 3.9 wide."""
    rng, shape = np.random.default_rng(11), (300, 340)
    places = rng.uniform(20, np.array(shape) - 20, (14, 2))
    stars = gaussians(shape, places, rng.uniform(8, 16, 14) * NOISE, 8 / 2.3548)
    image = read_image((stars + rng.normal(0, NOISE, shape)).astype("f4"))
    assert point_source_width(image) is None
    assert suitable_zoom(image) == pytest.approx(3.9 / 8, rel=0.15)


def test_stretch_of_a_picture_makes_no_star_wide():
    """Bright stars of 4.5 pixels are wider through a logarithm, faint ones are not: these tell."""
    rng, shape = np.random.default_rng(5), (700, 900)
    places = rng.uniform(12, np.array(shape) - 12, (120, 2))
    light = gaussians(shape, places, 10 ** rng.uniform(-1, 2.5, 120), 4.5 / 2.3548)
    light += rng.normal(0, NOISE, shape)
    grey = np.clip(20 + 25 * np.arcsinh(light / 0.2), 0, 255).astype(np.uint8)
    image = read_image(np.dstack([grey] * 3))
    assert point_source_width(image) > 6
    assert suitable_zoom(image) == 1


def test_sdss_pixels_are_never_enlarged():
    """At 0.396 arcsec a pixel the network knows every seeing."""
    pixels, wcs = sky_of_stars(2.0), WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.cdelt = -0.396 / 3600, 0.396 / 3600
    assert suitable_zoom(read_image((pixels, wcs))) == 1
    wcs.wcs.cdelt = -0.6 / 3600, 0.6 / 3600
    assert suitable_zoom(read_image((pixels, wcs))) > 1.7


@pytest.mark.parametrize("zoom", [0.7, 1.7])
def test_resampled_keeps_edge_coordinates(zoom):
    """Edge coordinates grow by the factor: a ramp keeps its values, to the cubic's 0.06."""
    y, x = np.indices((40, 50), dtype=np.float32)
    big = Resampled(read_image(np.stack([x, y])), zoom)
    ny, nx = big.shape
    assert (ny, nx) == (round(40 * zoom), round(50 * zoom))
    data, bad = big.window(0, ny, 0, nx)
    assert bad is None
    at_x, at_y = ((np.arange(6, end - 6) + 0.5) / zoom - 0.5 for end in (nx, ny))
    np.testing.assert_allclose(data[0, 12, 6:-6], at_x, atol=0.06)
    np.testing.assert_allclose(data[1, 6:-6, 12], at_y, atol=0.06)
    part, _ = big.window(12, 24, 10, 31)
    np.testing.assert_allclose(part, data[:, 12:24, 10:31], atol=0.06)
    assert big.saturated_window(0, ny, 0, nx) is None


def test_resampled_mask_is_where_the_bad_pixel_is():
    """A pixel is bad where a bad one is over a tenth of what it draws, in any window."""
    mask = np.zeros((40, 50), bool)
    mask[10, 20] = True
    big = Resampled(read_image(np.ones((40, 50)), mask=mask), 1.7)
    _, bad = big.window(0, 68, 0, 85)
    y, x = (np.maximum(0, 1 - np.abs((np.arange(n) + 0.5) / 1.7 - at - 0.5))
            for n, at in ((68, 10), (85, 20)))  # fmt: skip
    np.testing.assert_array_equal(bad, np.outer(y, x) > 0.1)
    np.testing.assert_array_equal(big.window(12, 40, 20, 60)[1], bad[12:40, 20:60])
    assert big.window(30, 60, 40, 80)[1] is None


@pytest.mark.parametrize("zoom", [0.4, 0.7, 1.3, 1.7, 2.5])
@pytest.mark.parametrize("value", [1e6, np.nan])
def test_masked_values_do_not_leak(zoom, value):
    """What masked or NaN pixels hold changes no other by more than half the noise."""
    noise = np.random.default_rng(0).normal(100, 1, (200, 220)).astype(np.float32)
    mask = np.zeros(noise.shape, bool)
    mask[50:100, 60:140] = mask[150, 150] = True
    spoilt = np.where(mask, np.float32(value), noise)
    clean = Resampled(read_image(noise), zoom)
    whole = (0, clean.shape[0], 0, clean.shape[1])
    data, bad = Resampled(read_image(spoilt, mask=mask), zoom).window(*whole)
    assert np.abs(data - clean.window(*whole)[0])[0][~bad].max() < 0.5
    assert np.isfinite(data).all()
    assert bad.mean() == pytest.approx(mask.mean(), rel=0.1)


def test_mask_means_the_same_as_nan():
    """Masked pixels give the window that NaN in their place gives."""
    image = sky_of_stars(3.0)
    mask = np.zeros(image.shape, bool)
    mask[100:150, 80:200] = True
    masked = Resampled(read_image(image, mask=mask), 1.7).window(0, 510, 0, 578)
    nan = Resampled(read_image(np.where(mask, np.nan, image)), 1.7).window(0, 510, 0, 578)
    for found, expected in zip(masked, nan, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_long_windows_are_read_in_pieces(monkeypatch):
    """A window longer than OpenCV takes is that of the same image in one piece."""
    image = sky_of_stars(3.0)
    image[40:60, 100:120] = np.nan
    data = [fits.PrimaryHDU(image, fits.Header([("SATURATE", 5.0)]))] * 2
    big = Resampled(read_image(data), 2**0.5)  # no place lies exactly between two pixels
    expected = *big.window(3, 420, 5, 470), big.saturated_window(3, 420, 5, 470)
    monkeypatch.setattr("astro_yolo._sampling._LONGEST", 128)
    found = *big.window(3, 420, 5, 470), big.saturated_window(3, 420, 5, 470)
    assert found[2].any()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_smaller_images_are_those_of_alignment():
    """An image made smaller, and a band brought to larger pixels, are averaged alike."""
    pixels = sky_of_stars(4.0, shape=(240, 270))
    smaller, _ = Resampled(read_image(pixels), 1 / 3).window(0, 80, 0, 90)
    # every third pixel from the second on: no interpolation, which the two do differently
    place = AffineMapping(np.array([[3.0, 0, 1], [0, 3, 1]]))
    aligned, bad = AlignedBand(Plane(Pixels(pixels), "b"), (80, 90), place).read()
    assert bad is None
    inner = np.s_[2:-2, 2:-2]  # borders are continued by one and end in the other
    np.testing.assert_allclose(smaller[0][inner], aligned[inner], atol=1e-3)


def test_smaller_images_average():
    """White noise falls as the pixels grow, so that faint light is not lost."""
    noise = np.random.default_rng(1).normal(0, 1, (400, 400)).astype(np.float32)
    data, _ = Resampled(read_image(noise), 0.5).window(0, 200, 0, 200)
    assert 0.3 < data.std() < 0.6


@pytest.mark.parametrize("zoom", [1.1, 1.6])
def test_whole_numbers_of_little_noise(zoom):
    """The median of counts is, after resampling, that of what they were rounded from."""
    exact = np.random.default_rng(0).normal(100.3, 0.5, (200, 240))
    image = Resampled(with_chance(read_image(np.round(exact))), zoom)
    data, _ = image.window(0, image.shape[0], 0, image.shape[1])
    assert np.median(data[0]) == pytest.approx(100.3, abs=0.05)


def test_pixels_without_light_tell_nothing():
    """Stars are as wide where most of the image is not finite, masked or 0 as where all is sky."""
    stars = sky_of_stars(3.9)
    padded = np.pad(stars, 250, constant_values=np.nan)
    assert point_source_width(read_image(padded)) == pytest.approx(3.9, rel=0.1)
    mask = ~np.isfinite(padded)
    noisy = np.random.default_rng(5).normal(0, NOISE, padded.shape)
    covered = np.where(mask, noisy, padded).astype("f4")
    assert point_source_width(read_image(covered, mask=mask)) == pytest.approx(3.9, rel=0.1)
