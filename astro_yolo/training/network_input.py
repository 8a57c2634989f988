"""How training samples reach network units: as planes, as one band, or through a picture."""

import numpy as np

from astro_yolo.stretch import to_network, to_rgb

__all__ = ["read_as_picture", "through_picture", "to_input"]

_PICTURES = ("lupton", "lupton_high", "sinh", "sinh_high", "sqrt")


def to_input(planes, noise, rng):
    """
    Bring planes to network units the way detection does, or through a picture.

    Parameters
    ----------
    planes : (3, ny, nx) array
        g, r, i, sky-subtracted, nanomaggies.
    noise : (3,) array
        Of each band.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    (3, ny, nx) float32 array
        Red, green, blue.
    """
    planes = list(planes)
    chance = rng.random()
    if chance < 0.20:  # a picture made with one of AstroCV's conversions
        return through_picture(planes[::-1], rng)
    if chance < 0.28:  # one band
        band = int(rng.integers(0, 3))
        planes, noise = [planes[band]], noise[[band]]
    levels = [
        (rng.normal(0, 0.15) * n, n * np.exp(rng.normal(0, 0.12))) for n in noise[::-1]
    ]
    levels = levels * 3 if len(levels) == 1 else levels
    return to_network(planes, levels=levels)


def through_picture(channels, rng):
    """
    Stretch to 8 bits with one of AstroCV's conversions, then read as detection reads a picture.

    Parameters
    ----------
    channels : sequence of three (ny, nx) arrays
        i, r, g, nanomaggies.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    (3, ny, nx) float32 array
    """
    picture = to_rgb(channels, _PICTURES[rng.integers(0, len(_PICTURES))])
    return read_as_picture(picture, rng)


def read_as_picture(picture, rng):
    """
    Bring an 8-bit picture to network units; sometimes its grey version.

    Parameters
    ----------
    picture : (ny, nx, 3) uint8 array
        Red, green, blue.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    (3, ny, nx) float32 array
    """
    planes = [picture[..., k].astype(np.float32) for k in (2, 1, 0)]
    if rng.random() < 0.12:
        planes = [sum(planes) / 3]
    return to_network(planes)
