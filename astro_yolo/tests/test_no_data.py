"""Regions of zeros, or of another value without data, count as masked; other zeros do not."""

import numpy as np
import pytest
from astropy.io import fits

from astro_yolo._no_data import fill_value, filled_region
from astro_yolo._planes import Pixels
from astro_yolo.catalog import FLAGS
from astro_yolo.detection import Detector
from astro_yolo.image import read_image
from astro_yolo.tests.planted import MODEL, nearest, plant, spread
from astro_yolo.tests.test_mapping import make_wcs

SHAPE = (300, 400)


def noise(seed=0):
    """White noise about 0, which is exactly 0 nowhere."""
    return np.random.default_rng(seed).normal(0, 1, SHAPE).astype(np.float32)


def bordered(width, image=None):
    """Cut an image off at a border of zeros; 60 pixels of 300 x 400 are 58 % of it."""
    out = np.zeros(SHAPE, np.float32)
    inside = (slice(width, -width),) * 2
    out[inside] = (noise() if image is None else image)[inside]
    return out


def turned():
    """Noise in a square that stands on its corner, and where it is."""
    y, x = np.indices(SHAPE)
    inside = np.abs(x - 200) + np.abs(y - 150) < 150
    return np.where(inside, noise(), 0), inside


def test_share_of_a_border():
    """A border of 60 pixels is 58 % of the image, and of the blocks to a tenth."""
    value, share = fill_value(Pixels(bordered(60)))
    assert value == 0
    assert share == pytest.approx(1 - 180 * 280 / 120_000, abs=0.1)
    assert fill_value(Pixels(noise())) == (0, 0)


ZEROS_ARE_VALUES = {
    "counts of photons": lambda: np.random.default_rng(1).poisson(0.01, SHAPE),
    "integer noise": lambda: np.rint(noise()),
    "coarse integer noise": lambda: np.rint(0.15 * noise()),
    "sky cut at 0": lambda: np.maximum(noise(), 0),
    "sky cut at 3 sigma": lambda: np.where(noise() > 3, noise(), 0),
    "stars without noise": lambda: np.where(plant(SHAPE, spread(SHAPE, 40)) > 110, 5, 0),
    "nothing": lambda: np.zeros(SHAPE),
    "single zeros": lambda: np.where(np.indices(SHAPE).sum(axis=0) % 20, noise(), 0),
}


@pytest.mark.parametrize("kind", ZEROS_ARE_VALUES)
def test_zeros_that_are_values(kind):
    """Where 0 is a value like others, or the only one, no region is without data."""
    image = ZEROS_ARE_VALUES[kind]().astype(np.float32)
    assert (image == 0).mean() > 0.02
    assert fill_value(Pixels(image)) == (0, 0)
    assert read_image(image).mask is None


def test_region_is_solid():
    """Squares of 9 zeros belong to it, also those that reach over the border; others do not."""
    image = noise()
    image[100:109, 50:59] = image[200:208, 50:58] = image[:1, 300:309] = image[150:160, 399:] = 0
    expected = np.zeros(SHAPE, bool)
    expected[100:109, 50:59] = expected[:1, 300:309] = expected[150:160, 399:] = True
    np.testing.assert_array_equal(filled_region(Pixels(image), 0, (0, 300, 0, 400)), expected)
    # of the square of 8 the last pixel alone is in this window
    assert not filled_region(Pixels(image), 0, (207, 250, 57, 90)).any()


def test_windows_see_the_same_region():
    """The region does not depend on the window that is looked at."""
    pixels = Pixels(turned()[0])
    whole = filled_region(pixels, 0, (0, 300, 0, 400))
    for window in ((0, 40, 0, 40), (60, 100, 130, 180), (290, 300, 0, 400), (150, 151, 47, 53)):
        y0, y1, x0, x1 = window
        np.testing.assert_array_equal(filled_region(pixels, 0, window), whole[y0:y1, x0:x1])


@pytest.mark.parametrize(
    ("kind", "value"),
    [("i2", -32768), ("i4", -999), ("f4", -1e30), ("f8", -99.0), ("f4", 1e20), ("f8", 3e38)],
)
def test_other_values_without_data(kind, value):
    """A value far below the sky, or beyond all that is measured, fills regions without data."""
    image, inside = turned()
    image = np.where(inside, 20 * noise() + 500, value).astype(kind)
    read = read_image(image)
    np.testing.assert_array_equal(read.mask, ~inside)
    # what touches the region does not belong to it
    assert np.abs(read.data[0][inside]).max() < 1000


VALUES = {
    "saturated": lambda: np.minimum(1e5 * np.maximum(0, turned()[1]) + noise(), 6e4),
    "sky cut at -1 sigma": lambda: np.maximum(noise(), -1),
    "a level without noise": lambda: np.where(turned()[1], 7, -50),
    "dark sky with a step": lambda: np.where(turned()[1], noise(), -5),
}


@pytest.mark.parametrize("kind", VALUES)
def test_values_that_are_data(kind):
    """A plateau of saturated pixels, a sky that is cut off and levels near the sky are values."""
    image = VALUES[kind]().astype(np.float32)
    assert np.unique(image, return_counts=True)[1].max() > 0.1 * image.size
    assert read_image(image).mask is None


@pytest.mark.parametrize("kind", ["f4", ">f4", "i2", "u2"])
def test_regions_without_data_are_masked(kind):
    """Every zero of a turned or bordered frame is masked, in any type but that of pictures."""
    image, inside = turned()
    image = (1000 * image + 9000 * inside).astype(kind)
    np.testing.assert_array_equal(read_image(image).mask, ~inside)
    assert read_image(np.where(inside, 90, 0).astype(np.uint8)).mask is None
    assert read_image(np.dstack([np.where(inside, 90, 0).astype(np.uint8)] * 3)).mask is None


def test_small_regions_are_left_alone():
    """A gap of 1 % of the image is no reason to look closer."""
    image = noise()
    image[100:130, 100:140] = 0
    assert read_image(image).mask is None


def test_bands_without_data():
    """Zeros count in every band where all have 2 %; in one band from a fifth of it on."""
    full, narrow, wide = noise(), bordered(10), bordered(30)
    full_mask, narrow_mask, wide_mask = (image == 0 for image in (full, narrow, wide))
    assert not full_mask.any()
    assert 0.02 < narrow_mask.mean() < 0.2 < wide_mask.mean()
    assert read_image([full, narrow]).mask is None
    np.testing.assert_array_equal(read_image([full, wide]).mask, wide_mask)
    np.testing.assert_array_equal(read_image([wide, narrow]).mask, wide_mask | narrow_mask)


def test_zeros_do_not_leak_into_aligned_bands():
    """A band that is shifted by half a pixel has no value between its own and the zeros."""
    far = np.where(bordered(40) == 0, 0, 1000 + noise())
    pair = {"g": (far, make_wcs(crpix=(200.5, 150.0))), "r": (far, make_wcs())}
    image = read_image(pair)
    assert image.data[0][~image.mask].min() > 990


def test_large_images(tmp_path, monkeypatch):
    """Windows of an image on disk have the mask of the image in memory."""
    image, inside = turned()
    fits.PrimaryHDU(image).writeto(tmp_path / "a.fits")
    monkeypatch.setattr("astro_yolo.image._MEMORY_PIXELS", 1000)
    large = read_image(tmp_path / "a.fits")
    assert large.is_lazy
    np.testing.assert_array_equal(large.window(20, 90, 100, 300)[1], ~inside[20:90, 100:300])
    assert large.window(140, 160, 190, 210)[1] is None
    assert np.isnan(large.data[0][0:9, 0:9]).all()


@pytest.mark.parametrize("limit", [10**9, 600_000])
def test_detections_as_with_nan(limit):
    """A frame with more zeros than sky gives the rows, flags and levels that it gives with NaN."""
    shape = (700, 900)
    inside = np.zeros(shape, bool)
    inside[150:550, 150:750] = True
    positions = spread(shape, 500)
    image = plant(shape, positions, sky_level=0)
    detector = Detector(MODEL, backend="onnxruntime", device="cpu")
    detector.max_pixels = limit
    zeros, nan = (detector.detect(np.where(inside, image, gap)) for gap in (0, np.nan))
    assert len(zeros) == len(nan) > 100
    for column in ("xmin", "ymax", "score", "flags"):
        np.testing.assert_array_equal(zeros[column], nan[column])
    x, y = positions.T
    covered = (x > 154) & (x < 745) & (y > 154) & (y < 545)
    assert nearest(positions[covered], zeros)[0].max() < 0.1
    assert (zeros["flags"] & FLAGS["masked"]).any()
