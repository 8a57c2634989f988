"""What skies from space are made of: turned stamps and their boxes, stars with spikes, noise."""

import cv2
import numpy as np

from astro_yolo.injection import add_stamp
from astro_yolo.training.labels import BOX_RADII, ellipse_box, petrosian_radius
from astro_yolo.training.samples import GALAXY, IGNORE, SMALL, STAR, UNKNOWN

__all__ = ["add_spiked_star", "bands_of", "box_of_light", "drawn_bands", "grain", "lay_galaxy",
           "turned"]

FAINTEST = 7.0  # signal-to-noise, all bands together; what is fainter is ignored
_PSF_REACH = 20  # pixels


def grain(shape, rng):
    """Return unit noise, of neighbouring pixels that know of each other as after drizzling."""
    noise = rng.normal(0, 1, shape).astype(np.float32)
    reach = rng.uniform(0, 0.9)
    if reach > 0.3:
        noise = np.stack([cv2.GaussianBlur(plane, (0, 0), reach) for plane in noise])
    return noise / noise.std()


def bands_of(stamp, noise, colour, wanted):
    """Return a stamp in three bands of a colour, at a signal-to-noise of all bands together."""
    bands = stamp * colour[:, None, None].astype(np.float32) * noise[:, None, None]
    signal = np.sqrt(sum((b**2).sum() / n**2 for b, n in zip(bands, noise, strict=True)))
    return bands * np.float32(wanted / signal)


def drawn_bands(stamp, noise, rng):
    """Return a stamp in three bands, its colour and signal-to-noise drawn, and the latter."""
    colour = np.exp(rng.normal(0, 0.35, 3) + rng.normal(0.1, 0.3) * np.array([-1, 0, 1]))
    signal = 10 ** rng.uniform(0.75, 2.5)
    return bands_of(stamp, noise, colour, signal), signal


def turned(stamp, zoom, rng):
    """Return a stamp scaled and turned by any angle, in an odd square that holds it."""
    height, width = stamp.shape
    side = int(np.ceil(np.hypot(height, width) * zoom)) | 1
    if zoom < 0.7:  # averages where linear interpolation would skip pixels
        stamp = cv2.resize(stamp, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
        height, width, zoom = *stamp.shape, 1.0
    move = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), rng.uniform(0, 360), zoom)
    move[:, 2] += [(side - width) / 2, (side - height) / 2]
    made = cv2.warpAffine(stamp, move, (side, side), flags=cv2.INTER_LINEAR)
    return cv2.flip(made, 1) if rng.random() < 0.5 else made


def box_of_light(stamp):
    """Return the box of the light in a stamp without noise, edge pixels of the stamp."""
    y, x = np.indices(stamp.shape)
    total = stamp.sum()
    cx, cy = (stamp * x).sum() / total, (stamp * y).sum() / total
    radius = petrosian_radius(stamp, centre=(cx, cy))
    x, y = x - cx, y - cy
    near = stamp * (np.hypot(x, y) < 2 * radius)
    xx, yy, xy = ((near * p).sum() / near.sum() for p in (x * x, y * y, x * y))
    values, vectors = np.linalg.eigh([[xx, xy], [xy, yy]])
    theta = np.arctan2(vectors[1, 1], vectors[0, 1])
    ratio = np.sqrt(max(values[0], 0.1) / values[1])
    return ellipse_box(cx, cy, BOX_RADII * radius, ratio, theta)


def lay_galaxy(planes, stamp, bands, signal, pixel):
    """Add a stamp in three bands about a pixel; return its box and kind."""
    for plane, band in zip(planes, bands, strict=True):
        add_stamp(plane, band, *pixel)
    box = box_of_light(stamp) + np.tile(pixel - np.array(stamp.shape[::-1]) // 2, 2)
    if signal < FAINTEST:
        return box, IGNORE
    return box, GALAXY if max(box[2] - box[0], box[3] - box[1]) >= SMALL else UNKNOWN


def add_spiked_star(planes, noise, width, rng):
    """Add a star with the spikes of a telescope's spider; return its box and kind."""
    y, x = np.indices((2 * _PSF_REACH + 1,) * 2) - _PSF_REACH
    offset = rng.uniform(-0.5, 0.5, 2)
    distance = np.hypot(x - offset[0], y - offset[1])
    stamp = np.exp(-0.5 * (distance / width) ** 2) + 0.01 * np.exp(-distance / 4)
    angle = np.arctan2(y - offset[1], x - offset[0]) - rng.uniform(0, np.pi)
    arms = rng.choice([4, 6])
    across = distance * np.abs(np.sin(arms / 2 * angle)) / (arms / 2)
    stamp += 0.03 * np.exp(-across / 0.6 - distance / 8)
    pixel = rng.integers(0, planes.shape[1], 2)
    bands, signal = drawn_bands((stamp / stamp.sum()).astype(np.float32), noise, rng)
    bright = np.float32(10 ** rng.uniform(0, 1.5))
    for plane, band in zip(planes, bands, strict=True):
        add_stamp(plane, band * bright, *pixel)
    kind = STAR if signal * bright > FAINTEST + 1 else IGNORE
    return ellipse_box(*(pixel + offset), 2.355 * width, 1.0, 0.0), kind
