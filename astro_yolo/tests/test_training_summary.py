"""The tables of an evaluation, counted by hand."""

import numpy as np
import pytest

from astro_yolo.training.scored import ScoredPicture
from astro_yolo.training.scoring import Evaluation
from astro_yolo.training.summary import headline, tables_of

NAMES = ("elliptical", "spiral")


def square(x, side=20.0):
    """Return a box at (x, x)."""
    return [x, x, x + side, x + side]


@pytest.fixture
def evaluation():
    """Four objects: right, of the wrong class, below the score, missed; and a false one."""
    first = ScoredPicture(
        name="a", truth=[square(0), square(50)], truth_classes=[0, 1],
        boxes=[square(0), square(50), square(200)], scores=[0.9, 0.8, 0.7], classes=[0, 0, 1],
        magnitudes=[17.5, 19.5],
    )  # fmt: skip
    second = ScoredPicture(
        name="b", truth=[square(0), square(50)], truth_classes=[1, 1], boxes=[square(0)],
        scores=[0.1], classes=[1], magnitudes=[17.5, np.nan],
    )  # fmt: skip
    about = {"model": "m", "sha256": "0" * 64, "data": "set/data.yaml", "split": "val",
             "threshold": 0.5}  # fmt: skip
    return Evaluation((first, second), NAMES, about)


def test_headline(evaluation):
    """AstroCV sees 3 of 4; at score 0.5 it is 2 of 4 with 1 false, and half of them named right."""
    found = headline(list(evaluation.pictures), 2, threshold=0.5)
    assert found["astrocv_recall"] == pytest.approx(3 / 4)
    assert found["astrocv_mean_iou"] == pytest.approx(3 / 4)
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx(2 / 4)
    assert found["f1"] == pytest.approx(2 * 2 / (3 + 4))
    assert found["accuracy"] == pytest.approx(1 / 2)


def test_tables(evaluation):
    """Confusion, classes and bins hold the same objects."""
    tables = tables_of(evaluation, draws=20)
    confusion = tables["confusion"]
    assert confusion.colnames == ["true", "elliptical", "spiral", "missed"]
    assert [list(row)[1:] for row in confusion] == [[1, 0, 0], [1, 0, 2], [0, 1, 0]]
    classes = tables["classes"]
    assert classes["objects"].tolist() == [1, 3]
    assert classes["precision"].tolist() == [0.5, 0]
    assert classes["recall"].tolist() == [1, 0]
    bins = tables["magnitude"]
    bright = bins[bins["low"] == 17][0]
    assert (bright["objects"], bright["found"]) == (2, 1)
    assert tables["size"]["objects"].sum() == 4
    head = tables["headline"]
    assert (head["low"] <= head["value"] + 1e-9).all()
    assert len(head) == 10


def test_a_class_that_is_never_called_is_missed(evaluation):
    """Its recall and F1 are 0, as 2 objects of 2 are missed; its purity is unknown."""
    lonely = ScoredPicture(
        truth=[square(0), square(50)], truth_classes=[1, 1], boxes=[square(0)], scores=[0.1],
        classes=[1],
    )  # fmt: skip
    elliptical, spiral = tables_of(Evaluation((lonely,), NAMES, evaluation.about))["classes"]
    assert (spiral["objects"], spiral["recall"], spiral["f1"]) == (2, 0, 0)
    assert np.isnan(spiral["precision"])
    assert np.isnan([elliptical["recall"], elliptical["f1"]]).all()
