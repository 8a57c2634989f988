"""Images that a table is measured in: on its grid, with pixels that can be used, in any unit."""

import numpy as np
import pytest
from astropy import units as u
from astropy.io.votable.ucd import check_ucd
from astropy.table import QTable
from astropy.wcs import WCS

from astro_yolo import measure, write_table
from astro_yolo._sky import pixel_to_sky
from astro_yolo.catalog import read_table
from astro_yolo.exceptions import AstroYoloWarning, MeasurementError
from astro_yolo.image import read_image
from astro_yolo.measuring import MEASURE_FLAGS, _neighbours, _tangents
from astro_yolo.tests.test_measuring import FLUX, field, table_of
from astro_yolo.tests.wcs_cases import CASES, SCALE, SHAPE, make_wcs

IMAGE, BOXES, _ = field(1)


def moved(dx, dy, **options):
    """Return the WCS of an image whose pixels are off by as many."""
    wcs = make_wcs(**options)
    wcs.wcs.crpix += dx, dy
    wcs.wcs.set()
    return wcs


@pytest.mark.parametrize("options", [{}, {"sip": 5e-5}, {"dec": 89.97}, {"frame": "galactic"}])
@pytest.mark.parametrize(
    ("off", "away"), [((4.0, 14.0), r"14\.[4-6]"), ((0.0, -0.15), r"0\.1[45]\d*")]
)
def test_an_image_on_another_grid_is_refused(off, away, options):
    """A table of r in a g frame whose pixels are off: an error that says by how much, and what."""
    table = table_of(BOXES, make_wcs(**options))
    image = read_image(IMAGE, wcs=moved(*off, **options))
    with pytest.raises(MeasurementError, match=f"^table must .* up to {away} pixels .*all bands"):
        measure(table, image)
    with pytest.raises(MeasurementError, match=r"^psf must .* WCS out of psf\.meta"):
        measure(table_of(BOXES), image, psf=table)


@pytest.mark.parametrize(
    "pixel", [[[1.12, 0], [0, 1]], [[-1, 0.1], [0, 1]], [[0.3, 1], [0.5, 0]]]
)
def test_axes_on_the_sky_where_pixels_are_not_square(pixel):
    """Sizes and angle are those of the ellipse on the sky, where pixels are long or skewed too."""
    wcs = make_wcs()
    wcs.wcs.cd = SCALE / 3600 * np.array(pixel)
    wcs.wcs.set()
    pa = np.radians(30)
    turn = np.array([[np.sin(pa), np.cos(pa)], [np.cos(pa), -np.sin(pa)]])  # axes to east, north
    on_sky = turn @ np.diag([5.0**2, 3.0**2]) @ turn.T
    back = np.linalg.inv(pixel)
    squares = np.linalg.inv(back @ on_sky @ back.T)
    places = np.stack(np.mgrid[-60:61, -60:61][::-1])
    light = 1000 * np.exp(-0.5 * np.einsum("iyx,ij,jyx->yx", places, squares, places))
    light += np.random.default_rng(3).normal(size=light.shape)
    found = measure(table_of(np.array([[45, 45, 75, 75]])), read_image(light, wcs=wcs))[0]
    assert found["pa"].to_value(u.deg) == pytest.approx(30, abs=0.5)
    assert [found[k].to_value(u.arcsec) / SCALE for k in "ab"] == pytest.approx([5, 3], rel=0.01)


def test_an_image_turned_a_little_is_refused():
    """The place that is most off counts: a corner, for an image turned by 0.05 degrees."""
    corners = [np.hypot(x - 250, y - 200) for y in (0, IMAGE.shape[0] - 1)
               for x in (0, IMAGE.shape[1] - 1)]  # fmt: skip
    away = f"{np.radians(0.05) * max(corners):.2g}"
    with pytest.raises(MeasurementError, match=rf"up to {away}\d* pixels"):
        measure(table_of(BOXES, make_wcs()), read_image(IMAGE, wcs=make_wcs(turn=0.05)))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("ending", [None, "ecsv", "fits"])
def test_the_same_grid_is_not_refused(case, ending, tmp_path):
    """The table's own image, also after the table was in a file, however the sky is bent."""
    wcs = make_wcs(**CASES[case])
    table = table_of(BOXES[:1], wcs)
    if ending:
        write_table(table, tmp_path / f"t.{ending}")
        table = read_table(tmp_path / f"t.{ending}")
    found = measure(table, (IMAGE, wcs))
    assert found["kron_flux_band1"][0] == pytest.approx(FLUX, rel=0.08)


def test_sky_that_one_of_two_does_not_know_is_no_reason():
    """Half of an all-sky image is off the sky: its own table is not refused, one elsewhere is."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---AIT", "DEC--AIT"], [0.0, 0.0]
    wcs.wcs.crpix, wcs.wcs.cdelt = [401, 301], [-0.6, 0.6]
    image = read_image(IMAGE, wcs=wcs)
    assert len(measure(table_of(BOXES, image.wcs), image)) == 12
    with pytest.raises(MeasurementError, match="on the pixel grid"):
        measure(table_of(BOXES, make_wcs()), image)


def test_without_sky_coordinates_the_shape_must_be_the_tables():
    """An image without a WCS is refused where the table knows that its own has another shape."""
    table = table_of(BOXES, make_wcs())
    assert len(measure(table, IMAGE)) == 12
    assert len(measure(table_of(BOXES), IMAGE[:-20])) == 12
    with pytest.raises(MeasurementError, match=r"shape \(580, 800\) for a table of .*\(600, 800\)"):
        measure(table, IMAGE[:-20])
    sizeless = make_wcs()
    sizeless.pixel_shape = None
    assert len(measure(table_of(BOXES, sizeless), IMAGE[:-20])) == 12
    # a part of the image whose WCS gives the same pixels the same sky
    assert len(measure(table, (IMAGE[:-20], make_wcs()))) == 12


@pytest.mark.parametrize("margin", [-1, 2, 30, 100])
def test_a_galaxy_of_bad_pixels_is_not_measured(margin):
    """Its box masked or NaN: NaN in every column, flag 32 and a warning, not a flux of 0."""
    image, mask = IMAGE.copy(), np.zeros(SHAPE, bool)
    for k, bad in ((0, image), (5, mask)):
        x0, y0, x1, y1 = (BOXES[k] + [-margin, -margin, margin, margin]).astype(int)
        bad[max(y0, 0) : y1, max(x0, 0) : x1] = np.nan if bad is image else True
    table = table_of(BOXES)
    with pytest.warns(AstroYoloWarning, match="2 of 12 rows could not be measured"):
        found = measure(table, read_image(image, mask=mask), zeropoint=22.5)
    assert found["measure_flags"][[0, 5]].tolist() == [32, 32]
    for name in ("kron_flux_band1", "kron_flux_err_band1", "aper_flux_band1", "kron_mag_band1",
                 "aper_flux_err_band1", "sky_band1", "a_pix", "kron_radius", "half_light_radius"):
        assert np.isnan(np.asarray(found[name])[[0, 5]]).all(), name
        assert np.isfinite(np.asarray(found[name])[[1, 2, 3]]).all(), name


def test_a_galaxy_with_some_bad_pixels_is_measured():
    """A third of the box bad: measured, and flagged."""
    image = IMAGE.copy()
    x0, y0, x1, y1 = BOXES[4].astype(int)
    image[y0 : y0 + (y1 - y0) // 3, x0:x1] = np.nan
    found = measure(table_of(BOXES), image)
    assert found["measure_flags"][4] & MEASURE_FLAGS["masked"]
    assert not (found["measure_flags"] & MEASURE_FLAGS["failed"]).any()
    assert found["kron_flux_band1"][4] == pytest.approx(FLUX, rel=0.2)


def test_a_circle_of_bad_pixels_alone_has_no_flux():
    """Where a hole in the middle holds the circle, but not the box: NaN, and the row is flagged."""
    image = np.zeros((80, 80))
    image[36:45, 36:45] = np.nan
    table = QTable({"xmin": [25.0], "ymin": [25.0], "xmax": [55.0], "ymax": [55.0]})
    found = measure(table, image, aperture=3.0, zeropoint=22.5)
    assert found["measure_flags"][0] & MEASURE_FLAGS["masked"]
    assert np.isnan([found["aper_flux_band1"][0], found["aper_flux_err_band1"][0]]).all()
    assert found["kron_flux_band1"][0] == 0
    assert np.isnan([found["kron_mag_band1"][0].value, found["kron_mag_err_band1"][0].value]).all()
    assert measure(table, image, aperture=7.0)["aper_flux_band1"][0] == 0


@pytest.mark.parametrize("factor", [1e-36, 1e-34, 1e-32, 3.631e-29, 1e-18, 1e10, 1e20])
def test_any_unit_gives_the_same_magnitudes(factor):
    """Fluxes times a factor, in W/m2/Hz or electrons: magnitudes differ by its own, to 1e-4."""
    table, bands = table_of(BOXES), {"g": IMAGE - 50, "r": IMAGE, "i": 3 * IMAGE}
    expected = measure(table, bands, zeropoint=22.5)
    scaled = {name: band.astype(float) * factor for name, band in bands.items()}
    found = measure(table, scaled, zeropoint=22.5 + 2.5 * np.log10(factor))
    for name in expected.colnames:
        if "flux" in name or "sky" in name:
            np.testing.assert_allclose(found[name] / factor, expected[name], rtol=1e-4)
        elif "mag" in name or "mu_" in name or "color" in name:
            np.testing.assert_allclose(found[name].value, expected[name].value, atol=1e-4)
    np.testing.assert_allclose(found["a_pix"], expected["a_pix"], rtol=1e-4)
    np.testing.assert_array_equal(found["measure_flags"], expected["measure_flags"])
    assert np.median(expected["kron_mag_r"].value) == pytest.approx(
        22.5 - 2.5 * np.log10(FLUX), abs=0.05)


def test_counts_of_few_photons_are_finite():
    """More than half of the pixels equal: no noise is known, and nothing overflows."""
    image = np.random.default_rng(1).poisson(0.05, (100, 100)).astype(np.float32)
    image[40:61, 40:61] += 300
    table = QTable({"xmin": [38.0], "ymin": [38.0], "xmax": [62.0], "ymax": [62.0]})
    expected = measure(table, image)["kron_flux_band1"]
    assert 0.5 < expected[0] / (441 * 300) < 1.1
    for factor in (1e-30, 1e20):
        found = measure(table, image * np.float32(factor))
        np.testing.assert_allclose(found["kron_flux_band1"] / factor, expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["aperture", "psf"])
@pytest.mark.parametrize("given", [-1.5 * u.arcsec, 0 * u.arcsec, "1.5 arcsec"])
def test_a_length_that_is_none_is_shown_as_given(name, given):
    """An aperture or PSF of no use is an error with what was given, and not its size in pixels."""
    image = read_image(IMAGE, wcs=make_wcs())
    with pytest.raises(MeasurementError, match=f"^{name} must be .*, got '?{given}'?$"):
        measure(table_of(BOXES, make_wcs()), image, **{name: given})


def test_an_aperture_is_one_length():
    """Several apertures are an error that shows them."""
    for given in ([1, 2] * u.arcsec, [1, 2]):
        with pytest.raises(MeasurementError, match=r"^aperture must be .* got .*\[ *1.*2.*\]"):
            measure(table_of(BOXES), IMAGE, aperture=given)


def test_ucds_are_those_of_the_ivoa():
    """The UCD of every measured column is made of words of the IVOA in places they may have."""
    bands = {"g": IMAGE, "r": IMAGE}
    table = measure(table_of(BOXES[:2], make_wcs()), bands, zeropoint=22.5, wcs=make_wcs())
    ucds = {name: table[name].info.meta["ucd"] for name in table.colnames}
    assert len(ucds) > 50
    assert [key for key, ucd in ucds.items() if not check_ucd(ucd, True)] == []


@pytest.mark.parametrize("scatter", [0.3, 0.5, 1, 2, 5])
def test_whole_numbers_measure_as_what_they_were_rounded_from(scatter):
    """Counts of little noise have the sky and the flux of the image before rounding."""
    y, x = np.indices((90, 90))
    light = 400 * np.exp(-((x - 45) ** 2 + (y - 45) ** 2) / 18)
    exact = 1200.3 + light + np.random.default_rng(2).normal(0, scatter, light.shape)
    boxes = QTable({"xmin": [35.0], "xmax": [55.0], "ymin": [35.0], "ymax": [55.0]})
    rounded = measure(boxes, np.round(exact).astype(np.uint16), aperture=12 * u.pix)
    uncertain = 0.1 + 0.06 * scatter  # of the sky, from two thousand pixels
    assert rounded["sky_band1"][0] == pytest.approx(1200.3, abs=uncertain)
    flux, area = rounded["aper_flux_band1"][0], np.pi * 12**2
    error = area * uncertain + 3 * np.sqrt(area) * np.hypot(scatter, 12**-0.5)
    assert flux == pytest.approx(light.sum(), abs=error)
    noise = rounded["aper_flux_err_band1"][0] / np.sqrt(area)
    assert noise == pytest.approx(np.hypot(scatter, 12**-0.5), rel=0.15)


@pytest.mark.parametrize("given", [
    25 * u.mag, 25 * u.ABmag, {"band1": 25 * u.ABmag}, [25 * u.mag], [25] * u.mag, np.float32(25),
])
def test_zero_points_may_have_a_unit(given):
    """A zero point in magnitudes is its number: 5 magnitudes more make a galaxy 5 fainter."""
    fainter, table = (measure(table_of(BOXES[:1]), IMAGE, zeropoint=zero) for zero in (given, 20.0))
    assert fainter["kron_mag_band1"][0].value == pytest.approx(table["kron_mag_band1"][0].value + 5)


@pytest.mark.parametrize("given", [
    3631 * u.Jy, 22.5 * u.STmag, "r", {"band1": "r"}, ["r"], [3631] * u.Jy,
])
def test_zero_points_that_are_none(given):
    """A zero point that is no AB magnitude, a flux say, is an error that shows it."""
    with pytest.raises(MeasurementError, match="zeropoint must be AB magnitudes such"):
        measure(table_of(BOXES), IMAGE, zeropoint=given)


def test_an_aperture_larger_than_the_image():
    """An aperture in the wrong unit is an error, and not one of terabytes."""
    image = read_image(IMAGE, wcs=make_wcs())
    with pytest.raises(MeasurementError, match=r"aperture must be smaller than the image, got 20"):
        measure(table_of(BOXES, make_wcs()), image, aperture=20 * u.deg)
    largest = float(np.hypot(*IMAGE.shape))
    assert len(measure(table_of(BOXES[:1]), IMAGE, aperture=largest)) == 1


def test_a_psf_may_be_a_list():
    """A PSF in lists is the image that its numbers are."""
    psf = np.exp(-np.hypot(*np.mgrid[-5:6, -5:6]) ** 2 / 4)
    found = [measure(table_of(BOXES[:1]), IMAGE, psf=given) for given in (psf, psf.tolist())]
    np.testing.assert_array_equal(found[0]["axis_ratio"], found[1]["axis_ratio"])


def test_columns_of_the_users_own_stay():
    """Only of a table that was measured before are columns of a measurement taken away."""
    table = table_of(BOXES[:1])
    table["kron_mag_band1"], table["alpha_centroid"] = 17.0, 150.0
    found = measure(table, IMAGE)
    assert (found["kron_mag_band1"][0], found["alpha_centroid"][0]) == (17, 150)


def test_neighbours_are_those_that_reach_into_the_surroundings():
    """Half sides of 10 and 20 meet in 3 x 10 + 8 + 1.6 x 20 = 70 pixels from the smaller one's."""
    one = np.array([0.0, 5, 20, 25])
    for distance, expected in ((69.9, [[1], [0]]), (70.1, [[], [0]]), (84.1, [[], []])):
        for along in ([distance, 0, distance, 0], [0, -distance, 0, -distance]):
            other = one + along + np.array([-10, -10, 10, 10])
            assert [near.tolist() for near in _neighbours(np.stack([one, other]))] == expected
    assert _neighbours(np.empty((0, 4))) == []


def test_steps_on_the_sky_across_0_hours():
    """At right ascension 0 a pixel is a pixel wide: x goes to the west, y to the north."""
    wcs = make_wcs()
    wcs.wcs.crval = 0.0, 20.0
    x, y = np.array([250.0]), np.array([200.0])
    steps = _tangents(wcs, pixel_to_sky(wcs, x, y), x, y, np.zeros(1))[0] * 3600 / SCALE
    np.testing.assert_allclose(steps, [[-1, 0], [0, 1]], atol=1e-6)
