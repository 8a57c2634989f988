"""The steps from a query to a training set, on the command line."""

import pytest
from astropy.table import Table

from astro_yolo.cli import main
from astro_yolo.config import conf
from astro_yolo.tests.sky_server import small_sdss
from astro_yolo.training import download, queries


@pytest.fixture
def sky(shared_data, tmp_path, monkeypatch):
    """The stand-in and the mirror behind the settings; results go to a fresh folder."""
    pytest.importorskip("astroquery")
    monkeypatch.setattr(queries, "_INTERVAL", 0.01)
    monkeypatch.setattr(download, "_BACK_OFF", 0.01)
    monkeypatch.chdir(tmp_path)
    with (
        small_sdss(shared_data) as server,
        conf.set_temp("sas_base_url", server.url),
        conf.set_temp("skyserver_base_url", server.url),
        conf.set_temp("cache_dir", str(tmp_path / "cache")),
    ):
        yield server


@pytest.mark.filterwarnings("ignore:no field of the set is in the split")
def test_query_download_dataset(sky, capsys, tmp_path):
    """Three commands lead from nothing to a training set, and tell what they found."""
    zoo = "zoo2Stripe82Normal"
    assert main(["sdss", "query", "--zoo", zoo, "--select", "s1", "-o", "fields.ecsv"]) == 0
    assert "1 fields with 4 galaxies of zoo2Stripe82Normal" in capsys.readouterr().out
    assert main(["sdss", "download", "fields.ecsv", "--out", "frames"]) == 0
    shown = capsys.readouterr()
    assert shown.out == "3 whole\n"
    assert "3 of 3 frames to fetch, about 0.01 GB" in shown.err
    command = ["sdss", "dataset", "fields.ecsv", "--frames", "frames", "--out", "T1",
               "--recipe", "T1", "--zoo2", zoo, "--assign", "94/1/12=train"]  # fmt: skip
    assert main(command) == 0
    shown = capsys.readouterr()
    assert "published_objects" in shown.out
    assert "S1: 1 fields, published 7397" in shown.out
    assert "field 1 of 1" in shown.err
    assert Table.read("T1/objects.ecsv")["objects"].tolist() == [4, 0, 0]
    assert (tmp_path / "T1/data.yaml").is_file()
    again = [*command[:2], "1/2/3", *command[3:], "--skip-missing"]
    again = [*again[:3], "94/1/12", *again[3:]]
    assert main(again) == 0  # the same set: the field that was never downloaded is left out
    assert "1 of 2 fields are left out" in capsys.readouterr().err


def test_a_wrong_dataset_is_told_before_any_question(sky, capsys, tmp_path):
    """A frame that is missing and a wrong ``--assign`` cost no question to SkyServer."""
    assert main(["sdss", "download", "94/1/12", "--out", "frames"]) == 0
    asked = len(sky.asked)
    command = ["sdss", "dataset", "94/1/12", "--frames", "frames", "--out", "T1", "--recipe", "T1"]
    for more, status, rule in (
        (["--assign", "1/2/3=val"], 1, "assign must name fields of the set, and 1/2/3 is not"),
        (["--assign", "94/1/12"], 1, "assign must put field 94/1/12 into train, val, test"),
        (["--assign", "94/1/12=val", "--assign", "94-1-12=test"], 2, "94-1-12 into one split"),
        (["--frames", "nowhere"], 1, "--skip-missing leaves such fields out"),
        (["--frames", "nowhere", "--skip-missing"], 1, "nowhere has none"),
    ):
        capsys.readouterr()
        assert main([*command, *more]) == status
        assert rule in capsys.readouterr().err
    assert len(sky.asked) == asked
    assert not (tmp_path / "T1").exists()


def test_failures_are_one_line(sky, capsys):
    """A frame that is not there, an unknown recipe, no field and an old table: exit status 1."""
    assert main(["sdss", "download", "1/2/3", "--out", "frames", "--bands", "g"]) == 1
    shown = capsys.readouterr()
    assert "1 absent" in shown.out
    assert "no such frame" in shown.err
    assert main(["sdss", "dataset", "1/2/3", "--frames", "x", "--out", "y", "--recipe", "T8"]) == 1
    assert "recipe must be one of T1" in capsys.readouterr().err
    assert main(["sdss", "download", "nothing.ecsv", "--out", "frames"]) == 1
    assert "nothing.ecsv does not exist" in capsys.readouterr().err
    assert main(["sdss", "query", "-o", "fields.ecsv"]) == 1
    assert "no field between declinations -90 and 90" in capsys.readouterr().err
    Table({"run": [1], "field": [3]}).write("bad.ecsv")
    assert main(["sdss", "download", "bad.ecsv", "--out", "frames"]) == 1
    assert "must have the column camcol" in capsys.readouterr().err


def test_fields_come_from_any_table(sky, capsys):
    """CSV of SkyServer and FITS with large letters list fields; a row without a number is named."""
    Table({"run": [94], "camcol": [1], "field": [12], "galaxies": [4]}).write("fields.csv")
    Table({"RUN": [94], "CAMCOL": [1], "FIELD": [12]}).write("fields.fits")
    command = ["sdss", "download", "fields.csv", "fields.fits", "--out", "frames", "--bands", "g"]
    assert main(command) == 0
    assert capsys.readouterr().out == "1 whole\n"
    table = Table({"run": [94, 94], "camcol": [1, 1], "field": [12, 13]}, masked=True)
    table["field"].mask[1] = True
    table.write("masked.ecsv")
    Table({"run": [94], "camcol": [7], "field": [12]}).write("camcol.csv")
    for name, rule in (("masked.ecsv", "row 1: an SDSS field must be RUN/CAMCOL/FIELD"),
                       ("camcol.csv", "row 0: camcol must be 1 to 6, got 7")):  # fmt: skip
        assert main(["sdss", "download", name, "--out", "frames"]) == 1
        assert f"{name}, {rule}" in capsys.readouterr().err


def test_wrong_usage_is_2(capsys):
    """A step that is none is refused by the parser, a selection that is none before the query."""
    with pytest.raises(SystemExit, match="2"):
        main(["sdss", "fetch"])
    assert main(["sdss", "query", "--select", "S3", "-o", "fields.ecsv"]) == 2
    assert "--select must be one of S1, S2, got 'S3'" in capsys.readouterr().err
    assert main(["sdss", "query", "-o", "fields.fits"]) == 2  # before the query as well
    assert "must end in .ecsv, the format that it is written in, got f" in capsys.readouterr().err
