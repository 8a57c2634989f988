"""Tests of the box arithmetic."""

import numpy as np
import pytest

from astro_yolo import boxes as box_math


def random_boxes(n_objects, per_object, *, seed=0, frame=2000.0):
    """Boxes of objects that are found several times each, a little differently."""
    rng = np.random.default_rng(seed)
    center = rng.uniform(0, frame, (n_objects, 2)).repeat(per_object, axis=0)
    side = np.exp(rng.normal(3, 0.7, (n_objects, 2))).repeat(per_object, axis=0)
    center = center + side * rng.normal(0, 0.1, center.shape)
    side = side * np.exp(rng.normal(0, 0.1, side.shape))
    return np.hstack([center - side / 2, center + side / 2]), rng.random(len(side)).round(3)


def greedy(boxes, scores, threshold):
    """The textbook loop: the best box stays, what overlaps it goes, and so on."""
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        if not kept or box_math.iou(boxes[i : i + 1], boxes[kept]).max() <= threshold:
            kept.append(i)
    return kept


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ([0, 0, 4, 2], 1.0),
        ([2, 0, 6, 2], 4 / 12),
        ([4, 0, 8, 2], 0.0),
        ([9, 9, 10, 10], 0.0),
        ([1, 0, 3, 2], 0.5),
        ([1, 1, 1, 1], 0.0),
    ],
)
def test_iou(other, expected):
    """IoU is the shared area over the covered area, worked out by hand."""
    assert box_math.iou([[0.0, 0.0, 4.0, 2.0]], [other]) == pytest.approx(expected)


def test_iou_of_nothing():
    """No boxes give an empty matrix of the right shape."""
    assert box_math.iou([], [[0, 0, 1, 1]]).shape == (0, 1)
    assert box_math.iou(np.empty((0, 4)), np.empty((0, 4))).shape == (0, 0)


def test_iou_of_empty_boxes_is_zero():
    """Two boxes without area overlap by nothing, without a warning."""
    assert box_math.iou([[1, 1, 1, 1]], [[1, 1, 1, 1]]) == 0


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.5, 0.7, 0.95, 1.0])
@pytest.mark.parametrize(("n_objects", "per_object"), [(0, 1), (1, 1), (1, 30), (40, 12), (300, 1)])
def test_nms_equals_the_textbook_loop(threshold, n_objects, per_object):
    """Suppression keeps exactly what one box after the other would keep, ties included."""
    boxes, scores = random_boxes(n_objects, per_object)
    assert box_math.nms(boxes, scores, threshold).tolist() == greedy(boxes, scores, threshold)


def test_nms_chain():
    """A box suppressed by a better one suppresses nothing itself."""
    boxes = np.array([[0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]], dtype=float)
    assert box_math.nms(boxes, np.array([0.9, 0.8, 0.7]), 0.5).tolist() == [0, 2]
    assert box_math.nms(boxes, np.array([0.8, 0.9, 0.7]), 0.5).tolist() == [1]


def test_nms_keeps_small_boxes_that_are_apart():
    """Boxes apart along both axes share nothing, however low the threshold."""
    apart = np.array([[0, 0, 3, 3], [5, 5, 8, 8]], dtype=float)
    assert box_math.nms(apart, np.array([0.9, 0.8]), 0.05).tolist() == [0, 1]


def test_nms_keeps_a_companion_inside_a_giant():
    """A small box wholly inside a large one stays: their IoU is small."""
    boxes = np.array([[0, 0, 200, 200], [90, 90, 110, 110]], dtype=float)
    assert box_math.nms(boxes, np.array([0.9, 0.3]), 0.5).tolist() == [0, 1]


def test_nms_joins_one_source_seen_at_two_scales():
    """A box about the same centre goes whatever its size; a companion off the centre stays."""
    boxes = np.array([[0, 0, 40, 40], [16, 15, 26, 25], [6, 6, 16, 16], [30, 0, 41, 11]], float)
    scores = np.array([0.9, 0.8, 0.7, 0.6])
    assert box_math.nms(boxes, scores, **box_math.DOUBLES).tolist() == [0, 2, 3]
    assert box_math.nms(boxes, scores).tolist() == [0, 1, 2, 3]
    assert box_math.nms(boxes[:2], scores[:2], 0.9, concentric=0.25).tolist() == [0]


def test_nms_within_a_group_does_nothing():
    """With groups, only boxes of different groups suppress each other."""
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 1, 10, 11]], dtype=float)
    scores = np.array([0.9, 0.8, 0.7])
    assert box_math.nms(boxes, scores, 0.5, groups=[0, 0, 0]).tolist() == [0, 1, 2]
    assert box_math.nms(boxes, scores, 0.5, groups=[0, 0, 1]).tolist() == [0, 1]


def test_nms_of_many(monkeypatch):
    """Ten thousand boxes come out the same in small portions of pairs as in one."""
    boxes, scores = random_boxes(700, 15)
    whole = box_math.nms(boxes, scores)
    assert 600 < len(whole) < 3000
    monkeypatch.setattr(box_math, "_MAX_PAIRS", 1000)
    assert np.array_equal(box_math.nms(boxes, scores), whole)


@pytest.mark.parametrize("threshold", [0, -1, 1.5, np.nan])
def test_nms_threshold_range(threshold):
    """A threshold outside (0, 1] is refused by name."""
    with pytest.raises(ValueError, match=r"iou_threshold must be in \(0, 1\]"):
        box_math.nms(np.zeros((1, 4)), np.ones(1), threshold)


def test_wrong_shapes():
    """Arrays that are not (N, 4), or scores that do not fit, are refused."""
    with pytest.raises(ValueError, match=r"shape \(N, 4\), got \(3,\)"):
        box_math.area(np.zeros(3))
    with pytest.raises(ValueError, match="one value per box"):
        box_math.nms(np.zeros((2, 4)), np.ones(3))
    with pytest.raises(ValueError, match=r"groups must have one value per box \(2\), got shape"):
        box_math.nms(np.zeros((2, 4)), np.ones(2), groups=[1])
    with pytest.raises(ValueError, match=r"shape \(N, 4\), got \(4, 3\)"):
        box_math.longer_side(np.zeros((4, 3)))


def test_sides_of_whole_numbers():
    """Boxes may be lists, and whole numbers without a sign: a side is never 254 for 2."""
    assert box_math.longer_side([[0, 0, 4, 2], [1, 1, 2, 9]]).tolist() == [4, 8]
    assert box_math.longer_side(np.array([[3, 0, 1, 2], [3, 2, 1, 0]], np.uint8)).tolist() == [2, 0]


@pytest.mark.parametrize("kind", [np.uint8, bool, float])
def test_nms_sorts_scores_of_any_type(kind):
    """The kept boxes come by falling score, also where scores have no sign: nothing is last."""
    apart = [[0, 0, 1, 1], [5, 5, 6, 6], [9, 9, 10, 10]]
    assert box_math.nms(apart, np.array([0, 1, 0], kind)).tolist() == [1, 0, 2]


def test_edges_and_centers():
    """A box over the first two pixels is centred between their centres, at 0.5."""
    x, y, width, height = box_math.edges_to_centers([[0, 0, 2, 1]])
    assert (x[0], y[0], width[0], height[0]) == (0.5, 0.0, 2.0, 1.0)
    assert box_math.centers_to_edges(x, y, width, height).tolist() == [[0, 0, 2, 1]]


def test_scale_has_no_offset():
    """Pixel (1, 2) of an image binned by 4 covers pixels 4..8 and 8..12 of the full one."""
    assert box_math.scale([[1, 2, 2, 3]], 4).tolist() == [[4, 8, 8, 12]]


def test_clip_and_shift():
    """Boxes are cut at 0 and at the far sides (nx, ny), and moved by (dx, dy)."""
    moved = box_math.shift([[0, 0, 10, 10]], -3, 15)
    assert moved.tolist() == [[-3, 15, 7, 25]]
    assert box_math.clip(moved, (20, 5)).tolist() == [[0, 15, 5, 20]]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([5, 5, 9, 9], False),
        ([0.9, 5, 9, 9], True),
        ([1, 5, 9, 9], True),
        ([1.1, 5, 9, 9], False),
        ([5, 5, 29.1, 9], True),
        ([5, 5, 29, 9], True),
        ([5, 5, 28.9, 9], False),
        ([5, 5, 9, 19.5], True),
    ],
)
def test_touches_border(box, expected):
    """A side within one pixel of the border counts as touching; image 20 rows by 30 columns."""
    assert box_math.touches_border([box], (20, 30))[0] == expected


def test_touches_border_has_a_margin_for_each_box():
    """Of equal boxes, 3 pixels from the border, the one with the larger margin touches it."""
    found = box_math.touches_border([[3, 5, 9, 9]] * 2, (20, 30), [1, 4])
    assert found.tolist() == [False, True]


def test_coverage():
    """The share of masked pixels and the centre pixel are read off a small mask by hand."""
    mask = np.zeros((8, 12), dtype=bool)
    mask[2:4, 5:7] = True
    boxes = [[5, 2, 7, 4], [3, 0, 7, 4], [3.9, 1.1, 7.9, 4.9], [8, 4, 12, 8], [5, -6, 7, 4]]
    share, at_center = box_math.coverage(boxes, mask)
    assert share.tolist() == [1, 4 / 16, 4 / 20, 0, 4 / 8]
    assert at_center.tolist() == [True, True, True, False, True]


@pytest.mark.parametrize("box", [[20, 20, 30, 30], [20, 2, 30, 4], [2, 20, 4, 30], [-9, 2, -5, 4]])
def test_coverage_outside_the_image(box):
    """A box beside the image has no pixel, so none that is masked, without a warning."""
    assert box_math.coverage([box], np.ones((8, 12), dtype=bool))[0].tolist() == [0]
