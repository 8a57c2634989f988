"""Coverage maps, held against the area of fields and points in and out of them."""

import sys

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from astro_yolo import read_image, write_table
from astro_yolo.catalog import make_table
from astro_yolo.cli import main
from astro_yolo.exceptions import MissingExtraError, WCSError
from astro_yolo.sky_coverage import coverage, write_coverage

from .wcs_cases import CASES, SCALE, SHAPE, make_wcs

SKY = 4 * np.pi * np.degrees(1) ** 2  # square degrees
AREA = np.prod(SHAPE) * (SCALE / 3600) ** 2


@pytest.fixture
def mocpy():
    """The library."""
    return pytest.importorskip("mocpy")


def table_of(wcs):
    """Return a result table of one row that knows its field."""
    return make_table([[10.0, 10, 20, 20]], [0.9], np.full((1, 5), 0.2), [0], [0], wcs=wcs)


@pytest.mark.parametrize("case", CASES)
def test_area_is_that_of_the_field(mocpy, case):
    """Pixels times their area, on a sky that is turned, mirrored, distorted or at a pole."""
    area = AREA * CASES[case].get("ratio", 1.0)
    found = coverage(make_wcs(**CASES[case]), order=18)
    assert found.sky_fraction * SKY == pytest.approx(area, rel=0.03 if case == "sip" else 0.005)


@pytest.mark.parametrize("case", CASES)
def test_points_in_and_out(mocpy, case):
    """Points three pixels inside the border are covered, those three pixels outside are not."""
    wcs = make_wcs(**CASES[case])
    found = coverage(table_of(wcs), order=18)  # cells of 0.8 arcsec
    (ny, nx), along = SHAPE, np.linspace(5, 590, 20)
    for step, expected in ((3, True), (-3, False)):
        x = np.concatenate([along, along, np.full(20, -0.5 + step), np.full(20, nx - 0.5 - step)])
        y = np.concatenate([np.full(20, -0.5 + step), np.full(20, ny - 0.5 - step), along, along])
        place = wcs.pixel_to_world(x, y).icrs
        assert (found.contains_skycoords(place) == expected).all()


def test_the_outermost_pixels_count(mocpy):
    """Of an image of 6 by 4 large pixels all centres are covered, those one beyond are not."""
    wcs = make_wcs(turn=30.0)
    wcs.wcs.cd *= 50
    wcs.wcs.crpix = 3.0, 2.0
    wcs.pixel_shape = 6, 4
    x, y = np.meshgrid(np.arange(-1, 7), np.arange(-1, 5))
    inside = (x >= 0) & (x < 6) & (y >= 0) & (y < 4)
    found = coverage(wcs, order=17).contains_skycoords(wcs.pixel_to_world(x, y).icrs)
    np.testing.assert_array_equal(found, inside)


def test_mask_is_left_out(mocpy):
    """The masked half of an image is not covered; a pixel of it inside is in no cell."""
    mask = np.zeros(SHAPE, dtype=bool)
    mask[:, 400:] = True
    image = read_image(np.ones(SHAPE, np.float32), wcs=make_wcs(), mask=mask)
    found = coverage(image, order=18)
    assert found.sky_fraction * SKY == pytest.approx(AREA / 2, rel=0.005)
    left, right = image.wcs.pixel_to_world([200, 600], [300, 300])
    assert found.contains_skycoords(SkyCoord([left, right])).tolist() == [True, False]


def test_a_map_of_all_the_sky_is_told(mocpy):
    """A field whose corners are beyond the sky is an error of ours, not a panic of the library."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---AIT", "DEC--AIT"]
    wcs.wcs.cdelt, wcs.wcs.crpix = [-1, 1], [180.5, 90.5]
    wcs.pixel_shape = (360, 180)
    corner = wcs.deepcopy()
    corner.pixel_shape = (180, 90)  # of which one corner is beyond the sky
    for field in (wcs, corner):
        with pytest.raises(WCSError, match="fields must have sky all along their border"):
            coverage([make_wcs(), field], order=6)


def test_fields_are_joined(mocpy):
    """What two fields share counts once; fields apart add up."""
    first, apart = make_wcs(), make_wcs(dec=-40.0)
    both = coverage([table_of(first), table_of(first), apart], order=16)
    assert both.sky_fraction * SKY == pytest.approx(2 * AREA, rel=0.005)
    assert coverage([]).sky_fraction == 0


@pytest.mark.parametrize("size", [None, (10, 10), SHAPE[::-1]])
def test_the_wcs_knows_the_size_of_the_image(size):
    """Its pixel_shape is that of the image, whatever the caller's says, which stays as it is."""
    given = make_wcs()
    given.pixel_shape = size
    image = read_image((np.ones(SHAPE, "f4"), given))
    assert image.wcs.pixel_shape == SHAPE[::-1]
    assert given.pixel_shape == size
    again = read_image(np.ones((30, 40)), wcs=given)
    assert again.wcs.pixel_shape == (40, 30)
    assert given.pixel_shape == size
    assert again.wcs.to_header() == given.to_header()


@pytest.mark.parametrize("size", [None, (10, 10), (8000, 6000)])
def test_the_field_is_that_of_the_image_searched(mocpy, size):
    """A table's coverage has the size of its image, not what a WCS cut by hand still says."""
    wcs = make_wcs()
    wcs.pixel_shape = size
    image = read_image((np.ones(SHAPE, np.float32), wcs))
    for field in (image, table_of(image.wcs)):
        found = coverage(field, order=18)
        assert found.sky_fraction * SKY == pytest.approx(AREA, rel=0.005)


def test_the_command_writes_a_file_that_mocpy_reads(mocpy, tmp_path, capsys):
    """Tables of fields become one FITS file; it is not replaced unless told."""
    for name, dec in (("a", 20.0), ("b", -40.0)):
        write_table(table_of(make_wcs(dec=dec)), tmp_path / f"{name}.fits")
    command = ["coverage", str(tmp_path / "a.fits"), str(tmp_path / "b.fits"), "--order", "15",
               "-o", str(tmp_path / "moc.fits")]
    assert main(command) == 0
    assert f"{2 * AREA:.2f}" in capsys.readouterr().out
    read = mocpy.MOC.from_fits(tmp_path / "moc.fits")
    assert read == coverage([make_wcs(), make_wcs(dec=-40.0)], order=15)
    assert main(command) == 1
    assert "exists already" in capsys.readouterr().err
    with pytest.raises(OSError, match="exists already"):
        write_coverage(tmp_path / "moc.fits", make_wcs())
    assert main([*command[:-1], str(tmp_path / "a.fits"), "--overwrite"]) == 2
    assert "an output must not be an input" in capsys.readouterr().err


def test_the_command_names_the_table_without_a_field(tmp_path, capsys):
    """Of several tables the one that does not know its image is named, and nothing is written."""
    for name in ("a.fits", "b.csv"):
        write_table(table_of(make_wcs()), tmp_path / name)
    tables = [str(tmp_path / name) for name in ("a.fits", "b.csv")]
    assert main(["coverage", *tables, "-o", str(tmp_path / "moc.fits")]) == 1
    assert f"{tables[1]} must know its image" in capsys.readouterr().err
    assert not (tmp_path / "moc.fits").exists()


def test_bad_input_is_named(mocpy):
    """A field without sky or size, and an order that is none, get an error that says so."""
    plain = make_table([[0.0, 0, 4, 4]], [0.9], np.full((1, 5), 0.2), [0], [0])
    sizeless = WCS(make_wcs().to_header())
    for field in (plain, sizeless, read_image(np.ones((4, 5)))):
        with pytest.raises(WCSError, match="with sky coordinates and the size of the image"):
            coverage([field])
    for order in (-1, 21):
        with pytest.raises(ValueError, match=f"order must be from 0 to 20, got {order}"):
            coverage(make_wcs(), order=order)
    assert [coverage([], order=order).max_order for order in (0, 20)] == [0, 20]


def test_without_mocpy_the_extra_is_named(monkeypatch):
    """The missing extra is named with the command that installs it."""
    monkeypatch.setitem(sys.modules, "mocpy", None)
    with pytest.raises(MissingExtraError, match=r'pip install "astro-yolo\[moc\]"'):
        coverage(make_wcs())
