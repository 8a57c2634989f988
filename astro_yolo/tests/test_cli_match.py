"""The commands match and compare, as a user calls them."""

import os
from contextlib import redirect_stdout

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable, Table
from astropy.wcs import WCS

from astro_yolo._sky import wcs_to_text
from astro_yolo.cli import main


@pytest.fixture
def files(tmp_path):
    """A table of five and a catalogue of four, three of which are the same."""
    ra = 10 + np.arange(6) * 0.01
    table = QTable({"ra": ra[:5] * u.deg, "dec": np.zeros(5) * u.deg, "label": ["spiral"] * 5})
    catalog = Table({"RA": ra[2:], "DEC": np.zeros(4), "mag": [17.0, 18.0, 19.0, 20.0]})
    table.write(tmp_path / "ours.ecsv")
    catalog.write(tmp_path / "theirs.fits")
    return str(tmp_path / "ours.ecsv"), str(tmp_path / "theirs.fits"), tmp_path


def test_match_writes_pairs_and_leftovers(files, capsys):
    """Pairs and leftovers go to the files named, their numbers to the screen."""
    ours, theirs, folder = files
    names = [str(folder / name) for name in ("m.ecsv", "u.fits", "c.csv")]
    command = ["match", ours, theirs, "--unit", "deg", "-o", names[0], "--unmatched", names[1],
               "--unmatched-catalog", names[2]]
    assert main(command) == 0
    lines = dict(line.split(":") for line in capsys.readouterr().out.splitlines())
    assert [int(lines[k]) for k in ("matched", "unmatched", "unmatched catalog")] == [3, 2, 1]
    assert [len(QTable.read(name)) for name in names] == [3, 2, 1]
    assert main(command) == 1
    assert "exists already" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0


def test_compare_prints_and_writes(files, capsys):
    """Recall and purity are printed; regions and plot are written."""
    ours, theirs, folder = files
    outputs = [str(folder / "o.reg"), str(folder / "o.png")]
    command = ["compare", ours, theirs, "--unit", "deg", "--magnitude", "mag", "--bins", "16,19,21"]
    assert main([*command, "--regions", outputs[0], "--plot", outputs[1]]) == 0
    text = capsys.readouterr().out.splitlines()
    assert text[0].split()[:5] == ["low", "high", "n_catalog", "n_found", "recall"]
    assert text[2].split()[2:5] == ["2", "2", "1.000"]
    assert text[3].split()[2:5] == ["2", "1", "0.500"]
    assert (folder / "o.reg").read_text().count("circle") == 6
    assert (folder / "o.png").stat().st_size > 1000


def test_trouble_is_told_in_one_line(files, capsys):
    """What cannot be matched ends with status 1 and a line that says why."""
    ours, theirs, folder = files
    assert main(["match", ours, theirs]) == 1
    assert "must have a unit, got none" in capsys.readouterr().err
    assert main(["match", ours, str(folder / "none.fits")]) == 1
    assert "none.fits" in capsys.readouterr().err
    assert main(["compare", ours, theirs, "--unit", "deg", "--magnitude", "r"]) == 1
    assert "magnitude must be a column" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["compare", ours, theirs, "--bins", "a"])
    assert stopped.value.code == 2


def test_positions_without_a_unit(files, capsys):
    """Without a unit ra and dec are degrees, and that is said; --unit names another."""
    ours, _, folder = files
    ra = np.array([10.02, 10.03])
    for name, values in (("deg", ra), ("rad", np.radians(ra))):
        Table({"ra": values, "dec": [0.0, 0]}).write(folder / f"{name}.csv")
    assert main(["match", ours, str(folder / "deg.csv")]) == 0
    said = capsys.readouterr()
    assert said.err == (f"astro-yolo: {folder / 'deg.csv'}: ra and dec have no unit, taken as "
                        "degrees; --unit names another\n")  # fmt: skip
    assert said.out.split("\n")[0].split() == ["matched:", "2"]
    for order in ((ours, str(folder / "rad.csv")), (str(folder / "rad.csv"), ours)):
        assert main(["match", *order, "--unit", "rad"]) == 0
        said = capsys.readouterr()
        assert said.err == ""
        assert said.out.split("\n")[0].split() == ["matched:", "2"]


def test_no_purity_by_magnitude_without_the_tables_own(files, capsys):
    """Recall is printed; purity is not a number, and a line says what is missing."""
    ours, theirs, _ = files
    command = ["compare", ours, theirs, "--unit", "deg", "--magnitude", "mag", "--bins", "16,21"]
    assert main(command) == 0
    said = capsys.readouterr()
    columns = dict(zip(said.out.splitlines()[0].split(), said.out.splitlines()[2].split(),
                       strict=True))  # fmt: skip
    assert (columns["recall"], columns["purity"]) == ("0.750", "nan")
    assert "no purity by magnitude: --table-magnitude" in said.err


def test_wrong_outputs_are_told_before_the_work(files, capsys):
    """Outputs of an unknown kind, or in place of an input or of one another, end with status 2."""
    ours, theirs, folder = files
    same = str(folder / "m.ecsv")
    for command, message in (
        (["match", ours, "no.fits", "-o", "m.txt"], "path must end in one of"),
        (["match", ours, "no.fits", "--unmatched-catalog", "m.txt"], "path must end in one of"),
        (["compare", ours, theirs, "--save-catalog", "m.txt"], "path must end in one of"),
        (["compare", ours, theirs, "--regions", theirs], "an output must not be an input"),
        (["compare", ours, theirs, "--plot", f"{folder}/p.x"], "--plot must end in .png, .pdf"),
        (["compare", ours, theirs, "--save-catalog", f"{folder}/c.ecsv"], "come with a service"),
        (["match", ours, theirs, "--save-catalog", f"{folder}/c.ecsv"], "come with a service"),
        (["match", ours, theirs, "-o", ours], "an output must not be an input"),
        (["match", ours, theirs, "--unmatched", theirs], "an output must not be an input"),
        (["compare", ours, "gaia", "--save-catalog", ours], "an output must not be an input"),
        (["match", ours, theirs, "-o", same, "--unmatched", f"{folder}/./m.ecsv"], "m.ecsv twice"),
    ):
        assert main([*command, "--overwrite"]) == 2
        assert message in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["ours.ecsv", "theirs.fits"]
    assert (len(Table.read(ours)), len(Table.read(theirs))) == (5, 4)


def test_a_missing_folder_is_told_before_the_work(files, capsys):
    """Of two outputs neither is written if the folder of one is not there."""
    ours, theirs, folder = files
    command = ["match", ours, theirs, "--unit", "deg", "-o", str(folder / "m.ecsv")]
    assert main([*command, "--unmatched", str(folder / "none" / "u.ecsv")]) == 1
    assert "none of u.ecsv does not exist" in capsys.readouterr().err
    assert not (folder / "m.ecsv").exists()


def test_what_lies_beyond_the_image_is_told(files, capsys):
    """Objects beyond the image of the table are left out, and their number is said."""
    ours, theirs, folder = files
    # 0.1 by 0.1 degrees about the second row of the table: the catalogue's last lies beyond
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ("RA---TAN", "DEC--TAN"), (10.01, 0.0)
    wcs.wcs.crpix, wcs.wcs.cdelt, wcs.pixel_shape = (35.0, 50.5), (-1e-3, 1e-3), (70, 100)
    table = QTable.read(ours)
    table.meta["WCS"] = wcs_to_text(wcs)
    table[:4].write(folder / "image.ecsv")
    assert main(["compare", str(folder / "image.ecsv"), theirs, "--unit", "deg"]) == 0
    said = capsys.readouterr().out
    assert said.endswith("left out: 1 objects of the catalogue beyond the image searched\n")
    assert said.splitlines()[2].split()[2:5] == ["3", "2", "0.667"]
    assert main(["compare", ours, theirs, "--unit", "deg"]) == 0
    assert "left out" not in capsys.readouterr().out


def test_bins_of_nothing_are_refused(files, capsys):
    """--bins without --magnitude ends with status 1 and says so."""
    ours, theirs, _ = files
    assert main(["compare", ours, theirs, "--unit", "deg", "--bins", "16,19"]) == 1
    assert "bins must come with magnitude" in capsys.readouterr().err


def test_an_epoch_that_moves_nothing_is_told(files, capsys):
    """--epoch moves what has proper motions, refuses them without a year, or says it moves none."""
    ours, theirs, folder = files
    assert main(["match", ours, theirs, "--unit", "deg", "--epoch", "2004"]) == 0
    assert "--epoch moves nothing: neither side has proper motions" in capsys.readouterr().err
    moving = QTable.read(ours)
    moving["pmRA"], moving["pmDE"] = [0.0] * 5 * u.mas / u.yr, [1e4] * 5 * u.mas / u.yr
    moving.write(folder / "moving.ecsv")
    command = ["match", str(folder / "moving.ecsv"), theirs, "--unit", "deg", "--epoch", "2004"]
    assert main(command) == 1
    assert "table must have a column ref_epoch (Julian years)" in capsys.readouterr().err
    moving["Epoch"] = 2003.0
    moving.write(folder / "moving.ecsv", overwrite=True)
    assert main(command) == 0
    said = capsys.readouterr()
    # 10 arcsec to the north in a year: nothing is within 2 arcsec any more
    assert (said.err, said.out.splitlines()[0].split()) == ("", ["matched:", "0"])


def test_a_reader_that_has_gone_is_told_nothing(files, capsys):
    """Where only the head of the answer is read, the command ends without a word about a pipe."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", buffering=1) as output, redirect_stdout(output):
        assert main(["match", *files[:2], "--unit", "deg"]) == 1
    assert "pipe" not in capsys.readouterr().err
