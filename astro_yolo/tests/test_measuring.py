"""Shapes and fluxes of simulated galaxies, whose truth is known."""

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable, Table

from astro_yolo import crossmatch, measure
from astro_yolo.catalog import make_table, read_table
from astro_yolo.exceptions import AstroYoloWarning, MeasurementError
from astro_yolo.image import read_image
from astro_yolo.injection import add_stamp, moffat_kernel, sersic_stamp
from astro_yolo.measuring import MEASURE_FLAGS
from astro_yolo.tests.wcs_cases import CASES, SHAPE, make_wcs

PSF = moffat_kernel(3.0)
FLUX = 20_000.0
# 1.05 Petrosian radii (eta = 0.2), as the network's boxes, in half-light radii, by Sersic index
BOX = {0.5: 2.04, 1: 2.22, 2: 2.23, 4: 1.80}
PLACES = [(x, y) for x in (120, 300, 480, 660) for y in (120, 300, 480)]


def field(index, radius=6.0, ratio=0.5, theta=0.5, noise=1.0, flux=FLUX):
    """Return an image of twelve equal galaxies at sub-pixel places, their boxes and places."""
    rng = np.random.default_rng(17)
    image = rng.normal(0, noise, SHAPE).astype(np.float32) + 50
    centres, boxes = [], []
    for x, y in PLACES:
        offset = rng.uniform(-0.5, 0.5, 2)
        stamp = sersic_stamp(
            flux, radius, index, axis_ratio=ratio, theta=theta, offset=offset, psf=PSF
        )
        add_stamp(image, stamp, x, y)
        centre = np.array([x, y]) + offset
        half = BOX[index] * radius * np.array([
            np.hypot(np.cos(theta), ratio * np.sin(theta)),
            np.hypot(np.sin(theta), ratio * np.cos(theta)),
        ])
        centres.append(centre)
        boxes.append([*(centre + 0.5 - half), *(centre + 0.5 + half)])
    return image, np.array(boxes), np.array(centres)


def table_of(boxes, wcs=None):
    """Return a result table of boxes in edge pixels, in their order."""
    score = np.linspace(0.9, 0.5, len(boxes))
    share = np.full((len(boxes), 5), 0.2)
    return make_table(boxes, score, share, np.zeros(len(boxes)), np.zeros(len(boxes), int), wcs=wcs)


# Kron apertures lose the wings of cuspy profiles; ``kron_fraction`` says how much
@pytest.mark.parametrize(
    ("index", "kron", "total"), [(0.5, 0.02, 0.02), (1, 0.03, 0.03), (2, 0.1, 0.05), (4, 0.2, 0.1)]
)
def test_flux_shape_and_place(index, kron, total):
    """Total flux within 5 % (10 % for de Vaucouleurs), axis ratio 0.1, angle 5 deg, place 0.15."""
    image, boxes, centres = field(index, radius=8.0)
    found = measure(table_of(boxes), image)
    assert np.median(np.abs(found["kron_flux_band1"] / FLUX - 1)) < kron
    error = np.abs(found["kron_flux_band1"] / found["kron_fraction"] / FLUX - 1)
    assert np.median(error) < total
    assert np.max(error) < total + 0.03
    assert np.max(np.hypot(found["x_centroid"] - centres[:, 0],
                           found["y_centroid"] - centres[:, 1])) < 0.15
    assert np.max(np.abs(found["b_pix"] / found["a_pix"] - 0.5)) < 0.1
    assert np.max(np.abs(found["theta"].to_value(u.deg) - np.degrees(0.5))) < 5
    assert not np.any(found["measure_flags"])
    # the wings of index 4 reach into the sky about it
    np.testing.assert_allclose(found["sky_band1"], 50, atol=0.3 if index == 4 else 0.2)


@pytest.mark.parametrize("radius", [4.0, 14.0])
@pytest.mark.parametrize(("index", "limit"), [(0.5, 0.02), (1, 0.02), (2, 0.03), (4, 0.11)])
def test_total_flux_of_small_and_large_galaxies(index, limit, radius):
    """S/N 300, no PSF told: the total is as good for galaxies near its size as for large ones."""
    noise = FLUX / 300 / np.sqrt(np.pi * (2.2 * radius) ** 2 * 0.5 + 30)
    image, boxes, _ = field(index, radius=radius, noise=noise)
    found = measure(table_of(boxes), image)
    assert abs(np.median(found["kron_flux_band1"] / found["kron_fraction"]) / FLUX - 1) < limit


@pytest.mark.parametrize("case", ["turned", "flipped", "flipped_turned", "sip"])
@pytest.mark.parametrize(("index", "limit"), [(1, 0.05), (2, 0.05), (4, 0.1)])
def test_a_signal_of_sixty_is_enough_on_any_sky(index, limit, case):
    """S/N 60: median of flux and axis ratio, and nine angles in ten, as promised."""
    wcs = make_wcs(**CASES[case])
    # noise within an ellipse of 2.2 half-light radii, about the Petrosian aperture
    noise = FLUX / 60 / np.sqrt(np.pi * (2.2 * 8) ** 2 * 0.5)
    image, boxes, centres = field(index, radius=8.0, noise=noise)
    found = measure(table_of(boxes, wcs), read_image(image, wcs=wcs))
    assert abs(np.median(found["kron_flux_band1"] / found["kron_fraction"]) / FLUX - 1) < limit
    ratio = np.median((found["b"] / found["a"]).to_value(u.one))
    assert ratio == pytest.approx(0.5, abs=0.1)
    direction = np.array([np.cos(0.5), np.sin(0.5)])
    first, second = (wcs.pixel_to_world(*(centres + k * direction).T).icrs for k in (-1, 1))
    turn = (found["pa"] - first.position_angle(second)).to_value(u.deg)
    assert np.percentile(np.abs((turn + 90) % 180 - 90), 90) < 5


@pytest.mark.parametrize("case", [name for name in CASES if name != "oblong_pixels"])
def test_position_angle_on_any_sky(case):
    """The position angle is that of two points along the major axis, where pixels are square."""
    wcs = make_wcs(**CASES[case])
    theta = 0.5
    image, boxes, centres = field(1, theta=theta)
    found = measure(table_of(boxes, wcs), read_image(image, wcs=wcs))
    ends = [centres + sign * np.array([np.cos(theta), np.sin(theta)]) for sign in (-1, 1)]
    first, second = (wcs.pixel_to_world(*end.T).icrs for end in ends)
    expected = first.position_angle(second)
    turn = (found["pa"] - expected).to_value(u.deg)
    assert np.max(np.abs((turn + 90) % 180 - 90)) < 5
    step = first.separation(second).to_value(u.arcsec) / 2
    np.testing.assert_allclose(found["a"].to_value(u.arcsec), found["a_pix"] * step, rtol=5e-3)


@pytest.mark.parametrize("case", ["plain", "flipped_turned", "sip"])
def test_a_measured_table_is_matched_by_its_light(case):
    """A match goes by the centre of the light where it is known, however far off the box is."""
    wcs = make_wcs(**CASES[case])
    image, boxes, centres = field(1)
    boxes[:, [0, 2]] += 1.5  # pixels: 0.6 arcsec
    boxes[3] += 5000  # outside: nothing can be measured there
    with pytest.warns(AstroYoloWarning, match="1 of 12 rows"):
        found = measure(table_of(boxes, wcs), read_image(image, wcs=wcs))
    truth = wcs.pixel_to_world(*np.delete(centres, 3, axis=0).T).icrs
    match = crossmatch(found, truth, 2 * u.arcsec)
    assert len(match.matched) == 11
    assert np.median(match.matched["separation"]) < 0.02 * u.arcsec
    assert len(match.rejected) == 0
    found.remove_columns(["alpha_centroid", "delta_centroid"])
    assert np.min(crossmatch(found, truth, 2 * u.arcsec).matched["separation"]) > 0.5 * u.arcsec


def test_sizes_are_those_of_the_profile():
    """A round Gaussian of width s: axes s, half-light radius 1.177 s, first moment 1.253 s."""
    rows, columns = np.indices((200, 200))
    width = 5.0
    light = np.exp(-0.5 * ((columns - 100.3) ** 2 + (rows - 99.6) ** 2) / width**2)
    noise = np.random.default_rng(1).normal(0, 1e-4, light.shape)
    box = np.array([[84.8, 84.1, 116.8, 116.1]])
    found = measure(table_of(box), light + noise)[0]
    assert found["a_pix"] == pytest.approx(width, rel=0.01)
    assert found["b_pix"] == pytest.approx(width, rel=0.01)
    # of the light within the Kron aperture, 99 % of all
    assert found["half_light_radius"] == pytest.approx(1.1774 * width, rel=0.02)
    assert found["kron_radius"] == pytest.approx(3 * np.sqrt(np.pi / 2) * width, rel=0.02)
    r20, r80 = np.sqrt(-2 * np.log([0.8, 0.2]))
    assert found["concentration"] == pytest.approx(5 * np.log10(r80 / r20), rel=0.03)


@pytest.mark.parametrize(("radius", "ratio"), [(4.0, 0.3), (4.0, 0.5), (4.0, 0.7), (8.0, 0.3)])
@pytest.mark.parametrize("index", [1, 2, 4])
def test_axis_ratio_without_the_psf(index, radius, ratio):
    """Given the PSF of 3 pixels, the axis ratio is within 0.1 (S/N 60, median) from 4 pixels on."""
    # within about the Petrosian aperture of what the PSF makes of it
    noise = FLUX / 60 / np.sqrt(np.pi * (2.2 * radius) ** 2 * ratio + 30)
    image, boxes, _ = field(index, radius=radius, ratio=ratio, noise=noise)
    found = measure(table_of(boxes), image, psf=3.0)
    assert np.median(found["axis_ratio"]) == pytest.approx(ratio, abs=0.1)
    plain = measure(table_of(boxes), image)
    np.testing.assert_allclose(plain["axis_ratio"], plain["b_pix"] / plain["a_pix"], rtol=1e-6)
    np.testing.assert_array_equal(plain["b_pix"], found["b_pix"])
    assert np.median(plain["axis_ratio"]) > np.median(found["axis_ratio"])


@pytest.mark.parametrize("width", [2.0, 3.0])
def test_gaussians_lose_their_psf_exactly(width):
    """Variances add up: axes of 4 and 2 pixels before a Gaussian PSF give one half."""
    rows, columns = np.indices((200, 200))

    def gaussian(a, b):
        return np.exp(-((columns - 100) ** 2 / a**2 + (rows - 100) ** 2 / b**2) / 2)

    image = 1e5 * gaussian(np.hypot(4, width), np.hypot(2, width))
    image += np.random.default_rng(1).normal(0, 1, image.shape)
    psf = gaussian(width, width)[60:141, 60:141]
    found = measure(table_of(np.array([[85, 90, 116, 111]])), image, psf=psf)
    assert found["axis_ratio"][0] == pytest.approx(0.5, abs=0.005)
    larger = measure(table_of(np.array([[85, 90, 116, 111]])), image, psf=30.0)
    assert np.isnan(larger["axis_ratio"][0])


def test_the_psf_may_be_stars():
    """Stars of the image, a width and an image of the PSF are the same PSF."""
    image, boxes, _ = field(1, radius=4.0)
    stars = [(210, 200), (390, 410), (570, 200), (210, 410)]
    for x, y in stars:
        add_stamp(image, 20_000 * PSF, x, y)
    table = table_of(np.array([[x - 5, y - 5, x + 6, y + 6] for x, y in stars]))
    ratios = [measure(table_of(boxes), image, psf=psf)["axis_ratio"] for psf in (table, 3.0, PSF)]
    np.testing.assert_allclose(ratios[0], ratios[2], atol=0.01)
    np.testing.assert_allclose(ratios[1], ratios[2], atol=0.01)


def test_errors_are_those_of_the_sky():
    """The scatter of the flux of equal galaxies is the error that is stated."""
    image, boxes, _ = field(1, radius=3, ratio=1.0, flux=2000.0, noise=2.0)
    found = measure(table_of(boxes), image, aperture=6.0)
    stated = np.median(found["aper_flux_err_band1"])
    assert stated == pytest.approx(2.0 * np.sqrt(np.pi) * 6, rel=0.1)
    assert np.std(found["aper_flux_band1"]) == pytest.approx(stated, rel=0.6)


def test_a_star_in_front_is_taken_out():
    """A star on a galaxy's disc that the table does not know costs little of the shape and flux."""
    image, boxes, centres = field(1, radius=8, ratio=0.6)
    clean = measure(table_of(boxes), image)
    for x, y in PLACES:
        add_stamp(image, 6000 * PSF, x + 4, y - 9)
    found = measure(table_of(boxes), image)
    assert np.max(np.hypot(found["x_centroid"] - centres[:, 0],
                           found["y_centroid"] - centres[:, 1])) < 1.0
    assert np.median(np.abs(found["kron_flux_band1"] / clean["kron_flux_band1"] - 1)) < 0.12
    assert np.max(np.abs(found["theta"] - clean["theta"]).to_value(u.deg)) < 12


def test_a_known_neighbour_is_masked_and_flagged():
    """Light inside another row's box is replaced from the other side, and the row says so."""
    rng = np.random.default_rng(2)
    image = rng.normal(0, 1, (300, 300)).astype(np.float32)
    for x in (130, 158):
        add_stamp(image, sersic_stamp(FLUX, 5, 1, axis_ratio=1, theta=0, psf=PSF), x, 150)
    boxes = np.array([[x + 0.5 - 16, 134.5, x + 0.5 + 16, 166.5] for x in (130, 158)])
    found = measure(table_of(boxes), image)
    np.testing.assert_allclose(found["kron_flux_band1"], FLUX, rtol=0.08)
    np.testing.assert_allclose(found["x_centroid"], [130, 158], atol=0.7)
    assert (found["measure_flags"] & MEASURE_FLAGS["neighbour"]).all()


def test_a_box_off_its_galaxy_beside_a_neighbour():
    """A box whose centre lies toward the neighbour: the angle stays the galaxy's own."""
    rng = np.random.default_rng(5)
    image = rng.normal(0, 1, (200, 200)).astype(np.float32)
    add_stamp(image, sersic_stamp(FLUX, 4, 1, axis_ratio=0.5, theta=np.pi / 2, psf=PSF), 90, 100)
    add_stamp(image, sersic_stamp(FLUX, 4, 1, axis_ratio=0.8, theta=0.3, psf=PSF), 105, 95)
    boxes = np.array([[84.5, 88.5, 104.5, 109.5], [95.5, 84.5, 115.5, 104.5]])
    found = measure(table_of(boxes), image)[0]
    assert abs(abs(found["theta"].to_value(u.deg)) - 90) < 12
    assert np.hypot(found["x_centroid"] - 90, found["y_centroid"] - 100) < 1


def test_magnitudes_and_colours(tmp_path):
    """Magnitudes follow the header's zero point or the caller's; colours are their differences."""
    image, boxes, _ = field(1)
    bands = {}
    for band, factor in (("g", 0.5), ("r", 1.0)):
        hdu = fits.PrimaryHDU((image - 50) * factor, make_wcs().to_header())
        hdu.header["FILTER"], hdu.header["BUNIT"] = band, "nanomaggy"
        hdu.writeto(tmp_path / f"{band}.fits")
        bands[band] = tmp_path / f"{band}.fits"
    table = table_of(boxes, make_wcs())
    found = measure(table, bands)
    expected = 22.5 - 2.5 * np.log10(FLUX)
    assert np.median(found["kron_mag_r"].value) == pytest.approx(expected, abs=0.06)
    # both bands have the same noise relative to their light: only rounding differs
    np.testing.assert_allclose(found["color_g_r"].value, 2.5 * np.log10(2), atol=0.002)
    np.testing.assert_allclose(
        found["kron_mag_err_r"].value,
        2.5 / np.log(10) * found["kron_flux_err_r"] / found["kron_flux_r"],
    )
    radius = found["half_light_radius"] * 0.396
    np.testing.assert_allclose(
        found["mu_r"].value,
        found["kron_mag_r"].value + 2.5 * np.log10(2 * np.pi * radius**2), rtol=1e-4,
    )
    given = measure(table, bands, zeropoint={"r": 25.0})
    np.testing.assert_allclose((given["kron_mag_r"] - found["kron_mag_r"]).value, 2.5)
    np.testing.assert_allclose((given["kron_mag_g"] - found["kron_mag_g"]).value, 0)


def test_header_zero_points():
    """Each keyword gives the magnitude of its definition (STScI, IAU)."""
    from astro_yolo._zero_point import zero_point

    assert zero_point({"BUNIT": "nanomaggy"}) == 22.5
    assert zero_point({"MAGZPT": 26.5, "PHOTFLAM": 1e-19, "PHOTPLAM": 8000.0}) == 26.5
    # HST ACS F814W: PHOTFLAM 7.07e-20, PHOTPLAM 8045: 25.94 in the AB system
    assert zero_point({"PHOTFLAM": 7.07e-20, "PHOTPLAM": 8045.0}) == pytest.approx(25.94, abs=0.01)
    # 1 MJy/sr on a square arcsec of 2.3504e-11 sr is 2.35e-5 Jy
    expected = -2.5 * np.log10(2.3504e-5 / 3631)
    found = zero_point({"BUNIT": "MJy/sr", "PIXAR_SR": 2.3504e-11})
    assert found == pytest.approx(expected, abs=0.01)
    assert zero_point({}) is None
    assert zero_point({"BUNIT": "adu", "MAGZPT": "unknown"}) is None


def test_trouble_is_flagged_row_by_row():
    """An edge, bad pixels, a box outside or of NaN: flags or NaN in that row, the rest measured."""
    image, boxes, _ = field(1)
    image[295:300, 295:305] = np.nan
    boxes = np.concatenate([boxes, [[-8, 200, 12, 220], [900, 100, 920, 120]]])
    table = table_of(boxes)
    table["xmin"][5] = np.nan
    with pytest.warns(AstroYoloWarning, match="2 of 14 rows could not be measured"):
        found = measure(table, image)
    flags = np.asarray(found["measure_flags"])
    assert flags[4] & MEASURE_FLAGS["masked"]
    assert flags[12] & MEASURE_FLAGS["edge"]
    assert [k for k in range(14) if flags[k] & MEASURE_FLAGS["failed"]] == [5, 13]
    assert np.isnan(found["kron_flux_band1"][[5, 13]]).all()
    good = [k for k in range(12) if k not in (4, 5)]
    np.testing.assert_allclose(found["kron_flux_band1"][good], FLUX, rtol=0.08)


@pytest.mark.parametrize("level", [0.0, 7.0, -3.0])
def test_an_image_without_light_is_flagged(level):
    """A constant image has no shape: flags, and no warning of the arithmetic."""
    _, boxes, _ = field(1)
    found = measure(table_of(boxes), np.full(SHAPE, level, np.float32))
    assert (found["measure_flags"] & MEASURE_FLAGS["shape"]).all()
    np.testing.assert_array_equal(found["kron_flux_band1"], 0)


def test_rows_columns_and_files_survive(tmp_path):
    """Rows and columns stay as they are; new columns survive ECSV, FITS and VOTable."""
    image, boxes, _ = field(1)
    table = table_of(boxes, make_wcs())
    found = measure(table, read_image(image, wcs=make_wcs()), zeropoint=22.5)
    for name in table.colnames:
        np.testing.assert_array_equal(found[name], table[name])
    assert found["pa"].info.meta["ucd"] == "pos.posAng"
    for ending in ("ecsv", "fits", "vot"):
        from astro_yolo import write_table

        write_table(found, tmp_path / f"t.{ending}")
        back = read_table(tmp_path / f"t.{ending}")
        assert back.colnames == found.colnames
        assert back["a"].unit == u.arcsec
        np.testing.assert_allclose(back["kron_mag_band1"].value, found["kron_mag_band1"].value)


def test_an_empty_table_has_all_columns():
    """Zero rows give zero rows with the same columns."""
    image, boxes, _ = field(1)
    full, empty = measure(table_of(boxes), image), measure(table_of(boxes[:0]), image)
    assert len(empty) == 0
    assert empty.colnames == full.colnames


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"table": QTable({"x": [1.0]})}, "table must have the columns xmin"),
        ({"zeropoint": [22.5, 22.5]}, "zeropoint must have one value a band"),
        ({"zeropoint": {"z": 22.5}}, "zeropoint must name bands"),
        ({"aperture": -1.0}, "aperture must be positive"),
        ({"aperture": 2 * u.arcsec}, "aperture must be in pixels"),
        ({"psf": 1.3 * u.arcsec}, "psf must be in pixels"),
        ({"psf": -1.0}, "psf must be positive"),
        ({"psf": np.zeros((5, 5))}, r"psf must be a width, .* got an array \(5, 5\)"),
        ({"psf": np.ones(5)}, r"a table of stars or an image, got an array \(5,\)"),
        ({"psf": table_of(np.array([[5.0, 5, 9, 9]]))}, "at least 3 stars .* got 0 of 1"),
        ({"psf": QTable({"x": [1.0]})}, "psf must have the columns xmin"),
    ],
)
def test_bad_input_is_named(change, message):
    """A wrong argument gets an error that says which it is and what was got."""
    image, boxes, _ = field(1)
    arguments = {"table": table_of(boxes), "image": image, **change}
    with pytest.raises(MeasurementError, match=message):
        measure(**arguments)


def test_an_aperture_in_units_of_pixels():
    """Pixels may be given as a quantity, with or without sky coordinates."""
    table = Table({"xmin": [12.0], "ymin": [12.0], "xmax": [28.0], "ymax": [28.0]})
    image = np.random.default_rng(3).normal(0, 1, (41, 41))
    image[15:26, 15:26] += 30
    assert measure(table, image, aperture=4 * u.pix).meta["APERPIX"] == 4


def test_a_row_is_measured_as_a_table_of_one():
    """``table[k]`` gives the numbers of that row of the table, in a table of one row."""
    image, boxes, _ = field(1)
    full = measure(table_of(boxes), image)
    for k in (0, -1):
        found = measure(table_of(boxes)[k], image)
        assert found["id"].tolist() == [full["id"][k]]
        np.testing.assert_allclose(found["kron_flux_band1"], [full["kron_flux_band1"][k]])


def test_a_second_measurement_leaves_nothing_of_the_first():
    """Without zero point or sky now, columns that only the first could give go, and it says so."""
    image, table = field(1)[0], table_of(field(1)[1][:3])
    table["a"] = 7.0  # of the user's own; a measurement without sky does not make it
    bands = {"g": image, "r": image}
    bare = measure(table, bands)
    assert measure(bare, bands).colnames == bare.colnames
    assert bare["a"].tolist() == [7, 7, 7]
    first = measure(table, bands, zeropoint={"g": 22.5, "r": 25.0}, wcs=make_wcs())
    with pytest.warns(AstroYoloWarning, match="taken away: a, alpha_centroid, .*mag_g, .*color_"):
        second = measure(first, bands)
    assert second.colnames == [name for name in bare.colnames if name != "a"]
    with pytest.warns(AstroYoloWarning, match="taken away: kron_mag_g, .*mu_g, color_g_r$"):
        second = measure(first, bands, zeropoint={"r": 25.0}, wcs=make_wcs())
    flux = 10 ** (0.4 * (25 - second["kron_mag_r"].value))
    np.testing.assert_allclose(flux, second["kron_flux_r"])
    # those of another band stay
    assert {"kron_mag_g", "color_g_r"} < {*measure(first, {"i": image}, wcs=make_wcs()).colnames}
