"""Calibration error of the score: whether 80 % of the galaxies with score 0.8 are real.

A detection on field 94-1-12 is judged by the coadd source within 3 pixels, or where the coadd has
none by the SDSS catalogue's within 5 pixels. What neither knows is counted in three ways: left out;
as no galaxy where its r within 5 pixels is brighter than 22; and so, with all others that are
fainter left out as well, known or not. The catalogues thin out from r = 22 on, so the first two
choose the faint detections by the truth: those that are none are dropped, those that are galaxies
are kept. Only the third is chosen by nothing but what the image shows.
"""

import numpy as np
import truth_94_1_12 as field
from scipy.spatial import cKDTree

from accuracy_sections.coadd import load_coadd
from accuracy_sections.session import places_of
from astro_yolo.training.metrics import calibration_bins

__all__ = ["print_reliability", "reliability", "run"]

FAINTEST = 22.0
LOWEST = 0.05


def run(session):
    """
    Measure the calibration error of the score.

    Parameters
    ----------
    session : accuracy_sections.session.Session
        The run.

    Returns
    -------
    dict
    """
    table = session.everything[session.everything["score"] >= LOWEST]
    places = places_of(table)
    inside = field.inside(places, session.truth.image.shape)
    table, places = table[inside], places[inside]
    known, galaxy = _judged(session, places)
    own = field.aperture_magnitude(session.truth.image, *places.T)
    ways = {
        "known to a catalogue": known,
        f"and r < {FAINTEST:.0f} known to none": known | (own < FAINTEST),
        f"r < {FAINTEST:.0f} whether known or not": own < FAINTEST,
    }
    found = {}
    for name, chosen in ways.items():
        print(f"galaxies with score > {LOWEST}, {name}: {chosen.sum()}")
        score = np.asarray(table["score"], dtype=float)[chosen]
        found[name] = reliability(score, galaxy[chosen])
        print_reliability(found[name])
    return found


def _judged(session, places):
    """Return which places a catalogue knows, and which of them it calls a galaxy."""
    where, _, coadd_galaxy = load_coadd(session.data)
    distance, nearest = cKDTree(where).query(places)
    known = distance < field.CLASS_RADIUS
    galaxy = known & coadd_galaxy[nearest]
    truth = session.truth
    objects = np.concatenate([truth.galaxies, truth.stars])[:, :2]
    distance, nearest = cKDTree(objects).query(places)
    others = ~known & (distance < field.MATCH_RADIUS)
    galaxy |= others & (nearest < len(truth.galaxies))
    return known | others, galaxy


def reliability(probability, right):
    """
    Return the expected calibration error (Naeini et al. 2015) over ten bins of equal width.

    Parameters
    ----------
    probability : (N,) array
        What was said.
    right : (N,) bool array
        What is so.

    Returns
    -------
    dict
        ``error``, ``total``, and ``bins``, each (mean said, share right, number).
    """
    rows, error = calibration_bins(probability, right)
    shown = [(row["score"], row["right"], row["detections"]) for row in rows if row["detections"]]
    return {"error": error if len(right) else 0.0, "total": len(right), "bins": shown}


def print_reliability(found):
    """Print the error and its bins."""
    print(f"  calibration error {found['error']:.3f} of {found['total']}")
    print("  said   " + " ".join(f"{said:5.2f}" for said, _, _ in found["bins"]))
    print("  right  " + " ".join(f"{share:5.2f}" for _, share, _ in found["bins"]))
    print("  number " + " ".join(f"{number:5d}" for _, _, number in found["bins"]))
