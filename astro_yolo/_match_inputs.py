"""Positions and radii for matching, from tables, files and sky coordinates."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import QTable, Table

from astro_yolo._columns import conform, floats, is_result, whole
from astro_yolo._match_geometry import tangent_axes, unit_vectors
from astro_yolo._table_files import read_plain
from astro_yolo.exceptions import MatchError

__all__ = ["Positions", "as_table", "positions_of", "radius_of", "without_unit"]

# Pairs of column names in the order in which they are tried, in lower case.
_NAMES = (
    ("ra", "dec"),
    ("raj2000", "dej2000"),
    ("_raj2000", "_dej2000"),
    ("ra_icrs", "de_icrs"),
    ("alpha_j2000", "delta_j2000"),
    ("radeg", "decdeg"),
    ("ra_deg", "dec_deg"),
    ("s_ra", "s_dec"),
)
_CENTROID = ("alpha_centroid", "delta_centroid")  # of a table that was measured
_MAS_PER_YEAR = u.mas / u.yr


@dataclass(frozen=True)
class Positions:
    """Unit vectors (N, 3), ICRS, of the rows whose position is usable; NaN for the others."""

    vectors: np.ndarray
    good: np.ndarray

    def __len__(self):
        """Return the number of rows."""
        return len(self.good)


def as_table(catalog, name, unit=None):
    """
    Return a catalogue as a table.

    Parameters
    ----------
    catalog : `~astropy.table.Table` or a row of it, path-like, `~astropy.coordinates.SkyCoord`
        A file is read as `astro_yolo.read_table` reads it, but no column of somebody else's is
        made one of ours; by Astropy where its ending is another.
    name : str
        Name of the argument, for messages.
    unit : unit, optional
        Given to position columns that have none. Those of our own tables are in degrees
        whatever it says: in CSV they have lost their unit.

    Returns
    -------
    `~astropy.table.Table`

    Raises
    ------
    MatchError
        If it is none of these, or the file cannot be read.
    """
    catalog = whole(catalog)
    if isinstance(catalog, Table):
        return _with_unit(catalog, unit)
    if isinstance(catalog, SkyCoord):
        place = catalog.icrs.ravel()
        return QTable({"ra": place.ra.to(u.deg), "dec": place.dec.to(u.deg)})
    if not isinstance(catalog, (str, Path)):
        msg = f"{name} must be a Table, a file or a SkyCoord, got {type(catalog).__name__}"
        raise MatchError(msg)
    return _with_unit(_read(catalog, name), unit)


def _read(path, name):
    """Return the table of a file, whoever wrote it."""
    try:
        return read_plain(path)
    except ValueError:
        pass  # an ending that our own tables do not have
    try:
        return Table.read(path)
    except Exception as error:  # readers of many formats raise as many classes
        msg = f"{name} must be a table that Astropy reads, got {path}: {error}"
        raise MatchError(msg) from error


def without_unit(table):
    """
    Return the columns of the position that have no unit.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Any table.

    Returns
    -------
    list of str
        Names in ``table``; empty where a SkyCoord stands for the position, or there is none.
    """
    if _sky_column(table) is not None:
        return []
    return [name for name in _pair(table) if getattr(table[name], "unit", None) is None]


def _with_unit(table, unit):
    """Return a table whose position has a unit: its own, that of our tables, or the one given."""
    bare = without_unit(table)
    if bare and is_result(table):
        return conform(table)
    if not bare or unit is None:
        return table
    table = table.copy(copy_data=False)  # the caller's own table stays as it is
    for name in bare:
        # a unit that is none is refused later, with the name of the column
        table[name].unit = u.Unit(unit, parse_strict="silent")
    return table


def positions_of(table, name, *, epoch=None):
    """
    Return the sky positions of a table.

    A SkyCoord column is taken if there is one, else the first pair of the usual names (ra and dec,
    RAJ2000 and DEJ2000, ...). In a table that was measured, the centre of the light stands for that
    of the box where it is known. With ``epoch``, columns ``pmra`` (with the cosine of the
    declination) and ``pmdec``, and ``ref_epoch`` in Julian years, move the positions.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table, of `as_table`.
    name : str
        Name of the argument, for messages.
    epoch : float, optional
        Julian year to move the positions to.

    Returns
    -------
    Positions

    Raises
    ------
    MatchError
        If there are no such columns, or they have no unit.
    """
    place = _sky_column(table)
    if place is None:
        longitude, latitude = _coordinate_columns(table, name)
    else:
        longitude, latitude = place.icrs.ra.radian, place.icrs.dec.radian
    good = np.isfinite(longitude) & np.isfinite(latitude) & (np.abs(latitude) <= np.pi / 2 + 1e-12)
    vectors = unit_vectors(np.where(good, longitude, np.nan), latitude)
    if epoch is not None:
        vectors = _moved(vectors, table, epoch)
    return Positions(vectors, good)


def _sky_column(table):
    """Return the first column that is a SkyCoord, or None."""
    return next((col for col in table.itercols() if isinstance(col, SkyCoord)), None)


def _pair(table):
    """Return the names of the position's two columns; none where there are none."""
    lower = {column.lower(): column for column in table.colnames}
    found = next((pair for pair in _NAMES if set(pair) <= set(lower)), ())
    return [lower[key] for key in found]


def _coordinate_columns(table, name):
    """Return longitude and latitude in radians, NaN where masked."""
    pair = _pair(table)
    if not pair:
        msg = f"{name} must have columns ra and dec (or a SkyCoord), got {table.colnames}"
        raise MatchError(msg)
    place = [_radians(table[key], f"{name}[{key!r}]") for key in pair]
    lower = {column.lower(): column for column in table.colnames}
    if set(_CENTROID) <= set(lower):
        # the names are our own, and CSV has lost their unit
        light = [_radians(table[lower[key]], key, u.deg) for key in _CENTROID]
        known = np.isfinite(light).all(axis=0)
        place = [np.where(known, new, old) for new, old in zip(light, place, strict=True)]
    return tuple(place)


def _radians(column, name, unit=None):
    """Return an angle column in radians, NaN where masked."""
    found = getattr(column, "unit", None) or unit
    if found is None:
        msg = f'{name} must have a unit, got none: set it, or say unit="deg" (--unit deg)'
        raise MatchError(msg)
    values = floats(column)
    try:
        return (values * u.Unit(found)).to_value(u.rad)
    except (u.UnitConversionError, ValueError, TypeError) as error:
        msg = f"{name} must be an angle, got unit {found}"
        raise MatchError(msg) from error


def _moved(vectors, table, epoch):
    """Move positions along their proper motion to an epoch; what has none stays."""
    lower = {column.lower(): column for column in table.colnames}
    if not {"pmra", "pmdec", "ref_epoch"} <= set(lower):
        return vectors
    east, north = tangent_axes(vectors)
    rates = []
    for key in ("pmra", "pmdec"):
        column = table[lower[key]]
        rate = floats(column) * u.Unit(getattr(column, "unit", None) or _MAS_PER_YEAR)
        rates.append(np.nan_to_num(rate.to_value(u.rad / u.yr)))
    years = np.nan_to_num(epoch - floats(table[lower["ref_epoch"]]))
    vectors = vectors + (rates[0] * years)[:, None] * east + (rates[1] * years)[:, None] * north
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def radius_of(radius, table):
    """
    Return the largest separation of a pair for each row.

    Parameters
    ----------
    radius : `~astropy.units.Quantity`, str
        An angle, one for all or one a row; the name of a column; or "size": half of the longer
        side of the source's box.
    table : `~astropy.table.Table`
        The table whose rows look for a partner.

    Returns
    -------
    (N,) array
        Radians; NaN where a row has none.

    Raises
    ------
    MatchError
        If it is not a positive angle.
    """
    if isinstance(radius, str):
        radius = _radius_column(radius, table)
    try:
        values = u.Quantity(radius).to_value(u.rad)
    except (u.UnitConversionError, TypeError) as error:
        msg = f"radius must be an angle such as 2 * u.arcsec, got {radius!r}"
        raise MatchError(msg) from error
    if values.ndim and values.shape != (len(table),):
        msg = f"radius must be one angle or one a row ({len(table)}), got shape {values.shape}"
        raise MatchError(msg)
    if np.any(values <= 0) or np.any(np.isinf(values)):
        msg = f"radius must be positive, got {radius!r}"
        raise MatchError(msg)
    return np.broadcast_to(values, (len(table),)).astype(float)


def _radius_column(name, table):
    """Return the radii of a column, or half of the longer side of the box for "size"."""
    wanted = ("width", "height") if name == "size" else (name,)
    missing = [key for key in wanted if key not in table.colnames]
    if missing:
        msg = f"radius={name!r} needs the column {missing[0]!r}, got {table.colnames}"
        raise MatchError(msg)
    values = [floats(table[key]) * u.Unit(table[key].unit or "") for key in wanted]
    return np.maximum(values[0], values[1]) / 2 if name == "size" else values[0]
