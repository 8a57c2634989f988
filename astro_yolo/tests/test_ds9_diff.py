"""What changed between detections and regions, without a DS9."""

import numpy as np
import pytest
from astropy.table import Table

from astro_yolo.ds9 import diff_regions
from astro_yolo.exceptions import RegionError

NAMES = ("id", "xmin", "ymin", "xmax", "ymax", "label")


def rows(*values):
    return Table(rows=values, names=NAMES) if values else Table(
        [[]] * 6, names=NAMES, dtype=[int, *[float] * 4, "U9"])  # fmt: skip


BEFORE = rows((1, 0, 0, 10, 10, "spiral"), (2, 20, 0, 30, 10, "merger"), (7, 40, 0, 50, 8, "star"))


@pytest.mark.parametrize(
    ("now", "word"),
    [
        ((1, 0, 0, 10, 10, "spiral"), "kept"),
        ((1, 0.05, 0, 10.05, 10, "spiral"), "kept"),
        ((1, 0.2, 0, 10.2, 10, "spiral"), "moved"),
        ((1, -1, -1, 11, 11, "spiral"), "resized"),
        ((1, -1, 0, 11, 10, "spiral"), "resized"),
        ((1, 0, 0, 10, 10, "merger"), "relabelled"),
        ((1, 0, 0, 10, 10, ""), "kept"),
        ((1, 5, 5, 25, 16, "merger"), "moved+resized+relabelled"),
        ((3, 0, 0, 10, 10, "spiral"), "deleted"),
    ],
)
def test_words(now, word):
    """Each change has its word, several are joined; a label that was wiped out is the old one."""
    found = diff_regions(BEFORE[:1], rows(now))
    assert found["change"][0] == word
    assert found["xmin"][0] == (now[1] if "moved" in word or "resized" in word else 0)
    assert found["change"].tolist().count("added") == (word == "deleted")


def test_rows_point_at_their_tables():
    """Old rows come first in their order, then the new ones; -1 stands for none."""
    after = rows(
        (0, 70, 0, 80, 9, "spiral"), (7, 40, 0, 50, 8, "star"), (1, 0, 0, 10, 10, "spiral")
    )
    found = diff_regions(BEFORE, after)
    assert found["id"].tolist() == [1, 2, 7, 0]
    assert found["change"].tolist() == ["kept", "deleted", "kept", "added"]
    assert found["before"].tolist() == [0, 1, 2, -1]
    assert found["after"].tolist() == [2, -1, 1, 0]
    assert found["xmin"].tolist() == [0, 20, 40, 70]
    assert found["label_before"].tolist() == ["spiral", "merger", "star", ""]


def test_a_copy_was_added():
    """Of two regions with one id the nearer one is it."""
    after = rows((1, 90, 0, 100, 10, "spiral"), (1, 1, 0, 11, 10, "spiral"))
    found = diff_regions(BEFORE[:1], after)
    assert found["change"].tolist() == ["moved", "added"]
    assert found["after"].tolist() == [1, 0]


def test_circles():
    """A circle that was drawn for a long box is what was pushed: the area is the same."""
    after = rows((1, 0, 0, 20, 20, "spiral"))
    after["shape"] = ["circle"]
    before = rows((1, -10, 5, 30, 15, "spiral"))
    assert diff_regions(before, after, tolerance=0)["change"].tolist() == ["kept"]


def test_nothing():
    """Tables without rows give one without rows and with its columns."""
    found = diff_regions(rows(), rows())
    assert len(found) == 0
    assert found["xmin"].dtype == float
    assert diff_regions(rows(), BEFORE)["change"].tolist() == ["added"] * 3
    assert diff_regions(BEFORE, rows())["change"].tolist() == ["deleted"] * 3


def test_bad_input():
    """Missing columns, an id twice and a tolerance below zero are named."""
    with pytest.raises(RegionError, match="before must have the columns"):
        diff_regions(BEFORE["id", "label"], BEFORE)
    with pytest.raises(RegionError, match="every id once"):
        diff_regions(Table(np.repeat(BEFORE.as_array(), 2)), BEFORE)
    with pytest.raises(RegionError, match="tolerance must be a number from 0 up"):
        diff_regions(BEFORE, BEFORE, tolerance=-1)
    with pytest.raises(RegionError, match="must have the column id"):
        diff_regions(BEFORE["xmin", "ymin", "xmax", "ymax"], BEFORE)
    with pytest.raises(TypeError, match="after must be an astropy Table, got str"):
        diff_regions(BEFORE, "edited.reg")


def test_a_masked_id_is_none():
    """A row whose id is masked has no region, whatever number stands below the mask."""
    names = ["id", "xmin", "ymin", "xmax", "ymax", "label"]
    rows = [(1, 0, 0, 9, 9, "spiral"), (2, 20, 0, 29, 9, "merger")]
    before, after = Table(rows=rows, names=names, masked=True), Table(rows=rows, names=names)
    before["id"].mask[1] = True
    found = diff_regions(before, after)
    assert found["id"].tolist() == [1, 0, 0]
    assert found["change"].tolist() == ["kept", "deleted", "added"]


def test_one_row_is_compared():
    """A row of a table, on either side, is compared as a table of one row."""
    assert diff_regions(BEFORE[1], BEFORE)["change"].tolist() == ["kept", "added", "added"]
    assert diff_regions(BEFORE, BEFORE[-1])["change"].tolist() == ["deleted", "deleted", "kept"]
