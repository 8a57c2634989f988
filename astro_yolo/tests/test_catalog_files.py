"""Catalogues in the many forms of text that astronomers keep them in."""

import warnings

import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import QTable, Table

from astro_yolo import crossmatch
from astro_yolo._catalog_files import read_catalog
from astro_yolo.exceptions import MatchError

THERE = SkyCoord([150.0, 150.1], [2.0, -2.5], unit="deg")

SEXTRACTOR = """\
#   1 NUMBER          Running object number                [count]
#   2 ALPHAWIN_J2000  Windowed right ascension (J2000)     [deg]
#   3 DELTAWIN_J2000  Windowed declination (J2000)         [deg]
1 150.0 2.0
2 150.1 -2.5
"""
MACHINE_READABLE = f"""\
Title: Two galaxies
Authors: A. Person
Table: Galaxies
{"=" * 80}
Byte-by-byte Description of file: t.mrt
{"-" * 80}
   Bytes Format Units  Label   Explanations
{"-" * 80}
   1-  1 I1     ---    ID      Number
   3-  7 F5.1   deg    RAdeg   Right ascension
   9- 12 F4.1   deg    DEdeg   Declination
{"-" * 80}
1 150.0  2.0
2 150.1 -2.5
"""
TEXTS = {
    "t.cat": SEXTRACTOR,
    "t.mrt": MACHINE_READABLE,
    "t.txt": "id ra dec\n1 150.0 2.0\n2 150.1 -2.5\n",
    "t.dat": "# id   ra     dec\n  1  150.0   2.0\n  2  150.1  -2.5\n",
    "t.csv": "# ra,dec\n1.500000e+02,2.0\n1.501000e+02,-2.5\n",  # as numpy.savetxt writes it
    "t.tsv": "id\tra\tdec\n1\t150.0\t2.0\n2\t150.1\t-2.5\n",
    "t.asc": "id,raMean,decMean\n1,150.0,2.0\n2,150.1,-2.5\n",
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_of_any_form_is_a_catalogue(tmp_path, name):
    """SExtractor's and CDS's tables, blanks, tabs and commas are read whatever their ending."""
    path = tmp_path / name
    path.write_text(TEXTS[name])
    for given in (path, str(path)):
        found = crossmatch(THERE, given, 0.01 * u.arcsec, unit="deg")
        assert found.matched["row_cat"].tolist() == [0, 1]


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n\x00\x01", b"A letter\n\nDear reader,\nno table here.\n", b""]
)
def test_what_is_no_table_is_told_in_one_line(tmp_path, content):
    """A picture, a letter or nothing at all is an error of one line, without a list."""
    (tmp_path / "t.x").write_bytes(content)
    with pytest.raises(MatchError, match=r"catalog must be a table .* got .*t\.x: ") as caught:
        read_catalog(tmp_path / "t.x", "catalog", wanted=bool)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["t.fits", "t.cat"])
@pytest.mark.parametrize("place", [1, 2])
def test_the_table_with_positions_is_read(tmp_path, name, place):
    """Of a FITS file with several tables, as SExtractor's, the first with positions is taken."""
    columns = {"ALPHA_J2000": THERE.ra, "DELTA_J2000": THERE.dec}
    tables = [fits.BinTableHDU(Table({"Field Header Card": ["a card"]}), name="LDAC_IMHEAD")]
    tables.insert(place - 1, fits.BinTableHDU(QTable(columns), name="LDAC_OBJECTS"))
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(tmp_path / name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = crossmatch(THERE, tmp_path / name, 0.01 * u.arcsec)
    assert found.matched["row_cat"].tolist() == [0, 1]
    said = [str(warning.message) for warning in caught]
    assert len(said) == (place == 2)
    assert all("t has 2 tables: LDAC_OBJECTS is read" in text.replace(name, "t") for text in said)


def test_several_tables_without_positions(tmp_path):
    """Where no table has positions the error is of the first."""
    table = QTable({"n": [1]})
    fits.HDUList([fits.PrimaryHDU(), *[fits.BinTableHDU(table)] * 2]).writeto(tmp_path / "t.fits")
    with pytest.raises(MatchError, match=r"catalog must have columns ra and dec .* got \['n'\]"):
        crossmatch(THERE, tmp_path / "t.fits")
