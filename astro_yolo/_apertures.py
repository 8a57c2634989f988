"""Elliptical apertures on the pixels of a small image.

photutils computes the overlaps; its aperture objects, made for many positions at once and for
sky coordinates, would take several times as long for one place each.
"""

from dataclasses import dataclass

import numpy as np
from photutils.geometry import elliptical_overlap_grid

__all__ = ["Aperture"]


@dataclass(frozen=True)
class Aperture:
    """
    An ellipse on pixels.

    Attributes
    ----------
    x, y : float
        Centre, 0-based pixels.
    a, b : float
        Semi-axes, pixels.
    theta : float
        Of the major axis, radians counter-clockwise from +x.
    """

    x: float
    y: float
    a: float
    b: float
    theta: float

    @property
    def area(self):
        """Pixels."""
        return np.pi * self.a * self.b

    def sums(self, planes):
        """
        Sum planes in the aperture, pixels on its edge by the part inside.

        Parameters
        ----------
        planes : (N, ny, nx) array
            What is outside counts as 0.

        Returns
        -------
        (N,) array
            NaN if the aperture lies wholly outside.
        """
        x0, x1, y0, y1 = self._extent()
        y, x = slice(max(y0, 0), max(y1, 0)), slice(max(x0, 0), max(x1, 0))
        inside = planes[:, y, x]
        if not inside.size:
            return np.full(len(planes), np.nan)
        # only the part of the grid that is there
        y1, x1 = y.start + inside.shape[1], x.start + inside.shape[2]
        weights = self._grid((x.start, x1, y.start, y1), exact=1)
        return (inside * weights).sum(axis=(1, 2))

    def counts(self, marks):
        """
        Count the pixels whose centre is in the aperture.

        Parameters
        ----------
        marks : sequence of (ny, nx) array of bool
            Pixels to count.

        Returns
        -------
        whole : int
            All pixels of the aperture.
        inside : int
            Those that lie in the array.
        marked : list of int
            Those of each of the marks.
        """
        x0, x1, y0, y1 = extent = self._extent()
        grid = self._grid(extent, exact=0) > 0
        inside = grid[max(-y0, 0) :, max(-x0, 0) :]
        parts = [mark[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] for mark in marks]
        inside = inside[: parts[0].shape[0], : parts[0].shape[1]]
        count = np.count_nonzero
        return count(grid), count(inside), [count(inside & part) for part in parts]

    def _extent(self):
        """Return the pixels that the aperture touches: first and one past the last in x and y."""
        cos, sin = np.cos(self.theta), np.sin(self.theta)
        wide, high = np.hypot(self.a * cos, self.b * sin), np.hypot(self.a * sin, self.b * cos)
        edges = self.x - wide, self.x + wide, self.y - high, self.y + high
        x0, x1, y0, y1 = np.floor(np.array(edges) + 0.5).astype(int).tolist()
        return x0, x1 + 1, y0, y1 + 1

    def _grid(self, extent, *, exact):
        """Return how much of each pixel is inside; 0 or 1 by its centre if not exact."""
        x0, x1, y0, y1 = extent
        edges = (x0 - 0.5 - self.x, x1 - 0.5 - self.x, y0 - 0.5 - self.y, y1 - 0.5 - self.y)
        return elliptical_overlap_grid(
            *edges, x1 - x0, y1 - y0, self.a, self.b, self.theta, exact, 1
        )
