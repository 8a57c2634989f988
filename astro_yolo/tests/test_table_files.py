"""Tables in files."""

import io
import sys

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import AltAz, EarthLocation, SkyCoord
from astropy.io import fits, votable
from astropy.table import MaskedColumn, QTable
from astropy.time import Time, TimeDelta
from astropy.utils.masked import Masked
from numpy.testing import assert_allclose, assert_array_equal

from astro_yolo import measure, read_image, read_regions
from astro_yolo._table_files import check_table_path
from astro_yolo.catalog import COLUMNS, make_table, read_table, write_table
from astro_yolo.exceptions import InputWarning, MissingExtraError

from .wcs_cases import make_wcs

WITH_META = ["t.ecsv", "t.fits", "t.fits.gz", "t.vot", "t.xml", "t.parquet"]
ALL = [*WITH_META, "t.csv"]
META = {"IMAGE": "it's m51", "SCOREMIN": 0.1, "NBAND": 3, "FULL": True, "EMPTY": ""}


def example(n_rows=3, *, wcs=True):
    """Return a table of random rows, the first of them with numbers that are not finite."""
    rng = np.random.default_rng(5)
    low = rng.uniform(0, 500, (n_rows, 2))
    boxes = np.hstack([low, low + rng.uniform(5, 50, (n_rows, 2))])
    table = make_table(
        boxes, rng.uniform(0, 1, n_rows), rng.dirichlet(np.ones(5), n_rows),
        rng.uniform(0, 1, n_rows), np.arange(n_rows), wcs=make_wcs(sip=5e-5) if wcs else None,
        meta=META, provenance={"text": "x" * 300, "quote": "it's"},
    )
    table["p_star"][:1] = np.nan
    return table


def skip_without_pyarrow(name):
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")


def assert_same_columns(first, second):
    assert first.colnames == second.colnames
    for name in first.colnames:
        assert_array_equal(np.asarray(first[name]), np.asarray(second[name]))
        assert first[name].dtype == second[name].dtype
        for attribute in ("unit", "description", "meta"):
            assert getattr(first[name].info, attribute) == getattr(second[name].info, attribute)


@pytest.mark.parametrize("wcs", [True, False])
@pytest.mark.parametrize("n_rows", [0, 1, 3])
@pytest.mark.parametrize("name", ALL)
def test_columns_come_back(tmp_path, name, n_rows, wcs):
    """Values, types, units, descriptions and UCDs survive, of no rows too; NaN stays NaN."""
    skip_without_pyarrow(name)
    table = example(n_rows, wcs=wcs)
    write_table(table, tmp_path / name)
    again = read_table(tmp_path / name)
    assert type(again) is QTable
    assert not again.has_masked_values
    assert_same_columns(again, table)


@pytest.mark.parametrize("n_rows", [0, 3])
@pytest.mark.parametrize("name", WITH_META)
def test_meta_comes_back(tmp_path, name, n_rows):
    """Text, numbers, truth, provenance and sky coordinates survive with their types."""
    skip_without_pyarrow(name)
    table = example(n_rows)
    write_table(table, tmp_path / name)
    again = read_table(tmp_path / name)
    assert dict(again.meta) == dict(table.meta)
    assert [type(again.meta[key]) for key in META] == [str, float, int, bool, str]


@pytest.mark.parametrize("name", WITH_META)
def test_measured_columns_come_back(tmp_path, name):
    """A column that the package does not know keeps its values, unit and text."""
    skip_without_pyarrow(name)
    table = example()
    table["note"] = ["a", "bc", ""]
    table["label"][1] = ""
    table["flux"] = QTable({"f": [1.0, 2.0, np.nan]}, units={"f": "nJy"})["f"]
    table["flux"].info.description = "measured"
    table["flux"].info.meta = {"ucd": "phot.flux"}
    write_table(table, tmp_path / name)
    assert_same_columns(read_table(tmp_path / name), table)


@pytest.mark.parametrize("n_rows", [0, 3])
def test_votable_is_valid(tmp_path, n_rows):
    """A strict reader has no complaint, and finds UCDs, PARAMs and the sky frame."""
    path = tmp_path / "t.vot"
    write_table(example(n_rows), path)
    report = io.StringIO()
    assert votable.validate(str(path), report)
    assert "found no violations" in report.getvalue()
    assert path.read_text(encoding="utf-8").count("<DATA>") == 1  # of no rows, too, for TOPCAT
    content = votable.parse_single_table(str(path), verify="exception")
    assert {field.name: field.ucd for field in content.fields} == {
        column.name: column.ucd for column in COLUMNS}
    assert {"PROV", "WCS", *META} == {param.name for param in content.params}
    assert [field.name for field in content.fields if field.ref == "icrs"] == ["ra", "dec"]
    assert b'COOSYS ID="icrs" system="ICRS"' in path.read_bytes()


def test_text_that_is_not_ascii(tmp_path):
    """VOTable and ECSV keep any text; FITS cannot, and says what it left out."""
    table = example()
    table.meta["IMAGE"] = "Hubblé"
    for name in ("t.vot", "t.ecsv"):
        write_table(table, tmp_path / name)
        assert read_table(tmp_path / name).meta["IMAGE"] == "Hubblé"
    with pytest.warns(InputWarning, match=r"meta \['IMAGE'\] left out"):
        write_table(table, tmp_path / "t.fits")
    assert "IMAGE" not in read_table(tmp_path / "t.fits").meta


def test_meta_that_is_not_flat(tmp_path):
    """A nested value becomes JSON and a long key stays, in FITS and VOTable."""
    table = example()
    table.meta |= {"nested": {"a": 1}, "A LONG KEY": 1, "none": None}
    for name in ("t.fits", "t.vot"):
        write_table(table, tmp_path / name)
        meta = {key.upper(): value for key, value in read_table(tmp_path / name).meta.items()}
        assert meta["NESTED"] == '{"a": 1}'
        assert meta["A LONG KEY"] == 1
        assert "NONE" not in meta


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_overwritten_unasked(tmp_path, name):
    """An existing file stays as it is, until overwriting is asked for."""
    skip_without_pyarrow(name)
    path = tmp_path / name
    path.write_text("mine")
    with pytest.raises(OSError, match="exists already; overwrite=True replaces it"):
        write_table(example(), path)
    assert path.read_text() == "mine"
    write_table(example(), path, overwrite=True)
    assert len(read_table(path)) == 3
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_failed_write_leaves_nothing(tmp_path):
    """When a format cannot hold a table, the old file stays and no half file lies about."""
    path = tmp_path / "t.fits"
    path.write_text("mine")
    table = example()
    table["thing"] = np.array([{}, {}, {}], dtype=object)
    with pytest.raises(Exception, match=r"object|type"):
        write_table(table, path, overwrite=True)
    assert path.read_text() == "mine"
    assert [p.name for p in tmp_path.iterdir()] == ["t.fits"]


def test_table_is_not_changed(tmp_path):
    """Writing leaves the table and its meta as they were."""
    table, before = example(), example()
    for name in ("t.fits", "t.vot", "t.ecsv", "t.csv"):
        write_table(table, tmp_path / name)
    assert_same_columns(table, before)
    assert table.meta == before.meta


def test_one_row_is_written(tmp_path):
    """``table[k]`` is written as the table of that row is, meta included."""
    table = example()
    for name in ("t.ecsv", "t.csv", "t.fits", "t.vot"):
        write_table(table[1], tmp_path / name)
        again = read_table(tmp_path / name)
        assert_same_columns(again, table[1:2])
        assert name == "t.csv" or again.meta["IMAGE"] == "it's m51"


def test_format_can_be_named(tmp_path):
    """An ending that says nothing needs a format."""
    write_table(example(), tmp_path / "t.dat", format="ecsv")
    assert len(read_table(tmp_path / "t.dat", format="ecsv")) == 3
    with pytest.raises(ValueError, match="path must end in one of"):
        read_table(tmp_path / "t.dat")
    with pytest.raises(ValueError, match=r"format must be one of .*, got 'hdf5'"):
        write_table(example(), tmp_path / "t.dat", format="hdf5")


def test_wrong_folders(tmp_path):
    """A folder in place of a file, or none at all, is an OSError that names it."""
    with pytest.raises(OSError, match="got the folder"):
        write_table(example(), tmp_path, format="csv")
    with pytest.raises(OSError, match=r"the folder .*none does not exist"):
        write_table(example(), tmp_path / "none" / "t.csv")
    with pytest.raises(OSError, match=r"none\.csv"):
        read_table(tmp_path / "none.csv")


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    """The missing extra is named."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r'pip install "astro-yolo\[parquet\]"'):
        write_table(example(), tmp_path / "t.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("n_rows", [0, 3])
@pytest.mark.parametrize("name", ALL)
def test_positions_can_be_guessed(tmp_path, name, n_rows):
    """Astropy finds the positions of a measured table by itself, whatever file it went through."""
    skip_without_pyarrow(name)
    table = example(n_rows)
    table = measure(table, read_image(np.ones((600, 800), np.float32), wcs=make_wcs(sip=5e-5)))
    write_table(table, tmp_path / name)
    again = read_table(tmp_path / name)
    place = SkyCoord.guess_from_table(again)
    assert_array_equal(place.ra.deg, table["ra"].value)
    assert_array_equal(place.dec.deg, table["dec"].value)


@pytest.mark.parametrize("name", WITH_META)
def test_columns_of_a_measured_table_are_stable(tmp_path, name):
    """Names, types, units and UCDs of all columns are the same from every format, of any rows."""
    skip_without_pyarrow(name)
    image = read_image(np.ones((600, 800), np.float32), wcs=make_wcs(sip=5e-5))
    schemas = []
    for n_rows in (0, 3):
        table = measure(example(n_rows), image, zeropoint=22.5)
        write_table(table, tmp_path / name, overwrite=True)
        schemas += [schema(table), schema(read_table(tmp_path / name))]
    assert all(columns == schemas[0] for columns in schemas)


def schema(table):
    """Return name, type, unit and UCD of every column."""
    return [(c.info.name, c.dtype.str, str(c.unit or ""), (c.info.meta or {}).get("ucd"))
            for c in table.itercols()]  # fmt: skip


def test_positions_and_times_of_votable(tmp_path):
    """A SkyCoord becomes ICRS degrees, a Time ISO text with its scale, where each stood."""
    # the Galaxy's pole is at 12h51m26.28s +27d07'42.0" (Reid & Brunthaler 2004), MJD 51544.5 J2000
    table = QTable({
        "id": [1, 2], "place": SkyCoord([0, 0], [90, 90], unit="deg", frame="galactic"),
        "when": Time([51544.5, 51544.5], format="mjd", scale="tt"),
        "long": TimeDelta([0.5, 0.25] * u.day), "note": ["a", "b"],
    })  # fmt: skip
    table["place"].info.description = "a pole"
    table["when"][1] = np.ma.masked
    path = tmp_path / "t.vot"
    write_table(table, path)
    assert votable.validate(str(path), io.StringIO())
    again = read_table(path)
    assert again.colnames == ["id", "place.ra", "place.dec", "when", "long", "note"]
    assert_allclose(again["place.ra"].to_value("deg"), 192.8595, atol=1e-4)
    assert_allclose(again["place.dec"].to_value("deg"), 27.1283, atol=1e-4)
    assert again["place.ra"].info.description == "a pole"
    assert again["when"].tolist() == ["2000-01-01T12:00:00.000000", ""]
    assert again["when"].info.description.endswith("time scale TT")
    assert again["long"].to_value("h").tolist() == [12, 6]
    fields = {field.name: field for field in votable.parse_single_table(str(path)).fields}
    assert [fields[name].ref for name in ("place.ra", "place.dec", "note")] == ["icrs"] * 2 + [None]
    assert (fields["place.ra"].ucd, fields["when"].xtype) == ("pos.eq.ra", "timestamp")
    assert isinstance(table["place"], SkyCoord)  # the table itself is as it was
    write_table(table[:0], path, overwrite=True)
    assert schema(read_table(path)) == schema(again)


@pytest.mark.parametrize(
    ("column", "number"),
    [
        (SkyCoord([1], [2], unit="deg"), 2),
        (EarthLocation.from_geodetic([0], [0]), 3),
        (TimeDelta([0.5] * u.day), 2),
        (Time([51544.5], format="mjd"), 1),
        (np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]), 2),
        (Masked([1.0] * u.m, mask=[True]), 1),
    ],
)
def test_ucds_behind_what_fits_splits(tmp_path, column, number):
    """The UCD of a column behind one that is several in FITS has that column's own number."""
    table = QTable({"c": column, "m": [3.0], "flux": [1.0]})
    table["flux"].info.meta = {"ucd": "phot.flux"}
    write_table(table, tmp_path / "t.fits")
    header = fits.getheader(tmp_path / "t.fits", 1)
    assert header[f"TTYPE{number + 2}"] == "flux"
    assert dict(header["TUCD*"]) == {f"TUCD{number + 2}": "phot.flux"}


def test_what_votable_cannot_hold(tmp_path):
    """The column is named, and a distance that is left out is told; no file lies about."""
    place = SkyCoord([1], [2], unit="deg", frame=AltAz())
    site = EarthLocation.from_geodetic([0], [0])
    for column, got in ((place, "the frame 'altaz'"), (site, "EarthLocation")):
        with pytest.raises(ValueError, match=rf"table\['c'\] must be .*for VOTable, got {got}"):
            write_table(QTable({"c": column}), tmp_path / "t.xml")
    assert not list(tmp_path.iterdir())
    table = QTable({"c": SkyCoord([1] * u.deg, [2] * u.deg, distance=[3] * u.pc)})
    with pytest.warns(InputWarning, match=r"table\['c'\] alone: its distances"):
        write_table(table, tmp_path / "t.xml")
    assert read_table(tmp_path / "t.xml")["c.ra"].to_value("deg").tolist() == [1]


def test_astropy_reads_the_files(tmp_path):
    """Plain astropy gives the same numbers and units."""
    table = example()
    for name in ("t.ecsv", "t.fits", "t.vot"):
        write_table(table, tmp_path / name)
        plain = QTable.read(tmp_path / name)
        assert_array_equal(plain["ra"], table["ra"])


@pytest.mark.parametrize("name", ALL)
def test_gaps_come_back(tmp_path, name):
    """What is masked is NaN, masked or empty again: never zero or what is below the mask."""
    skip_without_pyarrow(name)
    gap = [True, False, False]
    table = example()
    for column in ("id", "score", "flags", "label"):
        table[column] = MaskedColumn(table[column], mask=gap)
    table["ra"] = Masked(table["ra"], mask=gap)
    table["run"] = MaskedColumn([2**60 + 1] * 3, mask=gap)
    table["note"] = MaskedColumn(["a", "b", "c"], mask=gap)
    write_table(table, tmp_path / name)
    again = read_table(tmp_path / name)
    assert again.colnames == table.colnames
    assert np.isnan([again["ra"][0].value, again["score"][0]]).all()
    assert [again[column].tolist()[0] for column in ("id", "flags", "run")] == [None] * 3
    assert [again["label"][0], again["note"][0]] == ["", ""]
    assert_array_equal(again["run"][1:], 2**60 + 1)
    assert_array_equal(again["ra"][1:], table["ra"][1:].unmasked)


def test_nulls_of_parquet(tmp_path):
    """Nulls that another program wrote are gaps: large numbers stay whole, a text is empty."""
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(
        arrow.table({"run": [2**60 + 1, None], "name": ["a", None], "mag": [17.0, None],
                     "ok": [True, None]}), tmp_path / "t.parquet",
    )  # fmt: skip
    table = read_table(tmp_path / "t.parquet")
    assert table["run"].tolist() == [2**60 + 1, None]
    assert table["name"].tolist() == ["a", ""]
    assert table["ok"].tolist() == [True, None]
    assert np.isnan(table["mag"][1])


def test_text_that_fits_cannot_hold(tmp_path):
    """FITS names the column and leaves the old file; the other formats hold the text."""
    table = read_regions_of(tmp_path, "é galaxie")
    for name in ALL:
        if ".fits" not in name:
            skip_without_pyarrow(name)
            write_table(table, tmp_path / name)
            assert read_table(tmp_path / name)["text"][0] == "é galaxie"
    (tmp_path / "t.fits").write_text("mine")
    with pytest.raises(ValueError, match=r"table\['text'\] must be ASCII text for FITS, got 'é"):
        write_table(table, tmp_path / "t.fits", overwrite=True)
    assert (tmp_path / "t.fits").read_text() == "mine"
    assert not list(tmp_path.glob(".*"))


def read_regions_of(folder, text):
    """Return the table of a region file with one circle."""
    (folder / "t.reg").write_text(f"image\ncircle(3,3,2) # text={{{text}}}\n", encoding="utf-8")
    return read_regions(folder / "t.reg")


def test_paths_are_checked_before_the_work(tmp_path, monkeypatch):
    """An ending that is none of a table, and Parquet without pyarrow, are told without writing."""
    check_table_path(tmp_path / "t.fits.gz")
    with pytest.raises(ValueError, match=r"path must end in one of .*, got 't\.txt'"):
        check_table_path(tmp_path / "t.txt")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match="Writing Parquet"):
        check_table_path(tmp_path / "t.pq")
