"""Networks on sets, through the real Detector, and the tables they leave."""

import json
from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest

from astro_yolo import Detector
from astro_yolo.catalog import make_table
from astro_yolo.tests import blob_network
from astro_yolo.tests.stock_sets import write_set
from astro_yolo.training import scoring
from astro_yolo.training.export_stock import ExportError
from astro_yolo.training.picture_sets import SetError, label_path, read_boxes, read_set
from astro_yolo.training.scored import ScoredPicture
from astro_yolo.training.scoring import (
    Evaluation,
    evaluate_set,
    read_evaluation,
    write_evaluation,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two pictures with two blobs each."""
    return write_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def detector():
    """The network of the tests, which finds isolated blobs."""
    return Detector(blob_network.PATH, backend="onnxruntime")


def test_pictures_are_detected_in_as_they_lie(data, detector):
    """Blobs are found at their labels, with rows as in the file, to a pixel."""
    found = evaluate_set(detector, data)
    assert found.names == ("elliptical", "spiral")
    assert found.about["split"] == "val"
    assert len(found.pictures) == 2
    near = 0
    for picture in found.pictures:
        assert len(picture.truth) == 2
        assert picture.ignored.shape == (1, 4)
        middle = (picture.truth[:, :2] + picture.truth[:, 2:]) / 2
        for box in picture.boxes:
            distance = np.hypot(*(middle - (box[:2] + box[2:]) / 2).T)
            near += distance.min() < 1
    assert near > 0


def test_written_and_read_back(data, detector, tmp_path):
    """Every number survives; an evaluation is not replaced by mistake."""
    found = evaluate_set(detector, data, split="train")
    write_evaluation(found, tmp_path / "e")
    again = read_evaluation(tmp_path / "e")
    assert (again.names, again.about) == (found.names, found.about)
    for one, other in zip(found.pictures, again.pictures, strict=True):
        for item in fields(ScoredPicture):
            np.testing.assert_array_equal(getattr(one, item.name), getattr(other, item.name))
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_evaluation(found, tmp_path / "e")
    write_evaluation(Evaluation((), found.names, found.about), tmp_path / "e", overwrite=True)
    assert read_evaluation(tmp_path / "e").pictures == ()
    with pytest.raises(SetError, match="must hold an evaluation"):
        read_evaluation(tmp_path)


ABOUT = {
    "model": "m", "sha256": "0" * 64, "data": "set/data.yaml", "split": "val", "stretch": "",
    "threshold": 0.5,
}  # fmt: skip


@pytest.fixture
def written(tmp_path):
    """An evaluation of two pictures on disk, with an ignored region in the second."""
    box = [[1, 2, 9, 8]]
    first = ScoredPicture("a.png", box, [1], box, [0.5], [0])
    second = ScoredPicture("b.png", box, [0], box, [0.5], [1], ignored=box)
    evaluation = Evaluation((first, second), ("elliptical", "spiral"), ABOUT)
    return write_evaluation(evaluation, tmp_path / "e")


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"names": None}, "must have names"),
        ({"pictures": None, "threshold": None}, "must have pictures, threshold"),
        ({"names": "spiral"}, "names must be a list of texts, got 'spiral'"),
        ({"pictures": ["a.png", 2]}, r"pictures must be a list of texts, got \['a.png', 2\]"),
        ({"model": 5}, "model must be a text, got 5"),
        ({"threshold": "high"}, "threshold must be a number, got 'high'"),
    ],
)
def test_what_was_changed_by_hand_is_named(written, change, rule):
    """A key of evaluation.json that is missing, or no value for it, is told with the file."""
    path = written / "evaluation.json"
    state = json.loads(path.read_text()) | change
    path.write_text(json.dumps({key: value for key, value in state.items() if value is not None}))
    with pytest.raises(SetError, match=rf"evaluation\.json:? {rule}$"):
        read_evaluation(written)


@pytest.mark.parametrize("text", [b"", b"{'names': []}", b"\xff\xfe", b'{"names": ['])
def test_an_evaluation_that_is_no_json_is_named(written, text):
    """Neither a parser's error nor one of the encoding: the file is told, and what it must be."""
    (written / "evaluation.json").write_bytes(text)
    with pytest.raises(SetError, match=r"evaluation\.json must be JSON"):
        read_evaluation(written)
    (written / "evaluation.json").write_text("[1, 2]")
    with pytest.raises(SetError, match=r"evaluation\.json must have names, pictures, model"):
        read_evaluation(written)


@pytest.mark.parametrize(
    ("name", "old", "new", "rule"),
    [
        ("truth", "\n1,", "\n2,", "picture must be 0 or more and below 2, .* got 2"),
        ("truth", "\n1,", "\n-1,", "picture must be 0 or more and below 2, .* got -1"),
        ("truth", ",-1,", ",-2,", "class must be -1 or more and below 2, .* got -2"),
        ("detections", ",0,0.5", ",-1,0.5", "class must be 0 or more and below 2, .* got -1"),
        ("detections", ",1,0.5", ",7,0.5", "class must be 0 or more and below 2, .* got 7"),
        ("detections", "score", "sc", r"must have the columns score"),
        ("detections", ",0,0.5", ",0,", "score must be a number in every row"),
        ("detections", ",0,0.5", ",0,half", "must be a table"),
        ("truth", "class, datatype: int64", "class, datatype: float64", "class must be a whole"),
        ("truth", "\n1,", "\n1,3,", "must be a table"),
        ("truth", "%ECSV", "nothing", "must be a table"),
        ("truth", "# datatype:\n", "", "must be a table"),
    ],
)
def test_tables_that_do_not_fit_are_named(written, name, old, new, rule):
    """Rows of pictures or classes that are not listed, a column or a cell that is missing."""
    path = written / f"{name}.ecsv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(SetError, match=rf"{name}\.ecsv:? {rule}"):
        read_evaluation(written)
    path.unlink()
    with pytest.raises(SetError, match=rf"must hold an evaluation, and {name}\.ecsv is missing"):
        read_evaluation(written)


def test_an_evaluation_that_was_cut_off_goes_on(data, detector, tmp_path, monkeypatch):
    """Pictures that were scored are not scored again, with the same numbers; no part stays."""
    whole = evaluate_set(detector, data, split="train")
    asked, real = [], scoring.score_picture

    def fails_at(number):
        def score(detector, path, *rest):
            if len(asked) == number:
                raise KeyboardInterrupt
            asked.append(path)
            return real(detector, path, *rest)

        return score

    monkeypatch.setattr(scoring, "score_picture", fails_at(3))
    with pytest.raises(KeyboardInterrupt):
        evaluate_set(detector, data, split="train", parts=tmp_path)
    (tmp_path / ".parts-0123456789abcdef").mkdir()
    monkeypatch.setattr(scoring, "score_picture", fails_at(-1))
    again = evaluate_set(detector, data, split="train", parts=tmp_path)
    assert len(asked) == len(set(asked)) == 8
    for one, other in zip(whole.pictures, again.pictures, strict=True):
        for item in fields(ScoredPicture):
            np.testing.assert_array_equal(getattr(one, item.name), getattr(other, item.name))
    assert not list(tmp_path.iterdir())


def test_magnitudes_come_from_the_coco_file(data, detector, tmp_path):
    """The r magnitude of each object, NaN where there is none."""
    marker = write_set(tmp_path / "set")
    coco = {
        "images": [{"id": 1, "file_name": "images/val/000-L.png"}],
        "annotations": [
            {"image_id": 1, "iscrowd": 0, "magnitude_r": 17.25, "bbox": [0, 0, 9, 9]},
            {"image_id": 1, "iscrowd": 1},
            {"image_id": 1, "iscrowd": 0},
        ],
    }
    boxes = read_boxes(read_set(marker).pictures("val")[0], "labels", (64, 64))[0]
    x0, y0, x1, y1 = boxes[1]  # the order of a label file may change, and a box be moved
    coco["annotations"][0]["bbox"] = [round(float(v), 3) for v in (x0, y0, x1 - x0, y1 - y0)]
    (marker.parent / "coco-val.json").write_text(json.dumps(coco))
    first, second = evaluate_set(detector, marker).pictures
    np.testing.assert_array_equal(first.magnitudes, [np.nan, 17.25])
    assert np.isnan(second.magnitudes).all()
    coco["annotations"][0]["bbox"][0] += 0.5
    (marker.parent / "coco-val.json").write_text(json.dumps(coco))
    assert np.isnan(evaluate_set(detector, marker).pictures[0].magnitudes).all()
    for text in ("[]", "{broken", '{"images": [{"file_name": "a.png"}]}'):
        (marker.parent / "coco-val.json").write_text(text)
        with pytest.raises(SetError, match=r"coco-val\.json must be a COCO file"):
            evaluate_set(detector, marker)


def test_bad_sets_are_named(detector, tmp_path):
    """A class that detection does not have or has once, a damaged picture, a label out of range."""
    with pytest.raises(ExportError, match="class 'cat'"):
        evaluate_set(detector, write_set(tmp_path / "cats", names=("cat", "spiral")))
    with pytest.raises(ExportError, match="classes 'Spiral' and 'spiral' must be one class"):
        evaluate_set(detector, write_set(tmp_path / "twice", names=("Spiral", "spiral")))
    marker = write_set(tmp_path / "set")
    picture = tmp_path / "set" / "images" / "val" / "000-L.png"
    label_path(picture, "labels").write_text("2 0.5 0.5 0.1 0.1\n")
    with pytest.raises(SetError, match="must have classes 0 to 1, got 2"):
        evaluate_set(detector, marker)
    for row in ("0 250 250 20 20", "0 0.5 1.5 0.1 0.1"):
        label_path(picture, "labels").write_text(f"{row}\n")
        with pytest.raises(SetError, match=r"000-L.png must lie in the picture, as shares"):
            evaluate_set(detector, marker)
    picture.write_bytes(b"\x89PNG")
    with pytest.raises(SetError, match=r"000-L.png must be a picture"):
        evaluate_set(detector, marker)


def test_a_set_of_galaxies_and_stars_knows_no_types(data, detector, monkeypatch):
    """Whatever type `detect` gives a galaxy, it is of the class galaxy there; a star is a star."""
    boxes, scores = np.arange(12.0).reshape(3, 4), np.array([0.9, 0.8, 0.7])
    labels = ["spiral", "star", "unknown"]
    monkeypatch.setattr(scoring, "found_in", lambda *_, **__: (boxes, scores, labels))
    picture = data.parent / "images/val/000-L.png"
    found = scoring.score_picture(detector, picture, ("star", "galaxy"))
    assert found.classes.tolist() == [1, 0, 1]
    found = scoring.score_picture(detector, picture, ("spiral", "galaxy"))
    assert found.classes.tolist() == [0, 1]
    assert found.scores.tolist() == [0.9, 0.7]
    found = scoring.score_picture(detector, picture, ("elliptical", "spiral"))
    assert found.classes.tolist() == [1]


def test_stars_have_their_own_probability():
    """With stars, what is found has the larger of its two probabilities; boxes are in edges."""
    boxes, asked = [[2.0, 3, 8, 9], [20, 30, 29, 38]], []
    table = make_table(boxes, [0.8, 0.1], np.full((2, 5), 0.2), [0.1, 0.7], [0, 0],
                       label=["spiral", "star"])  # fmt: skip
    detector = SimpleNamespace(detect=lambda _, **how: asked.append(how) or table)
    for stars, expected in ((False, [0.8, 0.1]), (True, [0.8, 0.7])):
        found, scores, labels = scoring.found_in(detector, None, stars=stars)
        assert scores.tolist() == pytest.approx(expected)
        assert (found.tolist(), labels) == (boxes, ["spiral", "star"])
        assert asked[-1]["include_stars"] == stars


@pytest.mark.parametrize(
    ("label", "names", "expected"),
    [
        ("spiral", ("elliptical", "spiral"), 1), ("merger", ("elliptical", "spiral"), -1),
        ("merger", ("blob",), 0), ("merger", ("star", "galaxy"), 1),
        ("star", ("galaxy", "other"), -1), ("star", ("galaxy", "star"), 1),
    ],
)
def test_classes_of_labels(label, names, expected):
    """A label is the class of its name; all is one class, and any type of galaxy a galaxy."""
    assert scoring._class_of(label, names) == expected
