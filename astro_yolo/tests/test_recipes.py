"""The recipes of docs/programs.rst, run as they stand there."""

import re
import textwrap
from pathlib import Path

import numpy as np
import pytest

from astro_yolo import detect, measure, read_image
from astro_yolo.demo import example_paths

PAGE = Path(__file__).parents[2] / "docs" / "programs.rst"


@pytest.fixture(scope="module")
def example():
    """Names that the recipes use: image, frame, and the table measured on it."""
    if not PAGE.is_file():
        pytest.skip("docs/ is only in the repository")
    image = read_image(example_paths())
    table = detect(image, backend="onnxruntime")
    table = measure(table, image, aperture=4.0)
    return {"image": image, "frame": str(example_paths()["r"]), "table": table}


def run(name, names):
    """Run one recipe of the page and return its names."""
    pattern = rf"   :name: recipe-{name}\n\n((?:   .*\n|\n)+)"
    (code,) = re.findall(pattern, PAGE.read_text(encoding="utf-8"))
    names = {**names, "table": names["table"].copy()}
    exec(compile(textwrap.dedent(code), PAGE.name, "exec"), names)
    return names


def test_photutils(example):
    """Fluxes in circles are those that ``measure`` finds for galaxies that stand alone."""
    names = run("photutils", example)
    table = names["table"]
    good = (table["measure_flags"] == 0) & (table["kron_flux_r"] > 50)
    ratio = np.asarray(table["flux_r4"] / table["aper_flux_r"])[good]
    assert good.sum() > 5
    assert np.median(ratio) == pytest.approx(1, abs=0.03)


# Of its dependencies, not of ours.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_ipyaladin(example):
    """ipyaladin takes the table and the regions."""
    pytest.importorskip("ipyaladin", exc_type=ImportError)
    names = run("ipyaladin", example)
    assert names["aladin"].target.separation(names["sky"](names["table"])[0]).arcsec < 1


@pytest.mark.filterwarnings("ignore")
def test_jdaviz(example, monkeypatch):
    """jdaviz draws the galaxies of the table over the frame, at their pixels."""
    pytest.importorskip("jdaviz", exc_type=ImportError)
    # what it shows needs the kernel of a notebook
    monkeypatch.setattr("jdaviz.core.helpers.show_widget", lambda *_, **__: None)
    names = run("jdaviz", example)
    (viewer,) = names["jdaviz"].viewers.values()
    frame, galaxies = viewer._obj.glue_viewer.layers
    assert frame.visible
    assert galaxies.visible
    x, y = viewer._obj.glue_viewer.state.x_att, viewer._obj.glue_viewer.state.y_att
    np.testing.assert_allclose(galaxies.layer[x], names["table"]["x"])
    np.testing.assert_allclose(galaxies.layer[y], names["table"]["y"])
