"""Cutouts drawn for samples."""

from types import SimpleNamespace

import cv2
import numpy as np

from astro_yolo.training.drawn_cutouts import draw_stamp


def test_a_cutout_becomes_a_stamp(tmp_path):
    """The galaxy's light fills its box in the stamp, upright or mirrored; beyond there is sky."""
    picture = np.full((100, 120, 3), 10, np.uint8)
    picture[60:70, 30:50] = 200
    cv2.imwrite(str(tmp_path / "1.png"), picture)
    cutout = SimpleNamespace(path=tmp_path / "1.png", box=np.array([30.0, 60, 50, 70]),
                             others=np.empty((0, 4)), label="spiral", linear=True)  # fmt: skip
    recipe, shapes = SimpleNamespace(class_shares=(("spiral", 1.0),)), set()
    for seed in range(8):
        label, light, box = draw_stamp({"spiral": [cutout]}, recipe, np.random.default_rng(seed))
        assert label == "spiral"
        y, x = np.nonzero(light[0] > 0.01 * light[0].max())
        np.testing.assert_array_equal(box, [x.min(), y.min(), x.max() + 1, y.max() + 1])
        assert light.min() >= -1e-6
        shapes.add(light.shape[1:])
    assert shapes == {(16, 30), (30, 16)}  # 1.5 times the box
