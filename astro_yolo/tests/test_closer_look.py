"""What only windows of an image show."""

from types import SimpleNamespace

import numpy as np
import pytest

from astro_yolo import Detector, _scan
from astro_yolo.network.calibration import Calibration
from astro_yolo.network.closer_look import _are_clear, closer_look, windows_with_light_left
from astro_yolo.network.spread import unknown_spread
from astro_yolo.stretch import to_network
from astro_yolo.tests.blob_network import PATH as MODEL
from astro_yolo.tiling import SMALLEST

SHAPE = 300, 420
GALAXY = [0, 0, 0, 0, 0.5, 0.01, 0.6]
STAR = [0, 0, 0, 0, 0.1, 0.6, 0.01]
WEAK = [0, 0, 0, 0, 0.1, 0.01, 0.1]


class Network:
    """Takes each peak for a galaxy of 8 pixels of the image, in windows of some sides only."""

    weights = SimpleNamespace(border=0.0)

    def __init__(self, sees=(192, 288)):
        self.sees, self.sides = sees, []

    def predict(self, x, min_score):
        side = x.shape[1]
        assert x.shape == (3, side, side)
        assert side % 32 == 0
        assert min_score == 0.25
        self.sides.append(side)
        inner = x[0, 1:-1, 1:-1]
        peak = (side in self.sees) & (inner > 0.3) & np.logical_and.reduce([
            inner >= x[0, 1 + dy : side - 1 + dy, 1 + dx : side - 1 + dx]
            for dy in (-1, 0, 1) for dx in (-1, 0, 1)
        ])  # fmt: skip
        y, x = np.argwhere(peak).T + 1.5
        half = 4 * side / 192
        boxes = np.stack([x - half, y - half, x + half, y + half], axis=1)
        return boxes, np.tile(GALAXY, (len(boxes), 1))


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


def look(network, planes, boxes, outputs):
    """What is there after a look at all windows; what was there had a spread of 1."""
    every = np.array([(x, y) for x in (0, 128, 256, 384) for y in (0, 128, 256)])
    return closer_look(network, planes, boxes, np.array(outputs), np.ones((len(boxes), 3)), every)


@pytest.mark.parametrize(
    ("galaxies", "stars", "windows"),
    [(10, 0, [[0, 0], [256, 128]]), (9, 0, []), (30, 20, [[0, 0], [256, 128]]), (30, 21, [])],
)
def test_where_galaxies_are_more_than_stars(galaxies, stars, windows):
    """Ten more sure ones at least; then windows of 128 pixels in which light has no source."""
    sources, left = [(30, 200), (350, 50), (200, 30)], [(40, 60), (80, 90), (300, 200)]
    outputs = [GALAXY] * galaxies + [STAR] * stars + [WEAK] * 3
    places = np.resize(sources, (galaxies + stars, 2)).tolist() + left
    found = windows_with_light_left(
        image_with(sources + left), boxes_about(places), np.array(outputs)
    )
    assert found.tolist() == windows


def test_little_light_without_a_source_is_chance():
    """One peak of ten is left alone, two of eleven are not."""
    places = [(20 + 40 * k, 60) for k in range(9)]
    boxes, outputs = boxes_about(places + places[:1]), np.array([GALAXY] * 10)
    assert len(windows_with_light_left(image_with([*places, (20, 200)]), boxes, outputs)) == 0
    two = image_with([*places, (20, 200), (400, 200)])
    assert windows_with_light_left(two, boxes, outputs).tolist() == [[0, 128], [384, 128]]


@pytest.mark.parametrize("sees", [(192,), (288,), (192, 288)])
def test_what_windows_show_is_added(sees):
    """In whatever window and size of it, also at the border; a weak candidate of it goes."""
    seen, missed = (60.0, 60.0), [(127.0, 100.0), (300.0, 129.0), (410.0, 290.0), (8.0, 200.0)]
    weak = missed[1]
    planes, network = image_with([seen, *missed]), Network(sees)
    old = boxes_about([seen, weak])
    boxes, outputs, spread = look(network, planes, old, [GALAXY, WEAK])
    found = (boxes[:, :2] + boxes[:, 2:]) / 2 - 0.5
    order = np.lexsort(found.T)
    np.testing.assert_allclose(found[order], sorted([seen, *missed], key=lambda p: p[1]), atol=0.3)
    np.testing.assert_allclose(outputs[:, 6], 0.6)
    assert np.isfinite(spread).all(axis=1).tolist() == (np.hypot(*(found - seen).T) < 1).tolist()
    np.testing.assert_allclose(boxes[:, 2:] - boxes[:, :2], 8, atol=0.1)
    assert set(network.sides) == {192, 288}


@pytest.mark.parametrize(
    ("place", "peak", "old", "output"),
    [
        ((200, 150), 40.0, boxes_about([(195, 150)], half=20), GALAXY),  # a part of a galaxy
        ((200, 150), 40.0, boxes_about([(202, 151), (60, 60)], half=2), STAR),
        ((200, 150), 6.0, boxes_about([(60, 60)]), GALAXY),  # 13 times the noise
    ],
)
def test_what_is_explained_or_faint_is_not_added(place, peak, old, output):
    """A part of a sure galaxy, a sure star, and light of less than 20 times the noise."""
    boxes, outputs, _ = look(Network(), image_with([place], peak), old, [output] * len(old))
    np.testing.assert_array_equal(boxes, old)
    np.testing.assert_array_equal(outputs, [output] * len(old))


def test_clear_light():
    """The sum of a box over the root of its pixels, 20 times the noise at least."""
    light = np.random.default_rng(2).normal(2.2, 2, (40, 60))
    for box in ([3, 5, 11, 12], [20, 0, 29, 9], [50, 30, 60, 40], [0, 31, 7, 40]):
        x0, y0, x1, y1 = box
        part = light[y0:y1, x0:x1]
        light *= 20 * np.sqrt(part.size) / part.sum()
        assert _are_clear(light * 1.001, np.array([box])).all()
        assert not _are_clear(light * 0.999, np.array([box])).any()


@pytest.mark.parametrize(
    ("knows_spreads", "picture", "stars", "suits"),
    [(True, True, False, True), (True, True, True, False), (True, False, True, True),
     (False, False, False, False)],
)  # fmt: skip
def test_which_images_are_asked(knows_spreads, picture, stars, suits):
    """Not pictures with stars enough, nor what weights see that do not know how wide stars are."""
    calibration = Calibration(spread=Calibration() if knows_spreads else None)
    finder = SimpleNamespace(_calibration=calibration, _finished=picture)
    spread = unknown_spread(3)
    spread[0] = 1 if stars else np.nan
    assert _scan._Finder._suits_closer_look(finder, spread) == suits


def test_detection_takes_what_is_added(monkeypatch):
    """A galaxy that a window shows is in the table; binned copies are not looked at again."""
    shapes = []

    def found(_network, planes, boxes, outputs, spread, windows):
        shapes.append(planes[0].shape)
        assert windows == "some"
        boxes = np.vstack([boxes, [30, 40, 44, 50]])
        return boxes, np.vstack([outputs, GALAXY]), np.vstack([spread, unknown_spread(1)])

    monkeypatch.setattr(_scan._Finder, "_suits_closer_look", lambda *_: True)
    monkeypatch.setattr(_scan, "windows_with_light_left", lambda *_: "some")
    monkeypatch.setattr(_scan, "closer_look", found)
    monkeypatch.setattr(_scan, "has_giants", lambda *_: True)
    image = np.random.default_rng(1).normal(0, 1, (96, 2 * SMALLEST))  # large enough to be binned
    table = Detector(MODEL, backend="onnxruntime").detect(image, score=0.3, zoom=1)
    assert shapes == [image.shape]
    assert [(row["x"], row["y"]) for row in table] == [(36.5, 44.5)]
