"""Light of other sources in a galaxy's piece of an image, and what to put in its place.

A piece has the galaxy's box about its middle: ``place`` (x, y) and ``half`` its size. The radius of
a pixel is in units of the ellipse within that box.
"""

import cv2
import numpy as np

__all__ = ["box_radius", "foreign_light", "mirrored", "own_peak"]

_THRESHOLD = 2.25  # of the noise, in smoothed light: pixels above belong to a source
_REAL = 5.0  # of the noise: the peak of a segment that is more than noise
_THEIRS = 1.6  # ellipses of another box: how far its light is its own
# of other peaks: height and depth of the dip before them (noise), dip (share of the light), pixels
_PEAK, _DEPTH, _DIP, _CLOSEST = 6.0, 5.0, 0.8, 4.0
_NEAR = 2.0  # ellipses: hidden pixels beyond do not move the mirror
_SHARP = 1.5  # pixels: width of the peak that is sought
_ROOM = 12  # pixels about the box in which a peak that sharp is looked at


def box_radius(shape, place, half):
    """
    Return the radius of each pixel in units of a box's ellipse.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns.
    place, half : (2,) array
        Middle and half size of the box, x and y.

    Returns
    -------
    2D array
    """
    ny, nx = shape
    x = (np.arange(nx) - place[0]) / half[0]
    y = (np.arange(ny) - place[1]) / half[1]
    return np.sqrt((x * x)[None, :] + (y * y)[:, None])


def foreign_light(detection, radius, others):
    """
    Find the pixels that belong to other sources.

    Parameters
    ----------
    detection : (ny, nx) float32 array
        Light of all bands in units of its noise; 0 where pixels are bad.
    radius : (ny, nx) array
        From `box_radius`.
    others : (M, 4) array
        Boxes of other known sources.

    Returns
    -------
    (ny, nx) array of bool
    """
    smooth = _smoothed(detection, 1.0) * np.float32(2 * np.sqrt(np.pi))  # noise is 1 again
    count, segments = cv2.connectedComponents(
        (smooth > _THRESHOLD).astype(np.uint8), connectivity=4
    )
    nearer = _nearer(radius, others)
    core = segments[(radius < 0.5) & (segments > 0) & ~nearer]
    own = _chosen(segments, core, count) if core.size else radius < 1
    # to take out what is only noise, where it is high, would take light from the source
    real = _chosen(segments, segments[smooth > _REAL], count)
    return nearer | (real & ~own) | _beside(smooth, radius, own & ~nearer)


def _smoothed(plane, sigma):
    """Return a plane smoothed by a Gaussian, four widths of it."""
    size = 2 * int(4 * sigma + 0.5) + 1
    return cv2.GaussianBlur(plane, (size, size), sigma, borderType=cv2.BORDER_REFLECT)


def _chosen(segments, chosen, count):
    """Return the pixels of some segments; 0 is none."""
    wanted = np.zeros(count, dtype=bool)
    wanted[chosen] = True
    wanted[0] = False
    return wanted[segments]


def _nearer(radius, others):
    """Return the pixels that are nearer to another box, in units of its ellipse."""
    nearer = np.zeros(radius.shape, dtype=bool)
    for other in others:
        middle, half = (other[:2] + other[2:]) / 2, np.maximum(other[2:] - other[:2], 1) / 2
        low = np.maximum(np.floor(middle - _THEIRS * half), 0).astype(int)
        high = np.maximum(np.ceil(middle + _THEIRS * half) + 1, 0).astype(int)
        part = np.s_[low[1] : high[1], low[0] : high[0]]
        theirs = box_radius(radius[part].shape, middle - low, half)
        nearer[part] |= (theirs < radius[part]) & (theirs < _THEIRS)
    return nearer


def _beside(smooth, radius, own):
    """
    Return the pixels about other peaks in the source's own light: stars in front, companions.

    A peak counts if the light falls by a fifth of it, and by more than noise, on the way to the
    main one.
    """
    from scipy.ndimage import map_coordinates

    hidden = np.zeros(smooth.shape, dtype=bool)
    highest = cv2.dilate(smooth, np.ones((5, 5), np.uint8))
    peaks = (smooth == highest) & own & (smooth > _PEAK)
    places = np.argwhere(peaks)
    if len(places) < 2:
        return hidden
    main = places[(smooth[peaks] * np.exp(-5 * radius[peaks] ** 2)).argmax()]
    rows, columns = np.ogrid[: smooth.shape[0], : smooth.shape[1]]
    home = np.hypot(rows - main[0], columns - main[1])
    for place in places:
        apart = np.hypot(*(place - main))
        if apart < _CLOSEST:
            continue
        way = main[:, None] + (place - main)[:, None] * np.linspace(0, 1, 2 * int(apart) + 3)
        lowest = map_coordinates(smooth, way, order=1).min()
        peak = min(smooth[tuple(place)], smooth[tuple(main)])
        if lowest < min(_DIP * peak, peak - _DEPTH):
            there = np.hypot(rows - place[0], columns - place[1])
            hidden |= (there < home) & (there < 0.8 * apart)
    return hidden


def own_peak(detection, hidden, radius, place, half):
    """
    Find the source's own peak: with a neighbour, the box's centre may lie between the two.

    A mirror in the wrong place would bring the neighbour's light back on the other side.

    Parameters
    ----------
    detection, radius
        As in `foreign_light`.
    hidden : (ny, nx) array of bool
        Pixels that do not show the source.
    place, half : (2,) array
        Middle and half size of the box.

    Returns
    -------
    (2,) array
        x and y; ``place`` where nothing is hidden nearby, or no peak is found.
    """
    if not hidden[radius < _NEAR].any():
        return place
    low = np.maximum(np.floor(place - half) - _ROOM, 0).astype(int)
    high = np.ceil(place + half).astype(int) + _ROOM + 1
    part = np.s_[low[1] : high[1], low[0] : high[0]]
    hidden, radius = hidden[part], radius[part]
    light = np.where(hidden, np.float32(0), detection[part])
    high = np.where(hidden | (radius >= 1), -np.inf,
                    _smoothed(light, _SHARP) * np.exp(-(radius**2)))  # fmt: skip
    row, column = np.unravel_index(high.argmax(), high.shape)
    centre = _climbed(light, float(column), float(row))
    if centre is None:
        return place
    centre = centre + low
    return centre if np.hypot(*((centre - place) / half)) < 1 else place


def _climbed(light, x0, y0):
    """Return the centre of a sharp peak from a pixel nearby; None where there is no light."""
    y, x = np.arange(light.shape[0]), np.arange(light.shape[1])
    for _ in range(4):
        across = np.exp(-0.5 * (x - x0) ** 2 / _SHARP**2)
        along = np.exp(-0.5 * (y - y0) ** 2 / _SHARP**2)
        columns, rows = (along @ light) * across, (light @ across) * along
        total = columns.sum()
        if not total > 0:
            return None
        x0, y0 = (columns @ x) / total, (rows @ y) / total
    return np.array([x0, y0])


def mirrored(light, hidden, place):
    """
    Fill hidden pixels with those opposite about a centre, else with sky.

    Parameters
    ----------
    light : (bands, ny, nx) array
        Without sky.
    hidden : (ny, nx) array of bool
        Pixels to fill.
    place : (2,) array
        The centre, x and y.

    Returns
    -------
    (bands, ny, nx) array
        A copy.
    """
    rows, columns = np.nonzero(hidden)
    opposite_rows = np.round(2 * place[1] - rows).astype(int)
    opposite_columns = np.round(2 * place[0] - columns).astype(int)
    ny, nx = hidden.shape
    known = (opposite_rows >= 0) & (opposite_rows < ny)
    known &= (opposite_columns >= 0) & (opposite_columns < nx)
    opposite_rows, opposite_columns = np.where(known, [opposite_rows, opposite_columns], 0)
    known &= ~hidden[opposite_rows, opposite_columns]
    light = light.copy()
    light[:, rows, columns] = np.where(known, light[:, opposite_rows, opposite_columns], 0)
    return light
