"""Samples like a deep field from space."""

import numpy as np
import pytest
from astropy.io import fits

from astro_yolo.injection import sersic_stamp
from astro_yolo.training import deep
from astro_yolo.training._deep_objects import box_of_light, turned
from astro_yolo.training.other_surveys import split_of_name
from astro_yolo.training.samples import GALAXY, IGNORE, STAR, UNKNOWN


def test_box_of_a_stamp_is_that_of_its_ellipse():
    """The box of a Sersic galaxy is centred on it and has its axis ratio and angle."""
    stamp = sersic_stamp(1.0, 6, 1, 0.4, 0.0, psf=np.ones((1, 1)))
    x0, y0, x1, y1 = box_of_light(stamp)
    middle = stamp.shape[0] / 2
    np.testing.assert_allclose([(x0 + x1) / 2, (y0 + y1) / 2], middle, atol=0.1)
    assert (y1 - y0) / (x1 - x0) == pytest.approx(0.4, abs=0.05)


def test_turned_stamps_keep_their_light():
    """Whatever the angle and the scale, the light stays in the stamp, and scales as its area."""
    stamp = sersic_stamp(1.0, 5, 1, 0.6, 0.3, psf=np.ones((1, 1)))
    for seed, zoom in enumerate((0.3, 0.8, 1.2)):
        made = turned(stamp, zoom, np.random.default_rng(seed))
        assert made.shape[0] == made.shape[1]
        assert made.sum() == pytest.approx(zoom**2, rel=0.12)


def test_every_kind_of_object_is_made():
    """A sample holds small and large galaxies, stars and what is too faint; boxes lie inside."""
    stamps = [sersic_stamp(1.0, r, 1, 0.6, 0.3, psf=np.ones((1, 1))) for r in (3, 8, 15)]
    samples = [deep.compose_deep(stamps, np.random.default_rng(k), size=160) for k in range(12)]
    kinds = np.concatenate([sample.kinds for sample in samples])
    assert set(kinds) == {GALAXY, STAR, UNKNOWN, IGNORE}
    for sample in samples:
        assert sample.image.shape == (3, 160, 160)
        assert np.isfinite(sample.image).all()
        assert sample.boxes.min() >= 0
        assert sample.boxes.max() <= 160


def test_stamps_are_split_by_name(tmp_path):
    """Every file is in one split, a fifth or so in "val", and comes with unit flux."""
    names = [f"f814w_{k:03d}.fits.gz" for k in range(40)]
    for name in names:
        fits.writeto(tmp_path / name, np.ones((5, 5), np.float32))
    parts = {split: deep.read_stamps(str(tmp_path), split) for split in ("train", "val")}
    assert len(parts["train"]) + len(parts["val"]) == 40
    assert len(parts["val"]) == sum(split_of_name(name) == "val" for name in names)
    assert all(stamp.sum() == pytest.approx(1) for stamp in parts["val"])
