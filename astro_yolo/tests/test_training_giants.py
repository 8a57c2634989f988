"""Labels of galaxies that a source finder breaks into pieces."""

from types import SimpleNamespace

import numpy as np
import pytest

from astro_yolo.injection import add_stamp, moffat_kernel, sersic_stamp
from astro_yolo.training.giants import _inside, label_giants
from astro_yolo.training.labels import find_sources, star_galaxy

pytest.importorskip("sep", reason="needs the train extra")

PSF = moffat_kernel(3.2)


@pytest.fixture(scope="module")
def scene():
    """A disc 150 pixels across with six bright knots in it, and five stars beside it."""
    rng = np.random.default_rng(5)
    plane = rng.normal(0, 1, (500, 500)).astype(np.float32)
    add_stamp(plane, sersic_stamp(60_000, 30, 1, 0.7, 0.4, psf=PSF), 250, 250)
    for angle in np.arange(6):
        x, y = 250 + 28 * np.cos(angle), 250 + 20 * np.sin(angle)
        add_stamp(plane, 600 * PSF, int(x), int(y))
    for x, y in ((60, 60), (440, 60), (60, 440), (440, 440), (250, 60)):
        add_stamp(plane, 5000 * PSF, x, y)
    sources, _ = find_sources(plane, plane, deblend_contrast=0.0005)
    kind, _ = star_galaxy(sources)
    return plane, sources, kind


def test_a_large_galaxy_is_one_box_and_its_knots_are_ignored(scene):
    """One galaxy is left, about the disc's centre and as wide; no knot is object or background."""
    plane, sources, kind = scene
    boxes, labelled = label_giants(plane, sources, sources.boxes(), kind, saturation=1e6)
    side = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    (giant,) = np.flatnonzero((labelled == 1) & (side > 80))
    centre = (boxes[giant, :2] + boxes[giant, 2:]) / 2
    np.testing.assert_allclose(centre, 250.5, atol=5)
    inside = np.hypot(sources.x - 250, sources.y - 250) < 25
    inside[giant] = False
    assert set(labelled[inside & (kind != 0)]) <= {-1}


def test_stars_stay_stars(scene):
    """Nothing outside the galaxy changes; what is saturated, or background, is never a galaxy."""
    plane, sources, kind = scene
    _, labelled = label_giants(plane, sources, sources.boxes(), kind, saturation=1e6)
    outside = np.hypot(sources.x - 250, sources.y - 250) > 120
    np.testing.assert_array_equal(labelled[outside], kind[outside])
    boxes, labelled = label_giants(plane, sources, sources.boxes(), kind, saturation=10)
    np.testing.assert_array_equal(labelled, kind)
    np.testing.assert_array_equal(boxes, sources.boxes())
    ghost = np.where(outside, kind, -2)
    _, labelled = label_giants(plane, sources, sources.boxes(), ghost, saturation=1e6)
    np.testing.assert_array_equal(labelled, ghost)


def test_sources_in_a_box():
    """A source belongs to a box by the middle of its pixel, on all four sides."""
    x, y = np.transpose([(30, 20), (30, 12), (21, 28), (10, 20), (45, 20), (30, 5), (30, 35)])
    found = _inside(SimpleNamespace(x=x, y=y), np.array([20.0, 10, 40, 30]))
    assert found.tolist() == [True] * 3 + [False] * 4
