"""The command measure, and measuring while detecting."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import QTable

from astro_yolo import detect, measure, read_image, read_table, write_table
from astro_yolo.cli import main
from astro_yolo.demo import example_paths

BANDS = ("g", "r", "i")


@pytest.fixture(scope="module")
def paths():
    """The bands of the embedded example."""
    return [str(example_paths()[band]) for band in BANDS]


@pytest.fixture(scope="module")
def table(paths):
    """Detections in the embedded example."""
    return detect(paths, backend="onnxruntime")


def test_the_command_writes_what_the_function_returns(paths, table, tmp_path, capsys):
    """The file holds the columns and values of ``measure``; it is not replaced unless told."""
    write_table(table, tmp_path / "t.ecsv")
    command = ["measure", str(tmp_path / "t.ecsv"), *paths, "-o", str(tmp_path / "m.ecsv")]
    assert main(command) == 0
    assert f"{len(table)} sources measured" in capsys.readouterr().out
    written, expected = read_table(tmp_path / "m.ecsv"), measure(table, paths)
    assert written.colnames == expected.colnames
    np.testing.assert_allclose(written["kron_flux_r"], expected["kron_flux_r"])
    assert main(command) == 1
    assert "exists already" in capsys.readouterr().err
    assert main([*command, "--overwrite", "--zeropoint", "25", "--aperture", "2"]) == 0
    assert "kron_mag_r" in QTable.read(tmp_path / "m.ecsv").colnames


def test_trouble_is_told_in_one_line(paths, tmp_path, capsys):
    """A table without boxes ends with status 1 and a line that says so."""
    QTable({"ra": [1.0]}).write(tmp_path / "t.ecsv")
    assert main(["measure", str(tmp_path / "t.ecsv"), *paths, "-o", str(tmp_path / "m.ecsv")]) == 1
    assert "must have the columns xmin" in capsys.readouterr().err
    assert not (tmp_path / "m.ecsv").exists()


def test_detect_measures_on_request(paths, table):
    """``measure=True`` gives the same rows with the columns of ``measure``."""
    found = detect(paths, backend="onnxruntime", measure=True)
    expected = measure(table, read_image(paths))
    assert found.colnames == expected.colnames
    np.testing.assert_array_equal(found["kron_flux_g"], expected["kron_flux_g"])


def test_an_image_is_never_replaced(paths, table, tmp_path, capsys):
    """The image of the table is no output whatever --overwrite says; the table itself may be."""
    image = tmp_path / "r.fits"
    image.write_bytes(b"an image")
    write_table(table, tmp_path / "t.ecsv")
    command = ["measure", str(tmp_path / "t.ecsv")]
    assert main([*command, str(image), "-o", str(image), "--overwrite"]) == 2
    assert f"an output must not be an input, got {image}" in capsys.readouterr().err
    assert image.read_bytes() == b"an image"
    assert main([*command, str(image), "-o", str(tmp_path / "t.txt")]) == 2
    assert "path must end in one of" in capsys.readouterr().err
    assert main([*command, *paths, "-o", str(tmp_path / "t.ecsv"), "--overwrite"]) == 0
    assert "kron_mag_r" in read_table(tmp_path / "t.ecsv").colnames


def test_lengths_in_pixels(paths, table, tmp_path):
    """A number with px behind it is one of pixels; without, of arcseconds, 0.396 to a pixel."""
    write_table(table, tmp_path / "t.ecsv")
    for name, length in (("px", "5px"), ("arcsec", "1.98")):
        command = ["measure", str(tmp_path / "t.ecsv"), *paths, "--aperture", length]
        assert main([*command, "-o", str(tmp_path / f"{name}.ecsv")]) == 0
    pixels, angle = (read_table(tmp_path / f"{name}.ecsv") for name in ("px", "arcsec"))
    np.testing.assert_allclose(pixels["aper_flux_r"], angle["aper_flux_r"], rtol=1e-3)


def test_an_extension_by_name_and_version(paths, table, tmp_path):
    """``--hdu SCI,2`` is the second extension of that name."""
    image = read_image(paths[1])
    pixels = np.asarray(image.data[0])
    hdus = [fits.ImageHDU(value * pixels, name="SCI", ver=value) for value in (1, 2)]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "two.fits")
    boxes = table["xmin", "ymin", "xmax", "ymax"]
    boxes.write(tmp_path / "t.ecsv")
    command = ["measure", str(tmp_path / "t.ecsv"), str(tmp_path / "two.fits")]
    fluxes = []
    for version in ("1", "2"):
        out = tmp_path / f"{version}.ecsv"
        assert main([*command, "--hdu", f"SCI,{version}", "-o", str(out)]) == 0
        written = QTable.read(out)
        fluxes.append(written[next(name for name in written.colnames if "aper_flux" in name)])
    np.testing.assert_allclose(fluxes[1], 2 * fluxes[0], rtol=1e-4)
