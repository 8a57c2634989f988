"""Samples like a deep field from space: many small galaxies on a blank sky, no SDSS PSF."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from astropy.io import fits

from astro_yolo.training._deep_objects import (
    add_spiked_star,
    drawn_bands,
    grain,
    lay_galaxy,
    turned,
)
from astro_yolo.training.model_objects import SDSS_NOISE
from astro_yolo.training.network_input import to_input
from astro_yolo.training.other_surveys import split_of_name
from astro_yolo.training.samples import visible_sample
from astro_yolo.training.saturated_stars import add_blanked_star, add_bright_star

__all__ = ["compose_deep", "deep_planes", "read_stamps"]


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
    objects = [add_spiked_star(planes, noise, width, rng) for _ in range(rng.poisson(3))]
    for _ in range(rng.integers(8, 80)):
        stamp = stamps[rng.integers(len(stamps))]
        objects.append(_add_galaxy(planes, noise, stamp, (width, zoom), rng))
    if rng.random() < 0.3:
        objects.append(add_bright_star(planes, noise, 2.355 * width, rng))
    if rng.random() < 0.08:
        add_blanked_star(planes, noise, 2.355 * width, rng)
    planes += grain(planes.shape, rng) * noise[:, None, None]
    boxes = np.array([box for box, _ in objects])
    kinds = np.array([kind for _, kind in objects])
    return planes, noise, boxes, kinds


def _add_galaxy(planes, noise, stamp, optics, rng):
    """Add a Hubble galaxy, scaled, turned and blurred; return its box and kind."""
    width, zoom = optics
    zoom = np.clip(zoom * np.exp(rng.normal(0, 0.35)), 0.12, 1.6)
    stamp = turned(stamp, zoom, rng)
    stamp = cv2.GaussianBlur(np.pad(stamp, 6), (0, 0), width)
    pixel = rng.integers(0, planes.shape[1], 2)
    bands, signal = drawn_bands(stamp / stamp.sum(), noise, rng)
    return lay_galaxy(planes, stamp, bands, signal, pixel)
