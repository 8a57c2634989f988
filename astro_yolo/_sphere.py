"""Positions on the sphere as unit vectors, and nearest neighbours; angles in radians."""

from itertools import chain

import numpy as np

__all__ = [
    "all_pairs",
    "angles",
    "chord_angle",
    "density",
    "displaced",
    "nearest",
    "offsets",
    "position_angle",
    "separation",
    "tangent_axes",
    "unit_vectors",
]

_FEW = 1000  # positions that are found sooner than threads are started


def unit_vectors(longitude, latitude):
    """
    Return the unit vectors of spherical positions.

    Parameters
    ----------
    longitude, latitude : (N,) array
        Radians.

    Returns
    -------
    (N, 3) float array
    """
    cos = np.cos(latitude)
    return np.stack([cos * np.cos(longitude), cos * np.sin(longitude), np.sin(latitude)], axis=-1)


def angles(vectors):
    """
    Return the spherical positions of vectors.

    Parameters
    ----------
    vectors : (..., 3) array
        Of any length.

    Returns
    -------
    longitude, latitude : (...) arrays
        Radians, the longitude from 0 to 2 pi.
    """
    x, y, z = np.moveaxis(vectors, -1, 0)
    return np.arctan2(y, x) % (2 * np.pi), np.arctan2(z, np.hypot(x, y))


def chord_angle(chord):
    """
    Return the angle under which the straight line between two unit vectors is seen.

    Parameters
    ----------
    chord : (..., 3) array
        Difference of unit vectors.

    Returns
    -------
    (...) array
        Radians.
    """
    return 2 * np.arcsin(np.minimum(np.linalg.norm(chord, axis=-1) / 2, 1))


def separation(first, second):
    """
    Return the angle between unit vectors; exact for small ones too, where a scalar product is not.

    Parameters
    ----------
    first, second : (..., 3) arrays
        Unit vectors.

    Returns
    -------
    (...) array
        Radians.
    """
    return chord_angle(first - second)


def tangent_axes(vectors):
    """
    Return the unit vectors to the east and to the north; at a pole those of right ascension 0.

    Parameters
    ----------
    vectors : (N, 3) array
        Unit vectors of positions.

    Returns
    -------
    east, north : (N, 3) arrays
    """
    x, y, z = np.moveaxis(vectors, -1, 0)
    at_pole = np.hypot(x, y) == 0
    longitude = np.where(at_pole, 0.0, np.arctan2(y, x))
    east = np.stack([-np.sin(longitude), np.cos(longitude), np.zeros_like(z)], axis=-1)
    return east, np.cross(vectors, east)


def displaced(vectors, east, north):
    """
    Return positions moved on the tangent plane, as a proper motion moves a star.

    Parameters
    ----------
    vectors : (N, 3) array
        Unit vectors.
    east, north : (N,) arrays or float
        Radians.

    Returns
    -------
    (N, 3) array
        Unit vectors.
    """
    to_east, to_north = tangent_axes(vectors)
    moved = vectors + np.expand_dims(east, -1) * to_east + np.expand_dims(north, -1) * to_north
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)


def offsets(first, second):
    """
    Return how far the second positions lie east and north of the first, on the tangent plane.

    Parameters
    ----------
    first, second : (N, 3) arrays
        Unit vectors.

    Returns
    -------
    east, north : (N,) arrays
        Radians.
    """
    east, north = tangent_axes(first)
    towards = second - first
    x, y = (towards * east).sum(axis=-1), (towards * north).sum(axis=-1)
    length = np.hypot(x, y)
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = np.where(length > 0, separation(first, second) / length, 0.0)
    return x * scale, y * scale


def position_angle(first, second):
    """
    Return the position angle of the second positions seen from the first, north through east.

    Parameters
    ----------
    first, second : (N, 3) arrays
        Unit vectors.

    Returns
    -------
    (N,) array
        Radians, 0 to 2 pi.
    """
    east, north = offsets(first, second)
    return np.arctan2(east, north) % (2 * np.pi)


def nearest(vectors, others):
    """
    Return the nearest of the other positions to each position.

    Parameters
    ----------
    vectors, others : (N, 3) and (M, 3) arrays
        Unit vectors; ``others`` not empty.

    Returns
    -------
    index : (N,) int array
    angle : (N,) array
        Radians.
    """
    index = _asked(others, vectors, "query")[1]
    return index, separation(vectors, others[index])


def _asked(others, vectors, question, *given, **keywords):
    """
    Return what a k-d tree of the other positions answers for each position.

    Positions are asked for in the order of a tree of their own: what one needs of the other tree is
    in the processor's cache when the next one does: with a million that decides how long it takes.
    """
    from scipy.spatial import cKDTree

    order = cKDTree(vectors).indices
    given = [values[order] for values in given]
    workers = -1 if len(vectors) > _FEW else 1
    found = getattr(cKDTree(others), question)(vectors[order], *given, workers=workers, **keywords)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    return [part[back] for part in found] if isinstance(found, tuple) else found[back]


def all_pairs(vectors, others, radius):
    """
    Return all pairs of positions within a radius.

    Parameters
    ----------
    vectors, others : (N, 3) and (M, 3) arrays
        Unit vectors.
    radius : (N,) array
        Radians.

    Returns
    -------
    (K, 2) int array
        Indices into both, in the order of the first.
    """
    # a hair more than the chord, so that rounding loses no pair; the caller's test is the angle
    chord = 2 * np.sin(np.minimum(radius, np.pi) / 2) * (1 + 1e-12) + 1e-15
    found = _asked(others, vectors, "query_ball_point", chord, return_sorted=True)
    counts = np.array([len(part) for part in found], dtype=int)
    second = np.fromiter(chain.from_iterable(found), int, counts.sum())
    pairs = np.stack([np.repeat(np.arange(len(vectors)), counts), second], axis=1)
    near = separation(vectors[pairs[:, 0]], others[pairs[:, 1]]) <= radius[pairs[:, 0]]
    return pairs[near]


def density(vectors, others, neighbours=20):
    """
    Return the local density of a catalogue about positions.

    From the distance to the k-th neighbour; (k - 1) over its circle's area is unbiased for sources
    strewn at random. A partner of the row's own counts as one of the crowd: the density is
    a twentieth too high there, on the side of caution.

    Parameters
    ----------
    vectors, others : (N, 3) and (M, 3) arrays
        Unit vectors.
    neighbours : int, optional
        k - 1; less where the catalogue is small.

    Returns
    -------
    (N,) array
        Sources per steradian; NaN where the catalogue has fewer than four.
    """
    count = min(neighbours, len(others) - 1)
    if count < 3 or not len(vectors):
        return np.full(len(vectors), np.nan)
    chord, _ = _asked(others, vectors, "query", k=[count + 1])
    area = np.pi * chord[:, 0] ** 2  # a cap of this chord has exactly this area
    return count / np.maximum(area, 1e-300)  # of more sources at one place there is none
