"""Recall and purity of a table against a catalogue, by arithmetic."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable, Table
from astropy.utils.masked import Masked
from regions import Regions
from scipy.stats import beta

from astro_yolo import compare
from astro_yolo.catalog import make_table, read_table, write_table
from astro_yolo.exceptions import InputWarning, MatchError
from astro_yolo.tests.wcs_cases import CASES, make_wcs


@pytest.fixture
def sides():
    """Ten galaxies, of which seven were found, and three detections that are none of them."""
    ra = 150 + np.arange(13) * 0.01
    catalog = QTable({
        "ra": ra[:10] * u.deg, "dec": np.zeros(10) * u.deg,
        "mag": [17.2, 17.4, 18.1, 18.2, 18.3, 18.9, 19.5, 19.6, 19.7, 19.9],
        "kind": ["spiral"] * 5 + ["elliptical"] * 5,
    })
    chosen = [0, 1, 2, 3, 6, 7, 8, 10, 11, 12]
    table = QTable({
        "ra": ra[chosen] * u.deg, "dec": np.full(10, 0.0001) * u.deg,
        "mag_kron": [17.0, 17.5, 18, 18, 19, 19, 19, 18.5, 19.5, 19.6],
        "label": ["spiral", "spiral", "spiral", "elliptical", "elliptical", "elliptical", "spiral",
                  "spiral", "elliptical", "elliptical"],
    })
    return table, catalog


def test_recall_and_purity_by_magnitude(sides):
    """Bins count the catalogue's magnitude for galaxies, the table's own for false detections."""
    found = compare(*sides, magnitude="mag", table_magnitude="mag_kron", bins=[17, 18, 19, 20])
    assert found.bins["n_catalog"].tolist() == [2, 4, 4]
    assert found.bins["n_found"].tolist() == [2, 2, 3]
    np.testing.assert_allclose(found.bins["recall"], [1, 0.5, 0.75])
    assert found.bins["n_table"].tolist() == [2, 3, 5]
    np.testing.assert_allclose(found.bins["purity"], [1, 2 / 3, 3 / 5])
    # the Jeffreys interval of 2 of 4 (Brown, Cai & DasGupta 2001)
    interval = beta.ppf([0.15865, 0.84135], 2.5, 2.5)
    np.testing.assert_allclose(found.bins["recall_low"][1], interval[0], atol=1e-3)
    np.testing.assert_allclose(found.bins["recall_high"][1], interval[1], atol=1e-3)


def test_without_magnitudes_there_is_one_row(sides):
    """Without a magnitude everything is in one bin; by default whole magnitudes are the edges."""
    assert compare(*sides).bins["recall"].tolist() == [0.7]
    by_default = compare(*sides, magnitude="mag").bins
    assert by_default["low"].tolist() == [17, 18, 19]
    assert by_default["high"].tolist() == [18, 19, 20]


def test_classes_and_confusion(sides):
    """Recall goes by the catalogue's class, purity by the table's; every row is in one cell."""
    found = compare(*sides, catalog_label="kind")
    by_name = {row["label"]: row for row in found.classes}
    assert (by_name["spiral"]["n_found"], by_name["spiral"]["n_catalog"]) == (4, 5)
    assert (by_name["spiral"]["n_true"], by_name["spiral"]["n_table"]) == (4, 5)
    cells = {row["catalog"]: row for row in found.confusion}
    assert cells["spiral"]["spiral"] == 3
    assert cells["spiral"]["elliptical"] == 1
    assert cells["spiral"]["(missed)"] == 1
    assert cells["elliptical"]["(missed)"] == 2
    assert cells["(spurious)"]["elliptical"] == 2
    total = sum(found.confusion[name].sum() for name in found.confusion.colnames[1:])
    assert total == 7 + 3 + 3


def test_classes_of_one_side(sides):
    """Classes of the table alone have a purity and no recall, of the catalogue alone the reverse.

    Of the spirals of the table 4 of 5 are galaxies, of those of the catalogue 4 of 5 were found.
    """
    for label, catalog_label, counts in (("label", None, (0, 0, 5, 4)), ("", "kind", (5, 4, 0, 0))):
        found = compare(*sides, label=label, catalog_label=catalog_label)
        rows = {row["label"]: row for row in found.classes}
        names = "n_catalog", "n_found", "n_table", "n_true"
        assert tuple(rows["spiral"][name] for name in names) == counts
        assert np.isnan(rows["spiral"]["purity"]) == (label != "label")
        assert len(found.confusion) == 0


def test_regions_in_three_colours(sides, tmp_path):
    """The region file holds every object in the colour of its outcome, where it is."""
    found = compare(*sides)
    found.write_regions(tmp_path / "a.reg", size=3 * u.arcsec)
    regions = Regions.read(tmp_path / "a.reg", format="ds9")
    colours = [region.visual["facecolor"] for region in regions]
    assert [colours.count(c) for c in ("#00e676", "#ff5252", "#ffd740")] == [7, 3, 3]
    missed = [r for r in regions if r.visual["facecolor"] == "#ff5252"]
    np.testing.assert_allclose([r.center.ra.deg for r in missed], [150.04, 150.05, 150.09])
    assert missed[0].radius == 3 * u.arcsec
    found.write_regions(tmp_path / "b.reg")
    assert Regions.read(tmp_path / "b.reg", format="ds9")[0].radius == 5 * u.arcsec
    with pytest.raises(OSError, match="exist"):
        found.write_regions(tmp_path / "a.reg")


def test_plot_is_written(sides, tmp_path, monkeypatch):
    """The plot is a picture with points in the middles of the bins, and replaces no file untold."""
    axes = pytest.importorskip("matplotlib.axes").Axes
    drawn, errorbar = [], axes.errorbar
    monkeypatch.setattr(
        axes, "errorbar", lambda *given, **how: drawn.append(given[1:]) or errorbar(*given, **how)
    )
    found = compare(*sides, magnitude="mag", table_magnitude="mag_kron")
    found.plot(tmp_path / "a.png")
    for (x, y, spread), name in zip(drawn, ("recall", "purity"), strict=True):
        assert x.tolist() == [17.5, 18.5, 19.5]
        np.testing.assert_allclose([y - spread[0], y + spread[1]],
                                   [found.bins[f"{name}_low"], found.bins[f"{name}_high"]])
    found.plot(tmp_path / "a.pdf")
    assert (tmp_path / "a.pdf").read_bytes()[:5] == b"%PDF-"
    assert (tmp_path / "a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    with pytest.raises(OSError, match="exist"):
        found.plot(tmp_path / "a.png")
    compare(*sides).plot(tmp_path / "a.png", overwrite=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"magnitude": "r"}, "magnitude must be a column"),
        ({"table_magnitude": "r"}, "table_magnitude must be a column"),
        ({"catalog_label": "r"}, "catalog_label must be a column"),
        ({"magnitude": "mag", "bins": [18, 17]}, "bins must be rising edges"),
        ({"magnitude": "mag", "bins": [17, 17]}, "bins must be rising edges"),
        ({"magnitude": "mag", "bins": [17, 19, 18]}, "bins must be rising edges"),
        ({"magnitude": "mag", "bins": [17]}, "bins must be rising edges"),
        ({"magnitude": "mag", "bins": 17}, "bins must be rising edges, at least two, got 17"),
        ({"magnitude": "mag", "bins": "17,18"}, "bins must be rising edges, .* got 17,18"),
        ({"magnitude": "kind"}, "magnitude='kind' must be numbers, got"),
        ({"magnitude": "fluxes"}, r"magnitude='fluxes' must be numbers, got .*\(5,\) in each row"),
        ({"table_magnitude": "label"}, "table_magnitude='label' must be numbers"),
        ({"bins": [17, 18]}, r"bins must come with magnitude, .* got \[17, 18\] alone"),
    ],
)
def test_bad_input_is_named(sides, change, message):
    """A wrong argument gets an error that says which it is and what was got."""
    sides[1]["fluxes"] = np.ones((10, 5))  # in five bands, as SDSS has them
    with pytest.raises(MatchError, match=message) as caught:
        compare(*sides, **change)
    assert isinstance(caught.value, ValueError)


def test_empty_sides_have_no_shares(sides):
    """Against nothing, or with nothing, shares are NaN and counts zero."""
    table, catalog = sides
    assert np.isnan(compare(table, catalog[:0]).bins["recall"][0])
    empty = compare(table[:0], catalog)
    assert np.isnan(empty.bins["purity"][0])
    assert empty.bins["recall"][0] == 0


def test_the_names_are_functions_whatever_is_imported_first():
    """``from astro_yolo import compare, crossmatch`` gives functions, not modules."""
    import astro_yolo
    import astro_yolo.comparison
    import astro_yolo.matching

    assert callable(astro_yolo.compare)
    assert callable(astro_yolo.crossmatch)


@pytest.fixture
def spurious():
    """Twenty of thirty galaxies found, and thirty detections that are none: purity 20 / 50."""
    ra = 150 + np.arange(60) * 0.01
    catalog = QTable({"ra": ra[:30] * u.deg, "dec": np.zeros(30) * u.deg,
                      "mag": np.repeat([17.5, 18.5, 19.5], 10)})  # fmt: skip
    chosen = [*range(20), *range(30, 60)]
    table = QTable({"ra": ra[chosen] * u.deg, "dec": np.zeros(50) * u.deg,
                    "own": np.full(50, 18.5)})  # fmt: skip
    return table, catalog


def test_purity_that_cannot_be_known_is_nan(spurious):
    """Without the magnitudes of false detections no bin has a purity, and recall is as ever."""
    bins = compare(*spurious, magnitude="mag").bins
    for name in ("purity", "purity_low", "purity_high"):
        assert np.isnan(bins[name]).all()
    assert bins["n_table"].tolist() == bins["n_true"].tolist() == [0, 0, 0]
    assert bins["recall"].tolist() == [1, 1, 0]
    assert compare(*spurious).bins["purity"].tolist() == [0.4]
    # all false ones are of magnitude 18.5: 10 of 10, 10 of 40, nothing
    bins = compare(*spurious, magnitude="mag", table_magnitude="own").bins
    np.testing.assert_allclose(bins["purity"], [1, 0.25, np.nan])


def test_false_detections_without_a_magnitude_are_told(spurious):
    """A false detection that is in no bin is counted in a warning."""
    table, catalog = spurious
    table["own"][-4:] = [np.nan, 99, -99, -9999]
    with pytest.warns(InputWarning, match="table_magnitude: 4 rows without a partner have none"):
        bins = compare(table, catalog, magnitude="mag", table_magnitude="own").bins
    assert bins["n_table"].tolist() == [10, 10 + 26, 0]


@pytest.mark.parametrize("none", [-9999, -99, 99, 99.99, np.inf, np.nan])
def test_values_that_stand_for_none_make_no_bins(sides, none):
    """A magnitude that says there is none is in no bin and makes none."""
    table, catalog = sides
    catalog["mag"][[2, 4]] = none  # of 18.1, found, and 18.3, missed
    bins = compare(table, catalog, magnitude="mag", table_magnitude="mag_kron").bins
    assert bins["low"].tolist() == [17, 18, 19]
    assert bins["n_catalog"].tolist() == [2, 2, 4]
    # the row of 18.1 has its own 18 now
    assert bins["n_table"].tolist() == [2, 3, 5]
    assert bins["n_true"].tolist() == [2, 2, 3]


def test_masked_magnitudes_with_a_unit_are_none(sides):
    """What is masked is in no bin, also in a column with a unit."""
    table, catalog = sides
    catalog["mag"] = Masked(catalog["mag"], mask=[True] * 2 + [False] * 8) * u.mag
    assert compare(table, catalog, magnitude="mag").bins["low"].tolist() == [18, 19]


def test_regions_are_where_the_unit_says(sides):
    """Positions without a unit, given in radians, are drawn at their degrees."""
    places = [QTable({"ra": side["ra"].to_value("rad"), "dec": side["dec"].to_value("rad")})
              for side in sides]  # fmt: skip
    assert compare(*places, unit="rad").regions() == compare(*sides).regions()


# Pixels in an image of 800 by 600: two rows of a table, and objects in the image, at its corner,
# just beyond it, far beyond it, behind it, and in it again.
FOUND = [[100.0, 100.0], [400.0, 300.0]]
OBJECTS = [[100.0, 100.0], [-0.4, 599.4], [-0.6, 300.0], [400.0, 599.6], [9000.0, 300.0],
           [400.0, 300.0], [700.0, 500.0]]  # fmt: skip
BEYOND = [2, 3, 4, 7]


def of_an_image(wcs):
    """Return a table of two detections in an image, and a catalogue of a larger piece of sky."""
    boxes = [[x - 4.5, y - 4.5, x + 5.5, y + 5.5] for x, y in FOUND]
    table = make_table(boxes, [0.9, 0.8], np.full((2, 5), 0.2), [0, 0], [0, 0], wcs=wcs)
    place = wcs.pixel_to_world(*np.transpose(OBJECTS)).icrs
    behind = place[0].ra.deg + 180, -place[0].dec.deg
    catalog = QTable({"ra": [*place.ra.deg, behind[0]] * u.deg,
                      "dec": [*place.dec.deg, behind[1]] * u.deg,
                      "mag": [17.5, 17.5, 14.5, 17.5, 21.5, 18.5, 18.5, 17.5],
                      "kind": ["a"] * 8, "number": np.arange(8)})  # fmt: skip
    return table, catalog


@pytest.mark.parametrize("case", CASES)
def test_only_the_searched_image_counts(case):
    """What the catalogue has beyond the image of the table is not missed, but left out and told."""
    found = compare(*of_an_image(make_wcs(**CASES[case])), magnitude="mag", catalog_label="kind")
    assert found.outside["number"].tolist() == BEYOND
    assert found.bins.meta["OUTSIDE"] == 4
    assert found.match.unmatched_catalog["number"].tolist() == [1, 6]
    assert found.bins["low"].tolist() == [17, 18]
    assert found.bins["n_catalog"].tolist() == [2, 2]
    assert {row["label"]: row["n_catalog"] for row in found.classes}["a"] == 4
    assert found.bins["recall"].tolist() == [0.5, 0.5]
    assert found.confusion["(missed)"].tolist() == [2, 0]
    assert found.regions().count("tag={missed}") == 2


@pytest.mark.parametrize("name", ["t.ecsv", "t.fits", "t.vot"])
def test_the_image_of_a_file_is_known(tmp_path, name):
    """A table that was written and read knows its image, and a table without sky counts all."""
    table, catalog = of_an_image(make_wcs())
    write_table(table, tmp_path / name)
    for given in (tmp_path / name, read_table(tmp_path / name)):
        assert compare(given, catalog).bins["recall"].tolist() == [0.5]
    for meta in ({}, {"WCS": "other"}, {"WCS": 3}):
        table.meta = meta
        found = compare(table, catalog)
        assert found.bins["recall"].tolist() == [0.25]
        assert (found.bins.meta["OUTSIDE"], len(found.outside)) == (0, 0)


def test_a_partner_beyond_the_border_is_one():
    """An object just beyond the border that was found counts as found, and nothing is spurious."""
    wcs = make_wcs()
    table, catalog = of_an_image(wcs)
    table["ra"][0], table["dec"][0] = catalog["ra"][2], catalog["dec"][2]
    found = compare(table, catalog)
    assert found.outside["number"].tolist() == [3, 4, 7]
    assert (found.bins["n_catalog"][0], found.bins["n_found"][0]) == (5, 2)
    assert found.bins["purity"].tolist() == [1.0]


def test_rows_of_several_images_are_held_against_all():
    """A table with rows beyond the one image it names is held against all, with a warning."""
    table, catalog = of_an_image(make_wcs())
    table["ra"][1], table["dec"][1] = catalog["ra"][4], catalog["dec"][4]
    with pytest.warns(InputWarning, match="table: has rows beyond the image"):
        found = compare(table, catalog)
    assert found.bins["recall"].tolist() == [0.25]
    assert len(found.outside) == 0


@pytest.mark.parametrize("empty", [True, False])
def test_a_class_that_is_not_known_is_none(sides, empty):
    """A masked or empty class is "(none)", whatever is below the mask, and every row counts."""
    table, catalog = sides
    mask = np.arange(10) < 4  # of five spirals four, of which the detections 0 to 3 are partners
    kinds = np.where(mask, "", catalog["kind"]) if empty else catalog["kind"]
    catalog["kind"] = kinds if empty else MaskedColumn(kinds, mask=mask)
    found = compare(table, catalog, catalog_label="kind")
    rows = {row["label"]: row["n_catalog"] for row in found.classes}
    assert rows == {"(none)": 4, "elliptical": 5, "spiral": 1}
    cells = {row["catalog"]: row for row in found.confusion}
    assert (cells["(none)"]["spiral"], cells["(none)"]["elliptical"]) == (3, 1)
    assert cells["spiral"]["(missed)"] == 1
    assert sum(found.confusion[name].sum() for name in found.confusion.colnames[1:]) == 13


def test_regions_of_a_catalogue_of_text(sides):
    """Where positions are text and no object was missed, regions are written all the same."""
    table, catalog = sides
    place = SkyCoord(catalog["ra"], catalog["dec"])[:2]
    words = [row.split() for row in place.to_string("hmsdms", precision=6, sep=":")]
    catalog = Table({"RA": [ra for ra, _ in words], "Dec": [dec for _, dec in words]})
    text = compare(table, catalog).regions()
    names = ("matched", "missed", "spurious")
    assert [text.count(f"tag={{{name}}}") for name in names] == [2, 0, 8]


@pytest.mark.parametrize("size", [5, -1 * u.arcsec, np.nan * u.arcsec, 1 * u.m, [1, 2] * u.arcsec])
def test_circles_of_no_size(sides, size, tmp_path):
    """A radius that is no angle above zero is an error that names it, and no file is written."""
    found = compare(*sides)
    with pytest.raises(MatchError, match=r"size must be (an|one positive) angle"):
        found.write_regions(tmp_path / "a.reg", size=size)
    assert list(tmp_path.iterdir()) == []
