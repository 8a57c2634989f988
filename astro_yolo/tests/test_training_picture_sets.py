"""What a YOLO set on disk says, and what is wrong with one that is not."""

import json
import shutil
import warnings

import numpy as np
import pytest

from astro_yolo.exceptions import AstroYoloWarning
from astro_yolo.tests.stock_sets import write_set
from astro_yolo.training.picture_sets import (
    PictureSet,
    SetError,
    check_labels,
    label_path,
    read_boxes,
    read_set,
    stretch_of,
)


def test_pictures_and_names(tmp_path):
    """The folder and its data.yaml mean the same; pictures are sorted."""
    marker = write_set(tmp_path)
    found = read_set(tmp_path)
    assert found == read_set(marker)
    assert found.names == ("elliptical", "spiral")
    assert [path.name for path in found.pictures("val")] == ["000-L.png", "001-L.png"]
    assert found.pictures("val", "L") == found.pictures("val")
    with pytest.raises(SetError, match="'val' must hold pictures of the stretch SH, got none"):
        found.pictures("val", "SH")
    with pytest.raises(SetError, match="'test' must hold pictures, got none"):
        found.pictures("test")


def test_other_ways_to_write_it(tmp_path):
    """A list of names, a list of folders, a text file of pictures, and a path in front."""
    write_set(tmp_path / "set")
    listed = tmp_path / "set" / "val.txt"
    listed.write_text("images/val/001-L.png\n\n")
    marker = tmp_path / "data.yaml"
    marker.write_text(
        "path: set\ntrain: [images/train, images/val]\nval: val.txt\nnames: [a, b]\n"
    )
    with pytest.warns(AstroYoloWarning, match=r"1 of 1 pictures of the split val are in train"):
        found = read_set(marker)
    assert found.names == ("a", "b")
    assert len(found.pictures("train")) == 10
    assert [path.name for path in found.pictures("val")] == ["001-L.png"]
    marker = tmp_path / "set" / "data.yaml"  # what Roboflow writes for folders beside the file
    marker.write_text("train: ../images/train\nval: ../images/val\nnames: [a, b]\n")
    assert len(read_set(marker).pictures("train")) == 8
    assert read_set(marker).pictures("val")[0] == tmp_path / "set/images/val/000-L.png"


def test_a_picture_in_two_splits_is_told(tmp_path):
    """One that is learnt from and judged by, as a path or a copy; equal names alone are none."""
    marker = write_set(tmp_path)  # 000-L.png and 001-L.png are other pictures in each split
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_set(marker)
    learnt, judged = tmp_path / "images/train", tmp_path / "images/val"
    shutil.copy(learnt / "001-L.png", judged)
    with pytest.warns(AstroYoloWarning, match=r"1 of 2 .* split val .*001-L\.png: what is measur"):
        read_set(marker)
    (judged / "001-L.png").unlink()
    (tmp_path / "test.txt").write_text("images/train/003-L.png\nimages/train/nothing.png\n")
    marker.write_text(marker.read_text() + "test: test.txt\n")
    with pytest.warns(AstroYoloWarning, match=r"1 of 2 .* split test .*003-L\.png"):
        read_set(marker)
    (tmp_path / "test.txt").write_text("images/val/000-L.png\n")  # the epoch is chosen by it
    with pytest.warns(AstroYoloWarning, match=r"1 of 1 .* split test are in val too"):
        read_set(marker)


def test_hidden_files_are_no_pictures(tmp_path):
    """What a killed program or another system leaves is not of the set, as for ultralytics."""
    marker = write_set(tmp_path)
    before = read_set(marker).pictures("val")
    shutil.copy(before[0], before[0].with_name(f".0123-{before[0].name}"))
    (before[0].parent / ".cache").mkdir()
    shutil.copy(before[0], before[0].parent / ".cache" / "1.png")
    assert read_set(marker).pictures("val") == before


def test_a_damaged_recipe_is_named(tmp_path):
    """A ``recipe.json`` that is no JSON stops with its name."""
    write_set(tmp_path)
    (tmp_path / "recipe.json").write_text("{")
    with pytest.raises(SetError, match=r"recipe\.json must be JSON"):
        read_set(tmp_path)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("train: x\nval: x\n", "must have names"),
        ("- a\n", "must have train, val, names"),
        ("train: [", "must be YAML"),
        ("train: images\nval: nowhere\nnames: [a]\n", "names nowhere, and .*nowhere does not"),
        ("train: images\nval: images\nnames: {0: a, 2: b}\n", "numbered from 0 without a gap"),
    ],
)
def test_files_that_are_no_set(tmp_path, text, rule):
    """The file and the rule are named."""
    (tmp_path / "images").mkdir()
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(SetError, match=f"data.yaml.*{rule}"):
        read_set(tmp_path)


def test_boxes_are_edge_pixels(tmp_path):
    """A box of a quarter of the picture about its middle, and an ignored one."""
    picture = tmp_path / "images" / "train" / "a.png"
    for kind, text in (("labels", "1 0.5 0.5 0.5 0.25\n"), ("ignore", "0.5 0.5 1 1\n\n")):
        path = label_path(picture, kind)
        path.parent.mkdir(parents=True)
        path.write_text(text)
    boxes, kinds = read_boxes(picture, "labels", (80, 40))
    np.testing.assert_allclose(boxes, [[10, 30, 30, 50]])
    assert kinds.tolist() == [1]
    boxes, kinds = read_boxes(picture, "ignore", (80, 40))
    np.testing.assert_allclose(boxes, [[0, 0, 40, 80]])
    assert kinds.tolist() == [-1]
    boxes, kinds = read_boxes(tmp_path / "images" / "none.png", "labels", (80, 40))
    assert boxes.shape == (0, 4)
    label_path(picture, "labels").write_text("1 0.5 0.5\n")
    with pytest.raises(SetError, match="must hold 5 numbers a line"):
        read_boxes(picture, "labels", (80, 40))


def test_rows_of_another_form_are_not_read_as_boxes(tmp_path):
    """Polygons and labels without a class are refused, however many numbers the file has."""
    picture = tmp_path / "images" / "train" / "a.png"
    path = label_path(picture, "labels")
    path.parent.mkdir(parents=True)
    for row in ("0 .1 .1 .3 .1 .3 .3 .1 .3\n", "0.5 0.5 0.2 0.2\n"):
        path.write_text(row * 5)  # 45 or 20 numbers: nine or four times five
        with pytest.raises(SetError, match="must hold 5 numbers a line"):
            read_boxes(picture, "labels", (80, 40))


def test_numbers_that_are_no_box_are_refused(tmp_path):
    """NaN, a side below 0, half a class and what is no text are named with file and line."""
    picture = tmp_path / "images" / "val" / "a.png"
    path = label_path(picture, "labels")
    path.parent.mkdir(parents=True)
    good = "0 0.5 0.5 0.2 0.2\n"
    for row in ("0 nan 0.5 0.2 0.2", "0 0.5 inf 0.2 0.2", "0 0.5 0.5 -0.2 0.2", "0.5 .5 .5 .2 .2"):
        path.write_text(f"{good}{row}\n")
        with pytest.raises(SetError, match=rf"a\.txt must hold whole classes.*got '{row}'"):
            read_boxes(picture, "labels", (80, 40))
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SetError, match=r"a\.txt must be text in UTF-8"):
        read_boxes(picture, "labels", (80, 40))
    path.write_text(good)
    assert read_boxes(picture, "labels", (80, 40))[0].tolist() == [[16, 32, 24, 48]]


def test_the_stretch_of_a_set(tmp_path):
    """That of its recipe, the first of several; a set that does not say it needs it named."""
    write_set(tmp_path)
    with pytest.raises(SetError, match="stretch must be named"):
        stretch_of(read_set(tmp_path))
    assert stretch_of(read_set(tmp_path), "asinh") == "asinh"
    with pytest.raises(SetError, match="got 'XL'"):
        stretch_of(read_set(tmp_path), "XL")
    (tmp_path / "recipe.json").write_text(json.dumps({"recipe": "T5", "filters": ["SH", "LH"]}))
    found = read_set(tmp_path)
    assert isinstance(found, PictureSet)
    assert (found.recipe, stretch_of(found)) == ("T5", "LH")
    assert found.boxes == ()
    with pytest.raises(SetError, match="one of the set's, SH, LH, got 'L'"):
        stretch_of(found, "L")
    (tmp_path / "recipe.json").write_text(json.dumps({"min_side": 22.0, "box_radii": 2.1}))
    assert read_set(tmp_path).boxes == (2.1, 22)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("train: images/train\nval: images/val\nnames: galaxy\n", "names must be a list.*'galaxy'"),
        ("train: images/train\nval: images/val\nnames: 5\n", "names must be a list.*got 5"),
        ("train: images/train\nval: images/val\nnames: {0: a, b: c}\n", r"numbered.*\[0, 'b'\]"),
        ("train: 3\nval: images/val\nnames: [a]\n", "train must be a folder.*got 3"),
        ("train: [null]\nval: images/val\nnames: [a]\n", "train must be a folder.*got None"),
        (
            "train: images/train/000-L.png\nval: images/val\nnames: [a]\n",
            "000-L.png must be a folder or a text file that lists pictures",
        ),
    ],
)
def test_a_set_that_says_it_otherwise_is_told(tmp_path, text, rule):
    """A word for the classes, numbers for folders, a picture for a list: each is named."""
    write_set(tmp_path).write_text(text)
    with pytest.raises(SetError, match=rule):
        read_set(tmp_path)


def test_labels_may_stand_beside_their_pictures(tmp_path):
    """Where no folder is called images, they are no ignored regions; those have their own file."""
    picture = tmp_path / "pictures" / "a.png"
    picture.parent.mkdir()
    picture.with_suffix(".txt").write_text("1 0.5 0.5 0.5 0.25\n")
    assert read_boxes(picture, "labels", (80, 40))[0].tolist() == [[10, 30, 30, 50]]
    assert len(read_boxes(picture, "ignore", (80, 40))[0]) == 0
    picture.with_suffix(".ignore.txt").write_text("0.5 0.5 1 1\n")
    assert read_boxes(picture, "ignore", (80, 40))[0].tolist() == [[0, 0, 40, 80]]


def test_a_split_without_any_object_is_told(tmp_path):
    """Labels in another place than YOLO's are none: where they were looked for is said."""
    write_set(tmp_path)
    (tmp_path / "labels").rename(tmp_path / "annotations")
    with pytest.raises(SetError, match=r"'train' must hold an object, got none.*labels.train.000"):
        check_labels(read_set(tmp_path), "train")


@pytest.mark.parametrize("row", ["0 0.9 0.5 0.3 0.2", "0 0.5 0.1 0.2 0.3"])
def test_boxes_beyond_the_picture(tmp_path, row):
    """A box that reaches a twentieth of a side over the border is no rounding."""
    marker = write_set(tmp_path)
    pictures = read_set(tmp_path)
    label_path(pictures.pictures("train")[0], "labels").write_text(f"{row}\n")
    with pytest.raises(SetError, match=r"\.txt must lie in the picture, as shares of its sides"):
        check_labels(pictures, "train")
    with pytest.raises(SetError, match=r"nowhere.yaml does not exist"):
        read_set(marker.with_name("nowhere.yaml"))
