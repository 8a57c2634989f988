"""Stars whose middle was blanked are no galaxies."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from astro_yolo.detection import Detector
from astro_yolo.network.blanked import blanked_stars, with_blanked_stars
from astro_yolo.tests.planted import MODEL

MIDDLE, SIDE = 40, 80
BOX = np.array([[15.0, 15.0, 66.0, 66.0]])


def halo(reach=12.0, top=255.0, sky=40.0):
    """Light that falls smoothly from the middle of a picture, white within the reach."""
    y, x = np.indices((SIDE, SIDE)) - MIDDLE
    light = sky + 2 * (top - sky) / (1 + (x**2 + y**2) / reach**2)
    return np.minimum(light, top).astype(np.float32)


def with_hole(light, rows=2, columns=4, value=0.0):
    """The same with a rectangle of another value in the middle."""
    out = light.copy()
    out[MIDDLE - rows : MIDDLE + rows + 1, MIDDLE - columns : MIDDLE + columns + 1] = value
    return out


@pytest.mark.parametrize("white", [1, 257])
def test_black_hole_in_white_light(white):
    """A source whose middle is black within white light is a blanked star, in 8 and 16 bits."""
    assert blanked_stars([with_hole(halo()) * white] * 3, BOX).all()


@pytest.mark.parametrize(
    ("light", "why"),
    [
        (halo(), "no hole"),
        (with_hole(halo(), value=60.0), "a hole that is grey, as of dust"),
        (with_hole(halo(), rows=1, columns=SIDE), "a lane from end to end"),
        (with_hole(halo(top=110.0)), "light that is not bright"),
        (with_hole(halo(), rows=0, columns=1), "three pixels"),
        (np.roll(with_hole(halo()), 12, axis=1), "a hole off the middle"),
    ],
)
def test_what_is_no_blanked_star(light, why):
    """A galaxy may be dark in the middle, but not black in white light."""
    assert not blanked_stars([light, light, np.maximum(light, 1)], BOX).any(), why


def test_boxes_that_hold_no_hole():
    """Boxes that are small or are cut to nothing by the border are none, and no error."""
    boxes = np.array([[36.0, 36.0, 45.0, 45.0], [0.0, 0.2, 0.1, 20.0], [60.0, 79.8, 79.9, 80.0]])
    assert_array_equal(blanked_stars([with_hole(halo())] * 3, boxes), [False] * 3)
    assert blanked_stars([halo()] * 3, np.empty((0, 4))).shape == (0,)


def test_outputs_change_places_only_where_a_galaxy_was_seen():
    """The network's word for a galaxy becomes that for a star; a star stays one."""
    outputs = np.array([[0.1, 0.2, 0.3, 0.0, 0.4, 0.05, 0.8], [0.1, 0, 0, 0, 0, 0.7, 0.2]])
    bands = [with_hole(halo())] * 3
    got = with_blanked_stars(bands, np.repeat(BOX, 2, axis=0), outputs)
    assert_array_equal(got, [[0.1, 0.2, 0.3, 0.0, 0.4, 0.8, 0.05], outputs[1]])
    assert outputs[0, 6] == 0.8  # the caller's own stay as they are


@pytest.mark.parametrize(("value", "label"), [(0, "star"), (100, "spiral")])
def test_detect(value, label):
    """In a picture the blanked source is labelled a star, the same with a grey middle is not."""
    picture = np.random.default_rng(1).normal(40, 4, (160, 160, 3))
    picture[77:84, 77:84] = 200, 220, 250
    picture[79:82, 79:82] = value
    picture[78, 80] += 5  # one pixel is the brightest
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    table = Detector(MODEL, backend="onnxruntime").detect(
        picture, score=0.3, include_stars=True, zoom=1
    )
    found = np.hypot(table["x"] - 80, table["y"] - 80) < 2
    assert list(table["label"][found]) == [label]
