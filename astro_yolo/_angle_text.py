"""Angles as a table has them: text (10:00:42.5, 10h00m42.5s, 150.18), and units of any spelling."""

import re

import numpy as np
from astropy import units as u
from astropy.coordinates import Angle
from astropy.table import MaskedColumn

from astro_yolo._column_values import values_and_mask
from astro_yolo.exceptions import MatchError

__all__ = [
    "in_unit",
    "is_sexagesimal",
    "one_angle",
    "radians_of",
    "unit_of",
    "units_of_pair",
    "words_of",
]

_SEXAGESIMAL = re.compile(r"[:hd]|\d\s+\d", re.IGNORECASE)
_NOTHING = {"", "nan", "--", "none", "null", "n/a"}


def unit_of(column):
    """
    Return the unit of a column, by its name in full, in the plural or in capitals as well.

    Parameters
    ----------
    column : column of a table
        Of any type.

    Returns
    -------
    unit or None
        None without one; unrecognized where it is none that Astropy knows.
    """
    unit = getattr(column, "unit", None)
    if not isinstance(unit, u.UnrecognizedUnit):
        return unit
    # of FITS Astropy takes "deg" alone; others write degree, degrees, DEG
    known = u.Unit(str(unit).lower().rstrip(" .").rstrip("s"), parse_strict="silent")
    return unit if isinstance(known, u.UnrecognizedUnit) else known


def one_angle(value, name, example):
    """
    Return an angle above zero.

    Parameters
    ----------
    value : `~astropy.units.Quantity` or str
        What was given.
    name, example : str
        Name of the argument, and what it might be, for messages.

    Returns
    -------
    `~astropy.units.Quantity`
        Degrees.

    Raises
    ------
    MatchError
        If it is no angle, several, or not above zero.
    """
    try:
        angle = u.Quantity(value).to(u.deg)
    except (u.UnitConversionError, TypeError) as error:
        raise MatchError(f"{name} must be an angle such as {example}, got {value!r}") from error
    if not angle.isscalar or not 0 < angle.value < np.inf:
        raise MatchError(f"{name} must be one positive angle, got {value!r}")
    return angle


def units_of_pair(unit):
    """
    Return the units of right ascension and declination.

    Parameters
    ----------
    unit : unit, or pair of units
        One for both, or one for each; a text has a comma between.

    Returns
    -------
    tuple of unit
        Degrees for the declination where it is given in hours: these are of right ascension alone.
        Unrecognized where one is none.

    Raises
    ------
    MatchError
        If there are more than two.
    """
    given = unit.split(",") if isinstance(unit, str) else unit
    given = list(given) if isinstance(given, list | tuple) else [given]
    if len(given) not in {1, 2}:
        raise MatchError(f"unit must be one, or that of each coordinate, got {unit!r}")
    first, last = (u.Unit(given[k], parse_strict="silent") for k in (0, -1))
    return first, u.deg if last == u.hourangle else last


def in_unit(column, unit):
    """
    Return a column in a unit, where it had none or, as a Quantity, one that nobody knows.

    Parameters
    ----------
    column : column of a table
        Of numbers or text.
    unit : unit
        The new one.

    Returns
    -------
    column
        The same with the unit, or a new one without that of the Quantity.
    """
    if isinstance(column, u.Quantity):
        values, mask = values_and_mask(column)
        return MaskedColumn(values, mask=mask, unit=unit)
    column.unit = unit
    return column


def words_of(column):
    """
    Return the values of a column of text.

    Parameters
    ----------
    column : column of a table
        Of any type.

    Returns
    -------
    list of str or None
        Empty where masked; None for numbers.
    """
    kind = getattr(getattr(column, "dtype", None), "kind", "")
    if kind not in {"S", "U", "O"}:
        return None
    values = np.ma.filled(getattr(column, "filled", lambda _: column)(""), "").tolist()
    words = [value.decode() if isinstance(value, bytes) else str(value) for value in values]
    return [word.strip() for word in words]


def is_sexagesimal(word):
    """Say whether a text is an angle in hours or degrees, minutes and seconds."""
    return bool(_SEXAGESIMAL.search(word))


def radians_of(words, unit, sexagesimal):
    """
    Return text as angles.

    Parameters
    ----------
    words : list of str
        As `words_of` gives them.
    unit : unit or None
        Of numbers; degrees where there is none.
    sexagesimal : unit
        Of minutes and seconds; what says "h" or "d" itself is of that.

    Returns
    -------
    (N,) array
        Radians; NaN where the text says nothing.

    Raises
    ------
    ValueError, TypeError
        If a text is no angle.
    """
    known = np.array([word.lower() not in _NOTHING for word in words], bool)
    marked = np.array([is_sexagesimal(word) for word in words], bool)
    found = np.full(len(words), np.nan)
    if isinstance(unit, u.UnrecognizedUnit):
        unit = None  # "h:m:s", as VizieR has it
    for rows, of_rows in ((known & marked, sexagesimal), (known & ~marked, unit or u.deg)):
        if rows.any():
            found[rows] = _radians([words[row] for row in np.flatnonzero(rows)], u.Unit(of_rows))
    return found


def _radians(words, unit):
    """Return text that says something as radians."""
    try:
        return (np.array(words).astype(float) * unit).to_value(u.rad)  # Angle knows no exponents
    except ValueError:
        return Angle(words, unit).rad
