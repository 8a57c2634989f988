"""Classes and boxes on Galaxy Zoo cutouts that took no part in training or calibration.

Run from the repository root: ``python benchmarks/cutouts.py``. The galaxy in the middle of each
cutout, as ``Detector`` returns it, is compared with its Galaxy Zoo 1 class ("don't know" counts as
unknown) and with the box that SEP measures. Needs the extra ``train``.
"""

import argparse
import os
import platform
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from scipy.stats import beta

from astro_yolo import Detector
from astro_yolo.boxes import iou
from astro_yolo.catalog import CLASSES
from astro_yolo.training._type_samples import read_undecided
from astro_yolo.training.cutouts import read_picture
from astro_yolo.training.dataset import measure_cutouts
from astro_yolo.training.types import score_types

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("ASTRO_YOLO_DATA") or ROOT.parent / "shared" / "data")
_LOWEST = 0.05  # score from which a box counts as found


def interval(hits, total):
    """Return a share and its 95 % Jeffreys interval as text."""
    if not total:
        return "-"
    low, high = beta.ppf([0.025, 0.975], hits + 0.5, total - hits + 0.5)
    low, high = np.nan_to_num(low), np.nan_to_num(high, nan=1.0)
    return f"{hits / total:.3f} [{low:.3f}, {high:.3f}] {hits}/{total}"


def reported(cache):
    """Return the held-out cutouts that set neither temperature nor prior of the types."""
    cutouts = measure_cutouts(DATA, cache) + read_undecided(DATA / "galaxy_zoo")
    return [cutout for cutout in cutouts if cutout.split == "val"][1::2]


def central(detector, cutout):
    """Return IoU with the measured box and the class probabilities of the central galaxy."""
    table = detector.detect(read_picture(cutout.path), score=_LOWEST)
    if not len(table):
        return 0.0, np.full(len(CLASSES), np.nan)
    boxes = np.stack([table[n] for n in ("xmin", "ymin", "xmax", "ymax")], axis=1) + 0.5
    share = iou(boxes, cutout.box[None])[:, 0]
    best = int((share * np.asarray(table["score"]) ** 0.3).argmax())
    if share[best] < 0.1:
        return 0.0, np.full(len(CLASSES), np.nan)
    return float(share[best]), np.array([table[f"p_{name}"][best] for name in CLASSES], float)


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--cache", type=Path, help="file to keep the measured boxes in (.npz)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cutouts = reported(args.cache or Path(folder) / "cutouts.npz")
    detector = Detector(args.model, backend="onnxruntime")
    overlap, probability = map(
        np.array, zip(*(central(detector, cutout) for cutout in cutouts), strict=True)
    )
    label = np.array([CLASSES.index(cutout.label) for cutout in cutouts])
    print(f"{detector.weights.name} on {len(label)} held-out cutouts, "
          f"{datetime.now(tz=UTC).date()}, {platform.machine()}; 95 % intervals")
    report(overlap, probability, label)


def report(overlap, probability, label):
    """Print the tables."""
    found = np.isfinite(probability).all(axis=1)
    scores = score_types(probability[found], label[found])
    matrix = np.array(scores["confusion"])
    print(f"found       {interval(int(found.sum()), len(label))}")
    print(f"mean IoU {overlap[found].mean():.3f}; over 0.5 "
          f"{interval(int((overlap > 0.5).sum()), len(label))}")
    print(f"accuracy    {interval(int(np.trace(matrix)), int(matrix.sum()))} of those found")
    for k, name in enumerate(CLASSES):
        print(f"  {name:<11}{interval(int(matrix[k, k]), int(matrix[k].sum()))}")
    print(f"macro recall of the five classes {scores['macro_recall']:.3f}")
    print(f"calibration error of the class   {scores['calibration_error']:.3f}")
    print("rows: Galaxy Zoo; columns:", ", ".join(CLASSES))
    print(matrix)


if __name__ == "__main__":
    main()
