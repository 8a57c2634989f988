"""Model stars and galaxies: their light, boxes, counts and colours."""

from dataclasses import dataclass

import numpy as np
import pytest

from astro_yolo.injection import moffat_kernel
from astro_yolo.training import model_objects
from astro_yolo.training.model_objects import add_sersic, add_star, add_stars, draw_magnitudes
from astro_yolo.training.samples import GALAXY, IGNORE, OBJECTS, STAR

SIZE = 160


@dataclass(frozen=True)
class _Sky:
    psf: tuple
    noise: np.ndarray
    fwhm: float


@pytest.fixture
def sky():
    """Return the PSF and noise of a sky like that of an SDSS frame."""
    psf = moffat_kernel(3.0)[3:-3, 3:-3]
    return _Sky((psf / psf.sum(),) * 3, np.array([0.016, 0.025, 0.035], np.float32), 3.0)


def test_a_star_has_the_flux_of_its_magnitude_where_it_was_put(sky):
    """r = 17.5 is 100 nanomaggies, its centroid is the place, the box 2 FWHM about it."""
    planes = np.zeros((3, SIZE, SIZE), np.float32)
    box, kind = add_star(
        planes, sky, np.random.default_rng(1), 17.5, place=np.array([80.3, 60.8])
    )
    y, x = np.indices((SIZE, SIZE))
    total = planes[1].sum()
    assert total == pytest.approx(100, rel=0.01)
    assert (planes[1] * x).sum() / total == pytest.approx(80.3, abs=0.05)
    assert (planes[1] * y).sum() / total == pytest.approx(60.8, abs=0.05)
    np.testing.assert_allclose(box, [77.8, 58.3, 83.8, 64.3])
    assert kind == STAR


def test_one_star_in_twenty_five_has_another_beside_it(sky):
    """Of 1200 draws about 48 are pairs, between 0.7 and 2 FWHM apart."""
    rng = np.random.default_rng(2)
    planes = np.zeros((3, SIZE, SIZE), np.float32)
    added = [add_stars(planes, sky, rng) for _ in range(1200)]
    pairs = [pair for pair in added if len(pair) == 2]
    assert 28 < len(pairs) < 72
    for (first, _), (second, _) in pairs:
        apart = np.hypot(*(first - second)[:2])
        assert 0.7 * 3 <= apart <= 2 * 3


def test_the_faint_are_ignored(sky):
    """A star and a galaxy of r = 25 drown in the noise of a frame: neither is a lesson."""
    planes = np.zeros((3, SIZE, SIZE), np.float32)
    rng = np.random.default_rng(3)
    assert add_star(planes, sky, rng, 25.0, place=np.array([80.0, 80.0]))[1] == IGNORE
    assert add_sersic(planes, sky, rng, 25.0)[1] == IGNORE


@pytest.mark.parametrize(("index", "ratio", "arms", "side", "kind"), [
    (1.0, 0.2, False, 30, "edge_on"), (1.0, 0.2, False, 14, "unknown"),
    (1.0, 0.5, True, 50, "spiral"), (4.0, 0.8, False, 30, "elliptical"),
])
def test_kind_of_a_model(sky, index, ratio, arms, side, kind):
    """Thin discs, arms and steep profiles have a type from a size on, below it they have none."""
    stamps = np.full((3, 9, 9), 1.0, np.float32)
    box = np.array([10.0, 10, 10 + side, 20])
    found = model_objects._kind_of_model(stamps, box, index, ratio, arms, sky)
    assert OBJECTS[found] == kind
    plain = model_objects._kind_of_model(stamps, box, 2.5, ratio, False, sky)
    assert plain == (GALAXY if side > 15 else found)
    assert model_objects._kind_of_model(1e-4 * stamps, box, index, ratio, arms, sky) == IGNORE


def test_faint_galaxies_are_redder_and_early_types_the_reddest():
    """g-r grows from r = 17 to 21; at r = 20.5 the middle half of all spans SDSS's 0.8 to 1.5."""
    rng = np.random.default_rng(4)

    def colours(magnitude, early):
        found = [model_objects._galaxy_colours(magnitude, early, rng) for _ in range(600)]
        return np.transpose(found)

    for early in (True, False):
        assert np.median(colours(21.0, early)[0]) > np.median(colours(17.0, early)[0]) + 0.15
    both = np.concatenate([colours(20.5, True)[0][:240], colours(20.5, False)[0][:360]])
    low, high = np.percentile(both, [25, 75])
    assert low == pytest.approx(0.75, abs=0.15)
    assert high == pytest.approx(1.4, abs=0.2)


def test_faint_stars_are_mostly_dwarfs_of_type_m():
    """g-r above 1.3 in about a quarter of the stars of r = 17 and half of those of r = 22."""
    rng = np.random.default_rng(5)
    for magnitude, share in ((17.0, 0.28), (22.0, 0.56)):
        red = [model_objects._star_colours(magnitude, rng)[0] > 1.3 for _ in range(2000)]
        assert np.mean(red) == pytest.approx(share, abs=0.05)


def test_magnitudes_follow_power_law_counts():
    """Half of the sources of 0.4 dex a magnitude lie in the last 0.753 mag, all within limits."""
    rng = np.random.default_rng(2)
    found = draw_magnitudes(rng, 20.0, 24.5, slope=0.4, number=2000)
    assert 20 <= found.min() < found.max() <= 24.5
    assert np.median(found) == pytest.approx(24.5 - np.log10(2) / 0.4, abs=0.05)
    assert isinstance(draw_magnitudes(rng, 20.0, 24.5), float)
