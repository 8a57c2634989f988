"""Samples of galaxies that are resolved into knots."""

import numpy as np
import pytest

from astro_yolo.training import resolved
from astro_yolo.training.model_sky import draw_sky
from astro_yolo.training.resolved import _Disc, compose_resolved
from astro_yolo.training.samples import EDGE_ON, GALAXY, IGNORE, OBJECTS, STAR

OWN = {OBJECTS.index("spiral"), EDGE_ON, GALAXY}


def alone(monkeypatch, seed):
    """A sample without other sources, as planes."""
    monkeypatch.setattr(resolved, "lay_sources", lambda *_: [])
    return compose_resolved(np.random.default_rng(seed), size=256, pictures=0.0)


def test_the_box_of_a_disc_is_that_of_its_petrosian_ellipse():
    """An exponential disc without bulge has a Petrosian radius of 3.62 scale lengths."""
    box = _Disc(100.0, 80.0, 10.0, 0.5, 0.0, end=20.0, bulge=0.0).box()
    half = 1.05 * 3.62 * 10
    expected = [100.5 - half, 80.5 - half / 2, 100.5 + half, 80.5 + half / 2]
    np.testing.assert_allclose(box, expected, atol=0.3)


def test_a_resolved_galaxy_is_one_object(monkeypatch):
    """Nothing is labelled but the galaxy itself, and that is where the light is."""
    seen = 0
    for seed in range(8):
        sample = alone(monkeypatch, seed)
        assert np.isfinite(sample.image).all()
        assert len(sample.kinds) <= 1
        if set(sample.kinds.tolist()) & OWN:
            seen += 1
            light = sample.image.mean(axis=0)
            x0, y0, x1, y1 = np.round(sample.boxes[0]).astype(int)
            inside = light[y0:y1, x0:x1].sum()
            outside = (light.sum() - inside) / (light.size - (y1 - y0) * (x1 - x0) or 1)
            assert inside / ((y1 - y0) * (x1 - x0)) > outside
    assert seen >= 6


def test_knots_lie_where_they_may_and_hold_a_share_of_the_light():
    """From 1 to 25 percent of the light of a face-on galaxy are knots, in its arms."""
    arms = np.zeros((120, 120))
    arms[50:70, 20:100] = 1
    disc = _Disc(60.0, 60.0, 20.0, 1.0, 0.0, end=4.0, bulge=0.0)
    shares = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        knots = resolved._knots(arms, disc, 20_000.0, draw_sky(rng), rng)
        shares.append(knots[1].sum() / 20_000)
        assert knots[:, :30].sum() < 1e-3 * knots.sum()
    assert 0.005 < min(shares) < 0.08
    assert 0.15 < max(shares) < 0.35


@pytest.mark.parametrize(("own", "kind"), [(3.0, STAR), (0.3, IGNORE)])
def test_what_the_disc_outshines_is_ignored(own, kind):
    """A source with less light than the galaxy in its box cannot be told from a knot."""
    planes = np.full((3, 40, 40), own, np.float32)
    light = np.ones((3, 40, 40), np.float32)
    assert resolved._seen(STAR, np.array([10.0, 10, 18, 18]), planes, light, 1) == kind


def test_small_sources_of_binned_samples_are_ignored():
    """In a binned copy nobody looks for what is shorter than 8 of its pixels."""
    planes, light = np.ones((2, 3, 40, 40), np.float32) * [[[[1.0]]], [[[0.0]]]]
    kinds = [
        resolved._seen(STAR, np.array([10.0, 10, 10 + side, 18]), planes, light, 2)
        for side in (15, 17)
    ]
    assert kinds == [IGNORE, STAR]
