"""Field 94-1-12 judged by the deeper Stripe 82 coadd, beside the survey's own catalogue.

A coadd source is a galaxy where ``probpsf < 0.5``; its r is then the sum of its exponential and de
Vaucouleurs light, else ``psfmag_r``; sources at least 10 pixels inside the frame count. It is
found if a detection lies within 3 pixels on the sky. Purity is the share of galaxies among the
detections with a coadd source; those without one are ignored, as the coadd's list has holes. Which
detections are brighter than the limit is told by their own magnitude, the catalogue's
``CMODELMAG`` or our r within 5 pixels: only so does the survey's catalogue come to the purities
that were published for it here, 0.957 and 0.931. Beside it stands purity by the coadd's own r.
Over scores every source counts from its score as a galaxy on, also one that is likelier a star.
"""

import bz2
from pathlib import Path

import numpy as np
import truth_94_1_12 as field
from astropy.io import fits
from scipy.spatial import cKDTree

from accuracy_sections.catalogue import as_sources
from accuracy_sections.session import places_of, rate

__all__ = ["judge", "load_coadd", "run"]

BINS = ((20.5, 21.0), (21.0, 21.5), (21.5, 22.0), (22.0, 22.5))
LIMITS = (21.5, 22.0)
SCORES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8)
#: What the issue wants, at the survey's purity.
TARGETS = (0.92, 0.88, 0.70, 0.40)


def run(session):
    """
    Measure completeness and purity at the default score, over scores, and beside others.

    Parameters
    ----------
    session : accuracy_sections.session.Session
        The run.

    Returns
    -------
    dict
    """
    coadd = load_coadd(session.data)
    head = [f"r {bright}-{faint}" for bright, faint in BINS]
    head += [f"purity <{limit}" for limit in LIMITS] + [f"by coadd <{limit}" for limit in LIMITS]
    print(f"{'':<40}" + "".join(f"{cell:>16}" for cell in head))
    survey = judge(*survey_galaxies(session.data), coadd)
    _print_row("survey's catalogue", survey)
    table = session.table
    own = field.aperture_magnitude(session.truth.image, table["x"], table["y"])
    default = judge(places_of(table), own, coadd)
    _print_row(f"default score {session.score:.3f}", default)
    found = {"survey": survey, "default": default, "scores": {}}
    ours = as_sources(session, session.sources)
    for score in SCORES:
        found["scores"][score] = _at_cut(ours, score, coadd)
        _print_row(f"score {score:.2f}", found["scores"][score])
    found["survey's purity"] = {}
    for rule in ("purity", "purity by coadd"):
        print(f"most galaxies at no less than the survey's {rule}:")
        best = {
            program.name: _loosest(program, coadd, survey, rule)
            for program in (ours, *session.peers)
        }
        for name, row in best.items():
            _print_row(f"  {name}", row)
        found["survey's purity"][rule] = best
    print(f"{'wanted':<40}" + "".join(f"{share:>16.2f}" for share in TARGETS))
    return found


def load_coadd(data):
    """
    Read the coadd's sources at least 10 pixels inside the frame.

    Parameters
    ----------
    data : path-like
        Folder of real data.

    Returns
    -------
    places : (N, 2) array
        0-based pixels of the r frame.
    magnitude : (N,) array
        r.
    galaxy : (N,) bool array
    """
    wcs, shape = _frame(data)
    rows = fits.getdata(Path(data) / field.COADD)
    places = np.stack(wcs.all_world2pix(rows["ra"], rows["dec"], 0), axis=1)
    galaxy = rows["probpsf"] < 0.5
    share = rows["fracdev_r"].astype(float)
    model = share * rows["devmag_r"] + (1 - share) * rows["expmag_r"]
    magnitude = np.where(galaxy, model, rows["psfmag_r"]).astype(float)
    inside = field.inside(places, shape)
    return places[inside], magnitude[inside], galaxy[inside]


def _frame(data):
    """Return WCS and shape of the r frame."""
    with bz2.open(field.frame_paths(data)["r"]) as stream, fits.open(stream) as hdus:
        return field.celestial(hdus[0].header), hdus[0].data.shape


def survey_galaxies(data):
    """Return pixels and r magnitudes of what the survey's own catalogue calls a galaxy."""
    rows = fits.getdata(Path(data) / field.CATALOGUE)
    rows = rows[(rows["NCHILD"] == 0) & (rows["OBJC_TYPE"] == 3)]
    places = np.stack(_frame(data)[0].all_world2pix(rows["RA"], rows["DEC"], 0), axis=1)
    return places, rows["CMODELMAG"][:, 2].astype(float)


def judge(places, own_magnitude, coadd):
    """
    Hold places of galaxies against the coadd.

    Parameters
    ----------
    places : (N, 2) array
        0-based pixels.
    own_magnitude : (N,) array
        r of the detections.
    coadd : tuple
        From `load_coadd`.

    Returns
    -------
    dict
        ``completeness``, a share for each of `BINS`; ``purity`` by the detections' own magnitude
        and ``purity by coadd`` by that of the coadd, a share for each of `LIMITS`.
    """
    where, magnitude, galaxy = coadd
    found = {"completeness": [], "purity": [], "purity by coadd": []}
    hit = cKDTree(places).query(where)[0] < field.CLASS_RADIUS
    for bright, faint in BINS:
        wanted = galaxy & (magnitude >= bright) & (magnitude < faint)
        found["completeness"].append(rate((hit & wanted).sum(), wanted.sum()))
    distance, nearest = cKDTree(where).query(places)
    for name, values in (("purity", own_magnitude), ("purity by coadd", magnitude[nearest])):
        for limit in LIMITS:
            paired = (distance < field.CLASS_RADIUS) & (values < limit)
            found[name].append(rate(galaxy[nearest[paired]].sum(), paired.sum()))
    return found


def _at_cut(program, cut, coadd):
    """Judge what a program calls a galaxy at a cut."""
    return judge(program.places(cut), program.magnitude[program.extent >= cut], coadd)


def _loosest(program, coadd, survey, rule):
    """Return the result with most galaxies among the cuts as pure as the survey, or None."""
    best, most = None, -1
    for cut in program.cuts():
        found = _at_cut(program, cut, coadd)
        pure = all(
            mine["total"] and mine["share"] >= theirs["share"] - 5e-4
            for mine, theirs in zip(found[rule], survey[rule], strict=True)
        )
        hits = sum(share["hits"] for share in found["completeness"])
        if pure and hits > most:
            best, most = found | {"cut": float(cut)}, hits
    return best


def _print_row(name, found):
    """Print shares of the bins, and purities."""
    if found is None:
        print(f"{name:<40}  never so pure")
        return
    cells = [f"{c['share']:.2f} {c['hits']}/{c['total']}" for c in found["completeness"]]
    for rule in ("purity", "purity by coadd"):
        cells += [f"{c.get('share', 1):.3f} {c['hits']}/{c['total']}" for c in found[rule]]
    print(f"{name[:40]:<40}" + "".join(f"{cell:>16}" for cell in cells))
