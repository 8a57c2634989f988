"""How well boxes were found: AstroCV's protocol, and numbers that also count false boxes.

Everything here is NumPy. Average precision follows COCO's own scoring (pycocotools) in every
detail, so the numbers can be set beside those of other papers.
"""

from itertools import pairwise

import numpy as np

from astro_yolo.boxes import longer_side
from astro_yolo.training.scored import (
    MetricsError,
    best_overlaps,
    judge_objects,
    pool_detections,
)

__all__ = [
    "COCO_IOUS",
    "astrocv_protocol",
    "average_precision",
    "bootstrap",
    "calibration_bins",
    "confusion",
    "mean_precision",
    "precision_recall",
    "recall_by",
    "reliability",
]

#: Overlaps that AP50-95 is averaged over.
COCO_IOUS = tuple(np.round(np.linspace(0.5, 0.95, 10), 2).tolist())

_RECALLS = np.linspace(0, 1, 101)  # where COCO reads the precision


def astrocv_protocol(pictures, *, min_score=0.001, min_iou=0.5):
    """
    Return recall and mean IoU as AstroCV gives them, by darknet's ``detector recall``.

    Each object takes the box that overlaps it best, whatever its class and whether or not
    another object has it too. Recall is the share of objects above ``min_iou``, mean IoU the
    mean of the best overlaps of *all* objects. False boxes cost nothing: with a score of 0.001
    there may be thousands.

    Parameters
    ----------
    pictures : sequence of ScoredPicture
        Pictures.
    min_score, min_iou : float, optional
        Boxes count above this score, objects as found above this overlap.

    Returns
    -------
    recall, mean_iou : float
        NaN without any object.
    """
    best = np.concatenate([best_overlaps(p, min_score) for p in pictures] or [np.empty(0)])
    if not len(best):
        return np.nan, np.nan
    return float((best > min_iou).mean()), float(best.mean())


def average_precision(pictures, *, labels=None, ious=COCO_IOUS, max_detections=None):
    """
    Return COCO's average precision: the mean precision at 101 recalls.

    Parameters
    ----------
    pictures : sequence of ScoredPicture
        Pictures.
    labels : sequence of int, optional
        Classes to score one by one; by default all are scored as one.
    ious : sequence of float, optional
        Overlaps.
    max_detections : int, optional
        As in `pool_detections`.

    Returns
    -------
    (L, T) array
        A row a class (one row without ``labels``), a column an overlap. NaN for a class without
        any object, which COCO leaves out of its means.
    """
    rows = []
    for label in [None] if labels is None else labels:
        pool = pool_detections(pictures, label=label, ious=ious, max_detections=max_detections)
        rows.append([_area(pool, k) for k in range(len(ious))])
    return np.array(rows, dtype=float).reshape(-1, len(ious))


def mean_precision(pictures, n_classes, *, max_detections=None):
    """
    Return AP50 and AP50-95: means over the classes that have objects.

    Parameters
    ----------
    pictures : sequence of ScoredPicture
        Pictures.
    n_classes : int
        Number of classes.
    max_detections : int, optional
        As in `average_precision`.

    Returns
    -------
    ap50, ap50_95 : float
        NaN without any object.
    """
    precision = average_precision(
        pictures, labels=range(n_classes), ious=COCO_IOUS, max_detections=max_detections
    )
    known = precision[~np.isnan(precision).any(axis=1)]
    return (float(known[:, 0].mean()), float(known.mean())) if len(known) else (np.nan, np.nan)


def _area(pool, k):
    """Return the mean of the falling envelope of precision, read at 101 recalls."""
    if not pool.objects:
        return np.nan
    _, precision, recall = pool.curve(k)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(recall, _RECALLS, side="left")
    return float(np.append(envelope, 0)[np.minimum(places, len(envelope))].mean())


def precision_recall(pictures, *, label=None, min_iou=0.5):
    """
    Return precision, recall and F1 at every score.

    Parameters
    ----------
    pictures : sequence of ScoredPicture
        Pictures.
    label : int, optional
        Class; by default classes do not count.
    min_iou : float, optional
        Overlap from which a detection is right.

    Returns
    -------
    dict of str to (N,) array
        ``score`` (falling), ``precision``, ``recall``, ``f1``.
    """
    pool = pool_detections(pictures, label=label, ious=(min_iou,))
    score, precision, recall = pool.curve()
    total = np.maximum(precision + recall, 1e-12)
    f1 = 2 * precision * recall / total
    return {"score": score, "precision": precision, "recall": recall, "f1": f1}


def confusion(pictures, n_classes, *, min_score, min_iou=0.5):
    """
    Return what was called what.

    Parameters
    ----------
    pictures : sequence of ScoredPicture
        Pictures.
    n_classes : int
        Number of classes.
    min_score, min_iou : float
        As in `judge_objects`.

    Returns
    -------
    (n_classes + 1, n_classes + 1) int array
        A row a true class, a column what it was called. The last column holds missed objects,
        the last row spurious detections; what is in both does not exist.

    Raises
    ------
    MetricsError
        If a picture has a class that is none of them.
    """
    table = np.zeros((n_classes + 1, n_classes + 1), dtype=int)
    for picture in pictures:
        for name in ("truth_classes", "classes"):
            if not np.isin(getattr(picture, name), range(n_classes)).all():
                msg = f"{name} must be 0 or more and below {n_classes}, got others"
                raise MetricsError(f"{msg} in {picture.name!r}")
        pairs, _, spurious = judge_objects(picture, min_score=min_score, min_iou=min_iou)
        called = np.where(pairs >= 0, np.append(picture.classes, n_classes)[pairs], n_classes)
        np.add.at(table, (picture.truth_classes, called), 1)
        np.add.at(table, (n_classes, picture.classes[spurious]), 1)
    return table


def recall_by(pictures, edges, *, of="size", min_score, min_iou=0.5):
    """
    Return the recall in bins of size or magnitude.

    Parameters
    ----------
    pictures : sequence of ScoredPicture
        Pictures.
    edges : sequence of float
        Rising borders of the bins, pixels or magnitudes; a bin holds its lower border.
    of : {"size", "magnitude"}, optional
        What to bin: the longer side of the box, or the magnitude.
    min_score, min_iou : float
        As in `judge_objects`.

    Returns
    -------
    list of dict
        Keys ``low``, ``high``, ``objects``, ``found``, ``recall`` (NaN in an empty bin),
        ``mean_iou`` of those found.
    """
    values, overlaps = [np.empty(0)], [np.empty(0)]
    for picture in pictures:
        side = longer_side(picture.truth)
        values.append(side if of == "size" else picture.magnitudes)
        overlaps.append(judge_objects(picture, min_score=min_score, min_iou=min_iou)[1])
    values, overlaps = np.concatenate(values), np.concatenate(overlaps)
    rows = []
    for low, high in pairwise(edges):
        shared = overlaps[(values >= low) & (values < high)]
        found = shared > 0
        rows.append(
            {"low": float(low), "high": float(high), "objects": len(shared),
             "found": int(found.sum()), "recall": _mean(found), "mean_iou": _mean(shared[found])}
        )  # fmt: skip
    return rows


def reliability(pictures, *, bins=10, min_score=0.0, min_iou=0.5):
    """
    Return how often a score is right, and the expected calibration error.

    Parameters
    ----------
    pictures : sequence of ScoredPicture
        Pictures.
    bins : int, optional
        Equal bins of the score from 0 to 1.
    min_score, min_iou : float, optional
        Smallest score that is looked at, overlap from which a detection is right.

    Returns
    -------
    rows : list of dict
        Keys ``low``, ``high``, ``detections``, ``score`` (mean), ``right`` (share).
    error : float
        Mean distance of score and share right over bins, weighted by detections (Guo et al. 2017,
        "On calibration of modern neural networks"); NaN without any detection.
    """
    pool = pool_detections(pictures, ious=(min_iou,))
    judged = ~pool.skip[0] & (pool.scores >= min_score)
    return calibration_bins(pool.scores[judged], pool.hits[0, judged], bins)


def calibration_bins(scores, right, bins=10):
    """
    Return how often a probability is right, as `reliability`, of plain arrays.

    Parameters
    ----------
    scores : (N,) array
        What was said.
    right : (N,) bool array
        What is so.
    bins : int, optional
        Number of bins.

    Returns
    -------
    rows, error
        As of `reliability`.
    """
    place = np.minimum((scores * bins).astype(int), bins - 1)
    rows = []
    for k in range(bins):
        mine = place == k
        rows.append({"low": k / bins, "high": (k + 1) / bins, "detections": int(mine.sum()),
                     "score": _mean(scores[mine]), "right": _mean(right[mine])})  # fmt: skip
    off = [row["detections"] * abs(row["score"] - row["right"])
           for row in rows if row["detections"]]  # fmt: skip
    return rows, float(sum(off) / len(scores)) if len(scores) else np.nan


def bootstrap(pictures, measure, *, draws=200, level=0.95, seed=0):
    """
    Return the interval of a number by drawing pictures with replacement.

    Objects of one picture share its depth and seeing, so pictures are drawn, not objects.

    Parameters
    ----------
    pictures : sequence of ScoredPicture
        Pictures.
    measure : callable
        Returns a number, or several, for a list of pictures.
    draws : int, optional
        Number of draws.
    level : float, optional
        Share of the draws inside the interval.
    seed : int, optional
        Of the random numbers.

    Returns
    -------
    low, high : float or array
        NaN for fewer than two pictures, which say nothing about other pictures.
    """
    pictures = list(pictures)
    if len(pictures) < 2:
        nothing = np.full_like(np.asarray(measure(pictures), dtype=float), np.nan)
        return nothing[()], nothing[()]
    rng = np.random.default_rng(seed)
    values = np.array([
        measure([pictures[k] for k in rng.integers(0, len(pictures), len(pictures))])
        for _ in range(draws)
    ], dtype=float)  # fmt: skip
    tail = (1 - level) / 2
    bad = np.isnan(values).all(axis=0)
    low, high = np.nanquantile(np.where(bad, 0, values), [tail, 1 - tail], axis=0)
    return np.where(bad, np.nan, low)[()], np.where(bad, np.nan, high)[()]


def _mean(values):
    """Return the mean, NaN of nothing."""
    return float(np.mean(values)) if len(values) else np.nan
