"""The same field in other stretches, turned, mirrored and rescaled; and other telescopes.

Run from the repository root: ``python benchmarks/robustness.py``. Field 94-1-12 is rendered to an
8-bit picture in each of AstroCV's five stretches and detected in again; then the planes are turned,
mirrored and resampled. The cutouts of other telescopes that are held out by name are asked for the
galaxy in their middle. Needs the extra ``train``.
"""

import argparse
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
from scipy.stats import beta

sys.path.insert(0, str(Path(__file__).parent))
import truth_94_1_12 as field

STRETCHES = ("lupton", "lupton_high", "sinh", "sinh_high", "sqrt")
ZOOMS = (0.7, 0.85, 1.2, 1.4)


def share(hits, total):
    """Return a share and its 95 % Jeffreys interval as text."""
    if not total:
        return "-"
    low, high = beta.ppf([0.025, 0.975], hits + 0.5, total - hits + 0.5)
    return f"{hits / total:.3f} [{np.nan_to_num(low):.3f}, {np.nan_to_num(high, nan=1):.3f}]"


def stretches(detector, planes, truth):
    """Print recall and precision for the planes and for pictures of them."""
    from astro_yolo.stretch import to_rgb

    print(f"\n{'':<14}{'n':>5}  recall r<20, r<21   precision r<20, r<21")
    inputs = {"float planes": planes}
    for name in STRETCHES:
        inputs[name] = to_rgb(planes[::-1], name)
    for name in ("g", "r", "i"):
        inputs[f"{name} alone"] = planes["gri".index(name)]
    for name, image in inputs.items():
        table = detector.detect(image)
        matched = field.match(table["x"], table["y"], truth)
        rates = [matched.recall(0, 20), matched.recall(0, 21)]
        rates += [matched.precision(0, 20), matched.precision(0, 21)]
        cells = "  ".join(f"{a / max(b, 1):.3f} ({a}/{b})" for a, b in rates)
        print(f"{name:<14}{len(table):>5}  {cells}")


def _affine(matrix, shape):
    """Return an affine that keeps a turned or scaled image whole, and the new shape."""
    ny, nx = shape
    corners = np.array([[0, 0], [nx - 1, 0], [0, ny - 1], [nx - 1, ny - 1]]) @ matrix.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    return np.column_stack([matrix, -low]), tuple(np.ceil(high - low).astype(int) + 1)


def transforms():
    """Yield name and 2 x 2 matrix of each way to move the field."""
    for degrees in (33, 90, 180):
        angle = np.radians(degrees)
        yield f"turned {degrees}", np.array(
            [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        )
    yield "mirrored", np.array([[-1.0, 0], [0, 1]])
    for zoom in ZOOMS:
        yield f"scaled {zoom}", np.eye(2) * zoom


def moved(detector, planes, radius=3.0):
    """Print which share of the galaxies comes back when the field is moved."""
    first = detector.detect(planes)
    places = np.stack([first["x"], first["y"]], axis=1).astype(float)
    size = np.maximum(first["xmax"] - first["xmin"], first["ymax"] - first["ymin"])
    margin = 12
    inner = (places > margin).all(axis=1)
    inner &= (places < np.array(planes.shape[:0:-1]) - margin).all(axis=1)
    print(f"\n{'':<14}{'n':>5}  the same galaxies          of those over 10 px")
    for name, matrix in transforms():
        affine, shape = _affine(matrix, planes.shape[1:])
        zoom = np.sqrt(abs(np.linalg.det(matrix)))
        source = planes
        if zoom < 1:  # averages over the new, larger pixels
            source = [cv2.GaussianBlur(p, (0, 0), 0.35 / zoom) for p in planes]
        border = [float("nan")] * len(planes)
        image = np.stack([
            cv2.warpAffine(p, affine, shape, flags=cv2.INTER_LANCZOS4, borderValue=b)
            for p, b in zip(source, border, strict=True)
        ])
        table = detector.detect(image)
        back = np.stack([table["x"], table["y"]], axis=1) - affine[:, 2]
        back = back @ np.linalg.inv(matrix).T
        pairs = field.one_to_one(places[inner], back, radius)
        large = size[inner] > 10
        hits = large[pairs[:, 0]].sum()
        print(f"{name:<14}{len(table):>5}  {share(len(pairs), inner.sum())}"
              f"   {share(hits, large.sum())}")


def other_telescopes(detector, data, *, everything=False):
    """Print how often the galaxy in the middle is found, by survey."""
    from astro_yolo.training.cutouts import read_picture
    from astro_yolo.training.other_surveys import NOT_A_GALAXY, read_other_surveys

    cutouts = read_other_surveys(Path(data) / "galaxy_zoo")
    if not everything:
        cutouts = [cutout for cutout in cutouts if cutout.split == "val"]
    tally = {}
    for cutout in cutouts:
        picture = read_picture(cutout.path)
        table = detector.detect(picture[::-1].copy())
        middle = np.array(picture.shape[1::-1]) / 2 - 0.5
        offset = np.abs(np.stack([table["x"], table["y"]], axis=1) - middle).max(axis=1, initial=0)
        inside = (table["xmin"] < middle[0]) & (table["xmax"] > middle[0])
        inside &= (table["ymin"] < middle[1]) & (table["ymax"] > middle[1])
        found = bool((inside | (offset < 20)).any()) if len(table) else False
        is_galaxy = cutout.label != NOT_A_GALAXY
        key = cutout.path.name.split("-")[0] if is_galaxy else "star or artefact"
        hits, total = tally.get(key, (0, 0))
        tally[key] = hits + found, total + 1
    print("\nother telescopes, " + ("all cutouts" if everything else "held out by name"))
    galaxies = [value for key, value in tally.items() if key != "star or artefact"]
    hits, total = np.sum(galaxies, axis=0)
    print(f"{'all galaxies':<22}{share(hits, total)}  of {total}")
    for key, (hits, total) in sorted(tally.items()):
        print(f"  {key:<20}{hits}/{total}")


def main(argv=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--backend", default="onnxruntime")
    parser.add_argument("--only", choices=("stretches", "moved", "telescopes"))
    parser.add_argument("--all", action="store_true", help="other telescopes: trained ones too")
    options = parser.parse_args(argv)
    from astro_yolo import Detector, read_image

    data = field.data_folder()
    detector = Detector(options.model, backend=options.backend)
    print(f"{detector.weights.name}, score {detector.weights.default_score}, "
          f"{datetime.now(tz=UTC).date()}, {platform.machine()}; 95 % intervals")
    if options.only != "telescopes":
        planes = np.stack(list(read_image(field.frame_paths(data)).data))
        planes = np.nan_to_num(planes).astype(np.float32)
    if options.only in (None, "stretches"):
        stretches(detector, planes, field.load_truth(data))
    if options.only in (None, "moved"):
        moved(detector, planes)
    if options.only in (None, "telescopes"):
        other_telescopes(detector, data, everything=options.all)


if __name__ == "__main__":
    main()
