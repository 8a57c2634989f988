"""Completeness, against arithmetic on a network whose answers can be worked out by hand.

On an image of unit noise the network of `blob_network` gives a point-like source the score
``near / (near + 20)``, where ``near`` is the mean of its light over 5 by 5 pixels. A score of one
half is thus a flux of 20 * 25 over the share of the light in those pixels.
"""

import json

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.table import QTable
from photutils.centroids import centroid_com
from scipy.stats import norm

from astro_yolo import Detector, completeness, read_image, read_table, write_table
from astro_yolo._star_stack import stacked_psf
from astro_yolo.demo import example_paths
from astro_yolo.exceptions import ImageError, MeasurementError
from astro_yolo.recovery import TYPES
from astro_yolo.tests.planted import MODEL, SCALE, plant, spread, tangent_wcs

SHAPE = (420, 500)
SIGMA, ZERO = 1.5, 25.0
GRID = np.hypot(*np.mgrid[-9:10, -9:10])
GAUSSIAN = np.exp(-(GRID**2) / (2 * SIGMA**2))
#: Point-like galaxies in one band, with what the tests know about them.
POINTS = {"psf": GAUSSIAN, "zeropoint": ZERO, "half_light_radii": (0.2, 0.21),
          "types": "exponential"}  # fmt: skip


def faintest(score=0.5):
    """Magnitude of a point source with a score; its middle lies anywhere in a pixel."""
    offset = np.linspace(-0.5, 0.5, 101)
    share = (norm.cdf(2.5, offset, SIGMA) - norm.cdf(-2.5, offset, SIGMA)).mean() ** 2
    near = 20 * score / (1 - score)
    return ZERO - 2.5 * np.log10(near * 25 / share)


class Watched:
    """A detector that remembers the pixels it was given."""

    def __init__(self, detector):
        self._detector, self.seen = detector, []

    def detect(self, image, **keywords):
        self.seen.append(image.window(0, image.shape[0], 0, image.shape[1])[0])
        return self._detector.detect(image, **keywords)

    def added(self):
        """Return the light of all passes over that of the image, (bands, ny, nx)."""
        return sum(seen.astype(float) - self.seen[0] for seen in self.seen[1:])


@pytest.fixture(scope="module")
def detector():
    return Detector(MODEL, backend="onnxruntime", device="cpu")


@pytest.fixture(scope="module")
def blank():
    """Unit noise over a sky of 100."""
    return plant(SHAPE, [], seed=3)


@pytest.fixture(scope="module")
def stars():
    """g, r, i of 16 stars, which the network knows by their green light, and 9 galaxies."""
    places = spread(SHAPE, 25, apart=60, margin=20, seed=4)
    image = {}
    for k, band in enumerate("gri"):
        faint, bright = (1300, 5000) if band == "r" else (325, 1250)
        image[band] = sum(
            plant(SHAPE, part, peak=(peak, peak), seed=k, sky_level=30) * np.float32(weight)
            for part, peak, weight in _parts(places, faint, bright)
        )
    return image


def _parts(places, faint, bright):
    """Return twelve stars, four bright ones and the galaxies; each with a third of the noise."""
    weight = 1 / 3  # the same noise three times: its sum is that of one
    return [(places[:12], 3 * faint, weight), (places[12:16], 3 * bright, weight),
            (places[16:], 3 * 400, weight)]  # fmt: skip


@pytest.mark.parametrize("score", [0.5, 0.8])
def test_limit_of_a_detector_that_is_blind_beyond_a_magnitude(detector, blank, score):
    """The magnitude that the network's formula gives comes out as the 50 % limit."""
    truth = faintest(score)
    found = completeness(
        blank, detector=detector, magnitudes=(truth - 1, truth + 0.8), number=60, score=score,
        **POINTS,
    )  # fmt: skip
    limit = found.limit(0.5)
    assert limit.magnitude == pytest.approx(truth, abs=0.1)
    assert limit.low - 0.05 < truth < limit.high + 0.05
    bright = found.table["magnitude"].value < truth - 0.15
    assert found.table["found"][bright].all()
    assert not found.table["found"][found.table["magnitude"].value > truth + 0.15].any()


@pytest.mark.parametrize("seed", range(4))
def test_places_and_fluxes_of_what_is_added(detector, blank, seed):
    """The added light has its centroid on the table's x, y and sums to the table's magnitude."""
    watched = Watched(detector)
    (row,) = completeness(
        blank, detector=watched, psf=3.0, zeropoint=ZERO, half_light_radii=(2, 2.01), number=1,
        types="exponential", magnitudes=(14, 15), mask=_all_but(40), seed=seed,
    ).table  # fmt: skip
    added = watched.added()[0]
    assert added.sum() == pytest.approx(10 ** (0.4 * (ZERO - row["magnitude"].value)), rel=1e-3)
    assert centroid_com(added) == pytest.approx((row["x"], row["y"]), abs=0.03)


def test_surface_brightness_by_its_formula(detector, blank):
    """A round galaxy of 16.0 and 2 arcsec has 16 + 2.5 log10(8 pi) per arcsec2 within them."""
    table = completeness(
        blank, detector=detector, wcs=tangent_wcs(SHAPE), psf=3, zeropoint=ZERO, number=8,
        half_light_radii=(0.8, 2.4) * u.arcsec, magnitudes=(16, 17),
    ).table  # fmt: skip
    area = np.pi * table["half_light_radius"].to_value(u.arcsec) ** 2 * table["axis_ratio"]
    expected = table["magnitude"].value + 2.5 * np.log10(2 * area)
    np.testing.assert_allclose(table["surface_brightness"].value, expected)
    assert (table["half_light_radius"].value >= 0.8).all()
    sky = tangent_wcs(SHAPE).all_pix2world(np.stack([table["x"], table["y"]], axis=1), 0)
    np.testing.assert_allclose(np.stack([table["ra"].value, table["dec"].value], axis=1), sky)
    assert set(table["type"]) <= set(TYPES)


def _one_place(monkeypatch, x, y):
    monkeypatch.setattr("astro_yolo._model_galaxies.places", lambda *_: np.array([[x, y]]))


@pytest.mark.parametrize(
    ("offset", "peak", "found"),
    [(5.0, 5000, False), (0.6, 5000, False), (25.0, 5000, True), (3.0, 25, True)],
    ids=["swallowed", "on top", "beside", "outshines"],
)
def test_a_galaxy_at_a_source_that_was_there(detector, monkeypatch, offset, peak, found):
    """What a bright star swallows is not found; beside it, or brighter than it, it is."""
    star = np.array([200.0, 210.0])
    image = plant(SHAPE, [star], peak=(peak, peak), seed=6)
    _one_place(monkeypatch, star[0] + offset, star[1])
    magnitude = ZERO - 2.5 * np.log10(8000)  # a peak of 570
    result = completeness(
        image, detector=detector, number=1, magnitudes=(magnitude - 0.01, magnitude), **POINTS
    )
    assert result.table["found"].tolist() == [found]
    assert np.isfinite(result.table["score"]).tolist() == [found]


def test_masked_and_nan_pixels_get_no_galaxy(detector, blank):
    """All pixels within one FWHM of a place are usable, and the image is not changed."""
    image = blank.copy()
    image[:, :200] = np.nan
    mask = np.zeros(SHAPE, bool)
    mask[150:300, 200:400] = True
    before = image.copy()
    table = completeness(
        image, detector=detector, mask=mask, number=40, magnitudes=(16, 17), **POINTS
    ).table
    np.testing.assert_array_equal(image, before)
    y, x = np.indices(SHAPE)
    bad = np.isnan(image) | mask
    for row in table:
        assert not bad[np.hypot(x - row["x"], y - row["y"]) <= table.meta["PSFFWHM"]].any()
        assert row["x"] < SHAPE[1] - 1 - 3
    assert table["found"].all()
    mask[:] = True
    mask[200:205, 250:254] = False
    with pytest.raises(ImageError, match="image must have usable pixels about a star's width"):
        completeness(blank, detector=detector, mask=mask, number=1, **POINTS)


def test_galaxies_of_a_pass_are_far_apart(detector, blank):
    """At a time ten galaxies are in a blank image, four FWHM and more from each other."""
    table = completeness(blank, detector=detector, number=25, magnitudes=(16, 17), **POINTS).table
    assert table["pass"].tolist() == [1] * 10 + [2] * 10 + [3] * 5
    for k in (1, 2, 3):
        x, y = (table[name][table["pass"] == k] for name in "xy")
        distance = np.hypot(x - x[:, None], y - y[:, None])
        assert distance[distance > 0].min() > 4 * table.meta["PSFFWHM"]


def test_seeds(detector, blank):
    """The same seed gives the same table, another seed another one."""
    tables = [
        completeness(blank, detector=detector, number=6, seed=seed, **POINTS).table
        for seed in (5, 5, 6)
    ]
    for name in tables[0].colnames:
        np.testing.assert_array_equal(tables[0][name], tables[1][name])
    assert not np.allclose(tables[0]["x"], tables[2]["x"])
    assert tables[0].meta["PROV"] == tables[1].meta["PROV"]


def test_psf_of_the_stars_by_arithmetic(detector, stars):
    """The stack is the Gaussian that was planted, also where a quarter of the stars is cut off."""
    for ceiling in (np.inf, 1500.0):
        image = read_image({**stars, "r": np.minimum(stars["r"], ceiling)})
        found = detector.detect(image, include_stars=True)
        assert (found["label"] == "star").sum() == 16
        psf = stacked_psf(image, found)
        size = psf.kernels.shape[-1]
        truth = np.zeros((size, size))
        middle = slice(size // 2 - 9, size // 2 + 10)
        truth[middle, middle] = GAUSSIAN / GAUSSIAN.sum()
        for kernel in psf.kernels:
            np.testing.assert_allclose(kernel, truth, atol=0.03 * truth.max())
        assert psf.fwhm == pytest.approx(2.3548 * SIGMA, rel=0.03)
        assert psf.stars == (16 if ceiling == np.inf else 12)


def test_colors_by_band(detector, stars):
    """Given colours and zero points decide the flux of each band; PSFs may differ."""
    watched = Watched(detector)
    table = completeness(
        stars, detector=watched, number=6, magnitudes=(16, 17), types="exponential",
        zeropoint={"g": 25, "r": 24, "i": 23}, psf={"g": 3, "r": GAUSSIAN, "i": 4.0 * u.pix},
        colors={"g": 0.7, "i": -0.3}, half_light_radii=(1, 1.1), mask=_all_but(70),
    ).table  # fmt: skip
    np.testing.assert_allclose((table["mag_g"] - table["magnitude"]).value, 0.7)
    np.testing.assert_allclose((table["mag_i"] - table["magnitude"]).value, -0.3)
    np.testing.assert_array_equal(table["mag_r"], table["magnitude"])
    assert table.meta["REFBAND"] == "r"
    for band, zero, light in zip("gri", (25, 24, 23), watched.added(), strict=True):
        flux = 10 ** (0.4 * (zero - table[f"mag_{band}"].value))
        assert light.sum() == pytest.approx(flux.sum(), rel=2e-3)


def _all_but(margin):
    """Return a mask of a margin, so that all of the light of a galaxy falls on the image."""
    mask = np.ones(SHAPE, bool)
    mask[margin:-margin, margin:-margin] = False
    return mask


def test_colors_of_the_galaxies_in_the_image(detector, stars):
    """By default colours are those found: no light differs, so g - r is that of the zero points."""
    zero = {"g": 25.5, "r": 25, "i": 25}
    table = completeness(stars, detector=detector, number=8, zeropoint=zero).table
    np.testing.assert_allclose((table["mag_g"] - table["mag_r"]).value, 0.5, atol=0.08)
    np.testing.assert_allclose((table["mag_i"] - table["mag_r"]).value, 0, atol=0.08)
    assert table.meta["PSFSTARS"] >= 6


def test_a_band_of_other_pixels(detector, blank):
    """Over its own pixels, twice as wide, a band's added light is that of its magnitude."""
    grid, wide = tangent_wcs(SHAPE), tangent_wcs(SHAPE)
    wide.wcs.cd = 2 * wide.wcs.cd
    watched = Watched(detector)
    table = completeness(
        {"g": (plant(SHAPE, [], seed=8), wide), "r": (blank, grid)}, detector=watched, number=4,
        magnitudes=(16, 17), colors={"g": 0.0}, zeropoint=ZERO, psf=3.5, types="exponential",
        half_light_radii=(1, 1.1), mask=_all_but(70),
    ).table  # fmt: skip
    flux = (10 ** (0.4 * (ZERO - table["mag_g"].value))).sum()
    assert watched.added()[0].sum() == pytest.approx(4 * flux, rel=5e-3)  # a quarter of a pixel
    assert watched.added()[1].sum() == pytest.approx(flux, rel=5e-3)


def test_counts_stay_whole(detector):
    """In an image of coarse counts the added light comes in counts, and none is lost."""
    image = np.round(plant(SHAPE, [], seed=11)).astype(np.int16)
    watched = Watched(detector)
    table = completeness(
        image, detector=watched, number=10, magnitudes=(16, 17), mask=_all_but(70), **POINTS
    ).table
    added = watched.added()[0]
    np.testing.assert_array_equal(added, np.round(added))
    flux = (10 ** (0.4 * (ZERO - table["magnitude"].value))).sum()
    assert added.sum() == pytest.approx(flux, abs=6 * np.sqrt(10 * GRID.size))


def test_large_images_are_read_from_their_files(detector, blank, tmp_path, monkeypatch):
    """An image that stays on disk gives the same galaxies, found alike."""
    path = tmp_path / "image.fits"
    fits.PrimaryHDU(blank, tangent_wcs(SHAPE).to_header()).writeto(path)
    whole = completeness(path, detector=detector, number=12, **POINTS).table
    monkeypatch.setattr("astro_yolo.image._MEMORY_PIXELS", 1000)
    assert read_image(path).is_lazy
    table = completeness(path, detector=detector, number=12, **POINTS).table
    for name in ("x", "y", "magnitude", "found"):
        np.testing.assert_array_equal(table[name], whole[name])


def test_inputs_of_other_kinds(detector, blank):
    """A CCDData with a unit that tells the zero point needs none: 1 nanomaggy is 22.5."""
    image = CCDData(blank, unit="nmgy", wcs=tangent_wcs(SHAPE))
    points = {**POINTS, "zeropoint": None}
    table = completeness(image, detector=detector, number=3, magnitudes=(13, 14), **points).table
    assert table["found"].all()
    assert json_of(table)["zeropoint"] == [22.5]
    assert table["half_light_radius"].unit == u.arcsec
    np.testing.assert_allclose(table["half_light_radius"].value / SCALE, 0.2, atol=0.02)


def json_of(table):
    """Return how the galaxies of a table were made."""
    return json.loads(table.meta["PROV"])["completeness"]


def test_plot_and_files(detector, blank, tmp_path):
    """The points of the plot are the shares; the table survives being written and read."""
    result = completeness(blank, detector=detector, number=10, **POINTS)
    path = tmp_path / "curve.png"
    axes = result.plot(path)
    rows = result.by()
    known = np.isfinite(rows["completeness"])
    np.testing.assert_allclose(axes.lines[0].get_ydata(), rows["completeness"][known])
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(OSError, match="exists"):
        result.plot(path)
    assert result.plot(column="type").get_xlabel() == "type"
    assert "mag" in result.plot(column="surface_brightness").get_xlabel()
    for ending in ("ecsv", "fits", "vot"):
        write_table(result.table, tmp_path / f"t.{ending}")
        back = read_table(tmp_path / f"t.{ending}")
        assert back["found"].tolist() == result.table["found"].tolist()
        assert back["magnitude"].unit == u.mag
    assert "of 10 found" in repr(result)


def test_the_embedded_example():
    """With the default network: the simulated PSF, 1.3 arcsec, comes out of its stars."""
    result = completeness(
        {band: str(path) for band, path in example_paths().items()}, number=12,
        magnitudes=(17, 19), detector=Detector(backend="onnxruntime"),
    )  # fmt: skip
    # placing stars between pixels made them up to 9 % wider
    assert 1.27 < result.table.meta["PSFFWHM"] * SCALE < 1.45
    assert result.table["found"].sum() >= 9
    radii = json_of(result.table)["half_light_radii"]  # in pixels, of 0.5 to 2.5 arcsec
    np.testing.assert_allclose(radii, [0.5 / SCALE, 2.5 / SCALE], rtol=2e-3)


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"zeropoint": None}, MeasurementError, "zeropoint must be given.*for band1"),
        ({"zeropoint": np.inf}, MeasurementError, "zeropoint must be finite"),
        ({"zeropoint": [1, 2]}, MeasurementError, "zeropoint must have one value a band"),
        ({"psf": None}, MeasurementError, "psf must be given: the image has 0 bright"),
        ({"psf": [3, 3]}, MeasurementError, r"psf must have one a band \(1\), got 2"),
        ({"psf": {"x": 3}}, MeasurementError, "psf must name the bands"),
        ({"psf": np.ones((4, 4))}, MeasurementError, "with k odd"),
        ({"psf": np.zeros((5, 5))}, MeasurementError, "psf must be images of positive sum"),
        ({"psf": np.roll(GAUSSIAN, 3, 1)}, MeasurementError, r"off by \+3.0 and \+0.0 pixels"),
        ({"psf": 1.3 * u.arcsec}, MeasurementError, "psf must be in pixels"),
        ({"magnitudes": (20, 18)}, ValueError, "magnitudes must be the brightest and the faintest"),
        ({"magnitudes": (1, 9) * u.nJy}, ValueError, "in AB magnitudes, got"),
        ({"magnitudes": 20}, ValueError, "magnitudes must be the brightest and the faintest"),
        ({"half_light_radii": (3, 1)}, MeasurementError, "half_light_radii must be the smallest"),
        ({"half_light_radii": (1, 300)}, MeasurementError, "up to 200 pixels"),
        ({"half_light_radii": 2}, MeasurementError, "half_light_radii must be the smallest"),
        ({"half_light_radii": (0, 1)}, MeasurementError, "half_light_radii must be positive"),
        ({"types": "round"}, ValueError, "types must be among exponential.*got round"),
        ({"types": ()}, ValueError, "got none"),
        ({"number": 0}, ValueError, "number must be a whole number"),
        ({"seed": -1}, ValueError, "seed must be a whole number"),
        ({"colors": {"z": 1}}, MeasurementError, "colors must be a dict of the bands"),
        ({"score": 2}, ValueError, "score must be in 0..1"),
        ({"detector": "default"}, TypeError, "detector must be a Detector, got str"),
    ],
)
def test_arguments_that_are_wrong(detector, blank, keywords, error, message):
    """Each error names the argument, the rule and what was got."""
    given = {"detector": detector, "number": 1, **POINTS, **keywords}
    with pytest.raises(error, match=message):
        completeness(blank, **given)


def test_colors_that_are_wrong(detector, stars):
    """Colours must be finite, of every band, and be there."""
    given = {"detector": detector, "number": 1, "psf": 3, "zeropoint": ZERO}
    for colors, message in (
        ({"g": 1}, "colors must be a dict of the bands"),
        ([1, 2, 3], "with 0 for r"),
        ({"g": np.nan, "i": 0}, "colors must be finite"),
        ({"g": [1, 2], "i": [1, 2, 3]}, "as many as of the others"),
        ({"g": "red", "i": 0}, "colors must be numbers"),
        (QTable({"kron_mag_g": [1.0]}), "only 0 galaxies"),
    ):
        with pytest.raises(MeasurementError, match=message):
            completeness(stars, colors=colors, **given)
    blank = {band: plant(SHAPE, [], seed=k) for k, band in enumerate("gri")}
    with pytest.raises(MeasurementError, match="colors must be given"):
        completeness(blank, **given)


def test_pictures_are_refused(detector):
    """A picture of 8 bits has no flux."""
    with pytest.raises(ImageError, match="image must hold flux"):
        completeness(np.zeros((64, 64, 3), np.uint8), detector=detector)
