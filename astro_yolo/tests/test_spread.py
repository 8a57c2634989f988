"""How much wider than a star sources are, on stars and galaxies of known shape."""

import numpy as np
import pytest

from astro_yolo.network import spread
from astro_yolo.network.calibration import OUTPUTS
from astro_yolo.network.spread import PointSpread
from astro_yolo.stretch import to_network

FWHM = 3.2
SIZE = 480


def profile(kind, dx, dy, fwhm=FWHM):
    """Return a source of unit flux about (dx, dy): a Gaussian star or a galaxy seen through it."""
    fine, half = 5, 16
    grid = (np.arange((2 * half + 1) * fine) + 0.5) / fine - half - 0.5
    x, y = np.meshgrid(grid - dx, grid - dy)
    sigma = fwhm / 2.355
    star = np.exp(-(x**2 + y**2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)
    if kind == "galaxy":
        at = np.hypot(*np.meshgrid(grid, grid))
        disc = np.exp(-at / (0.3 * fwhm))
        product = np.fft.fft2(star) * np.fft.fft2(np.fft.ifftshift(disc / disc.sum()))
        star = np.fft.ifft2(product).real
    return star.reshape(2 * half + 1, fine, 2 * half + 1, fine).mean(axis=(1, 3))


class Scene:
    """Bands with sources on a grid 40 pixels apart, the first twenty bright stars."""

    def __init__(self, kinds, fluxes, *, seed=1, noise=1.0):
        self.rng = np.random.default_rng(seed)
        self.planes = self.rng.normal(0, noise, (3, SIZE, SIZE))
        kinds = ["star"] * 20 + list(kinds)
        fluxes = np.r_[np.full(20, 2000.0), fluxes]
        grid = np.stack(np.meshgrid(*[np.arange(30, SIZE - 20, 40)] * 2), axis=-1).reshape(-1, 2)
        self.places = grid[: len(kinds)] + self.rng.uniform(-0.5, 0.5, (len(kinds), 2))
        for kind, flux, place in zip(kinds, fluxes, self.places, strict=True):
            self.add(kind, flux, place)

    def add(self, kind, flux, place):
        """Add a source of the same flux to all bands."""
        x, y = np.round(place).astype(int)
        light = flux * profile(kind, *(place - np.array([x, y])))
        self.planes[:, y - 16 : y + 17, x - 16 : x + 17] += light

    def measure(self, planes=None, *, places=None, raw=0.9):
        """Return the point spread, and the spreads of all sources, as stars of a network."""
        places = self.places if places is None else places
        seen = to_network(self.planes if planes is None else planes)
        boxes = np.concatenate([places - 5, places + 5], axis=1) + 0.5
        outputs = np.zeros((len(places), 7))
        outputs[:, OUTPUTS.index("star")] = raw
        stars = PointSpread.of_image(seen, boxes, outputs)
        return stars, stars and stars.spread(seen, boxes, outputs)


@pytest.mark.parametrize("flux", [400.0, 20_000.0])
def test_stars_have_none_and_a_galaxy_has_that_of_the_definition(flux):
    """A star's spread is 0, that of a disc is its light over that of a star fitted to it."""
    scene = Scene(["star", "galaxy"] * 20, np.full(40, flux))
    stars, found = scene.measure()
    with_pixel = np.hypot(FWHM, 2.355 / np.sqrt(12))  # whose own variance is 1/12
    assert stars.fwhm == pytest.approx(with_pixel, rel=0.03)
    assert stars.kernels.shape == (3, 21, 21)
    assert np.abs(found[:20, 0]).mean() < 0.05
    assert np.mean(found[20::2, 0]) == pytest.approx(0, abs=0.06)
    star, galaxy = profile("star", 0, 0), profile("galaxy", 0, 0)
    expected = (star**2).sum() / (star * galaxy).sum()
    assert expected > 1.3
    assert np.mean(found[21::2, 0]) == pytest.approx(expected, rel=0.06)


def test_sure_stars():
    """A star is sure by its two outputs, and alone but for what is too weak to be a source."""
    star, galaxy, x = np.transpose([
        [0.61, 0.0, 0], [0.59, 0.0, 100], [0.9, 0.14, 200], [0.9, 0.16, 300],
        [0.9, 0.0, 400], [0.26, 0.0, 412.9], [0.9, 0.0, 500], [0.26, 0.0, 513.1],
        [0.9, 0.0, 600], [0.24, 0.0, 601], [0.9, 0.0, 700], [0.0, 0.26, 701],
    ])
    outputs = np.zeros((12, 7))
    outputs[:, OUTPUTS.index("star")], outputs[:, OUTPUTS.index("galaxy")] = star, galaxy
    found = spread.sure_stars(outputs, np.stack([x, 0 * x], axis=1), 13.0)
    assert np.flatnonzero(found).tolist() == [0, 2, 6, 8]


def test_faint_sources_and_portions(monkeypatch):
    """The noise of a faint star is nothing odd; in portions all sources have the same spread."""
    scene = Scene(["star"] * 60, np.full(60, 15.0))
    _, whole = scene.measure()
    assert np.isfinite(whole).all(axis=1).mean() > 0.97
    monkeypatch.setattr(spread, "_AT_ONCE", 16)
    np.testing.assert_allclose(scene.measure()[1], whole, rtol=1e-4, atol=1e-5)


def smoothed(planes):
    """Return planes averaged over 2x2 pixels, as resampling does."""
    return sum(np.roll(planes, (y, x), (1, 2)) for y in (0, 1) for x in (0, 1)) / 4


@pytest.mark.parametrize("change", [None, smoothed, lambda planes: planes[:1]])
def test_errors_are_those_of_the_noise(change):
    """Faint stars scatter by their errors: in three bands, in resampled ones, and in one alone."""
    scene = Scene(["star"] * 100, np.full(100, 90.0), seed=3)
    planes = scene.planes if change is None else change(scene.planes)
    places = scene.places + (0.5 if change is smoothed else 0)
    _, found = scene.measure(list(planes), places=places)
    pull = found[20:, 0] / found[20:, 1]
    assert 0.75 < np.std(pull) < 1.3
    assert abs(np.mean(pull)) < 0.4


def test_pixels_of_a_neighbour_do_not_count():
    """A star seven pixels from a brighter one stays a star; not told of that one, it is none."""
    scene = Scene([], [])
    pairs = scene.places[:20:4] + np.array([7, 0])
    for place in pairs:
        scene.add("star", 600.0, place)
    both = np.concatenate([scene.places, pairs])
    _, found = scene.measure(places=both)
    assert np.abs(found[20:, 0]).max() < 0.25
    alone = np.concatenate([np.delete(scene.places, np.s_[:20:4], axis=0), pairs])
    _, blended = scene.measure(places=alone)
    assert not (np.abs(blended[-len(pairs) :, 0]) < 0.25).any()


def test_the_light_of_a_neighbour_makes_no_star_wider():
    """A star five pixels from one ten times as bright is no wider than one that stands alone."""
    scene = Scene(["star"] * 8, np.full(8, 300.0), seed=5)
    bright = scene.places[20:] + np.array([3.6, 3.6])
    for place in bright:
        scene.add("star", 3000.0, place)
    _, found = scene.measure(places=np.concatenate([scene.places, bright]))
    assert np.nanmax(found[20:28, 0]) < 0.1


def test_what_is_neither_has_no_spread():
    """Two equal stars four pixels apart, taken for one source, are not known."""
    scene = Scene([], [])
    for place in scene.places[:5]:
        scene.add("star", 2000.0, place + np.array([4, 0]))
    places = scene.places + np.array([[2.0, 0]] * 5 + [[0.0, 0]] * 15)
    _, found = scene.measure(places=places)
    assert np.isnan(found[:5]).all()
    assert np.isfinite(found[5:]).all()


def test_what_is_fainter_than_sure_does_not_matter():
    """Candidates too weak to count change nothing for the others."""
    scene = Scene(["galaxy"] * 10, np.full(10, 300.0))
    more = np.concatenate([scene.places, scene.places + np.array([5.0, 0])])
    raw = np.r_[np.full(30, 0.9), np.full(30, spread.SURE - 0.01)]
    _, expected = scene.measure()
    _, found = scene.measure(places=more, raw=raw)
    np.testing.assert_allclose(found[:30], expected, rtol=1e-5)


def test_too_few_stars_and_no_candidates():
    """Five stars are too few for a point spread; no candidates have no spreads."""
    scene = Scene([], [])
    assert scene.measure(places=scene.places[:5])[0] is None
    stars, _ = scene.measure()
    nothing = stars.spread(to_network(scene.planes), np.empty((0, 4)), np.empty((0, 7)))
    assert nothing.shape == (0, 3)


def test_a_star_at_the_edge():
    """A star three pixels from the edge is a star all the same."""
    scene = Scene([], [])
    places = np.array([[3.2, 100.4], [SIZE - 4.1, 200.0], [150.3, 2.8], [250.0, SIZE - 3.7]])
    y, x = np.indices((SIZE, SIZE))
    sigma = FWHM / 2.355
    for px, py in places:
        light = np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)
        scene.planes += 900 * light
    _, found = scene.measure(places=np.concatenate([scene.places, places]))
    assert np.abs(found[20:, 0]).max() < 0.25


def test_each_source_has_its_own_sky():
    """Stars on a sky that rises by a noise a hundred pixels stay stars, wherever they stand."""
    scene = Scene(["star"] * 80, np.full(80, 200.0))
    tilted = scene.planes + np.arange(SIZE) / 100 - 2.4
    _, found = scene.measure(tilted)
    pull = found[20:, 0] / found[20:, 1]
    left = scene.places[20:, 0] < SIZE / 2
    assert abs(pull[left].mean() - pull[~left].mean()) < 0.8
