"""Training, scoring and reports on the command line: what they print and refuse."""

import json
import shutil

import pytest
from astropy.table import Table

from astro_yolo.cli import main
from astro_yolo.tests import blob_network
from astro_yolo.tests.stock_sets import write_set
from astro_yolo.training import scoring

NETWORK = str(blob_network.PATH)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A set of eight and two pictures, each in two stretches, in the current folder."""
    monkeypatch.chdir(tmp_path)
    write_set(tmp_path / "two")
    for path in sorted(tmp_path.glob("two/*/*/*-L.*")):
        shutil.copy(path, path.with_stem(f"{path.stem}H"))
    state = {"recipe": "T9", "filters": ["L", "LH"]}
    (tmp_path / "two/recipe.json").write_text(json.dumps(state))
    return tmp_path


def test_matrix_tests_each_stretch_by_itself(folder, capsys):
    """Two networks on a set of two stretches give four rows, which a report shows."""
    pytest.importorskip("matplotlib")
    command = ["matrix", f"one={NETWORK}", f"other={NETWORK}", "--on", "two", "-o", "m.ecsv"]
    assert main(command) == 0
    assert "astrocv_recall" in capsys.readouterr().out
    table = Table.read("m.ecsv")
    assert table["trained"].tolist() == ["one", "one", "other", "other"]
    assert table["tested"].tolist() == ["two L", "two LH"] * 2
    assert table["pictures"].tolist() == [2] * 4
    assert main(command) == 1
    assert "m.ecsv exists already; --overwrite replaces it" in capsys.readouterr().err
    shutil.copy(NETWORK, "net.onnx")
    assert main(["matrix", "net.onnx", "--on", "two", "-o", "./net.onnx", "--overwrite"]) == 2
    assert "an output must not be an input" in capsys.readouterr().err
    command = ["matrix", "net.onnx", "--on", "two", "-o", "two/data.yaml", "--overwrite"]
    assert main(command) == 2  # the set is named by its folder
    assert "an output must not be an input" in capsys.readouterr().err
    assert "train: images/train" in (folder / "two/data.yaml").read_text()
    assert main(["report", "--matrix", "m.ecsv", "-o", "report"]) == 0
    assert (folder / "report/matrix-f1.png").is_file()


def test_evaluate_leaves_tables_and_prints_the_headline(folder, capsys, monkeypatch):
    """Of one stretch, without the parts of the way there; a second one is refused."""
    command = ["evaluate", NETWORK, "two", "--stretch", "LH", "-o", "scores"]
    assert main(command) == 0
    shown = capsys.readouterr()
    assert "calibration_error" in shown.out
    assert "picture 2 of 2" in shown.err
    names = sorted(path.name for path in folder.glob("scores/*"))
    assert names == ["detections.ecsv", "evaluation.json", "truth.ecsv"]
    assert main(command) == 1
    assert "--overwrite replaces it" in capsys.readouterr().err
    (folder / "other").mkdir()
    (folder / "other/truth.ecsv").write_text("mine")  # it is told before a picture is looked at
    monkeypatch.setattr(scoring, "evaluate_set", None)
    assert main(["evaluate", NETWORK, "two", "-o", "other"]) == 1
    assert "other holds truth.ecsv already" in capsys.readouterr().err
    assert (folder / "other/truth.ecsv").read_text() == "mine"


def test_failures_are_one_line(folder, capsys):
    """What is not there or does not fit is named, exit status 1, and nothing is left."""
    Table({"trained": ["a"]}).write("two/odd.ecsv")
    (folder / "two" / "odd.csv").write_text("trained,tested\na,b\n")
    (folder / "two/begun").mkdir()
    (folder / "two/begun/training.json").write_text("{}")  # of a run that was killed
    for command, rule in (
        (["train", "two", "-o", "run", "--recipe", "T4"], "set two is of T9, not T4"),
        (["train", "two", "-o", "run", "--recipe", "T8"], "recipe must be one of T1"),
        (["train", "nothing", "-o", "run"], "does not exist"),
        (["train", "two", "-o", "two/begun"], "out must not hold a run unless --resume, got"),
        (["train", "two", "-o", "run", "--stretch", "X"], "stretch must be one of"),
        (["train", "two", "-o", "run", "--stretch", "SH"], "one of the set's, L, LH, got 'SH'"),
        (["evaluate", NETWORK, "two", "--split", "test", "-o", "e"], "split 'test' must hold"),
        (["evaluate", "nothing.onnx", "two", "-o", "e"], "nothing.onnx"),
        (["matrix", NETWORK, "--on", "nowhere", "-o", "m.ecsv"], "nowhere"),
        (["report", "nothing", "-o", "r"], "must hold an evaluation"),
        (["report", "-o", "r"], "a report needs"),
        (["report", "--matrix", "two/odd.ecsv", "-o", "r"], "must have the column tested"),
        (["report", "--matrix", "two/odd.csv", "-o", "r"], "matrix, got two/odd.csv: ECSV header"),
    ):
        assert main(command) == 1
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert rule in lines[0]
    assert main(["train", "two", "-o", "run", "--name", "a/b"]) == 2
    assert "--name must be a name without a folder, got 'a/b'" in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["two"]


def test_what_would_fail_after_hours_is_told_before(folder, capsys):
    """Boxes of another size than the recipe's, weights that are in the way, and a class twice."""
    state = {"recipe": "T2", "filters": ["LH"], "box_radii": 3.0, "min_side": 22.0}
    (folder / "two/recipe.json").write_text(json.dumps(state))
    assert main(["train", "two", "-o", "run", "--recipe", "T2"]) == 1
    assert "set two is of T2 of other boxes, not T2" in capsys.readouterr().err
    (folder / "run").mkdir()
    shutil.copy(NETWORK, "run/mine.onnx")
    assert main(["train", "two", "-o", "run", "--name", "mine"]) == 1
    assert "mine.onnx exists already" in capsys.readouterr().err
    assert [path.name for path in folder.glob("run/*")] == ["mine.onnx"]
    assert main(["train", "two", "-o", "run", "--name", "mine", "--resume"]) == 2
    assert "--stretch must be that of the weights run/mine.onnx" in capsys.readouterr().err
    assert main(["train", "two", "-o", "training"]) == 2  # training.json is the state of the run
    assert "--name must be another name than that of the folder training" in capsys.readouterr().err
    assert main(["matrix", "a=a.onnx", "--on", "two", "-o", "matrix.fits"]) == 2
    assert "the output must end in .ecsv" in capsys.readouterr().err
    marker = folder / "two/data.yaml"
    marker.write_text(marker.read_text().replace("elliptical", "Spiral"))
    assert main(["train", "two", "-o", "other"]) == 1
    assert "classes 'Spiral' and 'spiral' must be one class" in capsys.readouterr().err
    assert not (folder / "other").exists()


def test_folders_keep_their_dots(folder):
    """``runs/v1.5`` and ``runs/v1.6`` are named v1.5 and v1.6; a file is named without its end."""
    pytest.importorskip("matplotlib")
    table = Table({"iteration": [1], "recall": [0.5], "mean_iou": [0.5]})
    for name in ("v1.5", "v1.6"):
        (folder / "runs" / name).mkdir(parents=True)
        table.write(folder / "runs" / name / "results.ecsv")
    assert main(["report", "--run", "runs/v1.5", "--run", "runs/v1.6/", "-o", "report"]) == 0
    names = {path.name for path in folder.glob("report/results*")}
    assert names == {"results-v1_5.ecsv", "results-v1_6.ecsv"}


def test_nothing_of_one_name_is_left_out(folder, capsys):
    """Folders of one name are told apart by those above; a name given twice is refused."""
    pytest.importorskip("matplotlib")
    for place in ("a", "b=2"):
        assert main(["evaluate", NETWORK, "two", "--stretch", "L", "-o", f"{place}/val"]) == 0
    assert main(["report", "a/val", "b=2/val", "--draws", "2", "-o", "report"]) == 0
    page = (folder / "report/report.html").read_text()
    assert "<h2>a/val</h2>" in page
    assert "<h2>b=2/val</h2>" in page
    shutil.copy(NETWORK, "b=2/net.onnx")
    shutil.copytree("two", "b=2/two")
    capsys.readouterr()
    command = ["matrix", "one=b=2/net.onnx", "b=2/net.onnx", "--on", "two", "--on", "b=2/two",
               "-o", "m.ecsv"]  # fmt: skip
    assert main(command) == 0
    table = Table.read("m.ecsv")
    assert set(table["trained"]) == {"one", "net"}
    assert set(table["tested"]) == {f"{folder.name}/two L", f"{folder.name}/two LH",
                                    "b=2/two L", "b=2/two LH"}  # fmt: skip
    command = ["matrix", f"x={NETWORK}", "x=b=2/net.onnx", "--on", "two", "-o", "n.ecsv"]
    assert main(command) == 2
    assert "NAME=MODEL must have different names, got 'x' twice" in capsys.readouterr().err
