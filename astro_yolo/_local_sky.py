"""Images without the slow changes of their sky.

The sky is measured in squares as SExtractor does (Bertin & Arnouts 1996, A&AS 117, 393, section 3):
the clipped median of each, a median filter over squares against those that a source fills, and a
bicubic spline between their middles.
"""

from functools import partial

import numpy as np

from astro_yolo._changed_image import ChangedImage
from astro_yolo._stamp_inputs import as_number
from astro_yolo.stretch import background_noise
from astro_yolo.tiling import even_spans

__all__ = ["LEAST_SQUARE", "flattened"]

#: Pixels; a smaller square is the size of galaxies.
LEAST_SQUARE = 16

_USABLE = 0.3  # share of a square's pixels that are enough to measure it
_FILTER = 3  # squares along an axis whose median stands for the middle one


def flattened(image, square):
    """
    Measure the local sky of an image.

    Parameters
    ----------
    image : SkyImage
        The image.
    square : float
        Side of the squares, about, in pixels: several times as large as the largest galaxy.

    Returns
    -------
    ChangedImage
        The image minus its sky.

    Raises
    ------
    TypeError, ValueError
        If ``square`` is no number, or too small.
    """
    rule = f"at least {LEAST_SQUARE} pixels"
    square = as_number("background", square, rule, lambda side: side >= LEAST_SQUARE)
    rows, columns = (_squares(side, square) for side in image.shape)
    measured = [_measured_row(image, row, columns) for row in rows]
    places, levels = (np.array(values) for values in zip(*measured, strict=True))
    middles = tuple(np.mean(spans, axis=1) - 0.5 for spans in (rows, columns))
    grids = [_whole(grid, places, middles) for grid in np.moveaxis(levels, -1, 0)]
    return ChangedImage(image, partial(_minus_sky, grids, middles))


def _squares(side, square):
    """Return (start, stop) of squares along an axis, all as long as one another."""
    number = max(1, round(side / square))
    return even_spans(side, number, -(-side // number))


def _measured_row(image, row, columns):
    """Return where the usable pixels of each square of a row are, (n, 2), and its sky."""
    data, mask = image.window(*row, 0, image.shape[1])
    good = np.isfinite(data).all(axis=0)
    if mask is not None:
        good &= ~mask
    found = [_measured(data[:, :, a:b], good[:, a:b]) for a, b in columns]
    places = [np.add((row[0], a), place) for (a, _), (place, _) in zip(columns, found, strict=True)]
    return places, [level for _, level in found]


def _measured(data, good):
    """Return row and column of the middle of usable pixels, and the sky of each band or NaN."""
    if good.mean() < _USABLE:
        return (np.nan, np.nan), np.full(len(data), np.nan)
    y, x = np.nonzero(good)
    return (y.mean(), x.mean()), np.array([background_noise(plane, ~good)[0] for plane in data])


def _whole(grid, places, middles):
    """
    Return the sky in the middles of squares, median filtered, from that at some places in them.

    A polynomial is taken off first: a median would cut its corners off, and the sky of a square
    of which a part is usable is that of this part.
    """
    from scipy.ndimage import distance_transform_edt, median_filter

    known = np.isfinite(grid)
    if not known.any():
        return np.zeros_like(grid)
    terms = _terms(*np.moveaxis(places, -1, 0)[:, known], middles)
    trend = np.linalg.lstsq(terms, grid[known], rcond=None)[0]
    rest = np.full_like(grid, np.nan)
    rest[known] = grid[known] - terms @ trend
    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    rest = median_filter(rest[tuple(nearest)], size=_FILTER, mode="nearest")
    return _terms(*np.meshgrid(*middles, indexing="ij"), middles) @ trend + rest


def _terms(y, x, middles):
    """Return the terms of a polynomial of second degree in units of the image's sides."""
    y, x = (values / (ends[-1] + 1) for values, ends in zip((y, x), middles, strict=True))
    return np.stack([np.ones_like(x), x, y, x**2, y**2, x * y], axis=-1)


def _minus_sky(grids, middles, data, _mask, window):
    """Return the bands of a window without the sky, which grids hold in the middles of squares."""
    y0, y1, x0, x1 = window
    places = np.arange(y0, y1), np.arange(x0, x1)
    down, across = (_between(*pair) for pair in zip(middles, places, strict=True))
    for plane, grid in zip(data, grids, strict=True):
        np.subtract(plane, down @ grid @ across.T, out=plane, casting="same_kind")
    return data


def _between(middles, places):
    """Return the matrix that draws values at places from those at the middles of squares."""
    from scipy.interpolate import CubicSpline

    if len(middles) == 1:
        return np.ones((len(places), 1))
    return CubicSpline(middles, np.eye(len(middles)))(places)
