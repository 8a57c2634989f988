"""Boxes moved on to the light they enclose, on Gaussian sources of known place."""

import numpy as np
import pytest

from astro_yolo.centering import recenter

SKY = 0.125


def scene(places, sigma=2.0, shape=(120, 160), noise=0.0):
    """Return a plane of Gaussian sources at 0-based pixel places."""
    y, x = np.indices(shape)
    plane = np.random.default_rng(1).normal(SKY, noise, shape)
    for px, py in places:
        plane += 0.5 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2))
    return plane.astype(np.float32)


def boxes_at(places, side=12.0):
    """Return square boxes in edge pixels about 0-based pixel centres."""
    x, y = np.asarray(places, float).T + 0.5
    return np.stack([x - side / 2, y - side / 2, x + side / 2, y + side / 2], axis=-1)


@pytest.mark.parametrize("shift", [(0, 0), (0.8, -0.6), (-1.2, 1.1)])
def test_boxes_find_their_source(shift):
    """A box up to a pixel off comes back to the true centre within 0.03 pixels, its size kept."""
    places = np.array([[30.3, 40.7], [100.0, 80.5], [60.5, 20.25]])
    got = recenter(boxes_at(places + shift), [scene(places)] * 3, SKY)
    np.testing.assert_allclose(got, boxes_at(places), atol=0.03)


def test_faint_sources_are_found_as_bright_ones():
    """The place does not go with the brightness: a source of a hundredth of the sky is centred."""
    places = np.array([[30.3, 40.7], [100.0, 80.5]])
    plane = SKY + 0.0025 * (scene(places) - SKY)
    got = recenter(boxes_at(places + np.array([0.8, -0.6])), [plane.astype(np.float32)], SKY)
    np.testing.assert_allclose(got, boxes_at(places), atol=0.03)


@pytest.mark.parametrize(("shift", "moves"), [(1.8, True), (-1.8, True), (2.1, False)])
@pytest.mark.parametrize("axis", [0, 1])
def test_a_box_far_from_the_light_stays(shift, moves, axis):
    """A box of 12 pixels moves by 0.12 of its side and half a pixel at most, or not at all."""
    places = np.array([[60.0, 50.0]])
    start = boxes_at(places + np.where(np.arange(2) == axis, shift, 0.0))
    got = recenter(start, [scene(places)], SKY)
    np.testing.assert_allclose(got, boxes_at(places) if moves else start, atol=0.06)


def test_noise_gives_no_bias():
    """Over many noisy sources the mean offset is below 0.03 pixels in x and y."""
    rng = np.random.default_rng(2)
    grid = np.stack(np.meshgrid(np.arange(15, 790, 25), np.arange(15, 790, 25)), -1).reshape(-1, 2)
    places = grid + rng.uniform(-0.5, 0.5, grid.shape)
    plane = scene([], shape=(800, 800), noise=0.04)
    y, x = np.indices((15, 15)) - 7
    for (gx, gy), (px, py) in zip(grid, places, strict=True):
        light = 0.4 * np.exp(-((x - px + gx) ** 2 + (y - py + gy) ** 2) / 8)
        plane[gy - 7 : gy + 8, gx - 7 : gx + 8] += light.astype(np.float32)
    start = boxes_at(places + rng.normal(0, 0.4, places.shape))
    offset = (recenter(start, [plane], SKY) - boxes_at(places))[:, :2]
    assert np.abs(offset.mean(axis=0)).max() < 0.03
    assert np.median(np.hypot(*offset.T)) < 0.25


def test_a_neighbour_does_not_capture_the_box():
    """A box between its faint source and a bright neighbour stays with its own source."""
    plane = scene([(60, 60)]) + 3 * (scene([(69, 60)]) - SKY)
    x0, _, x1, _ = recenter(boxes_at([(60, 60)]), [plane], SKY)[0]
    assert abs((x0 + x1) / 2 - 60.5) < 2


def test_empty_sky_and_no_boxes_change_nothing():
    """Where there is no light the box stays; no boxes give no boxes."""
    boxes = boxes_at([(30, 30), (2, 2)])
    np.testing.assert_array_equal(recenter(boxes, [scene([])] * 3, SKY), boxes)
    assert recenter(np.empty((0, 4)), [scene([])], SKY).shape == (0, 4)


def test_more_boxes_than_opencv_takes_at_once():
    """Forty thousand boxes come out the same as one."""
    places = [(30.3, 40.7)]
    plane = scene(places)
    many = np.repeat(boxes_at(places) + 0.5, 40_000, axis=0)
    ends = recenter(many, [plane], SKY)[[0, -1]]
    np.testing.assert_allclose(ends, np.repeat(boxes_at(places), 2, axis=0), atol=0.03)


@pytest.mark.parametrize("turned", [False, True])
def test_longer_images_than_opencv_takes(turned):
    """In an image of 40 000 pixels boxes find their sources, at both ends and between windows."""
    places = np.array([(9.3, 20.2), (16383.6, 20.7), (16385.2, 10.3), (39_990.4, 25.1)])
    plane = scene([], shape=(40, 40_000))
    for x, y in places:
        left = max(int(x) - 15, 0)
        part = plane[:, left : left + 31]
        part += scene([(x - left, y)], shape=part.shape) - np.float32(SKY)
    if turned:
        places, plane = places[:, ::-1], np.ascontiguousarray(plane.T)
    got = recenter(boxes_at(places + np.array([0.8, -0.6])), [plane] * 3, SKY)
    np.testing.assert_allclose(got, boxes_at(places), atol=0.03)
