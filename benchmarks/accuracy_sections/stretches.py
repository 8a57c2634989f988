"""Field 94-1-12 rendered to an 8-bit picture in each stretch, and in single bands.

L, LH, S, SH and Q are AstroCV's conversions as published; the others are those of the same kind
that are chosen to show SDSS frames well.
"""

import truth_94_1_12 as field

from accuracy_sections.session import LOWEST, places_of, rate, text
from astro_yolo.stretch import STRETCHES, to_rgb

__all__ = ["run"]

PUBLISHED = ("L", "LH", "S", "SH", "Q")
OTHERS = ("lupton", "lupton_high", "sinh", "sinh_high", "sqrt")
LIMITS = (20.0, 21.0)
PURE = 0.95  # precision at which recalls are compared


def run(session):
    """
    Measure recall and precision in every stretch.

    Parameters
    ----------
    session : accuracy_sections.session.Session
        The run.

    Returns
    -------
    dict
    """
    bands = session.test_bands
    channels = [bands[band] for band in "irg"]
    inputs = {"planes": lambda: session.test_frame}
    for name in (*PUBLISHED, *OTHERS):
        if name in STRETCHES:
            inputs[name] = lambda name=name: to_rgb(channels, name)
    for name in "gri":
        inputs[f"{name} alone"] = lambda name=name: bands[name]
    print(f"{'':<12}{'n':>5}  {'recall r<20':<28}{'recall r<21':<30}precision r<20, r<21   "
          f"recall r<20, r<21 at precision {PURE}")
    found = {name: _measure(session, name, make()) for name, make in inputs.items()}
    for names in (PUBLISHED, OTHERS):
        _print_spread({name: found[name] for name in names if name in found})
    return found


def _measure(session, name, image):
    """Detect in one image; print and return what is found."""
    table = session.detector.detect(image, score=min(LOWEST, session.score))
    score, places = table["score"], places_of(table)
    default = score >= session.score
    matched = field.match(*places[default].T, session.truth)
    found = {"number": int(default.sum())}
    for limit in LIMITS:
        found[f"recall r<{limit:.0f}"] = rate(*matched.recall(0, limit))
        found[f"precision r<{limit:.0f}"] = rate(*matched.precision(0, limit))
    found |= _at_equal_precision(score, places, session.truth)
    recalls = [found[f"recall r<{limit:.0f}"] for limit in LIMITS]
    precisions = [found[f"precision r<{limit:.0f}"] for limit in LIMITS]
    pure = [found[f"pure recall r<{limit:.0f}"] for limit in LIMITS]
    print(f"{name:<12}{found['number']:>5}  {text(recalls[0], 28)}{text(recalls[1], 30)}"
          + "".join(f"{c.get('share', 1):.3f} ({c['total']})".ljust(13) for c in precisions)
          + "  ".join(f"{share:.3f}" for share in pure))
    return found


def _at_equal_precision(score, places, truth):
    """Return the best recall with a precision of `PURE`, for each limit."""
    best = {f"pure recall r<{limit:.0f}": 0.0 for limit in LIMITS}
    for threshold in [LOWEST, *(k / 40 for k in range(1, 40))]:
        matched = field.match(*places[score >= threshold].T, truth)
        for limit in LIMITS:
            true, total = matched.precision(0, limit)
            recalled, wanted = matched.recall(0, limit)
            if total and true / total >= PURE:
                name = f"pure recall r<{limit:.0f}"
                best[name] = max(best[name], recalled / wanted)
    return best


def _print_spread(found):
    """Print how far the worst stretch is behind the best."""
    if not found:
        return
    line = []
    for kind in ("recall", "pure recall"):
        for limit in LIMITS:
            values = [row[f"{kind} r<{limit:.0f}"] for row in found.values()]
            shares = [v["share"] if isinstance(v, dict) else v for v in values]
            line.append(f"{kind} r<{limit:.0f} {100 * (max(shares) - min(shares)):.0f}")
    print(f"points from best to worst of {', '.join(found)}: {'; '.join(line)} (wanted: 3)")
