"""The report is one page that can be sent alone, and the same as files."""

import re

import cv2
import numpy as np
import pytest
from astropy.table import Table

from astro_yolo.training.report import ReportError, read_results, write_report
from astro_yolo.training.scored import ScoredPicture
from astro_yolo.training.scoring import Evaluation


@pytest.fixture
def evaluation(tmp_path):
    """One real picture file with a hit, a miss and a false box."""
    path = tmp_path / "p.png"
    picture = np.zeros((100, 120, 3), np.uint8)
    picture[20:40, 10:30] = (10, 20, 250)
    cv2.imwrite(str(path), picture)
    scored = ScoredPicture(
        name=str(path), truth=[[10, 20, 30, 40], [80, 60, 100, 80]], truth_classes=[0, 1],
        boxes=[[11, 20, 31, 40], [50, 50, 60, 60]], scores=[0.9, 0.8], classes=[0, 1],
    )  # fmt: skip
    about = {"model": "<m>", "sha256": "0" * 64, "data": "set/data.yaml", "split": "val",
             "threshold": 0.5}  # fmt: skip
    return Evaluation((scored,), ("elliptical", "spiral"), about)


@pytest.fixture
def results(tmp_path):
    """Three epochs of a run."""
    table = Table({"epoch": [1, 2, 3], "iteration": [10, 20, 30], "recall": [0.1, 0.5, 0.8],
                   "mean_iou": [0.1, 0.4, 0.6]})  # fmt: skip
    (tmp_path / "run").mkdir()
    table.write(tmp_path / "run" / "results.ecsv", format="ascii.ecsv")
    return read_results(tmp_path / "run")


def test_the_page_needs_nothing_else(evaluation, results, tmp_path):
    """No address, script or file is referred to; names are escaped; figures stand beside it."""
    matrix = Table({"trained": ["T2", "T4"], "tested": ["L", "L"], "astrocv_recall": [0.5, 0.9],
                    "f1": [0.4, np.nan]})  # fmt: skip
    page = write_report(tmp_path / "out", {"T2 on L": evaluation}, {"T2": results}, matrix=matrix)
    text = page.read_text()
    assert re.findall(r'(?:src|href)="(?!data:)', text) == []
    assert "http" not in text
    assert "<script" not in text
    assert "&lt;m&gt;" in text
    assert len(re.findall(r'src="data:image/png;base64,iVBOR', text)) >= 10
    files = {path.name for path in page.parent.iterdir()}
    assert {"report.html", "convergence-recall.png", "convergence-mean_iou.png", "matrix.ecsv",
            "headline-T2_on_L.ecsv", "confusion-T2_on_L.png", "best-T2_on_L.png",
            "missed-T2_on_L.png", "spurious-T2_on_L.ecsv", "precision_recall.png",
            "reliability.png", "size.png"} <= files  # fmt: skip
    missed = Table.read(page.parent / "missed-T2_on_L.ecsv")
    assert missed["class"].tolist() == ["spiral"]
    assert missed["xmin"].tolist() == [80]


def test_a_gallery_shows_the_surroundings(evaluation, tmp_path):
    """The red square of the picture stands in the middle of the tile, in a green frame."""
    page = write_report(tmp_path / "out", {"a": evaluation})
    sheet = cv2.imread(str(page.parent / "best-a.png"))[..., ::-1]
    tile = sheet[:150, :150]
    assert tile[75, 75].tolist() == [250, 20, 10]
    assert tile[5, 5].tolist() == [0, 0, 0]
    green = (tile == [90, 220, 90]).all(axis=-1)
    y = np.nonzero(green)[0]
    assert abs((y.min() + y.max()) / 2 - 75) < 1.5
    assert y.max() - y.min() == pytest.approx(20 / 44 * 150, abs=2)


def test_bad_input_is_named(evaluation, tmp_path):
    """Nothing to report, a page in the way, a run that is none."""
    with pytest.raises(ReportError, match="needs an evaluation, a run or a matrix"):
        write_report(tmp_path / "out")
    write_report(tmp_path / "out", {"a": evaluation}, draws=5)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_report(tmp_path / "out", {"a": evaluation})
    with pytest.raises(ReportError, match="does not exist"):
        read_results(tmp_path / "nothing")
    Table({"epoch": [1]}).write(tmp_path / "odd.ecsv")
    with pytest.raises(ReportError, match="must have the column iteration"):
        read_results(tmp_path / "odd.ecsv")
