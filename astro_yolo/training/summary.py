"""The tables of an evaluation: AstroCV's protocol beside numbers that also count false boxes."""

import numpy as np

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

__all__ = ["MAGNITUDES", "SIZES", "headline", "tables_of"]

#: Borders of the bins of the longer side, pixels, and of the r magnitude.
SIZES = (0, 16, 22, 32, 48, 64, 96, 128, 192, 256, 512, 1024)
MAGNITUDES = tuple(range(12, 24))


def headline(pictures, n_classes, *, threshold):
    """
    Return the numbers that tell most.

    Parameters
    ----------
    pictures : sequence of ScoredPicture
        Pictures.
    n_classes : int
        Number of classes.
    threshold : float
        Score at which precision, recall and F1 are given.

    Returns
    -------
    dict of str to float
        ``astrocv_recall`` and ``astrocv_mean_iou`` (score > 0.001, IoU > 0.5); ``ap50`` and
        ``ap50_95``, means over classes; ``ap50_any``, classes not counted; ``precision``,
        ``recall`` and ``f1`` at the score, classes not counted; ``accuracy``, the share of
        found objects with the right class; ``calibration_error`` from the score 0.05 up.
    """
    recall, mean_iou = astrocv_protocol(pictures)
    ap50, ap50_95 = mean_precision(pictures, n_classes)
    table = confusion(pictures, n_classes, min_score=threshold)
    found = table[:-1, :-1].sum()
    chosen, total = found + table[-1].sum(), table[:-1].sum()
    return {
        "astrocv_recall": recall,
        "astrocv_mean_iou": mean_iou,
        "ap50": ap50,
        "ap50_95": ap50_95,
        "ap50_any": float(average_precision(pictures, ious=(0.5,))[0, 0]),
        "precision": _share(found, chosen),
        "recall": _share(found, total),
        "f1": _share(2 * found, chosen + total),
        "accuracy": _share(np.trace(table[:-1, :-1]), found),
        "calibration_error": reliability(pictures, min_score=0.05)[1],
    }


def _share(part, whole):
    """Return a share, NaN of nothing."""
    return float(part / whole) if whole else np.nan


def tables_of(evaluation, *, draws=200, seed=0):
    """
    Return every table of an evaluation.

    Parameters
    ----------
    evaluation : Evaluation
        From `~astro_yolo.training.scoring.evaluate_set`.
    draws, seed : int, optional
        Of the bootstrap.

    Returns
    -------
    dict of str to `~astropy.table.Table`
        ``headline`` (value and 95 % interval), ``classes``, ``confusion``, ``size``, ``magnitude``,
        ``precision_recall``, ``reliability``.
    """
    from astropy.table import Table

    pictures, names = list(evaluation.pictures), evaluation.names
    threshold = float(evaluation.about["threshold"])
    at = {"min_score": threshold}

    def numbers(chosen):
        return list(headline(chosen, len(names), threshold=threshold).values())

    values = headline(pictures, len(names), threshold=threshold)
    low, high = bootstrap(pictures, numbers, draws=draws, seed=seed)
    table = confusion(pictures, len(names), **at)
    columns = {"true": [*names, "spurious"]}
    columns |= {name: table[:, k] for k, name in enumerate([*names, "missed"])}
    curve = precision_recall(pictures)
    return {
        "headline": Table({"measure": list(values), "value": list(values.values()),
                           "low": low, "high": high}),
        "classes": _classes(pictures, names, threshold),
        "confusion": Table(columns),
        "size": Table(rows=recall_by(pictures, SIZES, **at)),
        "magnitude": Table(rows=recall_by(pictures, MAGNITUDES, of="magnitude", **at)),
        "precision_recall": Table(curve),
        "reliability": Table(rows=reliability(pictures)[0]),
    }  # fmt: skip


def _classes(pictures, names, threshold):
    """Return a row a class; a detection of another class is wrong here."""
    from astropy.table import Table

    precision = average_precision(pictures, labels=range(len(names)), ious=COCO_IOUS)
    rows = []
    for label, name in enumerate(names):
        curve = precision_recall(pictures, label=label)
        place = int((curve["score"] >= threshold).sum()) - 1
        at = {key: float(curve[key][place]) if place >= 0 else np.nan
              for key in ("precision", "recall", "f1")}  # fmt: skip
        objects = sum(int((p.truth_classes == label).sum()) for p in pictures)
        if not objects:
            at |= {"recall": np.nan, "f1": np.nan}
        elif place < 0:  # none was called so: all are missed, and there is no purity
            at |= {"recall": 0.0, "f1": 0.0}
        rows.append({"class": name, "objects": objects, "ap50": precision[label, 0],
                     "ap50_95": precision[label].mean(), **at})  # fmt: skip
    return Table(rows=rows)
