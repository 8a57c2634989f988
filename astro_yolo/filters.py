"""The five picture conversions of AstroCV: L, LH, S, SH and Q.

Gonzalez, Munoz & Hernandez 2018 (Astronomy and Computing 25, 103) turn the i, r, g frames of SDSS
into red, green, blue in five ways; the numbers in here are those of their training notebook
``jpg_filters``. They act on nanomaggies, and on the frame as a whole: S, SH and Q take their black
point from its pixels, so convert first and cut afterwards.
"""

import numpy as np

__all__ = ["FILTERS", "apply_filter", "finite", "scale_channels", "white_of"]

_LUPTON_STRETCH, _LUPTON_Q = 5, 8  # the defaults of make_lupton_rgb
_ENHANCEMENT = 2
_LARGEST = 10.0  # nanomaggies; past it sinh is white whatever the factor, and it may overflow


def apply_filter(channels, name):
    """
    Convert three channels as AstroCV does.

    Parameters
    ----------
    channels : (3, ny, nx) array
        i, r, g in nanomaggies, to become red, green, blue.
    name : str
        One of `FILTERS`:

        - ``L``: `astropy.visualization.make_lupton_rgb` with its defaults (Lupton et al. 2004,
          PASP 116, 133);
        - ``LH``: L in 8 bits after Pillow's ``ImageEnhance``, brightness times 2 and then
          contrast times 2;
        - ``S``: 350 sinh(c), black at the 0.03 percentile of all three channels;
        - ``SH``: 400 sinh(c), black at the 0.1 percentile;
        - ``Q``: 500 sqrt(c - minimum), the blue channel times 1.3 under the root, values cut at
          the median plus 6 standard deviations, black at the 0.01 percentile.

    Returns
    -------
    (3, ny, nx) float32 array
        0 to 1; times 255 it is a grey level. What is not finite counts as 0.

    Raises
    ------
    ValueError
        If the filter is unknown or there are not three channels.

    Examples
    --------
    >>> import numpy as np
    >>> from astro_yolo.filters import apply_filter
    >>> float(apply_filter(np.full((3, 4, 4), 5.0), "L").max())
    0.37895355
    """
    if name not in _FILTERS:
        msg = f"filter must be one of {', '.join(FILTERS)}, got {name!r}"
        raise ValueError(msg)
    planes = finite(channels)
    if planes.ndim != 3 or len(planes) != 3:
        msg = f"channels must be three planes, (3, ny, nx), got shape {planes.shape}"
        raise ValueError(msg)
    return np.clip(_FILTERS[name](planes), 0, 1).astype(np.float32, copy=False)


def white_of(channels):
    """
    Return the value of white in a picture of 8 or 16 bits.

    Parameters
    ----------
    channels : sequence of (ny, nx) arrays
        The picture.

    Returns
    -------
    int
        255, or 65535 where something is brighter than that.
    """
    brightest = max(np.fmax.reduce(channel, axis=None, initial=0) for channel in channels)
    return 255 if brightest <= 255 else 65535  # without NaN, which is brighter than nothing


def scale_channels(channels):
    """
    Scale each channel to 0..1 by itself: (c - gray_min) / (c_max - gray_min).

    AstroCV's per-channel scaling. ``gray_min`` is the minimum of the grey picture, the mean of the
    three channels, so that the sky keeps its colour; ``c_max`` is the channel's own maximum.

    Parameters
    ----------
    channels : sequence of three (ny, nx) arrays
        Red, green, blue.

    Returns
    -------
    (3, ny, nx) float32 array
        0 to 1. A channel that is nowhere above ``gray_min`` becomes 0. What is not finite counts
        as 0.
    """
    planes = finite(channels)
    low = planes.mean(axis=0).min()
    span = planes.max(axis=(1, 2), keepdims=True) - low
    scaled = np.divide(planes - low, span, out=np.zeros_like(planes), where=span > 0)
    return np.clip(scaled, 0, 1)


def finite(channels):
    """
    Return channels with 0 for what is not finite.

    Parameters
    ----------
    channels : (3, ny, nx) array or sequence of three (ny, nx) arrays
        Any values.

    Returns
    -------
    (3, ny, nx) float32 array
        A copy.
    """
    return np.nan_to_num(np.asarray(channels, dtype=np.float32), posinf=0, neginf=0)


def _lupton(planes):
    """Colour-preserving asinh of the mean intensity, in float: Astropy's own before 8 bits."""
    mean = planes.mean(axis=0)
    slope = 0.1 / np.arcsinh(0.1 * _LUPTON_Q)
    curve = slope * np.arcsinh(mean * (_LUPTON_Q / _LUPTON_STRETCH))
    unit = np.maximum(planes, 0) * np.divide(curve, mean, out=np.zeros_like(mean), where=mean > 0)
    return unit / np.maximum(unit.max(axis=0), 1)  # a channel past white keeps its colour


def _lupton_high(planes):
    """L after brightness, then contrast, as Pillow does them in whole grey levels."""
    from astropy.visualization import make_lupton_rgb

    with np.errstate(invalid="ignore", divide="ignore"):  # it divides by an intensity of 0
        levels = np.moveaxis(make_lupton_rgb(*planes), -1, 0).astype(np.float32)
    bright = np.minimum(_ENHANCEMENT * levels, 255)
    # Pillow's grey of a pixel and of the whole picture are rounded
    red, green, blue = bright.astype(np.int64)
    grey = (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16
    pivot = int(grey.mean() + 0.5)
    return (pivot + _ENHANCEMENT * (bright - pivot)) / 255


def _sinh(planes, factor, percentile):
    """Hyperbolic sine above a percentile of all three channels."""
    curve = np.sinh(np.clip(planes, -_LARGEST, _LARGEST))
    return (curve - np.percentile(curve, percentile)) * (factor / 255)


def _sqrt(planes):
    """Square root above the minimum, with the brightest values cut."""
    planes = planes - planes.min()
    planes = np.minimum(planes, np.median(planes) + 6 * planes.std())
    planes[2] *= 1.3
    curve = np.sqrt(planes)
    return (curve - np.percentile(curve, 0.01)) * (500 / 255)


_FILTERS = {
    "L": _lupton,
    "LH": _lupton_high,
    "S": lambda planes: _sinh(planes, 350, 0.03),
    "SH": lambda planes: _sinh(planes, 400, 0.1),
    "Q": _sqrt,
}

#: Names of the filters, in the order of the recipe that uses all of them.
FILTERS = tuple(_FILTERS)
