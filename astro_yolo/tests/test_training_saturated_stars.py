"""Saturated stars: flat, or with a core that was blanked."""

import cv2
import numpy as np

from astro_yolo.training.samples import STAR
from astro_yolo.training.saturated_stars import add_blanked_star, add_bright_star

SIZE, FWHM = 160, 3.0
NOISE = np.array([0.016, 0.025, 0.035], np.float32)


def test_a_saturated_star_has_a_flat_middle_in_its_box():
    """Its brightest pixels, 500 to 3200 times the noise, are equal, and its box is round them."""
    for seed in range(6):
        planes = np.zeros((3, SIZE, SIZE), np.float32)
        box, kind = add_bright_star(planes, NOISE, FWHM, np.random.default_rng(seed))
        assert kind == STAR
        x, y = np.clip((box[:2] + box[2:]) / 2 - 0.5, 1, SIZE - 2).round().astype(int)
        for plane, noise in zip(planes, NOISE, strict=True):
            # the fainter bands of a star of strong colour may stay below the level
            assert 100 * noise < plane.max() <= 3200 * noise
            assert plane[y, x] > 0.7 * plane.max()


def test_the_core_of_a_blanked_star_is_dark_in_its_own_light():
    """Where the core was there is 0, around it light that falls outwards, in each band."""
    seen = 0
    for seed in range(8):
        planes = np.zeros((3, SIZE, SIZE), np.float32)
        add_blanked_star(planes, NOISE, FWHM, np.random.default_rng(seed))
        for plane in planes:
            dark = (plane == 0) & (cv2.GaussianBlur(plane, (0, 0), 2.0) > 0.01 * plane.max())
            y, x = np.nonzero(dark)
            assert len(x)
            distance = np.hypot(*(np.indices(plane.shape) - [[[y.mean()]], [[x.mean()]]]))
            near, far = (plane[(distance > a) & (distance < a + 5) & ~dark].mean() for a in (5, 40))
            seen += near > 1.5 * far
    assert seen >= 20  # of 24: some cores reach beyond 5 pixels
