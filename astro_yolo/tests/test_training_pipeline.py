"""The whole way on the command line: from a query to detections with weights of one's own."""

import json
import re

import numpy as np
import pytest
from astropy.table import Table

from astro_yolo.cli import main
from astro_yolo.config import conf
from astro_yolo.tests.sky_server import small_sdss
from astro_yolo.training import download, queries

ZOO = "zoo2Stripe82Normal"
FRAME = "sas/dr17/eboss/photoObj/frames/301/2820/3/frame-{}-002820-3-0122.fits.bz2"


@pytest.fixture
def sky(shared_data, tmp_path, monkeypatch):
    """A stand-in for SkyServer with two fields, and the mirror of their frames."""
    for name in ("astroquery", "ultralytics", "onnx", "matplotlib"):
        pytest.importorskip(name)
    monkeypatch.setattr(queries, "_INTERVAL", 0.01)
    monkeypatch.setattr(download, "_BACK_OFF", 0.01)
    monkeypatch.chdir(tmp_path)
    with (
        small_sdss(shared_data, two_fields=True) as server,
        conf.set_temp("sas_base_url", server.url),
        conf.set_temp("skyserver_base_url", server.url),
        conf.set_temp("cache_dir", str(tmp_path / "cache")),
    ):
        yield


def run(line):
    """Run a command, which must succeed."""
    assert main(line.split()) == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of ultralytics and torch themselves
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore:no field of the set is in the split")
def test_from_query_to_report(sky, shared_data, tmp_path, capsys):
    """Query, download, align, convert, label, train, evaluate, report, detect: a command each."""
    run(f"sdss query --zoo {ZOO} --select s1 -o fields.ecsv")
    assert "2 fields with 5 galaxies" in capsys.readouterr().out
    run("sdss download fields.ecsv --out frames")
    assert capsys.readouterr().out == "6 whole\n"
    run(f"sdss dataset fields.ecsv --frames frames --out T2 --recipe T2 --zoo2 {ZOO}"
        " --assign 94/1/12=train --assign 2820/3/122=val")
    objects = Table.read("T2/objects.ecsv")
    assert objects["objects"].tolist()[:2] == [4, 1]
    run("train T2 -o run --recipe T2 --model yolo11n.yaml --epochs 2 --batch 1 --image-size 416"
        " --mosaic 0")
    epochs = Table.read("run/results.ecsv")
    assert epochs["epoch"].tolist() == [1, 2]
    assert np.isfinite(epochs["loss"]).all()
    run("evaluate run/run.onnx T2 --split train -o scores")
    shown = capsys.readouterr().out
    assert "recall" in shown
    assert json.loads((tmp_path / "scores/evaluation.json").read_text())["names"]
    run("report scores --run T2=run -o report --draws 20")
    page = (tmp_path / "report/report.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert len(sources) > 5
    assert all(source.startswith("data:") for source in sources)  # nothing is fetched to show it
    bands = " ".join(str(shared_data / FRAME.format(band)) for band in "gri")
    run(f"detect {bands} --model run/run.onnx --score 0.001 -o found.ecsv")
    assert "run" in json.dumps(dict(Table.read("found.ecsv").meta), default=str)


@pytest.fixture
def recipe(monkeypatch, tmp_path):
    """The command of the shipped weights, but for its training, and data that are all there."""
    from astro_yolo.training import __main__ as command
    from astro_yolo.training.fields import FIELDS, frame_paths

    monkeypatch.setattr(command, "make_weights", lambda data, out, name, **_: (out, name))
    data = tmp_path / "data"
    files = [data / "galaxy_zoo/gz1_labels.csv", data / "galaxy_zoo/other_surveys_labels.csv"]
    for name, rule in FIELDS.items():
        if rule.split != "test":  # no step reads it
            files += frame_paths(data / "sas", name).values()
    for place in ("galaxy_zoo/gz1_cutouts", "galaxy_zoo/other_surveys", "hst/stamps_f814w"):
        files.append(data / place / "1")
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return command.main, data


def test_the_shipped_recipe_names_what_its_data_lack(recipe, tmp_path, capsys):
    """Whatever any step reads is looked for before the first: frames, cutouts, labels, stamps."""
    main, data = recipe
    out = tmp_path / "out"
    assert main([str(data), str(out)]) == 0
    for place in (
        "galaxy_zoo/gz1_labels.csv", "galaxy_zoo/gz1_cutouts", "galaxy_zoo/other_surveys",
        "galaxy_zoo/other_surveys_labels.csv", "hst/stamps_f814w",
        "sas/dr17/eboss/photoObj/frames/301/2820/3/frame-i-002820-3-0122.fits.bz2",
    ):  # fmt: skip
        (data / place).rename(tmp_path / "away")
        with pytest.raises(SystemExit, match="2"):
            main([str(data), str(out)])
        assert f"data must hold {place}, which is not in {data}" in capsys.readouterr().err
        (tmp_path / "away").rename(data / place)


def test_a_shipped_recipe_is_chosen_by_name(recipe, monkeypatch, tmp_path, capsys):
    """Without a name the default detector is made; numbers that are not given are the recipe's."""
    from astro_yolo.network.weights import load_weights
    from astro_yolo.training import __main__ as command
    from astro_yolo.training.ship import DETECTORS

    main, data = recipe
    made = []
    monkeypatch.setattr(command, "make_weights", lambda *args, **given: made.append((args, given)))
    main([str(data), str(tmp_path / "one")])
    main([str(data), str(tmp_path / "two"), "--name", "astro-yolo-n6", "--epochs", "3"])
    assert made[0][0][2] == load_weights("default").name
    assert made[0][1]["dataset"] == DETECTORS["astro-yolo-n8"].dataset
    assert made[1][0][2] == "astro-yolo-n6"
    assert made[1][1]["dataset"] == DETECTORS["astro-yolo-n6"].dataset
    assert made[1][1]["training"].model == "yolo_p34_n.yaml"
    assert made[1][1]["training"].epochs == 3


def test_the_shipped_recipe_goes_on_only_with_the_same_numbers(recipe, tmp_path, capsys):
    """What is done is skipped, so that other numbers would change nothing: they are refused."""
    main, data = recipe
    command = [str(data), str(tmp_path / "out")]
    assert main([*command, "--epochs", "3"]) == 0
    assert main([*command, "--epochs", "3", "--device", "cuda"]) == 0
    assert main([*command, "--epochs", "3", "--field-samples", "20000"]) == 0  # the recipe's own
    with pytest.raises(SystemExit, match="2"):
        main([*command, "--epochs", "4", "--field-samples", "9"])
    said = capsys.readouterr().err
    assert "out must be a new folder or one of the same run" in said
    assert "was begun with another epochs, field_samples" in said
