"""How complete and how pure a table is, judged by a catalogue."""

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.stats import binom_conf_interval
from astropy.table import QTable

from astro_yolo import _sphere as sphere
from astro_yolo._angle_text import one_angle
from astro_yolo._column_values import words_of
from astro_yolo._files import replacing
from astro_yolo._match_inputs import as_table, numbers_of, positions_of
from astro_yolo._sky import field_border, pixel_to_sky, sky_to_pixel
from astro_yolo.catalog import table_wcs
from astro_yolo.exceptions import InputWarning, MatchError, warn_user
from astro_yolo.matching import Match, crossmatch

__all__ = ["COLORS", "Comparison", "compare"]

#: Colour of each outcome in region files and plots.
COLORS = {"matched": "#00e676", "missed": "#ff5252", "spurious": "#ffd740"}

# Magnitudes from here on, of either sign, stand for none: SDSS writes -9999, SExtractor 99.
_NO_MAGNITUDE = 99
_NO_CLASS = "(none)"  # of rows whose class is masked or empty
_LEVEL = 0.6827  # of the intervals, one standard deviation of a normal distribution
_BORDER = 10  # pixels that the light of a source may lie beyond the image it was found in


@dataclass(frozen=True)
class Comparison:
    """
    A table held against a catalogue.

    Attributes
    ----------
    match : Match
        The one-to-one match; without `outside`.
    bins : `~astropy.table.QTable`
        A row per bin of magnitude, or one row "all": ``low``, ``high``; ``n_catalog``,
        ``n_found``, ``recall``, ``recall_low``, ``recall_high``; ``n_table``, ``n_true``,
        ``purity``, ``purity_low``, ``purity_high`` (68 % Jeffreys intervals; NaN of nothing).
        Rows of the table are in no bin of magnitude, and purity is NaN there, where the
        magnitude of those without a partner was not asked for.
    classes : `~astropy.table.QTable`
        The same, a row per class: of the catalogue for recall, of the table for purity; empty
        without classes.
    confusion : `~astropy.table.QTable`
        Rows: classes of the catalogue, and "(spurious)"; columns: classes of the table, and
        "(missed)"; empty unless both have classes. A masked or empty class is "(none)", here and
        in ``classes``.
    outside : `~astropy.table.Table`
        Rows of the catalogue that are in no other table and no number: those without a partner
        that lie beyond the image the table was made from, where it knows that. Their number is
        ``bins.meta["OUTSIDE"]`` as well.
    """

    match: Match
    bins: QTable
    classes: QTable
    confusion: QTable
    outside: QTable

    def regions(self, size=5 * u.arcsec):
        """
        Return matched, missed and spurious objects as DS9 regions in three colours.

        Parameters
        ----------
        size : `~astropy.units.Quantity`, optional
            Radius of the circles; angle.

        Returns
        -------
        str
            Text of a region file, ICRS.

        Raises
        ------
        MatchError
            If ``size`` is not an angle above zero.
        """
        radius = one_angle(size, "size", "5 * u.arcsec").to_value(u.arcsec)
        lines = ["# Region file format: DS9 version 4.1", "icrs"]
        for outcome, table in self._outcomes().items():
            place = _places(table)
            lines += [
                f'circle({ra:.8f},{dec:.8f},{radius:.3f}") # color={COLORS[outcome]} '
                f"tag={{{outcome}}} text={{{outcome}}}"
                for ra, dec in zip(place.ra.deg, place.dec.deg, strict=True)
            ]
        return "\n".join([*lines, ""])

    def write_regions(self, path, *, size=5 * u.arcsec, overwrite=False):
        """
        Write `regions` to a file.

        Parameters
        ----------
        path : path-like
            File to write.
        size : `~astropy.units.Quantity`, optional
            Radius of the circles; angle.
        overwrite : bool, optional
            Replace an existing file.

        Raises
        ------
        OSError
            If the file exists and ``overwrite`` is false, or it cannot be written.
        MatchError
            As of `regions`.
        """
        with replacing(path, overwrite=overwrite) as temporary:
            Path(temporary).write_text(self.regions(size), encoding="utf-8")

    def _outcomes(self):
        """Return the rows of each outcome."""
        return {
            "matched": self.match.matched,
            "missed": self.match.unmatched_catalog,
            "spurious": self.match.unmatched,
        }

    def plot(self, path, *, overwrite=False):
        """
        Plot recall and purity against magnitude.

        Parameters
        ----------
        path : path-like
            PNG, PDF or SVG file.
        overwrite : bool, optional
            Replace an existing file.

        Raises
        ------
        OSError
            If the file exists and ``overwrite`` is false, or it cannot be written.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.add_subplot()
        middle = (self.bins["low"] + self.bins["high"]) / 2
        middle = np.where(np.isfinite(middle), middle, np.arange(len(middle)))
        for name, marker in (("recall", "o"), ("purity", "s")):
            value = np.asarray(self.bins[name])
            if name == "purity" and not np.isfinite(value).any():
                continue
            spread = [value - self.bins[f"{name}_low"], self.bins[f"{name}_high"] - value]
            axes.errorbar(middle, value, np.abs(np.nan_to_num(spread)), marker=marker, capsize=2,
                          label=name)
        axes.set(xlabel="magnitude", ylabel="share", ylim=(0, 1.05))
        axes.legend()
        with replacing(path, overwrite=overwrite) as temporary:
            figure.savefig(temporary, format=Path(path).suffix[1:] or "png", dpi=130)


def compare(
    table, catalog, radius=2 * u.arcsec, *, magnitude=None, table_magnitude=None, bins=None,
    label="label", catalog_label=None, unit=None,
):
    """
    Hold a table against a catalogue that is taken for the truth.

    Parameters
    ----------
    table, catalog, radius, unit
        As in `~astro_yolo.matching.crossmatch`; the match is one to one.
    magnitude : str, optional
        Column of the catalogue; a matched row has its partner's magnitude. From -99 down and 99
        up it stands for none, as in SDSS (-9999) and SExtractor (99).
    table_magnitude : str, optional
        Column of the table, for the rows whose partner is missing or has no magnitude. Without
        it there is no purity in bins of magnitude: nobody knows in which a false detection is.
    bins : sequence of float, optional
        Edges of the bins of ``magnitude``, rising; whole magnitudes that hold all of the catalogue
        by default.
    label : str, optional
        Column of the table with the classes, if it is there.
    catalog_label : str, optional
        Column of the catalogue with the classes.

    Returns
    -------
    Comparison

    Raises
    ------
    MatchError
        If a column is missing, the edges do not rise or are of no magnitude, or the tables cannot
        be matched. It is a `ValueError`.
    FileNotFoundError
        If a file is not there.

    Notes
    -----
    A table of detections knows the image it was made from (``meta["WCS"]``), and was not asked
    about what lies beyond: such rows of the catalogue are in ``outside``, unless they have
    a partner. Where the table has rows elsewhere, from several images, all of the catalogue counts.

    Rows without a usable position are left out of all numbers; they are in ``match``. So are, of
    the bins of magnitude, rows without a magnitude; a warning counts the false detections among
    them, which make the purity of the bins look better than it is.
    """
    table, catalog = as_table(table, "table", unit), as_table(catalog, "catalog", unit)
    _check_column(table, "table_magnitude", table_magnitude)
    _check_column(catalog, "magnitude", magnitude)
    _check_column(catalog, "catalog_label", catalog_label)
    if bins is not None and magnitude is None:
        msg = f"bins must come with magnitude, the column that they are of, got {bins!r} alone"
        raise MatchError(msg)
    match = crossmatch(table, catalog, radius)
    ours, theirs = positions_of(table, "table"), positions_of(catalog, "catalog")
    pairs = np.stack([match.matched["row"], match.matched["row_cat"]], axis=1)
    true, found = np.zeros(len(table), bool), np.zeros(len(catalog), bool)
    true[pairs[:, 0]], found[pairs[:, 1]] = True, True
    searched = found | _searched(table, ours, theirs)
    outside, ours, theirs = theirs.good & ~searched, ours.good, theirs.good & searched
    truth = _magnitudes(catalog, magnitude, "magnitude")
    measured = _measured(table, table_magnitude, truth, pairs)
    if magnitude and table_magnitude:
        _warn_of_lost(ours & ~true & np.isnan(measured))
    rows = [
        _row(found, theirs & inside(truth), true, ours & inside(measured), low=low, high=high)
        for low, high, inside in _ranges(truth[theirs], bins)
    ]
    names = (_classes_of(table, label), _classes_of(catalog, catalog_label))
    return Comparison(
        match=replace(match, unmatched_catalog=catalog[theirs & ~found]),
        bins=QTable(rows=rows, meta={"OUTSIDE": int(outside.sum())}),
        classes=_classes(names, found, theirs, true, ours),
        confusion=_confusion(names, pairs, theirs & ~found, ours & ~true),
        outside=catalog[outside],
    )


def _searched(table, ours, theirs):
    """Say which rows of the catalogue lie in the image of a table; all where it is not known."""
    everywhere = np.ones(len(theirs), bool)
    wcs = table_wcs(table)
    if wcs is None or wcs.pixel_shape is None:
        return everywhere
    if not _in_field(wcs, ours.vectors[ours.good], _BORDER).all():
        warn_user("table: has rows beyond the image that it says it is of; it is held against all "
                  "of the catalogue", InputWarning)
        return everywhere
    return _in_field(wcs, theirs.vectors)


def _in_field(wcs, vectors, border=0):
    """Say which positions lie in an image, or within a border of some pixels about it."""
    ny, nx = wcs.pixel_shape[::-1]
    edges = field_border(wcs, (ny + 2 * border, nx + 2 * border))
    middle = sphere.unit_vectors(*np.radians(pixel_to_sky(wcs, (nx - 1) / 2, (ny - 1) / 2)))
    reach = sphere.separation(sphere.unit_vectors(*np.radians(edges)), middle).max() + 1e-9
    # projections show the far side of the sky as well, and distortion has no end there
    inside = ~(sphere.separation(vectors, middle) > reach) & np.isfinite(vectors).all(axis=1)
    x, y = sky_to_pixel(wcs, *np.degrees(sphere.angles(vectors[inside])))
    edge = border + 0.5
    inside[inside] = (x >= -edge) & (x <= nx - 1 + edge) & (y >= -edge) & (y <= ny - 1 + edge)
    return inside


def _check_column(table, argument, name):
    """Raise unless the table has a column of this name, or none is asked for."""
    if name is not None and name not in table.colnames:
        msg = f"{argument} must be a column, one of {table.colnames}, got {name!r}"
        raise MatchError(msg)


def _magnitudes(table, name, argument):
    """Return a column as floats, NaN where it says nothing or without a column."""
    if name is None:
        return np.full(len(table), np.nan)
    values = numbers_of(table[name], f"{argument}={name!r}")
    return np.where(np.abs(values) < _NO_MAGNITUDE, values, np.nan)


def _measured(table, name, truth, pairs):
    """Return the magnitude of each row: the partner's, else its own; NaN if that is not asked."""
    measured = _magnitudes(table, name, "table_magnitude")
    if name is not None:
        partner = truth[pairs[:, 1]]
        measured[pairs[:, 0]] = np.where(np.isnan(partner), measured[pairs[:, 0]], partner)
    return measured


def _warn_of_lost(lost):
    """Say how many false detections are in no bin for want of a magnitude."""
    if lost.any():
        warn_user(f"table_magnitude: {lost.sum()} rows without a partner have none; they are in no "
                  "bin, whose purity is an upper limit", InputWarning)


def _classes_of(table, name):
    """Return a column of classes as text, or None without it."""
    if name is None or name not in table.colnames:
        return None
    words = words_of(table[name])
    return np.where(np.char.strip(words) == "", _NO_CLASS, words)


def _ranges(magnitude, edges):
    """Return (low, high, function that says what is inside) of each bin; one for all without."""
    if edges is None:
        known = magnitude[np.isfinite(magnitude)]
        if not len(known):
            return [(np.nan, np.nan, lambda values: np.ones(len(values), bool))]
        edges = np.arange(np.floor(known.min()), np.floor(known.max()) + 2)
    try:
        edges = np.asarray(edges, dtype=float).tolist()
        rising = len(edges) > 1 and all(low < high for low, high in pairwise(edges))
    except (TypeError, ValueError):
        rising = False
    if not rising:
        msg = f"bins must be rising edges, at least two, got {edges}"
        raise MatchError(msg)
    return [
        (low, high, lambda values, low=low, high=high: (values >= low) & (values < high))
        for low, high in pairwise(edges)
    ]


def _row(found, of_catalog, true, of_table, **names):
    """Return one row of recall and purity."""
    row = dict(names)
    for name, part, total in (
        ("recall", (found & of_catalog).sum(), of_catalog.sum()),
        ("purity", (true & of_table).sum(), of_table.sum()),
    ):
        keys = ("n_catalog", "n_found") if name == "recall" else ("n_table", "n_true")
        row |= {keys[0]: int(total), keys[1]: int(part)}
        low, high = (np.nan, np.nan)
        if total:
            low, high = binom_conf_interval(
                part, total, confidence_level=_LEVEL, interval="jeffreys"
            )
        share = part / total if total else np.nan
        row |= {name: float(share), f"{name}_low": float(low), f"{name}_high": float(high)}
    return row


def _classes(names, found, theirs, true, ours):
    """Return recall by the catalogue's classes and purity by the table's."""
    every = sorted({*(() if names[0] is None else names[0][ours]),
                    *(() if names[1] is None else names[1][theirs])})
    rows = []
    for label in every:
        of_catalog = np.zeros(len(found), bool) if names[1] is None else names[1] == label
        of_table = np.zeros(len(true), bool) if names[0] is None else names[0] == label
        rows.append(_row(found, theirs & of_catalog, true, ours & of_table, label=str(label)))
    return QTable(rows=rows) if rows else QTable()


def _confusion(names, pairs, missed, spurious):
    """Return how often each class of the catalogue got each class of the table."""
    ours, theirs = names
    if ours is None or theirs is None:
        return QTable()
    called = np.concatenate([ours[pairs[:, 0]], np.full(missed.sum(), "(missed)"), ours[spurious]])
    truth = np.concatenate(
        [theirs[pairs[:, 1]], theirs[missed], np.full(spurious.sum(), "(spurious)")]
    )
    columns = [*sorted(set(ours)), "(missed)"]
    counts = {"catalog": [*sorted(set(theirs)), "(spurious)"]}
    for name in columns:
        counts[name] = [int(((truth == row) & (called == name)).sum()) for row in counts["catalog"]]
    return QTable(counts)


def _places(table):
    """Return the sky positions of rows."""
    return SkyCoord(*sphere.angles(positions_of(table, "rows").vectors), unit="rad")
