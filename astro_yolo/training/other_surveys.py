"""Galaxy Zoo cutouts of other telescopes: what SDSS pictures alone do not teach."""

import csv
import hashlib
from pathlib import Path

import numpy as np

from astro_yolo.training.cutouts import Cutout, measure_cutout, read_picture

__all__ = ["NOT_A_GALAXY", "read_other_surveys", "split_of_name"]

#: Label of a cutout whose middle holds a star or an artefact.
NOT_A_GALAXY = "none"

# A smooth "cigar" may be a disc on edge or a long elliptical: nobody has said.
_CLASSES = {
    "elliptical": "elliptical",
    "elliptical_cigar": "galaxy",
    "spiral": "spiral",
    "edge-on": "edge_on",
    "merger": "merger",
    "star_artifact": NOT_A_GALAXY,
}


def split_of_name(name):
    """
    Return ``"val"`` for a fixed fifth of file names, else ``"train"``.

    Parameters
    ----------
    name : str
        File name.

    Returns
    -------
    str
    """
    digest = hashlib.md5(name.encode(), usedforsecurity=False).digest()
    return "val" if digest[0] % 5 == 0 else "train"


def read_other_surveys(folder):
    """
    Read and measure the cutouts of DECaLS, UKIDSS, GAMA, CANDELS, GOODS, FERENGI and others.

    Parameters
    ----------
    folder : path-like
        Folder with ``other_surveys/`` and ``other_surveys_labels.csv``.

    Returns
    -------
    list of Cutout
        With a box each, but for those labelled `NOT_A_GALAXY`, whose box is NaN; a
        galaxy without a source in the middle is left out.
    """
    folder = Path(folder)
    with (folder / "other_surveys_labels.csv").open(newline="") as file:
        rows = [(row["file"], _CLASSES[row["coarse_class"]]) for row in csv.DictReader(file)]
    found = [_measured(folder / "other_surveys" / name, label) for name, label in rows]
    return [cutout for cutout in found if cutout is not None]


def _measured(path, label):
    """Return the cutout with its box, or None if a galaxy is not found."""
    box, others = measure_cutout(read_picture(path), label)
    if label == NOT_A_GALAXY:
        box = np.full(4, np.nan)
    elif box is None:
        return None
    return Cutout(path, label, box, split_of_name(path.name), others, linear=False)
