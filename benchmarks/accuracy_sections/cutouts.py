"""Galaxy Zoo cutouts of SDSS runs that no network is trained on: found, boxed, classified.

As in the AstroCV study every detection with a score above 0.001 counts, and the galaxy in the
middle is found where one of them has an IoU above 0.5 with its box. Its class is that of the
highest score among those. The boxes are those of ``training.cutouts.measure_cutout``: round an
ellipse of 1.05 Petrosian radii. Half of the held-out cutouts set the temperature and prior of the
classes (``training.ship``); the other half did nothing, and both are reported.
"""

import csv

import numpy as np

from accuracy_sections.calibration import print_reliability, reliability
from accuracy_sections.session import rate, text
from accuracy_sections.sheets import draw_disagreements
from astro_yolo.boxes import area, iou
from astro_yolo.catalog import CLASSES, pixel_boxes
from astro_yolo.training.cutouts import Cutout, measure_cutout, read_picture, split_of
from astro_yolo.training.ship import held_out_cutouts

__all__ = ["edge_boxes", "judged", "run"]

ANY_SCORE = 0.001
OVERLAP = 0.5


def run(session):
    """
    Measure recall, boxes and classes.

    Parameters
    ----------
    session : accuracy_sections.session.Session
        The run.

    Returns
    -------
    dict
    """
    fitted, reported = held_out_cutouts(session.data, session.cache / "cutouts.npz")
    undecided = _undecided(session.data)
    print(f"{len(fitted)} + {len(reported)} held-out cutouts, {len(undecided)} undecided ones")
    first, second, third = (judged(session, part) for part in (fitted, reported, undecided))
    found = {}
    for name, rows in (("the half that set nothing", second), ("all held out", first + second)):
        print(f"\n{name}, and the undecided ones:")
        found[name] = _report(rows, third, session.score)
    draw_disagreements(session, first + second)
    return found


def _zoo_classes(data):
    """Return file stem -> class as Galaxy Zoo has it, with the sense of winding."""
    with (data / "galaxy_zoo" / "gz1_labels.csv").open(newline="") as file:
        return {row["dr7_objid"]: row["gz1_class"] for row in csv.DictReader(file)}


def _undecided(data):
    """Return held-out cutouts that Galaxy Zoo's volunteers could not decide on."""
    folder, found = data / "galaxy_zoo" / "gz1_cutouts", []
    for number, label in _zoo_classes(data).items():
        if label == "dont_know" and split_of(number) == "val":
            path = folder / f"{number}.jpeg"
            box, others = measure_cutout(read_picture(path), "unknown")
            if box is not None:
                found.append(Cutout(path, "unknown", box, "val", others))
    return found


def edge_boxes(table):
    """Return (N, 4) boxes of a table in edge pixels, where the first pixel spans 0 to 1."""
    return pixel_boxes(table) + 0.5


def judged(session, cutouts):
    """
    Return what became of the galaxies in the middle of cutouts.

    Parameters
    ----------
    session : accuracy_sections.session.Session
        The run.
    cutouts : list of Cutout
        Held out.

    Returns
    -------
    list of dict
        ``truth``, ``zoo`` with the sense of winding, ``found``, ``label`` and others.
    """
    types = _zoo_classes(session.data)
    return [_judge(session, cutout) | {"zoo": types[cutout.path.stem]} for cutout in cutouts]


def _judge(session, cutout):
    """Return what became of the galaxy in the middle of one cutout."""
    table = session.detector.detect(read_picture(cutout.path), score=ANY_SCORE)
    row = {"truth": cutout.label, "iou": 0.0, "found": False, "score": 0.0,
           "label": "", "probability": 0.0, "default": 0.0, "size": np.nan}
    if not len(table):
        return row
    boxes = edge_boxes(table)
    overlap = iou(boxes, cutout.box[None])[:, 0]
    score = np.asarray(table["score"])
    row["iou"] = float(overlap.max())
    row["size"] = float(np.sqrt(area(boxes[[overlap.argmax()]]) / area(cutout.box[None]))[0])
    row["default"] = float(overlap[score >= session.score].max(initial=0))
    good = np.flatnonzero(overlap > OVERLAP)
    if len(good):
        place = good[score[good].argmax()]
        best = table[place]
        row |= {"found": True, "score": float(best["score"]), "label": str(best["label"]),
                "probability": float(best[f"p_{best['label']}"]), "path": cutout.path,
                "box": boxes[place]}
    return row


def _report(rows, undecided, threshold):
    """Print and return the numbers of one set of cutouts."""
    overlap = np.array([row["iou"] for row in rows])
    seen = [row for row in rows if row["found"]]
    right = np.array([row["label"] == row["truth"] for row in seen])
    found = {
        f"recall, score > {ANY_SCORE}, IoU > {OVERLAP}": rate(len(seen), len(rows)),
        f"recall at the default score {threshold:.3f}": rate(
            sum(row["default"] > OVERLAP for row in rows), len(rows)
        ),
        "class accuracy of those found": rate(right.sum(), len(seen)),
    }
    for name in CLASSES:
        group = [row for row in rows + undecided if row["truth"] == name]
        hits = sum(row["label"] == name for row in group)
        found[f"recall {name}"] = rate(hits, len(group))
    for sense in ("spiral_cw", "spiral_acw"):
        group = [row for row in rows if row["zoo"] == sense]
        found[f"spirals wound {sense[7:]}"] = rate(
            sum(row["label"] == "spiral" for row in group), len(group)
        )
    for name, share in found.items():
        print(f"  {name:<36}{text(share)}")
    shares = [found[f"recall {name}"].get("share", 0) for name in CLASSES]
    found["macro recall"] = float(np.mean(shares))
    found["mean IoU"] = float(overlap.mean())
    found["mean IoU error"] = float(overlap.std() / np.sqrt(len(overlap)))
    print(f"  {'macro recall of the five classes':<36}{found['macro recall']:.3f}")
    print(f"  {'mean IoU of all':<36}{found['mean IoU']:.3f} ± {found['mean IoU error']:.3f}, "
          f"median {np.median(overlap):.3f}")
    found["missed"] = _missed([row for row in rows if not row["found"]])
    said = np.array([row["probability"] for row in seen])
    found["class calibration"] = reliability(said, right)
    print_reliability(found["class calibration"])
    found["confusion"] = _confusion(rows + undecided)
    return found


def _missed(rows):
    """Print and return how large the boxes nearest to the galaxies that are not found are."""
    counts = {}
    for name, low, high in (("over 1.5 times", 1.5, np.inf), ("less than 0.7 times", 0, 0.7)):
        group = [row["truth"] for row in rows if low < row["size"] < high]
        counts[name] = {"boxes": len(group), "of mergers": group.count("merger")}
        print(f"  of {len(rows)} not found, the nearest box is {name} as wide for {len(group)}, "
              f"of which {group.count('merger')} mergers")
    return counts


def _confusion(rows):
    """Print and return how often each class (rows) is called what (columns)."""
    names = [*CLASSES, ""]
    matrix = [[sum(row["truth"] == truth and row["label"] == label for row in rows)
               for label in names] for truth in CLASSES]
    print("  " + " " * 12 + "".join(f"{name or 'not found':>11}" for name in names))
    for truth, counts in zip(CLASSES, matrix, strict=True):
        print(f"  {truth:<12}" + "".join(f"{count:>11}" for count in counts))
    return matrix
