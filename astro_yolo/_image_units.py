"""Lengths and zero points that a caller gives, in the units of an image."""

from numbers import Real

import numpy as np
from astropy import units as u

from astro_yolo.exceptions import MeasurementError

__all__ = ["magnitude_of", "pixels_of", "zero_points_of"]


def pixels_of(length, name, image):
    """
    Return a length in pixels.

    Parameters
    ----------
    length : `~astropy.units.Quantity` or float
        An angle, or pixels.
    name : str
        Name of the argument, for messages.
    image : SkyImage
        Whose pixels.

    Returns
    -------
    float

    Raises
    ------
    MeasurementError
        If it is no positive length, or an angle and the image has no sky coordinates.
    """
    given = length
    if isinstance(length, u.Quantity) and length.unit == u.pix:
        length = length.value
    elif isinstance(length, u.Quantity):
        if not image.pixel_scale:
            msg = f"{name} must be in pixels: the image has no sky coordinates, got {length}"
            raise MeasurementError(msg)
        try:
            length = length.to_value(u.arcsec) / image.pixel_scale
        except u.UnitConversionError as error:
            msg = f"{name} must be an angle or pixels, got {length}"
            raise MeasurementError(msg) from error
    if np.ndim(length) or not isinstance(length, Real | np.ndarray):
        msg = f"{name} must be an angle or pixels, got {given!r}"
        raise MeasurementError(msg)
    if not 0 < length < np.inf:
        msg = f"{name} must be positive, got {given}"
        raise MeasurementError(msg)
    return float(length)


def zero_points_of(given, image):
    """
    Return the AB magnitude of one unit of each band.

    Parameters
    ----------
    given : float, dict, sequence of float or None
        For all bands, by band, or in their order; None for those of the headers.
    image : SkyImage
        Whose bands, and what its headers tell.

    Returns
    -------
    (n_bands,) array
        NaN where there is none.

    Raises
    ------
    MeasurementError
        If a band is unknown, there are too many or too few, or one is no magnitude.
    """
    known = image.zero_points or (None,) * image.n_bands
    if given is None:
        values = known
    elif isinstance(given, dict):
        unknown = sorted(set(given) - set(image.bands))
        if unknown:
            msg = f"zeropoint must name bands of the image {image.bands}, got {unknown[0]!r}"
            raise MeasurementError(msg)
        values = [given.get(band, old) for band, old in zip(image.bands, known, strict=True)]
    else:
        several = isinstance(given, list | tuple) or np.ndim(given)
        values = given if several else [given] * image.n_bands
    if len(values) != image.n_bands:
        msg = f"zeropoint must have one value a band ({image.n_bands}), got {len(values)}"
        raise MeasurementError(msg)
    return np.array([np.nan if value is None else _zero_point(value) for value in values])


def _zero_point(value):
    """Return a zero point as a number."""
    try:
        found = magnitude_of(value)
    except (TypeError, ValueError) as error:
        msg = f"zeropoint must be AB magnitudes such as 22.5, got {value!r}"
        raise MeasurementError(msg) from error
    if np.isinf(found):  # NaN stands for none
        msg = f"zeropoint must be finite, got {value}"
        raise MeasurementError(msg)
    return found


def magnitude_of(value):
    """
    Return a magnitude as a number.

    Parameters
    ----------
    value : float or `~astropy.units.Quantity`
        AB.

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If it is no number, or has another unit.
    """
    known = not isinstance(value, u.Quantity) or value.unit in (u.mag, u.ABmag)
    return float(getattr(value, "value", value) if known else None)
