"""What the neighbours of a source have in its stamp: pixels of their own, and light.

Stamps are 21 pixels wide, about the centroids of sources. A neighbour's light is that of a star as
bright as its middle: of a galaxy a part is missing, but most of it lies in pixels of its own.
"""

import cv2
import numpy as np
from scipy.spatial import cKDTree

__all__ = ["HALF", "RADIUS", "X", "Y", "light_of_neighbours", "own_pixels"]

#: Half a stamp, and the places of its pixels about the middle.
HALF = 10
Y, X = np.indices((2 * HALF + 1,) * 2, dtype=np.float32) - HALF
RADIUS = np.hypot(X, Y)

_TWIN = 1.5  # pixels; what is nearer is the same source
_NUMBER = 6  # of neighbours that are looked at


def own_pixels(places, sources):
    """
    Return which pixels of each stamp are nearer to its middle than to another source.

    Parameters
    ----------
    places : (N, 2) array
        Middles of the stamps, pixels.
    sources : (M, 2) array
        All sources of the image.

    Returns
    -------
    (N, 21, 21) bool array
    """
    own = np.ones((len(places), *X.shape), dtype=bool)
    for stamps, _, (dx, dy) in _neighbours(places, sources):
        own[stamps] &= np.hypot(X - dx, Y - dy) >= RADIUS
    return own


def light_of_neighbours(places, sources, flux, kernels, within):
    """
    Return the light that the neighbours have in each stamp.

    Parameters
    ----------
    places, sources
        As of `own_pixels`.
    flux : (M, B) array
        Of the sources, channel by channel, if they were stars.
    kernels : (B, 21, 21) array
        Point-spread functions of the channels.
    within : float
        Radius in pixels; further out the light is not worked out.

    Returns
    -------
    (N, B, 21, 21) float32 array
    """
    pixels = np.flatnonzero(within > RADIUS)
    x, y = X.ravel()[pixels], Y.ravel()[pixels]
    light = np.zeros((len(places), len(kernels), X.size), dtype=np.float32)
    for stamps, which, (dx, dy) in _neighbours(places, sources):
        at = (x - dx[:, 0] + HALF).astype(np.float32), (y - dy[:, 0] + HALF).astype(np.float32)
        for band, kernel in enumerate(kernels.astype(np.float32)):
            star = flux[which, band, None] * cv2.remap(kernel, *at, cv2.INTER_LINEAR)
            light[np.ix_(stamps, [band], pixels)] += star[:, None]
    return light.reshape(len(places), len(kernels), *X.shape)


def _neighbours(places, sources):
    """Yield, nearest first, stamps, a neighbour of each and where it lies in it, (2, n, 1, 1)."""
    if not len(sources):
        return
    number = list(range(1, min(_NUMBER + 1, len(sources)) + 1))
    distance, which = cKDTree(sources).query(places, k=number, distance_upper_bound=2 * HALF)
    for near, index in zip(distance.T, which.T, strict=True):
        stamps = np.flatnonzero((near > _TWIN) & np.isfinite(near))
        if len(stamps):
            offset = sources[index[stamps]] - places[stamps]
            yield stamps, index[stamps], offset.T[:, :, None, None]
