"""Held-out Galaxy Zoo cutouts enlarged: galaxies of a hundred to more than a thousand pixels.

Every fourteenth cutout; found as in AstroCV's protocol at the default score, IoU above 0.5.
"""

import cv2
import numpy as np

from accuracy_sections.cutouts import edge_boxes
from accuracy_sections.session import rate, text
from astro_yolo.boxes import iou
from astro_yolo.training.cutouts import read_picture
from astro_yolo.training.dataset import measure_cutouts

__all__ = ["run"]

FACTORS = 1, 2, 3, 4, 6
_EVERY = 14


def run(session):
    """
    Measure the recall at each size.

    Parameters
    ----------
    session : accuracy_sections.session.Session
        The run.

    Returns
    -------
    dict
    """
    known = measure_cutouts(session.data, session.cache / "cutouts.npz")
    cutouts = [cutout for cutout in known if cutout.split == "val"][::_EVERY]
    sides = [max(c.box[2] - c.box[0], c.box[3] - c.box[1]) for c in cutouts]
    found = {}
    for factor in FACTORS:
        overlaps = np.array([_overlap(session, cutout, factor) for cutout in cutouts])
        hit = overlaps > 0.5
        found[factor] = rate(int(hit.sum()), len(hit)) | {"iou": float(overlaps[hit].mean())}
        print(f"{factor} times as large, median {factor * np.median(sides):4.0f} px: "
              f"{text(found[factor])}, mean IoU {found[factor]['iou']:.3f}")
    return found


def _overlap(session, cutout, factor):
    """Return the largest IoU of a detection with the galaxy of an enlarged cutout."""
    picture = read_picture(cutout.path)
    if factor > 1:
        picture = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
    table = session.detector.detect(picture, score=session.score)
    boxes = edge_boxes(table) / factor
    return float(iou(boxes, cutout.box[None])[:, 0].max(initial=0))
