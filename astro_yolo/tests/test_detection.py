"""Tests of detection from the image to the table, on planted sources of known truth.

The network of `blob_network` puts a box of 12 by 10 pixels at the centroid of each point-like
source, so that every number in the table follows from where the sources were put.
"""

import hashlib
import json
import warnings
from dataclasses import replace

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits

from astro_yolo import detect
from astro_yolo.catalog import FLAGS, sky
from astro_yolo.demo import example_paths
from astro_yolo.detection import Detector
from astro_yolo.exceptions import NoDetectionsWarning, WeightsError
from astro_yolo.network.calibration import Calibration, ScoreMap
from astro_yolo.simulation import EXAMPLE_SEED, simulate_field
from astro_yolo.tests.planted import (
    CENTER,
    MODEL,
    SCALE,
    distorted_wcs,
    nearest,
    plant,
    spread,
    tangent_wcs,
)


@pytest.fixture(scope="module")
def detector():
    return Detector(MODEL, backend="onnxruntime", device="cpu")


SHAPE = (420, 500)
SYSTEMS = {
    "north up": tangent_wcs(SHAPE),
    "rotated 33 deg": tangent_wcs(SHAPE, angle=33),
    "rotated 178 deg": tangent_wcs(SHAPE, angle=178),
    "parity flipped": tangent_wcs(SHAPE, parity=1),
    "parity flipped and rotated": tangent_wcs(SHAPE, angle=-75, parity=1),
    "SIP": distorted_wcs(SHAPE),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_sky_positions(detector, name):
    """Planted sky positions come back within a tenth of a pixel, on any coordinate system."""
    wcs = SYSTEMS[name]
    corner = np.array(spread(SHAPE, 60))
    truth = SkyCoord(*wcs.all_pix2world(corner, 0).T, unit="deg")
    x, y = wcs.all_world2pix(np.stack([truth.ra.deg, truth.dec.deg], axis=1), 0).T
    image = plant(SHAPE, np.stack([x, y], axis=1))
    table = detector.detect(image, wcs=wcs)
    assert len(table) == 60
    _, distance, _ = truth.match_to_catalog_sky(sky(table))
    assert distance.max() < 0.1 * SCALE * u.arcsec
    assert np.median(distance) < 0.03 * SCALE * u.arcsec


def test_reference_pixel_is_at_the_reference_position(detector):
    """A source on FITS pixel CRPIX, which counts from 1, has the sky position CRVAL."""
    wcs = tangent_wcs(SHAPE, angle=33)
    x, y = wcs.wcs.crpix - 1
    (row,) = detector.detect(plant(SHAPE, [(x, y)]), wcs=wcs)
    offset = SkyCoord(row["ra"], row["dec"], unit="deg").separation(SkyCoord(*CENTER, unit="deg"))
    assert offset < 0.05 * SCALE * u.arcsec
    assert (row["x"], row["y"]) == (pytest.approx(x, abs=0.05), pytest.approx(y, abs=0.05))


def test_a_file_with_its_own_wcs(detector, tmp_path):
    """A FITS file on disk gives the same table as its array and WCS."""
    wcs = tangent_wcs(SHAPE)
    image = plant(SHAPE, spread(SHAPE, 20))
    fits.PrimaryHDU(image, wcs.to_header()).writeto(tmp_path / "a.fits")
    from_file = detector.detect(tmp_path / "a.fits")
    from_array = detector.detect(image, wcs=wcs)
    np.testing.assert_allclose(from_file["ra"], from_array["ra"], rtol=0, atol=1e-9)
    assert np.array_equal(from_file["x"], from_array["x"])


def test_pixels_and_sizes(detector):
    """Box, centre and sky size follow from the planted pixel and the network's 12 by 10 box."""
    positions = np.array([[50.25, 80.75], [200.0, 30.5]])
    table = detector.detect(plant((120, 300), positions), wcs=tangent_wcs((120, 300)))
    _, at = nearest(positions, table)
    rows = table[at]
    np.testing.assert_allclose(rows["x"], positions[:, 0], atol=0.05)
    np.testing.assert_allclose(rows["y"], positions[:, 1], atol=0.05)
    np.testing.assert_allclose(rows["xmin"], positions[:, 0] - 6, atol=0.05)
    np.testing.assert_allclose(rows["ymax"], positions[:, 1] + 5, atol=0.05)
    np.testing.assert_allclose(rows["width"].to_value("arcsec"), 12 * SCALE, rtol=1e-4)
    np.testing.assert_allclose(rows["height"].to_value("arcsec"), 10 * SCALE, rtol=1e-4)


def test_two_thousand_sources(detector):
    """Two thousand planted sources come back as two thousand rows, none doubled or lost."""
    shape = (1489, 1900)
    positions = spread(shape, 2000)
    table = detector.detect(plant(shape, positions))
    assert len(table) == 2000
    distance, at = nearest(positions, table)
    assert distance.max() < 0.1
    assert len(set(at)) == 2000


# ---- the shipped weights --------------------------------------------------------------------


def test_shipped_weights_on_the_embedded_field():
    """The simulated example's galaxies are found where they were put, without a shift."""
    _, truth = simulate_field(seed=EXAMPLE_SEED)
    galaxies = truth[(truth["label"] != "star") & (np.asarray(truth["mag_r"]) < 19)]
    table = detect(example_paths())
    where = np.stack([np.asarray(galaxies["x"]), np.asarray(galaxies["y"])], axis=1)
    distance, at = nearest(where, table)
    found = distance < 5
    assert found.mean() > 0.8
    offset = np.stack([table["x"][at], table["y"][at]], axis=1)[found] - where[found]
    assert np.median(distance[found]) < 1
    assert np.abs(np.median(offset, axis=0)).max() < 0.3


# ---- flags ---------------------------------------------------------------------------------


def flags_of(table, position):
    """Names of the flags of the row nearest to (x, y)."""
    _, (at,) = nearest(np.array([position]), table)
    return {name for name, bit in FLAGS.items() if table["flags"][at] & bit}


def test_edge_flag(detector):
    """A box within a pixel of the border is flagged, one further inside is not."""
    positions = [(5.0, 50.0), (60.0, 50.0), (120.0, 94.5)]
    table = detector.detect(plant((100, 160), positions))
    assert [flags_of(table, p) for p in positions] == [{"edge"}, set(), {"edge"}]


@pytest.mark.parametrize("kind", ["mask", "nan"])
def test_masked_flag(detector, kind):
    """A box of which a tenth is masked or NaN is flagged; one with fewer bad pixels is not."""
    positions = [(50.0, 50.0), (100.0, 50.0)]
    image = plant((100, 160), positions)
    bad = np.zeros(image.shape, bool)
    bad[40:61, 44:46] = True  # two of the columns of the first box
    bad[46, 96] = True  # one pixel of the second
    if kind == "nan":
        image[bad] = np.nan
    table = detector.detect(image, mask=bad if kind == "mask" else None)
    assert [flags_of(table, p) for p in positions] == [{"masked"}, set()]


def test_saturated_flag(detector):
    """A box with a pixel at the header's saturation level is flagged."""
    positions = [(50.0, 50.0), (100.0, 50.0)]
    image = plant((100, 160), positions, peak=(300, 301))
    image[50, 50] = 5000
    hdu = fits.PrimaryHDU(image)
    hdu.header["SATURATE"] = 4000.0
    table = detector.detect(hdu)
    assert [flags_of(table, p) for p in positions] == [{"saturated"}, set()]


@pytest.mark.parametrize(("scale", "expected"), [(0.396, 0), (0.05, 16), (3.0, 16), (None, 0)])
def test_out_of_domain_flag(detector, scale, expected):
    """A pixel scale outside the 0.2 to 0.8 arcsec of training is flagged; an unknown one is not."""
    wcs = None
    if scale:
        wcs = tangent_wcs((100, 160))
        wcs.wcs.cd *= scale / SCALE
    table = detector.detect(plant((100, 160), [(80.0, 50.0)]), wcs=wcs)
    assert table["flags"].tolist() == [expected]


@pytest.mark.parametrize(("binnings", "flags"), [([], FLAGS["out_of_domain"]), ([2], 0)])
def test_box_beyond_the_trained_size(detector, monkeypatch, binnings, flags):
    """A box longer than the 320 pixels of training is flagged, unless a binned copy gave it."""
    monkeypatch.setattr("astro_yolo.tiling.giant_factors", lambda shape: binnings)
    image = np.random.default_rng(0).normal(0, 1, (900, 900)).astype(np.float32)
    image[200:600, 100:500] += 100
    table = detector.detect(image)
    assert table["flags"].tolist() == [flags]


# ---- labels, scores, what is returned ------------------------------------------------------


def coloured(positions, blue=1.0, green=1.0, red=1.0, shape=(100, 200)):
    """Three bands of the same sources with different brightness."""
    image = plant(shape, positions) - 100
    return [image * factor for factor in (blue, green, red)]


@pytest.mark.parametrize(
    ("factors", "label", "column"),
    [((0.2, 0.6, 1.0), "elliptical", "p_elliptical"), ((1.0, 0.6, 0.2), "spiral", "p_spiral")],
)
def test_bands_run_from_short_to_long(detector, factors, label, column):
    """The first band is the bluest: swapping the bands swaps the colour that the network sees."""
    # the noise scales with the signal when a plane is scaled, so add the noise of the same size
    rng = np.random.default_rng(5)
    bands = [band + rng.normal(0, 2, band.shape) for band in coloured([(60.0, 50.0)], *factors)]
    (row,) = detector.detect(bands)
    assert row["label"] == label
    assert row[column] > 0.7
    total = sum(
        row[f"p_{name}"] for name in ("elliptical", "spiral", "edge_on", "merger", "unknown")
    )
    assert total == pytest.approx(1)


def star_and_galaxy():
    """A green source, which the test network calls a star, and a grey one."""
    rng = np.random.default_rng(5)
    galaxy = coloured([(60.0, 50.0)])
    star = coloured([(140.0, 50.0)], 0.02, 1.0, 0.02)
    return [g + s + rng.normal(0, 2, g.shape) for g, s in zip(galaxy, star, strict=True)]


def test_stars_are_left_out_unless_asked_for(detector):
    """Galaxies only by default; with include_stars the star as well, labelled so."""
    (galaxy,) = detector.detect(star_and_galaxy())
    assert galaxy["x"] == pytest.approx(60, abs=0.1)
    both = detector.detect(star_and_galaxy(), include_stars=True)
    assert both["label"].tolist() == [galaxy["label"], "star"]
    assert both["x"][1] == pytest.approx(140, abs=0.1)
    assert both["p_star"][1] == pytest.approx(0.95)


def test_classes(detector):
    """Only the wanted labels are returned; with stars, 'star' is one of them."""
    bands = star_and_galaxy()
    (star,) = detector.detect(bands, classes="star", include_stars=True)
    assert star["label"] == "star"
    with pytest.warns(NoDetectionsWarning):
        assert len(detector.detect(bands, classes=["merger", "edge_on"])) == 0


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"classes": "star"}, "got star; 'star' needs include_stars=True"),
        ({"classes": ["spiral", "quasar"]}, "classes must be among elliptical.*got quasar"),
        ({"classes": []}, "classes must be among .*got none"),
        ({"score": 1.5}, r"score must be in 0\.\.1, got 1.5"),
        ({"score": float("nan")}, r"score must be in 0\.\.1"),
        ({"min_purity": 0.5}, "min_purity must be within"),
        ({"priors": {"lens": 2}}, "priors must name some of elliptical.*got lens"),
        ({"priors": {"spiral": 0}}, "priors must be numbers above 0, got 0 for spiral"),
        ({"priors": {"spiral": "2"}}, "priors must be numbers above 0, got '2' for spiral"),
        ({"score": 0.5, "min_purity": 0.9}, "score or min_purity, not both"),
    ],
)
def test_options_out_of_range(detector, options, rule):
    """Options outside their range are refused by name, before the image is even read."""
    with pytest.raises(ValueError, match=rule):
        detector.detect("there is no such file.fits", **options)


@pytest.mark.parametrize("name", ["score", "min_purity"])
def test_thresholds_that_are_no_numbers(detector, name):
    """A threshold that is no number is refused by name."""
    with pytest.raises(TypeError, match=f"{name} must be .*, as a plain number, got 'high'"):
        detector.detect("there is no such file.fits", **{name: "high"})


def test_score_thresholds(detector):
    """The default comes from the weights; score and min_purity override it."""
    # the test network's score is m / (m + 20), m the mean of the 5 x 5 pixels round the peak
    shape = (100, 300)
    image = plant(shape, [(240.0, 50.0)])
    image += plant(shape, [(40.0, 50.0)], peak=(20, 20)) - plant(shape, [])  # the noise is the same
    assert len(detector.detect(image)) == 1
    assert len(detector.detect(image, score=0.2)) == 2
    assert detector.detect(image).meta["SCOREMIN"] == 0.5
    assert detector.detect(image, min_purity=0.85).meta["SCOREMIN"] == pytest.approx(0.4)
    scores = detector.detect(image, score=0.2)["score"]
    assert scores[0] > 0.8
    assert scores[1] == pytest.approx(9.3 / 29.3, abs=0.03)


def test_min_purity_is_that_of_the_kind_of_image():
    """A picture takes the score at which pictures were so pure, frames that of frames."""
    own = Detector(MODEL, backend="onnxruntime", device="cpu")
    thresholds = own.weights.metadata["thresholds"] | {"purity_of": {"pictures": [[0.25, 0.9]]}}
    metadata = own.weights.metadata | {"thresholds": thresholds}
    own._weights = replace(own.weights, metadata=metadata)
    plane = np.clip(plant((100, 300), [(240.0, 50.0)], peak=(90, 90)), 0, 255).astype(np.uint8)
    for image, score in ((plane, 0.5), (np.repeat(plane[..., None], 3, axis=2), 0.25)):
        assert own.detect(image, min_purity=0.9).meta["SCOREMIN"] == pytest.approx(score)


def test_pictures_have_a_calibration_of_their_own(detector):
    """Half the probability in pictures halves the score of a picture, and of nothing else."""
    shape = (100, 300)
    plane = np.clip(plant(shape, [(240.0, 50.0)], peak=(90, 90)), 0, 255).astype(np.uint8)
    picture = np.repeat(plane[..., None], 3, axis=2)
    inputs = (dict.fromkeys("gri", plane), picture)
    before = [detector.detect(image, score=0.2)["score"][0] for image in inputs]
    own = Detector(MODEL, backend="onnxruntime", device="cpu")
    half = Calibration(score=ScoreMap((0.0, 1.0), (0.0, 0.5)))
    calibration = replace(own.weights.calibration, pictures=half)
    own._weights = replace(own.weights, calibration=calibration)
    after = [own.detect(image, score=0.2)["score"][0] for image in inputs]
    np.testing.assert_allclose(after, [before[0], before[1] / 2], atol=1e-3)


def test_nothing_found(detector):
    """Empty sky gives a table of zero rows with all columns, and one warning."""
    image = np.random.default_rng(0).normal(size=(100, 120)).astype(np.float32)
    with pytest.warns(NoDetectionsWarning, match="nothing was found in .* at least 0.5") as caught:
        empty = detector.detect(image, wcs=tangent_wcs((100, 120)))
    assert len(caught) == 1
    assert caught[0].filename == __file__
    full = detector.detect(plant((100, 120), [(50.0, 50.0)]), wcs=tangent_wcs((100, 120)))
    assert len(empty) == 0
    assert empty.colnames == full.colnames
    with pytest.warns(NoDetectionsWarning, match="at least 0.5 and a label among merger: the"):
        detector.detect(image, classes="merger")


def test_input_is_not_modified(detector):
    """The caller's array and mask are the same afterwards."""
    image = plant((100, 160), [(50.0, 50.0)])
    mask = image > 150
    before = image.copy(), mask.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)
        detector.detect(image, mask=mask)
    assert np.array_equal(image, before[0])
    assert np.array_equal(mask, before[1])


# ---- provenance and the Detector itself -----------------------------------------------------


def test_provenance(detector, tmp_path):
    """The table says with what it was made: model, checksum, thresholds, stretch, input."""
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(plant((100, 160), [(50.0, 50.0)])).writeto(path)
    table = detector.detect(path, score=0.3)
    made = json.loads(table.meta["PROV"])
    assert made["model"]["name"] == table.meta["MODEL"] == "blobs"
    assert made["model"]["sha256"] == hashlib.sha256(MODEL.read_bytes()).hexdigest()
    assert list(made["input"]["sha256"].values()) == [hashlib.sha256(path.read_bytes()).hexdigest()]
    assert made["backend"]["name"] == "onnxruntime"
    assert (made["score"], made["stretch"]) == (0.3, "asinh-noise-1")
    assert made["doubles"] == {"iou_threshold": 0.5, "concentric": 0.25}
    assert made["passes"] == {"tiles": 1, "binnings": [1], "zoom": 1.0, "max_pixels": 6_500_000}


def test_same_input_same_table():
    """Two detectors give the same table bit for bit, provenance included."""
    image = plant((200, 300), spread((200, 300), 20))
    tables = [Detector(MODEL, backend="onnxruntime").detect(image) for _ in range(2)]
    assert tables[0].meta == tables[1].meta
    for name in tables[0].colnames:
        assert np.array_equal(tables[0][name], tables[1][name])


def test_one_shot_equals_detector(detector):
    """The function is the class used once."""
    image = plant((100, 160), [(50.0, 50.0)])
    table = detect(image, model=MODEL, backend="onnxruntime", device="cpu", score=0.4)
    assert table.meta == detector.detect(image, score=0.4).meta


def test_network_is_loaded_once_and_when_needed(detector):
    """Making a Detector reads nothing; its second image uses the network of the first."""
    assert Detector("no such model").max_pixels == 6_500_000
    loaded = detector.backend
    detector.detect(plant((100, 160), [(50.0, 50.0)]))
    assert detector.backend is loaded


def test_unknown_model():
    """A model that does not exist is named."""
    with pytest.raises(WeightsError, match="got 'no such model'"):
        detect(np.ones((50, 50)), model="no such model")


@pytest.mark.parametrize(
    ("option", "rule"), [("backend", "backend must"), ("device", "device must")]
)
def test_unknown_backend_or_device(option, rule):
    """Unknown names are refused when the Detector is made."""
    with pytest.raises(ValueError, match=rule):
        Detector(MODEL, **{option: "abacus"})
