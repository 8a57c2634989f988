"""How the light of sources falls off from their middles, without that of their neighbours.

The profile of a source is the mean over angles at some radii, in each of the three channels; how
the light goes with the angle there tells how elongated it is. Of two places on opposite sides the
fainter counts, as the other may hold a neighbour that nobody found.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import cKDTree

from astro_yolo.stretch import from_network

__all__ = ["AREAS", "AROUND", "LONGEST", "RADII", "Light"]

#: Pixels from the middle of a source.
RADII = np.array([0, 0.8, 1.6, 2.4, 3.2, 4.2, 5.4, 7, 9, 11.5], dtype=np.float32)

_BETWEEN = np.r_[0, (RADII[1:] + RADII[:-1]) / 2, 13]
#: Square pixels that each radius stands for.
AREAS = np.diff(_BETWEEN**2) * np.pi

#: Which radii lie where even bright stars do not saturate, and faint ones still have light.
AROUND = (RADII > 3) & (RADII < 6)

#: Pixels of the longest side that OpenCV draws places from.
LONGEST = 32_000

_ANGLES, _RING_ANGLES = 24, 32
_SHARP = int((RADII < 3.6).sum())  # radii that see pixels as they are; the others means of 2x2
_RING = np.array([13, 14.5, 16], dtype=np.float32)  # pixels; beyond it nothing is the source's
_BY_CHANCE = 1.5  # scatters of the empty rings; what exceeds it is light
_GRID = 24  # places along each axis that stand for the empty sky
_MARGIN = 8  # pixels from the edge, beyond which the image is mirrored; the rest is still seen
_WIDTH = 1.6  # pixels, standard deviation of the window that sources are centred in
_FARTHEST = 2.5  # pixels that a centre moves at most; beyond lies another source
_TWIN = 1.5  # pixels; what is nearer is the same source
_NEIGHBOURS = 4  # of a source, whose pixels are theirs
_FAR = 27.0  # pixels along an axis; what is farther has none of a source's
_NOWHERE = -1e6
_AT_ONCE = 2048  # sources: 20 MB of light


def _circles(radii, angles):
    """Return x and y of places on circles, circle by circle."""
    angle = np.arange(angles) * 2 * np.pi / angles
    return [(radii[:, None] * f(angle)).astype(np.float32).ravel() for f in (np.cos, np.sin)]


_CIRCLES, _RINGS = _circles(RADII, _ANGLES), _circles(_RING, _RING_ANGLES)
_TWICE = 2 * np.arange(_ANGLES // 2) * 2 * np.pi / _ANGLES  # the angles of half a circle, doubled
_WAVES = np.stack([np.cos(_TWICE), np.sin(_TWICE)], axis=1).astype(np.float32) / len(_TWICE)
_IN_SHARP = np.arange(len(_CIRCLES[0])) < _SHARP * _ANGLES
_Y, _X = (grid.astype(np.float32).ravel() for grid in np.mgrid[-4:5, -4:5])
_WINDOW = np.exp(-(_X**2 + _Y**2) / (2 * _WIDTH**2))


@dataclass(frozen=True)
class Light:
    """
    The light of an image.

    Attributes
    ----------
    planes, halves : list of three (ny, nx) and (ny / 2, nx / 2) float32 arrays
        The image in network units, and the means of its squares of 2x2 pixels.
    sky : (3, 1, R) array
        Profile of the empty sky: below 0, as the fainter of two places counts.
    ring, scatter : (3, 1) array
        Light in the rings about empty places, and its scatter.
    """

    planes: list
    halves: list
    sky: np.ndarray
    ring: np.ndarray
    scatter: np.ndarray

    @classmethod
    def of_image(cls, planes):
        """
        Find the empty sky of an image.

        Parameters
        ----------
        planes : sequence of three (ny, nx) float32 arrays
            As `~astro_yolo.stretch.to_network` makes them, no side above `LONGEST`.

        Returns
        -------
        Light
        """
        high, wide = (max(1, side // 2) for side in planes[0].shape)
        halves = [
            cv2.resize(plane[: 2 * high, : 2 * wide], (wide, high), interpolation=cv2.INTER_AREA)
            for plane in planes
        ]
        across, down = (np.linspace(0, side - 1, _GRID + 2)[1:-1] for side in planes[0].shape[::-1])
        places = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2).astype(np.float32)
        sky = np.median(_fainter(_on_circles(planes, halves, places)).mean(axis=-1), axis=1)
        rings = _ring(halves, places)
        ring = np.median(rings, axis=1, keepdims=True)
        scatter = 1.4826 * np.median(np.abs(rings - ring), axis=1, keepdims=True)
        return cls(list(planes), halves, sky[:, None], ring, scatter)

    def whole(self, centers):
        """
        Tell which sources are far enough from the edge for a profile.

        Parameters
        ----------
        centers : (N, 2) array
            0-based pixels.

        Returns
        -------
        (N,) bool array
        """
        last = np.array(self.planes[0].shape[::-1]) - 1
        return ((centers >= _MARGIN) & (centers <= last - _MARGIN)).all(axis=1)

    def profiles(self, centers, sources):
        """
        Measure the profiles of sources and how elongated they are.

        Parameters
        ----------
        centers : (N, 2) array
            Where they are, 0-based pixels.
        sources : (M, 2) array
            Everything that has pixels of its own; they themselves may be among it.

        Returns
        -------
        profiles : (3, N, R) array
            Light at `RADII` over that of the surroundings, in units of the noise of a pixel.
        waves : (N, 2) array
            Means over the angle of the light times the cosine and the sine of twice the angle from
            the x axis, summed over the channels and the radii `AROUND`, in the same units.
        """
        parts = [
            self._profiles(centers[start : start + _AT_ONCE].astype(np.float32), sources)
            for start in range(0, max(1, len(centers)), _AT_ONCE)
        ]
        profiles, waves = zip(*parts, strict=True)
        return np.concatenate(profiles, axis=1), np.concatenate(waves)

    def _profiles(self, centers, sources):
        """Return the profiles and waves of as many sources as go at once."""
        others = _others(centers, sources)
        centers = _centred(self.planes, centers, others)
        light = _on_circles(self.planes, self.halves, centers)
        _mirror(light, _foreign(centers, *_CIRCLES, others).reshape(light.shape[1:]))
        # a galaxy's or bright star's light that a source stands in, or the lack of it
        excess = _ring(self.halves, centers) - self.ring
        glow = np.sign(excess) * np.maximum(np.abs(excess) - _BY_CHANCE * self.scatter, 0)
        light = _fainter(light)
        waves = light[:, :, AROUND].sum(axis=(0, 2)) @ _WAVES
        return light.mean(axis=-1) - self.sky - glow[..., None], waves


def _drawn(planes, centers, x, y, way=cv2.INTER_LINEAR):
    """Return the light at places about centres, (3, N, M), in units of the noise."""
    if not len(centers):
        return np.empty((3, 0, len(x)), dtype=np.float32)
    at = centers[:, :1] + x, centers[:, 1:] + y
    return from_network(
        np.stack([cv2.remap(p, *at, way, borderMode=cv2.BORDER_REFLECT) for p in planes])
    )


def _drawn_from_halves(halves, centers, x, y, way=cv2.INTER_LINEAR):
    """Return the same from the means of 2x2 pixels, for places given in pixels."""
    return _drawn(halves, (centers - np.float32(0.5)) / 2, x / 2, y / 2, way)


def _on_circles(planes, halves, centers):
    """Return the light at each radius and angle, (3, N, R, 2, A / 2), opposite places together."""
    inner, outer = ([axis[which] for axis in _CIRCLES] for which in (_IN_SHARP, ~_IN_SHARP))
    light = np.concatenate(
        [_drawn(planes, centers, *inner), _drawn_from_halves(halves, centers, *outer)], axis=2
    )
    return light.reshape(3, len(centers), len(RADII), 2, _ANGLES // 2)


def _fainter(light):
    """Return the fainter of opposite places, (3, N, R, A / 2)."""
    return np.minimum(light[..., 0, :], light[..., 1, :])


def _ring(halves, centers):
    """Return what a third of the ring about each centre is fainter than, (3, N)."""
    light = _drawn_from_halves(halves, centers, *_RINGS, cv2.INTER_NEAREST)
    third = light.shape[2] // 3
    return np.partition(light, third, axis=2)[..., third]


def _others(centers, sources):
    """Return the nearest other sources of each, (N, 4, 2); nowhere where there are fewer."""
    some = np.concatenate([sources, np.full((_NEIGHBOURS + 1, 2), _NOWHERE)])
    distance, which = cKDTree(some).query(centers, _NEIGHBOURS + 1)
    others = some[which].astype(np.float32)
    others[distance < _TWIN] = _NOWHERE
    return others


def _foreign(centers, x, y, others):
    """Return which places about each centre are nearer to another source, (N, M)."""
    found = np.zeros((len(centers), len(x)), dtype=bool)
    own = x**2 + y**2
    for place in others.swapaxes(0, 1):
        near = np.flatnonzero((np.abs(place - centers) < _FAR).all(axis=1))
        dx, dy = (place[near] - centers[near]).T[:, :, None]
        found[near] |= (x - dx) ** 2 + (y - dy) ** 2 < own
    return found


def _mirror(light, foreign):
    """Put the light of the opposite place where a place is foreign and that one is not."""
    for side in (0, 1):
        alone = foreign[:, :, side] & ~foreign[:, :, 1 - side]
        light[:, :, :, side][:, alone] = light[:, :, :, 1 - side][:, alone]


def _centred(planes, centers, others):
    """Return the centroids of the light near some places, other sources' left out."""
    window, start = _WINDOW * ~_foreign(centers, _X, _Y, others), centers
    for _ in range(2):
        weight = np.maximum(_drawn(planes, centers, _X, _Y).sum(axis=0), 0) * window
        moment = np.stack([weight @ _X, weight @ _Y], axis=1) / (weight.sum(axis=1)[:, None] + 1e-6)
        # the window is as wide as a star, so that its moment is about half of the way
        centers = centers + np.clip(1.5 * moment, -1, 1)
    near = np.hypot(*(centers - start).T) < _FARTHEST
    return np.where(near[:, None], centers, start).astype(np.float32)
