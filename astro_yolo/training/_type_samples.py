"""Stamps of classified galaxies.

Imports torch: load it only where training was asked for.
"""

import csv
from dataclasses import dataclass, fields
from pathlib import Path

import cv2
import numpy as np
import torch

from astro_yolo.catalog import CLASSES
from astro_yolo.training.cutouts import Cutout, measure_cutout, read_picture, split_of
from astro_yolo.training.other_surveys import read_other_surveys

__all__ = [
    "STORED", "STORED_REACH", "StampSet", "other_galaxies", "read_undecided", "read_winding",
    "stamp_set",
]  # fmt: skip

#: Pixels across a stored stamp.
STORED = 176

#: Its sky over the longer side of the box: room for turning and shifting.
STORED_REACH = 2.2

_WINDING = {"spiral_cw": 1, "spiral_acw": -1}


@dataclass(frozen=True)
class StampSet:
    """
    Stamps to train on.

    Attributes
    ----------
    stamps : (N, 3, STORED, STORED) uint8 tensor
        Red, green, blue.
    labels : (N,) int tensor
        Index into `~astro_yolo.catalog.CLASSES`.
    linear : (N,) bool tensor
        Whether it is SkyServer's, whose stretch can be undone.
    winding : (N,) int tensor
        1 for a spiral that winds clockwise, -1 for one that winds the other way, 0 where nobody
        has said.
    """

    stamps: torch.Tensor
    labels: torch.Tensor
    linear: torch.Tensor
    winding: torch.Tensor

    def __len__(self):
        """Return the number of stamps."""
        return len(self.labels)

    def to(self, device):
        """Return the same on a device."""
        return StampSet(*(getattr(self, field.name).to(device) for field in fields(self)))


def stamp_set(cutouts, winding=None):
    """
    Cut the stamps of classified galaxies.

    Parameters
    ----------
    cutouts : sequence of Cutout
        Those whose label is one of `astro_yolo.catalog.CLASSES` are used.
    winding : dict, optional
        From `read_winding`.

    Returns
    -------
    StampSet
    """
    winding = winding or {}
    cutouts = [cutout for cutout in cutouts if cutout.label in CLASSES]
    stamps = np.stack([_stamp(read_picture(c.path), c.box) for c in cutouts])
    return StampSet(
        torch.from_numpy(stamps),
        torch.tensor([CLASSES.index(c.label) for c in cutouts]),
        torch.tensor([c.linear for c in cutouts]),
        torch.tensor([winding.get(c.path.name, 0) for c in cutouts]),
    )


def _stamp(picture, box):
    """Return the stamp of one picture, its surroundings continued by the sky's level."""
    side = STORED_REACH * max(box[2] - box[0], box[3] - box[1])
    zoom = STORED / side
    x, y = (box[:2] + box[2:]) / 2
    move = np.array([[zoom, 0, 0], [0, zoom, 0]])
    move[:, 2] = STORED / 2 - zoom * np.array([x, y]) + (zoom - 1) / 2
    sky = np.median(picture[::4, ::4].reshape(-1, 3), axis=0)
    if zoom < 0.8:  # averages where linear interpolation would skip pixels
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 / zoom)
    stamp = cv2.warpAffine(
        picture, move, (STORED, STORED), flags=cv2.INTER_LINEAR, borderValue=sky.tolist()
    )
    return np.moveaxis(stamp, -1, 0)


def read_winding(folder):
    """
    Return the sense in which Galaxy Zoo's volunteers saw spirals wind.

    Parameters
    ----------
    folder : path-like
        Folder with ``gz1_labels.csv``.

    Returns
    -------
    dict
        File name of the cutout to 1 (clockwise) or -1.
    """
    with (Path(folder) / "gz1_labels.csv").open(newline="") as file:
        rows = [(row["dr7_objid"], row["gz1_class"]) for row in csv.DictReader(file)]
    return {f"{number}.jpeg": _WINDING[name] for number, name in rows if name in _WINDING}


def read_undecided(folder):
    """
    Return the galaxies that Galaxy Zoo's volunteers could not decide on, as class "unknown".

    Parameters
    ----------
    folder : path-like
        Folder with ``gz1_labels.csv`` and ``gz1_cutouts``.

    Returns
    -------
    list of Cutout
    """
    folder, found = Path(folder), []
    with (folder / "gz1_labels.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["gz1_class"] == "dont_know"]
    for number in (int(row["dr7_objid"]) for row in rows):
        path = folder / "gz1_cutouts" / f"{number}.jpeg"
        box, others = measure_cutout(read_picture(path), "unknown")
        if box is not None:
            found.append(Cutout(path, "unknown", box, split_of(number), others))
    return found


def other_galaxies(folder):
    """Return the cutouts of other telescopes whose galaxy has a type."""
    return [cutout for cutout in read_other_surveys(folder) if cutout.label in CLASSES]
