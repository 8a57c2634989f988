"""Catalogues from services on the network: SDSS, Gaia, Simbad, NED and VizieR.

Each is asked through astroquery for a cone, and the answer is cut to the field: cones are the one
shape that all five know, and are the same at the poles.
"""

from contextlib import contextmanager
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.table import Column, QTable

from astro_yolo import _service_queries as queries
from astro_yolo._columns import floats
from astro_yolo._service_region import region_of
from astro_yolo.exceptions import MatchError, MissingExtraError, ServiceError

__all__ = ["SERVICES", "fetch_catalog", "is_service"]

#: Names of services; VizieR's goes with one of its tables, as in "vizier:II/349/ps1".
SERVICES = ("sdss", "gaia", "simbad", "ned", "vizier:TABLE")

_ASK = {
    "sdss": queries.ask_sdss,
    "gaia": queries.ask_gaia,
    "simbad": queries.ask_simbad,
    "ned": queries.ask_ned,
}
# Names of the position in the answers, in lower case, in the order in which they are tried.
_POSITIONS = (("_raj2000", "_dej2000"), ("ra", "dec"), ("ra(deg)", "dec(deg)"))


def fetch_catalog(service, region, radius=None):
    """
    Ask a catalogue service for the objects in a piece of sky.

    Parameters
    ----------
    service : str
        "sdss" (primary objects of DR17), "gaia" (DR3), "simbad", "ned", or "vizier:" with the
        name of a table of VizieR, as in "vizier:II/349/ps1".
    region : `~astropy.coordinates.SkyCoord`, `~astropy.table.Table`, SkyImage or WCS
        One position; several, or a table, for a cone about them all; an image, a WCS that knows
        the size of its image, or a table from ``detect``, for the field.
    radius : `~astropy.units.Quantity`, optional
        Of the cone about one position. About anything else: how far to look beyond the outermost
        row or the border, 5 arcsec by default.

    Returns
    -------
    `~astropy.table.QTable`
        ``ra`` and ``dec`` (ICRS, degrees) first, then what the service sends, under its names.
        No rows where there is nothing. Meta: SERVICE, and QUERYRA, QUERYDEC, QUERYRAD in degrees.

    Raises
    ------
    MatchError
        If the service is not known, or the region has no position or is larger than 5 degrees.
    ServiceError
        If the service cannot be reached or does not answer with a table of positions.
    MissingExtraError
        If astroquery is not installed.

    Notes
    -----
    Positions of Gaia are of the epoch 2016.0, with proper motions: give the year of the image to
    ``crossmatch(epoch=...)``. VizieR answers a table name that it does not know
    as it answers an empty field.

    Examples
    --------
    >>> from astro_yolo import crossmatch, detect
    >>> from astro_yolo.services import fetch_catalog
    >>> table = detect(["g.fits", "r.fits", "i.fits"])  # doctest: +SKIP
    >>> stars = fetch_catalog("gaia", table)  # doctest: +SKIP
    >>> found = crossmatch(table, stars, epoch=2004.7)  # doctest: +SKIP
    """
    name, part = _split(service)
    region = region_of(region, radius)
    with _errors_named(service):
        answer = queries.ask_vizier(region, part) if part else _ASK[name](region)
        table = _with_positions(answer)
    kept = region.holds(*(table[key].to_value(u.deg) for key in ("ra", "dec")))
    table = table[kept]
    table.meta = {
        "SERVICE": service,
        "QUERYRA": float(region.center.ra.deg),
        "QUERYDEC": float(region.center.dec.deg),
        "QUERYRAD": float(region.radius.to_value(u.deg)),
    }
    return table


def is_service(text):
    """
    Say whether a text names a service rather than a file.

    Parameters
    ----------
    text : str
        Anything.

    Returns
    -------
    bool

    Examples
    --------
    >>> from astro_yolo.services import is_service
    >>> is_service("vizier:II/349/ps1"), is_service("gaia.fits")
    (True, False)
    """
    known = text in _ASK or (text.startswith("vizier:") and len(text) > len("vizier:"))
    return known and not Path(text).exists()


def _split(service):
    """Return the name of a service, and the table of VizieR."""
    name, _, part = str(service).partition(":")
    if (name == "vizier") != bool(part) or (name != "vizier" and name not in _ASK):
        msg = f"service must be one of {', '.join(SERVICES)}, got {service!r}"
        raise MatchError(msg)
    return name, part


@contextmanager
def _errors_named(service):
    """Turn what astroquery, pyvo, requests and the readers raise into one error."""
    try:
        yield
    except MissingExtraError:
        raise
    except Exception as error:
        # astroquery's own "failed to parse" says less than what it failed with; of a page where
        # Gaia should have begun a job it says "OK", the page's status
        unread = type(error).__name__ == "TableParseError" or str(error) == "OK"
        cause = error.__context__ if unread and error.__context__ else error
        text = " ".join(str(cause).split())[:300] or type(cause).__name__
        msg = f"{service} gave no catalogue: {'what came is no table: ' * unread}{text}"
        raise ServiceError(msg) from error


def _with_positions(answer):
    """Return an answer with ``ra`` and ``dec`` in degrees as its first columns, text as text."""
    if answer is None:
        return QTable({"ra": [] * u.deg, "dec": [] * u.deg})
    lower = {name.lower(): name for name in answer.colnames}
    pair = next((pair for pair in _POSITIONS if set(pair) <= set(lower)), None)
    if pair is None:
        msg = f"the answer has no positions but the columns {answer.colnames[:8]}"
        raise ServiceError(msg)
    ra, dec = (floats(answer[lower[key]]) * u.deg for key in pair)
    others = [name for name in answer.colnames if name.lower() not in {*pair, "ra", "dec"}]
    table = QTable({"ra": ra, "dec": dec})
    for name in others:
        table[name] = _plain(answer[name])
    return table


def _plain(column):
    """Return a column of text or Python objects as text without unit; others as they are."""
    if column.dtype.kind not in "OSU":
        return column
    values = np.ma.asarray(column).filled("")
    return Column([str(value) for value in values], dtype=str, description=column.description)
