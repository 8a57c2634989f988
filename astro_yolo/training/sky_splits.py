"""Train, validation and test by place on the sky, by a rule that anyone repeats.

The sky is cut into cells of 6 by 6 degrees, each given to a split by a hash. A field belongs to
the split of the cells under it. Where other splits come within 5 arcmin of any part of the
field it is left out, so that nothing within 10 arcmin is in two splits. Cutouts that are known only
by their DR7 objID have no position: they go by the SDSS run in it, see
`astro_yolo.training.cutouts.split_of`.
"""

from hashlib import sha256

import numpy as np

from astro_yolo._sphere import separation, unit_vectors
from astro_yolo.exceptions import AstroYoloError

__all__ = [
    "MARGIN",
    "SPLITS",
    "SplitError",
    "cell_split",
    "check_apart",
    "check_assign",
    "field_split",
]

#: Names of the splits.
SPLITS = ("train", "val", "test")

#: Smallest distance between the sky of two splits, arcmin.
MARGIN = 10.0

_CELL = 6.0  # degrees
_SALT = "astro-yolo splits 1"
# AstroCV validates on 921 of 7379 images, an eighth; as much again is kept for tests.
_SHARES = {"train": 0.75, "val": 0.125}
_DIRECTIONS = np.linspace(0, 2 * np.pi, 2048, endpoint=False)


class SplitError(AstroYoloError, ValueError):
    """Fields of different splits are too near to each other, or a split or field is unknown."""


def cell_split(ra, dec):
    """
    Return the split of the sky's cells at some positions.

    Parameters
    ----------
    ra, dec : (N,) array
        Degrees.

    Returns
    -------
    list of str
        Of `SPLITS`; about 75, 12.5 and 12.5 percent of the sky.

    Examples
    --------
    >>> from astro_yolo.training.sky_splits import cell_split
    >>> cell_split([10.0, 10.1], [0.5, 0.6])[0] in ("train", "val", "test")
    True
    """
    dec = np.atleast_1d(np.asarray(dec, dtype=float))
    ra = np.atleast_1d(np.asarray(ra, dtype=float)) % 360
    band = np.floor((dec + 90) / _CELL).astype(int)
    middle = (band + 0.5) * _CELL - 90
    across = np.maximum(1, np.floor(360 / _CELL * np.cos(np.radians(middle))).astype(int))
    # a hair below 0 modulo 360 is 360 itself
    column = np.floor(ra / 360 * across).astype(int) % across
    cells = list(zip(band.tolist(), column.tolist(), strict=True))
    names = {cell: _hashed(cell) for cell in set(cells)}
    return [names[cell] for cell in cells]


def _hashed(cell):
    """Return the split of a cell."""
    digest = sha256(f"{_SALT}/{cell[0]}/{cell[1]}".encode()).digest()
    place = int.from_bytes(digest[:8]) / 2**64
    for name, share in _SHARES.items():
        if place < share:
            return name
        place -= share
    return SPLITS[-1]


def field_split(ra, dec, radius):
    """
    Return the split of a field, or None where it lies too near to another split.

    Parameters
    ----------
    ra, dec : float
        Its centre, degrees.
    radius : float
        Distance of its farthest corner, arcmin.

    Returns
    -------
    str or None
    """
    # 1.002: between two of the directions a corner of a cell could reach in that much farther
    reach = np.radians((radius + MARGIN / 2) / 60) * 1.002
    around = _around(ra, dec, reach)
    names = set(cell_split(np.append(around[0], ra), np.append(around[1], dec)))
    return names.pop() if len(names) == 1 else None


def _around(ra, dec, reach):
    """Return points on a circle round a place, radians away; degrees."""
    sin, cos = np.sin(np.radians(dec)), np.cos(np.radians(dec))
    toward, aside = np.sin(reach) * np.cos(_DIRECTIONS), np.sin(reach) * np.sin(_DIRECTIONS)
    sin_dec = sin * np.cos(reach) + cos * toward
    east = np.arctan2(aside, cos * np.cos(reach) - sin * toward)
    return ra + np.degrees(east), np.degrees(np.arcsin(sin_dec))


def check_assign(assign, fields):
    """
    Make sure that fields which are put into a split by hand are fields of the set.

    Parameters
    ----------
    assign : dict of (int, int, int) to str
        Splits of single fields, by run, camcol, field.
    fields : iterable of (int, int, int)
        Fields of the set.

    Raises
    ------
    SplitError
        If a split is unknown, or a field is none of the set's.
    """
    known = {tuple(map(int, numbers)) for numbers in fields}
    for numbers, split in assign.items():
        field = "/".join(map(str, numbers))
        if split not in SPLITS:
            msg = f"assign must put field {field} into {', '.join(SPLITS)}, got {split!r}"
            raise SplitError(msg)
        if tuple(map(int, numbers)) not in known:
            msg = f"assign must name fields of the set, and {field} is not among its {len(known)}"
            raise SplitError(msg)


def check_apart(names, splits, ra, dec, radius):
    """
    Make sure that no two fields of different splits come nearer than 10 arcmin.

    Parameters
    ----------
    names : sequence of str
        Names of the fields, for the message.
    splits : sequence of str
        Their splits.
    ra, dec, radius : (N,) array
        Centres in degrees and farthest corners in arcmin; a field is taken as its circle.

    Raises
    ------
    SplitError
        If there are such fields, or a split is unknown.
    """
    from scipy.spatial import cKDTree

    unknown = sorted(set(splits) - set(SPLITS))
    if unknown:
        msg = f"splits must be of {', '.join(SPLITS)}, got {unknown[0]!r}"
        raise SplitError(msg)
    ra, dec, radius = (np.asarray(v, dtype=float) for v in (ra, dec, radius))
    if not len(radius):
        return
    points = unit_vectors(np.radians(ra), np.radians(dec))
    farthest = np.radians((2 * radius.max() + MARGIN) / 60)
    for i, j in cKDTree(points).query_pairs(2 * np.sin(farthest / 2)):
        gap = np.degrees(separation(points[i], points[j])) * 60 - radius[i] - radius[j]
        if splits[i] != splits[j] and gap < MARGIN:
            msg = f"{names[i]} ({splits[i]}) and {names[j]} ({splits[j]}) must be {MARGIN:g} "
            raise SplitError(f"{msg}arcmin apart, got {max(gap, 0):.1f}")
