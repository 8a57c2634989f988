"""The result of `astro_yolo.completeness`: a table of galaxies, and what follows from it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.stats import binom_conf_interval
from astropy.table import QTable

from astro_yolo._column_values import values_and_mask, words_of
from astro_yolo._columns import floats
from astro_yolo._files import replacing
from astro_yolo._limits import falling_limit
from astro_yolo._stamp_inputs import as_whole

__all__ = ["Completeness"]

_LEVEL = 0.95  # of the intervals
_STEP = 0.5  # mag, of the bins


@dataclass(frozen=True)
class Completeness:
    """
    Which of the galaxies that were put into an image were found.

    Attributes
    ----------
    table : `~astropy.table.QTable`
        One row per galaxy put in:

        * ``ra``, ``dec`` (ICRS, with sky coordinates only), ``x``, ``y`` (0-based pixels);
        * ``magnitude``: AB, of all of its light, in the reference band ``meta["REFBAND"]``; and
          ``mag_B`` of each band B;
        * ``half_light_radius``: semi-major axis that holds half of the light before the PSF, of
          a spiral that of its disc; arcsec, or pixels without a pixel scale;
        * ``surface_brightness``: mean within that ellipse, before the PSF, magnitude per arcsec2
          (or pixel): ``magnitude + 2.5 log10(2 pi half_light_radius**2 axis_ratio)``;
        * ``type``: of `TYPES`; ``axis_ratio``; ``theta``, from +x to +y;
        * ``found``: whether a galaxy was detected there; ``label`` and ``score`` of the detection
          that belongs to it, ``star`` where it was taken for one; empty and NaN without one;
        * ``pass``: galaxies of one number were in the image at the same time.
    """

    table: QTable

    def __repr__(self):
        return f"Completeness({int(self._found().sum())} of {len(self.table)} found)"

    def by(self, column="magnitude", bins=None):
        """
        Return the share that was found in bins of a column.

        Parameters
        ----------
        column : str, optional
            ``magnitude``, ``half_light_radius``, ``surface_brightness``, or any other; of text,
            as ``type``, each word is a bin.
        bins : int, sequence of float or `~astropy.units.Quantity`, optional
            Number of bins, or their rising edges, in the unit of the column. By default half
            magnitudes, and five bins of anything else, of radii equal in the logarithm.

        Returns
        -------
        `~astropy.table.QTable`
            ``low`` and ``high``, the edges (or the column's name with its words), ``n``,
            ``n_found``, ``completeness``, ``completeness_low``, ``completeness_high``: 95 %
            Jeffreys interval (Brown, Cai & DasGupta 2001); NaN of nothing. The last bin holds its
            upper edge.

        Raises
        ------
        ValueError
            If there is no such column, it holds nothing to make bins of, or the edges do not rise.
        """
        if column not in self.table.colnames:
            msg = f"column must be one of {self.table.colnames}, got {column!r}"
            raise ValueError(msg)
        values = self.table[column]
        if values.dtype.kind in "US":
            values = words_of(values)
            if bins is not None:
                msg = f"bins must be left out with {column}, whose words are the bins, got {bins}"
                raise ValueError(msg)
            words = np.unique(values)
            return self._shares({column: words}, [values == word for word in words])
        unit = getattr(values, "unit", None) or u.dimensionless_unscaled
        numbers = floats(values)
        edges = _edges(numbers, bins, unit, column)
        bin_of = np.searchsorted(edges, numbers, side="right") - 1
        bin_of[numbers == edges[-1]] = len(edges) - 2
        names = {"low": edges[:-1], "high": edges[1:]}
        if unit != u.dimensionless_unscaled:
            names = {name: edge * unit for name, edge in names.items()}
        return self._shares(names, [bin_of == k for k in range(len(edges) - 1)])

    def _shares(self, names, parts):
        """Return the table of the shares found in some parts."""
        found = self._found()
        n, hits = (np.array([np.sum(p & yes) for p in parts]) for yes in (True, found))
        low, high = binom_conf_interval(hits, np.maximum(n, 1), _LEVEL, interval="jeffreys")
        share = hits / np.maximum(n, 1)
        columns = {"completeness": share, "completeness_low": low, "completeness_high": high}
        known = {name: np.where(n > 0, values, np.nan) for name, values in columns.items()}
        return QTable({**names, "n": n, "n_found": hits, **known})

    def limit(self, share=0.5):
        """
        Return the magnitude at which completeness falls to a share.

        Parameters
        ----------
        share : float, optional
            Above 0 and below 1.

        Returns
        -------
        Limit
            ``magnitude``, ``low``, ``high`` (95 %): of a logistic curve below a level of its own,
            since blends are lost at any magnitude, fitted to all galaxies by maximum likelihood;
            the interval is that of the profile likelihood. NaN where the curve does not fall to the
            share within the magnitudes that were put in.

        Raises
        ------
        ValueError
            If the share is not between 0 and 1.
        """
        if not 0 < share < 1:
            msg = f"share must be between 0 and 1, got {share}"
            raise ValueError(msg)
        return falling_limit(floats(self.table["magnitude"]), self._found(), float(share))

    def _found(self):
        """Return which galaxies were found, also of a table that was read from a text file."""
        found, _ = values_and_mask(self.table["found"])
        return words_of(found) == "True" if found.dtype.kind in "US" else found.astype(bool)

    def plot(self, path=None, *, column="magnitude", bins=None, overwrite=False):
        """
        Plot completeness against a column.

        Parameters
        ----------
        path : path-like, optional
            PNG, PDF or SVG file to write.
        column, bins : optional
            As of `by`.
        overwrite : bool, optional
            Replace an existing file.

        Returns
        -------
        `matplotlib.axes.Axes`

        Raises
        ------
        OSError
            If the file exists and ``overwrite`` is false, or it cannot be written.
        ValueError
            As of `by`.
        """
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        rows = self.by(column, bins)
        figure = Figure(figsize=(6, 4), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        _draw(axes, rows, column)
        axes.set(xlabel=self._title(column), ylabel="completeness", ylim=(0, 1.05))
        if path is not None:
            with replacing(path, overwrite=overwrite) as temporary:
                figure.savefig(temporary, format=Path(path).suffix[1:] or "png", dpi=130)
        return axes

    def _title(self, column):
        """Return the words below an axis."""
        words, unit = column.replace("_", " "), getattr(self.table[column], "unit", None)
        if column == "magnitude":
            words = f"{self.table.meta.get('REFBAND', '')} magnitude".strip()
        per = f"/{self._length().to_string()}2" if column == "surface_brightness" else ""
        return f"{words} ({unit}{per})" if unit else words

    def _length(self):
        return self.table["half_light_radius"].unit


def _draw(axes, rows, column):
    """Draw shares with their intervals."""
    share = np.asarray(rows["completeness"])
    spread = [share - rows["completeness_low"], rows["completeness_high"] - share]
    if column in rows.colnames:
        place, width = np.arange(len(rows)), None
        axes.set_xticks(place, rows[column])
    else:
        low, high = (np.asarray(getattr(rows[n], "value", rows[n])) for n in ("low", "high"))
        place, width = (low + high) / 2, (high - low) / 2
    known = np.isfinite(share)
    axes.errorbar(
        place[known], share[known], np.abs(spread)[:, known],
        None if width is None else width[known], fmt="o", capsize=2,
    )  # fmt: skip


def _edges(values, bins, unit, column):
    """Return the edges of bins in the unit of a column."""
    if np.ndim(bins) == 0 and not np.isfinite(values).any():
        msg = f"column must hold numbers, got none in the {len(values)} rows of {column}"
        raise ValueError(msg)
    if bins is None:
        bins = 5
        if unit == u.mag:
            ends = np.floor(np.nanmin(values) / _STEP), np.floor(np.nanmax(values) / _STEP) + 1
            return np.arange(ends[0], ends[1] + 1) * _STEP
    try:
        if np.ndim(bins) == 0:
            number = as_whole("bins", bins, "a whole number, 1 or more", lambda n: n >= 1)
            spaced = np.geomspace if column == "half_light_radius" else np.linspace
            low, high = np.nanmin(values), np.nanmax(values)
            if low == high:
                low, high = sorted((0.9 * low, 1.1 * low or 1.0))
            return spaced(low, high, number + 1)
        given = bins.to_value(unit) if isinstance(bins, u.Quantity) else bins
        edges = np.asarray(given, dtype=float)
    except (TypeError, u.UnitConversionError) as error:
        msg = f"bins must be a number of bins, or edges in {unit or 'no unit'}, got {bins!r}"
        raise ValueError(msg) from error
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
        msg = f"bins must be rising edges, at least two, got {bins}"
        raise ValueError(msg)
    return edges
