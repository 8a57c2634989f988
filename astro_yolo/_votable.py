"""VOTable files with the meta of a table as PARAMs and its sky columns tied to ICRS."""

from pathlib import Path

import numpy as np
from astropy.io import votable
from astropy.io.votable import tree
from astropy.table import Table

__all__ = ["read_votable", "write_votable"]

_DATATYPES = {bool: "boolean", int: "long", float: "double"}
_SKY_COLUMNS = ("ra", "dec", "alpha_centroid", "delta_centroid")
_EMPTY = " "  # a PARAM of no characters is not valid VOTable


def write_votable(table, path, meta):
    """
    Write a table as VOTable.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Columns may carry a UCD in ``info.meta["ucd"]``.
    path : path-like
        File to write.
    meta : dict
        Flat values, one PARAM each.
    """
    document = votable.from_table(_ascii_text(table))
    resource = document.resources[0]
    content = resource.tables[0]
    if set(_SKY_COLUMNS) & set(table.colnames):
        resource.coordinate_systems.append(tree.CooSys(ID="icrs", system="ICRS"))
        for field in content.fields:
            field.ref = "icrs" if field.name in _SKY_COLUMNS else None
    for number, (key, value) in enumerate(meta.items(), 1):
        content.params.append(_param(document, f"meta{number}", key, value))
    document.to_xml(str(path))
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


def _ascii_text(table):
    """Return a plain table whose ASCII text is bytes: VOTable's ``char`` is read everywhere."""
    plain = Table(meta={})
    for name in table.colnames:
        values = table[name]
        if values.dtype.kind == "U" and hasattr(values, "filled"):
            values = values.filled("")
        plain[name] = getattr(values, "value", values)
        if values.dtype.kind == "U" and all(text.isascii() for text in values.tolist()):
            # of the same length in every file, also of no rows
            length = max(values.dtype.itemsize // 4, 2)
            plain[name] = np.char.encode(np.asarray(values), "ascii").astype(f"S{length}")
        plain[name].unit = getattr(values, "unit", None)
        plain[name].info.description = values.info.description
        plain[name].info.meta = values.info.meta
    return plain


def _param(document, identifier, key, value):
    """Return one PARAM; its name is free, its XML identifier is not."""
    kind = next((name for known, name in _DATATYPES.items() if type(value) is known), None)
    if kind is not None:
        return tree.Param(document, ID=identifier, name=key, datatype=kind, value=value)
    text = str(value) or _EMPTY
    kind = "char" if text.isascii() else "unicodeChar"
    return tree.Param(document, ID=identifier, name=key, datatype=kind, arraysize="*",
                      value=text)


def _value(param):
    """Return the value of a PARAM as a Python scalar."""
    if param.datatype in ("char", "unicodeChar"):
        text = str(param.value)
        return "" if text == _EMPTY else text
    return np.asarray(param.value).item()
