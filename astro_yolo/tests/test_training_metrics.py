"""Scores against counts by hand, and against COCO's own code."""

import contextlib
import io

import numpy as np
import pytest

from astro_yolo.training.metrics import (
    COCO_IOUS,
    astrocv_protocol,
    average_precision,
    bootstrap,
    confusion,
    mean_precision,
    precision_recall,
    recall_by,
    reliability,
)
from astro_yolo.training.scored import MetricsError, ScoredPicture, judge_objects


def square(x, y, side=10.0):
    """Return a box with its lower left corner at (x, y)."""
    return [x, y, x + side, y + side]


@pytest.fixture
def hand():
    """Three objects: one found well, one by a box shifted by half its side, one not at all."""
    return ScoredPicture(
        name="hand",
        truth=[square(0, 0), square(50, 50), square(100, 100, 20)],
        truth_classes=[0, 1, 1],
        boxes=[square(0, 0), square(55, 50), square(200, 200), square(300, 300), square(0, 1)],
        scores=[0.9, 0.6, 0.5, 0.8, 0.0005],
        classes=[0, 1, 1, 0, 0],
        ignored=[[299, 299, 320, 320]],
        magnitudes=[17.5, 18.5, np.nan],
    )


def test_astrocv_protocol_is_darknets(hand):
    """Recall 1 of 3 above IoU 0.5; mean IoU over all objects: (1 + 1/3 + 0) / 3."""
    recall, mean_iou = astrocv_protocol([hand])
    assert recall == pytest.approx(1 / 3)
    assert mean_iou == pytest.approx((1 + 1 / 3) / 3)
    assert astrocv_protocol([hand], min_iou=0.3)[0] == pytest.approx(2 / 3)


def test_one_box_may_serve_two_objects():
    """Darknet asks each object by itself; COCO gives a box to one of them."""
    two = ScoredPicture(truth=[square(0, 0), square(1, 0)], truth_classes=[0, 0],
                        boxes=[square(0, 0)], scores=[0.9], classes=[0])  # fmt: skip
    assert astrocv_protocol([two])[0] == 1
    assert average_precision([two], labels=[0], ious=[0.5])[0, 0] == pytest.approx(51 / 101)


def test_objects_are_judged_by_hand(hand):
    """One pair; the shifted box and the far one are spurious; the one in the ignored region not."""
    pairs, overlaps, spurious = judge_objects(hand, min_score=0.1)
    assert pairs.tolist() == [0, -1, -1]
    assert overlaps.tolist() == [1, 0, 0]
    assert spurious.tolist() == [1, 2]


def test_confusion_has_a_column_for_missed_and_a_row_for_spurious(hand):
    """At IoU 0.3 the second object is found too, and the third is missed."""
    table = confusion([hand], 2, min_score=0.1, min_iou=0.3)
    assert table.tolist() == [[1, 0, 0], [0, 1, 1], [0, 1, 0]]
    assert confusion([hand], 2, min_score=0.1).tolist() == [[1, 0, 0], [0, 0, 2], [0, 2, 0]]


def test_precision_recall_by_hand(hand):
    """By score: right, (ignored), wrong at IoU 0.5, wrong, wrong."""
    curve = precision_recall([hand])
    assert curve["score"].tolist() == [0.9, 0.6, 0.5, 0.0005]
    assert curve["precision"].tolist() == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4])
    assert curve["recall"].tolist() == pytest.approx([1 / 3] * 4)
    assert curve["f1"][0] == pytest.approx(2 * (1 / 3) / (4 / 3))


def test_bins_of_size_and_magnitude(hand):
    """Two objects have sides of 10 and one of 20 pixels; one has no magnitude."""
    small, large = recall_by([hand], [5, 15, 25], min_score=0.1)
    assert (small["objects"], small["found"], small["recall"]) == (2, 1, 0.5)
    assert (large["objects"], large["found"]) == (1, 0)
    small, large = recall_by([hand], [10, 20, 30], min_score=0.1)
    assert (small["objects"], large["objects"]) == (2, 1)  # a bin holds its lower border
    bright, faint = recall_by([hand], [17, 18, 19], of="magnitude", min_score=0.1)
    assert (bright["recall"], faint["recall"]) == (1, 0)
    assert bright["objects"] + faint["objects"] == 2
    assert np.isnan(recall_by([hand], [0, 1], min_score=0.1)[0]["recall"])


def test_reliability_by_hand(hand):
    """One bin holds 0.9 (right), one 0.6 and 0.5 (wrong): error (0.1 + 0.6 + 0.5) / 3."""
    rows, error = reliability([hand], bins=2, min_score=0.5)
    assert [(row["low"], row["high"]) for row in rows] == [(0, 0.5), (0.5, 1)]
    assert [row["detections"] for row in rows] == [0, 3]
    assert rows[1]["score"] == pytest.approx(2 / 3)
    assert rows[1]["right"] == pytest.approx(1 / 3)
    assert error == pytest.approx(1 / 3)
    rows, error = reliability([hand], bins=10, min_score=0.1)
    assert error == pytest.approx((0.1 + 0.6 + 0.5) / 3)


def test_bootstrap_covers_and_repeats():
    """Pictures with recall 0 and 1, half each: the interval is that of a binomial of 40."""
    found = dict(truth=[square(0, 0)], truth_classes=[0])
    hit = ScoredPicture(**found, boxes=[square(0, 0)], scores=[1.0], classes=[0])
    pictures = [hit, ScoredPicture(**found)] * 20
    low, high = bootstrap(pictures, lambda p: astrocv_protocol(p)[0], draws=400)
    assert low == pytest.approx(0.5 - 1.96 * np.sqrt(0.25 / 40), abs=0.04)
    assert high == pytest.approx(0.5 + 1.96 * np.sqrt(0.25 / 40), abs=0.04)
    assert (low, high) == bootstrap(pictures, lambda p: astrocv_protocol(p)[0], draws=400)
    assert np.isnan(bootstrap([hit], lambda p: astrocv_protocol(p)[0])).all()
    # draws without any object have no recall, and do not count
    assert bootstrap([hit, ScoredPicture()], lambda p: astrocv_protocol(p)[0]) == (1, 1)


def test_mean_precision_by_hand():
    """A box of IoU 0.81 is right at 7 of 10 overlaps; a class without objects is left out."""
    found = dict(boxes=[[0, 0, 10, 8.1]], scores=[0.9], classes=[1])
    picture = ScoredPicture(truth=[square(0, 0)], truth_classes=[1], **found)
    assert mean_precision([picture], 3) == pytest.approx((1, 0.7))
    assert np.isnan(mean_precision([ScoredPicture(**found)], 3)).all()


def test_nothing_is_nan_or_zero():
    """Without objects there is no recall; without boxes there is a recall of 0."""
    assert np.isnan(astrocv_protocol([])).all()
    assert np.isnan(average_precision([], labels=[0], ious=[0.5])).all()
    alone = ScoredPicture(truth=[square(0, 0)], truth_classes=[0])
    assert astrocv_protocol([alone]) == (0, 0)
    assert average_precision([alone], labels=[0], ious=[0.5])[0, 0] == 0
    assert np.isnan(reliability([alone])[1])
    assert confusion([alone], 1, min_score=0.1).tolist() == [[0, 1], [0, 0]]


def test_arrays_that_do_not_belong_together():
    """The array at fault and the picture are named."""
    with pytest.raises(MetricsError, match=r"scores must hold one value for each of boxes.*'a'"):
        ScoredPicture(name="a", boxes=[square(0, 0)], scores=[], classes=[0])


@pytest.mark.parametrize("change", [{"scores": [np.nan]}, {"boxes": [[0, 0, np.inf, 9]]}])
def test_a_number_that_is_none_is_refused(change):
    """A score of NaN passed for the best of all: average precision 1. It and its like are named."""
    found = {"truth": [square(0, 0)], "truth_classes": [0],
             "boxes": [square(0, 0)], "scores": [0.5], "classes": [0]}  # fmt: skip
    (name,) = change
    with pytest.raises(MetricsError, match=rf"{name} must be finite, got (nan|inf) in 'a'"):
        ScoredPicture(name="a", **found | change)


def test_a_class_beyond_the_list_is_named():
    """A confusion of two classes cannot hold a third; class and picture are named."""
    box = [square(0, 0)]
    picture = ScoredPicture("a", truth=box, truth_classes=[0], boxes=box, scores=[1], classes=[2])
    with pytest.raises(MetricsError, match=r"classes must be 0 or more and below 2.*in 'a'"):
        confusion([picture], 2, min_score=0.5)


def random_pictures(rng, n_pictures=12, n_classes=3):
    """Return crowded pictures with near misses, ties, ignored regions and empty ones."""
    pictures = []
    for k in range(n_pictures):
        n = int(rng.integers(0, 9)) if k else 0
        corner, side = rng.uniform(0, 90, (n, 2)), rng.uniform(6, 30, (n, 2))
        truth = np.hstack([corner, corner + side]).round(1)
        of = rng.integers(0, n, 3 * n) if n else np.empty(0, int)
        near, kinds = truth[of], rng.integers(0, n_classes, n)
        near = near + rng.normal(0, 1.2, near.shape)
        far = rng.uniform(0, 90, (6, 2))
        boxes = np.vstack([near, np.hstack([far, far + rng.uniform(5, 25, (6, 2))])])
        boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1)
        region = rng.uniform(0, 70, (2, 2))
        pictures.append(ScoredPicture(
            name=str(k), truth=truth, truth_classes=kinds, boxes=boxes,
            scores=rng.integers(1, 40, len(boxes)) / 40,
            classes=np.r_[kinds[of], rng.integers(0, n_classes, 6)],
            ignored=np.hstack([region, region + 25]),
        ))  # fmt: skip
    return pictures


def pycocotools_precision(pictures, n_classes, max_detections):
    """Return (classes, overlaps) of average precision from pycocotools."""
    coco_module = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")

    def entry(image, box, label, **more):
        x0, y0, x1, y1 = map(float, box)
        sides = x1 - x0, y1 - y0
        return {"image_id": image, "category_id": int(label) + 1, "bbox": [x0, y0, *sides],
                "area": sides[0] * sides[1], **more}  # fmt: skip

    objects, found = [], []
    for k, p in enumerate(pictures, start=1):
        objects += [entry(k, b, c, iscrowd=0)
                    for b, c in zip(p.truth, p.truth_classes, strict=True)]  # fmt: skip
        objects += [entry(k, b, c, iscrowd=1) for b in p.ignored for c in range(n_classes)]
        found += [entry(k, b, c, score=float(s))
                  for b, c, s in zip(p.boxes, p.classes, p.scores, strict=True)]  # fmt: skip
    for number, annotation in enumerate(objects, start=1):
        annotation["id"] = number
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco_module.COCO()
        truth.dataset = {
            "images": [{"id": k, "width": 200, "height": 200} for k in range(1, len(pictures) + 1)],
            "annotations": objects,
            "categories": [{"id": k + 1, "name": str(k)} for k in range(n_classes)],
        }
        truth.createIndex()
        scoring = evaluation.COCOeval(truth, truth.loadRes(found), "bbox")
        scoring.params.maxDets = [1, 2, max_detections]  # it sorts them
        scoring.evaluate()
        scoring.accumulate()
    precision = scoring.eval["precision"][:, :, :, 0, -1]  # overlap, recall, class; all areas
    return np.where(precision > -1, precision, np.nan).mean(axis=1).T


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("max_detections", [5, 100])
def test_average_precision_is_cocos(seed, max_detections):
    """Every class and overlap agrees with pycocotools to 1e-6."""
    pictures = random_pictures(np.random.default_rng(seed))
    ours = average_precision(pictures, labels=range(3), max_detections=max_detections)
    theirs = pycocotools_precision(pictures, 3, max_detections)
    assert ours.shape == theirs.shape == (3, len(COCO_IOUS))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)
    assert 0.05 < ours.mean() < 0.95
