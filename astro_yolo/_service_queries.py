"""One question to each catalogue service, through astroquery.

Every function takes a `Region` and returns the answer as the service gives it, None for nothing.
"""

import re
import warnings
from contextlib import contextmanager

import numpy as np
from astropy import units as u

from astro_yolo.config import conf
from astro_yolo.exceptions import require

__all__ = ["ask_gaia", "ask_ned", "ask_sdss", "ask_simbad", "ask_vizier"]

_FEATURE = "Asking a catalogue service"
_GAIA = (
    "source_id, ra, dec, ra_error, dec_error, parallax, parallax_error, pmra, pmdec, ref_epoch, "
    "phot_g_mean_mag, bp_rp, ruwe, in_galaxy_candidates, in_qso_candidates"
)
_SIMBAD = (
    "main_id, ra, dec, otype, rvz_redshift, morph_type, galdim_majaxis, galdim_minaxis, "
    "galdim_angle"
)
#: Columns of SDSS's PhotoObjAll: name -> type.
SDSS_COLUMNS = {
    # a bigint there, too; VOTable has no unsigned numbers of this size
    "objID": int, "ra": float, "dec": float, "type": int,
    **{f"modelMag_{band}": float for band in "ugriz"},
    "cModelMag_r": float, "petroMag_r": float, "petroRad_r": float, "extinction_r": float,
    "run": int, "camcol": int, "field": int,
}  # fmt: skip


def ask_sdss(region):
    """Ask SkyServer for the primary objects in the box round the cone."""
    from astro_yolo.training.queries import ask

    sql = (
        f"SELECT {', '.join(f'p.{name}' for name in SDSS_COLUMNS)} "  # noqa: S608 - numbers alone
        f"FROM PhotoObjAll AS p WHERE p.mode = 1 AND {_box(region)} ORDER BY p.objID"
    )
    return ask(sql, SDSS_COLUMNS)


def ask_gaia(region):
    """Ask the Gaia archive, as a job: its quick answers end at 2000 rows."""
    tap = require("astroquery.utils.tap.core", extra="catalogs", feature=_FEATURE)
    with _quiet():
        service = tap.TapPlus(url=conf.gaia_tap_url)
        sql = f"SELECT {_GAIA} FROM gaiadr3.gaia_source WHERE {_circle(region)}"  # noqa: S608
        return service.launch_job_async(sql).get_results()


def ask_simbad(region):
    """Ask Simbad by its table access protocol."""
    module = require("astroquery.simbad", extra="catalogs", feature=_FEATURE)
    with _quiet():
        service = module.SimbadClass()
        sql = f"SELECT {_SIMBAD} FROM basic WHERE {_circle(region)}"  # noqa: S608
        return service.query_tap(sql, maxrec=service.hardlimit)


def ask_ned(region):
    """Ask NED for the objects near a position."""
    module = require("astroquery.ipac.ned", extra="catalogs", feature=_FEATURE)
    from astroquery.exceptions import RemoteServiceError

    with _quiet():
        try:
            return module.NedClass().query_region(region.center, radius=region.radius)
        except RemoteServiceError as error:
            # NED says by an error that a cone is empty
            if re.search(r"\bno\b.*\bfound\b", str(error), re.IGNORECASE | re.DOTALL):
                return None
            raise


def ask_vizier(region, name):
    """Ask VizieR for one table, with the positions in degrees that it computes itself."""
    module = require("astroquery.vizier", extra="catalogs", feature=_FEATURE)
    with _quiet():
        service = module.VizierClass(columns=["*", "_RAJ2000", "_DEJ2000"], row_limit=-1)
        found = service.query_region(
            region.center, radius=region.radius, catalog=name, cache=False
        )
    if found is None:  # astroquery has warned that it could not be parsed
        raise ValueError("what came is no table")
    if len(found) > 1:
        msg = f"{name!r} holds several tables: name one of {', '.join(map(str, found.keys()))}"
        raise ValueError(msg)
    return found[0] if len(found) else None


def _circle(region):
    """Return the condition in ADQL that a position lies in the cone."""
    place = region.center
    numbers = f"{place.ra.deg:.8f}, {place.dec.deg:.8f}, {region.radius.to_value(u.deg):.8f}"
    return f"1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', {numbers}))"


def _box(region):
    """Return the condition in SQL that a position lies in the box round the cone."""
    ra, dec = region.center.ra.deg, region.center.dec.deg
    reach = region.radius.to_value(u.deg)
    low, high = dec - reach, dec + reach
    inside = f"p.dec BETWEEN {max(low, -90):.8f} AND {min(high, 90):.8f}"
    if low <= -90 or high >= 90:
        return inside  # a pole: every right ascension
    side = np.degrees(np.arcsin(np.sin(np.radians(reach)) / np.cos(np.radians(dec))))
    west, east = (ra - side) % 360, (ra + side) % 360
    word = "AND" if west <= east else "OR"
    return f"{inside} AND (p.ra >= {west:.8f} {word} p.ra <= {east:.8f})"


@contextmanager
def _quiet():
    """Let astroquery neither log nor warn (of empty answers, odd units), nor keep what comes."""
    astroquery = require("astroquery", extra="catalogs", feature=_FEATURE)
    log, level = astroquery.log, astroquery.log.level
    log.setLevel("ERROR")
    try:
        # its cache would give an error page again for a week
        with warnings.catch_warnings(), astroquery.cache_conf.set_temp("cache_active", False):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
