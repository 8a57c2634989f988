"""Images with sources planted at known places, and sky coordinates to put on them."""

import numpy as np
from astropy.wcs import WCS, Sip

from astro_yolo.tests import blob_network

#: The network without training that finds them.
MODEL = blob_network.PATH

#: Arcseconds per pixel, and the sky position of the middle of an image in degrees.
SCALE = 0.396
CENTER = (150.0, 30.0)


def spread(shape, n_sources, *, apart=24.0, margin=14.0, seed=0):
    """Random positions (x, y) that keep a distance from each other and from the border."""
    rng = np.random.default_rng(seed)
    cell = apart + 6
    x, y = np.meshgrid(np.arange(margin, shape[1] - margin - cell, cell),
                       np.arange(margin, shape[0] - margin - cell, cell))  # fmt: skip
    cells = np.stack([x.ravel(), y.ravel()], axis=1)
    chosen = cells[rng.choice(len(cells), n_sources, replace=False)]
    return chosen + rng.uniform(0, 6, chosen.shape) + apart / 2


def plant(shape, positions, *, peak=(300, 2000), seed=1, sky_level=100.0):
    """Return an image of unit noise with a Gaussian source at each (x, y)."""
    rng = np.random.default_rng(seed)
    image = rng.normal(sky_level, 1, shape).astype(np.float32)
    peaks = rng.uniform(*peak, len(positions))
    for (x, y), height in zip(positions, peaks, strict=True):
        rows = slice(max(int(y) - 11, 0), int(y) + 12)
        columns = slice(max(int(x) - 11, 0), int(x) + 12)
        yy, xx = np.mgrid[rows, columns][:, : image[rows].shape[0], : image[:, columns].shape[1]]
        image[rows, columns] += height * np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / (2 * 1.5**2))
    return image


def tangent_wcs(shape, *, angle=0.0, parity=-1):
    """North up and east left for angle 0 and parity -1, as on the sky."""
    turn = np.deg2rad(angle)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval = CENTER
    wcs.wcs.crpix = shape[1] / 2, shape[0] / 2
    wcs.wcs.cd = SCALE / 3600 * np.array(
        [[parity * np.cos(turn), np.sin(turn)], [-parity * np.sin(turn), np.cos(turn)]]
    )  # fmt: skip
    return wcs


def distorted_wcs(shape):
    """Add a SIP distortion of several pixels at the corners."""
    wcs = tangent_wcs(shape, angle=20)
    wcs.wcs.ctype = "RA---TAN-SIP", "DEC--TAN-SIP"
    a, b = np.zeros((2, 4, 4))
    a[2, 0], a[1, 1], b[0, 2], b[3, 0] = 3e-5, -2e-5, 4e-5, 5e-8
    wcs.sip = Sip(a, b, None, None, wcs.wcs.crpix)
    wcs.wcs.set()
    return wcs


def nearest(positions, table):
    """Return for each (x, y) the distance to the nearest row and its index."""
    distance = np.hypot(positions[:, :1] - table["x"], positions[:, 1:] - table["y"])
    return distance.min(axis=1), distance.argmin(axis=1)
