"""The local sky of an image, measured in squares and subtracted."""

import json

import numpy as np
import pytest

from astro_yolo import Detector, detect, read_image
from astro_yolo._changed_image import with_chance
from astro_yolo._local_sky import flattened
from astro_yolo.cli import main
from astro_yolo.tests.planted import MODEL, nearest, plant, spread

SHAPE = (300, 420)
Y, X = np.indices(SHAPE)
BOWL = 0.5 * X - 0.2 * Y + 0.001 * (X - 200.0) ** 2


def rest(image, square=64):
    """Return what is left of an image, band by band, and its mask."""
    return flattened(with_chance(read_image(image)), square).window(0, *SHAPE[:1], 0, *SHAPE[1:])


def noise(seed=0):
    """Return noise of 1 about 100."""
    return np.random.default_rng(seed).normal(100, 1, SHAPE)


@pytest.mark.parametrize("sky", [BOWL, 0.003 * (Y - 100.0) ** 2, 0.002 * X * Y], ids="xyd")
def test_a_slope_with_a_bend_is_taken_off(sky):
    """What is left of a sky that changes by 200 times its noise is the noise, to less than 1."""
    data, _ = rest(noise() + sky)
    assert np.abs(data[0] - (noise() - 100)).max() < 1


def test_each_band_has_its_own_sky():
    """A slope in one band does not touch the others."""
    data, _ = rest({"g": noise(1), "r": noise(2) + BOWL, "i": noise(3)})
    for k in range(3):
        assert np.abs(data[k] - (noise(k + 1) - 100)).max() < (1 if k == 1 else 0.2)


def test_a_source_that_fills_a_square_stays():
    """A square full of light has the sky of those round it."""
    galaxy = 500 * np.exp(-np.hypot(X - 200, Y - 150) / 12)
    data, _ = rest(noise() + galaxy)
    assert data[0].sum() == pytest.approx(galaxy.sum(), rel=0.05)


def test_missing_pixels():
    """Squares without pixels take the level of the nearest; the mask is the image's."""
    image = noise() + BOWL
    image[:, 300:] = np.nan
    data, mask = rest(image)
    assert mask[:, 300:].all()
    assert not mask[:, :300].any()
    assert np.abs(data[0, :, :300] - (noise() - 100)[:, :300]).max() < 1


def test_next_to_no_pixels():
    """Where no square has pixels enough, nothing is subtracted."""
    image = np.full(SHAPE, np.nan)
    image[:5] = 7
    data, _ = rest(image)
    assert (data[0, :5] == 7).all()


@pytest.mark.parametrize("shape", [(1, 1), (20, 15), (40, 500)])
def test_images_of_few_squares(shape):
    """One square is one level, a row of them a curve."""
    image = np.random.default_rng(0).normal(7, 1, shape)
    data, _ = flattened(read_image(image), 64).window(0, shape[0], 0, shape[1])
    assert abs(np.median(data)) < 0.3


def test_whole_numbers():
    """Counts between two of which the sky lies are left about 0, not half a step beside it."""
    data, _ = rest(np.round(noise() + 0.5))
    assert np.median(data[0]) == pytest.approx(0, abs=0.05)


def test_windows_are_parts_of_the_whole():
    """A window has the pixels that the whole image has there."""
    image = flattened(read_image(noise() + BOWL), 50)
    whole, _ = image.window(0, SHAPE[0], 0, SHAPE[1])
    part, _ = image.window(70, 130, 200, 333)
    np.testing.assert_allclose(part, whole[:, 70:130, 200:333], atol=1e-4)


def test_detection_on_a_slope():
    """Galaxies on a steep sky are found again, in one pass and by tiles; its table says how."""
    positions = spread(SHAPE, 12)
    image = plant(SHAPE, positions) + BOWL
    detector = Detector(MODEL)
    for max_pixels in (detector.max_pixels, 40_000):
        detector.max_pixels = max_pixels
        table = detector.detect(image, zoom=1, background=64)
        assert nearest(positions, table)[0].max() < 2
        assert json.loads(table.meta["PROV"])["passes"]["background"] == 64


@pytest.mark.parametrize("square", [15, 0, -3, float("nan")])
def test_squares_too_small(square):
    """Squares the size of galaxies are refused, by name."""
    with pytest.raises(ValueError, match=r"background must be at least 16 pixels, got"):
        detect(noise(), model=MODEL, background=square)
    assert flattened(read_image(noise()), 16).shape == SHAPE


def test_command_line(tmp_path, capsys):
    """``--background`` takes the side of the squares, from 16 on."""
    np.save(tmp_path / "a.npy", noise())
    with pytest.raises(SystemExit):
        main(["detect", str(tmp_path / "a.npy"), "--background", "9"])
    assert "--background: must be from 16 to" in capsys.readouterr().err
