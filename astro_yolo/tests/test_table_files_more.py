"""What tables in files hold beside plain columns: arrays, comments, and descriptions."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits, votable
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.time import Time
from astropy.utils.masked import Masked
from numpy.testing import assert_array_equal

from astro_yolo import crossmatch
from astro_yolo._columns import floats
from astro_yolo.catalog import read_table, write_table
from astro_yolo.exceptions import InputWarning

from .test_table_files import ALL, WITH_META, skip_without_pyarrow


@pytest.mark.parametrize(("key", "again"), [
    ("comments", "comments"), ("COMMENT", "comments"), ("comment", "comments"),
    ("HISTORY", "HISTORY"), ("history", "HISTORY"),
])
@pytest.mark.parametrize("columns", [{}, {"flux": [1.0] * u.Jy}])
def test_remarks_of_fits(tmp_path, key, again, columns):
    """Comments and history are the cards of that name, line by line, and come back as a list."""
    table = QTable({"id": [1], **columns})
    table.meta = {key: ["one", "two\nthree"], "RUN": 3}
    write_table(table, tmp_path / "t.fits")
    cards = [str(line) for line in fits.getheader(tmp_path / "t.fits", 1)[again[:7].upper()]]
    assert cards[:3] == ["one", "two", "three"]
    assert read_table(tmp_path / "t.fits").meta == {again: ["one", "two", "three"], "RUN": 3}
    assert table.meta[key] == ["one", "two\nthree"]  # as it was
    twice = read_table(tmp_path / "t.fits")
    write_table(twice, tmp_path / "t.fits", overwrite=True)
    assert read_table(tmp_path / "t.fits").meta == twice.meta


def test_remarks_that_fits_cannot_hold(tmp_path):
    """A line that is not ASCII is left out with a warning; what is no text becomes JSON."""
    table = QTable({"id": [1]}, meta={"comments": ["é", "b", {"a": 1}], "K": "a\nb"})
    with pytest.warns(InputWarning, match=r"meta \['K', 'comments'\] left out"):
        write_table(table, tmp_path / "t.fits")
    assert read_table(tmp_path / "t.fits").meta == {"comments": ["b", '{"a": 1}']}
    long = QTable({"id": [1]}, meta={"HISTORY": "x" * 100, "comments": []})
    write_table(long, tmp_path / "t.fits", overwrite=True)
    assert read_table(tmp_path / "t.fits").meta == {"HISTORY": ["x" * 72, "x" * 28]}


# of no rows Astropy's ECSV makes text
@pytest.mark.parametrize(("name", "n_rows"), [
    *((name, 2) for name in WITH_META), *((name, 0) for name in WITH_META if name != "t.ecsv"),
])
def test_arrays_come_back(tmp_path, name, n_rows):
    """Columns of arrays keep their type, shape and unit."""
    skip_without_pyarrow(name)
    table = QTable({
        "id": [1, 2], "flux": np.arange(12, dtype="f4").reshape(2, 3, 2) * u.Jy,
        "bin": np.arange(4, dtype="i2").reshape(2, 2), "ok": [[True, False, True]] * 2,
        "mag": MaskedColumn([[1.5, np.nan]] * 2),
    })[:n_rows]
    write_table(table, tmp_path / name)
    again = read_table(tmp_path / name)
    for column in table.colnames:
        assert_array_equal(np.asarray(again[column]), np.asarray(table[column]))
        assert again[column].dtype == table[column].dtype
        assert again[column].shape == table[column].shape
        assert again[column].unit == table[column].unit


def test_arrays_of_text(tmp_path):
    """Parquet, FITS and ECSV hold them; VOTable names the column."""
    pytest.importorskip("pyarrow")
    table = QTable({"id": [1, 2], "note": np.array([["a", "bc"], ["d", ""]])})
    for name in ("t.parquet", "t.fits", "t.ecsv"):
        write_table(table, tmp_path / name)
        again = read_table(tmp_path / name)["note"]
        assert again.tolist() == [["a", "bc"], ["d", ""]]
        assert again.dtype == "U2"
    with pytest.raises(ValueError, match=r"table\['note'\] must be .*, got arrays of text"):
        write_table(table, tmp_path / "t.vot")


def ragged():
    """Return a column of two arrays of different lengths."""
    column = np.empty(2, object)
    column[:] = [np.array([1, 2]), np.array([1])]
    return column


@pytest.mark.parametrize(("column", "got"), [
    (MaskedColumn([[1, 2], [3, 4]], mask=[[0, 1], [0, 0]]), "arrays in which some are masked"),
    (Masked([[1.0, 2], [3, 4]] * u.m, mask=[[0, 1], [0, 0]]), "arrays in which some are masked"),
    (ragged(), "arrays of several lengths"),
    (np.zeros((2, 0)), "empty arrays"),
])
def test_arrays_that_parquet_cannot_hold(tmp_path, column, got):
    """The column is named when it is written, and no file lies about."""
    pytest.importorskip("pyarrow")
    with pytest.raises(ValueError, match=rf"table\['c'\] must be .* for Parquet, got .*{got}"):
        write_table(QTable({"id": [1, 2], "c": column}), tmp_path / "t.parquet")
    assert not list(tmp_path.iterdir())


def test_lists_of_parquet(tmp_path):
    """Lists that another program wrote are arrays; of several lengths they are refused by name."""
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "t.parquet"
    parquet.write_table(arrow.table({
        "a": [[1, 2], [3, 4]], "b": [[[1.5], [2.5]], [[3.5], [4.5]]], "c": [["a", "bc"], ["", "d"]],
    }), path)  # fmt: skip
    table = read_table(path)
    assert table["a"].tolist() == [[1, 2], [3, 4]]
    assert table["b"].tolist() == [[[1.5], [2.5]], [[3.5], [4.5]]]
    assert table["c"].tolist() == [["a", "bc"], ["", "d"]]
    for values in ([[1], [2, 3]], [[1, None], [2, 3]], [None, [2, 3]]):
        parquet.write_table(arrow.table({"a": values}), path)
        with pytest.raises(ValueError, match="column 'a' of the file must have arrays of one"):
            read_table(path)


@pytest.mark.parametrize("name", ["t.ecsv", "t.parquet"])
def test_positions_and_times_come_back(tmp_path, name):
    """A SkyCoord and a Time are such again, and text keeps what is said about it."""
    skip_without_pyarrow(name)
    place, when = SkyCoord([1, 2], [3, 4], unit="deg"), Time([5e4, 6e4], format="mjd")
    table = QTable({"place": place, "when": when, "note": Column(["a", ""], description="by eye")})
    write_table(table, tmp_path / name)
    again = read_table(tmp_path / name)
    assert again["place"].dec.deg.tolist() == [3, 4]
    assert again["when"].mjd.tolist() == [5e4, 6e4]
    assert again["note"].info.description == "by eye"
    found = crossmatch(tmp_path / name, SkyCoord(2, 4, unit="deg"))
    assert found.matched["row"].tolist() == [1]


def test_rows_of_votable_do_not_go_through_c(tmp_path, monkeypatch):
    """Astropy's writer in C is not used: it damages memory where a row just fills its own."""
    monkeypatch.setattr(votable.tree, "tablewriter", None, raising=False)
    write_table(QTable({"note": ["a", "b"], "x": [1.5, 2.5]}), tmp_path / "t.vot")
    assert read_table(tmp_path / "t.vot")["note"].tolist() == ["a", "b"]


@pytest.mark.parametrize("name", WITH_META)
def test_meta_keeps_every_sign(tmp_path, name):
    """An ampersand or bracket, as in the name of an image, is itself again."""
    skip_without_pyarrow(name)
    said = 'M 51 & <NGC 5195> "r".fits'
    write_table(QTable({"id": [1]}, meta={"IMAGE": said}), tmp_path / name)
    assert read_table(tmp_path / name).meta["IMAGE"] == said


def test_descriptions_are_one_line(tmp_path):
    """Line breaks as XML has them are blanks, from VOTable and into FITS, without a warning."""
    table = Table({"id": [1], "mag": [17.0]})
    table["mag"].info.description = "  Petrosian\n      magnitude\n"
    votable.from_table(table).to_xml(str(tmp_path / "t.vot"))
    again = read_table(tmp_path / "t.vot")
    assert again["mag"].info.description == "Petrosian magnitude"
    write_table(table, tmp_path / "t.fits")
    assert fits.getheader(tmp_path / "t.fits", 1)["TCOMM2"] == "Petrosian magnitude"
    assert read_table(tmp_path / "t.fits")["mag"].info.description == "Petrosian magnitude"
    assert table["mag"].info.description == "  Petrosian\n      magnitude\n"


@pytest.mark.parametrize("before", ["#Table1\n", "# of mine\n# ra, dec in degrees, say\n", "\n"])
def test_remarks_before_a_csv_are_passed_over(tmp_path, before):
    """The first line of SkyServer's CSV, or remarks of one's own, are not taken for the header."""
    path = tmp_path / "t.csv"
    path.write_text(f"{before}objID,ra,dec\n7,150.5,2.25\n8,150.6,2.5\n")
    found = read_table(path)
    assert found.colnames == ["objID", "ra", "dec"]
    assert found["objID"].tolist() == [7, 8]
    assert found["ra"].to_value("deg").tolist() == [150.5, 150.6]


# As Astropy reads them from the VOTables of Simbad, VizieR and TOPCAT: Python's text, with gaps.
OF_VOTABLE = """\
<?xml version="1.0"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE><TABLE>
<FIELD name="main_id" datatype="char" arraysize="*"/>
<FIELD name="ra" datatype="double" unit="deg"/><FIELD name="n" datatype="int"/>
<FIELD name="seen" datatype="boolean"/>
<DATA><TABLEDATA>
<TR><TD>NGC 1</TD><TD>10.5</TD><TD>3</TD><TD>T</TD></TR>
<TR><TD></TD><TD></TD><TD></TD><TD></TD></TR>
<TR><TD>M 31</TD><TD>11.5</TD><TD>7</TD><TD>F</TD></TR>
</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>
"""


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("rows", [slice(None), slice(1, 2), slice(0)])
def test_a_votable_of_a_service_becomes_any_file(tmp_path, name, rows):
    """Text, numbers and truths with gaps, as services send them, are in every format."""
    skip_without_pyarrow(name)
    (tmp_path / "service.vot").write_text(OF_VOTABLE)
    for read in (read_table, Table.read, QTable.read):
        table = read(tmp_path / "service.vot")[rows]
        write_table(table, tmp_path / name, overwrite=True)
        if len(table) < 3 and name.endswith("csv"):
            continue  # of nothing but gaps CSV has no types
        found = read_table(tmp_path / name)
        assert [str(word) for word in found["main_id"]] == ["NGC 1", "", "M 31"][rows]
        assert_array_equal(floats(found["ra"]), [10.5, np.nan, 11.5][rows])
        assert found["n"].tolist() == [3, None, 7][rows]
        if not name.endswith("csv"):  # which has words for them
            assert found["seen"].tolist() == [True, None, False][rows]


@pytest.mark.parametrize("kind", ["int8", "uint8", "uint16", "uint32", "uint64", "bool"])
@pytest.mark.parametrize("name", WITH_META)
def test_numbers_of_any_type_keep_their_values(tmp_path, name, kind):
    """Types that a format has not are written as larger ones, with a mask and without."""
    skip_without_pyarrow(name)
    values = np.array([0, 1, 100], kind)
    table = QTable({"plain": values, "gap": MaskedColumn(values, mask=[False, True, False])})
    write_table(table, tmp_path / name)
    found = read_table(tmp_path / name)
    assert found["plain"].tolist() == values.tolist()
    assert_array_equal(floats(found["gap"]), np.where([0, 1, 0], np.nan, values.astype(float)))


def test_what_a_format_cannot_hold_is_an_error(tmp_path):
    """Numbers beyond VOTable's, and Python objects, are an error that says so, and no file."""
    with pytest.raises(ValueError, match=r"\['a'\] must be .* got whole numbers above 2\*\*63"):
        write_table(Table({"a": np.array([2**63], np.uint64)}), tmp_path / "t.vot")
    with pytest.raises(ValueError, match=r"table must be such as .*t.fits can hold: "):
        write_table(Table({"a": np.array([{}, 3], object)}), tmp_path / "t.fits")
    with pytest.raises(TypeError, match="table must be an astropy Table, got list"):
        write_table([1, 2], tmp_path / "t.fits")
    assert list(tmp_path.iterdir()) == []


def test_half_precision_in_votable(tmp_path):
    """Floats of two bytes, which VOTable has not, are in four."""
    write_table(Table({"a": np.array([0.5], np.float16)}), tmp_path / "t.vot")
    assert read_table(tmp_path / "t.vot")["a"].tolist() == [0.5]


@pytest.mark.parametrize("name", WITH_META)  # CSV may be any text
@pytest.mark.parametrize("start", [b"", b"no table\n  nor anything, else\n", b"\xff\x00\xfe"])
def test_a_file_that_is_no_table_is_named(tmp_path, name, start):
    """What is empty or another kind of file is an error with the name of the file."""
    skip_without_pyarrow(name)
    path = tmp_path / name
    path.write_bytes(start)
    with pytest.raises((ValueError, OSError), match=f"path must be a table in .*{name}: "):
        read_table(path)


def test_a_header_that_was_damaged_is_named(tmp_path):
    """A FITS file whose header cannot be read is a ValueError with the name of the file."""
    path = tmp_path / "t.fits"
    write_table(QTable({"id": [1]}), path)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"TFORM1  = 'K  ", b"TFORM1  = 'K\xff "))
    assert path.read_bytes() != content
    with pytest.raises(ValueError, match=r"path must be a table in fits, got .*t\.fits: "):
        read_table(path)
