"""Positions for matching, from tables, files and sky coordinates."""

import warnings
from dataclasses import dataclass
from numbers import Real
from os import PathLike

import numpy as np
from astropy import units as u
from astropy.coordinates import ConvertError, RadialDifferential, SkyCoord
from astropy.table import QTable, Row, Table
from astropy.time import Time

from astro_yolo import _angle_text as angle_text
from astro_yolo._catalog_files import read_catalog
from astro_yolo._columns import conform, floats, is_result, whole
from astro_yolo._sphere import displaced, unit_vectors
from astro_yolo.exceptions import InputWarning, MatchError, warn_user

__all__ = ["Positions", "as_table", "has_motion", "numbers_of", "positions_of", "without_unit"]

# Pairs of column names in the order in which they are tried, in lower case.
_NAMES = (
    ("ra", "dec"),
    ("raj2000", "dej2000"), ("_raj2000", "_dej2000"), ("ra_icrs", "de_icrs"),
    ("raj2000", "decj2000"), ("alpha_j2000", "delta_j2000"), ("alphawin_j2000", "deltawin_j2000"),
    ("radeg", "dedeg"), ("radeg", "decdeg"), ("ra_deg", "dec_deg"),
    ("s_ra", "s_dec"),
    ("ramean", "decmean"),
    ("ra", "decl"),
)  # fmt: skip
_CENTROID = ("alpha_centroid", "delta_centroid")  # of a table that was measured
# Of VizieR's Gaia: its RAJ2000 and DEJ2000 are of another epoch than the one it names.
_OF_EPOCH = ("ra_icrs", "de_icrs")
_MOTIONS = (("pmra", "pmdec"), ("pmra", "pmde"), ("pm_ra_cosdec", "pm_dec"), ("pm_ra", "pm_dec"))
_EPOCHS = ("ref_epoch", "refepoch", "epoch")
_YEARS = (1000, 3000)  # a number outside is no Julian year: a Julian date, say


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
        A file is read as `read_catalog` reads it.
    name : str
        Name of the argument, for messages.
    unit : unit or pair of units, optional
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
    if isinstance(catalog, Table | Row):
        return _with_unit(whole(catalog), unit)
    if isinstance(catalog, SkyCoord):
        place = _in_icrs(catalog, name).ravel()
        return QTable({"ra": place.ra.to(u.deg), "dec": place.dec.to(u.deg)})
    if not isinstance(catalog, str | PathLike):
        msg = f"{name} must be a Table, a file or a SkyCoord, got {type(catalog).__name__}"
        raise MatchError(msg)
    return _with_unit(read_catalog(catalog, name, wanted=_has_place), unit)


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
        Names in ``table``; empty where a SkyCoord stands for the position, or there is none. Text
        such as 10:00:42.5 needs no unit.
    """
    if _sky_column(table) is not None:
        return []
    return _unitless(table, _pair(table))


def _unitless(table, names, *, unknown=False):
    """Return the columns that have no unit, or one that nobody knows if asked, and need one."""
    kinds = (type(None), u.UnrecognizedUnit) if unknown else type(None)
    bare = [name for name in names if isinstance(angle_text.unit_of(table[name]), kinds)]
    words = [angle_text.words_of(table[name]) or () for name in bare]
    return [name for name, own in zip(bare, words, strict=True)
            if not any(map(angle_text.is_sexagesimal, own))]  # fmt: skip


def _with_unit(table, unit):
    """Return a table whose position has a unit: its own, that of our tables, or the one given."""
    if without_unit(table) and is_result(table):
        return conform(table)
    if unit is None or _sky_column(table) is not None:
        return table
    table = table.copy(copy_data=False)  # the caller's own table stays as it is
    for pair in (_pair(table), _pair(table, moving=True)):
        for name, own in zip(pair, angle_text.units_of_pair(unit), strict=False):
            if name in _unitless(table, pair, unknown=True):
                table[name] = angle_text.in_unit(table[name], own)
    return table


def positions_of(table, name, *, epoch=None):
    """
    Return the sky positions of a table.

    A SkyCoord column is taken if there is one, else the first pair of the usual names (ra and dec,
    RAJ2000 and DEJ2000, ...). In a table that was measured, the centre of the light stands for that
    of the box where it is known. With ``epoch``, the motion of the SkyCoord, or columns ``pmra``
    (with the cosine of the declination), ``pmdec`` and ``ref_epoch`` or like VizieR's, move them.

    Parameters
    ----------
    table : `~astropy.table.Table` or `~astropy.coordinates.SkyCoord`
        The table, of `as_table`.
    name : str
        Name of the argument, for messages.
    epoch : float or `~astropy.time.Time`, optional
        Julian year to move the positions to.

    Returns
    -------
    Positions

    Raises
    ------
    MatchError
        If there are no such columns, or they have no unit, or motions no reference epoch.
    """
    epoch = None if epoch is None else _julian_year(epoch)
    place = table.ravel() if isinstance(table, SkyCoord) else _sky_column(table)
    moves = epoch is not None and _moves(place)
    if moves:
        place = _moved_place(place, name, epoch)
    if place is None:
        longitude, latitude = _coordinate_columns(table, name, epoch)
    else:
        place = _in_icrs(place, name)
        longitude, latitude = floats(place.ra.rad), floats(place.dec.rad)
    if longitude.ndim != 1:
        msg = f"{name} must have one position a row, got an array of {longitude.shape[1:]} in each"
        raise MatchError(msg)
    good = np.isfinite(longitude) & np.isfinite(latitude) & (np.abs(latitude) <= np.pi / 2 + 1e-12)
    vectors = unit_vectors(np.where(good, longitude, np.nan), latitude)
    if epoch is not None and not moves and isinstance(table, Table):
        vectors = _moved(vectors, table, name, epoch)
    return Positions(vectors, good)


def has_motion(table):
    """
    Say whether a table has proper motions, which an epoch would move.

    Parameters
    ----------
    table : `~astropy.table.Table`
        The table, of `as_table`.

    Returns
    -------
    bool
    """
    return _moves(_sky_column(table)) or bool(_motion_columns(table, "table"))


def numbers_of(column, name, unit=None):
    """
    Return the numbers of a column.

    Parameters
    ----------
    column, name : column of a table, str
        Of any type, and what a message calls it.
    unit : unit, optional
        Wanted; of the numbers as well where the column has none.

    Returns
    -------
    array of float
        NaN where masked.

    Raises
    ------
    MatchError
        If it has none, or another kind of unit.
    """
    try:
        values = _one_a_row(floats(column))
        found = getattr(column, "unit", None)
        return values if unit is None or found is None else (values * u.Unit(found)).to_value(unit)
    except (u.UnitConversionError, ValueError, TypeError) as error:
        msg = f"{name} must be numbers{f' in {unit}' if unit else ''}, got {error}"
        raise MatchError(msg) from error


def _one_a_row(values):
    """Return values of which every row has one; raise where it has an array of them."""
    if values.ndim != 1:
        msg = f"an array of the shape {values.shape[1:]} in each row"
        raise ValueError(msg)
    return values


def _julian_year(epoch):
    """Return an epoch as a Julian year."""
    if isinstance(epoch, Time) and epoch.isscalar:
        epoch = epoch.jyear
    if isinstance(epoch, bool) or not isinstance(epoch, Real) or not np.isfinite(epoch):
        msg = f"epoch must be a Julian year such as 2004.7, or one Time, got {epoch!r}"
        raise MatchError(msg)
    return float(epoch)


def _sky_column(table):
    """Return the first column that is a SkyCoord, or None."""
    return next((col for col in table.itercols() if isinstance(col, SkyCoord)), None)


def _in_icrs(place, name):
    """Return a SkyCoord in ICRS."""
    try:
        return place.icrs
    except (ConvertError, AttributeError) as error:  # the latter of an observer without a place
        got = f"the frame {place.frame.name!r}"
        raise MatchError(f"{name} must be positions known in ICRS, got {got}") from error


def _has_place(table):
    """Say whether a table has positions."""
    return bool(_pair(table)) or _sky_column(table) is not None


def _moves(place):
    """Say whether a SkyCoord has a motion across the sky; None has not."""
    motion = None if place is None else place.data.differentials.get("s")
    return motion is not None and not isinstance(motion, RadialDifferential)


def _moved_place(place, name, epoch):
    """Move a SkyCoord to an epoch; what has no motion stays."""
    place = _in_icrs(place, name)
    motion = floats(place.pm_ra_cosdec) + floats(place.pm_dec)
    known = np.isfinite(motion) & np.isfinite(floats(place.ra) + floats(place.dec))
    ra, dec = floats(place.ra.rad), floats(place.dec.rad)
    if known.any():
        if place.obstime is None:
            raise _no_epoch(name, "obstime")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ERFA, that a star without a distance is given one
            there = place[known].apply_space_motion(new_obstime=Time(epoch, format="jyear"))
        ra[known], dec[known] = floats(there.ra.rad), floats(there.dec.rad)
    return SkyCoord(ra, dec, unit="rad")


def _no_epoch(name, key):
    """Build the error for motions that nobody can apply."""
    return MatchError(
        f"{name} must have {key} beside its proper motions where epoch is given, got none: "
        "nobody knows of which epoch the positions are"
    )


def _pair(table, *, moving=False):
    """Return the names of the position's two columns; none where there are none."""
    lower = _lower(table)
    names = (_OF_EPOCH, *_NAMES) if moving else _NAMES
    found = next((pair for pair in names if set(pair) <= set(lower)), ())
    return [lower[key] for key in found] or _written_out(table)


def _written_out(table):
    """Return the names of the columns that a SkyCoord became in VOTable; none without one."""
    for name in table.colnames:
        pair = [name, f"{name.removesuffix('.ra')}.dec"]
        if name.endswith(".ra") and pair[1] in table.colnames:
            ucds = [(table[key].info.meta or {}).get("ucd") for key in pair]
            if ucds == ["pos.eq.ra", "pos.eq.dec"]:
                return pair
    return []


def _lower(table):
    """Return the names of columns by the same in lower case, the first of each."""
    # behind a pair's own position stands that of its partner, in other letters perhaps
    return {column.lower(): column for column in reversed(table.colnames)}


def _coordinate_columns(table, name, epoch):
    """Return longitude and latitude in radians, NaN where masked."""
    pair = _pair(table, moving=epoch is not None)
    if not pair:
        msg = f"{name} must have columns ra and dec (or a SkyCoord), got {table.colnames}"
        raise MatchError(msg)
    place = [
        _radians(table[key], f"{name}[{key!r}]", sexagesimal=unit)
        for key, unit in zip(pair, (u.hourangle, u.deg), strict=True)
    ]
    lower = _lower(table)
    if set(_CENTROID) <= set(lower):
        # the names are our own, and CSV has lost their unit
        light = [_radians(table[lower[key]], key, u.deg) for key in _CENTROID]
        known = np.isfinite(light).all(axis=0)
        place = [np.where(known, new, old) for new, old in zip(light, place, strict=True)]
    return tuple(place)


def _radians(column, name, unit=None, *, sexagesimal=u.deg):
    """Return an angle column in radians, NaN where masked."""
    found, words = angle_text.unit_of(column) or unit, angle_text.words_of(column)
    if found == u.hour and sexagesimal == u.hourangle:
        found = sexagesimal  # "h", as FITS and CDS have it, is no time here
    try:
        if words is not None:
            return angle_text.radians_of(words, found, sexagesimal)
        if found is not None:
            return (_one_a_row(floats(column)) * u.Unit(found)).to_value(u.rad)
    except (u.UnitConversionError, ValueError, TypeError) as error:
        of_unit = isinstance(error, u.UnitConversionError) or isinstance(found, u.UnrecognizedUnit)
        got = f"unit {found}" if of_unit and words is None else error
        msg = f"{name} must be an angle, got {got}"
        raise MatchError(msg) from error
    msg = f'{name} must have a unit, got none: set it, or say unit="deg" (--unit deg)'
    raise MatchError(msg)


def _motion_columns(table, name):
    """Return the names of the two columns of a proper motion; none where there is none."""
    lower = _lower(table)
    found = next((pair for pair in _MOTIONS if set(pair) <= set(lower)), ())
    alone = [lower[key] for pair in _MOTIONS for key in pair if key in lower]
    if alone and not found:
        msg = f"{name} must have both columns of a proper motion, got {alone[0]!r} alone"
        raise MatchError(msg)
    pair = [lower[key] for key in found]
    return [] if pair and _is_of_partner(table, pair[0]) else pair


def _is_of_partner(table, column):
    """Say whether a column is of the catalogue that a table of ours was matched with."""
    names = table.colnames  # a pair's own columns stand before its partner's
    matched = "row_cat" in names and is_result(table)
    return matched and names.index("score") < names.index(column)


def _moved(vectors, table, name, epoch):
    """Move positions along their proper motion to an epoch; what has none stays."""
    pair = _motion_columns(table, name)
    rates = [numbers_of(table[key], f"{name}[{key!r}]", u.mas / u.yr) for key in pair]
    moving = np.isfinite(rates).all(axis=0) if pair else np.zeros(len(table), bool)
    if not moving.any():
        return vectors
    years = epoch - _reference_years(table, name)
    lost = moving & ~np.isfinite(years)
    if lost.any():
        warn_user(f"{name}: {lost.sum()} rows have a proper motion and no reference epoch; they "
                  "stay where they are", InputWarning)
    steps = [np.where(moving & ~lost, rate * years, 0) * u.mas.to(u.rad) for rate in rates]
    return displaced(vectors, *steps)


def _reference_years(table, name):
    """Return the Julian years that the positions are of."""
    lower = _lower(table)
    key = next((lower[key] for key in _EPOCHS if key in lower), None)
    if key is None:
        raise _no_epoch(name, "a column ref_epoch (Julian years)")
    column = table[key]
    label = f"{name}[{key!r}]"
    years = floats(column.jyear) if isinstance(column, Time) else numbers_of(column, label, u.yr)
    wrong = years[(years < _YEARS[0]) | (years > _YEARS[1])]
    if wrong.size:
        msg = f"{label} must be Julian years such as 2016.0, got {wrong[0]}"
        raise MatchError(msg)
    return years
