"""Region text that other programs read right."""

import time

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, Table, vstack
from numpy.testing import assert_allclose
from regions import Regions

from astro_yolo._sky import wcs_to_text
from astro_yolo.catalog import LABELS, make_table
from astro_yolo.exceptions import InputWarning, RegionError
from astro_yolo.region_text import CLASS_COLORS, FRAMES, SHAPES, format_regions

from .wcs_cases import CASES, make_wcs


def example(n_rows=40, *, wcs=None, seed=3):
    """Return boxes all over an image of 800 by 600 pixels, in all classes and proportions."""
    rng = np.random.default_rng(seed)
    center = rng.uniform(60, [740, 540], (n_rows, 2))
    half = rng.uniform(3, 50, (n_rows, 2))
    table = make_table(
        np.hstack([center - half, center + half]), rng.uniform(0, 1, n_rows),
        rng.dirichlet(np.ones(5), n_rows), np.zeros(n_rows), np.zeros(n_rows, int), wcs=wcs,
        label=np.resize(LABELS, n_rows),
    )
    table.meta.pop("WCS", None)
    return table


def body(text):
    """Return the coordinate system and the lines of the shapes."""
    header, frame, *lines = text.splitlines()
    assert header == "# Region file format: DS9 version 4.1"
    return frame, lines


def one_box():
    """Return the box of the pixels 10 to 19 in x and 4 to 5 in y."""
    return make_table([[10, 4, 20, 6]], [0.9], [[0, 1, 0, 0, 0]], [0], [0])


@pytest.mark.parametrize("shape, expected", [
    ("box", "box(15.5000,5.5000,10.0000,2.0000,0)"),
    ("ellipse", "ellipse(15.5000,5.5000,5.0000,1.0000,0)"),
    ("circle", "circle(15.5000,5.5000,2.2361)"),  # the radius is the root of 5 times 1
    ("polygon", "polygon(10.5000,4.5000,20.5000,4.5000,20.5000,6.5000,10.5000,6.5000)"),
])
def test_image_shapes(shape, expected):
    """DS9 counts pixels from 1: the first pixel spans 0.5 to 1.5."""
    frame, lines = body(format_regions(one_box(), shape=shape))
    assert frame == "image"
    assert lines[0].partition(" # ")[0] == expected


def test_properties():
    """A region has the colour of its class, a text of its own, and braced tags."""
    _, lines = body(format_regions(one_box()))
    assert lines[0].partition(" # ")[2] == (
        f"color={CLASS_COLORS['spiral']} tag={{spiral}} tag={{astro_yolo}} "
        "text={1 spiral 0.90} tag={ay-id=1}")


def test_colors():
    """One colour for all, or by label over the default ones."""
    assert " color=red " in format_regions(one_box(), color="red")
    assert " color=cyan " in format_regions(one_box(), color={"spiral": "cyan"})
    default = format_regions(one_box(), color={"star": "cyan"})
    assert f" color={CLASS_COLORS['spiral']} " in default


def test_every_text_differs():
    """By default the id is in the text, so that no two regions share one."""
    texts = [region.meta["text"] for region in
             Regions.parse(format_regions(example()), format="ds9")]
    assert len(set(texts)) == 40


def test_text_template():
    """Any column can be named, with a format; no template gives no text."""
    table = one_box()
    table["note"] = ["a {b}\nc"]
    text = format_regions(table, text="{{{note}}} {p_spiral:.1%} {id:03d} {label!r}")
    assert " text={(a (b) c) 100.0% 001 'spiral'} " in text
    assert "text=" not in format_regions(table, text=None)
    assert " text={galaxy} " in format_regions(table, text="galaxy")


@pytest.mark.parametrize("text", ["{flux}", "{", "{score:q}", "{label:.2f}", "{}"])
def test_wrong_templates(text):
    """A template that cannot be filled in is quoted."""
    with pytest.raises(RegionError, match="text must"):
        format_regions(one_box(), text=text)


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_no_rows(shape, frame):
    """An empty table gives a header and a coordinate system."""
    text = format_regions(example(0), shape=shape, frame=frame, wcs=make_wcs())
    assert body(text) == (frame, [])
    assert len(Regions.parse(text, format="ds9")) == 0


def test_default_frame():
    """ICRS is chosen where the sky coordinates are known: given, or kept by the table."""
    assert body(format_regions(one_box()))[0] == "image"
    assert body(format_regions(one_box(), wcs=make_wcs()))[0] == "icrs"
    known = make_table([[10, 4, 20, 6]], [0.9], [[0, 1, 0, 0, 0]], [0], [0], wcs=make_wcs())
    assert body(format_regions(known))[0] == "icrs"


@pytest.mark.parametrize("kwargs, match", [
    ({"shape": "square"}, "shape must be one of box, ellipse, circle, polygon, got 'square'"),
    ({"frame": "fk5"}, "frame must be one of image, icrs, got 'fk5'"),
    ({"frame": "icrs"}, "frame 'icrs' needs the sky coordinates of the image"),
])
def test_wrong_arguments(kwargs, match):
    """The argument, the rule and what was got are named."""
    with pytest.raises(RegionError, match=match):
        format_regions(one_box(), **kwargs)


def test_missing_columns():
    """A table without boxes is refused."""
    with pytest.raises(RegionError, match=r"\['ymax'\] missing"):
        format_regions(one_box()["id", "xmin", "ymin", "xmax"])


def test_rows_without_a_box_are_left_out():
    """DS9 stops at the first number that is not finite: such rows are left out, and said."""
    table = example(3)
    table["xmin"][1] = np.nan
    table["xmax"][2] = table["xmin"][2]
    with pytest.warns(InputWarning, match="2 of 3 rows have no finite region: left out"):
        _, lines = body(format_regions(table))
    assert [line.rpartition(" ")[2] for line in lines] == ["tag={ay-id=1}"]


def corners_of(region, wcs):
    """Return the bounding box of a region, in 0-based pixels, as the regions package draws it."""
    pixel = region.to_pixel(wcs) if hasattr(region, "to_pixel") else region
    if hasattr(pixel, "vertices"):
        x, y = pixel.vertices.x, pixel.vertices.y
        return x.min(), y.min(), x.max(), y.max()
    x, y = pixel.center.xy
    if hasattr(pixel, "radius"):
        return x - pixel.radius, y - pixel.radius, x + pixel.radius, y + pixel.radius
    cos, sin = np.cos(pixel.angle), np.sin(pixel.angle)
    half_x = np.hypot(pixel.width * cos, pixel.height * sin) / 2
    half_y = np.hypot(pixel.width * sin, pixel.height * cos) / 2
    return x - half_x, y - half_y, x + half_x, y + half_y


def table_corners(table, shape):
    """Return the bounding boxes that the shapes of a table must have."""
    x, y = np.asarray(table["x"]), np.asarray(table["y"])
    width, height = table["xmax"] - table["xmin"], table["ymax"] - table["ymin"]
    if shape == "circle":
        width = height = np.sqrt(width * height)
    return np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)


@pytest.mark.parametrize("shape", ["box", "ellipse", "circle"])
@pytest.mark.parametrize("case", CASES)
def test_the_regions_package_draws_sky_shapes_right(case, shape):
    """Turned, mirrored, distorted or at the pole: each region covers its own box to 0.1 pixel."""
    wcs = make_wcs(**CASES[case])
    table = example(25)
    parsed = Regions.parse(format_regions(table, shape=shape, wcs=wcs), format="ds9")
    found = [corners_of(region, wcs) for region in parsed]
    assert_allclose(found, table_corners(table, shape), atol=0.1)


def test_ellipses_stay_ellipses_where_that_is_right():
    """A survey frame gets ellipses, the pole and oblong pixels get polygons."""
    for case, kind in {"turned": "ellipse", "oblong_pixels": "polygon"}.items():
        _, lines = body(format_regions(example(), wcs=make_wcs(**CASES[case])))
        assert {line.partition("(")[0] for line in lines} == {kind}
    _, lines = body(format_regions(example(1), wcs=make_wcs(dec=89.97)))
    assert {line.partition("(")[0] for line in lines} == {"polygon"}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_regions_package_reads_everything(shape, frame):
    """Every region comes back in row order with its text, tags and colour."""
    table = example()
    text = format_regions(table, shape=shape, frame=frame, wcs=make_wcs(sip=5e-5))
    parsed = Regions.parse(text, format="ds9")
    assert len(parsed) == len(table)
    for region, row in zip(parsed, table, strict=True):
        assert region.meta["text"] == f"{row['id']} {row['label']} {row['score']:.2f}"
        assert region.meta["tag"] == [row["label"], "astro_yolo", f"ay-id={row['id']}"]
        assert region.visual["edgecolor" if shape != "text" else "color"] == (
            CLASS_COLORS[row["label"]])


@pytest.mark.parametrize("frame", FRAMES)
def test_twenty_thousand_regions_are_quick(frame):
    """The aim is 0.1 s on a free core; the test allows for a busy one."""
    table, wcs = example(20_000), make_wcs(turn=30)
    times = []
    for _ in range(3):
        start = time.process_time()
        format_regions(table, frame=frame, wcs=wcs)
        times.append(time.process_time() - start)
    assert min(times) < 0.5


def test_rows_with_gaps():
    """A masked id is no id; a masked number that the text formats is an error that says so."""
    table = example(2)
    table["id"] = MaskedColumn([1, 999999], mask=[False, True])
    lines = format_regions(table, text=None).splitlines()[-2:]
    assert ["ay-id" in line for line in lines] == [True, False]
    with pytest.raises(RegionError, match="text must be a format of columns"):
        format_regions(table, text="{id:d}")


def test_text_of_other_types_of_columns():
    """Classes that are numbers are tags, and text as FITS keeps it, in bytes, is text."""
    table = Table({"id": [1], "xmin": [0], "ymin": [0], "xmax": [9], "ymax": [9], "label": [3]})
    assert " tag={3} " in format_regions(table, text="{label}")
    table["label"] = np.array([b"spiral"])
    assert " text={spiral} " in format_regions(table, text="{label}")
    assert "tag={}" not in format_regions(table["id", "xmin", "ymin", "xmax", "ymax"])


def test_a_row_is_a_table_of_one():
    """``table[k]`` is drawn as the table of that row is, in a file or not, with its sky."""
    table = example(4, wcs=make_wcs())
    table.meta["WCS"] = wcs_to_text(make_wcs())
    for k in (1, -1):
        assert format_regions(table[k]) == format_regions(table[k : k + 1 or None])


def known_sky(n_rows, wcs, seed=3):
    """Return a table with sky columns and the WCS in its meta, as a detection has them."""
    table = example(n_rows, wcs=wcs, seed=seed)
    table.meta["WCS"] = wcs_to_text(wcs)
    return table


FIELDS = {"first": make_wcs(turn=30), "second": make_wcs(turn=-75, flip=True, dec=-10)}


@pytest.mark.parametrize("seconds", [25, 4])
@pytest.mark.parametrize("shape", SHAPES)
def test_stacked_tables_are_drawn_on_their_own_fields(shape, seconds):
    """Rows of two fields, turned differently, cover their own boxes on their own image."""
    parts = [known_sky(25, FIELDS["first"]), known_sky(seconds, FIELDS["second"], seed=4)]
    table = vstack(parts, metadata_conflicts="silent")
    found = Regions.parse(format_regions(table, shape=shape), format="ds9")
    assert len(found) == 25 + seconds
    for part, wcs, regions in zip(parts, FIELDS.values(), (found[:25], found[25:]), strict=True):
        boxes = [corners_of(region, wcs) for region in regions]
        assert_allclose(boxes, table_corners(part, shape), atol=0.1)


def test_many_stacked_tables():
    """Many fields of different pixel scale, of which the meta knows one, are all told apart."""
    fields = [make_wcs(turn=40 * k, dec=10 * k, ratio=1 + k / 10) for k in range(6)]
    parts = [known_sky(12, wcs, seed=k) for k, wcs in enumerate(fields)]
    found = Regions.parse(format_regions(vstack(parts, metadata_conflicts="silent")), format="ds9")
    for k, (part, wcs) in enumerate(zip(parts, fields, strict=True)):
        boxes = [corners_of(region, wcs) for region in found[12 * k : 12 * k + 12]]
        assert_allclose(boxes, table_corners(part, "ellipse"), atol=0.1)


@pytest.mark.parametrize("case", CASES)
def test_sky_columns_alone_tell_where_the_boxes_are(case):
    """Without a WCS, as from CSV, ICRS is written, and a turned image stays turned."""
    wcs = make_wcs(**CASES[case])
    table = example(25, wcs=wcs)
    assert body(format_regions(table))[0] == "icrs"
    found = Regions.parse(format_regions(table, shape="box"), format="ds9")
    # one or two pixels off where the image is distorted, which nothing but its WCS tells
    boxes = [corners_of(region, wcs) for region in found]
    assert_allclose(boxes, table_corners(table, "box"), atol=2 if case == "sip" else 0.1)


def test_an_edited_position_is_drawn_there():
    """A row whose ra was changed is at that ra, its neighbours and its size stay."""
    wcs = FIELDS["first"]
    table = known_sky(8, wcs)
    table["ra"][2] += 3 * u.arcsec
    center = SkyCoord(table["ra"], table["dec"])
    found = Regions.parse(format_regions(table, shape="ellipse"), format="ds9")
    drawn = SkyCoord([region.center for region in found])
    assert drawn.separation(center).max() < 0.001 * u.arcsec
    sides = np.sort([[r.width.to_value("arcsec"), r.height.to_value("arcsec")] for r in found])
    expected = np.sort(np.stack([table["width"].value, table["height"].value], axis=1))
    assert_allclose(sides, expected, rtol=1e-3)


@pytest.mark.parametrize("known", [True, False])
def test_one_row_of_another_image(known):
    """A row alone is at its ra and dec in its size; how it is turned is said to be a guess."""
    table = known_sky(1, make_wcs(turn=30 * known))
    (x0, y0, x1, y1), pixel = table_corners(table, "box")[0], 0.396
    table["ra"], table["dec"] = [10] * u.deg, [5] * u.deg
    how = "of the image of the WCS" if known else "north were up"
    table.meta = table.meta if known else {}
    with pytest.warns(InputWarning, match=f"1 of 1 rows are drawn at their ra and dec.*{how}"):
        (region,) = Regions.parse(format_regions(table), format="ds9")
    assert region.center.separation(SkyCoord(10, 5, unit="deg")) < 0.001 * u.arcsec
    assert_allclose([region.width.to_value("arcsec"), region.height.to_value("arcsec")],
                    [(x1 - x0) * pixel, (y1 - y0) * pixel], rtol=1e-4)
    assert_allclose((region.angle.to_value("deg") + 90) % 180, 90 + 30 * known, atol=0.1)
    (circle,) = Regions.parse(format_regions(table, shape="circle"), format="ds9")
    assert_allclose(circle.radius.to_value("arcsec"),
                    np.sqrt((x1 - x0) * (y1 - y0)) / 2 * pixel, rtol=1e-4)


def test_pixels_of_several_images_are_no_pixels():
    """A stacked table has no image coordinates, and neither has an edited ra."""
    table = known_sky(3, FIELDS["first"])
    assert body(format_regions(table, frame="image"))[0] == "image"
    stack = vstack([table, known_sky(2, FIELDS["second"])], metadata_conflicts="silent")
    with pytest.raises(RegionError, match=r"the rows are of several images.* of 3 of 5 are not"):
        format_regions(stack, frame="image")
    table["dec"][0] += 1 * u.arcsec
    with pytest.raises(RegionError, match=r"several images or were changed.* of 1 of 3 are not"):
        format_regions(table, frame="image")


def test_sky_columns_of_somebody_else():
    """Positions in hours or text, or in masked columns, are not taken for others."""
    wcs = make_wcs()
    table = Table(known_sky(5, wcs), masked=True)
    expected = format_regions(table)
    hours = table.copy()
    hours["ra"] = hours["ra"].to("hourangle")
    assert format_regions(hours) == expected
    text = table.copy()
    text["ra"] = ["10:00:00"] * 5
    assert format_regions(text) == expected
    text.meta.clear()
    assert body(format_regions(text))[0] == "image"
    gaps = table.copy()
    gaps["ra"].mask = [False, True, True, True, True]
    assert format_regions(gaps) == expected


@pytest.mark.parametrize("frame", FRAMES)
def test_default_text_of_what_is_known(frame):
    """Without a score, a label or an id the text has what is left; an explicit one is strict."""
    table = example(2)
    table["id"], table["label"], table["score"] = [1, 0], ["spiral", "star"], [0, 0.256]

    def texts(names):
        lines = format_regions(table[names], frame=frame, wcs=make_wcs()).splitlines()[2:]
        return [line.partition("text=")[2].partition(" tag")[0] for line in lines]

    boxes = ["xmin", "ymin", "xmax", "ymax"]
    assert texts([*boxes, "id", "label", "score"]) == ["{1 spiral 0.00}", "{star 0.26}"]
    assert texts([*boxes, "id", "label"]) == ["{1 spiral}", "{star}"]
    assert texts([*boxes, "id"]) == ["{1}", ""]
    assert texts(boxes) == ["", ""]
    with pytest.raises(RegionError, match="text must name columns"):
        format_regions(table[boxes], text="{id} {label} {score:.2f}")


def test_a_row_without_a_place_is_drawn_as_its_neighbours():
    """Where the WCS is not known, that of the other rows gives the place of a box without one."""
    wcs = make_wcs(turn=30)
    table = example(6, wcs=wcs)
    for name in ("ra", "dec", "width", "height"):
        table[name][2] = np.nan
    found = Regions.parse(format_regions(table, shape="box"), format="ds9")
    boxes = [corners_of(region, wcs) for region in found]
    assert_allclose(boxes, table_corners(table, "box"), atol=0.1)


@pytest.mark.parametrize("color", [
    "light blue", "tab:blue", "red; quit", "", "#12345", (1, 0, 0), {"spiral": "a b"}])
def test_colours_that_ds9_does_not_take(color):
    """DS9 takes one word for a colour, and what follows for something else: that is refused."""
    with pytest.raises(RegionError, match="color must be a name in one word or #rrggbb, got"):
        format_regions(example(12), color=color)


def test_ends_of_lines_become_blanks():
    """A region is one line, for Python too."""
    table = example(1)
    table["note"] = ["a\u2028b\x85c\x0bd\ne"]
    assert "text={a b c d e}" in format_regions(table, text="{note}").splitlines()[-1]


def test_ellipses_on_another_sky_are_round():
    """The points of an ellipse that is written as a polygon are on the ellipse in pixels."""
    wcs = make_wcs(**CASES["galactic"])
    (found,) = Regions.parse(format_regions(one_box(), shape="ellipse", wcs=wcs), format="ds9")
    x, y = wcs.world_to_pixel(found.vertices)
    assert_allclose(np.hypot((x - 14.5) / 5, y - 4.5), 1, rtol=1e-3)
