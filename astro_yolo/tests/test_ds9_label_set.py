"""What was judged, as files: the training pipeline reads the very boxes again."""

import json

import cv2
import numpy as np
import pytest

from astro_yolo.catalog import make_table, read_table
from astro_yolo.ds9.label_set import check_set, write_labels, write_reviewed
from astro_yolo.ds9.review import ReviewError
from astro_yolo.overlays import read_regions
from astro_yolo.training.picture_sets import read_boxes, read_set


@pytest.fixture
def table():
    """Two galaxies, one of them over the edge, a star and a galaxy beyond the edge."""
    boxes = [[10, 20, 30, 50], [-4, 70, 6, 80], [60, 60, 64, 64], [125, 5, 135, 15]]
    shares = [[0, 1, 0, 0, 0], [0, 0, 0, 1, 0], [1, 0, 0, 0, 0], [0, 0, 0, 1, 0]]
    return make_table(boxes, [0.9, 0.8, 0.7, 0.6], shares, np.zeros(4), np.zeros(4, int),
                      label=["spiral", "merger", "star", "merger"])  # fmt: skip


def image():
    """One bright pixel in the second row from the bottom."""
    plane = np.random.default_rng(0).normal(0, 0.01, (100, 120)).astype(np.float32)
    plane[1, 100] = 50
    return plane


def test_the_pipeline_reads_it(table, tmp_path):
    """Boxes and classes in the image come back, no star; row 0 of the picture is the bottom."""
    picture = write_labels(table, image(), tmp_path / "set", "one")
    write_labels(table[:1], image(), tmp_path / "set", "two", split="val")
    found = read_set(tmp_path / "set")
    assert found.pictures("train") == (picture,)
    boxes, kinds = read_boxes(picture, "labels", (100, 120))
    np.testing.assert_allclose(boxes, [[10, 20, 30, 50], [0, 70, 6, 80]], atol=1e-4)
    assert [found.names[k] for k in kinds] == ["spiral", "merger"]
    shown = cv2.imread(str(picture)).sum(axis=2)
    assert np.unravel_index(shown.argmax(), shown.shape) == (1, 100)


def test_a_picture_is_stretched_once(table, tmp_path):
    """What is a picture already goes into the set pixel by pixel; the stretch is its name alone."""
    rgb = np.random.default_rng(1).integers(0, 256, (100, 120, 3), dtype=np.uint8)
    picture = write_labels(table, rgb, tmp_path / "set", "one")
    np.testing.assert_array_equal(cv2.imread(str(picture))[..., ::-1], rgb)


def test_coco_form(table, tmp_path):
    """The COCO file holds all images of a split; one that is replaced is there once."""
    for name in ("one", "two", "one"):
        write_labels(table, image(), tmp_path / "set", name, overwrite=True)
    coco = json.loads((tmp_path / "set/coco-train.json").read_text())
    assert sorted(entry["file_name"] for entry in coco["images"]) == [
        "images/train/one-LH.png", "images/train/two-LH.png"]  # fmt: skip
    assert len(coco["annotations"]) == 4
    assert len({note["id"] for note in coco["annotations"]}) == 4
    numbers = sorted(entry["id"] for entry in coco["images"])
    assert 0 < numbers[0] < numbers[1]
    assert sorted(note["image_id"] for note in coco["annotations"]) == sorted(2 * numbers)
    first = coco["annotations"][0]
    assert (first["bbox"], first["area"], first["category_id"]) == ([10, 20, 20, 30], 600, 2)


def test_table_and_regions(table, tmp_path):
    """ECSV and region file hold the same; neither is replaced by mistake, not even one of them."""
    paths = write_reviewed(table, tmp_path / "judged")
    assert [path.name for path in paths] == ["judged.ecsv", "judged.reg"]
    assert read_table(paths[0])["label"].tolist() == table["label"].tolist()
    assert read_regions(paths[1])["id"].tolist() == table["id"].tolist()
    paths[0].unlink()
    with pytest.raises(FileExistsError, match=r"judged\.reg exists already"):
        write_reviewed(table, tmp_path / "judged")
    assert not paths[0].exists()


def test_bad_input(table, tmp_path):
    """Splits, classes and names that do not do are refused."""
    with pytest.raises(ReviewError, match="split must be one of train, val, got 'test'"):
        write_labels(table, image(), tmp_path / "set", "one", split="test")
    write_labels(table, image(), tmp_path / "set", "one")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_labels(table, image(), tmp_path / "set", "one")
    table["label"][0] = "nova"
    with pytest.raises(ReviewError, match=r"label must be one of .*got nova"):
        write_labels(table, image(), tmp_path / "set", "two")


def test_a_set_of_others_stays_as_it_is(table, tmp_path):
    """One of other classes is refused before anything is written; more splits and words stay."""
    folder = tmp_path / "set"
    write_labels(table, image(), folder, "one")
    marker, coco = folder / "data.yaml", folder / "coco-train.json"
    (folder / "images/test").mkdir()
    marker.write_text(f"test: images/test\n{marker.read_text()}")
    coco.write_text(json.dumps(json.loads(coco.read_text()) | {"info": {"title": "mine"}}))
    before = marker.read_text()
    write_labels(table, image(), folder, "two")
    assert marker.read_text() == before
    assert json.loads(coco.read_text())["info"] == {"title": "mine"}
    with pytest.raises(FileExistsError, match=r"train/one-LH\.png is in another split"):
        write_labels(table, image(), folder, "one", split="val", overwrite=True)
    coco.write_text(coco.read_text().replace("elliptical", "round"))
    with pytest.raises(ReviewError, match=r"coco-train\.json must have the categories elliptical"):
        write_labels(table, image(), folder, "three")
    coco.write_text("[]")
    with pytest.raises(ReviewError, match=r"coco-train\.json must be a COCO file"):
        check_set(folder)
    marker.write_text(before.replace("elliptical", "round"))
    with pytest.raises(ReviewError, match=r"folder must hold a set of the classes elliptical"):
        check_set(folder)
    marker.write_text("- no set")
    with pytest.raises(ReviewError, match="folder must hold a set of ours or none"):
        check_set(folder)
    assert not list(folder.glob("*/*/three*"))
