"""Light that an aperture does not hold, from how the light in it grows.

A Sersic profile (Graham & Driver 2005, PASA 22, 118) seen through an aperture is known by two
ratios: of the radii with 80 and 50 % of the light inside, and of the aperture and the latter. Both
lie outside of what the PSF blurs most. So no PSF has to be known, and nothing is fitted to
simulations.
"""

from functools import cache

import numpy as np

__all__ = ["SHARES", "enclosed", "mean_brightness", "sersic_within"]

#: Shares of the light in the aperture whose radii `sersic_within` takes.
SHARES = (0.5, 0.8)

# 4 is de Vaucouleurs' profile. The noise of faint galaxies would often tell more, and light to
# infinity.
_INDICES = np.linspace(0.3, 4.0, 60)
_REACHES = np.linspace(2.0, 6.0, 60)  # of the aperture in half-light radii


def sersic_within(radii, reach):
    """
    Find the Sersic profile that grows as the light in an aperture does.

    Parameters
    ----------
    radii : (2,) array
        Semi-major axes with `SHARES` of the light in the aperture, pixels.
    reach : float
        Semi-major axis of the aperture, pixels.

    Returns
    -------
    index : float
        0.3 to 4; NaN if a radius is NaN or 0.
    half_light : float
        Semi-major axis that holds half of all light, pixels.
    """
    half, outer = radii
    if not (0 < half < outer < reach):
        return np.nan, np.nan
    place = np.log(outer / half), np.log(reach / half)
    inside, nearest = _inverse()
    index, extent = inside(*place)
    if np.isnan(index):
        index, extent = nearest(*place)
    return float(index), float(reach / extent)


@cache
def _inverse():
    """Return what gives index and reach for two logarithms of ratios, and the same off the grid."""
    from scipy.interpolate import LinearNDInterpolator, NearestNDInterpolator
    from scipy.special import gammaincinv

    index, extent = (grid.ravel() for grid in np.meshgrid(_INDICES, _REACHES))
    scale, held = _scale(index), enclosed(index, extent)
    half, outer = ((gammaincinv(2 * index, share * held) / scale) ** index for share in SHARES)
    places = np.stack([np.log(outer / half), np.log(extent / half)], axis=1)
    values = np.stack([index, extent], axis=1)
    inside = LinearNDInterpolator(places, values)
    nearest = NearestNDInterpolator(places, values)
    return (lambda x, y: inside(x, y).ravel()), (lambda x, y: nearest(x, y).ravel())


def _scale(index):
    """Return Sersic's b, with which half of the light is within the half-light radius."""
    from scipy.special import gammaincinv

    return gammaincinv(2 * index, 0.5)


def enclosed(index, extent):
    """
    Return the share of all light within an ellipse.

    Parameters
    ----------
    index : float
        Sersic index.
    extent : float
        Semi-major axis in half-light radii.
    """
    from scipy.special import gammainc

    return gammainc(2 * index, _scale(index) * extent ** (1 / index))


def mean_brightness(index, half_light, axis_ratio, radius):
    """
    Return the mean surface brightness at some places, as a share of all light per pixel.

    Parameters
    ----------
    index, half_light : float
        Sersic index; semi-major axis that holds half of the light, pixels.
    axis_ratio : float
        Minor over major axis.
    radius : array
        Of the places, along the major axis, pixels.
    """
    from scipy.special import gamma

    scale = _scale(index)
    total = 2 * np.pi * index * half_light**2 * axis_ratio * gamma(2 * index) / scale ** (2 * index)
    return np.exp(-scale * (radius / half_light) ** (1 / index)).mean() / total
