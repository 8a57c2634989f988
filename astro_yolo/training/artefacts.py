"""What is in images but not in the sky, and what is in the sky but no source."""

import cv2
import numpy as np

__all__ = ["add_artefacts"]


def add_artefacts(planes, noise, fwhm, rng):
    """
    Now and then add what is not a source: a trail, cosmic rays, nebulosity.

    Parameters
    ----------
    planes : (3, size, size) float32 array
        Changed in place.
    noise : (3,) array
        Of each band.
    fwhm : float
        Of a star, pixels.
    rng : numpy.random.Generator
        Source of chance.
    """
    size = planes.shape[1]
    if rng.random() < 0.06:
        ends = rng.uniform(-size, 2 * size, (2, 2)).round().astype(int)
        line = np.zeros((size, size), np.float32)
        cv2.line(line, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 1.0, 1)
        line = cv2.GaussianBlur(line, (0, 0), fwhm / 2.35) * fwhm
        band = rng.integers(0, 3)
        planes[band] += line * noise[band] * 10 ** rng.uniform(0.5, 2)
    if rng.random() < 0.15:
        for _ in range(rng.integers(1, 6)):
            x, y = rng.integers(2, size - 8, 2)
            dx, dy = rng.integers(0, 5, 2)
            band = rng.integers(0, 3)
            hit = np.zeros((size, size), np.float32)
            cv2.line(hit, (int(x), int(y)), (int(x + dx), int(y + dy)), 1.0, 1)
            planes[band] += hit * noise[band] * 10 ** rng.uniform(1, 2.5)
    if rng.random() < 0.05:
        planes += _nebulosity(size, rng) * (noise * 10 ** rng.uniform(0, 1.5))[:, None, None]


def _nebulosity(size, rng):
    """Return (3, size, size) smooth structure of many scales, differing a little with colour."""
    out = np.zeros((3, size, size), np.float32)
    for cells in (3, 6, 13, 26):
        coarse = rng.normal(0, 1, (cells, cells, 3)) + rng.normal(0, 1.5, (cells, cells, 1))
        fine = cv2.resize(coarse.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
        out += np.moveaxis(fine, -1, 0) * (3.0 / cells)
    return out
