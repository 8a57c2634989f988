"""Labels of one SDSS field: AstroCV's squares, and what must not count as background."""

from dataclasses import dataclass

import numpy as np

from astro_yolo._columns import floats
from astro_yolo._sky import sky_to_pixel
from astro_yolo.catalog import CLASSES
from astro_yolo.exceptions import AstroYoloError
from astro_yolo.training.galaxy_zoo import classify, has_votes

__all__ = ["FrameLabels", "LabelError", "label_frame"]

_SMALLEST_IGNORED = 8.0  # pixels: a galaxy below the seeing still covers that much
_LARGEST = 400.0  # arcsec: no galaxy of SDSS is larger; such a radius is a failed fit


class LabelError(AstroYoloError, ValueError):
    """A catalogue lacks a column that labels need, or names a class that is none."""


@dataclass(frozen=True)
class FrameLabels:
    """
    Objects of a field.

    ``boxes`` (N, 4) and ``ignored`` (M, 4) are xmin, ymin, xmax, ymax in edge pixels, cut at the
    frame; ``kinds`` (N,) are indices of `~astro_yolo.catalog.CLASSES`, ``shares`` (N, 5) their soft
    classes, ``ids`` (N,) objIDs and ``magnitudes`` (N,) cModelMag_r, NaN where unknown.
    """

    boxes: np.ndarray
    kinds: np.ndarray
    shares: np.ndarray
    ids: np.ndarray
    ignored: np.ndarray
    magnitudes: np.ndarray


def label_frame(catalog, votes, wcs, shape, selection):
    """
    Return the labels of a field.

    A galaxy with votes whose box has the selection's smallest side is an object. Every other galaxy
    of the catalogue is real, but has no class or is too small: it is ignored.

    Parameters
    ----------
    catalog : `~astropy.table.Table`
        As of `~astro_yolo.training.queries.field_catalog`.
    votes : `~astropy.table.Table` or None
        Further votes by ``objID``, as of `~astro_yolo.training.queries.field_votes`; they stand
        above those of the catalogue. A row without any vote says nothing.
    wcs : WCS
        Of the frame.
    shape : (int, int)
        Its rows and columns.
    selection : Selection
        Smallest side and size of the boxes.

    Returns
    -------
    FrameLabels

    Raises
    ------
    LabelError, VotesError
        If a column is missing.
    """
    for name in ("objID", "ra", "dec", "petroRad_r"):
        if name not in catalog.colnames:
            msg = f"catalog must have the column {name}, which is missing"
            raise LabelError(msg)
    if votes is not None and "objID" not in votes.colnames:
        msg = "votes must have the column objID, which is missing"
        raise LabelError(msg)
    labels, shares, voted = _classes(catalog, votes)
    x, y = sky_to_pixel(wcs, floats(catalog["ra"]), floats(catalog["dec"]))
    radius = floats(catalog["petroRad_r"])
    measured = np.isfinite(radius) & (radius > 0) & (radius < _LARGEST)
    side = selection.side(np.where(measured, radius, 0))
    inside = (x >= -0.5) & (y >= -0.5) & (x < shape[1] - 0.5) & (y < shape[0] - 0.5)
    wanted = inside & voted & measured & (side >= selection.min_side)
    boxes = _squares(x, y, np.maximum(side, _SMALLEST_IGNORED), shape)
    visible = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    kinds = np.array([CLASSES.index(label) for label in labels], dtype=int)
    return FrameLabels(
        boxes=boxes[wanted],
        kinds=kinds[wanted],
        shares=shares[wanted],
        ids=np.asarray(catalog["objID"])[wanted],
        ignored=boxes[visible & ~wanted],
        magnitudes=_magnitudes(catalog)[wanted],
    )


def _magnitudes(catalog):
    """Return r magnitudes; SDSS marks those that it could not measure by -9999."""
    if "cModelMag_r" not in catalog.colnames:
        return np.full(len(catalog), np.nan)
    values = floats(catalog["cModelMag_r"])
    return np.where(values > 0, values, np.nan)


def _classes(catalog, votes):
    """Return classes, shares, and which galaxies have any vote."""
    number = len(catalog)
    labels, shares = np.full(number, "unknown", dtype="U16"), np.tile(np.eye(5)[-1], (number, 1))
    voted = np.zeros(number, dtype=bool)
    if "p_el" in catalog.colnames:
        given = floats(catalog["p_el"])
        voted = np.isfinite(given) & (given >= 0)  # SDSS writes -9999 for no value
        voted[voted] = has_votes(catalog[voted], kind="gz1")
        labels[voted], shares[voted] = classify(catalog[voted], kind="gz1")
    if votes is not None and len(votes):
        rows = {int(number): k for k, number in enumerate(catalog["objID"])}
        votes = votes[np.array([int(number) in rows for number in votes["objID"]])]
        votes = votes[has_votes(votes)]
        places = [rows[int(number)] for number in votes["objID"]]
        labels[places], shares[places] = classify(votes)
        voted[places] = True
    return labels, shares, voted


def _squares(x, y, side, shape):
    """Return squares about 0-based centres in edge pixels, cut at the frame."""
    middle = np.stack([x, y, x, y], axis=1) + 0.5
    boxes = middle + np.outer(side / 2, [-1, -1, 1, 1])
    return np.clip(boxes, 0, [shape[1], shape[0]] * 2)
