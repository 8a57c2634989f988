"""Tables to files and back: ECSV, FITS, VOTable, Parquet and CSV."""

import json
import math
import re
import warnings
from pathlib import Path

import numpy as np
from astropy.io.ascii import InconsistentTableError
from astropy.io.fits.verify import VerifyWarning
from astropy.table import Column, MaskedColumn, QTable, Table, represent_mixins_as_columns
from astropy.table.meta import get_header_from_yaml
from astropy.table.serialize import _construct_mixins_from_columns
from astropy.time import Time

from astro_yolo._column_values import of_fits, text_of
from astro_yolo._columns import conform, one_line, plain, whole
from astro_yolo._files import reading, replacing
from astro_yolo.exceptions import InputWarning, require, warn_user

__all__ = ["check_table_path", "read_plain", "read_table", "write_table"]

# UCDs and descriptions where TOPCAT and STILTS look for them in FITS; Astropy has its own place.
_COLUMN_CARDS = re.compile(r"T(UCD|COMM)[1-9]\d*")
# What Astropy takes for the comments and the history of a FITS file, both lists of lines.
_REMARKS = {"comment": "comments", "comments": "comments", "history": "HISTORY"}
_SHAPE = re.compile(r"\[([\d,]+)\]$")  # of the arrays of a column, behind their type
_ZEROS = {"i": 0, "u": 0, "b": False}  # what stands under a mask, by kind of number
_FORMATS = {
    ".ecsv": "ecsv", ".fits": "fits", ".fit": "fits", ".fits.gz": "fits", ".vot": "votable",
    ".votable": "votable", ".xml": "votable", ".parquet": "parquet", ".pq": "parquet",
    ".csv": "csv",
}


def write_table(table, path, *, format=None, overwrite=False):  # noqa: A002 - as in Astropy
    """
    Write a table to a file, whole or not at all.

    Parameters
    ----------
    table : `~astropy.table.Table` or one row of it
        A result table.
    path : str or path-like
        File to write.
    format : {"ecsv", "fits", "votable", "parquet", "csv"}, optional
        By default told from the ending of ``path``. Units, descriptions, UCDs and meta survive in
        all but CSV, which keeps the numbers alone. FITS keeps the keys of the meta in upper case,
        and ``comments`` and ``history`` in lines of 72 characters; of true and false with a mask it
        makes 1 and 0. In VOTable a SkyCoord ``c`` becomes ``c.ra`` and ``c.dec`` (ICRS), a Time ISO
        text.
    overwrite : bool, optional
        Replace an existing file.

    Raises
    ------
    OSError
        If the file exists and ``overwrite`` is false, or it cannot be written.
    TypeError
        If what is to be written is no table.
    ValueError
        If the format is not known or cannot hold a column: FITS text that is not ASCII, VOTable
        what is neither numbers below 2**63, text, positions nor times, Parquet arrays with gaps or
        of several lengths, CSV arrays.
    MissingExtraError
        If Parquet is asked for and pyarrow is not installed.
    """
    writer, table = _WRITERS[_format(path, format)], whole(table)
    with replacing(path, overwrite=overwrite) as temporary:
        try:
            writer(_tidied(table), temporary)
        except (TypeError, NotImplementedError) as error:  # of complex numbers or Python objects
            raise ValueError(f"table must be such as {path} can hold: {error}") from error


def check_table_path(path, *, format=None):  # noqa: A002 - as in Astropy
    """
    Raise, before the work is done, if `write_table` would not know how to write to a file.

    Parameters
    ----------
    path, format
        As in `write_table`.

    Raises
    ------
    ValueError
        If the format is not known.
    MissingExtraError
        If it is Parquet and pyarrow is not installed.
    """
    if _format(path, format) == "parquet":
        require("pyarrow", extra="parquet", feature="Writing Parquet")


def read_table(path, *, format=None):  # noqa: A002 - as in Astropy
    """
    Read a table that `write_table` wrote.

    Parameters
    ----------
    path : str or path-like
        File to read.
    format : {"ecsv", "fits", "votable", "parquet", "csv"}, optional
        By default told from the ending of ``path``.

    Returns
    -------
    `~astropy.table.QTable`
        The known columns with their types, units, descriptions and UCDs, also from CSV. What is
        masked in them is NaN, or stays masked in ``id`` and ``flags``.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If the format is not known, or the file is damaged or of another format.
    MissingExtraError
        If it is Parquet and pyarrow is not installed.

    Notes
    -----
    A catalogue of somebody else is best handed to `~astro_yolo.crossmatch` as a file: here its
    ``ra`` and ``dec`` are taken for ours, in degrees if they have no unit.
    """
    kind = _format(path, format)
    with reading(path, f"a table in {kind}"):
        return conform(_READERS[kind](Path(path)))


def read_plain(path):
    """
    Read a table that anybody wrote: a column is what the file says, whatever its name.

    Parameters
    ----------
    path : str or path-like
        File to read, with an ending that `read_table` knows.

    Returns
    -------
    `~astropy.table.QTable`

    Raises
    ------
    OSError, ValueError, MissingExtraError
        As `read_table`.
    """
    return plain(_READERS[_format(path, None)](Path(path)))


def _format(path, name):
    """Return the name of a format, from the ending of ``path`` if ``name`` is None."""
    if name is None:
        file = Path(path).name.lower()
        name = next((kind for ending, kind in _FORMATS.items() if file.endswith(ending)), None)
        if name is None:
            raise ValueError(f"path must end in one of {', '.join(_FORMATS)}, got {file!r}")
    if name not in _WRITERS:
        raise ValueError(f"format must be one of {', '.join(_WRITERS)}, got {name!r}")
    return name


def _tidied(table):
    """Return a table with text as text, and descriptions of a line: FITS drops those of more."""
    copy = table.copy(copy_data=False)
    for name in table.colnames:
        said = table[name].info.description
        if (words := text_of(table[name])) is not None:
            about = table[name].info.meta
            copy.replace_column(name, Column(words, description=said, meta=about))
        if one_line(said) != said:
            copy[name].info.description = one_line(said)
    return copy


def _flat_meta(meta):
    """Return meta that every format holds: nested values as JSON, None left out."""
    flat = {}
    for key, value in meta.items():
        if value is None or key.startswith("__") or _COLUMN_CARDS.fullmatch(key):
            continue
        value = value.item() if isinstance(value, np.generic) else value  # noqa: PLW2901
        plain = isinstance(value, bool | int | float | str)
        flat[key] = value if plain else json.dumps(value, default=str)
    return flat


def _with_meta(table, meta):
    copy = QTable(table, copy=False)
    copy.meta = meta
    return copy


def _write_ecsv(table, path):
    QTable(table, copy=False).write(path, format="ascii.ecsv")


def _write_csv(table, path):
    plain = Table({name: getattr(table[name], "value", table[name]) for name in table.colnames})
    plain.write(path, format="ascii.csv")


def _write_fits(table, path):
    _require_ascii(table)
    for name in table.colnames:
        if (column := of_fits(table[name])) is not table[name]:
            table.replace_column(name, column)
    meta = {key: value for key, value in table.meta.items() if key.lower() not in _REMARKS}
    meta = _flat_meta(meta)
    kept = {key: value for key, value in meta.items() if _fits_holds(value)}
    dropped = meta.keys() - kept.keys()
    for key, line in _remarks(table.meta):
        if _fits_holds(line):
            kept.setdefault(_REMARKS[key.lower()], []).append(line)
        else:
            dropped |= {key}
    if dropped:
        warn_user(f"FITS holds finite numbers and ASCII text: meta {sorted(dropped)} left out",
                  InputWarning)
    with warnings.catch_warnings():
        # A key of more than 8 characters becomes a HIERARCH card, which is read back as it was.
        warnings.filterwarnings("ignore", ".*HIERARCH", VerifyWarning)
        _with_meta(table, kept | _column_cards(table)).write(path, format="fits")


def _remarks(meta):
    """Return the lines of comments and history as (key of the meta, line) pairs."""
    pairs = []
    for key in (key for key in meta if key.lower() in _REMARKS and meta[key] is not None):
        parts = meta[key] if isinstance(meta[key], list | tuple) else [meta[key]]
        words = [part if isinstance(part, str) else json.dumps(part, default=str) for part in parts]
        pairs += [(key, line.expandtabs()) for text in words for line in text.splitlines() or [""]]
    return pairs


def _require_ascii(table):
    """Raise if a column has a name or text that FITS cannot hold."""
    for name in table.colnames:
        kind = getattr(getattr(table[name], "dtype", None), "kind", "")
        words = np.ravel(table[name]).tolist() if kind == "U" else []
        wrong = next((word for word in [name, *words] if word and not word.isascii()), None)
        if wrong is not None:
            raise ValueError(f"table[{name!r}] must be ASCII text for FITS, got {wrong!r}: "
                             "ECSV, VOTable, Parquet and CSV hold any")


def _column_cards(table):
    """Return FITS cards with UCD and description of each column."""
    cards, number = {}, 1
    for column in table[:0].itercols():  # values do not matter, and a slice has infos of its own
        texts = {"TUCD": (column.info.meta or {}).get("ucd"), "TCOMM": column.info.description}
        texts = {key: text for key, text in texts.items() if text and _fits_holds(text)}
        cards |= {f"{key}{number}": text for key, text in texts.items()}
        number += _fits_columns(column)
    return cards


def _fits_columns(column):
    """Return how many columns of a FITS file a column becomes: a SkyCoord more than one."""
    # of all that has several arrays in it, Astropy writes only a Time as one column
    alone = represent_mixins_as_columns(QTable([column]), exclude_classes=(Time,))
    return len(alone.colnames)


def _fits_holds(value):
    text = isinstance(value, str)
    return value.isascii() and value.isprintable() if text else math.isfinite(value)


def _write_votable(table, path):
    from astro_yolo._votable import write_votable

    write_votable(table, path, _flat_meta(table.meta))


def _write_parquet(table, path):
    require("pyarrow", extra="parquet", feature="Writing Parquet")
    for name in table.colnames:
        _require_arrays(name, table[name])
    QTable(table, copy=False).write(path, format="parquet")


def _require_arrays(name, column):
    """Raise if a column has arrays that Parquet, as Astropy writes it, does not hold."""
    dtype = getattr(column, "dtype", None)
    if dtype is None or not (column.ndim > 1 or dtype.kind == "O"):
        return
    if dtype.kind == "O":
        got = "Python objects or arrays of several lengths"
    elif 0 in column.shape[1:]:
        got = f"empty arrays, of the shape {column.shape[1:]}"
    elif np.any(getattr(column, "mask", False)):
        got = "arrays in which some are masked"
    else:
        return
    raise ValueError(f"table[{name!r}] must be numbers, text, or arrays of one shape without gaps"
                     f" for Parquet, got {got}")


def _read_ecsv(path):
    return QTable.read(path, format="ascii.ecsv")


def _read_csv(path):
    try:
        return QTable.read(path, format="ascii.csv")
    except InconsistentTableError:
        # remarks before the header, as SkyServer's "#Table1", were taken for it
        return QTable.read(path, format="ascii.csv", comment="#")


def _read_fits(path):
    # NaN stays NaN: a masked column would be another kind of table than the one written.
    table = QTable.read(path, format="fits", mask_invalid=False)
    table.meta = {k: v for k, v in table.meta.items() if not _COLUMN_CARDS.fullmatch(k)}
    return table


def _read_votable(path):
    from astro_yolo._votable import read_votable

    return read_votable(path)


def _read_parquet(path):
    """Read with pyarrow alone: Astropy's own reader asks for pandas as well."""
    parquet = require("pyarrow.parquet", extra="parquet", feature="Reading Parquet")
    content = parquet.read_table(path)
    header = (content.schema.metadata or {}).get(b"table_meta_yaml")
    header = get_header_from_yaml(header.decode().split("\n")) if header else {}
    types = {entry["name"]: entry.get("subtype", "") for entry in header.get("datatype", [])}
    table = Table()
    for name in content.column_names:
        if hasattr(content[name].type, "value_field"):  # a list
            length = (content.schema.metadata or {}).get(f"table::len::{name}".encode(), b"")
            table[name] = _arrow_arrays(name, content[name], types.get(name, ""), length.decode())
        else:
            table[name] = _arrow_values(content[name])
    for entry in header.get("datatype", []):
        for attribute in {"unit", "description", "meta"} & set(entry):
            setattr(table[entry["name"]].info, attribute, entry[attribute])
    table.meta = header.get("meta", {})
    # masks, positions and times, which Astropy writes as columns of their own
    return _construct_mixins_from_columns(_as_text(QTable(table)))


def _arrow_values(column):
    """Return the values of a column of pyarrow's, masked where a null is no NaN."""
    values = column.to_numpy()
    zero = _ZEROS.get(column.drop_null().to_numpy().dtype.kind)
    if not column.null_count or zero is None:
        return values
    mask = column.is_null().to_numpy()
    return MaskedColumn(column.fill_null(zero).to_numpy(), mask=mask)


def _arrow_arrays(name, column, subtype, length):
    """Return the values of a column of pyarrow's lists, in the shape that Astropy noted."""
    kind, sides = column.type, []
    while hasattr(kind, "value_field"):
        sides.append(getattr(kind, "list_size", 0))
        kind = kind.value_type
    text = {"string": "U", "large_string": "U", "binary": "S", "large_binary": "S"}.get(str(kind))
    kind = f"{text}{length}" if text else kind.to_pandas_dtype()
    if shape := _SHAPE.search(subtype):
        sides = [int(side) for side in shape[1].split(",")]
    try:
        values = np.array(column.to_pylist(), dtype=kind)
        return values.reshape(len(column), *(sides if shape or not len(column)
                                             else values.shape[1:]))
    except (TypeError, ValueError) as error:
        raise ValueError(f"column {name!r} of the file must have arrays of one length, without"
                         f" gaps: {error}") from error


def _as_text(table):
    """Turn the Python objects that pyarrow makes of text into fixed-length text."""
    for name in [name for name in table.colnames if table[name].dtype.kind == "O"]:
        words = np.array(np.ma.filled(table[name], ""), dtype=object)
        words[np.array([word is None for word in words], bool)] = ""
        said = table[name].info
        table[name] = Column(words.astype(str), description=said.description, meta=said.meta)
    return table


_WRITERS = {"ecsv": _write_ecsv, "fits": _write_fits, "votable": _write_votable,
            "parquet": _write_parquet, "csv": _write_csv}
_READERS = {"ecsv": _read_ecsv, "fits": _read_fits, "votable": _read_votable,
            "parquet": _read_parquet, "csv": _read_csv}
