"""The result table."""

import json

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io.votable.ucd import check_ucd
from astropy.table import QTable, Table
from numpy.testing import assert_allclose, assert_array_equal

from astro_yolo.catalog import (
    CLASSES,
    COLUMNS,
    FLAGS,
    LABELS,
    decode_flags,
    make_table,
    pixel_boxes,
    sky,
    table_wcs,
)
from astro_yolo.exceptions import WCSError
from astro_yolo.region_text import format_regions

from .wcs_cases import SCALE, make_wcs

PIXEL_COLUMNS = [
    "id", "x", "y", "xmin", "ymin", "xmax", "ymax", "score", "label", "p_elliptical", "p_spiral",
    "p_edge_on", "p_merger", "p_unknown", "p_star", "flags",
]
SKY_COLUMNS = [
    "id", "ra", "dec", "x", "y", "xmin", "ymin", "xmax", "ymax", "width", "height", "score",
    "label", "p_elliptical", "p_spiral", "p_edge_on", "p_merger", "p_unknown", "p_star", "flags",
]
BOXES = [[0, 0, 1, 1], [10, 20, 30, 60], [5, 5, 8, 7]]
PROBABILITIES = [[0.6, 0.1, 0.1, 0.1, 0.1], [0.1, 0.6, 0.1, 0.1, 0.1], [0, 0, 0.2, 0.1, 0.7]]


def table_of_three(**kwargs):
    """Return a table of three rows, given out of order."""
    return make_table(BOXES, [0.5, 0.75, 0.25], PROBABILITIES, [0.1, 0.2, 0.3], [1, 0, 6], **kwargs)


def empty_table(**kwargs):
    """Return a table of no rows."""
    return make_table(np.empty((0, 4)), [], np.empty((0, 5)), [], [], **kwargs)


def test_rows_are_sorted_by_score():
    """The best detection is number one, and every column goes with its row."""
    table = table_of_three()
    assert table["id"].tolist() == [1, 2, 3]
    assert table["score"].tolist() == [0.75, 0.5, 0.25]
    assert table["label"].tolist() == ["spiral", "elliptical", "unknown"]
    assert table["flags"].tolist() == [0, 1, 6]
    assert_allclose(table["p_star"], [0.2, 0.1, 0.3])
    assert_allclose(table["p_spiral"], [0.6, 0.1, 0])


def test_equal_scores_keep_their_order():
    """Sorting is stable, so that a table can be reproduced."""
    table = make_table(BOXES, [0.5, 0.5, 0.5], PROBABILITIES, np.zeros(3), np.zeros(3, int))
    assert table["xmin"].tolist() == [-0.5, 9.5, 4.5]


def test_pixels_count_from_the_centre_of_the_first():
    """A box round the first pixel has its centre at 0 and its edges half a pixel off."""
    row = table_of_three()[1]
    assert [row[n] for n in ("x", "y", "xmin", "ymin", "xmax", "ymax")] == [
        0, 0, -0.5, -0.5, 0.5, 0.5]


@pytest.mark.parametrize("make", [table_of_three, empty_table])
def test_columns_are_as_promised(make):
    """Names, order, types, units and UCDs are literally those of the documentation."""
    assert make().colnames == PIXEL_COLUMNS
    table = make(wcs=make_wcs())
    assert isinstance(table, QTable)
    assert table.colnames == SKY_COLUMNS == [column.name for column in COLUMNS]
    for column in COLUMNS:
        assert table[column.name].dtype == np.dtype(column.dtype)
        assert str(table[column.name].info.unit or "") == (column.unit or "")
        assert table[column.name].info.meta == {"ucd": column.ucd}
        assert table[column.name].info.description == column.description


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_ucds_are_in_the_controlled_vocabulary(column):
    """Other programs know what every column is."""
    assert check_ucd(column.ucd, check_controlled_vocabulary=True, has_colon=True)


def test_sky_columns():
    """Positions are those of the WCS, sizes are pixels times the scale."""
    wcs = make_wcs(turn=30, flip=True)
    table = table_of_three(wcs=wcs)
    expected = wcs.pixel_to_world(table["x"], table["y"])
    assert_allclose(table["ra"].to_value("deg"), expected.ra.deg)
    assert_allclose(table["dec"].to_value("deg"), expected.dec.deg)
    assert_allclose(table["width"].to_value("arcsec"), SCALE * np.array([20, 1, 3]), rtol=1e-5)
    assert_allclose(table["height"].to_value("arcsec"), SCALE * np.array([40, 1, 2]), rtol=1e-5)


def test_sky_gives_coordinates():
    """The positions come as SkyCoord in ICRS, from zero rows as well."""
    table = table_of_three(wcs=make_wcs(frame="galactic"))
    positions = sky(table)
    assert isinstance(positions, SkyCoord)
    assert positions.frame.name == "icrs"
    assert positions.ra.deg.tolist() == table["ra"].to_value("deg").tolist()
    assert len(sky(empty_table(wcs=make_wcs()))) == 0


def test_sky_without_positions():
    """A table of an image without sky coordinates says so."""
    with pytest.raises(WCSError, match="table must have the columns ra and dec"):
        sky(table_of_three())


def test_given_labels_are_kept():
    """A label that is given replaces the most probable class."""
    table = table_of_three(label=["star", "merger", "unknown"])
    assert table["label"].tolist() == ["merger", "star", "unknown"]


def test_meta_is_flat():
    """Meta keys are upper case, numpy scalars become Python's, None is left out."""
    table = table_of_three(meta={"image": "m51", "scoremin": np.float32(0.5), "nothing": None},
                           provenance={"b": np.int64(2), "a": [1.5]})
    assert table.meta == {"IMAGE": "m51", "SCOREMIN": 0.5, "PROV": '{"a": [1.5], "b": 2}'}
    assert type(table.meta["SCOREMIN"]) is float


def test_table_knows_its_wcs():
    """The sky coordinates of the image stay with the table."""
    wcs = make_wcs(sip=5e-5)
    again = table_wcs(table_of_three(wcs=wcs))
    assert_allclose(again.pixel_to_world_values(700, 500), wcs.pixel_to_world_values(700, 500))
    assert table_wcs(table_of_three()) is None


def test_meta_must_be_flat():
    """A nested value would be lost in most file formats."""
    with pytest.raises(ValueError, match="meta values must be str, bool, int or float, got a="):
        table_of_three(meta={"a": [1]})


def test_meta_keys_must_be_short():
    """A key of more than 8 characters is not FITS."""
    with pytest.raises(ValueError, match="meta keys must have at most 8 characters"):
        table_of_three(meta={"threshold": 1})


def test_rows_must_agree():
    """A column of another length is named."""
    with pytest.raises(ValueError, match=r"score must have one row per box \(3\), got 2"):
        make_table(BOXES, [0.5, 0.5], PROBABILITIES, np.zeros(3), np.zeros(3, int))


@pytest.mark.parametrize(("name", "values", "message"), [
    ("boxes", np.arange(12.0).reshape(4, 3), r"boxes must have the shape \(N, 4\), got \(4, 3\)"),
    ("boxes", BOXES[0], r"boxes must have the shape \(N, 4\), got \(4,\)"),
    ("class_probs", np.transpose(PROBABILITIES), r"class_probs .* \(N, 5\), got \(5, 3\)"),
    ("score", [[0.5], [0.7], [0.2]], r"score must have the shape \(N,\), got \(3, 1\)"),
    ("p_star", 0.5, r"p_star must have the shape \(N,\), got \(\)"),
])
def test_shapes_must_fit(name, values, message):
    """An array that lies the other way round is refused, and not read across its rows."""
    given = {"boxes": BOXES, "score": np.ones(3), "class_probs": PROBABILITIES,
             "p_star": np.zeros(3), "flags": np.zeros(3, int)}  # fmt: skip
    with pytest.raises(ValueError, match=message):
        make_table(**given | {name: values})


@pytest.mark.parametrize("value", ["CAR", 3, None, ["TAN"], "[1]"])
def test_a_key_of_somebody_else_is_no_wcs(value):
    """A table whose key WCS is not of this package knows no sky coordinates, and can be used."""
    table = table_of_three()
    table.meta["WCS"] = value
    assert table_wcs(table) is None
    assert "ellipse(" in format_regions(table)


def test_boxes_need_their_columns():
    """A table without edges is refused by the column that it lacks."""
    table = table_of_three()
    del table["ymin"]
    with pytest.raises(ValueError, match="got none named ymin"):
        pixel_boxes(table)


def test_input_is_not_changed():
    """The arrays that came in stay as they were."""
    boxes = np.array(BOXES, float)
    make_table(boxes, [0.5, 0.75, 0.25], PROBABILITIES, np.zeros(3), np.zeros(3, int),
               wcs=make_wcs())
    assert_array_equal(boxes, BOXES)


def test_flags_are_single_bits():
    """The registry is the one of the documentation."""
    assert FLAGS == {"edge": 1, "masked": 2, "saturated": 4, "seam": 8, "out_of_domain": 16}


def test_flags_are_decoded():
    """One value gives names, an array a list of names."""
    assert decode_flags(0) == ()
    assert decode_flags(np.int32(5)) == ("edge", "saturated")
    assert decode_flags(np.array([1, 24])) == [("edge",), ("seam", "out_of_domain")]
    assert decode_flags([]) == []


def test_unknown_flags_are_refused():
    """A bit that no flag owns is an error, not silence."""
    with pytest.raises(ValueError, match=r"values must be sums of .* got 64"):
        decode_flags(64)


def test_classes():
    """Five classes of galaxies, and star."""
    assert CLASSES == ("elliptical", "spiral", "edge_on", "merger", "unknown")
    assert (*CLASSES, "star") == LABELS


def test_meta_survives_json():
    """The provenance is JSON."""
    table = table_of_three(provenance={"path": "a'b\"é"})
    assert json.loads(table.meta["PROV"]) == {"path": "a'b\"é"}


@pytest.mark.parametrize("unit", ["deg", "rad", "hourangle", "arcmin"])
def test_sky_in_the_unit_of_the_columns(unit):
    """Positions are where the unit of the columns says; without one they are in degrees."""
    ra, dec = [150.25, 10.0] * u.deg, [2.5, -80.0] * u.deg
    for kind in (Table, QTable):
        place = sky(kind({"ra": ra.to(unit), "dec": dec.to(unit)}))
        np.testing.assert_allclose(place.ra.deg, ra.value, rtol=1e-12)
        np.testing.assert_allclose(place.dec.deg, dec.value, rtol=1e-12)
    np.testing.assert_allclose(sky(Table({"ra": ra.value, "dec": dec.value})).ra.deg, ra.value)
    mixed = sky(QTable({"ra": ra.to(unit), "dec": dec})[0])
    assert (mixed.ra.deg, mixed.dec.deg) == (pytest.approx(150.25), 2.5)


def test_sky_of_no_angles():
    """Columns that are no angles, or text, and one without the other are errors that say so."""
    for ra in ([1.0] * u.m, ["10:00:42.5"]):
        with pytest.raises(WCSError, match="must have angles in ra and dec, got"):
            sky(QTable({"ra": ra, "dec": [1.0] * u.deg}))
    with pytest.raises(WCSError, match="must have the columns ra and dec"):
        sky(QTable({"ra": [1.0] * u.deg}))
