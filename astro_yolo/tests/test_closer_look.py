"""Images in which galaxies were passed over."""

import json
from types import SimpleNamespace
from unittest.mock import patch

import cv2
import numpy as np
import pytest

from astro_yolo import Detector, _scan
from astro_yolo._loaded import Loaded
from astro_yolo.injection import sersic_stamp
from astro_yolo.network.closer_look import _are_clear, closer_look, needs_closer_look
from astro_yolo.network.spread import unknown_spread
from astro_yolo.stretch import to_network
from astro_yolo.tests.blob_network import PATH as MODEL
from astro_yolo.tiling import SMALLEST
from astro_yolo.training.crowded import _add_galaxy

SHAPE = 300, 420
GALAXY = [0, 0, 0, 0, 0.5, 0.01, 0.6]
STAR = [0, 0, 0, 0, 0.1, 0.6, 0.01]
SURER = [0, 0, 0, 0, 0.5, 0.01, 0.8]
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
    ("galaxies", "stars", "needs"), [(10, 0, True), (9, 0, False), (25, 15, True), (25, 16, False)]
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


def test_where_sources_are_crowded():
    """One for 2500 pixels: galaxies or stars, with light left or none."""
    planes = image_with([])
    for number, needs in ((51, True), (50, False)):  # the image has 126 000 pixels
        for output in (GALAXY, STAR):
            outputs, boxes = np.array([output] * number), boxes_about([(20, 250)] * number)
            assert needs_closer_look(planes, boxes, outputs) == needs
            assert needs_closer_look(planes, boxes, outputs, by_light=False) == needs


@pytest.mark.parametrize(("number", "needs"), [(21, True), (20, False)])
def test_a_cutout_is_no_crowd(number, needs):
    """However small an image, it takes more than twenty sources."""
    planes = [plane[:64, :64] for plane in image_with([])]
    boxes, outputs = boxes_about([(20, 20)] * number), np.array([STAR] * number)
    assert needs_closer_look(planes, boxes, outputs) == needs


def test_where_light_tells_nothing():
    """Light without a source does not count where it was said that it tells nothing."""
    boxes, outputs = boxes_about([(20, 250)] * 10), np.array([GALAXY] * 10)
    planes = image_with([(100, 100), (200, 100)])
    assert needs_closer_look(planes, boxes, outputs)
    assert not needs_closer_look(planes, boxes, outputs, by_light=False)


class Network:
    """Says what it was told to see in the image, enlarged 1.3 times."""

    def __init__(self, boxes, outputs):
        self._seen = np.array(boxes, float), np.array(outputs)

    def predict(self, x, min_score):
        assert x.shape == (3, 390, 546)
        assert min_score == 0.2
        return self._seen[0] * 1.3, self._seen[1]


def look(planes, old, old_outputs, new, new_outputs):
    """Middles, in whole pixels, and outputs of what there is after a closer look."""
    network = Network(new, new_outputs)
    found = closer_look(network, planes, old, np.array(old_outputs), 0.2)
    if found is None:
        return None
    middles = np.round((found[0][:, :2] + found[0][:, 2:]) / 2 - 0.5).astype(int)
    return {tuple(place): list(row) for place, row in zip(middles.tolist(), found[1], strict=True)}


CROWD = [(20 + 18 * k, 200) for k in range(20)]  # enough for a deep field


def test_what_is_seen_anew_is_added():
    """What the network alone sees comes, what it does not see stays if it is a galaxy."""
    places = [(60, 60), (127, 100), *CROWD]
    planes, boxes = image_with(places), boxes_about(places)
    seen = look(planes, boxes[:3], [GALAXY, STAR, GALAXY], boxes[2:], [GALAXY] * 20)
    assert seen == dict.fromkeys([places[0], *CROWD], GALAXY)


@pytest.mark.parametrize(
    ("old", "new", "kept"),
    [(GALAXY, SURER, SURER), (SURER, GALAXY, SURER), (STAR, GALAXY, GALAXY), (STAR, WEAK, WEAK)],
)
def test_of_two_words_about_a_source(old, new, kept):
    """That of the surer galaxy, but of a star always the network's."""
    places = [(60, 60), *CROWD]
    boxes = boxes_about(places)
    seen = look(image_with(places), boxes[:1], [old], boxes, [new] + [GALAXY] * 20)
    assert seen[60, 60] == kept


@pytest.mark.parametrize(
    ("galaxies", "stars", "taken"),
    [(20, 1, True), (19, 1, False), (20, 0, True), (19, 0, False), (39, 2, False)],
)
def test_where_it_sees_stars_all_is_as_it_was(galaxies, stars, taken):
    """With a star for less than twenty galaxies, or less than twenty, nothing of it is taken."""
    places = [(12 + 20 * (k % 20), 100 + 40 * (k // 20)) for k in range(galaxies + stars)]
    boxes, outputs = boxes_about(places), [GALAXY] * galaxies + [STAR] * stars
    seen = look(image_with(places), boxes[:1], [GALAXY], boxes, outputs)
    assert (seen is not None) == taken


@pytest.mark.parametrize(("factor", "seen"), [(1.3, True), (0.7, False)])
def test_new_sources_are_clear(factor, seen):
    """Their light is seven times its noise, as white noise has it."""
    y, x = np.indices(SHAPE)
    light = np.random.default_rng(1).normal(0, 1, (3, *SHAPE))
    inside = (np.abs(x - 200) < 4.5) & (np.abs(y - 150) < 4.5)  # 81 pixels
    # the noise of the sum of a box in the mean of three planes: 9 / sqrt(3)
    light[:, inside] += factor * 7 * 9 / np.sqrt(3) / 81
    planes = list(to_network(light.astype(np.float32), levels=[(0.0, 1.0)] * 3))
    boxes = np.vstack([[196, 146, 205, 155], boxes_about(CROWD)])
    found = look(planes, np.empty((0, 4)), np.empty((0, 7)), boxes, [GALAXY] * 21)
    assert bool(found) == seen


def test_noise_that_neighbours_share():
    """Where neighbouring pixels know of each other, as after resampling, more light is asked."""
    rng, shares = np.random.default_rng(3), []
    for reach in (1, 3):
        light = cv2.blur(rng.normal(0, 1, SHAPE), (reach, reach)) * reach
        light = (light + 1.1 * (np.indices(SHAPE)[0] // 10 == 5)).astype(np.float32)
        boxes = np.array([[10 * k, 50, 10 * k + 10, 60] for k in range(40)])
        shares.append(_are_clear(light, boxes).mean())
    assert shares[0] == 1
    assert shares[1] < 0.1


@pytest.mark.parametrize(
    ("has_network", "picture", "stars", "by_light"),
    [(True, True, False, True), (True, True, True, False), (True, False, True, True),
     (False, False, False, None)],
)  # fmt: skip
def test_which_images_are_asked(monkeypatch, has_network, picture, stars, by_light):
    """In pictures with stars enough light tells nothing; weights without the network do not ask."""
    asked = []
    monkeypatch.setattr(
        _scan, "needs_closer_look", lambda *_, by_light: asked.append(by_light) or True
    )
    finder = SimpleNamespace(_deep=list if has_network else None, _finished=picture)
    spread = unknown_spread(3)
    spread[0] = 1 if stars else np.nan
    assert _scan._Finder._needs_closer_look(finder, [], [], [], spread) == has_network
    assert asked == ([by_light] if has_network else [])


def test_detection_takes_what_is_seen(monkeypatch):
    """A galaxy that the network sees is in the table; binned copies are not looked at again."""
    shapes, image = [], np.random.default_rng(1).normal(0, 1, (96, 2 * SMALLEST))

    def found(network, planes, _boxes, _outputs, _min_raw):
        shapes.append(planes[0].shape)
        assert network == "deep"
        return np.array([[30.0, 40, 44, 50]]), np.array([GALAXY])

    monkeypatch.setattr(_scan, "needs_closer_look", lambda *_, **__: True)
    monkeypatch.setattr(_scan, "closer_look", found)
    monkeypatch.setattr(_scan, "has_giants", lambda *_: True)  # large enough to be binned
    monkeypatch.setattr(Loaded, "deep", lambda *_: lambda: "deep")
    table = Detector(MODEL, backend="onnxruntime").detect(image, score=0.3, zoom=1)
    assert shapes == [image.shape]
    assert [(row["x"], row["y"]) for row in table] == [(36.5, 44.5)]


def test_a_deep_field_is_found_by_the_shipped_networks():
    """Of hundreds of small galaxies far more have a box than without a closer look."""
    rng, noise = np.random.default_rng(5), np.ones(3)
    stamps = [sersic_stamp(1.0, r, 1, 0.6, 0.3, psf=np.ones((1, 1))) for r in (5, 8, 12)]
    planes = np.zeros((3, 400, 400), np.float32)
    boxes = [_add_galaxy(planes, noise, stamps, (1.5, 0.25), None, rng)[0] for _ in range(400)]
    x, y = (np.array(boxes)[:, :2] + np.array(boxes)[:, 2:]).T[..., None] / 2 - 0.5
    planes += rng.normal(0, 1, planes.shape).astype(np.float32)
    detector = Detector(backend="onnxruntime")
    table = detector.detect(planes)
    with patch.object(_scan, "needs_closer_look", return_value=False):
        without = detector.detect(planes)
    found, before = (np.hypot(t["x"] - x, t["y"] - y).min(axis=1) < 3 for t in (table, without))
    assert found.sum() > 1.4 * before.sum()
    model = json.loads(table.meta["PROV"])["model"]
    assert model["deep_sha256"] == detector.weights.deep_sha256
