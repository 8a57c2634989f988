"""What a stamp may be made of: plain numbers, and point-spread functions that have a middle."""

import numpy as np

__all__ = ["as_fluxes", "as_kernel", "as_number", "as_psf", "as_whole"]


def as_number(name, value, rule, holds):
    """
    Return a number that a rule holds for.

    Parameters
    ----------
    name : str
        Name of the argument.
    value : float
        With a unit it is refused: arrays of pixels know none.
    rule : str
        What the number must be.
    holds : callable
        Tells whether a finite number is that.

    Returns
    -------
    float

    Raises
    ------
    TypeError
        If it is no plain number.
    ValueError
        If it is not finite, or the rule does not hold.
    """
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        msg = f"{name} must be {rule}, as a plain number, got {value!r}"
        raise TypeError(msg) from error
    if not (np.isfinite(number) and holds(number)):
        msg = f"{name} must be {rule}, got {value}"
        raise ValueError(msg)
    return number


def as_whole(name, value, rule, holds=lambda _: True):
    """Return an int from a whole number, which may be a float; arguments as of `as_number`."""
    return int(as_number(name, value, rule, lambda n: n == int(n) and holds(n)))


def as_kernel(name, values):
    """
    Return numbers as OpenCV reads them: it takes those of the other byte order for others.

    Parameters
    ----------
    name : str
        Name of the argument.
    values : array
        Of two dimensions or more, in any type, such as pixels from a FITS file.

    Returns
    -------
    float32 array

    Raises
    ------
    ValueError
        If they are no such array.
    """
    try:
        kernel = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        msg = f"{name} must be an array of numbers of one shape, got {type(values).__name__}"
        raise ValueError(msg) from error
    if kernel.ndim < 2:
        msg = f"{name} must have two dimensions or more, got shape {kernel.shape}"
        raise ValueError(msg)
    return kernel


def as_psf(psf):
    """
    Return a point-spread function, or one a band.

    Parameters
    ----------
    psf : (k, k) or (n_bands, k, k) array
        Its middle pixel is the centre of a star.

    Returns
    -------
    float32 array

    Raises
    ------
    ValueError
        If it has no middle pixel, or is not finite.
    """
    kernel = as_kernel("psf", psf)
    sides = kernel.shape[-2:]
    if kernel.ndim > 3 or sides[0] != sides[1] or sides[0] % 2 == 0:
        msg = f"psf must be (k, k) or (n_bands, k, k) with k odd, got shape {kernel.shape}"
        raise ValueError(msg)
    if bad := np.count_nonzero(~np.isfinite(kernel)):
        msg = f"psf must be finite, got {bad} pixels that are not"
        raise ValueError(msg)
    return kernel


def as_fluxes(flux, psf):
    """
    Return one flux, or one a band.

    Parameters
    ----------
    flux : float or sequence of floats
        Plain numbers, as the image has them.
    psf : (k, k) or (n_bands, k, k) array
        From `as_psf`.

    Returns
    -------
    0-d or (n_bands,) array

    Raises
    ------
    TypeError
        If it has a unit or is no number.
    ValueError
        If it is not finite, or there are more or fewer of them than PSFs.
    """
    if np.shape(flux) != psf.shape[:-2]:
        one = "one number for each of its planes" if psf.ndim == 3 else "one number"
        msg = f"flux must be {one} with a psf of shape {psf.shape}, got {flux}"
        raise ValueError(msg)
    rule = "finite in the units of the image"
    given = flux if np.ndim(flux) else [flux]
    numbers = [as_number("flux", one, rule, lambda _: True) for one in given]
    return np.reshape(numbers, np.shape(flux))
