"""Values that were rounded, as counts are, so that many of them are equal."""

import numpy as np

from astro_yolo.stretch import sampled

__all__ = ["dithered", "finest_step", "middle_samples", "unrounded"]

_DISTINCT = 0.5  # share of values that differ from the one before; with fewer they are rounded
_COARSE = 0.2  # steps over the noise from which their size matters
_SAMPLE = 20_000  # pixels
_MIDDLE = 1024  # pixels, longest side of the part that stands for an image


def unrounded(values):
    """
    Spread equal values evenly over the step between them.

    The median of whole numbers is a whole number, off by up to half a step, and their median
    absolute deviation is one as well, or 0.

    Parameters
    ----------
    values : (N,) array
        Sorted.

    Returns
    -------
    values : (N,) array
        Still sorted; the same where few are equal, or all.
    step : float
        The smallest distance between values; 0 where nothing was done.
    """
    steps = np.diff(values)
    rises = steps > 0
    if not 0 < np.count_nonzero(rises) < len(values) * _DISTINCT:
        return values, 0.0
    step = float(steps[rises].min())
    first = np.flatnonzero(np.r_[True, rises])
    number = np.diff(np.r_[first, len(values)])
    rank = np.arange(len(values)) - np.repeat(first, number)
    return values + step * ((rank + 0.5) / np.repeat(number, number) - 0.5), step


def dithered(plane, mask=None):
    """
    Return a plane whose values are rounded no more coarsely than its noise.

    Where the noise is below five steps, medians are off by a good part of it, and no network was
    trained on the few values that are left. A uniform random number of one step is added, the same
    at each call.

    Parameters
    ----------
    plane : (ny, nx) array
        Pixel values.
    mask : (ny, nx) bool array, optional
        True for pixels to leave out.

    Returns
    -------
    (ny, nx) array
        The plane itself where it is not rounded, or finely.
    """
    values, step = unrounded(np.sort(sampled(plane, mask, _SAMPLE)))
    if not step:
        return plane
    low, high = np.percentile(values, [15.87, 50])
    if step < _COARSE * (high - low):
        return plane
    chance = np.random.default_rng(0).random(plane.shape, dtype=np.float32)
    return plane + np.float32(step) * (chance - np.float32(0.5))


def middle_samples(image):
    """
    Return usable values of the middle of an image.

    Parameters
    ----------
    image : SkyImage
        The image.

    Returns
    -------
    list of (N,) arrays
        One a band, sorted.
    """
    spans = []
    for side in image.shape:
        start = max(0, (side - _MIDDLE) // 2)
        spans += [start, min(start + _MIDDLE, side)]
    data, mask = image.window(*spans)
    return [np.sort(sampled(plane, mask, _SAMPLE)) for plane in data]


def finest_step(image):
    """
    Return the smallest distance between the values of an image.

    Parameters
    ----------
    image : SkyImage
        The image, of which the middle is looked at.

    Returns
    -------
    float
        1 of a picture of 8 bits; 0 where all values of each band are equal.
    """
    steps = [np.diff(np.unique(values)) for values in middle_samples(image)]
    return float(min((step.min() for step in steps if len(step)), default=0.0))
