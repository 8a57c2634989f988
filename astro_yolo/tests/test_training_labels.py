"""Boxes and types measured on simulated sources with known shapes."""

import numpy as np
import pytest

from astro_yolo.injection import add_stamp, moffat_kernel, sersic_stamp
from astro_yolo.training.labels import (
    Sources,
    _clip_petrosian,
    ellipse_box,
    find_sources,
    petrosian_radius,
    star_galaxy,
)

pytest.importorskip("sep", reason="needs the train extra")

PSF = moffat_kernel(3.2)


@pytest.fixture(scope="module")
def scene():
    """Twelve stars and four galaxies on noise of sigma 1; galaxies come last."""
    rng = np.random.default_rng(3)
    plane = rng.normal(0, 1, (400, 400)).astype(np.float32)
    places = [(50 + 90 * (k % 4), 50 + 90 * (k // 4)) for k in range(16)]
    for x, y in places[:12]:
        add_stamp(plane, PSF * rng.uniform(2000, 6000), x, y)
    for x, y in places[12:]:
        add_stamp(plane, sersic_stamp(8000, 6, 1, 0.5, np.pi / 6, psf=PSF), x, y)
    sources, segments = find_sources(plane, plane)
    return np.array(places), sources, segments


def nearest(places, sources):
    """Return the index of the source nearest to each place, which must be within a pixel."""
    distance = np.hypot(places[:, :1] - sources.x, places[:, 1:] - sources.y)
    assert distance.min(axis=1).max() < 1
    return distance.argmin(axis=1)


def test_sources_are_found_where_they_were_put(scene):
    """Every planted source is found within a pixel and owns its pixel of the map."""
    places, sources, segments = scene
    index = nearest(places, sources)
    assert (segments[places[:, 1], places[:, 0]] == index + 1).all()


def test_stars_and_galaxies_are_told_apart(scene):
    """Sources as small as the PSF are stars, larger ones galaxies."""
    places, sources, _ = scene
    index = nearest(places, sources)
    kind, locus = star_galaxy(sources)
    assert kind[index].tolist() == [0] * 12 + [1] * 4
    assert locus == pytest.approx(np.median(sources.half_light[index[:12]]), rel=0.05)


def sources_of(half, signal=100.0, ratio=1.0, peak=100.0, flag=0):
    """Return sources of some half-light radii, all else equal."""
    given = dict(half_light=half, signal_to_noise=signal, axis_ratio=ratio, peak=peak, flag=flag)
    one = dict.fromkeys(("x", "y", "theta", "petrosian", "aperture_flux"), 0.0) | given
    return Sources(**{name: np.broadcast_to(value, len(half)) for name, value in one.items()})


@pytest.mark.parametrize(
    ("signal", "galaxy", "star"),
    [(100.0, 1.13 + 0.03, 1.08 + 0.0045), (15.0, 1.13 + 0.2, 1.08 + 0.03)],
)
def test_what_is_between_star_and_galaxy_cannot_be_told(signal, galaxy, star):
    """Galaxies are wider by 13 % and two errors of 1.5 / (S/N), stars by 8 % and 0.3 at most."""
    half = np.r_[np.full(30, 2.0), 2 * (galaxy + np.array([0.003, -0.003])),
                 2 * (star + np.array([0.003, -0.003]))]  # fmt: skip
    sources = sources_of(half, np.r_[np.full(30, 100.0), np.full(4, signal)])
    kind, locus = star_galaxy(sources)
    assert locus == 2
    assert kind.tolist() == [0] * 30 + [1, -1, -1, 0]
    faint = sources_of(half, np.r_[np.full(30, 100.0), np.full(4, 12.0)])
    assert star_galaxy(faint)[0].tolist() == [0] * 30 + [-1] * 4


@pytest.mark.parametrize(
    "wrong", [{"signal": 39.0}, {"ratio": 0.7}, {"peak": 2100.0}, {"flag": 1}, {"half": 0.7}]
)
def test_the_locus_is_that_of_good_stars(wrong):
    """Faint, long, saturated, blended and too narrow sources do not count, however many."""
    values = dict(half=5.0, signal=100.0, ratio=1.0, peak=100.0, flag=0) | wrong
    good = dict(half=2.0, signal=100.0, ratio=1.0, peak=100.0, flag=0)
    columns = {name: np.repeat([values[name], good[name]], [90, 20]) for name in good}
    assert star_galaxy(sources_of(**columns))[1] == 2


def test_saturated_sources_are_stars(scene):
    """Whatever its size, a source above saturation is a star."""
    _, sources, _ = scene
    kind, _ = star_galaxy(sources, saturation=1)
    assert (kind == 0).all()


def test_box_has_the_shape_and_angle_of_the_galaxy(scene):
    """The measured ellipse is that of the model, rounded by the PSF."""
    places, sources, _ = scene
    index = nearest(places, sources)[12:]
    np.testing.assert_allclose(sources.theta[index], np.pi / 6, atol=0.05)
    assert (np.abs(sources.axis_ratio[index] - 0.57) < 0.06).all()


def sizes_of(stamp):
    """Return half-light and Petrosian radius of a stamp without noise, and its light in 5 pixels.

    By their definitions, on pixels cut in five by five.
    """
    light = np.kron(stamp / stamp.sum() / 25, np.ones((5, 5)))
    radius = np.hypot(*(np.indices(light.shape) - light.shape[0] // 2)) / 5
    fine = np.arange(1.0, stamp.shape[0] // 2, 0.1)
    within = np.array([light[radius < r].sum() for r in fine])
    local = [light[(radius > 0.87 * r) & (radius < 1.15 * r)].mean() for r in fine]
    mean = [light[radius < r].mean() for r in fine]
    petrosian = fine[np.array(local) < 0.2 * np.array(mean)][0]
    return fine[within > 0.5][0], petrosian, light[radius < 5].sum()


def test_radii_are_those_of_the_models(scene):
    """Half-light and Petrosian radii, and signal-to-noise, are those of the noiseless models."""
    places, sources, _ = scene
    index = nearest(places, sources)
    galaxy = sersic_stamp(8000, 6, 1, 0.5, np.pi / 6, psf=PSF)
    for stamp, chosen in ((PSF, index[:12]), (galaxy, index[12:])):
        half, petrosian, _ = sizes_of(stamp)
        assert np.median(sources.half_light[chosen]) == pytest.approx(half, rel=0.07)
        assert np.median(sources.petrosian[chosen]) == pytest.approx(petrosian, rel=0.1)
    expected = 8000 * sizes_of(galaxy)[2] / np.sqrt(np.pi * 5**2)  # in noise of 1
    np.testing.assert_allclose(sources.signal_to_noise[index[12:]], expected, rtol=0.03)


@pytest.mark.parametrize(
    ("petrosian", "half", "weight", "rms", "expected"),
    [
        (25, 10, 24, 99, 25), (15, 10, 24, 99, 20), (35, 10, 24, 99, 28),
        (35, 10, 26, 99, 35), (15, 10, 26, 99, 17), (55, 10, 26, 99, 40),
        (0, 0.5, 24, 99, 2), (9, 0.5, 24, 99, 2.5), (35, 10, 26, 5, 17.5),
    ],
)
def test_noisy_petrosian_radii_are_bounded(petrosian, half, weight, rms, expected):
    """2 to 2.8 half-light radii of faint, 1.7 to 4 of bright sources; 3.2 rms axes and 1.5."""
    found = _clip_petrosian(*np.array([[petrosian], [half], [weight], [rms]], float))
    assert found.tolist() == [pytest.approx(expected)]


def test_box_of_an_ellipse_is_tight():
    """The box touches the ellipse: arithmetic for angles 0, 90 and 45 degrees."""
    boxes = ellipse_box(
        np.full(3, 9.5), np.full(3, 19.5), np.full(3, 10.0), np.full(3, 0.5),
        np.deg2rad([0, 90, 45]),
    )
    diagonal = 10 * np.sqrt(0.5 + 0.25 * 0.5)
    np.testing.assert_allclose(boxes[0], [0, 15, 20, 25])
    np.testing.assert_allclose(boxes[1], [5, 10, 15, 30], atol=1e-9)
    expected = [10 - diagonal, 20 - diagonal, 10 + diagonal, 20 + diagonal]
    np.testing.assert_allclose(boxes[2], expected)


def test_petrosian_radius_of_an_exponential_disc():
    """An exponential disc without PSF has 2.17 half-light radii (3.63 scale lengths)."""
    stamp = sersic_stamp(700, 12, 1, 1, 0, psf=np.ones((1, 1), np.float32))
    # annuli of finite width put the crossing a few percent away
    assert petrosian_radius(stamp) == pytest.approx(2.17 * 12, rel=0.05)
    middle = stamp.shape[0] // 2
    assert petrosian_radius(stamp, centre=(middle, middle)) == pytest.approx(26, rel=0.05)


def test_an_empty_image_has_no_sources():
    """Pure zeros give no sources and no error."""
    sources, segments = find_sources(np.zeros((64, 64)), np.zeros((64, 64)))
    assert len(sources) == 0
    assert segments.max() == 0
    assert star_galaxy(sources)[0].size == 0
