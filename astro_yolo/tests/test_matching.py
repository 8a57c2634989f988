"""Matching on the sky, held against brute force and arithmetic."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable, Table
from astropy.time import Time
from erfa import ErfaWarning

from astro_yolo import crossmatch
from astro_yolo.catalog import make_table
from astro_yolo.exceptions import InputWarning, MatchError
from astro_yolo.tests.wcs_cases import make_wcs

RADIUS = 30 * u.arcsec


def scattered(count, rng, where="field"):
    """Return random positions: in a field of 0.2 degrees, about a pole, or across RA 0."""
    if where == "pole":
        angle, distance = rng.uniform(0, 360, count), 0.1 * np.sqrt(rng.uniform(0, 1, count))
        return SkyCoord(angle, 90 - distance, unit="deg")
    centre = {"field": 150.0, "zero": 0.0}[where]
    ra = (centre + rng.uniform(-0.1, 0.1, count)) % 360
    return SkyCoord(ra, rng.uniform(-0.1, 0.1, count), unit="deg")


def brute_force(ours, theirs, radius, mode):
    """Return the pairs by Astropy's separations of all with all."""
    angle = ours[:, None].separation(theirs[None]).to_value(u.arcsec)
    near = angle <= radius.to_value(u.arcsec)
    if mode == "all":
        return {tuple(pair) for pair in np.argwhere(near)}
    best = {(i, int(row.argmin())) for i, row in enumerate(angle) if near[i].any()}
    if mode == "best":
        return best
    return {(i, j) for i, j in best if angle[:, j].argmin() == i}


@pytest.mark.parametrize("mode", ["one-to-one", "best", "all"])
@pytest.mark.parametrize("where", ["field", "pole", "zero"])
def test_equals_brute_force(mode, where):
    """A thousand random cases give the pairs of brute force, at poles and RA 0 too."""
    rng = np.random.default_rng(7)
    for _ in range(112):
        ours, theirs = scattered(rng.integers(1, 30), rng, where), scattered(20, rng, where)
        matched = crossmatch(ours, theirs, RADIUS, mode=mode).matched
        found = set(zip(matched["row"].tolist(), matched["row_cat"].tolist(), strict=True))
        assert found == brute_force(ours, theirs, RADIUS, mode)


@pytest.mark.parametrize("where", ["field", "pole", "zero"])
def test_separation_and_position_angle_are_astropys(where):
    """Separation and position angle of each pair equal Astropy's."""
    rng = np.random.default_rng(3)
    ours, theirs = scattered(50, rng, where), scattered(50, rng, where)
    matched = crossmatch(ours, theirs, 200 * u.arcsec, mode="best").matched
    first, second = ours[matched["row"]], theirs[matched["row_cat"]]
    np.testing.assert_allclose(
        matched["separation"].to_value(u.arcsec),
        first.separation(second).to_value(u.arcsec),
        rtol=1e-8,
    )
    turn = (matched["position_angle"] - first.position_angle(second)).to_value(u.deg)
    np.testing.assert_allclose((turn + 180) % 360 - 180, 0, atol=0.05)


def test_every_row_is_accounted_for():
    """Matched, unmatched and rejected rows together are the rows that came in, on both sides."""
    rng = np.random.default_rng(5)
    place = scattered(200, rng)
    ra = MaskedColumn(place.ra.deg, mask=rng.random(200) < 0.1, unit="deg")
    dec = place.dec.deg.copy()
    dec[:5], dec[5:8] = np.nan, 91.0
    ours = Table({"ra": ra, "dec": dec * u.deg, "name": np.arange(200)})
    theirs = scattered(150, rng)
    for mode in ("one-to-one", "best", "all"):
        found = crossmatch(ours, theirs, RADIUS, mode=mode)
        names = [*set(found.matched["name"]), *found.unmatched["name"], *found.rejected["name"]]
        assert sorted(names) == list(range(200))
        used = len(set(found.matched["row_cat"].tolist()))
        assert used + len(found.unmatched_catalog) + len(found.rejected_catalog) == 150
    bad = np.asarray(ra.mask) | ~(np.abs(dec) <= 90)
    assert len(found.rejected) == bad.sum()


def test_radius_by_row_column_and_size():
    """A radius may differ by row: an array, a column, or half of the box."""
    wcs = make_wcs()
    boxes = np.array([[10.0, 10, 20, 20], [100, 100, 180, 140]])
    table = make_table(boxes, [0.9, 0.8], np.full((2, 5), 0.2), [0, 0], [0, 0], wcs=wcs)
    place = SkyCoord(table["ra"], table["dec"])
    beside = place.directional_offset_by(0 * u.deg, 6 * u.arcsec)
    half = (np.maximum(table["width"], table["height"]) / 2).to_value(u.arcsec)
    assert half[0] < 6 < half[1]
    assert crossmatch(table, beside, "size").matched["row"].tolist() == [1]
    table["reach"] = [7, 5] * u.arcsec
    assert crossmatch(table, beside, "reach").matched["row"].tolist() == [0]
    assert crossmatch(table, beside, [5, 7] * u.arcsec).matched["row"].tolist() == [1]


def test_chance_probability_is_that_of_shifted_catalogues():
    """The expected number of chance matches is that found after shifting the table away."""
    rng = np.random.default_rng(11)
    ra, dec = rng.uniform(0, 1, (2, 20_000))
    theirs = SkyCoord(ra, dec, unit="deg")
    ours = SkyCoord(*rng.uniform(0.1, 0.9, (2, 3000)), unit="deg")
    found = crossmatch(ours, theirs, 8 * u.arcsec, mode="best")
    # 20 000 a square degree: 20000 pi (8/3600)^2 = 0.310 within the radius, 1 - exp = 0.267
    assert found.expected_by_chance / 3000 == pytest.approx(-np.expm1(-0.310), rel=0.05)
    shifted = ours.directional_offset_by(40 * u.deg, 60 * u.arcsec)
    number = len(crossmatch(shifted, theirs, 8 * u.arcsec, mode="best").matched)
    assert number == pytest.approx(found.expected_by_chance, abs=4 * np.sqrt(number))
    # of unrelated pairs the chance probability is uniform up to its value at the radius
    chance = np.asarray(found.matched["p_chance"])
    assert np.median(chance) == pytest.approx(0.267 / 2, abs=0.02)


def test_offset_is_measured_and_taken_off():
    """An offset of the catalogue comes back to its error, and more is matched without it."""
    rng = np.random.default_rng(13)
    ours = scattered(300, rng)
    theirs = ours.directional_offset_by(30 * u.deg, 1.6 * u.arcsec)
    noise = rng.normal(0, 0.3, (2, 300)) * u.arcsec
    theirs = theirs.spherical_offsets_by(*noise)
    plain = crossmatch(ours, theirs, 2 * u.arcsec)
    assert plain.offset.east.to_value(u.arcsec) == pytest.approx(0.8, abs=0.1)
    assert plain.offset.north.to_value(u.arcsec) == pytest.approx(1.6 * np.cos(np.pi / 6), abs=0.1)
    assert plain.offset.scatter_east.to_value(u.arcsec) == pytest.approx(0.3, rel=0.25)
    corrected = crossmatch(ours, theirs, 2 * u.arcsec, correct=True)
    assert len(corrected.matched) > len(plain.matched)
    assert np.median(corrected.matched["separation"]) < 0.5 * u.arcsec


def test_proper_motions_move_the_catalogue():
    """A star of 10 arcsec a year is found where it stood ten years before the catalogue."""
    theirs = QTable({
        "ra": [150.0] * u.deg, "dec": [60.0] * u.deg, "pmra": [6000.0] * u.mas / u.yr,
        "pmdec": [8000.0] * u.mas / u.yr, "ref_epoch": [2016.0] * u.yr,
    })
    then = SkyCoord(150 * u.deg, 60 * u.deg).spherical_offsets_by(-60 * u.arcsec, -80 * u.arcsec)
    ours = SkyCoord([then.ra.deg], [then.dec.deg], unit="deg")
    assert len(crossmatch(ours, theirs, 1 * u.arcsec).matched) == 0
    assert len(crossmatch(ours, theirs, 1 * u.arcsec, epoch=2006.0).matched) == 1


NAMES = [
    ("ra", "dec", "pmra", "pmdec", "ref_epoch"),
    ("RA_ICRS", "DE_ICRS", "pmRA", "pmDE", "Epoch"),
    ("ra", "dec", "pm_ra_cosdec", "pm_dec", "RefEpoch"),
]


def runaway(names=NAMES[0], **more):
    """Give a star of 6 arcsec a year to the east and 8 to the north, where it was in 2016."""
    values = ([150.0] * u.deg, [60.0] * u.deg, [6000.0] * u.mas / u.yr, [8000.0] * u.mas / u.yr,
              [2016.0] * u.yr)  # fmt: skip
    return QTable({**dict(zip(names, values, strict=False)), **more})


def where_in(year):
    """Say where astropy moves the same star to."""
    now = SkyCoord([150.0], [60.0], unit="deg", pm_ra_cosdec=[6000.0] * u.mas / u.yr,
                   pm_dec=[8000.0] * u.mas / u.yr, obstime="J2016.0")  # fmt: skip
    with pytest.warns(ErfaWarning, match="distance overridden"):
        then = now.apply_space_motion(Time(year, format="jyear"))
    return now, SkyCoord(then.ra, then.dec)


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("epoch", [2006.0, 2006, np.float32(2006), Time(2006.0, format="jyear")])
def test_motions_by_their_names(names, epoch):
    """Columns as Gaia, VizieR and Astropy name them move a star to a year or a Time."""
    _, then = where_in(2006.0)
    found = crossmatch(then, runaway(names), 0.01 * u.arcsec, epoch=epoch)
    assert len(found.matched) == 1
    assert found.matched["RA_ICRS" if names is NAMES[1] else "ra_cat"][0] == 150 * u.deg
    in_degrees = runaway(names)
    in_degrees[names[2]] = in_degrees[names[2]].to("deg/yr")
    assert len(crossmatch(then, in_degrees, 0.01 * u.arcsec, epoch=epoch).matched) == 1


@pytest.mark.parametrize("frame", ["icrs", "galactic", "fk5"])
@pytest.mark.parametrize("kind", ["SkyCoord", "column", "table"])
def test_motion_of_a_skycoord(frame, kind):
    """A SkyCoord with proper motions and a time is moved as apply_space_motion moves it."""
    now, then = where_in(2006.0)
    star = now.transform_to(frame)
    catalog = star if kind == "SkyCoord" else QTable({"place": star, "mag": [9.0]})
    pair = (catalog, then) if kind == "table" else (then, catalog)
    assert len(crossmatch(*pair, 0.01 * u.arcsec, epoch=2006.0).matched) == 1
    assert len(crossmatch(*pair, 1 * u.arcsec).matched) == 0


def test_motion_in_three_dimensions():
    """The radial velocity of a near star counts: Barnard's star gains 1.25 mas a year each year."""
    star = SkyCoord(
        [269.45] * u.deg, [4.69] * u.deg, distance=[1.83] * u.pc, obstime="J2020.0",
        pm_ra_cosdec=[-802] * u.mas / u.yr, pm_dec=[10362] * u.mas / u.yr,
        radial_velocity=[-110] * u.km / u.s,
    )  # fmt: skip
    then = star.apply_space_motion(Time(1970.0, format="jyear"))
    ours = SkyCoord(then.ra, then.dec)
    assert len(crossmatch(ours, star, 0.01 * u.arcsec, epoch=1970.0).matched) == 1


def test_skycoord_without_a_motion_here_and_there():
    """Of a SkyCoord, what has no proper motion stays, and is matched where it is."""
    now = SkyCoord([150.0, 151.0, np.nan], [60.0, 61.0, 1.0], unit="deg", obstime="J2016.0",
                   pm_ra_cosdec=[6000.0, np.nan, 1.0] * u.mas / u.yr,
                   pm_dec=[8000.0, 1.0, 1.0] * u.mas / u.yr)  # fmt: skip
    _, then = where_in(2006.0)
    ours = SkyCoord([then.ra[0].deg, 151.0], [then.dec[0].deg, 61.0], unit="deg")
    found = crossmatch(ours, now, 0.01 * u.arcsec, epoch=2006.0)
    assert found.matched["row_cat"].tolist() == [0, 1]
    assert len(found.rejected_catalog) == 1


def test_motions_without_an_epoch_are_refused():
    """Proper motions of which nobody knows the epoch are an error where an epoch is asked for."""
    table = runaway()
    del table["ref_epoch"]
    with pytest.raises(MatchError, match=r"catalog must have a column ref_epoch \(Julian years\)"):
        crossmatch(table[["ra", "dec"]], table, epoch=2006.0)
    with pytest.raises(MatchError, match="table must have a column ref_epoch"):
        crossmatch(table, table[["ra", "dec"]], epoch=2006.0)
    place = SkyCoord([150.0], [60.0], unit="deg", pm_ra_cosdec=[1] * u.mas / u.yr,
                     pm_dec=[1] * u.mas / u.yr)  # fmt: skip
    with pytest.raises(MatchError, match="catalog must have obstime beside its proper motions"):
        crossmatch(table[["ra", "dec"]], place, epoch=2006.0)
    assert len(crossmatch(table, place).matched) == 1


def test_no_motions_stay_where_they_are():
    """An epoch without any proper motion, or with none that is known, moves nothing."""
    plain = runaway()[["ra", "dec"]]
    unknown = runaway(pmra=[np.nan] * u.mas / u.yr)
    del unknown["ref_epoch"]
    radial = SkyCoord([150.0], [60.0], [1.0], unit=("deg", "deg", "pc"),
                      radial_velocity=[9] * u.km / u.s)  # fmt: skip
    for catalog in (plain, unknown, radial, SkyCoord([150.0], [60.0], unit="deg")):
        assert len(crossmatch(plain, catalog, 0.01 * u.arcsec, epoch=2006.0).matched) == 1


def test_a_row_without_a_reference_epoch_is_told():
    """A row that has a motion and no reference epoch stays, with a warning; others move."""
    table = QTable({
        "ra": [150.0, 151.0] * u.deg, "dec": [60.0, 60.0] * u.deg, "pmra": [0.0, 0] * u.mas / u.yr,
        "pmdec": [1000.0, 1000] * u.mas / u.yr, "ref_epoch": [2016.0, np.nan],
    })
    ours = SkyCoord([150.0, 151.0], [60 - 10 / 3600, 60.0], unit="deg")
    with pytest.warns(InputWarning, match="catalog: 1 rows have a proper motion and no reference"):
        found = crossmatch(ours, table, 0.01 * u.arcsec, epoch=2006.0)
    assert len(found.matched) == 2


@pytest.mark.parametrize(
    ("change", "epoch", "message"),
    [
        ({}, "2006", "epoch must be a Julian year such as 2004.7, or one Time, got '2006'"),
        ({}, Time([2006.0, 2007.0], format="jyear"), "or one Time"),
        ({}, np.nan, "epoch must be"),
        ({}, True, "epoch must be"),
        ({"ref_epoch": [57388.0]}, 2006, r"\['ref_epoch'\] must be Julian years .* got 57388"),
        ({"ref_epoch": ["J"]}, 2006, r"\['ref_epoch'\] must be numbers in yr"),
        ({"pmra": [1.0] * u.m}, 2006, r"\['pmra'\] must be numbers in mas / yr"),
    ],
)
def test_bad_epochs_are_named(change, epoch, message):
    """An epoch or a motion that is none is an error that says so."""
    with pytest.raises(MatchError, match=message):
        crossmatch(runaway(), runaway(**change), epoch=epoch)


def test_half_a_motion_is_named():
    """A column of a proper motion without the other one is an error where it would be applied."""
    table = runaway()
    del table["pmdec"]
    with pytest.raises(MatchError, match="both columns of a proper motion, got 'pmra' alone"):
        crossmatch(table, table, epoch=2006.0)
    assert len(crossmatch(table, table).matched) == 1


def test_a_time_column_is_a_reference_epoch():
    """The reference epoch may be a column of times."""
    _, then = where_in(2006.0)
    table = runaway(ref_epoch=Time([2016.0], format="jyear"))
    assert len(crossmatch(then, table, 0.01 * u.arcsec, epoch=2006.0).matched) == 1


def test_positions_of_the_epoch_that_is_named():
    """VizieR's Gaia has positions of 2000 too: those of the epoch that it names are moved."""
    _, then = where_in(2006.0)
    _, other = where_in(2000.0)
    table = runaway(NAMES[1], RAJ2000=other.ra, DEJ2000=other.dec)
    assert len(crossmatch(then, table, 0.01 * u.arcsec, epoch=2006.0).matched) == 1
    assert len(crossmatch(other, table, 0.01 * u.arcsec).matched) == 1
    for name in ("RA_ICRS", "DE_ICRS", "RAJ2000", "DEJ2000"):
        table[name] = table[name].value
    assert len(crossmatch(then, table, 0.01 * u.arcsec, epoch=2006.0, unit="deg").matched) == 1


@pytest.mark.parametrize("mode", ["one-to-one", "best", "all"])
def test_rows_that_are_there_twice(mode):
    """Equal ids and positions on both sides lose no row: each is in a pair or left over."""
    ours = QTable({"id": [1, 1, 2], "ra": [10.0, 10, 11] * u.deg, "dec": [0.0, 0, 0] * u.deg})
    theirs = QTable({"id": [7, 7, 8], "ra": [10.0, 10, 12] * u.deg, "dec": [0.0, 0, 0] * u.deg})
    found = crossmatch(ours, theirs, 1 * u.arcsec, mode=mode)
    rows = {*found.matched["row"].tolist()}
    assert len(rows) + len(found.unmatched) == 3
    assert len({*found.matched["row_cat"].tolist()}) + len(found.unmatched_catalog) == 3
    assert len(found.matched) == {"one-to-one": 1, "best": 2, "all": 4}[mode]
    assert len(found.ambiguous) == 4


def test_ambiguous_rows_are_listed_with_all_candidates():
    """Two candidates for one row are both in the list; a row with one is not."""
    ours = SkyCoord([10.0, 11.0], [0.0, 0.0], unit="deg")
    theirs = SkyCoord([10.0001, 9.9998, 11.0], [0.0, 0.0, 0.0], unit="deg")
    found = crossmatch(ours, theirs, 2 * u.arcsec)
    assert found.matched["row_cat"].tolist() == [0, 2]
    assert found.ambiguous["row"].tolist() == [0, 0]
    np.testing.assert_allclose(
        found.ambiguous["separation"].to_value(u.arcsec), [0.36, 0.72], rtol=1e-6
    )


def test_columns_of_both_sides_are_kept():
    """Names that both tables have stay apart; all other columns keep their names and units."""
    ours = QTable({"ra": [1.0] * u.deg, "dec": [1.0] * u.deg, "flux": [3.0] * u.Jy, "row": [7]})
    theirs = QTable({"RA": [1.0] * u.deg, "DEC": [1.0] * u.deg, "flux": [4.0] * u.mJy})
    matched = crossmatch(ours, theirs).matched
    assert (matched["flux"].unit, matched["flux_cat"].unit) == (u.Jy, u.mJy)
    assert (matched["row_1"][0], matched["row"][0]) == (7, 0)
    assert {"ra", "dec", "RA", "DEC", "separation", "position_angle"} <= set(matched.colnames)


@pytest.mark.parametrize("empty", ["table", "catalog", "both"])
def test_empty_inputs_give_an_empty_result_of_the_same_form(empty):
    """Nothing to match is no error: zero pairs, the other side unmatched, the same columns."""
    some = QTable({"ra": [1.0, 2.0] * u.deg, "dec": [1.0, 2.0] * u.deg})
    none = some[:0]
    table, catalog = {"table": (none, some), "catalog": (some, none), "both": (none, none)}[empty]
    found = crossmatch(table, catalog)
    assert found.matched.colnames == crossmatch(some, some).matched.colnames
    assert len(found.matched) == len(found.ambiguous) == 0
    assert len(found.unmatched) == len(table)
    assert len(found.unmatched_catalog) == len(catalog)
    assert np.isnan(found.offset.east)


def test_no_overlap_gives_no_pairs():
    """Fields on two sides of the sky have no pairs and no error."""
    found = crossmatch(SkyCoord([1.0], [1.0], unit="deg"), SkyCoord([181.0], [-1.0], unit="deg"))
    assert len(found.matched) == 0
    assert "unmatched=1" in repr(found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"table": QTable({"x": [1.0]})}, "table must have columns ra and dec"),
        ({"table": Table({"ra": [1.0], "dec": [1.0]})}, "must have a unit, got none"),
        ({"table": QTable({"ra": [1.0] * u.m, "dec": [1.0] * u.deg})}, "must be an angle"),
        ({"catalog": 3}, "catalog must be a Table, a file or a SkyCoord"),
        ({"catalog": "nowhere.fits"}, "nowhere.fits"),
        ({"radius": 3}, "radius must be an angle"),
        ({"radius": 0 * u.arcsec}, "radius must be positive, got 0.0 arcsec$"),
        ({"radius": np.nan * u.arcsec}, "radius must be positive, got nan arcsec$"),
        ({"radius": [1, -2] * u.arcsec, "table": SkyCoord([1, 2], [0, 0], unit="deg")},
         r"radius must be positive, got -2.0 arcsec$"),
        ({"radius": np.ones(1)}, "radius must be an angle .* got 1 values in no unit$"),
        ({"radius": "2 arcsec"}, "radius='2 arcsec' is no angle .* needs the column"),
        ({"radius": [1, 2, 3] * u.arcsec}, "radius must be one angle or one a row"),
        ({"radius": "size"}, "needs the column 'width'"),
        ({"radius": "name", "table": runaway(name=["x"])}, "radius='name' must be numbers"),
        ({"mode": "worst"}, "mode must be one of"),
    ],
)
def test_bad_input_is_named(change, message):
    """Each wrong argument gets an error that says which it is, the rule, and what was got."""
    good = QTable({"ra": [1.0] * u.deg, "dec": [1.0] * u.deg})
    arguments = {"table": good, "catalog": good, "radius": 1 * u.arcsec, **change}
    with pytest.raises((MatchError, OSError), match=message):
        crossmatch(**arguments)


def test_unit_keyword_serves_plain_columns():
    """Columns without a unit are taken in the unit that the caller names."""
    plain = Table({"ra": [1.0], "dec": [1.0]})
    assert len(crossmatch(plain, plain, unit="deg").matched) == 1


def test_files_are_read(tmp_path):
    """Both sides may be files: our own tables, or any that Astropy reads."""
    table = QTable({"ra": [1.0] * u.deg, "dec": [1.0] * u.deg})
    table.write(tmp_path / "a.ecsv")
    Table(table).write(tmp_path / "b.fits")
    assert len(crossmatch(tmp_path / "a.ecsv", str(tmp_path / "b.fits")).matched) == 1
