"""Samples like a deep field from space: many small galaxies on a blank sky, no SDSS PSF."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from astropy.io import fits

from astro_yolo.injection import add_stamp
from astro_yolo.training.labels import BOX_RADII, ellipse_box, petrosian_radius
from astro_yolo.training.model_objects import SDSS_NOISE, add_blanked_star, add_bright_star
from astro_yolo.training.network_input import to_input
from astro_yolo.training.other_surveys import split_of_name
from astro_yolo.training.samples import (
    GALAXY,
    IGNORE,
    SMALL,
    STAR,
    UNKNOWN,
    visible_sample,
)

__all__ = ["compose_deep", "deep_planes", "read_stamps"]

_PSF_REACH = 20  # pixels
_FAINTEST = 7.0  # signal-to-noise, all bands together


@lru_cache(maxsize=2)
def read_stamps(folder, split):
    """
    Read the Hubble galaxies of a split.

    Parameters
    ----------
    folder : str
        Folder of ``.fits.gz`` stamps whose background is zero.
    split : str
        "train" or "val"; a fixed fifth of the names is "val".

    Returns
    -------
    list of (ny, nx) float32 array
        Stamps of unit flux.
    """
    paths = [p for p in sorted(Path(folder).glob("*.fits.gz")) if split_of_name(p.name) == split]
    stamps = [np.maximum(fits.getdata(path).astype(np.float32), 0) for path in paths]
    return [stamp / stamp.sum() for stamp in stamps]


def compose_deep(stamps, rng, *, size=416):
    """
    Fill a blank sky with galaxies and a few stars.

    Parameters
    ----------
    stamps : list of (ny, nx) array
        From `read_stamps`.
    rng : numpy.random.Generator
        Source of chance.
    size : int, optional
        Side in pixels.

    Returns
    -------
    astro_yolo.training.samples.Sample
    """
    planes, noise, boxes, kinds = deep_planes(stamps, rng, size)
    image = to_input(planes, noise, rng)
    return visible_sample(image, list(zip(boxes, kinds, strict=True)))


def deep_planes(stamps, rng, size):
    """
    Return a blank sky filled with galaxies and a few stars, before any stretch.

    Parameters
    ----------
    stamps, rng, size
        As of `compose_deep`.

    Returns
    -------
    planes : (3, size, size) float32 array
        g, r, i, in nanomaggies as deep as an SDSS frame.
    noise : (3,) array
        Of each band.
    boxes, kinds : (N, 4), (N,) arrays
        Objects, in edge pixels; they may reach beyond the sky.
    """
    noise = SDSS_NOISE * np.exp(rng.normal(0, 0.2, 3)).astype(np.float32)
    width = rng.uniform(0.6, 1.4)
    zoom = np.exp(rng.uniform(np.log(0.25), np.log(1.3)))
    planes = np.zeros((3, size, size), np.float32)
    objects = [_add_star(planes, noise, width, rng) for _ in range(rng.poisson(3))]
    for _ in range(rng.integers(8, 80)):
        stamp = stamps[rng.integers(len(stamps))]
        objects.append(_add_galaxy(planes, noise, stamp, (width, zoom), rng))
    if rng.random() < 0.3:
        objects.append(add_bright_star(planes, noise, 2.355 * width, rng))
    if rng.random() < 0.08:
        add_blanked_star(planes, noise, 2.355 * width, rng)
    planes += _grain(planes.shape, rng) * noise[:, None, None]
    boxes = np.array([box for box, _ in objects])
    kinds = np.array([kind for _, kind in objects])
    return planes, noise, boxes, kinds


def _grain(shape, rng):
    """Return unit noise, of neighbouring pixels that know of each other as after drizzling."""
    grain = rng.normal(0, 1, shape).astype(np.float32)
    reach = rng.uniform(0, 0.9)
    if reach > 0.3:
        grain = np.stack([cv2.GaussianBlur(plane, (0, 0), reach) for plane in grain])
    return grain / grain.std()


def _bands(stamp, noise, rng):
    """Return a stamp in three bands, its colour and signal-to-noise drawn, and the latter."""
    colour = np.exp(rng.normal(0, 0.35, 3) + rng.normal(0.1, 0.3) * np.array([-1, 0, 1]))
    bands = stamp * colour[:, None, None].astype(np.float32) * noise[:, None, None]
    signal = np.sqrt(sum((b**2).sum() / n**2 for b, n in zip(bands, noise, strict=True)))
    wanted = 10 ** rng.uniform(0.75, 2.5)
    return bands * np.float32(wanted / signal), wanted


def _add_galaxy(planes, noise, stamp, optics, rng):
    """Add a Hubble galaxy, scaled, turned and blurred; return its box and kind."""
    width, zoom = optics
    zoom = np.clip(zoom * np.exp(rng.normal(0, 0.35)), 0.12, 1.6)
    stamp = _turned(stamp, zoom, rng)
    stamp = cv2.GaussianBlur(np.pad(stamp, 6), (0, 0), width)
    pixel = rng.integers(0, planes.shape[1], 2)
    bands, signal = _bands(stamp / stamp.sum(), noise, rng)
    for plane, band in zip(planes, bands, strict=True):
        add_stamp(plane, band, *pixel)
    box = _box(stamp) + np.tile(pixel - np.array(stamp.shape[::-1]) // 2, 2)
    if signal < _FAINTEST:
        return box, IGNORE
    return box, GALAXY if max(box[2] - box[0], box[3] - box[1]) >= SMALL else UNKNOWN


def _turned(stamp, zoom, rng):
    """Return a stamp scaled and turned by any angle, in an odd square that holds it."""
    height, width = stamp.shape
    side = int(np.ceil(np.hypot(height, width) * zoom)) | 1
    if zoom < 0.7:  # averages where linear interpolation would skip pixels
        stamp = cv2.resize(stamp, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
        height, width, zoom = *stamp.shape, 1.0
    move = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), rng.uniform(0, 360), zoom)
    move[:, 2] += [(side - width) / 2, (side - height) / 2]
    turned = cv2.warpAffine(stamp, move, (side, side), flags=cv2.INTER_LINEAR)
    return cv2.flip(turned, 1) if rng.random() < 0.5 else turned


def _box(stamp):
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


def _add_star(planes, noise, width, rng):
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
    bands, signal = _bands((stamp / stamp.sum()).astype(np.float32), noise, rng)
    bright = np.float32(10 ** rng.uniform(0, 1.5))
    for plane, band in zip(planes, bands, strict=True):
        add_stamp(plane, band * bright, *pixel)
    kind = STAR if signal * bright > _FAINTEST + 1 else IGNORE
    return ellipse_box(*(pixel + offset), 2.355 * width, 1.0, 0.0), kind
