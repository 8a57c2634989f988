"""Field 94-1-12 against the SDSS catalogue, beside SEP and SExtractor at equal purity."""

from itertools import pairwise

import numpy as np
import truth_94_1_12 as field

from accuracy_sections.peers import Sources
from accuracy_sections.session import places_of, rate, text

__all__ = ["as_sources", "run"]

LIMITS = (19.0, 20.0, 21.0, 22.0)
BINS = (17.0, 18.0, 19.0, 19.5, 20.0, 20.5, 21.0, 21.5, 22.0)
SCORES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def run(session):
    """
    Measure recall and precision at the default score, over scores, and beside other programs.

    Parameters
    ----------
    session : accuracy_sections.session.Session
        The run.

    Returns
    -------
    dict
    """
    truth = session.truth
    print(f"{len(truth.galaxies)} galaxies, {len(truth.stars)} stars, "
          f"{len(truth.left_out)} objects left out")
    matched = field.match(*places_of(session.table).T, truth)
    found = {"default": _report(matched)}
    ours = as_sources(session)
    found["scores"] = {score: _sweep_row(ours, score, truth) for score in SCORES}
    _print_sweep(found["scores"])
    programs = [ours, *session.peers]
    found["usual cut"] = _usual_cuts(programs, truth)
    found["equal purity"] = equal_purity(programs, truth, matched)
    return found


def as_sources(session, table=None):
    """Return this package's galaxies as `Sources`, with the score as the extent."""
    table = session.everything if table is None else table
    magnitude = field.aperture_magnitude(session.truth.image, table["x"], table["y"])
    name = f"astro-yolo, {session.detector.weights.name}"
    return Sources(name, np.asarray(table["x"]), np.asarray(table["y"]), magnitude,
                   np.asarray(table["score"]), session.score)


def _report(matched):
    """Print and return what was found at the default score."""
    print(f"  {'':>11}  {'recall':<33} precision")
    found = {}
    ranges = [(0.0, limit) for limit in LIMITS] + list(pairwise(BINS))
    for bright, faint in ranges:
        name = f"{bright:.1f} - {faint:.1f}" if bright else f"r < {faint:.0f}"
        found[name] = {
            "recall": rate(*matched.recall(bright, faint)),
            "precision": rate(*matched.precision(bright, faint)),
        }
        print(f"  {name:>11}  {text(found[name]['recall'], 33)} {text(found[name]['precision'])}")
    found["stars r<20 as galaxies"] = rate(matched.stars_taken, matched.bright_stars)
    print(f"  stars r < 20 returned as galaxies: {text(found['stars r<20 as galaxies'])}")
    found["positions"] = _positions(matched)
    return found


def _positions(matched, faint=21.0):
    """Print and return the offsets from the catalogue, with the error of the median bias."""
    dx, dy = matched.offsets(faint)
    if not len(dx):
        return {}
    error = 1.253 * 1.4826 / np.sqrt(len(dx))  # of a median, from the median absolute deviation
    sx, sy = (float(error * np.median(np.abs(d - np.median(d)))) for d in (dx, dy))
    offset, x, y = (float(np.median(values)) for values in (np.hypot(dx, dy), dx, dy))
    print(f"  positions: {len(dx)} pairs r < {faint:.0f}, median offset {offset:.3f} px, "
          f"bias x {x:+.3f} ± {sx:.3f}, y {y:+.3f} ± {sy:.3f} px")
    return {"pairs": len(dx), "median offset": offset, "bias": [x, y], "error": [sx, sy]}


def _sweep_row(sources, score, truth):
    """Return what is found at one score."""
    matched = field.match(*sources.places(score).T, truth)
    row = {"stars r<20 as galaxies": rate(matched.stars_taken, matched.bright_stars)}
    for limit in LIMITS[1:]:
        row[f"r < {limit:.0f}"] = {
            "recall": rate(*matched.recall(0, limit)),
            "precision": rate(*matched.precision(0, limit)),
        }
    return row


def _print_sweep(rows):
    """Print recall and precision against the score threshold."""
    print("\n  score   " + "   ".join(f"r<{limit:.0f} recall, precision" for limit in LIMITS[1:]))
    for score, row in rows.items():
        cells = [row[f"r < {limit:.0f}"] for limit in LIMITS[1:]]
        line = "   ".join(f"{c['recall']['share']:12.3f} {c['precision'].get('share', 1):9.3f}"
                          for c in cells)
        stars = row["stars r<20 as galaxies"]
        print(f"  {score:5.2f} {line}   stars {stars['hits']}/{stars['total']}")


def _usual_cuts(programs, truth):
    """Print and return recall and precision of each program where it is commonly cut."""
    print("\n  recall, precision at the usual cut")
    found = {}
    for program in programs:
        row = _sweep_row(program, program.usual, truth)
        cells = [row[f"r < {limit:.0f}"] for limit in LIMITS[1:]]
        line = "   ".join(f"{c['recall']['share']:6.3f} {c['precision']['share']:.3f}"
                          for c in cells)
        stars = row["stars r<20 as galaxies"]
        name = f"{program.name} > {program.usual:.4g}"
        print(f"  {name:<48}{line}   stars {stars['hits']}/{stars['total']}")
        found[program.name] = row
    return found


def equal_purity(programs, truth, matched):
    """
    Print and return the best recall of each program at the purity of our default score.

    Parameters
    ----------
    programs : list of Sources
        Ours first.
    truth : Truth
        Of the field.
    matched : Matched
        Our galaxies at the default score.

    Returns
    -------
    dict
        Name to limit to recall, precision and cut; None where no cut is so pure.
    """
    wanted = {limit: rate(*matched.precision(0, limit))["share"] for limit in LIMITS[1:]}
    print("\n  best recall at no less than the precision of our default score: "
          + ", ".join(f"{share:.3f} (r<{limit:.0f})" for limit, share in wanted.items()))
    found = {}
    for program in programs:
        swept = [(cut, field.match(*program.places(cut).T, truth)) for cut in program.cuts()]
        row = {f"r < {limit:.0f}": _best(swept, limit, share) for limit, share in wanted.items()}
        cells = [f"r<{name[4:]} {_recall_text(best)}" for name, best in row.items()]
        print(f"  {program.name:<38}" + "  ".join(cells))
        found[program.name] = row
    return found


def _best(swept, limit, wanted):
    """Return the highest recall among the cuts that are pure enough, or None."""
    pure = []
    for cut, matched in swept:
        true, total = matched.precision(0, limit)
        if total and true / total >= wanted - 1e-9:
            pure.append((matched.recall(0, limit), (true, total), float(cut)))
    if not pure:
        return None
    recall, precision, cut = max(pure)
    return {"recall": rate(*recall), "precision": rate(*precision), "cut": cut}


def _recall_text(best):
    """Return a recall as text, or that there is none."""
    return text(best["recall"], 31) if best else f"{'never so pure':<31}"
