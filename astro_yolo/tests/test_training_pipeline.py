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
