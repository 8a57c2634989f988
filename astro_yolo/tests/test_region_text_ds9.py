"""A real DS9 draws our region files where the boxes are."""

import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_allclose

from astro_yolo.catalog import make_table
from astro_yolo.overlays import read_regions, write_regions
from astro_yolo.region_text import CLASS_COLORS, SHAPES

from .ds9_fixture import ds9  # noqa: F401
from .test_region_text import example, table_corners
from .wcs_cases import CASES, SHAPE, make_wcs


def show(session, path, wcs):
    """Show an empty image with this WCS."""
    fits.PrimaryHDU(np.zeros(SHAPE, np.float32), wcs.to_header(relax=True)).writeto(path)
    session.show(path)


def shape_corners(line):
    """Return the bounding box of a line that DS9 wrote, in 0-based pixels."""
    kind, _, rest = line.partition("(")
    numbers = np.array(rest.partition(")")[0].split(","), float)
    if kind == "polygon":
        x, y = numbers.reshape(-1, 2).T - 1
        return x.min(), y.min(), x.max(), y.max()
    x, y, a, b, angle = numbers if len(numbers) == 5 else [*numbers, numbers[-1], 0]
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    if kind == "box":
        half = (abs(a * cos) + abs(b * sin)) / 2, (abs(a * sin) + abs(b * cos)) / 2
    else:
        half = np.hypot(a * cos, b * sin), np.hypot(a * sin, b * cos)
    return x - 1 - half[0], y - 1 - half[1], x - 1 + half[0], y - 1 + half[1]


@pytest.mark.parametrize("shape", ["box", "ellipse", "circle"])
@pytest.mark.parametrize("case", CASES)
def test_sky_regions_cover_their_boxes(ds9, tmp_path, case, shape):  # noqa: F811
    """On turned, mirrored, distorted and polar images each region is right to 0.1 pixel."""
    wcs, table = make_wcs(**CASES[case]), example(25)
    show(ds9, tmp_path / "image.fits", wcs)
    write_regions(table, tmp_path / "our.reg", shape=shape, frame="icrs", wcs=wcs)
    ds9.load_regions(tmp_path / "our.reg")
    found = [shape_corners(line) for line in ds9.image_regions()]
    assert_allclose(found, table_corners(table, shape), atol=0.1)


@pytest.mark.parametrize("shape", SHAPES)
def test_image_regions_cover_their_boxes(ds9, tmp_path, shape):  # noqa: F811
    """Image coordinates need no sky, and are exact to what DS9 prints."""
    table = example(25)
    show(ds9, tmp_path / "image.fits", make_wcs())
    write_regions(table, tmp_path / "our.reg", shape=shape, frame="image")
    ds9.load_regions(tmp_path / "our.reg")
    found = [shape_corners(line) for line in ds9.image_regions()]
    assert_allclose(found, table_corners(table, shape), atol=1e-3)


def test_the_first_pixel_is_the_first_pixel(ds9, tmp_path):  # noqa: F811
    """A box round one bright pixel is round the pixel that DS9 shows bright."""
    data = np.zeros(SHAPE, np.float32)
    data[7, 30] = 5
    fits.PrimaryHDU(data).writeto(tmp_path / "image.fits")
    ds9.show(tmp_path / "image.fits")
    table = make_table([[30, 7, 31, 8]], [0.9], [[0, 1, 0, 0, 0]], [0], [0])
    write_regions(table, tmp_path / "our.reg", shape="box")
    ds9.load_regions(tmp_path / "our.reg")
    (line,) = ds9.image_regions()
    x, y = line.partition("(")[2].split(",")[:2]
    assert float(ds9.get(f"data image {x} {y} 1 1 yes")) == 5


def test_properties_are_shown(ds9, tmp_path):  # noqa: F811
    """DS9 takes over colours, texts and tags, of one region and of awkward text too."""
    table = make_table([[30, 7, 41, 18]], [0.9], [[0, 1, 0, 0, 0]], [0], [0])
    table["note"] = ['é {x}; # "y" $z']
    show(ds9, tmp_path / "image.fits", make_wcs())
    write_regions(table, tmp_path / "our.reg", text="{id} {note}")
    ds9.load_regions(tmp_path / "our.reg")
    (line,) = ds9.image_regions()
    assert f"color={CLASS_COLORS['spiral']}" in line
    assert 'text={1 é (x); # "y" $z}' in line
    for tag in ("spiral", "astro_yolo", "ay-id=1"):
        assert f"tag={{{tag}}}" in line


@pytest.mark.parametrize("system", ["image", "icrs", "fk5", "galactic"])
@pytest.mark.parametrize("case", ["plain", "flipped_turned"])
def test_what_ds9_saves_is_read_back(ds9, tmp_path, case, system):  # noqa: F811
    """A file that DS9 saved gives ids, labels and boxes again, in any coordinate system."""
    wcs, table = make_wcs(**CASES[case]), example(12)
    show(ds9, tmp_path / "image.fits", wcs)
    write_regions(table, tmp_path / "our.reg", shape="ellipse", wcs=wcs)
    ds9.load_regions(tmp_path / "our.reg")
    ds9.set("regions format ds9")
    ds9.set("regions system " + ("image" if system == "image" else "wcs"))
    if system != "image":
        ds9.set(f"regions sky {system}")
        ds9.set("regions skyformat degrees")
    ds9.set(f"regions save {tmp_path / 'saved.reg'}")
    again = read_regions(tmp_path / "saved.reg", wcs=wcs)
    assert again["id"].tolist() == table["id"].tolist()
    assert again["label"].tolist() == table["label"].tolist()
    for name in ("xmin", "ymin", "xmax", "ymax"):
        assert_allclose(again[name], table[name], atol=0.1)
