"""Questions to the SDSS catalogue, asked in SQL through astroquery.

SkyServer has traps that this module takes in (`ask`): error pages come as successful replies and
astroquery would keep them in its cache, more than 60 questions a minute are refused in plain text,
identifiers above 2**53 do not survive as floats, and an answer is cut at 500 000 rows. A reply is
believed, and stored, only when it has exactly the columns that were asked for.
"""

import csv
import hashlib
import io
import threading
import time
from pathlib import Path

import numpy as np

from astro_yolo._files import replacing
from astro_yolo.config import cache_folder, conf
from astro_yolo.exceptions import AstroYoloError, require, warn_user
from astro_yolo.training.galaxy_zoo import GZ1_COLUMNS, GZ2_COLUMNS
from astro_yolo.training.transfer import asked_wait

__all__ = [
    "ZOO_TABLES",
    "QueryError",
    "ask",
    "field_catalog",
    "field_votes",
    "fields_with_galaxies",
]

#: Tables of votes in SkyServer, and their column of DR8-and-later objIDs.
ZOO_TABLES = {
    "zooSpec": "objid",
    "zooNoSpec": "objid",
    "zoo2MainSpecz": "dr8objid",
    "zoo2MainPhotoz": "dr8objid",
    "zoo2Stripe82Normal": "dr8objid",
}

_ROW_LIMIT = 500_000
_INTERVAL = 1.1  # seconds between questions: 60 a minute are allowed
_LIMIT_WAIT = 70.0  # seconds to wait after the limit was met
_BACK_OFF = 3.0  # seconds before the second try; doubled for each further one
_TRIES = 4
_TIMEOUT = 120
_PASSING = {429, 502, 503, 504}  # too many questions, or a gateway; 500 is also a wrong question

_asking, _last = threading.Lock(), [0.0]

# Of PhotoObjAll: name in SQL -> type. Names are those of the schema that astroquery ships.
_PHOTO = {
    "objID": np.uint64, "ra": float, "dec": float, "run": int, "rerun": int, "camcol": int,
    "field": int, "obj": int, "rowc_r": float, "colc_r": float, "petroRad_r": float,
    "petroRadErr_r": float, "petroR50_r": float, "petroR90_r": float, "petroMag_r": float,
    "cModelMag_r": float, "extinction_r": float, "deVAB_r": float, "deVPhi_r": float,
    "expAB_r": float, "expPhi_r": float, "fracDeV_r": float, "type": int, "mode": int,
    "clean": int, "flags_r": int, "nChild": int, "parentID": np.uint64,
}  # fmt: skip
_GZ1 = dict.fromkeys(GZ1_COLUMNS, float)
_DEBIASED = {"p_el_debiased": float, "p_cs_debiased": float}


class QueryError(AstroYoloError, OSError):
    """SkyServer refused a question, could not be reached, or sent something that is no table."""


def fields_with_galaxies(
    *, zoo="zooSpec", dec=(-90.0, 90.0), min_petrosian=0.0, data_release=17, **options
):
    """
    Ask for the fields that hold galaxies of Galaxy Zoo.

    Parameters
    ----------
    zoo : str, optional
        One of `ZOO_TABLES`.
    dec : (float, float), optional
        Declinations in degrees, the second one left out. Ask in several bands of declination where
        the answer would exceed SkyServer's 500 000 rows.
    min_petrosian : float, optional
        Smallest r-band Petrosian radius in arcsec of a galaxy that counts.
    data_release : int, optional
        SDSS data release, 10 or later.
    **options
        ``cache_dir`` and ``refresh`` of `ask`.

    Returns
    -------
    `~astropy.table.Table`
        ``run, rerun, camcol, field, galaxies``, one row a field.

    Raises
    ------
    QueryError
        See `ask`.
    ValueError
        If the table is unknown.
    """
    key = _zoo_key(zoo)
    sql = (  # an objID is one detection on one field, so each galaxy counts once
        "SELECT p.run, p.rerun, p.camcol, p.field, COUNT(*) AS galaxies "  # noqa: S608
        f"FROM {zoo} AS z JOIN PhotoObjAll AS p ON p.objID = z.{key} "
        f"WHERE p.dec >= {float(dec[0])!r} AND p.dec < {float(dec[1])!r} "
        f"AND p.petroRad_r >= {float(min_petrosian)!r} "
        "GROUP BY p.run, p.rerun, p.camcol, p.field "
        "ORDER BY p.run, p.rerun, p.camcol, p.field"
    )
    columns = dict.fromkeys(("run", "rerun", "camcol", "field", "galaxies"), int)
    return ask(sql, columns, data_release=data_release, **options)


def field_catalog(run, camcol, field, *, rerun=301, data_release=17, **options):
    """
    Ask for the galaxies on a field, with their votes of Galaxy Zoo 1 where they have any.

    Parameters
    ----------
    run, camcol, field : int
        Numbers of the field.
    rerun, data_release : int, optional
        Reprocessing and data release.
    **options
        ``cache_dir`` and ``refresh`` of `ask`.

    Returns
    -------
    `~astropy.table.Table`
        Galaxies (``type`` 3) that are not the parents of others, primary or not: ``mode`` 1, 2 and
        4. All are seen on the frame; one that is left out would be taught as background.
        ``p_el_debiased`` and the like are NaN for a galaxy without spectrum, all votes
        for one that is not in Galaxy Zoo 1.

    Raises
    ------
    QueryError
        See `ask`.
    """
    votes = ", ".join(f"COALESCE(zs.{name}, zn.{name}) AS {name}" for name in _GZ1)
    debiased = ", ".join(f"zs.{name}" for name in _DEBIASED)
    sql = (
        f"SELECT {', '.join(f'p.{name}' for name in _PHOTO)}, {votes}, {debiased} "  # noqa: S608
        "FROM PhotoObjAll AS p "
        "LEFT JOIN zooSpec AS zs ON zs.objid = p.objID "
        "LEFT JOIN zooNoSpec AS zn ON zn.objid = p.objID "
        f"{_where(run, rerun, camcol, field)} AND p.type = 3 AND p.mode IN (1, 2, 4) "
        "AND p.nChild = 0 ORDER BY p.objID"
    )
    return ask(sql, _PHOTO | _GZ1 | _DEBIASED, data_release=data_release, **options)


def field_votes(
    run, camcol, field, *, zoo="zoo2MainSpecz", rerun=301, data_release=17, **options
):
    """
    Ask for the votes of Galaxy Zoo 2 on a field.

    Parameters
    ----------
    run, camcol, field : int
        Numbers of the field.
    zoo : str, optional
        ``zoo2MainSpecz``, ``zoo2MainPhotoz`` or ``zoo2Stripe82Normal``.
    rerun, data_release : int, optional
        Reprocessing and data release.
    **options
        ``cache_dir`` and ``refresh`` of `ask`.

    Returns
    -------
    `~astropy.table.Table`
        ``objID`` and the debiased answers that `astro_yolo.training.galaxy_zoo.classify` reads.

    Raises
    ------
    QueryError
        See `ask`.
    ValueError
        If the table is not one of Galaxy Zoo 2.
    """
    key = _zoo_key(zoo)
    if key != "dr8objid":
        msg = f"zoo must be a table of Galaxy Zoo 2, got {zoo!r}"
        raise ValueError(msg)
    answers = {f"{name}_debiased": float for name in GZ2_COLUMNS.values()}
    sql = (
        f"SELECT p.objID, {', '.join(f'z.{name}' for name in answers)} "  # noqa: S608
        f"FROM PhotoObjAll AS p JOIN {zoo} AS z ON z.dr8objid = p.objID "
        f"{_where(run, rerun, camcol, field)} ORDER BY p.objID"
    )
    return ask(sql, {"objID": np.uint64} | answers, data_release=data_release, **options)


def _zoo_key(zoo):
    """Return the column of identifiers of a table of votes."""
    if zoo not in ZOO_TABLES:
        msg = f"zoo must be one of {', '.join(ZOO_TABLES)}, got {zoo!r}"
        raise ValueError(msg)
    return ZOO_TABLES[zoo]


def _where(run, rerun, camcol, field):
    """Return the condition that picks one field."""
    numbers = {"run": run, "rerun": rerun, "camcol": camcol, "field": field}
    return "WHERE " + " AND ".join(f"p.{name} = {int(value)}" for name, value in numbers.items())


def ask(sql, columns, *, data_release=17, cache_dir=None, refresh=False):
    """
    Ask SkyServer in SQL, or find the answer in the store.

    Questions leave one at a time, 1.1 seconds apart; after the limit of questions was met it waits
    for a minute, and after a failure of the server or the network a little longer each time, or
    as long as the server asks.

    Parameters
    ----------
    sql : str
        Statement, on one line.
    columns : dict of str to type
        Columns of the answer, in order: `int`, `float` or ``numpy.uint64``.
    data_release : int, optional
        SDSS data release.
    cache_dir : path-like, optional
        Folder of the store; default: ``queries`` in `astro_yolo.config.cache_folder`.
    refresh : bool, optional
        Ask even if the answer is stored.

    Returns
    -------
    `~astropy.table.Table`
        No rows when nothing matches; NaN, or 0 for whole numbers, where SQL gives null.

    Raises
    ------
    QueryError
        If there is no proper answer after four tries. Nothing is stored then.
    MissingExtraError
        If astroquery is not installed and the answer is not stored.
    """
    base = conf.skyserver_base_url.rstrip("/")
    path = _store_path(sql, base, data_release, cache_dir)
    if path.is_file() and not refresh:
        table = _parse(path.read_text(encoding="utf-8"), columns)
        if table is not None:
            return _warned(table)
    for attempt in range(_TRIES):
        text, problem, wait = _one_try(sql, base, data_release, attempt)
        table = None if problem else _parse(text, columns)
        if table is not None:
            break
        problem = problem or f"what came is not the table that was asked for: {_gist(text)}"
        if wait is None or attempt == _TRIES - 1:
            msg = f"{base} gave no answer to a query: {problem}"
            raise QueryError(f"{msg}; astro_yolo.conf.skyserver_base_url names the server")
        time.sleep(wait)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, overwrite=True) as part:
        part.write_text(text, encoding="utf-8")
    return _warned(table)


def _warned(table):
    """Return a table, with a warning if it may have been cut; stored ones were cut as well."""
    if len(table) >= _ROW_LIMIT:
        warn_user(f"the answer has {len(table)} rows, where SkyServer cuts: ask for less at a time")
    return table


def _store_path(sql, base, data_release, cache_dir):
    """Return where the answer to a question is stored."""
    folder = Path(cache_dir) if cache_dir is not None else cache_folder() / "queries"
    name = hashlib.sha256(f"{base}\n{data_release}\n{sql}".encode()).hexdigest()
    return folder / f"{name[:32]}.csv"


def _one_try(sql, base, data_release, attempt):
    """Return the text of a reply, what is wrong with it, and how long to wait; None: give up."""
    sdss = require("astroquery.sdss", extra="sdss", feature="Asking the SDSS catalogue")
    import requests

    wait = _BACK_OFF * 2**attempt
    try:
        with _asking, sdss.conf.set_temp("skyserver_baseurl", base):
            time.sleep(max(0.0, _last[0] + _INTERVAL - time.monotonic()))
            try:
                # its own cache would keep an error page for a week
                reply = sdss.SDSS.query_sql_async(
                    sql, data_release=data_release, timeout=_TIMEOUT, cache=False
                )
            finally:
                _last[0] = time.monotonic()
        reply.raise_for_status()
    except requests.HTTPError as error:
        code, wait = error.response.status_code, max(wait, asked_wait(error.response.headers))
        return "", f"HTTP {code} {error.response.reason}", wait if code in _PASSING else None
    except requests.Timeout:
        return "", f"time-out, no reply in {_TIMEOUT} seconds", wait
    except requests.RequestException as error:
        return "", f"cannot reach it ({type(error).__name__})", wait
    if "queries allowed per minute" in reply.text:
        return "", f"too many queries a minute: {_gist(reply.text)}", _LIMIT_WAIT
    if "error" in reply.text[:2000].lower():
        return "", f"an error page: {_gist(reply.text)}", None
    return reply.text, "", wait


def _gist(text):
    """Return the start of a reply on one line."""
    return repr(" ".join(text.split())[:200])


def _parse(text, columns):
    """Return a reply as a table, or None if it is not exactly the table that was asked for."""
    from astropy.table import Table

    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    rows = list(csv.reader(io.StringIO("\n".join(lines))))
    if not rows or [name.lower() for name in rows[0]] != [name.lower() for name in columns]:
        return None
    if any(len(row) != len(columns) for row in rows):
        return None
    try:
        values = {
            name: np.array([_value(row[k], kind) for row in rows[1:]], dtype=kind)
            for k, (name, kind) in enumerate(columns.items())
        }
    except (ValueError, OverflowError):
        return None
    return Table(values)


def _value(text, kind):
    """Return a number without a detour through float for whole ones."""
    missing = text.strip().lower() in {"", "null"}
    if kind is float:
        return np.nan if missing else float(text)
    return 0 if missing else int(text)
