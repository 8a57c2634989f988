import numpy as np
import pytest

from astro_yolo.catalog import read_table
from astro_yolo.cli import main
from astro_yolo.demo import example_paths, next_steps, write_demo
from astro_yolo.overlays import read_regions
from astro_yolo.simulation import EXAMPLE_SEED, simulate_field
from astro_yolo.tests.blob_network import PATH

OWN = ["README.txt", "example-g.fits.fz", "example-i.fits.fz", "example-r.fits.fz",
       "galaxies.ecsv", "galaxies.png", "galaxies.reg"]  # fmt: skip


def test_demo_writes_every_result(tmp_path):
    """The folder holds the example, the table, as many regions, a picture and a word about them."""
    paths, table = write_demo(tmp_path / "new" / "demo", model=PATH, backend="onnxruntime")
    assert sorted(p.name for p in (tmp_path / "new" / "demo").iterdir()) == OWN
    assert len(read_table(paths["table"])) == len(table) > 10
    assert len(read_regions(paths["regions"])) == len(table)
    assert paths["png"].read_bytes().startswith(b"\x89PNG")
    assert paths["r"].read_bytes() == example_paths()["r"].read_bytes()
    assert "SIMULATED" in paths["readme"].read_text()
    said = next_steps(paths, table)
    assert f"{len(table)} galaxies in a simulated field" in said
    assert str(paths["regions"]) in said


def test_demo_replaces_only_its_own_files(tmp_path):
    """A second run replaces what the first wrote and leaves the user's files alone."""
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "galaxies.reg").write_text("old")
    write_demo(tmp_path, model=PATH, backend="onnxruntime")
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert (tmp_path / "galaxies.reg").read_text() != "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*OWN, "mine.txt"])


def test_demo_refuses_a_file(tmp_path, capsys):
    """Where the folder's name is a file, the command says so and leaves it."""
    (tmp_path / "taken").write_text("mine")
    assert main(["demo", str(tmp_path / "taken")]) == 1
    assert "folder must be a folder" in capsys.readouterr().err
    assert (tmp_path / "taken").read_text() == "mine"


def test_demo_command_finds_the_galaxies(tmp_path, capsys):
    """The shipped network finds the bright galaxies of the example and hardly any of its stars."""
    assert main(["demo", str(tmp_path / "demo")]) == 0
    assert "galaxies in a simulated field" in capsys.readouterr().out
    found = read_table(tmp_path / "demo" / "galaxies.ecsv")
    places = np.stack([found["x"], found["y"]], axis=1)
    truth = simulate_field(seed=EXAMPLE_SEED)[1]
    near = np.array([np.hypot(*(places - (r["x"], r["y"])).T).min() < 6 for r in truth])
    star = truth["label"] == "star"
    bright = truth["mag_r"].value < 18.5
    assert near[~star & bright].mean() > 0.8
    assert near[star].mean() < 0.1


def test_examples_are_in_the_package():
    """The example has the bands g, r and i, and is there."""
    paths = example_paths()
    assert list(paths) == ["g", "r", "i"]
    assert all(path.is_file() for path in paths.values())


@pytest.mark.parametrize("name", OWN)
def test_own_names_are_plain(name):
    """No file of the demo has a name that a shell would have to quote."""
    assert name.replace("-", "").replace(".", "").isalnum()
