"""Region files of DS9 and of other people, as tables."""

import time

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from numpy.testing import assert_allclose

from astro_yolo.exceptions import InputWarning, RegionError
from astro_yolo.region_parser import parse_regions
from astro_yolo.region_text import FRAMES, format_regions

from .test_region_text import example, table_corners
from .wcs_cases import CASES, SCALE, make_wcs

BOX = ("xmin", "ymin", "xmax", "ymax")

# Written by DS9 8.4.1 (Region > Save), after a user drew, edited and tagged.
DS9_FILE = """\
# Region file format: DS9 version 4.1
global color=green dashlist=8 3 width=1 font="helvetica 10 normal roman" select=1 highlite=1 \
dash=0 fixed=0 edit=1 move=1 delete=1 include=1 source=1
image
circle(301,201,20) # color=red width=2 text={12 spiral 0.93} tag={spiral} tag={ay-id=12}
-box(101,151,40,20,90) # text={a; # b} tag={mine}
ellipse(50,60,10,5,0) # tag={ay-id=7} tag={merger} background
polygon(10,10,20,10,20,30) # color=#ff00aa dash=1
# text(400,300) text={just words}
# vector(100,100,30,45) vector=1
"""


def boxes_of(table):
    return np.stack([table[name] for name in BOX], axis=1)


def test_a_file_that_ds9_wrote():
    """Shapes, properties, global properties and exclusion are read; words and arrows are not."""
    table = parse_regions(DS9_FILE)
    assert table.colnames == [
        "id", "x", "y", *BOX, "label", "shape", "angle", "text", "color", "included"]
    assert table["shape"].tolist() == ["circle", "box", "ellipse", "polygon"]
    assert table["id"].tolist() == [12, 0, 7, 0]
    assert table["label"].tolist() == ["spiral", "", "merger", ""]
    assert table["text"].tolist() == ["12 spiral 0.93", "a; # b", "", ""]
    assert table["color"].tolist() == ["red", "green", "green", "#ff00aa"]
    assert table["included"].tolist() == [True, False, True, True]
    assert_allclose(boxes_of(table), [
        [280, 180, 320, 220], [90, 130, 110, 170], [39, 54, 59, 64], [9, 9, 19, 29]], atol=1e-12)
    assert_allclose(table["angle"].to_value("deg"), [0, 90, 0, 0])


@pytest.mark.parametrize("line, expected", [
    ("image;circle(11,21,5)", [5, 15, 15, 25]),
    ("IMAGE; Circle 11 21 5", [5, 15, 15, 25]),
    ("image\n+ellipse ( 11 , 21 , 5 , 3 , 90d ) ", [7, 15, 13, 25]),
    ("image;box(11 21 10 6)", [5, 17, 15, 23]),
    ("image;circle(11,21,5i)", [5, 15, 15, 25]),
    ("image;circle(11,21,5) || # composite=1", [5, 15, 15, 25]),
    ("image;circle(11,21,5);", [5, 15, 15, 25]),
])
def test_ways_to_write_a_shape(line, expected):
    """Brackets, commas, capitals and units are free, as in DS9."""
    assert_allclose(boxes_of(parse_regions(line)), [expected], atol=1e-12)


def test_turned_shapes_have_their_bounding_box():
    """The bounding box of a turned ellipse is tighter than that of a turned box."""
    table = parse_regions("image\nbox(1,1,20,20,45)\nellipse(1,1,10,10,45)")
    half = np.sqrt(200)
    assert_allclose(boxes_of(table), [[-half, -half, half, half], [-10, -10, 10, 10]])


@pytest.mark.parametrize("turn", [0.0, 30.0, 90.0])
@pytest.mark.parametrize("frame", ["icrs", "galactic"])
def test_angles_on_the_sky(frame, turn):
    """A box is turned from west over north of its frame: by 20 degrees where north is up.

    Of the galactic frame Astropy says where its north is.
    """
    place = SkyCoord(150, 20, unit="deg").transform_to(frame)
    north = place.directional_offset_by(0 * u.deg, 1 * u.arcmin).icrs
    expected = 20 + turn + place.icrs.position_angle(north).deg
    center = place.to_string(precision=8).replace(" ", ",")
    found = parse_regions(f'{frame};box({center},8",4",20)', wcs=make_wcs(turn=-turn))
    difference = found["angle"].to_value("deg") - expected
    assert_allclose((difference + 90) % 180 - 90, 0, atol=0.01)
    cos, sin = np.abs([np.cos(np.radians(expected)), np.sin(np.radians(expected))])
    assert_allclose(found["xmax"] - found["xmin"], (8 * cos + 4 * sin) / SCALE, rtol=1e-3)
    assert_allclose(found["ymax"] - found["ymin"], (8 * sin + 4 * cos) / SCALE, rtol=1e-3)


@pytest.mark.parametrize("position", [
    "10:00:00,+20:00:00", "10h00m00s,20d00m00s", "150,20", "150d,20d", "10:00:00.0,20:0:0.0",
    "2.6179938780r,0.3490658504r"])
@pytest.mark.parametrize("size", ['3.96"', "0.066'", "0.0011", "0.0011d", "10i"])
def test_sky_positions_and_sizes(position, size):
    """Sexagesimal or decimal, and every unit of length."""
    table = parse_regions(f"icrs;circle({position},{size})", wcs=make_wcs())
    assert_allclose(boxes_of(table), [[240, 190, 260, 210]], atol=1e-3)


def test_southern_sexagesimal():
    """A declination between 0 and -1 degree keeps its sign."""
    table = parse_regions('fk5;circle(0:0:30,-0:30:00,1")')
    assert_allclose(table["dec"].to_value("deg"), -0.5, atol=1e-4)
    assert_allclose(table["ra"].to_value("deg"), 0.125, atol=1e-4)


def test_sky_regions_without_wcs():
    """What the region itself says is kept; the pixels are not known."""
    table = parse_regions('icrs\nellipse(150,20,3",2",0)\npolygon(359,0,1,0,0,3)')
    assert table.colnames[:3] == ["id", "ra", "dec"]
    assert np.isnan(boxes_of(table)).all()
    assert_allclose(table["ra"].to_value("deg"), [150, 0])
    assert_allclose(table["dec"].to_value("deg"), [20, 1])
    assert_allclose(table["width"].to_value("arcsec"), [6, np.nan])
    assert_allclose(table["height"].to_value("arcsec"), [4, np.nan])


def test_galactic_positions_become_icrs():
    """The galactic origin is at 17h45m37.1991s -28d56m10.221s (Reid and Brunthaler 2004)."""
    table = parse_regions('galactic;circle(0,0,1")')
    expected = SkyCoord("17h45m37.1991s", "-28d56m10.221s")
    found = SkyCoord(table["ra"], table["dec"])
    assert found.separation(expected)[0] < 0.1 * u.arcsec


def test_image_regions_with_wcs_get_sky_columns():
    """Positions and sizes on the sky are added, and the sky coordinates kept."""
    table = parse_regions("image;box(251,201,10,20,0)", wcs=make_wcs())
    assert_allclose(table["ra"].to_value("deg"), 150)
    assert_allclose(table["dec"].to_value("deg"), 20)
    assert_allclose(table["width"].to_value("arcsec"), 10 * SCALE, rtol=1e-6)
    assert_allclose(table["height"].to_value("arcsec"), 20 * SCALE, rtol=1e-6)
    assert "WCS" in table.meta


@pytest.mark.parametrize("shape", ["box", "ellipse", "polygon"])
@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("case", CASES)
def test_our_own_text_comes_back(case, frame, shape):
    """Ids, labels and boxes of a table survive region text on every kind of sky."""
    wcs, table = make_wcs(**CASES[case]), example(12)
    again = parse_regions(format_regions(table, shape=shape, frame=frame, wcs=wcs), wcs=wcs)
    assert again["id"].tolist() == table["id"].tolist()
    assert again["label"].tolist() == table["label"].tolist()
    assert_allclose(boxes_of(again), table_corners(table, shape), atol=0.1)


def test_the_text_decides_the_label():
    """One edits the text in DS9: it counts more than the tag that was written before."""
    table = parse_regions("image;circle(1,1,1) # text={3 merger 0.9} tag={spiral} tag={ay-id=3}")
    assert table["label"].tolist() == ["merger"]


@pytest.mark.parametrize("text", ["", "# nothing\n\n", "image\n"])
def test_no_regions(text):
    """An empty file is a table without rows, that keeps its columns and their types."""
    table = parse_regions(text)
    assert len(table) == 0
    assert table["x"].dtype == np.float64
    assert table["included"].dtype == bool
    assert {"ra", "width"} < set(parse_regions(text, wcs=make_wcs()).colnames)


def test_what_is_not_a_detection_is_left_out():
    """Other shapes, annuli and unknown coordinate systems are counted in one warning."""
    text = ("image\npoint(1,2)\ncircle(1,2,3)\nellipse(1,2,3,4,5,6,0)\nline(1,2,3,4)\n"
            "wcsa\ncircle(1,2,3)")
    with pytest.warns(InputWarning,
                      match=r"left out: 4 of kind \['circle', 'ellipse', 'line', 'point'\]"):
        assert len(parse_regions(text)) == 1


@pytest.mark.parametrize("text", ["circle(11,21,5)", "physical\ncircle(11,21,5)"])
def test_physical_coordinates_are_said(text):
    """Without a coordinate system DS9 means physical, which may differ from image."""
    with pytest.warns(InputWarning, match="1 regions are in physical coordinates"):
        table = parse_regions(text)
    assert_allclose(boxes_of(table), [[5, 15, 15, 25]])


@pytest.mark.parametrize("line", ["circle(1,2,x)", "box(1,2,3,nan,0)", "polygon(1,2,3,4,5,?)"])
def test_numbers_that_cannot_be_read(line):
    """The line is named: a damaged file must not lose rows in silence."""
    with pytest.raises(RegionError, match=r"line 2 has a .* that cannot be read"):
        parse_regions(f"image\n{line}")


@pytest.mark.parametrize("line", ['circle(10,95,3")', "polygon(10,80,12,80,11,-90.5)"])
@pytest.mark.parametrize("frame", ["icrs", "galactic", "fk4"])
def test_latitudes_beyond_the_poles_cannot_be_read(frame, line):
    """A latitude of more than 90 degrees is an error with its line; pixels may be any number."""
    with pytest.raises(RegionError, match=r"line 2 has a .* latitude is beyond 90 degrees"):
        parse_regions(f"{frame}\n{line}")
    assert len(parse_regions(f"image\n{line}".replace('"', ""))) == 1


def test_twenty_thousand_regions_are_read_in_a_second():
    """Reading keeps up with the regions that DS9 can show."""
    text = format_regions(example(20_000), frame="icrs", wcs=make_wcs())
    start = time.process_time()
    assert len(parse_regions(text, wcs=make_wcs())) == 20_000
    assert time.process_time() - start < 3


def test_a_common_colour_of_digits():
    """A colour that the line of common properties gives by its digits is that of the regions."""
    text = "global color=#ff8800 width=1\nimage\ncircle(3,3,2)\ncircle(9,3,2) # color=red\n"
    assert parse_regions(text)["color"].tolist() == ["#ff8800", "red"]


def test_the_middle_of_a_polygon_round_a_pole():
    """Corners at equal distances round a pole have it as their middle; on one side they do not."""
    corners = ",".join(f"{ra},89.9" for ra in (10, 100, 190, 280))
    found = parse_regions(f"icrs\npolygon({corners})\n")
    assert_allclose(found["dec"].to_value("deg"), 90, atol=1e-9)
    found = parse_regions("icrs\npolygon(359,0,1,0,1,2,359,2)\n")
    assert_allclose((found["ra"].to_value("deg") + 180) % 360, 180, atol=1e-9)
    assert_allclose(found["dec"].to_value("deg"), 1, atol=1e-3)


def test_a_text_with_braces_in_braces():
    """A text that DS9 writes in braces, though it holds some, is read whole."""
    text = "image\ncircle(3,3,2) # text={it {has} some} color=red\ncircle(9,3,2) # text={a } b}\n"
    found = parse_regions(text + "circle(9,9,2) # text={c d} tag={e} background\n")
    assert found["text"].tolist() == ["it {has} some", "a } b", "c d"]
    assert found["color"].tolist() == ["red", "", ""]


def test_a_text_with_other_ends_of_lines():
    """What ends a line for Python, and not for DS9, cuts no text in two."""
    text = "image\r\ncircle(3,3,2) # text={a\u2028b\x85c\x0bd} tag={ay-id=5} tag={spiral}\r\n"
    found = parse_regions(text)
    assert (found["id"][0], found["label"][0]) == (5, "spiral")
    assert found["text"][0] == "a\u2028b\x85c\x0bd"


def test_pixels_of_a_mosaic_are_said():
    """DS9 writes of which image of a mosaic pixels are: those of the second are not the first's."""
    text = "image\n# tile {}\ncircle(50,60,5)\n"
    with pytest.warns(InputWarning, match="of other images of a mosaic"):
        parse_regions(text.format(1) + text.format(12))
    assert len(parse_regions(text.format(1))) == 1
