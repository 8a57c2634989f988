"""Sets in other stretches, what de-stretching costs, and networks across them."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from astro_yolo import Detector
from astro_yolo.exceptions import ModelError
from astro_yolo.stretch import to_rgb
from astro_yolo.tests import blob_network
from astro_yolo.training import robustness
from astro_yolo.training.cutouts import Cutout, linearise
from astro_yolo.training.picture_sets import SetError, read_boxes, read_set
from astro_yolo.training.robustness import (
    cross_matrix,
    cutout_set,
    deep_set,
    restretch_error,
    skyserver_picture,
)


@pytest.fixture
def channels():
    """i, r, g of a galaxy without noise, nanomaggies."""
    y, x = np.indices((96, 96))
    light = 1.5 * np.exp(-np.hypot(x - 48, y - 48) / 8)
    return np.stack([light, 0.8 * light, 0.4 * light]).astype(np.float32)


@pytest.fixture
def cutouts(channels, tmp_path):
    """Three cutouts: one to learn from, one to look at, one without a class."""
    found = []
    for k, (label, split) in enumerate((("spiral", "train"), ("merger", "val"), ("none", "val"))):
        path = tmp_path / f"c{k}.png"
        cv2.imwrite(str(path), skyserver_picture(channels)[..., ::-1])
        box, others = np.array([28.0, 28, 68, 68]), np.array([[0.0, 0, 10, 10]])
        found.append(Cutout(path, label, box, split, others))
    return found


def test_linearise_undoes_the_stretch(channels):
    """Without JPEG the flux comes back to the rounding of 8 bits."""
    again = linearise(skyserver_picture(channels))
    bright = channels.mean(axis=0) > 0.05
    ratio = again.sum(axis=0)[bright] / channels.sum(axis=0)[bright]
    assert abs(ratio - 1).max() < 0.06
    assert abs(np.median(ratio) - 1) < 0.01


def test_error_of_destretching(channels):
    """It is stated for the flux and each stretch, and small without noise."""
    table = restretch_error(channels, ("L", "Q"))
    assert table["stretch"].tolist() == ["flux", "L", "Q"]
    assert table["median"][0] < 0.05
    assert (table["median"][1:] <= 6).all()
    assert (table["percentile_95"] >= table["median"]).all()
    with pytest.raises(SetError, match=r"a pixel of at least 0.1 nanomaggies"):
        restretch_error(channels * 0, ("L",))


def test_cutouts_become_a_set(cutouts, channels, tmp_path):
    """Each cutout in each stretch at half the size; its galaxy is labelled, its neighbours not."""
    marker = cutout_set(cutouts, tmp_path / "set", ("L", "S"), size=48)
    found = read_set(marker)
    assert found.filters == ("L", "S")
    assert [path.name for path in found.pictures("train")] == ["c0-L.jpg", "c0-S.jpg"]
    assert [path.name for path in found.pictures("val")] == ["c1-L.jpg", "c1-S.jpg"]
    path = found.pictures("val", "L")[0]
    boxes, kinds = read_boxes(path, "labels", (48, 48))
    np.testing.assert_allclose(boxes, [[14, 14, 34, 34]], atol=1e-3)
    assert found.names[kinds[0]] == "merger"
    np.testing.assert_allclose(read_boxes(path, "ignore", (48, 48))[0], [[0, 0, 5, 5]], atol=1e-3)
    small = channels.reshape(3, 48, 2, 48, 2).mean(axis=(2, 4))
    picture = cv2.imread(str(path))[..., ::-1].astype(int)
    assert np.abs(picture - to_rgb(small, "L")).mean() < 4


def test_cutouts_of_one_name_are_refused(cutouts, tmp_path):
    """Of two files of one name in different folders one would be written over the other."""
    other = tmp_path / "other"
    other.mkdir()
    twin = replace(cutouts[0], path=other / "C0.png")
    with pytest.raises(SetError, match="cutouts must be of different names, got 'c0' 2 times"):
        cutout_set([*cutouts, twin], tmp_path / "set", ("L",))
    assert not (tmp_path / "set").exists()


def test_hubble_galaxies_become_a_set(tmp_path):
    """Skies of stamps in ``test``; all galaxies are unknown; the seed decides."""
    y, x = np.indices((41, 41)) - 20
    stamp = np.exp(-np.hypot(x, y * 1.5) / 4).astype(np.float32)
    stamps = [stamp / stamp.sum()]
    markers = [deep_set(stamps, tmp_path / name, 2, ("L",), size=160) for name in ("a", "b")]
    first, second = (read_set(marker).pictures("test") for marker in markers)
    assert len(first) == 2
    assert first[0].read_bytes() == second[0].read_bytes()
    boxes, kinds = read_boxes(first[0], "labels", (160, 160))
    assert len(boxes) > 2
    assert set(kinds) == {4}


def test_every_network_on_every_test(cutouts, tmp_path):
    """A row for each pair."""
    marker = cutout_set(cutouts, tmp_path / "set", ("L", "LH"))
    detector = Detector(blob_network.PATH, backend="onnxruntime")
    tests = {"L": (marker, "L"), "LH": (marker, "LH"), "both": (marker, None)}
    table = cross_matrix({"blobs": detector}, tests)
    assert table["tested"].tolist() == ["L", "LH", "both"]
    assert table["pictures"].tolist() == [1, 1, 2]
    assert table["objects"].tolist() == [1, 1, 2]


def test_what_lacks_is_told_before_the_first_picture(cutouts, tmp_path, monkeypatch):
    """A split without pictures and weights that are not there cost no hours of scoring."""
    marker = cutout_set(cutouts, tmp_path / "set", ("L",))
    monkeypatch.setattr(robustness, "evaluate_set", lambda *_args, **_more: pytest.fail("scored"))
    detector = Detector(blob_network.PATH, backend="onnxruntime")
    with pytest.raises(SetError, match="must hold pictures of the stretch Q, got none"):
        cross_matrix({"blobs": detector}, {"L": (marker, "L"), "Q": (marker, "Q")})
    with pytest.raises(ModelError, match=r"nothing\.onnx"):
        cross_matrix({"blobs": detector, "none": "nothing.onnx"}, {"L": (marker, "L")})


def test_bad_input_is_named(cutouts, tmp_path):
    """An unknown stretch, no cutout, a folder in use."""
    with pytest.raises(SetError, match=r"stretches must be among.*got XL"):
        cutout_set(cutouts, tmp_path / "set", ("L", "XL"))
    with pytest.raises(SetError, match="cutouts must hold one"):
        cutout_set(cutouts[2:], tmp_path / "set", ("L",))
    with pytest.raises(SetError, match="must be a new or an empty folder"):
        cutout_set(cutouts, tmp_path, ("L",))


def test_pictures_of_other_surveys_stay_as_they_are(cutouts, tmp_path):
    """Their stretch is not known, so that it is not undone: they come as published, but smaller."""
    path = tmp_path / "desi.png"
    rgb = np.zeros((96, 96, 3), np.uint8)
    rgb[..., 0], rgb[..., 2] = 200, 40
    cv2.imwrite(str(path), rgb[..., ::-1])
    other = replace(cutouts[1], path=path, linear=False)
    marker = cutout_set([cutouts[0], other], tmp_path / "set", ("Q",), size=48)
    picture = cv2.imread(str(read_set(marker).pictures("val")[0]))[..., ::-1].astype(int)
    assert picture.shape == (48, 48, 3)
    assert np.abs(picture - rgb[0, 0]).max() < 8  # of the JPEG
