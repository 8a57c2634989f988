"""Decisions about detections: what holds, what is lost (nothing), and what is written."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from astro_yolo.catalog import make_table, read_table, write_table
from astro_yolo.ds9.review import Review, ReviewError

from .test_region_text import example
from .wcs_cases import CASES, make_wcs

SHARES = [[0.9, 0.1, 0, 0, 0], [0.5, 0.5, 0, 0, 0], [0, 0, 0.6, 0.4, 0], [0, 0, 0, 0, 1]]


@pytest.fixture
def table():
    """Four detections; the second is a draw between two classes, the fourth is least sure."""
    boxes = [[10, 10, 20, 20], [30, 10, 44, 22], [50, 50, 60, 58], [80, 20, 90, 30]]
    return make_table(boxes, [0.99, 0.95, 0.9, 0.55], SHARES, np.zeros(4), np.zeros(4, int),
                      wcs=make_wcs(**CASES["plain"]))  # fmt: skip


@pytest.fixture
def review(table, tmp_path):
    return Review(table, tmp_path / "journal")


@pytest.mark.parametrize(
    ("order", "ids"),
    [("uncertainty", [2, 4, 3, 1]), ("score", [4, 3, 2, 1]), ("x", [1, 2, 3, 4]),
     ("class", [3, 1, 2, 4])],
)  # fmt: skip
def test_orders(table, tmp_path, order, ids):
    """The least sure first, or by score, class or any column; each is asked about once."""
    review = Review(table, tmp_path / "journal", order=order)
    asked = []
    while review.current is not None:
        asked.append(review.current)
        review.confirm()
    assert asked == ids
    assert review.left == 0


def test_decisions_make_the_result(review, table):
    """Confirmed, corrected, deleted and added rows stand in the result, with their sky."""
    review.confirm(label="merger")  # 2
    review.delete()  # 4
    review.confirm(box=[50, 48, 62, 60])  # 3
    number = review.add([5, 60, 15, 70], "spiral")
    found = review.result()
    assert number == 5
    assert found["id"].tolist() == [1, 2, 3, 5]
    assert found["label"].tolist()[1:] == ["merger", "edge_on", "spiral"]
    assert found["review"].tolist() == ["open", "confirmed", "confirmed", "added"]
    assert found["x"].tolist()[2:] == [56, 10]
    wcs = make_wcs(**CASES["plain"])
    ra, dec = wcs.wcs_pix2world([56, 10], [54, 65], 0)
    np.testing.assert_allclose(found["ra"].value[2:], ra, atol=1e-9)
    np.testing.assert_allclose(found["dec"].value[2:], dec, atol=1e-9)
    assert found["score"].tolist()[:3] == table["score"].tolist()[:3]
    assert found["flags"].tolist() == [0, 0, 0, 0]


def test_a_place_that_nobody_knows(table, tmp_path):
    """Where the image has no sky coordinates, a box that was moved has no ra and dec; others do."""
    table.meta.clear()
    review = Review(table, tmp_path / "journal")
    review.confirm(box=[31, 10, 45, 22])  # 2
    found = review.result()
    for name in ("ra", "dec", "width", "height"):
        assert np.isnan(found[name][1])
        assert found[name].value[[0, 2, 3]].tolist() == table[name].value[[0, 2, 3]].tolist()
        assert found[name].unit == table[name].unit


def test_undo_goes_back(review):
    """Undo takes decisions back one by one, additions too, and asks again."""
    review.confirm()
    review.delete()
    review.add([1, 1, 5, 5])
    assert review.undo()["do"] == "add"
    assert review.undo()["do"] == "delete"
    assert review.current == 4
    assert review.state(4)[0] == "open"
    review.undo()
    assert review.current == 2
    assert review.undo() is None
    assert review.left == 4
    assert review.add([1, 1, 5, 5]) == 6  # an id is never given twice


def test_skip_and_back(review):
    """What was skipped is asked about at the end; back goes to a decided one too."""
    review.skip()
    review.confirm()
    assert review.current == 3
    review.confirm()
    review.confirm()
    assert review.current == 2
    review.confirm()
    assert review.current is None
    with pytest.raises(ReviewError, match="every detection is decided"):
        review.confirm()
    review.back()
    assert review.current == 1


def test_a_review_goes_on(review, table, tmp_path):
    """The journal is all: another process sees the same, and a torn last line is forgotten."""
    review.confirm(label="star")
    review.delete()
    with (tmp_path / "journal").open("ab") as file:
        file.write(b'{"do": "confi')
    again = Review(table, tmp_path / "journal")
    assert again.left == 2
    assert again.current == 3
    assert again.state(2)[:2] == ("confirmed", "star")
    again.confirm()
    assert Review(table, tmp_path / "journal").left == 1
    with pytest.raises(ReviewError, match="is that of another table"):
        Review(table[:3], tmp_path / "journal")
    (tmp_path / "other").write_text("x,y\n")
    with pytest.raises(ReviewError, match="is no journal"):
        Review(table, tmp_path / "other")


def test_a_crash_loses_nothing(tmp_path):
    """Killed right after a decision, that decision is there."""
    write_table(example(30), tmp_path / "t.ecsv")
    code = (
        "import sys, time; from astro_yolo import read_table\n"
        "from astro_yolo.ds9.review import Review\n"
        "review = Review(read_table(sys.argv[1]), sys.argv[2])\n"
        "while True:\n"
        "    review.delete(); print(review.left, flush=True); time.sleep(0.01)\n"
    )
    command = [sys.executable, "-c", code, tmp_path / "t.ecsv", tmp_path / "journal"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        left = [int(process.stdout.readline()) for _ in range(5)][-1]
        os.kill(process.pid, signal.SIGKILL)
    again = Review(read_table(tmp_path / "t.ecsv"), tmp_path / "journal")
    assert again.left <= left
    lines = (tmp_path / "journal").read_text().splitlines()
    assert sum(json.loads(line).get("do") == "delete" for line in lines) == 30 - again.left


def test_tables_without_rows_or_sky(tmp_path):
    """Nothing to judge is no failure; objects can still be added, without a sky."""
    review = Review(example(0) if len(example(0)) == 0 else example(1)[:0], tmp_path / "journal")
    assert review.current is None
    assert len(review.result()) == 0
    review.add([1, 2, 5, 8], "spiral")
    found = review.result()
    assert found["label"].tolist() == ["spiral"]
    assert found["y"].tolist() == [5]


def test_bad_input(review, table, tmp_path):
    """Unknown classes, impossible boxes, missing columns and orders are named."""
    with pytest.raises(ReviewError, match=r"label must be one of elliptical.*got 'nova'"):
        review.confirm(label="nova")
    for box in ([1, 1, 1, 5], [1, 2, 3], [np.nan, 0, 1, 1]):
        with pytest.raises(ReviewError, match="box must be xmin"):
            review.add(box)
    with pytest.raises(ReviewError, match="table must have the columns label"):
        Review(table["id", "xmin", "ymin", "xmax", "ymax"], tmp_path / "j")
    with pytest.raises(ReviewError, match=r"order must be one of .*got 'beauty'"):
        Review(table, tmp_path / "j", order="beauty")
    assert review.left == 4


@pytest.mark.parametrize(
    "ids", [[1, 2, 3, 3], [0, 1, 2, 3], np.ma.array([1, 2, 3, 4], mask=[0, 0, 0, 1])]
)
def test_an_id_for_every_row(table, tmp_path, ids):
    """Rows that nothing tells apart, for want of an id of their own, are not reviewed."""
    rows = Table(table)
    rows["id"] = MaskedColumn(ids)
    with pytest.raises(ReviewError, match=r"an id above 0 in every row, each once, got [03]"):
        Review(rows, tmp_path / "journal")
    assert not (tmp_path / "journal").exists()


def test_what_is_masked(table, tmp_path):
    """A masked class is none, and a masked value comes last, whatever stands below the mask."""
    rows = Table(table)
    rows["label"] = MaskedColumn(rows["label"], mask=[False, True, False, False])
    rows["mine"] = MaskedColumn([3, -99, 2, 1], mask=[False, True, False, False])
    review = Review(rows, tmp_path / "journal", order="mine")
    assert review._order == [4, 3, 1, 2]
    assert review.state(2)[1] == ""
    assert Review(rows, tmp_path / "other", order="class")._order[0] == 2
