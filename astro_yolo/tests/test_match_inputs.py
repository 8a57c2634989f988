"""Positions of tables and files: a file is held to the rules of a table."""

from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table

from astro_yolo import crossmatch, measure, read_image, write_table
from astro_yolo._match_inputs import as_table, without_unit
from astro_yolo.catalog import make_table
from astro_yolo.exceptions import MatchError

from .wcs_cases import make_wcs

FILES = ["t.ecsv", "t.fits", "t.vot", "t.parquet", "t.csv"]
THERE = SkyCoord([150.0], [2.0], unit="deg")


@pytest.fixture(params=["Table", "QTable", *FILES])
def given(request, tmp_path):
    """Give a function that returns a table as itself, or as a file of some format."""

    def give(columns):
        if not request.param.startswith("t."):
            return {"Table": Table, "QTable": QTable}[request.param](columns)
        if request.param.endswith("parquet"):
            pytest.importorskip("pyarrow")
        write_table(Table(columns), tmp_path / request.param, overwrite=True)
        return tmp_path / request.param

    return give


def test_a_unit_serves_tables_and_files(given):
    """Radians without a unit match with unit="rad", in a table and in any file of it."""
    place = given({"ra": [np.radians(150)], "dec": [np.radians(2)]})
    assert len(crossmatch(place, THERE, 1 * u.arcsec, unit="rad").matched) == 1
    assert len(crossmatch(THERE, place, 1 * u.arcsec, unit=u.rad).matched) == 1
    with pytest.raises(MatchError, match="must be an angle, got unit m"):
        crossmatch(place, THERE, unit="m")


def test_no_unit_is_an_error_in_tables_and_files(given):
    """Positions without a unit are refused, in a table and in any file of it."""
    with pytest.raises(MatchError, match=r"table\['ra'\] must have a unit, got none"):
        crossmatch(given({"ra": [150.0], "dec": [2.0]}), THERE)


def test_a_masked_position_is_rejected(given):
    """A masked place is in ``rejected``, and not at what is below the mask or at zero."""
    gap = [False, True]
    place = given({"ra": MaskedColumn([150.0, 10], mask=gap),
                   "dec": MaskedColumn([2.0, 20], mask=gap)})  # fmt: skip
    there = SkyCoord([150.0, 10.0, 0.0], [2.0, 20.0, 0.0], unit="deg")
    found = crossmatch(place, there, unit="deg")
    assert (len(found.matched), len(found.rejected), len(found.unmatched_catalog)) == (1, 1, 2)


def test_columns_of_a_catalogue_are_its_own(given):
    """Names that our tables have too stay what the catalogue says in the pairs."""
    place = given({"id": ["SDSS J1"], "ra": [150.0], "dec": [2.0], "flags": [1e12],
                   "score": [17]})  # fmt: skip
    pair = crossmatch(THERE, place, unit="deg").matched[0]
    assert (pair["id"], pair["flags"], pair["score"]) == ("SDSS J1", 1e12, 17)


def test_the_callers_table_gets_no_unit():
    """The unit is given to a copy."""
    place = Table({"RA": [150.0], "DEC": [2.0]})
    assert as_table(place, "table", "deg")["RA"].unit == u.deg
    assert without_unit(place) == ["RA", "DEC"]
    assert as_table(place, "table") is place


@pytest.mark.parametrize("measured", [False, True])
def test_our_own_csv_is_in_degrees(tmp_path, measured):
    """A CSV of detections is known by its columns, whatever unit the other side has."""
    image = read_image(np.ones((60, 60), np.float32), wcs=make_wcs())
    table = make_table([[10.0, 10, 20, 20]], [0.9], np.full((1, 5), 0.2), [0], [0], wcs=image.wcs)
    table = measure(table, image) if measured else table
    write_table(table, tmp_path / "t.csv")
    place = SkyCoord(table["ra"], table["dec"])
    radians = Table({"ra": place.ra.rad, "dec": place.dec.rad})
    for ours in (tmp_path / "t.csv", Table.read(tmp_path / "t.csv")):
        found = crossmatch(ours, radians, "size", unit="rad")
        assert len(found.matched) == 1
        assert found.matched["width"].unit == u.arcsec


def test_files_with_a_skycoord(tmp_path):
    """A file of Astropy's with a SkyCoord column is read as it was written."""
    QTable({"place": THERE, "mag": [17.0]}).write(tmp_path / "t.ecsv")
    assert len(crossmatch(tmp_path / "t.ecsv", THERE).matched) == 1
    assert without_unit(as_table(tmp_path / "t.ecsv", "table")) == []


def test_one_row_is_matched():
    """A row of a table, on either side, is matched as a table of one row."""
    table = QTable({"ra": [10.0, 150.0] * u.deg, "dec": [0.0, 2.0] * u.deg})
    for pair in ((table[1], THERE), (THERE, table[1]), (table[-1], table[1])):
        assert len(crossmatch(*pair, 1 * u.arcsec).matched) == 1
    assert len(crossmatch(table[0], THERE, 1 * u.arcsec).unmatched) == 1


RA, DEC = 150.17708333333333, 2.5  # 10:00:42.5, +02:30:00
TEXTS = [
    ("10:00:42.5", "+02:30:00"), ("10h00m42.5s", "2d30m"), ("10 00 42.5", "+02 30 00"),
    (" 10:00:42.5 ", "2.5"), (f"{RA}", "2.5"), (f"{RA}d", "2d30m00s"),
]  # fmt: skip


@pytest.mark.parametrize(("ra", "dec"), TEXTS)
def test_positions_as_text(given, ra, dec):
    """Text is read as SkyCoord reads it: right ascension in hours if it is sexagesimal."""
    place = given({"ra": [ra, ra], "dec": [dec, dec]})
    there = SkyCoord([RA], [DEC], unit="deg")
    for unit in (None, "deg"):
        if unit is None and isinstance(place, Path) and place.suffix == ".csv" and dec == "2.5":
            continue  # reading CSV has made numbers of the text
        found = crossmatch(there, place, 0.001 * u.arcsec, unit=unit, mode="all")
        assert found.matched["row_cat"].tolist() == [0, 1]


def test_text_of_several_kinds_and_none():
    """Each text of a column is read by itself; an empty or masked one is rejected."""
    ra = ["10:00:42.5", f"{RA}", "", "nan", "1", "10h00m42.5s"]
    ra = MaskedColumn(ra, mask=[0, 0, 0, 0, 1, 0])
    place = Table({"RAJ2000": ra, "DEJ2000": ["2:30", "2.5", "2.5", "2.5", "2.5", "2d30m"]})
    there = SkyCoord([RA], [DEC], unit="deg")
    for text in (place, Table({"RAJ2000": ra.astype(object), "DEJ2000": place["DEJ2000"]}),
                 Table({"RAJ2000": ra.astype(bytes), "DEJ2000": place["DEJ2000"].astype(bytes)})):
        found = crossmatch(there, text, 0.001 * u.arcsec, mode="all")
        assert found.matched["row_cat"].tolist() == [0, 1, 5]
        assert len(found.rejected_catalog) == 3


def test_the_unit_of_text():
    """Numbers as text are in the unit of the column; "h:m:s" is none, and said by the text."""
    there = SkyCoord([RA], [DEC], unit="deg")
    place = Table({"RA": [f"{RA / 15}"], "DEC": [f"{DEC}"]})
    place["RA"].unit, place["DEC"].unit = "hourangle", "deg"
    assert len(crossmatch(there, place, 0.001 * u.arcsec).matched) == 1
    place = Table({"RA": ["10 00 42.5"], "DEC": ["+02 30 00"]})
    for key, unit in (("RA", '"h:m:s"'), ("DEC", '"d:m:s"')):
        place[key].unit = u.Unit(unit, parse_strict="silent")
    assert len(crossmatch(there, place, 0.001 * u.arcsec).matched) == 1
    assert without_unit(Table({"ra": ["10:00:42.5"], "dec": ["2.5"]})) == ["dec"]


@pytest.mark.parametrize("ra", ["north", "10:75:00", "10:x", "J100042"])
def test_text_that_is_no_position(ra):
    """Text that is no angle is an error that names the column."""
    with pytest.raises(MatchError, match=r"table\['ra'\] must be an angle, got .*"):
        crossmatch(Table({"ra": [ra], "dec": ["2.5"]}), THERE)


@pytest.mark.parametrize("name", ["t.parquet", "t.ecsv", "t.fits", "t.vot", "t.csv"])
def test_a_broken_file_says_what_is_wrong_with_it(tmp_path, name):
    """A file with the ending of a table that holds none is an error with its reader's reason."""
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_text("a,b\n1,2,3,4\n")
    with pytest.raises(MatchError, match=rf"table must be a table .* got .*{name}: ") as caught:
        crossmatch(tmp_path / name, THERE)
    assert "pandas" not in str(caught.value)
    with pytest.raises(FileNotFoundError):
        crossmatch(tmp_path / f"no{name}", THERE)


def test_a_service_is_not_asked_unasked(tmp_path, monkeypatch):
    """The name of a service is no file, and the error names what asks services."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"asked by astro_yolo.fetch_catalog: 'simbad'"):
        crossmatch(THERE, "simbad")


def test_files_of_other_endings(tmp_path):
    """Astropy reads what our own tables are not written as; what it cannot read is an error."""
    place = QTable({"ra": THERE.ra, "dec": THERE.dec})
    place.write(tmp_path / "t.rdb", format="ascii.rdb")
    assert len(crossmatch(tmp_path / "t.rdb", THERE, unit="deg").matched) == 1
    (tmp_path / "t.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n and no table")
    with pytest.raises(MatchError, match=r"got .*t.hdf5: "):
        crossmatch(tmp_path / "t.hdf5", THERE)


@pytest.mark.parametrize("ending", ["vot", "xml"])
def test_what_a_skycoord_became_in_votable_is_matched(tmp_path, ending):
    """A table with a SkyCoord of any frame that was written as VOTable is matched where it was."""
    write_table(QTable({"place": THERE.galactic, "mag": [17.0]}), tmp_path / f"t.{ending}")
    for given in (tmp_path / f"t.{ending}", Table.read(tmp_path / f"t.{ending}")):
        assert len(crossmatch(given, THERE, 0.001 * u.arcsec).matched) == 1
    for names in (("place.ra", "dec"), ("place.ra", "place.dec")):
        plain = QTable(dict(zip(names, ([150.0] * u.deg, [2.0] * u.deg), strict=True)))
        with pytest.raises(MatchError, match="must have columns ra and dec"):
            crossmatch(plain, THERE)


@pytest.mark.parametrize(
    "names",
    [("RAdeg", "DEdeg"), ("RAJ2000", "DECJ2000"), ("raMean", "decMean"), ("ra", "decl"),
     ("ALPHAWIN_J2000", "DELTAWIN_J2000")],
)  # fmt: skip
def test_names_of_other_catalogues(names):
    """The names of CDS, Pan-STARRS, SExtractor's windowed positions and others are known."""
    place = QTable({names[0]: THERE.ra, names[1]: THERE.dec})
    assert len(crossmatch(place, THERE, 0.001 * u.arcsec).matched) == 1


def test_arrays_in_a_row_are_no_position():
    """Columns with several numbers in each row are an error that says so."""
    several = np.ones((3, 2)) * u.deg
    with pytest.raises(MatchError, match=r"table\['ra'\] must be an angle, got an array .*\(2,\)"):
        crossmatch(QTable({"ra": several, "dec": several}), THERE)
    with pytest.raises(MatchError, match=r"table must have one position a row, got .*\(2,\)"):
        crossmatch(QTable({"place": SkyCoord(several, several)}), THERE)


def test_no_rows_of_text():
    """A catalogue of text matches where none of its rows is left, with and without a unit."""
    place = Table({"RA": ["10:00:42.5"], "DEC": ["+02:30:00"]})
    for none in (place[:0], Table({"RA": [""], "DEC": [""]})[:0]):
        found = crossmatch(THERE, none)
        assert (len(found.matched), len(found.unmatched)) == (0, 1)


def test_pairs_stand_where_the_table_is():
    """Of two columns with one name but for its letters the first is the position, as in pairs."""
    there = THERE.directional_offset_by(90 * u.deg, 5 * u.arcsec)
    other = QTable({"RA": there.ra, "DEC": there.dec})
    pairs = crossmatch(QTable({"ra": THERE.ra, "dec": THERE.dec}), other, 6 * u.arcsec).matched
    assert pairs.colnames[:4] == ["ra", "dec", "RA", "DEC"]
    again = crossmatch(pairs, THERE, 1 * u.arcsec).matched
    assert again["separation"].to_value(u.arcsec) == pytest.approx([0], abs=1e-6)
    reverse = crossmatch(other, QTable({"ra": THERE.ra, "dec": THERE.dec}), 6 * u.arcsec).matched
    assert len(crossmatch(reverse, THERE, 1 * u.arcsec).matched) == 0


def test_a_frame_that_is_not_on_the_sky_is_named():
    """Altitudes of nobody's horizon are an error that names the frame, in a column too."""
    place = SkyCoord(alt=[10] * u.deg, az=[20] * u.deg, frame="altaz")
    for given in (place, QTable({"place": place})):
        with pytest.raises(MatchError, match=r"catalog must be positions known in ICRS.*altaz"):
            crossmatch(THERE, given)


@pytest.mark.parametrize(
    "unit", ["hourangle", u.hourangle, ("hourangle", "deg"), [u.hourangle, u.deg], "hourangle,deg"]
)
def test_hours_are_of_right_ascension_alone(given, unit):
    """Ten hours are 150 degrees; a declination of 2 stays one of degrees, as numbers or text."""
    for columns in ({"RA": [10.0], "DEC": [2.0]}, {"RA": ["10.0"], "DEC": ["2.0"]}):
        found = crossmatch(given(columns), THERE, 0.001 * u.arcsec, unit=unit)
        assert len(found.matched) == 1


def test_units_that_are_none():
    """Three units, and one of two that is no angle, are errors that say so."""
    place = Table({"ra": [10.0], "dec": [2.0]})
    with pytest.raises(MatchError, match=r"unit must be one, or that of each .* got 'deg,deg,deg'"):
        crossmatch(place, THERE, unit="deg,deg,deg")
    with pytest.raises(MatchError, match=r"table\['dec'\] must be an angle, got unit m"):
        crossmatch(place, THERE, unit=("deg", "m"))


@pytest.mark.parametrize("unit", ["degree", "degrees", "DEG", "Degrees", "deg."])
def test_degrees_of_any_spelling(tmp_path, unit):
    """Units that FITS does not have but its files do are degrees all the same."""
    columns = [fits.Column(name, "D", unit, array=[value])
               for name, value in (("RA", 150.0), ("DEC", 2.0))]  # fmt: skip
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "t.fits")
    with pytest.warns(u.UnitsWarning, match="did not parse as fits unit"):
        found = crossmatch(tmp_path / "t.fits", THERE, 0.001 * u.arcsec)
    assert len(found.matched) == 1


@pytest.mark.parametrize("kind", [Table, QTable])
def test_a_unit_nobody_knows_is_replaced_by_the_one_given(kind):
    """A unit of no sense is an error that shows it, and no hindrance to ``unit``."""
    odd = u.Unit("deg (J2000)", parse_strict="silent")
    gap = [False, True]
    place = kind({"ra": MaskedColumn([150.0, 150.0], mask=gap, unit=odd),
                  "dec": MaskedColumn([2.0, 2.0], unit=odd)})  # fmt: skip
    with pytest.raises(MatchError, match=r"\['ra'\] must be an angle, got unit deg \(J2000\)$"):
        crossmatch(place, THERE)
    found = crossmatch(place, THERE, 0.001 * u.arcsec, unit="deg")
    assert (len(found.matched), len(found.rejected)) == (1, 1)
    known = QTable({"ra": [150.0] * u.rad, "dec": [2.0] * u.deg})  # a known one stays
    assert len(crossmatch(known, THERE, 0.001 * u.arcsec, unit="deg").matched) == 0


def test_right_ascension_in_hours():
    """Of a right ascension "h" is no time; of a declination it is no angle."""
    place = QTable({"ra": [10.0] * u.hour, "dec": [2.0] * u.deg})
    assert len(crossmatch(place, THERE, 0.001 * u.arcsec).matched) == 1
    with pytest.raises(MatchError, match=r"\['dec'\] must be an angle, got unit h$"):
        crossmatch(QTable({"ra": [150.0] * u.deg, "dec": [2.0] * u.hour}), THERE)


def test_any_path_is_a_file(tmp_path):
    """A path of another kind than pathlib's is a file as well."""

    class Somewhere:
        def __fspath__(self):
            return str(tmp_path / "t.ecsv")

    write_table(Table({"ra": [150.0] * u.deg, "dec": [2.0] * u.deg}), Somewhere())
    assert len(crossmatch(Somewhere(), THERE, 1 * u.arcsec).matched) == 1
