import bz2
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

import astro_yolo
from astro_yolo import __version__
from astro_yolo._cli_detect import _Progress
from astro_yolo._cli_fields import collect_fields, field_name, plan_outputs
from astro_yolo.catalog import read_table
from astro_yolo.cli import main
from astro_yolo.config import conf
from astro_yolo.tests.blob_network import PATH

#: 0-based pixels of the sources in every test image
PLACES = np.array([(30.0, 20.0), (60.0, 35.0), (22.0, 50.0)])
NETWORK = ["--model", str(PATH), "--backend", "onnxruntime"]


def write_band(path, band="r", *, places=PLACES):
    """Write a FITS image with a round source at each place."""
    y, x = np.mgrid[:64, :96]
    data = np.random.default_rng(5).normal(0, 0.03, y.shape)
    for x0, y0 in places:
        data += 20 * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 4)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [180, 0], [48, 32], [-1.1e-4, 1.1e-4]
    header = wcs.to_header()
    header["FILTER"] = band
    fits.writeto(path, data.astype(np.float32), header)
    return str(path)


@pytest.fixture
def bands(tmp_path):
    """The three bands of one field with three sources."""
    folder = tmp_path / "images"
    folder.mkdir()
    return [write_band(folder / f"frame-{band}-7.fits", band) for band in "gri"]


def detect(*arguments):
    """Run ``astro-yolo detect`` with the network of the tests."""
    return main(["detect", *map(str, arguments), *NETWORK])


def assert_found(table):
    """Check that the table holds the planted sources, to a third of a pixel."""
    found = np.stack([table["x"], table["y"]], axis=1)
    assert len(found) == len(PLACES)
    np.testing.assert_allclose(
        found[np.lexsort(found.T)], PLACES[np.lexsort(PLACES.T)], atol=1 / 3
    )


def test_bands_of_one_field(bands, tmp_path, capsys):
    """Positional files are the bands of one field, and every output is written."""
    outputs = [tmp_path / f"out{ending}" for ending in (".ecsv", ".reg", ".png")]
    assert detect(*bands, "-o", outputs[0], "--regions", outputs[1], "--png", outputs[2]) == 0
    assert_found(read_table(outputs[0]))
    assert outputs[1].read_text().count("ellipse(") == 3
    assert outputs[2].read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr()
    assert said.out.startswith("frame-7: 3 galaxies")
    assert said.err == ""


@pytest.mark.parametrize("ending", ["fits", "vot", "csv"])
def test_format_follows_the_ending(bands, tmp_path, ending):
    """The ending of the output says in which format it is written."""
    path = tmp_path / f"out.{ending}"
    assert detect(*bands, "-o", path) == 0
    assert_found(read_table(path))


def test_without_output_the_table_is_printed(bands, tmp_path, capsys, monkeypatch):
    """With no output the detections are printed and no file is written."""
    monkeypatch.chdir(tmp_path)
    assert detect(*bands) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:4] == ["id", "ra", "dec", "x"]
    assert [line.split()[0] for line in lines[-3:]] == ["1", "2", "3"]
    assert [p.name for p in tmp_path.iterdir()] == ["images"]


def test_each_file_is_a_field(bands, tmp_path):
    """With --each every file gets its own table, regions and picture in the folder."""
    out = tmp_path / "new" / "out"
    assert detect("--each", *bands, "--out-dir", out, "--regions", "--png") == 0
    names = [f"frame-{band}-7{end}" for band in "gri" for end in (".ecsv", ".reg", ".png")]
    assert sorted(p.name for p in out.iterdir()) == sorted(names)
    assert_found(read_table(out / "frame-g-7.ecsv"))


def test_list_of_fields(bands, tmp_path):
    """A list holds one field a line, with comments, empty lines and quoted names."""
    spaced = write_band(tmp_path / "with space.fits")
    listing = tmp_path / "fields.txt"
    listing.write_text(f"# fields\n{' '.join(bands)}\n\n'{spaced}'  # one band\n")
    assert detect("--list", listing, "--out-dir", tmp_path / "out", "--format", "csv") == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"frame-7.csv", "with space.csv"}


def test_one_bad_field_does_not_stop_the_others(bands, tmp_path, capsys):
    """A field that fails gives one line with its file and exit status 1; the others are written."""
    bad = tmp_path / "bad.fits"
    bad.write_text("this is not an image")
    missing = tmp_path / "missing.fits"
    out = tmp_path / "out"
    assert detect("--each", bands[0], bad, missing, bands[2], "--out-dir", out) == 1
    assert {p.name for p in out.iterdir()} == {"frame-g-7.ecsv", "frame-i-7.ecsv"}
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 3
    assert "bad.fits" in errors[0]
    assert "missing.fits" in errors[1]
    assert errors[2] == "astro-yolo: 2 of 4 fields failed"


def test_nothing_found_is_no_failure(tmp_path, capsys):
    """An empty field is written with zero rows, exit status 0 and no complaint."""
    empty = write_band(tmp_path / "empty.fits", places=[])
    assert detect(empty, "-o", tmp_path / "out.ecsv") == 0
    assert len(read_table(tmp_path / "out.ecsv")) == 0
    said = capsys.readouterr()
    assert said.out.startswith("empty: 0 galaxies")
    assert said.err == ""


def test_json_summary(bands, tmp_path, capsys):
    """--json prints one document that says what was found, written and what failed."""
    missing = str(tmp_path / "missing.fits")
    out = tmp_path / "out"
    assert detect("--json", "--each", bands[1], missing, "--out-dir", out) == 1
    summary = json.loads(capsys.readouterr().out)
    assert (summary["version"], summary["model"], summary["failed"]) == (__version__, "blobs", 1)
    good, bad = summary["fields"]
    assert (good["name"], good["files"], good["galaxies"]) == ("frame-r-7", [bands[1]], 3)
    assert good["outputs"] == [str(out / "frame-r-7.ecsv")]
    assert good["error"] is None
    assert sum(good["labels"].values()) == 3
    assert "missing.fits" in bad["error"]


def test_existing_files_are_kept(bands, tmp_path, capsys):
    """An existing output is an error before the work is done, unless --overwrite is given."""
    path = tmp_path / "out.ecsv"
    path.write_text("mine")
    assert detect(*bands, "-o", path) == 1
    assert path.read_text() == "mine"
    assert "--overwrite replaces it" in capsys.readouterr().err
    assert detect(*bands, "-o", path, "--overwrite") == 0
    assert_found(read_table(path))


def test_resume_goes_on_after_a_kill(bands, tmp_path, capsys):
    """--resume leaves what is done as it is, and writes what is missing of other fields."""
    out = tmp_path / "out"
    command = ["--each", *bands, "--out-dir", out, "--regions"]
    assert detect(*command) == 0
    (out / "frame-r-7.reg").unlink()
    (out / "frame-i-7.ecsv").unlink()
    (out / "frame-i-7.reg").unlink()
    kept = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in out.iterdir()}
    capsys.readouterr()
    assert detect(*command, "--resume", "--json") == 0
    fields = json.loads(capsys.readouterr().out)["fields"]
    assert [field.get("skipped", False) for field in fields] == [True, False, False]
    assert [len(field["outputs"]) for field in fields] == [2, 2, 2]
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in kept} == kept
    assert (out / "frame-r-7.reg").read_text().count("ellipse(") == 3
    assert_found(read_table(out / "frame-i-7.ecsv"))
    assert detect(*command, "--resume") == 0
    said = capsys.readouterr()
    assert said.out.count(": done before -> ") == 3
    assert said.err == ""


def test_quiet_prints_nothing(bands, tmp_path, capsys):
    """--quiet prints nothing where all went well."""
    assert detect(*bands, "-o", tmp_path / "out.ecsv", "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_selection_reaches_the_detector(bands, tmp_path):
    """--score and --classes choose which rows are kept."""
    assert detect(*bands, "-o", tmp_path / "all.ecsv") == 0
    labels = set(read_table(tmp_path / "all.ecsv")["label"])
    other = next(name for name in ("merger", "edge_on") if name not in labels)
    assert detect(*bands, "-o", tmp_path / "none.ecsv", "--classes", f"{other},unknown") == 0
    assert set(read_table(tmp_path / "none.ecsv")["label"]) <= {other, "unknown"}
    assert detect(*bands, "-o", tmp_path / "pure.ecsv", "--score", "1") == 0
    assert len(read_table(tmp_path / "pure.ecsv")) < 3


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "no field was given"),
        (["a.fits", "--sdss", "94/1"], "RUN/CAMCOL/FIELD"),
        (["--png", "a.fits"], "--png must be followed by a name that ends in .png"),
        (["--each", "a.fits", "b.fits", "-o", "x.ecsv"], "use --out-dir"),
        (["--each", "a.fits", "b.fits", "--png", "x.png"], "give no name"),
        (["a.fits", "-o", "x.ecsv", "--out-dir", "y"], "not both"),
        (["--each", "a.fits", "a.fits", "--out-dir", "y"], "two fields have the name"),
        (["a.fits", "--classes", "star"], "star needs --include-stars"),
        (["a.fits", "--stretch", "pretty"], "--stretch must be one of"),
        (["a.fits", "--score", "1.5"], "must be from 0 to 1, got 1.5"),
        (["a.fits", "--priors", "spiral=much"], "must be CLASS=NUMBER"),
        (["a.fits", "--priors", "lens=2"], "priors must name some of"),
        (["--list", "no-such-list"], "no-such-list"),
        (["a.fits", "--resume"], "--resume needs outputs"),
        (["a.fits", "-o", "b.ecsv", "--resume", "--overwrite"], "give --resume, which keeps"),
        (["a.fits", "-o", "out.txt"], "path must end in one of .ecsv, .fits"),
        (["a.fits", "-o", "b/../a.fits"], "an output must not be an input"),
        (["a.fits", "b.fits", "-o", "b.fits", "--overwrite"], "an output must not be an input"),
        (["--each", "a.fits", "b.fits", "--out-dir", ".", "--format", "fits"], "got a.fits"),
    ],
)
def test_wrong_commands(arguments, message, capsys, tmp_path, monkeypatch):
    """A command that makes no sense ends with status 2 and says why."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        detect(*arguments)
    assert end.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("link", ["itself", "symlink", "hard link"])
def test_an_input_is_never_replaced(bands, tmp_path, capsys, link):
    """No output may be an input of any field, by whatever name and whatever --overwrite says."""
    before = [Path(band).read_bytes() for band in bands]
    output = tmp_path / "out.fits"
    if link == "itself":
        output = Path(bands[2])
    elif link == "symlink":
        output.symlink_to(bands[2])
    else:
        output.hardlink_to(bands[2])
    with pytest.raises(SystemExit) as end:
        detect(*bands, "-o", output, "--overwrite")
    assert end.value.code == 2
    assert f"an output must not be an input, got {output}" in capsys.readouterr().err
    assert [Path(band).read_bytes() for band in bands] == before


def test_a_picture_is_not_its_own_overlay(tmp_path, capsys, monkeypatch):
    """--png without a name does not draw on the picture that it was given."""
    monkeypatch.chdir(tmp_path)
    picture = Path("pic.png")
    picture.write_bytes(b"\x89PNG")
    for options in (["--png"], ["--png", "--overwrite"], ["--png", "./pic.png", "--overwrite"]):
        with pytest.raises(SystemExit) as end:
            detect("pic.png", *options)
        assert end.value.code == 2
    assert "got pic.png: name another file" in capsys.readouterr().err
    assert picture.read_bytes() == b"\x89PNG"


def test_parquet_without_pyarrow_is_told_before_the_work(tmp_path, capsys, monkeypatch):
    """A table that could not be written ends with status 2, before an image is read."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for options in (["-o", "t.parquet"], ["--out-dir", tmp_path, "--format", "parquet"]):
        with pytest.raises(SystemExit) as end:
            detect("a.fits", *options)
        assert end.value.code == 2
        assert "Writing Parquet needs the module 'pyarrow'" in capsys.readouterr().err


def test_unknown_model_is_one_line(bands, capsys):
    """A network that is not there is one line and status 2."""
    assert main(["detect", *bands, "--model", "no-such-model"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert "no-such-model" in errors[0]


def test_version_and_help(capsys):
    """--version gives the version, --help examples."""
    for arguments, said in ((["--version"], __version__), (["detect", "--help"], "examples:")):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 0
        assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    "files, name",
    [
        (["a/frame-g-000094-1-0012.fits.bz2", "frame-r-000094-1-0012.fits"], "frame-000094-1-0012"),
        (["m31_F606W.fits", "m31_F814W.fits"], "m31"),
        (["one.fits.fz"], "one"),
        (["g.fits", "r.fits", "i.fits"], "g-r-i"),
        (["a/same.fits", "b/same.fits"], "same"),
    ],
)
def test_field_is_named_after_its_files(files, name):
    """A field has the name that its bands share."""
    assert field_name(files) == name


def test_same_names_in_different_folders():
    """Fields of the same name get that of their folder too."""
    fields = collect_fields(["a/f.fits", "b/f.fits", "c/g.fits"], each=True)
    assert [field.name for field in fields] == ["a-f", "b-f", "g"]


@pytest.mark.parametrize(
    "files, names",
    [
        (["t1/r/f.fits", "t2/r/f.fits"], ["t1-r-f", "t2-r-f"]),
        (["n/m51.fits", "n/m51.jpg", "n/m82.fits"], ["m51.fits", "m51.jpg", "m82"]),
        (["n/m51.fits.gz", "n/m51.fits", "s/m51.fits"], ["m51.fits.gz", "m51.fits", "m51"]),
        (["/d/a/b.fits", "c/b.fits", "/e/x/a-b.fits"], ["d-a-b", "c-b", "x-a-b"]),
        (["tile.fits.xz", "other.tif"], ["tile", "other"]),
    ],
)
def test_every_field_has_a_name_of_its_own(files, names):
    """Names that occur twice get as many folders as it takes, in one folder the files' endings."""
    fields = collect_fields(files, each=True)
    found = [field.name for field in fields]
    assert len(set(found)) == len(files)
    assert found == names


def test_list_from_any_editor(tmp_path):
    """A # within a name is no comment, quotes hold anything, and a byte-order mark is no name."""
    path = tmp_path / "fields.txt"
    path.write_text("g#3.fits r#3.fits # the 'third\n'a # b.fits' #x\n", encoding="utf-8-sig")
    fields = collect_fields([], list_file=path)
    assert [field.files for field in fields] == [("g#3.fits", "r#3.fits"), ("a # b.fits",)]
    path.write_bytes("café.fits".encode("latin-1"))
    with pytest.raises(ValueError, match=r"--list must be text in UTF-8, got .*fields.txt"):
        collect_fields([], list_file=path)


def test_products_without_a_folder_stay_here():
    """--regions without a name or folder writes NAME.reg in the current folder."""
    (plan,) = plan_outputs(collect_fields(["x/f.fits"]), regions=True)
    assert [str(path) for path in plan.paths()] == ["f.reg"]


def test_progress_bar_only_where_visible(capsys):
    """The bar is drawn on a terminal and taken away again; elsewhere nothing is written."""
    for visible in (False, True):
        bar = _Progress(4, visible=visible)
        bar.show(3, "field")
        bar.clear()
    shown = capsys.readouterr().err
    assert shown.count("3/4 field") == 1
    assert shown.endswith("\x1b[K")


def test_sdss_field_by_number(bands, tmp_path):
    """--sdss detects in the frames of the field; those in the cache are not fetched again."""
    folder = tmp_path / "cache/dr17/301/94/1"
    folder.mkdir(parents=True)
    for band, path in zip("gri", bands, strict=True):
        packed = bz2.compress(Path(path).read_bytes())
        (folder / f"frame-{band}-000094-1-0012.fits.bz2").write_bytes(packed)
    with conf.set_temp("cache_dir", str(tmp_path / "cache")):
        assert detect("--sdss", "94/1/12", "--out-dir", tmp_path / "out") == 0
    table = read_table(tmp_path / "out" / "frame-000094-1-0012.ecsv")
    assert_found(table)
    assert table.meta["BANDS"] == "g,r,i"


def test_runs_as_a_program(bands, tmp_path):
    """In a fresh process the command works, and loads no torch, matplotlib or astroquery."""
    code = (
        "import sys; from astro_yolo.cli import main; code = main();"
        "print([m for m in ('torch', 'matplotlib', 'astroquery') if m in sys.modules]);"
        "sys.exit(code)"
    )
    path = tmp_path / "out.ecsv"
    command = [sys.executable, "-c", code, "detect", *bands, *NETWORK, "-q", "-o", str(path)]
    root = Path(astro_yolo.__file__).parents[1]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, check=True)
    assert_found(read_table(path))
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
