"""Cutouts of other telescopes: how often the galaxy in the middle is found.

It is where a box covers the middle, or is centred within 20 pixels of it. Cutouts of stars and
artefacts must give nothing there. Those held out by name (``training.other_surveys``) stand first;
weights that were trained without any of these pictures may be judged by all of them.
"""

import numpy as np

from accuracy_sections.cutouts import edge_boxes
from accuracy_sections.session import rate, text
from astro_yolo.boxes import iou
from astro_yolo.training.cutouts import read_picture
from astro_yolo.training.other_surveys import NOT_A_GALAXY, read_other_surveys

__all__ = ["run"]

NEAR = 20.0  # pixels


def run(session):
    """
    Measure by telescope.

    Parameters
    ----------
    session : accuracy_sections.session.Session
        The run.

    Returns
    -------
    dict
    """
    cutouts = read_other_surveys(session.data / "galaxy_zoo")
    judged = [(cutout, *_judge(session, cutout)) for cutout in cutouts]
    held_out = [row for row in judged if row[0].split == "val"]
    found = {}
    for name, rows in (("held out by name", held_out), ("all", judged)):
        print(f"\n{name}:")
        found[name] = _report(rows)
    return found


def _judge(session, cutout):
    """Return whether something is found in the middle, its IoU, and the number of detections."""
    picture = read_picture(cutout.path)
    table = session.detector.detect(picture, score=session.score)
    if not len(table):
        return False, 0.0, 0
    boxes = edge_boxes(table)
    middle = np.array(picture.shape[1::-1]) / 2
    offset = np.abs((boxes[:, :2] + boxes[:, 2:]) / 2 - middle).max(axis=1)
    covers = ((boxes[:, :2] < middle) & (boxes[:, 2:] > middle)).all(axis=1)
    known = np.isfinite(cutout.box).all()
    overlap = float(iou(boxes, cutout.box[None])[:, 0].max()) if known else 0.0
    return bool((covers | (offset < NEAR)).any()), overlap, len(table)


def _report(rows):
    """Print and return the numbers of one set of cutouts."""
    galaxies = [row for row in rows if row[0].label != NOT_A_GALAXY]
    others = [row for row in rows if row[0].label == NOT_A_GALAXY]
    found = {
        "galaxy in the middle": _share(galaxies),
        "with IoU > 0.5": rate(sum(row[2] > 0.5 for row in galaxies), len(galaxies)),
        "star or artefact called galaxy": _share(others),
        "detections in a star's cutout": [row[3] for row in others],
    }
    surveys = sorted({row[0].path.name.split("-")[0] for row in galaxies})
    for survey in surveys:
        found[survey] = _share([r for r in galaxies if r[0].path.name.split("-")[0] == survey])
    for name, share in found.items():
        print(f"  {name:<32}{text(share) if isinstance(share, dict) else share}")
    print("  not found: " + ", ".join(row[0].path.name for row in galaxies if not row[1]))
    print("  wrongly found: " + ", ".join(row[0].path.name for row in others if row[1]))
    return found


def _share(rows):
    """Return how many of the cutouts have something in the middle."""
    return rate(sum(row[1] for row in rows), len(rows))
