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


def test_overwriting_takes_the_files_of_the_report_before(evaluation, results, tmp_path):
    """What only the report before had goes, but no file that the user made or changed.

    A figure of the same name as the user's gets another one.
    """
    out = tmp_path / "out"
    out.mkdir()
    (out / "size.png").write_text("the user's")
    (out / "notes.txt").write_text("the user's")
    write_report(out, {"a": evaluation, "b": evaluation}, {"T2": results}, draws=5)
    before = {path.name for path in out.iterdir()}
    assert {"headline-a.ecsv", "headline-b.ecsv", "best-b.png", "results-T2.ecsv"} <= before
    assert (out / "size.png").read_text() == "the user's"
    assert (out / "size-2.png").read_bytes().startswith(b"\x89PNG")
    (out / "classes-b.ecsv").write_text("changed by the user")
    write_report(out, runs={"T4": results}, overwrite=True)
    assert {path.name for path in out.iterdir()} == {
        "report.html", "report-files.json", "convergence-recall.png", "convergence-mean_iou.png",
        "results-T4.ecsv", "notes.txt", "classes-b.ecsv", "size.png",
    }  # fmt: skip


def test_a_report_that_was_cut_off_leaves_nothing_unknown(
    evaluation, results, tmp_path, monkeypatch
):
    """The files that came before the end are known to the next report."""
    out = tmp_path / "out"
    monkeypatch.setattr("astro_yolo.training._figures.recall_bins", None)
    with pytest.raises(TypeError):
        write_report(out, {"a": evaluation}, {"T2": results}, draws=5)
    assert (out / "results-T2.ecsv").is_file()
    assert not (out / "report.html").exists()
    write_report(out, runs={"T4": results})
    assert not (out / "results-T2.ecsv").exists()


def test_names_that_make_one_file_name_stay_apart(evaluation, tmp_path):
    """``T2-L``, ``T2.L`` and ``t2.l`` have tables of their own, also where A is a."""
    page = write_report(tmp_path / "out", dict.fromkeys(("T2-L", "T2.L", "t2.l"), evaluation),
                        draws=5)  # fmt: skip
    names = sorted(path.name.casefold() for path in page.parent.glob("headline*"))
    assert names == ["headline-t2_l-2.ecsv", "headline-t2_l-3.ecsv", "headline-t2_l.ecsv"]


def test_bad_input_is_named(evaluation, tmp_path):
    """Nothing to report, a page in the way, no draw, a run or a matrix that is none."""
    with pytest.raises(ReportError, match="needs an evaluation, a run or a matrix"):
        write_report(tmp_path / "out")
    write_report(tmp_path / "out", {"a": evaluation}, draws=5)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        write_report(tmp_path / "out", {"a": evaluation})
    with pytest.raises(ReportError, match="draws must be 1 or more, got 0"):
        write_report(tmp_path / "out", {"a": evaluation}, draws=0, overwrite=True)
    with pytest.raises(ReportError, match="matrix must have the column tested"):
        write_report(tmp_path / "out", matrix=Table({"trained": ["a"]}), overwrite=True)
    assert (tmp_path / "out/report.html").is_file()
    with pytest.raises(ReportError, match="does not exist"):
        read_results(tmp_path / "nothing")
    Table({"epoch": [1]}).write(tmp_path / "odd.ecsv")
    with pytest.raises(ReportError, match="must have the column iteration"):
        read_results(tmp_path / "odd.ecsv")


@pytest.mark.parametrize(
    "text",
    [
        "epoch,iteration\n1,2\n",
        "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: iterat",
        "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: iteration, datatype: int64}\niteration\n1 2\n",
        (
            "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: iteration, datatype: string}\n"
            "# - {name: recall, datatype: string}\n# - {name: mean_iou, datatype: string}\n"
            "iteration recall mean_iou\na b c\n"
        ),
    ],
)
def test_results_that_are_no_table_are_named(tmp_path, text):
    """A table of another form, cut short or of words is told with its file."""
    (tmp_path / "results.ecsv").write_text(text)
    with pytest.raises(ReportError, match=r"run: .*results\.ecsv must be a table of numbers"):
        read_results(tmp_path)
