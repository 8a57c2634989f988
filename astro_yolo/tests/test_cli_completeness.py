"""The command completeness."""

import re

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from astro_yolo import Detector, completeness, read_table
from astro_yolo.cli import main
from astro_yolo.tests.planted import MODEL, plant

OPTIONS = ["--model", str(MODEL), "--backend", "onnxruntime", "--number", "40", "--radii", "0.2px",
           "0.21px", "--psf", "3.5px", "--magnitudes", "14.5", "16.5"]  # fmt: skip


@pytest.fixture
def frame(tmp_path):
    """One band in nanomaggies, of which the network finds what is brighter than about 15.4."""
    path = tmp_path / "r.fits"
    header = fits.Header({"BUNIT": "nanomaggy", "FILTER": "r"})
    fits.PrimaryHDU(plant((300, 320), [], seed=5), header).writeto(path)
    return path


def test_the_command_writes_what_the_function_returns(frame, tmp_path, capsys):
    """Table and plot are written, curve and limits printed; nothing is replaced unless told."""
    table, plot = tmp_path / "galaxies.ecsv", tmp_path / "curve.png"
    command = ["completeness", str(frame), *OPTIONS, "-o", str(table), "--plot", str(plot)]
    assert main(command) == 0
    said = capsys.readouterr().out
    expected = completeness(
        frame, detector=Detector(MODEL, backend="onnxruntime"), number=40, psf=3.5,
        half_light_radii=(0.2, 0.21), magnitudes=(14.5, 16.5),
    )  # fmt: skip
    written = read_table(table)
    assert written.colnames == expected.table.colnames
    np.testing.assert_array_equal(written["found"], expected.table["found"])
    np.testing.assert_allclose(written["x"], expected.table["x"])
    assert f"{expected.table['found'].sum()} of 40 galaxies found" in said
    assert f"50% complete: r = {expected.limit(0.5).magnitude:.2f} (" in said
    assert re.search(r"^14\.500 15\.000 +\d+ ", said, re.MULTILINE)
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert main(command) == 1
    assert "exists already; --overwrite replaces it" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--seed", "1"]) == 0
    assert not np.allclose(read_table(table)["x"], written["x"])


def test_without_outputs_it_prints(frame, capsys):
    """Neither table nor plot is needed; a limit beyond the magnitudes is said to be so."""
    command = ["completeness", str(frame), *OPTIONS, "--magnitudes", "13", "14", "--number", "5"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "5 of 5 galaxies found" in said
    assert "90% complete: not reached in these magnitudes" in said


def test_what_cannot_be_done_ends_with_1(frame, tmp_path, capsys):
    """Pictures, and images without stars or zero points, end with one line that says so."""
    picture, bare = tmp_path / "a.png", tmp_path / "bare.fits"
    Image.fromarray(np.zeros((80, 80, 3), np.uint8)).save(picture)
    fits.PrimaryHDU(plant((300, 320), [])).writeto(bare)
    for words, message in (
        ([picture, *OPTIONS], "image must hold flux"),
        ([bare, *OPTIONS], "zeropoint must be given"),
        ([frame, *OPTIONS[:4]], "psf must be given"),
        ([frame, *OPTIONS, "--number", "0"], "number must be a whole number"),
        ([frame, *OPTIONS, "--colors", "0.5"], "colors must be"),
    ):
        assert main(["completeness", *map(str, words)]) == 1
        assert message in capsys.readouterr().err


def test_a_wrong_command_ends_with_2(frame, tmp_path, capsys):
    """An output is no input, and endings are known, before the work."""
    for words, message in (
        (["-o", frame, "--overwrite"], "an output must not be an input"),
        (["-o", tmp_path / "t.txt"], "path must end in one of"),
        (["--plot", tmp_path / "t.fits"], "--plot must end in"),
        (["-o", tmp_path / "t.fits", "--plot", tmp_path / "t.fits"], "--plot must end in"),
    ):
        assert main(["completeness", str(frame), *OPTIONS, *map(str, words)]) == 2
        assert message in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["completeness", str(frame), "--radii", "wide", "2"])
    assert "must be arcseconds, or pixels" in capsys.readouterr().err
