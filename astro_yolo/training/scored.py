"""Pictures with what is in them and what was found, and which of it belongs together.

Pairs are made as COCO's own scoring (pycocotools) makes them. Ignored regions are neither objects
nor background: what is found there counts neither way.
"""

from dataclasses import dataclass

import numpy as np

from astro_yolo.boxes import iou as box_iou
from astro_yolo.exceptions import AstroYoloError

__all__ = ["MetricsError", "ScoredPicture", "best_overlaps", "judge_objects", "pool_detections"]

_TIE = 1 - 1e-10  # an overlap threshold of 1 can still be met; pycocotools has the same


class MetricsError(AstroYoloError, ValueError):
    """Arrays that are to be scored do not belong together, or cannot be scored."""


@dataclass(frozen=True, eq=False)
class ScoredPicture:
    """
    One picture: what is in it and what was found.

    Attributes
    ----------
    name : str
        Of the picture.
    truth : (M, 4) array
        Boxes of the objects, xmin, ymin, xmax, ymax.
    truth_classes : (M,) int array
        Their classes.
    boxes, scores, classes : (N, 4), (N,), (N,) arrays
        What was found.
    ignored : (K, 4) array
        Regions in which nothing is judged.
    magnitudes : (M,) array, optional
        Of the objects; NaN where unknown. By default all are.
    """

    name: str = ""
    truth: np.ndarray = ()
    truth_classes: np.ndarray = ()
    boxes: np.ndarray = ()
    scores: np.ndarray = ()
    classes: np.ndarray = ()
    ignored: np.ndarray = ()
    magnitudes: np.ndarray | None = None

    def __post_init__(self):
        """Bring everything to arrays of one kind, or raise `MetricsError`."""
        object.__setattr__(self, "_memo", {})  # a bootstrap asks for the same pairs again and again
        for name in ("truth", "boxes", "ignored"):
            values = np.asarray(getattr(self, name), dtype=float).reshape(-1, 4)
            object.__setattr__(self, name, _finite(values, name, self.name))
        if self.magnitudes is None:
            object.__setattr__(self, "magnitudes", np.full(len(self.truth), np.nan))
        for name, of, kind in (
            ("truth_classes", "truth", int), ("magnitudes", "truth", float),
            ("scores", "boxes", float), ("classes", "boxes", int),
        ):  # fmt: skip
            values = np.asarray(getattr(self, name)).reshape(-1)
            if name != "magnitudes":
                _finite(values, name, self.name)
            values = values.astype(kind)
            object.__setattr__(self, name, values)
            if len(values) != len(getattr(self, of)):
                msg = f"{name} must hold one value for each of {of}, got {len(values)}"
                raise MetricsError(f"{msg} for {len(getattr(self, of))} in {self.name!r}")


def _finite(values, name, picture):
    """Return values, or raise: a score that is NaN would pass for the best of all."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        msg = f"{name} must be finite, got {values[~np.isfinite(values)][0]} in {picture!r}"
        raise MetricsError(msg)
    return values


@dataclass(frozen=True)
class _Pool:
    """Detections of all pictures by falling score: hits (T, N), left-out (T, N); object count."""

    scores: np.ndarray
    hits: np.ndarray
    skip: np.ndarray
    pictures: np.ndarray
    objects: int

    def curve(self, k=0):
        """Return scores, precision and recall at each judged detection."""
        judged = ~self.skip[k]
        right = np.cumsum(self.hits[k, judged])
        total = np.arange(1, judged.sum() + 1)
        return self.scores[judged], right / total, right / max(self.objects, 1)


def pool_detections(pictures, *, label=None, ious=(0.5,), max_detections=None):
    """
    Match detections with objects as COCO does, and pool those of all pictures.

    By falling score, each detection takes the free object that it overlaps most. One that
    finds none is left out where most of it lies in an ignored region.

    Parameters
    ----------
    pictures : sequence of ScoredPicture
        Pictures.
    label : int, optional
        Class to look at; by default classes do not count.
    ious : sequence of float, optional
        Overlaps from which a detection is right.
    max_detections : int, optional
        Of a picture and class, the best; pycocotools' own default is 100. By default all.

    Returns
    -------
    object
        With ``scores`` (N,), ``hits`` and ``skip`` (T, N), ``pictures`` (N,), the number of the
        picture of each, and ``objects``, the number of objects.
    """
    parts, objects = [], 0
    for number, picture in enumerate(pictures):
        scores, hits, skip, n_truth = _remembered(
            picture, _match, label, tuple(ious), max_detections
        )
        parts.append((scores, hits, skip, np.full(len(scores), number)))
        objects += n_truth
    if not parts:
        none = np.zeros((len(ious), 0), bool)
        return _Pool(np.empty(0), none, none, np.empty(0, int), 0)
    joined = [np.concatenate(values, axis=-1) for values in zip(*parts, strict=True)]
    order = np.argsort(-joined[0], kind="mergesort")
    return _Pool(*(values[..., order] for values in joined), objects)


def _remembered(picture, work, *arguments):
    """Return what a function of a picture gave before, or gives now."""
    key = (work.__name__, *arguments)
    if key not in picture._memo:  # noqa: SLF001, its own module
        picture._memo[key] = work(picture, *arguments)  # noqa: SLF001
    return picture._memo[key]  # noqa: SLF001


def _match(picture, label, ious, max_detections):
    """Return scores, hits, left-out of a picture's detections, and its number of objects."""
    mine = slice(None) if label is None else picture.classes == label
    boxes, scores = picture.boxes[mine], picture.scores[mine]
    order = np.argsort(-scores, kind="mergesort")[:max_detections]
    boxes, scores = boxes[order], scores[order]
    truth = picture.truth if label is None else picture.truth[picture.truth_classes == label]
    shared = box_iou(boxes, truth) if len(truth) and len(boxes) else np.zeros((len(boxes), 0))
    covered = _covered(boxes, picture.ignored)
    hits = np.zeros((len(ious), len(boxes)), bool)
    skip = np.zeros_like(hits)
    for k, limit in enumerate(ious):
        free = np.ones(len(truth), bool)
        for row in np.flatnonzero(shared.max(axis=1, initial=0) >= min(limit, _TIE)):
            place = _best_free(shared[row], free, min(limit, _TIE))
            if place >= 0:
                free[place], hits[k, row] = False, True
        skip[k] = ~hits[k] & (covered >= min(limit, _TIE))
    return scores, hits, skip, len(truth)


def _best_free(overlaps, free, limit):
    """Return the free object with the largest overlap from the limit up (the last of equals)."""
    open_ = np.where(free, overlaps, -1)
    if not len(open_) or open_.max() < limit:
        return -1
    return len(open_) - 1 - int(open_[::-1].argmax())


def best_overlaps(picture, min_score):
    """
    Return the largest overlap that any box has with each object.

    Parameters
    ----------
    picture : ScoredPicture
        A picture.
    min_score : float
        Boxes count above it.

    Returns
    -------
    (M,) array
        IoU; 0 without any box.
    """
    return _remembered(picture, _best_overlaps, min_score)


def _best_overlaps(picture, min_score):
    boxes = picture.boxes[picture.scores > min_score]
    if not len(boxes) or not len(picture.truth):
        return np.zeros(len(picture.truth))
    return box_iou(picture.truth, boxes).max(axis=1)


def _covered(boxes, regions):
    """Return the largest share of each box that lies in one region, COCO's overlap of crowds."""
    if not len(regions) or not len(boxes):
        return np.zeros(len(boxes))
    low = np.maximum(boxes[:, None, :2], regions[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], regions[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=-1)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return (shared / np.maximum(area, 1e-12)[:, None]).max(axis=1)


def judge_objects(picture, *, min_score, min_iou=0.5):
    """
    Pair the objects of a picture with its detections at one score, whatever their classes.

    Parameters
    ----------
    picture : ScoredPicture
        A picture.
    min_score, min_iou : float
        Smallest score and overlap that count.

    Returns
    -------
    pairs : (M,) int array
        Detection of each object, or -1.
    overlaps : (M,) array
        Their IoU; 0 for a missed object.
    spurious : (S,) int array
        Detections that have no object and are not in an ignored region.
    """
    return _remembered(picture, _judge, min_score, min_iou)


def _judge(picture, min_score, min_iou):
    chosen = np.flatnonzero(picture.scores >= min_score)
    chosen = chosen[np.argsort(-picture.scores[chosen], kind="mergesort")]
    boxes = picture.boxes[chosen]
    pairs, overlaps = np.full(len(picture.truth), -1), np.zeros(len(picture.truth))
    taken = np.zeros(len(chosen), bool)
    if len(chosen) and len(pairs):
        for row, values in enumerate(box_iou(boxes, picture.truth)):
            place = _best_free(values, pairs < 0, min_iou)
            if place >= 0:
                pairs[place], overlaps[place], taken[row] = chosen[row], values[place], True
    rest = ~taken & (_covered(boxes, picture.ignored) < min_iou)
    return pairs, overlaps, chosen[rest]
