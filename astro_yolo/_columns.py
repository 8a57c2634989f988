"""What the columns, classes and flags of a result table are."""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from astropy.table import MaskedColumn, QTable, Row, Table
from astropy.units import Quantity, Unit, UnitConversionError

from astro_yolo._column_values import text_of, values_and_mask, words_of

__all__ = [
    "CLASSES",
    "COLUMNS",
    "FLAGS",
    "FLAG_DESCRIPTIONS",
    "LABELS",
    "Column",
    "conform",
    "decode_flags",
    "floats",
    "is_result",
    "one_line",
    "plain",
    "sky_places",
    "stacked",
    "strays",
    "whole",
]

#: Galaxy classes, in the order of the class probabilities.
CLASSES = ("elliptical", "spiral", "edge_on", "merger", "unknown")

#: What the column ``label`` can say.
LABELS = (*CLASSES, "star")

#: What each bit of the column ``flags`` means.
FLAG_DESCRIPTIONS = {
    "edge": (1, "the box touches the border of the image"),
    "masked": (2, "a tenth of the box or its centre is masked or not finite"),
    "saturated": (4, "pixels in the box are saturated"),
    "seam": (8, "the box touches a seam between tiles"),
    "out_of_domain": (16, "pixel scale or size lie outside what the network was trained on"),
}

#: Bit of each flag by name.
FLAGS = {name: bit for name, (bit, _) in FLAG_DESCRIPTIONS.items()}


@dataclass(frozen=True)
class Column:
    """
    One column of the result table.

    Parameters
    ----------
    name : str
        Name of the column.
    dtype : str
        numpy type.
    unit : str or None
        Unit in which the column is kept.
    ucd : str
        Unified content descriptor (IVOA UCD1+).
    description : str
        One line for a reader.
    """

    name: str
    dtype: str
    unit: str | None
    ucd: str
    description: str


def _pixel(name, ucd, what):
    return Column(name, "f8", None, ucd, f"{what}; 0-based, centre of the first pixel = 0")


def _probability(name):
    what = f"probability of class {name}, given that it is a galaxy"
    return Column(f"p_{name}", "f4", None, "stat.probability;src.morph.type", what)


_FLAG_TEXT = ", ".join(f"{bit} {name}" for name, bit in FLAGS.items())

#: Every column that the package writes, in order.
COLUMNS = (
    Column("id", "i8", None, "meta.id;meta.main", "number of the row, by falling score"),
    Column("ra", "f8", "deg", "pos.eq.ra;meta.main", "right ascension of the centre, ICRS"),
    Column("dec", "f8", "deg", "pos.eq.dec;meta.main", "declination of the centre, ICRS"),
    _pixel("x", "pos.cartesian.x;instr.det", "centre of the box in x"),
    _pixel("y", "pos.cartesian.y;instr.det", "centre of the box in y"),
    _pixel("xmin", "pos.cartesian.x;stat.min;instr.det", "left edge of the box"),
    _pixel("ymin", "pos.cartesian.y;stat.min;instr.det", "lower edge of the box"),
    _pixel("xmax", "pos.cartesian.x;stat.max;instr.det", "right edge of the box"),
    _pixel("ymax", "pos.cartesian.y;stat.max;instr.det", "upper edge of the box"),
    Column("width", "f8", "arcsec", "phys.angSize;src", "size of the box along the x axis"),
    Column("height", "f8", "arcsec", "phys.angSize;src", "size of the box along the y axis"),
    Column("score", "f4", None, "stat.probability", "probability that a galaxy is there"),
    Column("label", "U10", None, "src.morph.type", "most probable class"),
    *(_probability(name) for name in CLASSES),
    Column("p_star", "f4", None, "stat.probability", "probability that it is a star"),
    Column("flags", "i4", None, "meta.code.qual", f"sum of bits: {_FLAG_TEXT}"),
)

_BY_NAME = {column.name: column for column in COLUMNS}

# What every table of sources of this package has, and hardly a table of anybody else.
_OF_RESULTS = {"id", "x", "y", "xmin", "ymin", "xmax", "ymax", "label"}


def decode_flags(values):
    """
    Return the names of the flags that are set.

    Parameters
    ----------
    values : int or array of int
        Values of the column ``flags``.

    Returns
    -------
    tuple of str, or list of tuple of str
        Names for one value; a list of them for an array. No names where masked.

    Raises
    ------
    ValueError
        If a value has a bit that no flag owns.

    Examples
    --------
    >>> from astro_yolo.catalog import decode_flags
    >>> decode_flags(5)
    ('edge', 'saturated')
    """
    array = np.asarray(np.ma.filled(values, 0))
    if array.ndim:
        return [decode_flags(value) for value in array.tolist()]
    value = int(array)
    if value & ~sum(FLAGS.values()):
        raise ValueError(f"values must be sums of {_FLAG_TEXT}, got {value}")
    return tuple(name for name, bit in FLAGS.items() if value & bit)


def conform(table):
    """
    Give the known columns their type, unit, description and UCD.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Columns that are not known keep what they have; bytes become text.

    Returns
    -------
    `~astropy.table.QTable`
        A new table in the order of ``table``, with the same meta. Where a known column is masked,
        a number is NaN, a whole number stays masked, and a text is empty.
    """
    return _rebuilt(table, _BY_NAME)


def plain(table):
    """
    Give all columns what they have, whatever their names: the table of somebody else.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Bytes become text, a masked text an empty one.

    Returns
    -------
    `~astropy.table.QTable`
        A new table in the order of ``table``, with the same meta.
    """
    return _rebuilt(table, {})


def is_result(table):
    """
    Say whether a table is one of this package, by its columns: CSV has no place for more.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any table.

    Returns
    -------
    bool
    """
    return _OF_RESULTS.issubset(table.colnames)


def floats(column):
    """
    Return the numbers of a column without unit and mask.

    Parameters
    ----------
    column : `~astropy.table.Column`, `~astropy.units.Quantity`, masked or not, or number
        Of any type that becomes a float.

    Returns
    -------
    array of float
        NaN where masked.
    """
    values, mask = values_and_mask(column)
    return np.where(mask, np.nan, values.astype(float))


def one_line(text):
    """Return a text without line breaks, as XML has them inside a text; None stays None."""
    return " ".join(text.split()) if isinstance(text, str) else text


def sky_places(table):
    """
    Return where the rows of a table are on the sky by its own columns.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any table.

    Returns
    -------
    (4, N) array
        ra and dec in degrees, width and height in arcsec; NaN where there is none.
    """
    places = np.full((4, len(table)), np.nan)
    for values, name in zip(places, ("ra", "dec", "width", "height"), strict=True):
        if name in table.colnames:
            with suppress(ValueError, TypeError):  # another's column: text, or no angle
                values[:] = conform(table[[name]])[name].value
    places[2:][places[2:] <= 0] = np.nan
    return places


def stacked(table):
    """
    Tell apart the rows of tables that were stacked, by their ids: each counts them upwards.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any table.

    Returns
    -------
    (N,) array of int
        The same number for rows of one table; all 0 where the ids do not tell.
    """
    none = np.zeros(len(table), int)
    if not len(table) or "id" not in table.colnames or table["id"].dtype.kind not in "iu":
        return none
    groups = np.cumsum(np.diff(np.asarray(table["id"]), prepend=0) <= 0)
    return none if groups[-1] > len(table) / 3 else groups  # more: the rows were sorted


def strays(table, away):
    """
    Divide rows that are not where an image has them by the tables that were stacked.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any table.
    away : (N,) array of bool
        The rows.

    Yields
    ------
    (N,) array of bool, bool
        Those of one table, and whether they are most of it: then it is of another image. A few rows
        that somebody moved are of the image that the others are of.
    """
    groups = stacked(table)
    for group in np.unique(groups[away]):
        own = groups == group
        yield away & own, away[own].mean() > 0.5


def whole(table, name="table"):
    """
    Return a table, also where one row of it is given.

    Parameters
    ----------
    table : `~astropy.table.Table` or `~astropy.table.Row`
        Any table, or what ``table[0]`` gives.
    name : str, optional
        Name of the argument, for messages.

    Returns
    -------
    `~astropy.table.Table`
        The table itself, or a new one of the row alone with the same meta.

    Raises
    ------
    TypeError
        If it is neither.
    """
    if isinstance(table, Row):
        return table.table[[table.index]]
    if not isinstance(table, Table):
        raise TypeError(f"{name} must be an astropy Table, got {type(table).__name__}")
    return table


def _rebuilt(table, known):
    """Return a new table whose columns are as the known ones promise."""
    result = QTable(meta=dict(table.meta))
    for name in table.colnames:
        result[name] = _values(table[name], known.get(name))
        _describe(result[name], table[name], known.get(name))
    return result


def _values(values, column):
    """Return the values of a column in the type and unit of its entry."""
    if not hasattr(values, "dtype"):
        return values  # a SkyCoord or Time
    if values.dtype.kind in "SU" and hasattr(values, "filled"):
        values = values.filled("")  # ECSV and CSV read an empty text as a missing one
    if column is None:
        return _plain(values)
    if column.unit is not None:
        unit = getattr(values, "unit", None) or Unit(column.unit)
        try:
            return Quantity(floats(values).astype(column.dtype), unit).to(column.unit)
        except UnitConversionError as error:
            msg = f"table[{column.name!r}] must be in {column.unit} or its like, got {unit}"
            raise UnitConversionError(msg) from error
    if column.dtype.startswith("U"):
        return _text(values, column.dtype)
    if column.dtype.startswith("f"):
        return floats(values).astype(column.dtype)
    return _integers(values, column.dtype)


def _integers(values, dtype):
    """Return whole numbers, masked where there is none; what would be another stays as it is."""
    numbers, missing = values_and_mask(values)
    if numbers.dtype.kind == "f":
        missing = missing | ~np.isfinite(numbers)
    if missing.any():
        numbers = np.where(missing, np.zeros((), numbers.dtype), numbers)
    try:
        with np.errstate(invalid="ignore"):
            found = numbers.astype(dtype)
    except (TypeError, ValueError):
        return _plain(values)  # text: another's names
    if numbers.dtype.kind in "iuf" and not np.array_equal(found, numbers):
        return _plain(values)  # another's bits, or with a fraction
    return MaskedColumn(found, mask=missing) if missing.any() else found


def _plain(values):
    """Return the values of a column that is not known, as text or in native byte order."""
    if values.dtype.kind in "SU":
        return np.asarray(values).astype(str)
    if (words := text_of(values)) is not None:
        return words
    native = values.dtype.newbyteorder("=")
    return values if values.dtype.isnative else values.astype(native)


def _text(values, dtype):
    """Return text of at least the registered length: a longer label is not cut."""
    array = words_of(values)
    if not array.size:
        return array.astype(dtype)
    return array.astype(max(np.dtype(dtype), array.dtype, key=lambda kind: kind.itemsize))


def _describe(target, source, column):
    if column is None:
        target.info.description = one_line(source.info.description)
        target.info.meta = source.info.meta
        return
    target.info.description = column.description
    target.info.meta = {"ucd": column.ucd}
