"""``astro-yolo ds9`` with a real DS9."""

import io
import json

import numpy as np
import pytest
from astropy.table import Table

from astro_yolo.catalog import read_table, write_table
from astro_yolo.cli import main

from .ds9_fixture import TITLE, ds9  # noqa: F401
from .test_ds9_bridge import EXAMPLE, bridge, sky_image  # noqa: F401
from .test_region_text import example


@pytest.fixture
def run(bridge, tmp_path, monkeypatch):  # noqa: F811
    """Run a command in a fresh folder; return its exit status."""
    monkeypatch.chdir(tmp_path)
    common = ["ds9", "--xpa", TITLE, "--backend", bridge.backend]
    return lambda *words: main([*common, *words])


def test_push_pull_diff_remove(bridge, run, tmp_path, capsys):  # noqa: F811
    """A table goes there and comes back; changes are counted; ours can be taken away."""
    bridge.show(sky_image())
    write_table(example(9), tmp_path / "t.ecsv")
    assert run("push", "t.ecsv", "--shape", "box") == 0
    bridge.remove([4])
    assert run("pull", "-o", "back.ecsv") == 0
    assert "8 regions written to" in capsys.readouterr().out
    assert len(read_table("back.ecsv")) == 8
    assert run("diff", "t.ecsv", "-o", "changes.ecsv") == 0
    assert capsys.readouterr().out.split() == ["deleted", "1", "kept", "8"]
    assert run("pull", "-o", "back.ecsv") == 1
    assert "overwrite" in capsys.readouterr().err
    assert run("remove") == 0
    assert len(bridge.pull()) == 0


def test_detect_and_match(bridge, run, tmp_path, capsys):  # noqa: F811
    """Galaxies of the bands that are shown are drawn, and coloured by a catalogue."""
    bridge.show([EXAMPLE / f"example-{band}.fits.fz" for band in "gri"], stretch="linear")
    bridge.show(EXAMPLE / "example-r.fits.fz")
    assert run("detect", "-o", "found.ecsv") == 0
    found = read_table("found.ecsv")
    shown = bridge.pull()
    assert sorted(shown["id"]) == sorted(found["id"])
    write_table(found[:5], tmp_path / "five.ecsv")
    capsys.readouterr()
    Table({"ra": found["ra"][:5].value, "dec": found["dec"][:5].value}).write("five.csv")
    for name in ("five.ecsv", "five.csv"):
        assert run("match", name) == 0
        assert capsys.readouterr().out.startswith(f"5 of {len(found)} regions have a partner")
    now = bridge.pull()
    green = sorted(now["id"][now["color"] == "#00ff66"])
    assert green == sorted(found["id"][:5])


def test_review_from_the_terminal(bridge, run, tmp_path, monkeypatch, capsys):  # noqa: F811
    """Judged by typed keys, written as table, regions and a YOLO set; it goes on another time."""
    bridge.show(sky_image())
    write_table(example(4), tmp_path / "t.ecsv")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\nn\n"))
    command = ("review", "t.ecsv", "--order", "id", "--out", "judged", "--labels", "set")
    assert run(*command) == 0
    assert "2 of 4 detections are not decided yet" in capsys.readouterr().out
    assert read_table("judged.ecsv")["review"].tolist() == ["confirmed", "open", "open"]
    assert (tmp_path / "set/images/train/t-LH.png").is_file()
    monkeypatch.setattr("sys.stdin", io.StringIO("y\ny\n"))
    assert run(*command, "--overwrite") == 0
    assert read_table("judged.ecsv")["review"].tolist() == ["confirmed"] * 3
    assert len(json.loads((tmp_path / "set/coco-train.json").read_text())["annotations"]) == 3
    bridge.set("analysis clear")


def test_the_image_is_never_replaced(bridge, run, tmp_path, capsys):  # noqa: F811
    """A file that DS9 shows, in any frame or colour, is no output whatever --overwrite says."""
    for name in ("a.fits", "b.fits", "c.fits"):
        sky_image().writeto(tmp_path / name)
    bridge.show(tmp_path / "a.fits")
    bridge.set("rgb")
    for color, name in (("red", "b.fits"), ("green", "c.fits")):
        bridge.set(f"rgb {color}")
        bridge.set(f"file {{{tmp_path / name}}}")
    now = bridge.get("frame"), bridge.get("rgb channel")
    before = [(tmp_path / name).read_bytes() for name in ("a.fits", "b.fits", "c.fits")]
    for step in (["pull"], ["detect"]):
        for name in ("a.fits", "b.fits", "c.fits"):
            assert run(*step, "-o", name, "--overwrite") == 2
            assert "an output must not be an input" in capsys.readouterr().err
    assert run("pull", "-o", "a.txt") == 2
    assert "path must end in one of" in capsys.readouterr().err
    assert before == [(tmp_path / name).read_bytes() for name in ("a.fits", "b.fits", "c.fits")]
    assert (bridge.get("frame"), bridge.get("rgb channel")) == now


def test_menu_and_failures(run, tmp_path, capsys):
    """The menu is written where it is wanted; what fails is one line and exit status 1."""
    assert run("install-menu", "--path", str(tmp_path / "menu")) == 0
    assert "hmenu astro-yolo" in (tmp_path / "menu").read_text()
    assert run("uninstall-menu", "--path", str(tmp_path / "menu")) == 0
    assert not (tmp_path / "menu").exists()
    capsys.readouterr()
    assert run("detect") == 1
    assert capsys.readouterr().err.startswith("astro-yolo: frame 1 of DS9 shows no image")
    assert main(["ds9", "--xpa", "nobody", "pull", "-o", "x.ecsv"]) == 1
    assert "no DS9 'nobody' is running" in capsys.readouterr().err
    assert np.size(list(tmp_path.glob("*.ecsv"))) == 0


def test_a_review_begins_with_its_outputs(bridge, run, tmp_path, capsys):  # noqa: F811
    """Outputs that are there or are the input, and frames that are not, are said at once."""
    bridge.show(sky_image())
    write_table(example(3), tmp_path / "t.ecsv")
    before = (tmp_path / "t.ecsv").read_bytes()
    assert run("review", "t.ecsv", "--out", "t", "--overwrite") == 2
    assert "an output must not be an input" in capsys.readouterr().err
    (tmp_path / "judged.reg").touch()
    assert run("review", "t.ecsv", "--out", "judged") == 1
    assert "judged.reg exists already" in capsys.readouterr().err
    frames = bridge.frames()
    assert run("review", "t.ecsv", "--frame", "77") == 1
    assert "frame must be one of" in capsys.readouterr().err
    assert bridge.frames() == frames
    assert (tmp_path / "t.ecsv").read_bytes() == before
