"""Images in which galaxies were passed over."""

from types import SimpleNamespace

import numpy as np
import pytest

from astro_yolo import Detector, _scan
from astro_yolo._loaded import Loaded
from astro_yolo.network.closer_look import needs_closer_look
from astro_yolo.network.spread import unknown_spread
from astro_yolo.stretch import to_network
from astro_yolo.tests.blob_network import PATH as MODEL
from astro_yolo.tiling import SMALLEST

SHAPE = 300, 420
GALAXY = [0, 0, 0, 0, 0.5, 0.01, 0.6]
STAR = [0, 0, 0, 0, 0.1, 0.6, 0.01]
WEAK = [0, 0, 0, 0, 0.1, 0.01, 0.1]


def image_with(places, peak=40.0):
    """Planes with round sources 4 pixels wide, in noise of 1."""
    y, x = np.indices(SHAPE)
    light = np.random.default_rng(1).normal(0, 1, (3, *SHAPE))
    for column, row in places:
        light += peak * np.exp(-((x - column) ** 2 + (y - row) ** 2) / 2 / 1.7**2)
    return list(to_network(light.astype(np.float32), levels=[(0.0, 1.0)] * 3))


def boxes_about(places, half=4):
    """Boxes in edge pixels about pixels."""
    places = np.reshape(places, (-1, 2)) + 0.5
    return np.hstack([places - half, places + half])


@pytest.mark.parametrize(
    ("galaxies", "stars", "needs"), [(10, 0, True), (9, 0, False), (30, 20, True), (30, 21, False)]
)
def test_where_galaxies_are_more_than_stars(galaxies, stars, needs):
    """Ten more sure ones at least, and light that has no sure source."""
    sources, left = [(30, 200), (350, 50), (200, 30)], [(40, 60), (80, 90), (300, 200)]
    outputs = [GALAXY] * galaxies + [STAR] * stars + [WEAK] * 3
    places = np.resize(sources, (galaxies + stars, 2)).tolist() + left
    planes, boxes = image_with(sources + left), boxes_about(places)
    assert needs_closer_look(planes, boxes, np.array(outputs)) == needs


def test_little_light_without_a_source_is_chance():
    """One peak of ten is left alone, two of eleven are not."""
    places = [(20 + 40 * k, 60) for k in range(9)]
    boxes, outputs = boxes_about(places + places[:1]), np.array([GALAXY] * 10)
    assert not needs_closer_look(image_with([*places, (20, 200)]), boxes, outputs)
    assert needs_closer_look(image_with([*places, (20, 200), (400, 200)]), boxes, outputs)


@pytest.mark.parametrize("peak", [0.0, 8.0])
def test_faint_light_is_none(peak):
    """What is no clearer than eight times the noise of a pixel does not count."""
    places = [(20 + 40 * k, 60) for k in range(10)]
    boxes, outputs = boxes_about([(20, 250)] * 10), np.array([GALAXY] * 10)
    assert not needs_closer_look(image_with(places, peak / 2), boxes, outputs)


@pytest.mark.parametrize(
    ("has_network", "picture", "stars", "suits"),
    [(True, True, False, True), (True, True, True, False), (True, False, True, True),
     (False, False, False, False)],
)  # fmt: skip
def test_which_images_are_asked(has_network, picture, stars, suits):
    """Not pictures with stars enough, nor what weights see that have no network for them."""
    finder = SimpleNamespace(_deep=list if has_network else None, _finished=picture)
    spread = unknown_spread(3)
    spread[0] = 1 if stars else np.nan
    assert _scan._Finder._suits_closer_look(finder, spread) == suits


class Other:
    """A network that finds one galaxy, wherever it looks."""

    def __init__(self):
        self.shapes = []

    def predict(self, x, min_score, *, shape):
        assert x.shape[1:] == shape
        assert min_score == 0.3
        self.shapes.append(shape)
        return np.array([[30.0, 40, 44, 50]]), np.array([GALAXY])


def test_the_other_network_answers(monkeypatch):
    """What it sees stands for what the first saw; binned copies are not looked at again."""
    other, image = Other(), np.random.default_rng(1).normal(0, 1, (96, 2 * SMALLEST))
    monkeypatch.setattr(_scan, "needs_closer_look", lambda *_: True)
    monkeypatch.setattr(_scan, "has_giants", lambda *_: True)  # large enough to be binned
    monkeypatch.setattr(Loaded, "deep", lambda *_: lambda: other)
    table = Detector(MODEL, backend="onnxruntime").detect(image, score=0.3, zoom=1)
    assert other.shapes == [image.shape]
    np.testing.assert_allclose([table["x"], table["y"]], [[36.5], [44.5]], atol=3)
