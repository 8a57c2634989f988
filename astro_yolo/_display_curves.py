"""Curves of the picture stretches: planes of red, green and blue to the brightness of a display.

Each takes the planes to show, the same with NaN for what tells nothing about sky and range, and
the (background, noise) of each or None.
"""

import numpy as np

__all__ = ["CURVES", "OF_SKY"]

# Display choices that show SDSS frames well from the sky noise up.
_LUPTON_STRETCH = 0.5  # nanomaggies; make_lupton_rgb's linear part
_LUPTON_Q = 8.0


def _lupton(planes, _counted=None, _levels=None):
    """Colour-preserving asinh of the mean intensity."""
    from astropy.visualization import make_lupton_rgb

    with np.errstate(invalid="ignore", divide="ignore"):  # it divides by an intensity of 0
        rgb = make_lupton_rgb(*planes, stretch=_LUPTON_STRETCH, Q=_LUPTON_Q)
    return np.moveaxis(rgb, -1, 0) / np.float32(255)


def _enhance(rgb):
    """Contrast about the mean grey level, then brightness, by two."""
    grey = np.tensordot(np.array([0.299, 0.587, 0.114], np.float32), rgb, axes=1).mean()
    contrast = np.clip(grey + 2 * (rgb - grey), 0, 1)
    return np.clip(2 * contrast, 0, 1)


def _lupton_high(planes, _counted=None, _levels=None):
    """Lupton after contrast and brightness enhancement by two."""
    return _enhance(np.clip(_lupton(planes), 0, 1))


def _sinh(planes, counted, _levels=None):
    """Hyperbolic sine of each channel's own range."""
    return np.sinh(3 * _unit_range(planes, counted)) / np.sinh(3)


def _sinh_high(planes, counted, _levels=None):
    """Hyperbolic sine after contrast and brightness enhancement by two."""
    return _enhance(_sinh(planes, counted))


def _sqrt(planes, counted, _levels=None):
    """Square root of each channel's own range."""
    return np.sqrt(_unit_range(planes, counted))


def _unit_range(planes, counted):
    """Scale each channel from its median to its 99.7th percentile to 0..1."""
    samples = [plane[np.isfinite(plane)] for plane in counted[:, ::3, ::3]]
    samples = [sample if sample.size else np.zeros(1, np.float32) for sample in samples]
    low = np.array([np.median(sample) for sample in samples])[:, None, None]
    high = np.array([np.percentile(sample, 99.7) for sample in samples])[:, None, None]
    return np.clip((planes - low) / np.maximum(high - low, 1e-9), 0, 1)


def _above_sky(planes, levels):
    """Return the channels in units of their noise above their sky."""
    return np.stack([(p - b) / n for p, (b, n) in zip(planes, levels, strict=True)])


def _asinh(planes, _counted, levels):
    """Colour-preserving arcsinh in units of the noise: sky noise and cores show alike."""
    # red noise is usually the larger: the weights make a solar-type star nearly white
    planes = _above_sky(planes, levels) * np.float32([[[0.48]], [[0.4]], [[0.32]]])
    intensity = np.maximum(planes.mean(axis=0), 1e-3)
    return 0.05 + planes * (np.arcsinh(intensity) / (4 * intensity))


def _log(planes, _counted, levels):
    """Logarithm in units of the noise."""
    return np.log10(1 + np.maximum(_above_sky(planes, levels) + 1, 0)) / 3


def _linear(planes, _counted, levels):
    """Straight line from -2 to 30 sigma."""
    return (_above_sky(planes, levels) + 2) / 32


def _zscale(planes, counted, _levels=None):
    """IRAF's zscale of each channel."""
    from astropy.visualization import ManualInterval, ZScaleInterval

    limits = [ZScaleInterval().get_limits(plane) for plane in counted]
    return np.stack([ManualInterval(*pair)(p) for p, pair in zip(planes, limits, strict=True)])


#: Names and curves.
CURVES = {
    "lupton": _lupton,
    "lupton_high": _lupton_high,
    "sinh": _sinh,
    "sinh_high": _sinh_high,
    "sqrt": _sqrt,
    "asinh": _asinh,
    "zscale": _zscale,
    "log": _log,
    "linear": _linear,
}

#: Those that need the sky and its noise.
OF_SKY = ("asinh", "log", "linear")
