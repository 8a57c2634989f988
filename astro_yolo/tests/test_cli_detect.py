"""Many fields in one call of ``astro-yolo detect``, and what may happen meanwhile."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from astro_yolo.cli import main
from astro_yolo.detection import Detector
from astro_yolo.tests.planted import MODEL, plant

NETWORK = ["--model", str(MODEL), "--backend", "onnxruntime"]


@pytest.fixture
def frames(tmp_path):
    """The files of two fields with a source each."""
    paths = [tmp_path / f"field {k}.fits" for k in range(2)]
    for k, path in enumerate(paths):
        fits.writeto(path, plant((100, 120), [(40 + 20 * k, 50)]).astype(np.float32))
    return paths


def detect(*arguments):
    """Run ``astro-yolo detect`` with the network of the tests."""
    return main(["detect", *map(str, arguments), *NETWORK])


def test_each_line_is_in_the_log_at_once(frames, tmp_path, monkeypatch):
    """The line of a field is in the file that standard output goes to before the next begins."""
    log, seen = tmp_path / "log", []
    found = Detector.detect

    def observed(*arguments, **options):
        seen.append(log.read_text().count("1 galaxies"))
        return found(*arguments, **options)

    monkeypatch.setattr(Detector, "detect", observed)
    with log.open("w") as stream:
        monkeypatch.setattr("sys.stdout", stream)
        assert detect("--each", *frames, "--out-dir", tmp_path / "out") == 0
    assert seen == [0, 1]


@pytest.mark.parametrize("resume", [True, False])
def test_output_of_another_process(frames, tmp_path, monkeypatch, capsys, resume):
    """A table that another process wrote meanwhile is kept; with --resume its field is done."""
    table = tmp_path / "out" / "field 0.ecsv"
    found = Detector.detect

    def beside(*arguments, **options):
        table.write_text("theirs")
        return found(*arguments, **options)

    monkeypatch.setattr(Detector, "detect", beside)
    options = ["--out-dir", table.parent, "--regions", *(["--resume"] if resume else [])]
    assert detect("--each", frames[0], *options) == (0 if resume else 1)
    assert table.read_text() == "theirs"
    assert (table.parent / "field 0.reg").is_file() == resume
    assert ("exists already; --overwrite replaces it" in capsys.readouterr().err) != resume


def test_out_dir_must_be_a_folder(frames, capsys):
    """A file in place of the folder for the outputs is told by the name of the option."""
    with pytest.raises(SystemExit):
        detect(frames[0], "--out-dir", frames[1])
    assert f"--out-dir must be a folder, got {frames[1]}" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_standard_output_on_a_full_disk(frames):
    """It is told in one line, with status 1."""
    code = "import sys; from astro_yolo.cli import main; sys.exit(main())"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code, "detect", str(frames[0]), *NETWORK],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("astro-yolo: standard output: [Errno 28]")
