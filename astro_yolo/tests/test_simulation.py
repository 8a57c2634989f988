from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from astro_yolo.catalog import CLASSES
from astro_yolo.demo import example_paths
from astro_yolo.simulation import (
    BANDS,
    EXAMPLE_SEED,
    SKY_NOISE,
    _total_magnitude,
    simulate_field,
    write_example,
)
from astro_yolo.stretch import background_noise


@pytest.fixture(scope="module")
def field():
    return simulate_field(seed=EXAMPLE_SEED)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_example(tmp_path_factory.mktemp("example"))


def test_same_seed_same_field():
    """The same seed gives the same field, another one another."""
    first, second, other = (simulate_field((200, 220), seed=seed)[0] for seed in (3, 3, 4))
    for band in BANDS:
        np.testing.assert_array_equal(first[band].data, second[band].data)
        assert (first[band].data != other[band].data).mean() > 0.9


def test_a_merger_has_the_light_of_its_parts():
    """Two parts of 18 mag are one of 18 - 2.5 log10 2; what stands alone has its own."""
    parts = [SimpleNamespace(group=group, mag_r=mag) for group, mag in ((3, 18), (3, 18), (-1, 15))]
    found = [_total_magnitude(part, parts) for part in parts]
    assert found == pytest.approx([17.247425, 17.247425, 15], abs=1e-6)


def test_noise_is_that_of_sdss(field):
    """The sky is at zero and its noise the stated one in each band."""
    hdus, _ = field
    for band in BANDS:
        sky, noise = background_noise(hdus[band].data)
        assert noise == pytest.approx(SKY_NOISE[band], rel=0.06)
        assert abs(sky) < 0.2 * noise


def test_orientation_is_that_of_sdss_frames(field):
    """Declination grows along x, right ascension along y, at 0.396 arcsec per pixel."""
    wcs = WCS(field[0]["r"].header)
    np.testing.assert_allclose(3600 * proj_plane_pixel_scales(wcs), 0.396, rtol=1e-6)
    ra, dec = wcs.all_pix2world([100, 200, 100], [100, 100, 200], 0)
    assert dec[1] - dec[0] == pytest.approx(100 * 0.396 / 3600, rel=1e-3)
    assert ra[2] - ra[0] == pytest.approx(100 * 0.396 / 3600, rel=1e-3)


def test_sources_are_where_the_truth_says(field):
    """In each band the light of an isolated star is centred where the sky position falls."""
    hdus, truth = field
    stars = truth[(truth["label"] == "star") & ~truth["saturated"]]
    stars = stars[(stars["mag_r"].value < 18.6)]
    sky = SkyCoord(stars["ra"], stars["dec"])
    for band in BANDS:
        x, y = WCS(hdus[band].header).world_to_pixel(sky)
        offsets = []
        for x0, y0 in zip(x, y, strict=True):
            left, low = round(float(x0)) - 4, round(float(y0)) - 4
            stamp = hdus[band].data[low : low + 9, left : left + 9]
            rows, columns = np.indices(stamp.shape)
            center = np.array([(stamp * columns).sum(), (stamp * rows).sum()]) / stamp.sum()
            offsets.append(center + np.array([left - x0, low - y0]))
        # a window of nine whole pixels pulls a centroid a little to its middle
        assert np.abs(np.median(offsets, axis=0)).max() < 0.05
        assert np.median(np.hypot(*np.transpose(offsets))) < 0.15


def test_flux_is_that_of_the_magnitude(field):
    """The light of a star within 7 pixels is its magnitude, less the wings of the profile."""
    hdus, truth = field
    star = truth[(truth["label"] == "star") & ~truth["saturated"]][0]
    y, x = np.indices(hdus["r"].data.shape)
    near = np.hypot(x - star["x"], y - star["y"]) < 7
    expected = 10 ** (-0.4 * (star["mag_r"].value - 22.5))
    assert hdus["r"].data[near].sum() == pytest.approx(expected, rel=0.06)


def test_truth_has_every_kind(field):
    """All classes are there, in realistic numbers; one star is saturated; boxes lie round x, y."""
    _, truth = field
    labels = list(truth["label"])
    assert set(labels) == {*CLASSES, "star"}
    assert labels.count("merger") == 1
    assert labels.count("star") == 25
    assert len(labels) - 25 == 36 - 1  # the two galaxies that merge are one row
    assert list(truth["label"][truth["saturated"]]) == ["star"]
    np.testing.assert_allclose((truth["xmin"] + truth["xmax"]) / 2, truth["x"], atol=1e-9)
    np.testing.assert_allclose((truth["ymin"] + truth["ymax"]) / 2, truth["y"], atol=1e-9)
    large = truth[np.isin(truth["label"], ("elliptical", "spiral", "edge_on", "merger"))]
    side = np.maximum(large["xmax"] - large["xmin"], large["ymax"] - large["ymin"])
    assert side.min() > 20
    assert side.max() < 90


def test_small_field_is_refused():
    """A field without room for its sources is refused."""
    with pytest.raises(ValueError, match=r"shape must be at least 200 pixels.*\(100, 640\)"):
        simulate_field((100, 640), seed=1)


@pytest.mark.parametrize(
    ("given", "error", "rule"),
    [
        ({"shape": 300}, ValueError, "shape must be at least 200 pixels each way.* got 300"),
        ({"shape": (300.5, 300)}, ValueError, "shape must be of whole pixels, got 300.5"),
        ({"seed": np.random.default_rng(1)}, TypeError, "seed must be a whole number.* Generator"),
        ({"seed": -1}, ValueError, "seed must be a whole number, 0 or more, got -1"),
        ({"seeing": 0}, ValueError, "seeing must be more than 0 arcsec, got 0"),
        ({"seeing": 3 * u.pix}, TypeError, "seeing must be an angle, .* pix"),
    ],
)
def test_a_field_that_cannot_be_is_refused(given, error, rule):
    """The argument, its rule and what was got are named, before anything is drawn."""
    with pytest.raises(error, match=rule):
        simulate_field(**{"seed": 1} | given)


def test_seeing_may_have_a_unit():
    """1.2 arcsec are a fiftieth of an arcminute; seeds may be as long as NumPy's own."""
    seed = 2**90 + 1
    plain, told = (
        simulate_field((200, 200), seed=seed, seeing=seeing)[0]["r"]
        for seeing in (1.2, 0.02 * u.arcmin)
    )
    np.testing.assert_allclose(plain.data, told.data, atol=1e-5)
    assert plain.header["SIMSEED"] == seed


def test_example_is_what_the_code_writes(written):
    """The files in the package come from the code, but for rounding on another machine."""
    for band, path in zip(BANDS, written, strict=True):
        shipped, fresh = (fits.open(p) for p in (example_paths()[band], path))
        with shipped, fresh:
            # the values: Astropy's comments on its own keywords change from version to version
            assert list(shipped[1].header.items()) == list(fresh[1].header.items())
            # a rounding may move a pixel by one step of the quantisation, a twelfth of the noise
            difference = np.abs(shipped[1].data - fresh[1].data)
            assert difference.max() < SKY_NOISE[band] / 5
            assert np.mean(difference > SKY_NOISE[band] / 100) < 0.01


def test_example_keeps_the_noise_and_says_what_it_is(written, field):
    """The compressed files are small, marked as simulated, and lose no noise."""
    assert sum(path.stat().st_size for path in written) < 2_000_000
    for band, path in zip(BANDS, written, strict=True):
        with fits.open(path) as hdus:
            assert hdus[1].header["ORIGIN"] == "SIMULATED"
            assert hdus[1].header["FILTER"] == band
            difference = hdus[1].data - field[0][band].data
        assert difference.std() < SKY_NOISE[band] / 30
