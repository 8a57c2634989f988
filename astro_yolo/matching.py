"""Match a table with a catalogue on the sky, and account for every row of both.

Angles are true separations on the sphere, so that poles and right ascension 0 are places like any
other. A row is matched, unmatched or rejected (without a usable position); nothing is dropped.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import QTable, hstack
from astropy.utils.exceptions import AstropyUserWarning

from astro_yolo import _sphere as sphere
from astro_yolo._columns import floats
from astro_yolo._match_inputs import as_table, numbers_of, positions_of
from astro_yolo.exceptions import MatchError

__all__ = ["MODES", "Match", "Offset", "crossmatch"]

#: Ways to choose pairs.
MODES = ("one-to-one", "best", "all")

_ABOUT_IMAGE = {"IMAGE", "BANDS", "WCS", "PROV"}  # what the meta of a table says of its pixels


@dataclass(frozen=True)
class Offset:
    """
    How far the catalogue lies from the table: catalogue minus table.

    Attributes
    ----------
    east, north : `~astropy.units.Quantity`
        Medians, arcsec; NaN without pairs.
    scatter_east, scatter_north : `~astropy.units.Quantity`
        1.4826 times the median absolute deviations, arcsec.
    """

    east: u.Quantity
    north: u.Quantity
    scatter_east: u.Quantity
    scatter_north: u.Quantity


@dataclass(frozen=True)
class Match:
    """
    The outcome of a match.

    Attributes
    ----------
    matched : `~astropy.table.QTable`
        One row a pair: the columns of the table, those of the catalogue (a name that both have
        gets ``_cat`` there), and ``row``, ``row_cat`` (places in the inputs, from 0),
        ``separation`` (arcsec), ``position_angle`` (deg, from the table's source to the
        catalogue's, north through east), ``p_chance``.
    unmatched, unmatched_catalog : `~astropy.table.Table`
        Rows of the inputs that have a position and no partner.
    rejected, rejected_catalog : `~astropy.table.Table`
        Rows whose position is masked, not finite or no latitude, or whose radius is not finite.
    ambiguous : `~astropy.table.QTable`
        All pairs (``row``, ``row_cat``, ``separation``) of rows with more than one candidate
        within the radius, on either side.
    offset : Offset
        Measured on the pairs, before any correction.
    expected_by_chance : float
        Number of rows that would have a candidate within their radius if the catalogue were
        strewn at random at its local density; NaN where that is not known.

    Notes
    -----
    ``p_chance`` is ``1 - exp(-pi d^2 rho)``: the probability that a source that has nothing to do
    with the row lies as near (Downes et al. 1986, MNRAS 218, 31), with the local density rho from
    the twenty-first neighbour.
    """

    matched: QTable
    unmatched: QTable
    unmatched_catalog: QTable
    rejected: QTable
    rejected_catalog: QTable
    ambiguous: QTable
    offset: Offset
    expected_by_chance: float

    def __repr__(self):
        parts = (f"{name}={len(getattr(self, name))}" for name in self.__dataclass_fields__
                 if name not in ("offset", "expected_by_chance"))
        return f"Match({', '.join(parts)})"


def crossmatch(
    table, catalog, radius=2 * u.arcsec, *, mode="one-to-one", correct=False, unit=None, epoch=None
):
    """
    Match a table with a catalogue.

    Parameters
    ----------
    table, catalog : `~astropy.table.Table`, path-like or `~astropy.coordinates.SkyCoord`
        Tables need a SkyCoord column or columns ``ra`` and ``dec`` (or other usual names), ICRS,
        with a unit, in a file too; or text, such as 10:00:42.5 (hours) and +02:12:21. Where
        a table was measured, the centre of the light (``alpha_centroid``, ``delta_centroid``)
        stands for that of the box.
    radius : `~astropy.units.Quantity` or str, optional
        Largest separation: an angle; one angle a row of ``table``; the name of a column of it;
        or "size", half of the longer side of each source's box.
    mode : {"one-to-one", "best", "all"}, optional
        "one-to-one": pairs in which each is the other's nearest; "best": the nearest of the
        catalogue for each row, which may serve several rows; "all": every pair.
    correct : bool, optional
        Match again after the median offset of the first match was taken off.
    unit : unit or pair of units, optional
        Of coordinate columns that have none: one for both, where hours are of right ascension alone
        and the declination is in degrees, or one for each, as in ("hourangle", "deg"). Those
        of this package's own tables are in degrees, also where CSV has lost their unit.
    epoch : float or `~astropy.time.Time`, optional
        Julian year, or time, to which positions with proper motions are moved: those of a SkyCoord
        with ``obstime``, or of columns ``pmra``, ``pmdec`` and ``ref_epoch`` (VizieR: ``pmRA``,
        ``pmDE`` and ``Epoch``). What has no motion stays where it is.

    Returns
    -------
    Match

    Raises
    ------
    MatchError
        If positions, their units or the radius are missing or wrong, the mode is unknown, or
        there are an ``epoch`` and proper motions without the epoch that the positions are of.
    FileNotFoundError
        If a file is not there.

    Examples
    --------
    >>> from astropy.coordinates import SkyCoord
    >>> from astro_yolo import crossmatch
    >>> ours = SkyCoord([10.0, 20.0], [0.0, 5.0], unit="deg")
    >>> theirs = SkyCoord([20.0001, 10.0], [5.0, 0.0002], unit="deg")
    >>> found = crossmatch(ours, theirs, 1 * u.arcsec)
    >>> found.matched["row_cat"].tolist()
    [1, 0]
    >>> found.matched["separation"].round(2)
    <Quantity [0.72, 0.36] arcsec>
    """
    if mode not in MODES:
        msg = f"mode must be one of {', '.join(MODES)}, got {mode!r}"
        raise MatchError(msg)
    (table, ours), (catalog, theirs) = (
        _side(given, name, unit, epoch)
        for given, name in ((table, "table"), (catalog, "catalog"))
    )
    reach = _radius_of(radius, table)
    good = ours.good & np.isfinite(reach)
    rows, places = np.flatnonzero(good), np.flatnonzero(theirs.good)
    first, second, reach = ours.vectors[rows], theirs.vectors[places], reach[rows]
    pairs = _pairs(first, second, reach, mode)
    offset = _offset(first[pairs[:, 0]], second[pairs[:, 1]])
    if correct and len(pairs):
        first = sphere.displaced(first, *(
            middle.to_value(u.rad) for middle in (offset.east, offset.north)
        ))
        pairs = _pairs(first, second, reach, mode)
    chance, expected = _chance(first, second, pairs, reach)
    numbers = np.stack([rows[pairs[:, 0]], places[pairs[:, 1]]], axis=1)
    measured = _measured(first[pairs[:, 0]], second[pairs[:, 1]])
    return Match(
        matched=_joined(table, catalog, numbers, {**measured, "p_chance": chance}),
        unmatched=table[_others(good, numbers[:, 0])],
        unmatched_catalog=catalog[_others(theirs.good, numbers[:, 1])],
        rejected=table[~good],
        rejected_catalog=catalog[~theirs.good],
        ambiguous=_ambiguous(first, second, reach, rows, places),
        offset=offset,
        expected_by_chance=expected,
    )


def _side(given, name, unit, epoch):
    """Return one side of the match as a table, and its positions."""
    table = as_table(given, name, unit)
    # a SkyCoord may know more of its motion than a table holds
    place = given if isinstance(given, SkyCoord) else table
    return table, positions_of(place, name, epoch=epoch)


def _others(good, taken):
    """Return the usable rows that are not taken."""
    free = good.copy()
    free[taken] = False
    return np.flatnonzero(free)


def _radius_of(radius, table):
    """Return the largest separation of a pair for each row, radians; NaN where it has none."""
    given, radius = radius, _radius_column(radius, table) if isinstance(radius, str) else radius
    if getattr(radius, "mask", None) is not None:  # a row whose radius is masked has none
        radius = floats(radius) * u.Unit(getattr(radius, "unit", None) or "")
    try:
        values = u.Quantity(radius).to_value(u.rad)
    except (u.UnitConversionError, TypeError) as error:
        msg = f"radius must be an angle such as 2 * u.arcsec, got {_brief(given, radius)}"
        raise MatchError(msg) from error
    if values.ndim and values.shape != (len(table),):
        msg = f"radius must be one angle or one a row ({len(table)}), got shape {values.shape}"
        raise MatchError(msg)
    wrong = (values <= 0) | np.isinf(values)
    wrong |= np.isnan(values) & (values.ndim == 0)  # of one row it says that the row has none
    if np.any(wrong):
        msg = f"radius must be positive, got {np.ravel(u.Quantity(radius)[wrong])[0]}"
        raise MatchError(msg)
    return np.broadcast_to(values, (len(table),)).astype(float)


def _brief(given, radius):
    """Return what stands for a radius in a message: many numbers would hide it."""
    unit = str(getattr(radius, "unit", None) or "") or "no unit"
    if isinstance(given, str):
        return f"the column {given!r} in {unit}"
    return f"{len(radius)} values in {unit}" if np.ndim(radius) else repr(radius)


def _radius_column(name, table):
    """Return the radii of a column, or half of the longer side of the box for "size"."""
    wanted = ("width", "height") if name == "size" else (name,)
    missing = [key for key in wanted if key not in table.colnames]
    if missing:
        angle = "" if name == "size" else "is no angle such as 2 * u.arcsec, and "
        msg = f"radius={name!r} {angle}needs the column {missing[0]!r}, got {table.colnames}"
        raise MatchError(msg)
    values = [numbers_of(table[key], f"radius={key!r}") * u.Unit(table[key].unit or "")
              for key in wanted]  # fmt: skip
    return np.maximum(values[0], values[1]) / 2 if name == "size" else values[0]


def _pairs(first, second, reach, mode):
    """Return the chosen pairs, (K, 2) indices."""
    if not len(first) or not len(second):
        return np.empty((0, 2), dtype=int)
    if mode == "all":
        return sphere.all_pairs(first, second, reach)
    index, angle = sphere.nearest(first, second)
    chosen = angle <= reach
    if mode == "one-to-one":
        # only the catalogue's sources that somebody chose need look back
        candidates, back = np.flatnonzero(np.bincount(index)), np.full(len(second), -1)
        back[candidates], _ = sphere.nearest(second[candidates], first)
        chosen &= back[index] == np.arange(len(first))
    rows = np.flatnonzero(chosen)
    return np.stack([rows, index[rows]], axis=1)


def _offset(first, second):
    """Return the median offset of pairs and its scatter."""
    if not len(first):
        nothing = np.nan * u.arcsec
        return Offset(nothing, nothing, nothing, nothing)
    parts = [(values * u.rad).to(u.arcsec) for values in sphere.offsets(first, second)]
    middles = [np.median(values) for values in parts]
    spreads = [
        1.4826 * np.median(np.abs(values - middle))
        for values, middle in zip(parts, middles, strict=True)
    ]
    return Offset(*middles, *spreads)


def _chance(first, second, pairs, reach):
    """Return the chance probability of each pair, and the expected number of chance matches."""
    crowding = sphere.density(first, second)
    angle = sphere.separation(first[pairs[:, 0]], second[pairs[:, 1]])
    of_pairs = -np.expm1(-np.pi * angle**2 * crowding[pairs[:, 0]])
    return of_pairs, float(-np.expm1(-np.pi * reach**2 * crowding).sum())


def _measured(first, second):
    """Return separation and position angle of pairs."""
    return {
        "separation": (sphere.separation(first, second) * u.rad).to(u.arcsec),
        "position_angle": (sphere.position_angle(first, second) * u.rad).to(u.deg),
    }


def _joined(table, catalog, numbers, measured):
    """Return the table of pairs."""
    found = QTable({"row": numbers[:, 0], "row_cat": numbers[:, 1], **measured})
    with warnings.catch_warnings():
        # text with a unit, "h:m:s" say, is no Quantity, and stays what it is
        warnings.filterwarnings("ignore", ".*has a unit but is kept as a", AstropyUserWarning)
        left, right = QTable(table[numbers[:, 0]]), QTable(catalog[numbers[:, 1]])
        _rename(left, right, found)
        joined = hstack([left, right, found], join_type="exact", metadata_conflicts="silent")
    joined.meta = _joined_meta(left, right)
    return joined


def _joined_meta(left, right):
    """Return the meta of both, where they differ that of the left; of one image alone."""
    meta = dict(right.meta)
    if "xmin" in left.colnames:  # the boxes of the left keep their names, on the left's pixels
        meta = {key: value for key, value in meta.items() if key not in _ABOUT_IMAGE}
    return meta | dict(left.meta)


def _rename(left, right, found):
    """Rename the columns of both sides whose names are taken."""
    taken = {*left.colnames, *found.colnames}
    for name in right.colnames:
        if name in taken:
            right.rename_column(name, _free(f"{name}_cat", {*taken, *right.colnames}))
    for name in set(left.colnames) & set(found.colnames):
        left.rename_column(name, _free(f"{name}_1", taken))


def _free(name, taken):
    """Return a name that is not taken."""
    while name in taken:
        name += "_"
    return name


def _ambiguous(first, second, reach, rows, places):
    """Return all pairs of the rows that have more than one candidate, on either side."""
    pairs = sphere.all_pairs(first, second, reach)
    ours = np.bincount(pairs[:, 0], minlength=len(first))
    theirs = np.bincount(pairs[:, 1], minlength=len(second))
    pairs = pairs[(ours[pairs[:, 0]] > 1) | (theirs[pairs[:, 1]] > 1)]
    angle = sphere.separation(first[pairs[:, 0]], second[pairs[:, 1]])
    return QTable({
        "row": rows[pairs[:, 0]],
        "row_cat": places[pairs[:, 1]],
        "separation": (angle * u.rad).to(u.arcsec),
    })
