"""Region files, region objects and pictures of a table."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from matplotlib.collections import PolyCollection
from numpy.testing import assert_allclose, assert_array_equal
from regions import (
    CirclePixelRegion,
    CircleSkyRegion,
    EllipsePixelRegion,
    EllipseSkyRegion,
    Regions,
)

from astro_yolo._picture import _binned
from astro_yolo.catalog import BOX_COLUMNS, make_table, write_table
from astro_yolo.exceptions import RegionError
from astro_yolo.image import read_image
from astro_yolo.overlays import (
    CLASS_COLORS,
    plot_overlay,
    read_regions,
    to_regions,
    write_png,
    write_regions,
)

from .test_region_text import example
from .wcs_cases import SHAPE, make_wcs


def rgb(color):
    """Return the three numbers of a colour like #ff8000."""
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]


def read_png(path):
    """Return a picture as (ny, nx, 3) red, green, blue, row 0 at the top."""
    return cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1]


def black(shape=(200, 300)):
    """Return a black picture."""
    return np.zeros((*shape, 3), np.uint8)


def where_on_page(page, color, *, tolerance=0):
    """Return the span of a colour on a page as left, right, top, bottom."""
    distance = np.abs(page.astype(int) - rgb(color)).max(axis=2)
    y, x = np.nonzero(distance <= tolerance)
    return x.min(), x.max(), y.min(), y.max()


def test_region_objects_are_exact():
    """Pixel regions have the 0-based numbers of the table, not rounded to a text file."""
    table = example()
    regions = to_regions(table)
    assert isinstance(regions, Regions)
    assert all(isinstance(region, EllipsePixelRegion) for region in regions)
    assert_allclose([region.center.xy for region in regions],
                    np.stack([table["x"], table["y"]], axis=1), atol=1e-9)
    assert_allclose([region.width for region in regions], table["xmax"] - table["xmin"])
    assert regions[0].meta["text"] == f"1 {table['label'][0]} {table['score'][0]:.2f}"
    assert regions[0].visual["edgecolor"] == CLASS_COLORS[table["label"][0]]


def test_region_objects_on_the_sky():
    """A table that knows its sky gives sky regions at the right position."""
    wcs = make_wcs(turn=30)
    table = example(wcs=wcs)
    regions = to_regions(table, wcs=wcs)
    assert all(isinstance(region, EllipseSkyRegion) for region in regions)
    assert_allclose([region.center.ra.deg for region in regions], table["ra"].to_value("deg"))


def test_region_objects_of_no_rows():
    """Nothing found is no regions."""
    assert len(to_regions(example(0))) == 0


def test_region_objects_check_their_arguments():
    """An empty table is no excuse for a wrong shape."""
    with pytest.raises(RegionError, match="shape must be one of"):
        to_regions(example(0), shape="star")


def test_region_files_come_back(tmp_path):
    """Writing and reading keeps ids, labels and boxes, with and without rows."""
    wcs = make_wcs(turn=30, flip=True)
    for n_rows in (0, 20):
        path, table = tmp_path / f"{n_rows}.reg", example(n_rows)
        write_regions(table, path, shape="box", wcs=wcs)
        again = read_regions(path, wcs)
        assert again["id"].tolist() == table["id"].tolist()
        assert again["label"].tolist() == table["label"].tolist()
        assert_allclose(again["xmax"], table["xmax"], atol=0.01)
        assert len(Regions.read(path, format="ds9")) == n_rows


def test_choices_reach_files_and_objects(tmp_path):
    """Shape, frame, sky, colour and text are as they were asked for, in a file and in objects."""
    for frame, kind in (("image", CirclePixelRegion), (None, CircleSkyRegion)):
        choices = {"shape": "circle", "frame": frame, "wcs": make_wcs(), "color": "red",
                   "text": "no. {id}"}  # fmt: skip
        write_regions(example(1), tmp_path / "a.reg", overwrite=True, **choices)
        for drawn in (to_regions(example(1), **choices), Regions.read(tmp_path / "a.reg")):
            (region,) = drawn
            assert isinstance(region, kind)
            assert (region.meta["text"], region.visual["edgecolor"]) == ("no. 1", "red")


def test_an_existing_file_stays(tmp_path):
    """Region files and pictures are replaced only when asked."""
    for write in (lambda path, **kwargs: write_regions(example(2), path, **kwargs),
                  lambda path, **kwargs: write_png(black(), example(2), path, **kwargs)):
        path = tmp_path / "out"
        path.write_text("mine")
        with pytest.raises(OSError, match="exists already"):
            write(path)
        assert path.read_text() == "mine"
        write(path, overwrite=True)
        assert path.read_bytes() != b"mine"
        assert [p.name for p in tmp_path.iterdir()] == ["out"]
        path.unlink()


def test_boxes_stand_where_the_pixels_are(tmp_path):
    """A box round a bright block of pixels meets its edges, and row 0 is at the bottom."""
    picture = black((800, 1000))  # shown pixel by pixel
    picture[100:200, 300:450] = 255
    table = make_table([[300, 100, 450, 200]], [0.9], [[0, 1, 0, 0, 0]], [0], [0])
    write_png(picture, table, tmp_path / "o.png")
    page = read_png(tmp_path / "o.png")[65:]  # below the legend
    left, right, top, bottom = where_on_page(page, CLASS_COLORS["spiral"], tolerance=90)
    bright = np.all(page[top + 3 : bottom - 2, left + 3 : right - 2] == 255)
    assert bright
    assert abs(right - left - 150) <= 2
    assert abs(bottom - top - 100) <= 2
    assert bottom > len(page) / 2


def test_one_collection_and_one_legend_entry_per_class():
    """Classes are drawn together, with their colour and count."""
    table = example(60)
    figure = plot_overlay(black(SHAPE), table)
    axes = figure.axes[0]
    collections = [item for item in axes.collections if isinstance(item, PolyCollection)]
    assert len(collections) == 6
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == [f"{label} (10)" for label in CLASS_COLORS]
    assert sum(len(item.get_paths()) for item in collections) == 60


@pytest.mark.parametrize("side, width", [(4, 0.6), (16, 1.0), (160, 1.4)])
def test_lines_are_thinner_round_small_boxes(side, width):
    """A line is a sixteenth of the side of half the boxes, within 0.6 to 1.4 points."""
    boxes = [[9, 9, 9 + side, 9 + side]] * 2 + [[0, 0, 300, 300]]
    table = make_table(boxes, [0.9] * 3, [[1, 0, 0, 0, 0]] * 3, [0] * 3, [0] * 3)
    (drawn,) = plot_overlay(black((800, 1000)), table).axes[0].collections
    assert_allclose(drawn.get_linewidth(), width)


def test_scores_below_the_limit_are_not_drawn():
    """Only rows with at least the score are drawn and counted."""
    table = make_table([[10, 10, 30, 30], [50, 50, 70, 70]], [0.9, 0.4], [[1, 0, 0, 0, 0]] * 2,
                       [0, 0], [0, 0])
    legend = plot_overlay(black(), table, min_score=0.5).axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["elliptical (1)"]


def test_nothing_found_is_a_picture_too(tmp_path):
    """No rows give the image without boxes or legend."""
    write_png(black(), example(0), tmp_path / "o.png", title="nothing")
    assert read_png(tmp_path / "o.png").shape[1] == 800 + 125 + 30


@pytest.mark.parametrize("shape, expected", [
    ((1489, 2048), (1163, 1600)), ((40, 60), (533, 800)), ((1200, 1000), (1200, 1000))])
def test_size_of_the_page(shape, expected):
    """A survey frame fits 1600 pixels, a cutout fills 800, others are shown as they are."""
    figure = plot_overlay(black(shape), example(0))
    width, height = figure.get_size_inches() * figure.dpi
    assert_allclose([height - 130, width - 155], expected, atol=1)


def test_axes_are_sky_or_pixels():
    """The sky coordinates of the image or the table make the axes; without, they are pixels."""
    pixel = plot_overlay(black(SHAPE), example(3)).axes[0]
    assert pixel.get_xlabel() == "x (pixel)"
    for axes in (plot_overlay(black(SHAPE), example(3), wcs=make_wcs()).axes[0],
                 plot_overlay(read_image(np.ones(SHAPE), wcs=make_wcs()), example(3)).axes[0]):
        assert axes.coords[0].get_axislabel() == "RA"
        assert axes.coords[1].get_axislabel() == "Dec"


@pytest.mark.parametrize("stretch", ["lupton", "asinh"])
def test_any_number_of_bands(stretch, tmp_path):
    """One band, three bands and bad pixels are drawn."""
    rng = np.random.default_rng(1)
    bands = rng.normal(1, 0.1, (3, 60, 80)).astype(np.float32)
    bands[:, 5, 5] = np.nan
    for number in (1, 3):
        image = read_image(bands[0] if number == 1 else bands)
        write_png(image, example(0), tmp_path / "o.png", stretch=stretch, overwrite=True)
        assert read_png(tmp_path / "o.png").std() > 0


def test_pictures_are_shown_as_they_are():
    """A colour picture is not stretched a second time, of 8 bits or 16."""
    rng = np.random.default_rng(2)
    picture = rng.integers(0, 256, (40, 50, 3), np.uint8)
    shown = plot_overlay(read_image(picture), example(0)).axes[0].images[0].get_array()
    assert_array_equal(shown, picture)


@pytest.mark.parametrize("blank", [np.nan, 0])
def test_a_mosaic_of_mostly_nothing(blank):
    """Three quarters without data leave the sky as dark as ever: 2 of the 32 sigma of linear."""
    data = np.full((400, 400), blank, np.float32)
    data[100:300, 100:300] = np.random.default_rng(4).normal(1000, 5, (200, 200))
    figure = plot_overlay(read_image(data), example(0), stretch="linear")
    shown = figure.axes[0].images[0].get_array()
    assert np.median(np.asarray(shown)[100:300, 100:300]) == pytest.approx(255 * 2 / 32, abs=3)


@pytest.mark.parametrize("shape", [(900, 40), (40, 900), (300, 300)])
def test_the_legend_is_on_the_page(shape):
    """All of the legend can be read, and the title beside it, however narrow the image."""
    figure = plot_overlay(black(shape), example(60), title="a title of some length")
    page = figure.bbox
    renderer = figure.canvas.get_renderer()
    place = figure.axes[0].get_legend().get_window_extent(renderer)
    assert not figure.axes[0].texts[0].get_window_extent(renderer).overlaps(place)
    assert page.x0 <= place.x0 < place.x1 <= page.x1
    assert page.y0 <= place.y0 < place.y1 <= page.y1


def test_large_images_are_binned(monkeypatch):
    """A large image is shown smaller, by means of blocks, and spans the same pixels."""
    data = np.kron(np.random.default_rng(3).normal(0, 1, (50, 801)), np.ones((4, 4)))
    figure = plot_overlay(read_image(data.astype(np.float32)), example(0), stretch="linear")
    image = figure.axes[0].images[0]
    assert image.get_array().shape[:2] == (100, 1602)
    assert image.get_extent() == [-0.5, 3203.5, -0.5, 199.5]
    assert (image.axes.get_xlim(), image.axes.get_ylim()) == ((-0.5, 3203.5), (-0.5, 199.5))
    monkeypatch.setattr("astro_yolo._picture._STRIP", 3204 * 30)  # seven strips, the last shorter
    noise = np.random.default_rng(3).normal(0, 1, (200, 3204)).astype(np.float32)
    expected = noise.reshape(100, 2, 1602, 2).mean(axis=(1, 3))
    assert_allclose(_binned(noise, 2), expected, atol=1e-5)


def test_what_is_drawn_may_be_files(tmp_path):
    """Files are drawn as the image that they are read as, with its sky; so are HDUs."""
    path, wcs = tmp_path / "plane.fits", make_wcs()
    data = np.random.default_rng(5).normal(0, 1, (20, 30)).astype(np.float32)
    hdu = fits.PrimaryHDU(data, wcs.to_header())
    hdu.writeto(path)
    expected = plot_overlay(read_image(data, wcs=wcs), example(0)).axes[0]
    for image in (path, hdu):
        drawn = plot_overlay(image, example(0)).axes[0]
        assert (drawn.images[0].get_array() == expected.images[0].get_array()).all()
        assert drawn.coords[0].get_axislabel() == "RA"


@pytest.mark.parametrize("wrong", [np.zeros((4, 5)), np.zeros((4, 5, 3))])
def test_an_array_must_be_a_picture(wrong):
    """An array has to be uint8 with three colours; others go through read_image."""
    with pytest.raises(ValueError, match="image must be a SkyImage or a uint8"):
        plot_overlay(wrong, example(0))


def test_matplotlib_is_loaded_only_to_draw():
    """Importing the module loads neither matplotlib nor regions, and drawing not pyplot."""
    code = (
        "import sys, astro_yolo.overlays as o\n"
        "assert not {'matplotlib', 'regions', 'cv2', 'pyarrow'} & set(sys.modules)\n"
        "import numpy as np; from astro_yolo.catalog import make_table\n"
        "t = make_table(np.empty((0, 4)), [], np.empty((0, 5)), [], [])\n"
        "o.plot_overlay(np.zeros((9, 9, 3), np.uint8), t)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdin=subprocess.DEVNULL)


def test_a_title_with_dollars():
    """The title stands there as it was given: "$" begins no formula."""
    figure = plot_overlay(read_image(np.ones((20, 20))), example(1), title=r"a$\q$b")
    assert figure.axes[0].texts[0].get_text() == r"a$\q$b"
    figure.canvas.draw()


def test_a_picture_of_boxes_alone():
    """A table without classes is drawn, as it is written to a region file."""
    table = Table({name: [value] for name, value in zip(BOX_COLUMNS, (2, 2, 9, 9), strict=True)})
    figure = plot_overlay(read_image(np.ones((20, 20))), table)
    assert figure.axes[0].get_legend().get_texts()[0].get_text() == "unlabelled (1)"


def test_a_picture_of_one_row():
    """``table[k]`` is drawn as the one box that it is, with a smallest score too."""
    table = example(3)
    table["label"] = ["spiral", "merger", "star"]
    figure = plot_overlay(read_image(np.ones((20, 20))), table[1], min_score=0)
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["merger (1)"]


@pytest.mark.parametrize("shape", ["box", "ellipse"])
@pytest.mark.parametrize("known", [True, False])
def test_what_was_read_can_be_written_again(tmp_path, shape, known):
    """The table of a region file goes into another one: same ids, labels and boxes."""
    wcs, table = make_wcs(turn=30), example(12)
    write_regions(table, tmp_path / "a.reg", shape=shape, wcs=wcs if known else None)
    first = read_regions(tmp_path / "a.reg", wcs=wcs)
    write_regions(first, tmp_path / "b.reg", shape=shape)
    again = read_regions(tmp_path / "b.reg", wcs=wcs)
    assert again["id"].tolist() == table["id"].tolist()
    assert again["label"].tolist() == table["label"].tolist()
    for name in BOX_COLUMNS:
        assert_allclose(again[name], table[name], atol=0.05)
    assert len(to_regions(first)) == 12


def test_sky_regions_without_an_image_can_be_written_again(tmp_path):
    """Circles read without a WCS are at their ra and dec, with their radius."""
    wcs, table = make_wcs(), example(5)
    write_regions(table, tmp_path / "a.reg", shape="circle", wcs=wcs)
    write_regions(read_regions(tmp_path / "a.reg"), tmp_path / "b.reg", shape="circle")
    first, again = (Regions.read(tmp_path / name, format="ds9") for name in ("a.reg", "b.reg"))
    for one, other in zip(first, again, strict=True):
        assert one.center.separation(other.center).arcsec < 0.001
        assert_allclose(one.radius.to_value("arcsec"), other.radius.to_value("arcsec"), atol=1e-4)


def test_boxes_alone_are_regions(tmp_path):
    """A table with nothing but edges is written and gives objects, without text."""
    table = Table({name: [value] for name, value in zip(BOX_COLUMNS, (1, 1, 5, 5), strict=True)})
    write_regions(table, tmp_path / "a.reg")
    assert_allclose(Regions.read(tmp_path / "a.reg", format="ds9")[0].center.xy, [3, 3])
    (region,) = to_regions(table)
    assert region.center.xy == (3, 3)
    assert "text" not in region.meta


@pytest.mark.parametrize(("name", "kind"), [
    ("a.fits", "a FITS file"), ("a.ecsv", "an ECSV table"), ("a.vot", "an XML file"),
    ("a.fits.gz", "a packed file"), ("a.png", "one that is no text"), ("a.csv", "a CSV table"),
])
def test_other_files_are_no_region_files(tmp_path, name, kind):
    """A table or image given in place of a region file is refused by what it is."""
    if name.endswith(".png"):
        write_png(black(), example(2), tmp_path / name)
    else:
        write_table(example(2), tmp_path / name)
    with pytest.raises(RegionError, match=rf"must be a DS9 region file, got {kind}: .*{name}"):
        read_regions(tmp_path / name)
    (tmp_path / "empty.reg").write_text("")
    assert len(read_regions(tmp_path / "empty.reg")) == 0
    (tmp_path / "latin.reg").write_bytes(b"image\ncircle(5,5,2) # text={caf\xe9}\n")
    assert len(read_regions(tmp_path / "latin.reg")) == 1


def test_a_picture_is_png(tmp_path):
    """A name that says another kind is refused before the work."""
    with pytest.raises(ValueError, match=r"path must end in .png, got .*a.pdf"):
        write_png(np.zeros((9, 9, 3), np.uint8), Table(), tmp_path / "a.pdf")


@pytest.mark.parametrize("write", [
    lambda table: plot_overlay(black(), table), to_regions,
    lambda table: write_regions(table, "a.reg"),
])
def test_a_table_that_cannot_be_drawn_is_named(write):
    """What is no table, or has no boxes, is an error that says so."""
    with pytest.raises(TypeError, match="table must be an astropy Table, got str"):
        write("galaxies.ecsv")
    with pytest.raises(ValueError, match="table must have the columns xmin, ymin, xmax, ymax"):
        write(Table({"id": [1]}))
