"""Samples of bright galaxies and stars, for pictures in which both are white discs."""

import numpy as np
import pytest

from astro_yolo.training import bright
from astro_yolo.training.samples import GALAXY, IGNORE, STAR

from .test_training_compose import make_field


@pytest.fixture
def planes_only(monkeypatch):
    """No pictures, artefacts or saturated stars; the planes come as they are."""
    monkeypatch.setattr(bright, "to_input", lambda planes, *_args, **_kwargs: planes)
    monkeypatch.setattr(bright, "add_artefacts", lambda *_args: None)
    monkeypatch.setattr(bright, "_SATURATED", 0.0)


@pytest.mark.parametrize("field", [None, make_field()])
def test_what_is_added_counts_and_nothing_else(field):
    """Up to 7 galaxies and 12 stars are labelled; what was there, stars as well, is ignored."""
    for seed in range(4):
        sample = bright.compose_bright(field, np.random.default_rng(seed), size=160)
        assert sample.image.shape == (3, 160, 160)
        galaxies, stars, ignored = (int((sample.kinds == k).sum()) for k in (GALAXY, STAR, IGNORE))
        assert 3 <= galaxies <= 7
        assert 5 <= stars <= 12
        assert galaxies + stars + ignored == len(sample.kinds)


def test_they_are_bright(planes_only):
    """Of r = 15.3 to 18.9: each has 27 to 760 nanomaggies, most of them in its box."""
    sample = bright.compose_bright(None, np.random.default_rng(3), size=400)
    boxes = sample.boxes[np.isin(sample.kinds, (GALAXY, STAR))].round().astype(int)
    light = np.array([sample.image[1, b[1] : b[3], b[0] : b[2]].sum() for b in boxes])
    assert len(light) > 12
    assert light.min() > 0.2 * 10 ** (0.4 * (22.5 - 18.9))
    # two may overlap
    assert np.median(light) < 10 ** (0.4 * (22.5 - 15.3))


def test_they_stand_apart_from_what_is_there(planes_only, monkeypatch):
    """No nearer than 14 pixels to a source of the field, whatever its kind."""
    monkeypatch.setattr(bright, "_TRIES", 1000)
    sample = bright.compose_bright(make_field(), np.random.default_rng(5), size=160)
    middles = (sample.boxes[:, :2] + sample.boxes[:, 2:]) / 2 - 0.5
    added = np.isin(sample.kinds, (GALAXY, STAR))
    inside = ((sample.boxes > 1) & (sample.boxes < 159)).all(axis=1)  # a clipped box has moved
    sources = np.array([[x, 80.0] for x in (20, 60, 100, 140)])
    apart = np.hypot(*(middles[added & inside][:, None] - sources).transpose(2, 0, 1))
    assert apart.size > 0
    assert apart.min() > 14 - 1e-3
