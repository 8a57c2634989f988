"""Field 94-1-12 turned, mirrored and rescaled: which galaxies are found again."""

import cv2
import numpy as np
import truth_94_1_12 as field

from accuracy_sections.session import places_of, rate, text

__all__ = ["run"]

ZOOMS = (0.7, 0.85, 1.2, 1.4)
TURNS = (33, 90, 180)
MARGIN = 12  # pixels from the border within which galaxies are not asked for
RADIUS = 3.0  # pixels of the field between a galaxy and its copy
BRIGHT = 21.0  # r within 5 pixels


def run(session):
    """
    Move the field and count the galaxies that come back.

    Parameters
    ----------
    session : accuracy_sections.session.Session
        The run.

    Returns
    -------
    dict
    """
    planes = np.stack(list(session.test_frame.data)).astype(np.float32)
    first = session.table
    places = places_of(first)
    inner = (places > MARGIN).all(axis=1)
    inner &= (places < np.array(planes.shape[:0:-1]) - MARGIN).all(axis=1)
    places, score = places[inner], np.asarray(first["score"])[inner]
    bright = field.aperture_magnitude(session.truth.image, *places.T) < BRIGHT
    print(f"{'':<12}{'n':>5}  {'the same galaxies':<32}{f'r < {BRIGHT:.0f}':<32}"
          f"{'found again at half the score':<32}")
    found = {}
    for name, matrix in _transforms():
        image, affine = _moved(planes, matrix)
        table = session.detector.detect(image, score=session.score / 2)
        back = (places_of(table) - affine[:, 2]) @ np.linalg.inv(matrix).T
        strict = table["score"] >= session.score
        pairs = field.one_to_one(places, back[strict], RADIUS)
        again = field.one_to_one(places, back, RADIUS)
        found[name] = {
            "number": int(strict.sum()),
            "same": rate(len(pairs), len(places)),
            "same bright": rate(bright[pairs[:, 0]].sum(), bright.sum()),
            "half the score": rate(len(again), len(places)),
            "median score of those lost": _median(np.delete(score, pairs[:, 0])),
        }
        row = found[name]
        print(f"{name:<12}{row['number']:>5}  {text(row['same'], 32)}"
              f"{text(row['same bright'], 32)}{text(row['half the score'])}")
    return found


def _transforms():
    """Yield name and 2 x 2 matrix of each way to move the field."""
    for degrees in TURNS:
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        yield f"turned {degrees}", np.array([[cos, -sin], [sin, cos]])
    yield "mirrored", np.array([[-1.0, 0], [0, 1]])
    for zoom in ZOOMS:
        yield f"scaled {zoom}", np.eye(2) * zoom


def _moved(planes, matrix):
    """Return the planes resampled, NaN where there is nothing, and the 2 x 3 affine."""
    ny, nx = planes.shape[1:]
    corners = np.array([[0, 0], [nx - 1, 0], [0, ny - 1], [nx - 1, ny - 1]]) @ matrix.T
    low, high = corners.min(axis=0), corners.max(axis=0)
    affine = np.column_stack([matrix, -low])
    size = tuple(int(side) + 1 for side in np.ceil(np.round(high - low, 6)))
    zoom = np.sqrt(abs(np.linalg.det(matrix)))
    out = []
    for plane in planes:
        empty = ~np.isfinite(plane)
        filled = np.where(empty, 0, plane)
        if zoom < 1:  # averages over the new, larger pixels
            filled = cv2.GaussianBlur(filled, (0, 0), 0.35 / zoom)
        moved = cv2.warpAffine(filled, affine, size, flags=cv2.INTER_LANCZOS4)
        outside = cv2.warpAffine(empty.astype(np.float32), affine, size, borderValue=1)
        moved[outside > 0.5] = np.nan
        out.append(moved)
    return np.stack(out), affine


def _median(values):
    """Return the median, or None of nothing."""
    return float(np.median(values)) if len(values) else None
