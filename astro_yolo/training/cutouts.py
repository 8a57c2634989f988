"""Galaxy Zoo cutouts: one classified galaxy each, in the middle of a colour picture."""

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from astro_yolo.boxes import iou
from astro_yolo.exceptions import ImageError, require
from astro_yolo.stretch import background_noise
from astro_yolo.training.labels import BOX_RADII, ellipse_box, petrosian_radius

__all__ = [
    "SOFTENING", "WEIGHTS", "Cutout", "linearise", "measure_cutout", "petrosian_box",
    "read_labels", "read_picture", "split_of",
]  # fmt: skip

#: Galaxy Zoo 1 class to class name; the two senses of winding are one class.
GZ1_CLASSES = {
    "elliptical": "elliptical",
    "spiral_cw": "spiral",
    "spiral_acw": "spiral",
    "edge_on": "edge_on",
    "merger": "merger",
}

#: SkyServer's colour pictures: asinh of the sum of the weighted bands. The softening is
#: measured: with it the shape of the stars in the cutouts does not depend on their
#: brightness (ratio of widths at 20 % and 50 % of the peak 1.59-1.63 over five bins).
SOFTENING = 1.6
#: Weights of i, r and g in them, per nanomaggy.
WEIGHTS = (5.0, 6.5, 9.0)

_LEAST_PART = 0.2  # of the light of a merger's middle galaxy: fainter sources are no part of it


@dataclass(frozen=True)
class Cutout:
    """
    A cutout's place on disk, its class, the box of its galaxy, and those of its neighbours.

    ``linear`` tells whether it is SkyServer's, so that `linearise` undoes its stretch.
    """

    path: Path
    label: str
    box: np.ndarray
    split: str
    others: np.ndarray
    linear: bool = True


def split_of(object_id):
    """
    Return ``"val"`` for a fixed fifth of the SDSS runs, else ``"train"``.

    Cutouts are known by their DR7 object identifier only, so the split goes
    by the run held in its bits 32 to 47: no strip of sky is in both.

    Parameters
    ----------
    object_id : int
        DR7 objID.

    Returns
    -------
    str
    """
    run = (int(object_id) >> 32) & 0xFFFF
    return "val" if (run * 2654435761 >> 7) % 5 == 0 else "train"


def read_labels(path):
    """
    Read the table of Galaxy Zoo 1 classes.

    Parameters
    ----------
    path : path-like
        CSV with columns ``dr7_objid`` and ``gz1_class``.

    Returns
    -------
    list of (int, str)
        Object identifier and class name; classes that name no galaxy type
        ("dont_know", which also holds satellite trails) are left out.

    Raises
    ------
    ValueError
        If a column is missing or an identifier is no number.
    """
    with Path(path).open(newline="") as file:
        table = csv.DictReader(file)
        if not {"dr7_objid", "gz1_class"} <= set(table.fieldnames or ()):
            msg = f"{path} must have the columns dr7_objid and gz1_class, got {table.fieldnames}"
            raise ValueError(msg)
        rows = [(int(row["dr7_objid"]), row["gz1_class"]) for row in table]
    return [(number, GZ1_CLASSES[name]) for number, name in rows if name in GZ1_CLASSES]


def linearise(picture):
    """
    Undo the asinh stretch of a SkyServer picture.

    Parameters
    ----------
    picture : (ny, nx, 3) uint8 array
        Red, green, blue.

    Returns
    -------
    (3, ny, nx) float32 array
        i, r, g surface brightness, about nanomaggies per SDSS pixel; saturated
        cores come out too faint.
    """
    unit = np.moveaxis(picture.astype(np.float32) / 255, -1, 0)
    total = np.minimum(unit.sum(axis=0), 2.9)
    summed = np.sinh(SOFTENING * total) / SOFTENING
    factor = np.divide(summed, total, out=np.full_like(total, 1.0), where=total > 1e-3)
    return unit * factor / np.float32(WEIGHTS)[:, None, None]


def measure_cutout(picture, label):
    """
    Find the box of the galaxy in the middle of a cutout.

    Parameters
    ----------
    picture : (ny, nx, 3) uint8 array
        Red, green, blue.
    label : str
        Class; a merger has one box round the galaxies that it is made of.

    Returns
    -------
    box : (4,) array or None
        Edge pixels; None where no source covers the middle.
    others : (M, 4) array
        Boxes of the other sources.
    """
    sep = require("sep", extra="train", feature="measuring training labels")
    light = linearise(picture).sum(axis=0)
    sky, noise = background_noise(light)
    light = np.ascontiguousarray((light - sky) / max(noise, 0.003))
    smooth = cv2.GaussianBlur(light, (0, 0), 2)
    smooth /= background_noise(smooth)[1]
    found, segments = sep.extract(
        smooth, 3.5, err=1.0, minarea=16, deblend_cont=0.02, segmentation_map=True
    )
    centre = _central(found, segments)
    if centre is None:
        return None, np.empty((0, 4))

    parts = np.array([centre])
    if label == "merger":
        parts = np.flatnonzero(found["flux"] > _LEAST_PART * found["flux"][centre])
    boxes = np.array([
        petrosian_box(light, segments, k, found[k], reach=(20, 200), most=3.5) for k in parts
    ])
    box, joined = _joined(boxes, parts == centre)
    return box, _extent_boxes(np.delete(found, parts[joined]))


def _joined(boxes, own):
    """Return the box round some of the boxes and all that touch it, and which these are."""
    while True:
        box = np.concatenate([boxes[own, :2].min(axis=0), boxes[own, 2:].max(axis=0)])
        touching = iou(boxes, box[None])[:, 0] > 0
        if (touching == own).all():
            return box, own
        own = touching


def _central(found, segments):
    """Return the index of the source on, or within 15 pixels of, the middle."""
    ny, nx = segments.shape
    inside = segments[ny // 2 - 3 : ny // 2 + 4, nx // 2 - 3 : nx // 2 + 4]
    hits = inside[inside > 0]
    if hits.size:
        return int(np.bincount(hits).argmax()) - 1
    if not len(found):
        return None
    distance = np.hypot(found["x"] - nx / 2, found["y"] - ny / 2)
    nearest = int(distance.argmin())
    return nearest if distance[nearest] < 15 else None


def petrosian_box(light, segments, centre, source, *, reach, most):
    """
    Return the box from the Petrosian radius about a source, neighbours masked.

    Parameters
    ----------
    light, segments : (ny, nx) arrays
        In units of the noise; what SEP has found in it.
    centre, source : int, row of an array
        Number of the source, and what SEP says of it.
    reach : (int, int)
        Pixels that are looked at, at least and at most.
    most : float
        Largest radius in rms sizes of the source.

    Returns
    -------
    (4,) array
        Edge pixels.
    """
    clean = np.where((segments == 0) | (segments == centre + 1), light, 0)
    x, y = source["x"], source["y"]
    reach = int(np.clip(6 * source["a"], *reach))
    x0, y0 = max(0, int(x) - reach), max(0, int(y) - reach)
    stamp = clean[y0 : int(y) + reach + 1, x0 : int(x) + reach + 1]
    petrosian = petrosian_radius(stamp, centre=(x - x0, y - y0))
    petrosian = np.clip(petrosian, 1.5 * source["a"], most * source["a"])
    ratio = max(source["b"] / source["a"], 0.12)
    return ellipse_box(x, y, BOX_RADII * petrosian, ratio, source["theta"])


def _extent_boxes(found):
    """Return generous boxes of other sources, 3 times their rms size."""
    return ellipse_box(
        found["x"], found["y"], 3 * found["a"] + 2, np.ones(len(found)), np.zeros(len(found))
    ).reshape(-1, 4)


def read_picture(path):
    """
    Read a picture as network input's training does: rows as they are in the file.

    Parameters
    ----------
    path : path-like
        JPEG or PNG.

    Returns
    -------
    (ny, nx, 3) uint8 array
        Red, green, blue.

    Raises
    ------
    ImageError
        If it is missing or cannot be read.
    """
    picture = cv2.imread(str(path))
    if picture is None:
        msg = f"{path} must be a picture, and cannot be read as one"
        raise ImageError(msg)
    return np.ascontiguousarray(picture[..., ::-1])
