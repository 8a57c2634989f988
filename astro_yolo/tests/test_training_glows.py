"""Samples of what is no galaxy in binned pixels."""

from types import SimpleNamespace

import numpy as np

from astro_yolo.training.glows import compose_glow
from astro_yolo.training.samples import IGNORE


def field(shape=(900, 1300)):
    """A field of noise with a glow in the middle, one galaxy and one star."""
    y, x = np.indices(shape)
    glow = 40 * np.exp(-np.hypot(x - shape[1] / 2, y - shape[0] / 2) / 80)
    planes = np.random.default_rng(0).normal(0, 1, (3, *shape)).astype(np.float32) + glow
    boxes = np.array([[600.0, 400, 700, 500], [100, 100, 108, 108]])
    return SimpleNamespace(planes=planes.astype(np.float32), boxes=boxes, kind=np.array([1, 0]))


def test_no_object_but_ignored_galaxies():
    """The glow and the stars are background; what may be a galaxy is ignored, where it is."""
    found = set()
    for seed in range(12):
        sample = compose_glow(field(), np.random.default_rng(seed), size=160)
        assert sample.image.shape == (3, 160, 160)
        assert np.isfinite(sample.image).all()
        assert set(sample.kinds.tolist()) <= {IGNORE}
        found |= {round(float(box[2] - box[0])) for box in sample.boxes}
    assert len(found) > 3  # binned by many factors


def test_a_small_field_is_mirrored():
    """A field that is smaller than the sample when binned is continued beyond its border."""
    sample = compose_glow(field((300, 400)), np.random.default_rng(3), size=416)
    image = sample.image
    assert image.shape == (3, 416, 416)
    level = np.median(image, axis=(1, 2))
    assert (np.abs(image[:, -40:, -40:].mean(axis=(1, 2)) - level) < 0.3).all()
