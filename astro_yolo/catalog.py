"""The result table: make it, write it, read it.

A table is a `~astropy.table.QTable` with the columns of `COLUMNS`. Pixels are 0-based, the centre
of the first pixel is (0, 0); ``ra`` and ``dec`` are ICRS degrees, and stand there only if the sky
coordinates of the image are known. The meta are flat values with FITS-like keys; ``PROV`` is a
JSON text that says how the table was made, ``WCS`` one that holds the sky coordinates of the image.
"""

import json
from numbers import Real

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

from astro_yolo._columns import (
    CLASSES,
    COLUMNS,
    FLAG_DESCRIPTIONS,
    FLAGS,
    LABELS,
    Column,
    conform,
    decode_flags,
    floats,
)
from astro_yolo._sky import sky_boxes, wcs_from_text, wcs_to_text
from astro_yolo._table_files import read_table, write_table
from astro_yolo.boxes import edges_to_centers
from astro_yolo.exceptions import WCSError

__all__ = [
    "BOX_COLUMNS",
    "CLASSES",
    "COLUMNS",
    "FLAGS",
    "FLAG_DESCRIPTIONS",
    "LABELS",
    "Column",
    "conform",
    "decode_flags",
    "make_table",
    "pixel_boxes",
    "read_table",
    "sky",
    "table_wcs",
    "write_table",
]

#: Columns that hold the edges of the boxes.
BOX_COLUMNS = ("xmin", "ymin", "xmax", "ymax")


def make_table(
    boxes, score, class_probs, p_star, flags, *, wcs=None, label=None, meta=None, provenance=None
):
    """
    Make the result table, sorted by falling score.

    Parameters
    ----------
    boxes : (N, 4) array
        ``xmin, ymin, xmax, ymax`` in edge pixels (the first pixel spans 0 to 1).
    score : (N,) array
        Probability that a galaxy is there.
    class_probs : (N, 5) array
        Probabilities of `CLASSES`, given that it is a galaxy.
    p_star : (N,) array
        Probability that it is a star.
    flags : (N,) array of int
        Sums of the bits in `FLAGS`.
    wcs : WCS, optional
        Sky coordinates of the image. Without them the table has no sky columns.
    label : (N,) array of str, optional
        Class of each row; by default the most probable of `CLASSES`.
    meta : dict, optional
        Flat values: str, bool, int or float. Keys become upper case, as FITS has them; None is
        left out.
    provenance : dict, optional
        How the table was made; kept as JSON in ``meta["PROV"]``.

    Returns
    -------
    `~astropy.table.QTable`
        Columns of `COLUMNS`; ``id`` counts from 1. Pixel columns, the edges too, count from the
        centre of the first pixel.

    Raises
    ------
    ValueError
        If an array has another shape, or not the same number of rows, a meta key is longer than 8
        characters, or a meta value is not flat.
    WCSError
        If ``wcs`` has no celestial axes.

    Examples
    --------
    >>> from astro_yolo.catalog import make_table
    >>> table = make_table([[0, 0, 4, 2]], [0.9], [[0.1, 0.6, 0.1, 0.1, 0.1]], [0.0], [0])
    >>> print(table["id", "x", "y", "label"])
     id  x   y  label
    --- --- --- ------
      1 1.5 0.5 spiral
    """
    boxes = _rows("boxes", np.asarray(boxes, float), None, 4)
    class_probs = np.asarray(class_probs, float)
    given = {"class_probs": _rows("class_probs", class_probs, len(boxes), len(CLASSES))}
    if label is None:
        label = np.array(CLASSES)[given["class_probs"].argmax(axis=1)]
    single = {"score": score, "p_star": p_star, "flags": flags, "label": label}
    given |= {name: _rows(name, values, len(boxes)) for name, values in single.items()}
    order = np.argsort(-given["score"].astype(float), kind="stable")
    columns = _columns(boxes[order], {name: given[name][order] for name in given}, wcs)
    return conform(Table(columns, meta=_meta(meta, provenance, wcs)))


def sky(table):
    """
    Return the sky positions of a table.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Table with the columns ``ra`` and ``dec``: angles, in degrees where they have no unit.

    Returns
    -------
    `~astropy.coordinates.SkyCoord`
        ICRS positions, one per row; NaN where masked.

    Raises
    ------
    WCSError
        If the table has no sky columns, or they are no angles.
    """
    if not {"ra", "dec"}.issubset(table.colnames):
        raise WCSError("table must have the columns ra and dec: the image had no sky coordinates")
    try:
        ra, dec = (
            floats(table[name]) * u.Unit(getattr(table[name], "unit", None) or u.deg)
            for name in ("ra", "dec")
        )
        return SkyCoord(ra, dec, frame="icrs")
    except (ValueError, TypeError) as error:  # a wrong unit, or text
        raise WCSError(f"table must have angles in ra and dec, got: {error}") from error


def pixel_boxes(table, name="table"):
    """
    Return the boxes of a table.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Table with the columns of `BOX_COLUMNS`, or one row of it.
    name : str, optional
        Name of the argument, for messages.

    Returns
    -------
    (N, 4) array, or (4,) of a row
        xmin, ymin, xmax, ymax as they stand there, 0-based pixels without a unit; NaN where masked.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    missing = [name for name in BOX_COLUMNS if name not in table.colnames]
    if missing:
        raise ValueError(f"{name} must have the columns {', '.join(BOX_COLUMNS)}, got none named"
                         f" {missing[0]}")
    return np.stack([floats(table[side]) for side in BOX_COLUMNS], axis=-1)


def table_wcs(table):
    """
    Return the sky coordinates of the image that a table was made from.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A result table, also one that was written and read.

    Returns
    -------
    `~astropy.wcs.WCS` or None
        None if the table does not know them, also where somebody else's key is named "WCS".
    """
    try:
        return wcs_from_text(table.meta["WCS"])
    except (KeyError, TypeError, ValueError):
        return None


def _rows(name, values, n_rows, *width):
    """Return an array of so many rows, each a number or so many of them; any rows if None."""
    array = np.asarray(values)
    if array.shape == (0,):
        array = array.reshape(0, *width)
    if array.ndim != 1 + len(width) or array.shape[1:] != width:
        wanted = f"(N{''.join(f', {side}' for side in width)}{'' if width else ','})"
        raise ValueError(f"{name} must have the shape {wanted}, got {array.shape}")
    if n_rows is not None and len(array) != n_rows:
        raise ValueError(f"{name} must have one row per box ({n_rows}), got {len(array)}")
    return array


def _columns(boxes, given, wcs):
    """Return the columns as a dict, in the order of `COLUMNS`."""
    x, y, width, height = edges_to_centers(boxes)
    columns = {"id": np.arange(1, len(boxes) + 1), "x": x, "y": y}
    # The one half pixel of the table: network edges start at 0, the table's at -0.5.
    columns |= {"xmin": x - width / 2, "ymin": y - height / 2,
                "xmax": x + width / 2, "ymax": y + height / 2}
    if wcs is not None:
        on_sky = sky_boxes(wcs, x, y, width, height)
        columns |= {name: getattr(on_sky, name) for name in ("ra", "dec", "width", "height")}
    columns |= {f"p_{name}": given["class_probs"][:, i] for i, name in enumerate(CLASSES)}
    columns |= {name: given[name] for name in ("score", "label", "p_star", "flags")}
    return {column.name: columns[column.name] for column in COLUMNS if column.name in columns}


def _meta(meta, provenance, wcs):
    """Return the flat meta, with the two JSON texts."""
    flat = {key.upper(): _flat(key, value) for key, value in (meta or {}).items()
            if value is not None}
    if provenance is not None:
        flat["PROV"] = json.dumps(provenance, sort_keys=True, default=_plain)
    text = wcs_to_text(wcs) if wcs is not None else None
    return flat if text is None else flat | {"WCS": text}


def _flat(key, value):
    if len(key) > 8:
        raise ValueError(f"meta keys must have at most 8 characters, got {key!r}")
    value = value.item() if isinstance(value, np.generic) else value
    if not isinstance(value, str | Real):
        raise ValueError(f"meta values must be str, bool, int or float, got {key}={value!r}")  # noqa: TRY004
    return value


def _plain(value):
    """Return what JSON can hold of a numpy value or anything else."""
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else str(value)
