"""Light of other sources in a piece of an image."""

import numpy as np
import pytest

from astro_yolo._foreign_light import box_radius, foreign_light, mirrored, own_peak

SHAPE = (80, 100)
Y, X = np.indices(SHAPE)
PLACE, HALF = np.array([30.0, 40.0]), np.array([10.0, 10.0])
RADIUS = box_radius(SHAPE, PLACE, HALF)


def test_radius_of_a_box():
    """The radius is 0 in the middle and 1 where the ellipse meets the sides of the box."""
    radius = box_radius(SHAPE, PLACE, np.array([10.0, 20.0]))
    assert [radius[40, 30], radius[40, 20], radius[60, 30], radius[40, 50]] == [0, 1, 1, 2]


@pytest.mark.parametrize("middle", [(55, 40), (30, 62), (-4, 40)])
def test_pixels_nearer_to_another_box(middle):
    """Without light, others have what is within 1.6 of their ellipse and nearer to it than ours."""
    x, y = middle
    theirs = np.hypot((X - x) / 10, (Y - y) / 15)
    found = foreign_light(np.zeros(SHAPE, np.float32), RADIUS,
                          np.array([[x - 10, y - 15, x + 10, y + 15]], float))  # fmt: skip
    np.testing.assert_array_equal(found, (theirs < 1.6) & (theirs < RADIUS))
    assert found.any()


def test_hidden_pixels_are_those_opposite():
    """A hidden pixel is what stands opposite about the centre, or sky where that is not seen."""
    light = np.arange(2.0 * 3 * 4).reshape(2, 3, 4) + 1
    hidden = np.zeros((3, 4), bool)
    hidden[0, 0] = hidden[0, 1] = hidden[2, 1] = hidden[1, 3] = True
    expected = light.copy()
    expected[:, 0, 0] = light[:, 2, 2]  # about row 1, column 1
    expected[:, 0, 1] = expected[:, 2, 1] = 0  # each hides the other
    expected[:, 1, 3] = 0  # opposite is beyond the border
    given = light.copy()
    np.testing.assert_array_equal(mirrored(given, hidden, np.array([1.0, 1.0])), expected)
    np.testing.assert_array_equal(given, light)


def test_own_peak_beside_something_hidden():
    """With hidden pixels nearby the peak in the box is found; without, or unlit, its middle."""
    light = 100 * np.exp(-0.5 * ((X - 33.3) ** 2 + (Y - 41.6) ** 2) / 1.2**2).astype(np.float32)
    light[40, 22] = 1e4  # hidden, and brighter
    hidden = np.zeros(SHAPE, bool)
    assert own_peak(light, hidden, RADIUS, PLACE, HALF) is PLACE
    hidden[40, 22] = True
    found = own_peak(light, hidden, RADIUS, PLACE, HALF)
    np.testing.assert_allclose(found, [33.3, 41.6], atol=0.05)
    assert own_peak(0 * light, hidden, RADIUS, PLACE, HALF) is PLACE
