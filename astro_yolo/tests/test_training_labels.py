"""Boxes and types measured on simulated sources with known shapes."""

import numpy as np
import pytest

from astro_yolo.injection import add_stamp, moffat_kernel, sersic_stamp
from astro_yolo.training.labels import (
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
    stamp = sersic_stamp(1, 12, 1, 1, 0, psf=np.ones((1, 1), np.float32))
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
