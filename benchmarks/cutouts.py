"""Classes and boxes on Galaxy Zoo cutouts that took no part in training or calibration.

Run from the repository root: ``python benchmarks/cutouts.py``. The galaxy in the middle of each
cutout is compared with its Galaxy Zoo 1 class and with the box that SEP measures. Needs the extra
``train``.
"""

import argparse
import os
import platform
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from scipy.stats import beta

from astro_yolo.catalog import CLASSES
from astro_yolo.network.backends import load_backend
from astro_yolo.network.weights import load_weights
from astro_yolo.training.evaluate import classify_cutouts
from astro_yolo.training.ship import class_table, held_out_cutouts, picture_detector

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("ASTRO_YOLO_DATA") or ROOT.parent / "shared" / "data")


def interval(hits, total):
    """Return the 95 % Jeffreys interval of a share."""
    low, high = beta.ppf([0.025, 0.975], hits + 0.5, total - hits + 0.5)
    return f"{hits / max(total, 1):.3f} [{low:.3f}, {high:.3f}] {hits}/{total}"


def reliability(probability, right, bins=5):
    """Return the expected calibration error, and (mean probability, share right, number) a bin."""
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    place = np.digitize(probability, edges)
    rows = [
        (probability[place == k].mean(), right[place == k].mean(), int((place == k).sum()))
        for k in range(bins)
        if (place == k).any()
    ]
    error = sum(n * abs(p - r) for p, r, n in rows) / len(right)
    return error, rows


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--cache", type=Path, help="file to keep the measured boxes in (.npz)")
    args = parser.parse_args()
    weights = load_weights(args.model)
    with tempfile.TemporaryDirectory() as folder:
        cache = args.cache or Path(folder) / "cutouts.npz"
        _, cutouts = held_out_cutouts(DATA, cache)
    detector = picture_detector(load_backend(weights, "onnxruntime"))
    outputs, overlap, label = classify_cutouts(detector, cutouts)
    table = class_table(weights.calibration, outputs, overlap, label)
    report(weights, table, outputs, label)


def report(weights, table, outputs, label):
    """Print the tables."""
    now = datetime.now(tz=UTC).date()
    print(f"{weights.name} on {table['number']} held-out cutouts, {now}, {platform.machine()}")
    matrix = np.array(table["confusion"])
    print(f"found       {interval(int(outputs.any(axis=1).sum()), len(label))}")
    print(f"accuracy    {interval(int(np.trace(matrix)), int(matrix.sum()))} of those found")
    for k, name in enumerate(CLASSES[:4]):
        print(f"  {name:<11}{interval(int(matrix[k, k]), int((label == k).sum()))}")
    recall = [table["recall"][name] for name in CLASSES[:4]]
    print(f"mean recall of the four classes {np.mean(recall):.3f}")
    print(f"mean IoU {table['iou']:.3f}, IoU > 0.5 for {table['iou_over_half']:.3f}")
    print("rows: Galaxy Zoo; columns:", ", ".join(CLASSES))
    print(matrix)
    found = outputs.any(axis=1)
    probability = weights.calibration.class_probabilities(outputs[found])
    right = probability.argmax(axis=1) == label[found]
    error, rows = reliability(probability.max(axis=1), right)
    print(f"calibration error of the class {error:.3f}")
    for mean, share, number in rows:
        print(f"  said {mean:.2f}  right {share:.2f}  of {number}")


if __name__ == "__main__":
    main()
