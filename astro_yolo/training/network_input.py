"""How training samples reach network units: as planes, as one band, or through a picture."""

import cv2
import numpy as np

from astro_yolo.filters import FILTERS
from astro_yolo.stretch import to_network, to_rgb

__all__ = ["HARSH", "PICTURES", "read_as_picture", "through_picture", "to_input"]

_OWN_RANGE = "lupton", "lupton_high", "sinh", "sinh_high", "sqrt"
#: Conversions that pictures come in. AstroCV's as published stand twice: they are judged by.
PICTURES = *FILTERS, *FILTERS, *_OWN_RANGE, "asinh", "log", "zscale"
# of the samples; those to a picture's own range twice as well, as they are the hardest
_OF_SAMPLES = *FILTERS, *FILTERS, *_OWN_RANGE * 2, "asinh", "log", "zscale"
#: Conversions that make white discs of bright sources, and of some that are not so bright.
HARSH = *("lupton_high", "sinh_high") * 3, *("Q",) * 2, "SH", "lupton", "sinh", "sqrt"
_PICTURE_SHARE = 0.45
_BAND_SHARE = 8 / 55  # of what is no picture
_JPEG_SHARE = 0.3
_QUALITIES = 70, 98


def to_input(
    planes, noise, rng, *, frame=None, pictures=_PICTURE_SHARE, stretches=_OF_SAMPLES
):
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
    frame : (3, n, nx) array, optional
        Other pixels of the frame that ``planes`` was cut from: some conversions take their black
        and white points from the whole of it.
    pictures : float, optional
        Chance of a picture.
    stretches : sequence of str, optional
        Conversions of pictures, as of `through_picture`.

    Returns
    -------
    (3, ny, nx) float32 array
        Red, green, blue.
    """
    chance = rng.random()
    if chance < pictures:
        frame = None if frame is None else frame[::-1]
        return through_picture(np.stack(planes)[::-1], rng, frame=frame, stretches=stretches)
    planes = list(planes)
    if chance < pictures + _BAND_SHARE * (1 - pictures):
        band = int(rng.integers(0, 3))
        planes, noise = [planes[band]], noise[[band]]
    levels = [
        (rng.normal(0, 0.15) * n, n * np.exp(rng.normal(0, 0.12))) for n in noise[::-1]
    ]
    levels = levels * 3 if len(levels) == 1 else levels
    return to_network(planes, levels=levels)


def through_picture(channels, rng, *, frame=None, stretches=_OF_SAMPLES):
    """
    Stretch to 8 bits as AstroCV or others do, then read as detection reads a picture.

    Parameters
    ----------
    channels : (3, ny, nx) array
        i, r, g, nanomaggies.
    rng : numpy.random.Generator
        Source of chance.
    frame : (3, n, nx) array, optional
        Other pixels of the frame, see `to_input`; half of the pictures are made with them.
    stretches : sequence of str, optional
        Conversions to draw from; by default as the samples of the training do.

    Returns
    -------
    (3, ny, nx) float32 array
    """
    stretch = stretches[rng.integers(0, len(stretches))]
    ny = len(channels[0])
    if frame is not None and rng.random() < 0.5:
        channels = np.concatenate([channels, frame], axis=1)
    picture = np.ascontiguousarray(to_rgb(channels, stretch)[:ny])
    if rng.random() < _JPEG_SHARE:
        picture = _compressed(picture, int(rng.integers(*_QUALITIES)))
    return read_as_picture(picture, rng)


def _compressed(picture, quality):
    """Return a picture as it comes back from a JPEG file."""
    _, code = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(code, cv2.IMREAD_COLOR)


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
