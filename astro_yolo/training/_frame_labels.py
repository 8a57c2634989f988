"""Labels of one SDSS field: AstroCV's squares, and what must not count as background."""

from dataclasses import dataclass

import numpy as np
from astropy import units as u

from astro_yolo._columns import floats
from astro_yolo._sky import sky_to_pixel
from astro_yolo.catalog import CLASSES
from astro_yolo.exceptions import AstroYoloError
from astro_yolo.training.galaxy_zoo import VotesError, classify, has_votes

__all__ = ["FrameLabels", "LabelError", "check_fields", "label_frame"]

_SMALLEST_IGNORED = 8.0  # pixels: a galaxy below the seeing still covers that much
_SAME = 3.0  # pixels: rows of one galaxy are no farther apart
_LARGEST = 400.0  # arcsec: no galaxy of SDSS is larger; such a radius is a failed fit


class LabelError(AstroYoloError, ValueError):
    """A catalogue lacks a column that labels need, or has values that cannot be used."""


@dataclass(frozen=True)
class FrameLabels:
    """
    Objects of a field.

    ``boxes`` (N, 4) and ``ignored`` (M, 4) are xmin, ymin, xmax, ymax in edge pixels, cut at the
    frame; ``kinds`` (N,) are indices of `~astro_yolo.catalog.CLASSES`, ``ids`` (N,) objIDs and
    ``magnitudes`` (N,) cModelMag_r, NaN where unknown.
    """

    boxes: np.ndarray
    kinds: np.ndarray
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
        As of `~astro_yolo.training.queries.field_catalog`: ``objID``, ``ra``, ``dec`` (degrees
        where they have no unit) and ``petroRad_r`` (arcsec), and votes of Galaxy Zoo 1 if there
        are. Of rows with one objID the first that has votes counts.
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
        If a column is missing or holds no numbers, its unit is not that of an angle, an objID is
        masked or a float that has lost digits, or rows of one objID lie apart.
    """
    ids, labels, voted, (ra, dec, radius), magnitudes = _read(catalog, votes)
    x, y = sky_to_pixel(wcs, ra, dec)
    measured = np.isfinite(radius) & (radius > 0) & (radius < _LARGEST)
    side = selection.side(np.where(measured, radius, 0))
    inside = (x >= -0.5) & (y >= -0.5) & (x < shape[1] - 0.5) & (y < shape[0] - 0.5)
    wanted = inside & voted & measured & (side >= selection.min_side)
    boxes = _squares(x, y, np.maximum(side, _SMALLEST_IGNORED), shape)
    once = _once(ids, voted, x, y)
    wanted &= once
    visible = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]) & once
    kinds = np.array([CLASSES.index(label) for label in labels], dtype=int)
    return FrameLabels(
        boxes=boxes[wanted],
        kinds=kinds[wanted],
        ids=np.asarray(catalog["objID"])[wanted],
        ignored=boxes[visible & ~wanted],
        magnitudes=magnitudes[wanted],
    )


def check_fields(fields):
    """
    Make sure that the catalogues and votes of fields can be used, before any frame is read.

    Parameters
    ----------
    fields : iterable of SkyField
        Fields with their galaxies.

    Raises
    ------
    LabelError, VotesError
        As of `label_frame`, with the name of the field.
    """
    for field in fields:
        try:
            _read(field.catalog, field.votes)
        except (LabelError, VotesError) as error:
            msg = f"field {field.name}: {error}"
            raise type(error)(msg) from error


def _read(catalog, votes):
    """Return objIDs, classes, which galaxies have votes, ra, dec, radius, and magnitudes."""
    for argument, table in (("catalog", catalog), ("votes", votes)):
        if not (hasattr(table, "colnames") or table is votes is None):
            msg = f"{argument} must be a table, got {type(table).__name__}"
            raise LabelError(msg)
    for name in ("objID", "ra", "dec", "petroRad_r"):
        if name not in catalog.colnames:
            msg = f"catalog must have the column {name}, which is missing"
            raise LabelError(msg)
    if votes is not None and "objID" not in votes.colnames:
        msg = "votes must have the column objID, which is missing"
        raise LabelError(msg)
    ids = _identifiers(catalog, "catalog")
    units = {"ra": u.deg, "dec": u.deg, "petroRad_r": u.arcsec}
    ra, dec, radius = (_angles(catalog, name, unit) for name, unit in units.items())
    if (np.abs(dec) > 90).any():
        msg = f"catalog: dec must be -90 to 90 degrees, got {dec[np.abs(dec) > 90][0]:g}"
        raise LabelError(msg)
    return ids, *_classes(catalog, ids, votes), (ra, dec, radius), _magnitudes(catalog)


def _numbers(catalog, name):
    """Return a column of numbers."""
    try:
        return floats(catalog[name])
    except (TypeError, ValueError) as error:
        msg = f"catalog: {name} must be numbers: {error}"
        raise LabelError(msg) from error


def _identifiers(table, argument):
    """Return the objIDs of a table as Python's own numbers, which lose no digit."""
    column = table["objID"]
    if np.ma.is_masked(column):
        row = int(np.flatnonzero(np.ma.getmaskarray(column))[0])
        msg = f"{argument} must have an objID in every row, and that of row {row} is masked"
        raise LabelError(msg)
    values = np.asarray(column)
    if values.dtype.kind == "f" and not (np.abs(values) < 2.0**53).all():
        msg = f"{argument}: objID must be whole numbers or text, got floats, which lose digits"
        raise LabelError(msg)
    try:
        return [int(value) for value in values.tolist()]
    except ValueError as error:
        msg = f"{argument}: objID must be whole numbers: {error}"
        raise LabelError(msg) from error


def _angles(catalog, name, unit):
    """Return a column in a unit; one without a unit is in it."""
    given = getattr(catalog[name], "unit", None)
    given = unit if given in (None, u.dimensionless_unscaled) else u.Unit(given)
    try:
        return floats(catalog[name]) * given.to(unit)
    except (u.UnitConversionError, ValueError) as error:
        msg = f"catalog: {name} must be numbers in a unit of angle, without one in {unit}: {error}"
        raise LabelError(msg) from error


def _once(ids, voted, x, y):
    """Mark a row of each galaxy: of several the first that has votes, or else the first."""
    once = np.zeros(len(ids), dtype=bool)
    order = np.argsort(~voted, kind="stable")
    _, first, same = np.unique(
        np.array(ids, dtype=object)[order], return_index=True, return_inverse=True
    )
    chosen = order[first]
    once[chosen] = True
    apart = np.hypot(x[order] - x[chosen[same]], y[order] - y[chosen[same]])
    if (apart > _SAME).any():
        number = ids[order[int(np.argmax(apart > _SAME))]]
        msg = f"catalog: rows of one objID must be one galaxy, and those of {number} lie apart"
        raise LabelError(msg)
    return once


def _magnitudes(catalog):
    """Return r magnitudes; SDSS marks those that it could not measure by -9999."""
    if "cModelMag_r" not in catalog.colnames:
        return np.full(len(catalog), np.nan)
    values = _numbers(catalog, "cModelMag_r")
    return np.where(values > 0, values, np.nan)


def _classes(catalog, ids, votes):
    """Return classes, and which galaxies have any vote."""
    labels = np.full(len(catalog), "unknown", dtype="U16")
    voted = np.zeros(len(catalog), dtype=bool)
    column = next((name for name in catalog.colnames if name.lower() == "p_el"), None)
    if column is not None:
        given = _numbers(catalog, column)
        voted = np.isfinite(given) & (given >= 0)  # SDSS writes -9999 for no value
        voted[voted] = has_votes(catalog[voted], kind="gz1")
        labels[voted], _ = classify(catalog[voted], kind="gz1")
    if votes is not None and len(votes):
        rows = {number: k for k, number in reversed(list(enumerate(ids)))}
        votes = votes[np.array([number in rows for number in _identifiers(votes, "votes")])]
        votes = votes[has_votes(votes)]
        places = [rows[number] for number in _identifiers(votes, "votes")]
        labels[places], _ = classify(votes)
        voted[places] = True
    return labels, voted


def _squares(x, y, side, shape):
    """Return squares about 0-based centres in edge pixels, cut at the frame."""
    middle = np.stack([x, y, x, y], axis=1) + 0.5
    boxes = middle + np.outer(side / 2, [-1, -1, 1, 1])
    return np.clip(boxes, 0, [shape[1], shape[0]] * 2)
