"""Training samples: an image and what is in it."""

import numpy as np

from astro_yolo.training.samples import GALAXY, IGNORE, STAR, Sample, transposed, visible_kinds


def test_what_a_stretch_left_nothing_of_is_ignored():
    """A box with light in its middle keeps its kind; one on empty sky or in noise is ignored."""
    rng = np.random.default_rng(3)
    image = rng.normal(0.125, 0.02, (3, 80, 120)).astype(np.float32)
    image[:, 36:44, 16:24] += 0.1
    boxes = np.array([[12.0, 32, 28, 48], [52, 32, 68, 48], [92, 32, 108, 48]])
    image[:, :, 80:] = 0.125  # sky without noise, as of a dark 8-bit picture
    image[1, 39:41, 99:101] += 0.2
    kinds = visible_kinds(image, boxes, np.array([GALAXY, GALAXY, STAR]))
    assert kinds.tolist() == [GALAXY, IGNORE, STAR]
    image[:, :, 80:] = 0.125
    assert visible_kinds(image, boxes[2:], np.array([STAR])).tolist() == [IGNORE]


def test_a_saturated_star_stays_a_star():
    """In a flat white disc a star is kept, a galaxy there cannot be seen; on grey neither is."""
    image = np.full((3, 80, 80), 0.125, np.float32)
    y, x = np.indices((80, 80)) - 40
    image[:, np.hypot(x, y) < 20] = 0.8
    boxes = np.array([[36.0, 36, 44, 44]] * 2)
    assert visible_kinds(image, boxes, np.array([STAR, GALAXY])).tolist() == [STAR, IGNORE]
    image[:, :4] = 1.0
    assert visible_kinds(image, boxes, np.array([STAR, GALAXY])).tolist() == [IGNORE] * 2


def test_boxes_beyond_the_image_are_ignored():
    """An object of which no pixel is inside cannot be seen."""
    image = np.full((3, 40, 40), 0.5, np.float32)
    boxes = np.array([[50.0, 50, 60, 60], [-20, 10, -9, 20]])
    assert visible_kinds(image, boxes, np.array([GALAXY, STAR])).tolist() == [IGNORE] * 2


def test_transposition_takes_boxes_along():
    """The same pixels are in the box after rows and columns were swapped."""
    image = np.zeros((3, 30, 50), np.float32)
    image[:, 4:10, 20:40] = 1
    sample = transposed(Sample(image, np.array([[20.0, 4, 40, 10]]), np.array([GALAXY])))
    x0, y0, x1, y1 = sample.boxes[0].astype(int)
    assert sample.image.shape == (3, 50, 30)
    assert sample.image[0, y0:y1, x0:x1].sum() == sample.image[0].sum() == 120
