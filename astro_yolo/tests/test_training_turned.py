"""Cutouts turned by any angle, and their boxes."""

import numpy as np
import pytest

from astro_yolo.tests.test_training_cutouts import picture_of
from astro_yolo.training.turned import turn_cutout

pytest.importorskip("sep", reason="needs the train extra")


def test_a_turned_galaxy_has_the_box_of_its_new_angle():
    """A flat disc that lies gets every box between lying and standing; its diagonal keeps size."""
    picture, rng = picture_of([(211, 211, 14, 0.25)]), np.random.default_rng(2)
    ratios = []
    for _ in range(12):
        turned, box, _ = turn_cutout(picture, "edge_on", rng)
        assert turned.shape == picture.shape
        assert turned.dtype == np.uint8
        x0, y0, x1, y1 = box
        np.testing.assert_allclose([(x0 + x1) / 2, (y0 + y1) / 2], 211.5, atol=1.5)
        light = turned[..., 0].astype(float) - 20
        y, x = np.nonzero(light > 40)
        seen = (np.ptp(y) + 1) / (np.ptp(x) + 1)
        ratios.append((y1 - y0) / (x1 - x0))
        assert ratios[-1] == pytest.approx(seen, rel=0.35)
    assert min(ratios) < 0.5
    assert max(ratios) > 2


def test_neighbours_turn_as_well():
    """The neighbour is where it is in the turned picture."""
    picture = picture_of([(211, 211, 14, 1), (280, 211, 6, 1)])
    turned, _, others = turn_cutout(picture, "spiral", np.random.default_rng(5))
    y, x = np.indices(turned.shape[:2])
    light = np.where(np.hypot(x - 211, y - 211) > 45, turned[..., 0].astype(float), 0)
    top, left = np.unravel_index(light.argmax(), light.shape)
    assert any(b[0] < left < b[2] and b[1] < top < b[3] for b in others)


def test_a_cutout_without_a_galaxy_is_none():
    """Nothing is made up where no source is in the middle."""
    assert turn_cutout(picture_of([(60, 60, 6, 1)]), "spiral", np.random.default_rng(1)) is None
