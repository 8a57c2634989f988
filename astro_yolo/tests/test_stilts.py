"""The tables in STILTS, TOPCAT's reader for the command line (Debian: ``apt install stilts``)."""

import csv
import io
import shutil
import subprocess

import numpy as np
import pytest

from astro_yolo.catalog import COLUMNS, write_table

from .test_table_files import example

STILTS = shutil.which("stilts")
# Java compiles less thoroughly, as that takes longer than such short work
COMMAND = (STILTS, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
pytestmark = pytest.mark.skipif(STILTS is None, reason="stilts is not installed")


def stilts(*words):
    """Return the rows of comma-separated output of a STILTS command."""
    done = subprocess.run(
        [*COMMAND, *map(str, words)], capture_output=True, text=True, check=False, timeout=120,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


@pytest.mark.parametrize("n_rows", [0, 3])
@pytest.mark.parametrize("ending", ["vot", "fits"])
def test_values_arrive(tmp_path, ending, n_rows):
    """STILTS reads every column and value of VOTable and FITS, of no rows too."""
    table, path = example(n_rows), tmp_path / f"t.{ending}"
    write_table(table, path)
    rows = stilts("tpipe", f"in={path}", "ofmt=csv")
    assert len(rows) == n_rows
    for name in ("id", "ra", "dec", "x", "width", "flags"):
        expected = np.asarray(getattr(table[name], "value", table[name]), dtype=float)
        np.testing.assert_array_equal([float(row[name]) for row in rows], expected)
    assert [row["label"] for row in rows] == table["label"].tolist()
    if n_rows:
        assert rows[0]["p_star"] == ""  # NaN
        assert list(rows[0]) == table.colnames


@pytest.mark.parametrize("ending", ["vot", "fits"])
def test_units_ucds_and_descriptions_arrive(tmp_path, ending):
    """What each column is, arrives with it."""
    path = tmp_path / f"t.{ending}"
    write_table(example(), path)
    rows = stilts("tpipe", f"in={path}", "cmd=meta Name Units UCD Description", "ofmt=csv")
    found = [(row["Name"], row["Units"], row["UCD"], row["Description"]) for row in rows]
    assert found == [(c.name, c.unit or "", c.ucd, c.description) for c in COLUMNS]


@pytest.mark.parametrize("n_rows", [0, 3])
def test_votlint_has_no_complaint(tmp_path, n_rows):
    """STILTS's checker of VOTables finds neither error nor warning."""
    path = tmp_path / "t.vot"
    write_table(example(n_rows), path)
    done = subprocess.run(
        [*COMMAND, "votlint", str(path)], capture_output=True, text=True, check=True, timeout=120,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert [line for line in done.stdout.splitlines() if line.startswith(("WARN", "ERR"))] == []


def test_both_match_on_the_sky(tmp_path):
    """A sky match of the VOTable with the FITS file pairs every row with itself."""
    for ending in ("vot", "fits"):
        write_table(example(), tmp_path / f"t.{ending}")
    rows = stilts(
        "tmatch2", f"in1={tmp_path / 't.vot'}", f"in2={tmp_path / 't.fits'}", "matcher=sky",
        "params=1", "values1=ra dec", "values2=ra dec", "ofmt=csv", "progress=none",
    )  # fmt: skip
    assert [row["id_1"] for row in rows] == [row["id_2"] for row in rows] == ["1", "2", "3"]
