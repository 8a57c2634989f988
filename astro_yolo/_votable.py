"""VOTable files with the meta of a table as PARAMs and its sky columns tied to ICRS."""

from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import ConvertError, SkyCoord, UnitSphericalRepresentation
from astropy.io import votable
from astropy.io.votable import tree
from astropy.table import Column, MaskedColumn, Table
from astropy.time import Time, TimeDelta

from astro_yolo._column_values import values_and_mask, widened
from astro_yolo._columns import floats
from astro_yolo.exceptions import InputWarning, warn_user

__all__ = ["read_votable", "write_votable"]

_DATATYPES = {bool: "boolean", int: "long", float: "double"}
# Types of numbers that VOTable has not, and which of its own holds them.
_WIDER = {"int8": "i2", "uint16": "i4", "uint32": "i8", "uint64": "i8", "float16": "f4"}
_SKY_COLUMNS = ("ra", "dec", "alpha_centroid", "delta_centroid")
_EMPTY = " "  # a PARAM of no characters is not valid VOTable
_TIME_DIGITS = 6  # of the seconds, at least


def write_votable(table, path, meta):
    """
    Write a table as VOTable.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Columns may carry a UCD in ``info.meta["ucd"]``. A SkyCoord ``c`` becomes the columns
        ``c.ra`` and ``c.dec``, ICRS, as Astropy names them in other files; a Time becomes ISO
        text, a TimeDelta days.
    path : path-like
        File to write.
    meta : dict
        Flat values, one PARAM each.

    Raises
    ------
    ValueError
        If a column is something else than numbers, text, positions and times, or its positions
        cannot be turned into ICRS.
    """
    sky = {*_SKY_COLUMNS, *_axes(table)}
    times = {name for name in table.colnames if isinstance(table[name], Time)}
    table = _spelled_out(table)
    document = votable.from_table(_ascii_text(table))
    resource = document.resources[0]
    content = resource.tables[0]
    if sky & set(table.colnames):
        resource.coordinate_systems.append(tree.CooSys(ID="icrs", system="ICRS"))
    for field in content.fields:
        field.ref = "icrs" if field.name in sky else None
        field.xtype = "timestamp" if field.name in times else None
        if table[field.name].ndim > 2:  # the axis that runs fastest comes first there
            field.arraysize = "x".join(str(side) for side in table[field.name].shape[:0:-1])
    for number, (key, value) in enumerate(meta.items(), 1):
        content.params.append(_param(document, f"meta{number}", key, value))
    # not by Astropy's writer in C: where a row of text just fills its memory, 256 or 512 letters,
    # it writes one behind (8.0.2), and Python may crash at any time after that
    document.to_xml(str(path), _debug_python_based_parser=True)
    if not len(table):
        _say_that_it_is_empty(Path(path))


def read_votable(path):
    """
    Read the first table of a VOTable file.

    Parameters
    ----------
    path : path-like
        File to read.

    Returns
    -------
    `~astropy.table.Table`
        Units, descriptions and UCDs as in the file, the PARAMs in its meta.
    """
    content = votable.parse_single_table(str(path))
    table = content.to_table(use_names_over_ids=True)
    table.meta = {param.name: _value(param) for param in content.params}
    for field in content.fields:
        table[field.name].info.meta = {"ucd": str(field.ucd)} if field.ucd else {}
    return table


def _say_that_it_is_empty(path):
    """Add the data that there are none of: without, TOPCAT and STILTS see no table at all."""
    text = path.read_text(encoding="utf-8")
    before, after = text.rsplit("</TABLE>", 1)
    path.write_text(f"{before}<DATA><TABLEDATA/></DATA></TABLE>{after}", encoding="utf-8")


def _axes(table):
    """Return the names of the columns that the SkyCoords of a table become."""
    names = [name for name in table.colnames if isinstance(table[name], SkyCoord)]
    return [f"{name}.{axis}" for name in names for axis in ("ra", "dec")]


def _spelled_out(table):
    """Return a table whose positions and times are columns of numbers and text."""
    plain = table.copy(copy_data=False)
    for name in table.colnames:
        values = table[name]
        if isinstance(values, SkyCoord):
            columns = _positions(name, values)
        elif isinstance(values, Time | TimeDelta):
            columns = {name: _times(values)}
        elif got := _unfit(values):
            raise ValueError(f"table[{name!r}] must be numbers, text, a SkyCoord or a Time for"
                             f" VOTable, got {got}")
        else:
            continue
        at = plain.index_column(name)
        plain.remove_column(name)
        plain.add_columns(list(columns.values()), [at] * len(columns), list(columns))
    return plain


def _unfit(values):
    """Return what a column is that VOTable does not hold, or None."""
    kind = np.dtype(getattr(values, "dtype", "V")).kind
    if kind == "V":
        return type(values).__name__
    if kind == "u" and np.any(values_and_mask(values)[0] > np.iinfo("i8").max):
        return "whole numbers above 2**63"
    return "arrays of text" if kind in "SU" and values.ndim > 1 else None


def _positions(name, place):
    """Return right ascension and declination of a SkyCoord, name -> column."""
    try:
        angles = {"ra": place.icrs.ra, "dec": place.icrs.dec}
    except (ConvertError, AttributeError) as error:  # the latter of an observer without a place
        raise ValueError(f"table[{name!r}] must be positions that are known in ICRS for VOTable,"
                         f" got the frame {place.frame.name!r}") from error
    if not isinstance(place.data, UnitSphericalRepresentation) or place.data.differentials:
        warn_user(f"VOTable gets the place on the sky of table[{name!r}] alone: its distances and"
                  " motions are left out", InputWarning)
    columns = {}
    for axis, angle in angles.items():
        column = floats(angle.to(u.deg)) * u.deg
        column.info.description = place.info.description
        column.info.meta = {"ucd": f"pos.eq.{axis}"}
        columns[f"{name}.{axis}"] = column
    return columns


def _times(values):
    """Return a Time as a column of ISO text, empty where masked, a TimeDelta as days."""
    if isinstance(values, TimeDelta):
        column = floats(values.to(u.day)) * u.day
        column.info.description = values.info.description
        column.info.meta = {"ucd": "time.duration"}
        return column
    digits = max(values.precision, _TIME_DIGITS)
    words = Time(values, precision=digits).isot if values.size else np.array([], str)
    words = words.filled("") if hasattr(words, "filled") else words
    said = values.info.description or "time"
    kind = f"U{20 + digits}"  # yyyy-mm-ddThh:mm:ss. and the digits, also of no rows
    return Column(words, dtype=kind, description=f"{said}; time scale {values.scale.upper()}",
                  meta={"ucd": "time.epoch"})


def _ascii_text(table):
    """Return a plain table whose ASCII text is bytes: VOTable's ``char`` is read everywhere."""
    plain = Table(meta={})
    for name in table.colnames:
        values = table[name]
        if values.dtype.kind == "U" and hasattr(values, "filled"):
            values = values.filled("")
        plain[name] = _numbers(widened(values, _WIDER))
        if values.dtype.kind == "U" and all(text.isascii() for text in values.tolist()):
            # of the same length in every file, also of no rows
            length = max(values.dtype.itemsize // 4, 2)
            plain[name] = np.char.encode(np.asarray(values), "ascii").astype(f"S{length}")
        plain[name].unit = getattr(values, "unit", None)
        plain[name].info.description = values.info.description
        plain[name].info.meta = values.info.meta
    return plain


def _numbers(values):
    """Return the values of a column without unit, as plain or masked as they are."""
    numbers, mask = values_and_mask(values)
    return MaskedColumn(numbers, mask=mask) if mask.any() else numbers


class _Text(tree.Param):
    """A PARAM of text: Astropy's own escapes an ampersand twice."""

    def to_xml(self, w, **kwargs):
        tree.Field.to_xml(self, w, **kwargs)


def _param(document, identifier, key, value):
    """Return one PARAM; its name is free, its XML identifier is not."""
    kind = next((name for known, name in _DATATYPES.items() if type(value) is known), None)
    if kind is not None:
        return tree.Param(document, ID=identifier, name=key, datatype=kind, value=value)
    text = str(value) or _EMPTY
    kind = "char" if text.isascii() else "unicodeChar"
    return _Text(document, ID=identifier, name=key, datatype=kind, arraysize="*", value=text)


def _value(param):
    """Return the value of a PARAM as a Python scalar."""
    if param.datatype in ("char", "unicodeChar"):
        text = str(param.value)
        return "" if text == _EMPTY else text
    return np.asarray(param.value).item()
