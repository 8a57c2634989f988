"""What a column holds, whatever its kind: values, masks, text, and types that a file has."""

import numpy as np
from astropy.table import MaskedColumn

__all__ = ["of_fits", "text_of", "values_and_mask", "widened", "words_of"]


def values_and_mask(column):
    """
    Return the values of a column without unit and mask, and where it is masked.

    Parameters
    ----------
    column : `~astropy.table.Column`, `~astropy.units.Quantity`, masked or not, or number
        Of any type.

    Returns
    -------
    values, mask : arrays
        Of the same shape.
    """
    values = getattr(column, "value", column)
    mask = getattr(values, "mask", False)
    values = np.asarray(getattr(values, "unmasked", values))
    return values, np.broadcast_to(mask, values.shape)


def of_fits(column):
    """
    Return a column in a type that Astropy writes to FITS without loss.

    Parameters
    ----------
    column : `~astropy.table.Column`
        Of any type.

    Returns
    -------
    column
        Of int8, which would become true and false, in int16; true and false with a mask, which
        would be lost, in uint8; else the same.
    """
    if isinstance(column, MaskedColumn) and column.dtype.kind == "b" and column.mask.any():
        column = column.astype("uint8")
        column.fill_value = 255  # what stands for none; that of a boolean is true
    return widened(column, {"int8": "int16"})


def words_of(column):
    """
    Return a column of text or bytes as text.

    Parameters
    ----------
    column : `~astropy.table.Column`, masked or not
        Of ASCII, where it is of bytes.

    Returns
    -------
    array of str
        Empty where masked.
    """
    values, mask = values_and_mask(column)
    return np.where(mask, "", values.astype(str))


def text_of(column):
    """
    Return a column of Python's texts, which is what VOTable's become, as an array of text.

    Parameters
    ----------
    column : `~astropy.table.Column`
        Of any type.

    Returns
    -------
    (N,) array of str or None
        Empty where masked or None; None if the column is of anything else.
    """
    if np.dtype(getattr(column, "dtype", "V")).kind != "O" or column.ndim != 1:
        return None
    pairs = zip(*(part.tolist() for part in values_and_mask(column)), strict=True)
    words = ["" if gap or word is None else word for word, gap in pairs]
    if not all(isinstance(word, str | bytes) for word in words):
        return None
    return np.array([word.decode() if isinstance(word, bytes) else word for word in words], str)


def widened(column, types):
    """
    Return a column in a type that holds its numbers, where a format lacks theirs.

    Parameters
    ----------
    column : `~astropy.table.Column` or `~astropy.units.Quantity`
        Of any type.
    types : dict
        Name of the type to take by that of the column's.

    Returns
    -------
    column
        The same where nothing is to be done.
    """
    wanted = types.get(str(getattr(column, "dtype", "")))
    return column if wanted is None else column.astype(wanted)
