"""Catalogues of anybody, from files of any kind that Astropy reads."""

import warnings
from pathlib import Path

from astropy.io import fits
from astropy.io.registry import IORegistryError
from astropy.table import QTable, Table
from astropy.utils.exceptions import AstropyUserWarning

from astro_yolo._columns import plain
from astro_yolo._table_files import check_table_path, read_plain
from astro_yolo.exceptions import InputWarning, MatchError, MissingExtraError, warn_user

__all__ = ["read_catalog"]


def read_catalog(path, name, *, wanted):
    """
    Read the table of a file, whoever wrote it.

    Parameters
    ----------
    path : str or path-like
        As `astro_yolo.read_table` reads it, but no column of somebody else's is made one of ours;
        by Astropy where its ending is another. A file that tells its kind neither by its ending
        nor by its first bytes is taken for text, in one of the many forms that `astropy.io.ascii`
        knows: columns between blanks, tabs or commas, SExtractor's, CDS's, IPAC's.
    name : str
        Name of the argument, for messages.
    wanted : callable
        Takes a table, and says whether it can be used: of several in a FITS file, as SExtractor's
        FITS_LDAC, the first such one is read, with a warning if it is not the first of all.

    Returns
    -------
    `~astropy.table.Table`

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    MatchError
        If it cannot be read.
    """
    try:
        return _read(path, wanted)
    except MissingExtraError:
        raise
    except FileNotFoundError as error:
        if Path(path).suffix:
            raise
        # such as "gaia", which the command line takes
        said = "No such file, and services are asked by astro_yolo.fetch_catalog"
        raise FileNotFoundError(error.errno, said, str(path)) from error
    except Exception as error:  # readers of many formats raise as many classes
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        msg = f"{name} must be a table that Astropy reads, got {path}: {reason}"
        raise MatchError(msg) from error


def _read(path, wanted):
    """Return the table of a file, of several the first that can be used."""
    read = read_plain if _is_ours(path) else _read_other
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*multiple tables are present", AstropyUserWarning)
        table = _without_mark(read(path))
    other = None if wanted(table) else _another_table(path, wanted)
    return table if other is None else other


def _another_table(path, wanted):
    """Return the first table of a FITS file, its first apart, that can be used, or None."""
    with Path(path).expanduser().open("rb") as file:
        if file.read(6) != b"SIMPLE":
            return None
    with fits.open(path) as hdus:
        names = {k: hdu.name or k for k, hdu in enumerate(hdus)
                 if isinstance(hdu, fits.BinTableHDU | fits.TableHDU)}  # fmt: skip
    for number in list(names)[1:]:
        table = plain(QTable.read(path, format="fits", hdu=number, mask_invalid=False))
        if wanted(table):
            warn_user(f"{path} has {len(names)} tables: {names[number]} is read, the first that has"
                      " positions", InputWarning)
            return table
    return None


def _without_mark(table):
    """Return a table whose first name has no "#" before it, as `numpy.savetxt` writes a header."""
    for name in [name for name in table.colnames[:1] if name.startswith("#")]:
        bare = name.lstrip("# ")
        if bare and bare not in table.colnames:
            table.rename_column(name, bare)
    return table


def _read_other(path):
    """Read a file with an ending that our own tables do not have."""
    try:
        return Table.read(path)
    except IORegistryError:
        return _read_text(path)


def _read_text(path):
    """Read text whose form nothing tells, by trying."""
    try:
        return Table.read(path, format="ascii")
    except Exception as error:  # its message lists every form that was tried
        msg = "neither its ending nor its contents tell what kind of table it is"
        raise ValueError(msg) from error


def _is_ours(path):
    """Say whether the ending of a file is one that our own tables have."""
    try:
        check_table_path(path)
    except MissingExtraError:
        pass  # to read it less may be needed
    except ValueError:
        return False
    return True
