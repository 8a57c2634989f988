"""Tile plans for images larger than one pass, and the binned levels for large galaxies.

Cores partition the image: every pixel lies in exactly one core, and a tile keeps
what is centred in its own. The margin round the core gives the network its context.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

__all__ = [
    "CORE",
    "MARGIN",
    "ONE_PASS",
    "SMALLEST",
    "STRIDE",
    "Tile",
    "bin_mean",
    "crosses_core_edge",
    "even_spans",
    "giant_factors",
    "owned",
    "plan",
    "pyramid_factors",
    "spans",
]

#: Largest side of a tile's core, and the context on each side of it, in pixels.
CORE = 1536
MARGIN = 192

#: Tiles start on multiples of this number of pixels, the coarsest grid of the networks.
STRIDE = 16

#: Pixels, longer side of the smallest binned copy: what fills one is as large as galaxies get.
SMALLEST = 400

#: Number of pixels up to which an image goes through the network in one pass.
ONE_PASS = 6_500_000


@dataclass(frozen=True)
class Tile:
    """
    One window of an image and the part of it that it owns.

    Attributes
    ----------
    y0, y1, x0, x1 : int
        The window given to the network, ``data[y0:y1, x0:x1]``.
    cy0, cy1, cx0, cx1 : int
        The core, inside the window; the cores of a plan partition the image.
    """

    y0: int
    y1: int
    x0: int
    x1: int
    cy0: int
    cy1: int
    cx0: int
    cx1: int

    @property
    def window(self):
        """Slices (rows, columns) of the window."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    @property
    def shape(self):
        """Shape (ny, nx) of the window."""
        return self.y1 - self.y0, self.x1 - self.x0


def plan(shape, core=CORE, margin=MARGIN, *, stride=STRIDE):
    """
    Cover an image with overlapping tiles whose cores partition it.

    All windows of an image have the same size in strides (an edge window reaches further inwards
    instead of shrinking; the image may end within its last stride), so that a compiled network is
    used for all of them, and start on a multiple of the network's stride, so that a tile sees the
    same grid as the whole image.

    Parameters
    ----------
    shape : tuple of int
        Image shape (ny, nx).
    core : int, optional
        Largest side of a core in pixels; a multiple of ``stride``.
    margin : int, optional
        Context on each side of a core in pixels; a multiple of ``stride``.
    stride : int, optional
        Stride of the network in pixels.

    Returns
    -------
    list of Tile
        Row by row.

    Raises
    ------
    ValueError
        If ``core`` or ``margin`` is not a multiple of ``stride``, or ``core`` is not positive.
    """
    for name, value, least in (("core", core, stride), ("margin", margin, 0)):
        if value % stride or value < least:
            msg = f"{name} must be a multiple of the stride ({stride}) from {least}, got {value}"
            raise ValueError(msg)
    rows = _cut(shape[0], core, margin, stride)
    columns = _cut(shape[1], core, margin, stride)
    return [
        Tile(y0, y1, x0, x1, cy0, cy1, cx0, cx1)
        for y0, y1, cy0, cy1 in rows
        for x0, x1, cx0, cx1 in columns
    ]


def _cut(length, core, margin, stride):
    """Return (start, stop, core start, core stop) along one axis."""
    count = max(1, -(-length // core))
    step = -(-length // (count * stride)) * stride  # even cores, on the network's grid
    size = min(step + 2 * margin, -(-length // stride) * stride)
    cuts = []
    for core_start in range(0, length, step):
        last_start = -(-(length - size) // stride) * stride
        start = min(max(core_start - margin, 0), max(last_start, 0))
        cuts.append((start, min(start + size, length), core_start, min(core_start + step, length)))
    return cuts


def spans(start, stop, longest):
    """
    Cut a range into parts.

    Parameters
    ----------
    start, stop : int
        The range, end excluded.
    longest : int
        Largest length of a part.

    Returns
    -------
    list of (int, int)
        First and one past the last of each; only the last one is shorter.
    """
    return list(pairwise([*range(start, stop, longest), stop]))


def even_spans(side, count, width):
    """
    Spread blocks evenly along an axis, from end to end.

    Parameters
    ----------
    side, count, width : int
        Length of the axis, number of blocks, and their length, at most that of the axis.

    Returns
    -------
    list of (int, int)
        First and one past the last of each; blocks overlap where the axis is short.
    """
    width = min(width, side)
    starts = np.linspace(0, side - width, count).astype(int).tolist()
    return [(start, start + width) for start in starts]


def pyramid_factors(shape, one_pass=ONE_PASS):
    """
    Return the binnings at which to look for galaxies too large for a tile.

    Parameters
    ----------
    shape : tuple of int
        Image shape (ny, nx).
    one_pass : int, optional
        Number of pixels up to which an image goes through in one pass.

    Returns
    -------
    list of int
        2, 4, ... up to the first that brings the image into one pass; empty when
        the image fits already.

    Raises
    ------
    ValueError
        If ``one_pass`` is below 1.
    """
    if not one_pass >= 1:  # no binning would bring the image down to it
        msg = f"one_pass (max_pixels of a Detector) must be at least 1, got {one_pass}"
        raise ValueError(msg)
    factors = []
    factor = 1
    while (shape[0] // factor) * (shape[1] // factor) > one_pass:
        factor *= 2
        factors.append(factor)
    return factors


def giant_factors(shape):
    """
    Return the binnings at which to look for galaxies that fill an image of one pass.

    Parameters
    ----------
    shape : tuple of int
        Image shape (ny, nx).

    Returns
    -------
    list of int
        2, 4, ... as long as the longer side has `SMALLEST` pixels.
    """
    factors, factor = [], 2
    while max(shape) // factor >= SMALLEST:
        factors.append(factor)
        factor *= 2
    return factors


def owned(boxes, tile, grace=4.0):
    """
    Tell which boxes are centred in the core of a tile.

    Parameters
    ----------
    boxes : (N, 4) array
        Boxes in edge pixels of the whole image.
    tile : Tile
        The tile they were found in.
    grace : float, optional
        Pixels beyond the core that still count: two tiles may place the same galaxy
        on either side of the line, and a double is removed later where a loss is not.

    Returns
    -------
    (N,) bool array
        True for the boxes to keep.
    """
    boxes = np.asarray(boxes)
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    inside_x = (x >= tile.cx0 - grace) & (x < tile.cx1 + grace)
    return inside_x & (y >= tile.cy0 - grace) & (y < tile.cy1 + grace)


def crosses_core_edge(boxes, tiles, shape):
    """
    Tell which boxes lie across the edge between two cores.

    Parameters
    ----------
    boxes : (N, 4) array
        Boxes in edge pixels of the whole image.
    tiles : list of Tile
        A plan of the image.
    shape : tuple of int
        Image shape (ny, nx); its border is not an edge between cores.

    Returns
    -------
    (N,) bool array
        True where an edge runs through the box.
    """
    boxes = np.asarray(boxes)
    x_edges = np.array(sorted({t.cx1 for t in tiles if t.cx1 < shape[1]}))
    y_edges = np.array(sorted({t.cy1 for t in tiles if t.cy1 < shape[0]}))
    return _between(x_edges, boxes[:, 0], boxes[:, 2]) | _between(y_edges, boxes[:, 1], boxes[:, 3])


def _between(edges, low, high):
    """Tell where an edge lies strictly between ``low`` and ``high``."""
    return np.searchsorted(edges, low, "right") < np.searchsorted(edges, high, "left")


def bin_mean(plane, factor, mask=None):
    """
    Average blocks of pixels, leaving bad pixels out.

    Parameters
    ----------
    plane : (ny, nx) array
        Pixel values; anything not finite is bad.
    factor : int
        Side of a block; rows and columns beyond the last full block are dropped.
    mask : (ny, nx) bool array, optional
        True for bad pixels.

    Returns
    -------
    (ny // factor, nx // factor) float32 array
        Means of the good pixels; NaN where more than half of a block is bad.
    """
    ny, nx = plane.shape[0] // factor, plane.shape[1] // factor
    out = np.empty((ny, nx), dtype=np.float32)
    strip = max(1, (1 << 21) // max(factor * plane.shape[1], 1))  # bounds the memory
    for y in range(0, ny, strip):
        rows = slice(y * factor, min(y + strip, ny) * factor)
        bad = None if mask is None else mask[rows, : nx * factor]
        out[y : y + strip] = _block_mean(plane[rows, : nx * factor], factor, bad)
    return out


def _block_mean(plane, factor, mask):
    """Return the block means of a strip whose sides are multiples of ``factor``."""
    blocks = (plane.shape[0] // factor, factor, plane.shape[1] // factor, factor)
    values = np.asarray(plane, dtype=np.float32)
    bad = ~np.isfinite(values)
    if mask is not None:
        bad |= mask
    if not bad.any():
        return values.reshape(blocks).mean(axis=(1, 3))
    good = (~bad).reshape(blocks).sum(axis=(1, 3))
    total = np.where(bad, np.float32(0), values).reshape(blocks).sum(axis=(1, 3))
    enough = good * 2 >= factor**2
    return np.where(enough, total / np.maximum(good, 1), np.float32(np.nan))
