"""The maps from raw outputs to probabilities, measured on skies that a network did not train on.

A detection is a galaxy where there is a source at all, and where that source is no star. The first
is told by the larger of the two outputs for a galaxy and a star; the second by both, since a
galaxy output of 0.3 means another thing beside a star output of 0.01 than beside one of 0.3; by the
balance of galaxies and stars in the image; and by the spread, where there are stars enough to
measure it.
"""

from itertools import pairwise

import numpy as np
from scipy.optimize import isotonic_regression, minimize

from astro_yolo.network.calibration import OUTPUTS, ScoreMap, odds_terms, strength

__all__ = ["fit_calibration", "isotonic_map", "purity_table", "smooth_map"]

_GALAXY, _STAR = OUTPUTS.index("galaxy"), OUTPUTS.index("star")
_FEWEST = 50  # candidates of a kind that a map can be measured on
_KNOTS = 24  # of a map
_TINY = 1e-4  # raw values nearer to 0 and 1 are the same
# Below the smallest value that a map was fitted to, at these shares of it, it is down to these of
# its own: what has next to no chance has a score all the same, for those who count everything
_BELOW, _SHARES_BELOW = np.array([0.005, 0.5]), np.array([0.003, 0.03])
_RIDGE = 1e-4  # keeps the odds finite where the two kinds do not mix


def fit_calibration(outcome, sources=None, others=None):
    """
    Measure the maps from raw outputs to probabilities.

    Without ``sources``, or with fewer than 50 candidates of each kind, each output has a map of its
    own by isotonic regression; with fewer than 50 candidates in all they are left as they are.

    Parameters
    ----------
    outcome : astro_yolo.training.evaluate.Outcome
        From skies the network was not trained on.
    sources : astro_yolo.training.evaluate.Outcome, optional
        Fields that tell sources from what is none: mock skies have no artefacts.
    others : astro_yolo.training.evaluate.Outcome, optional
        The same skies otherwise seen: the odds are fitted to these too. With noise and colours of
        more kinds they hold better on skies that are like none of these.

    Returns
    -------
    dict
        ``score`` and ``star``, and where they could be measured ``source``, ``odds``, ``balance``
        and ``spread``, for the weights' metadata
        (see `~astro_yolo.network.calibration.Calibration`).
    """
    here, some = outcome.judged(), (outcome if sources is None else sources).judged()
    is_source = some.kind != 0
    if sources is None or not (_enough(here.kind, (1, -1)) and _enough(is_source, (True, False))):
        return {
            "score": isotonic_map(here.outputs[:, _GALAXY], here.kind == 1),
            "star": isotonic_map(here.outputs[:, _STAR], here.kind == -1),
        }
    source = smooth_map(strength(some.outputs), is_source)
    wider = here if others is None else here + others.judged()
    maps = {"source": source, "balance": True, **_maps_of_both(source, here, wider)}
    known = _of_known_spread(here)
    if _enough(known.kind, (1, -1)):
        maps["spread"] = _maps_of_both(source, known, _of_known_spread(wider), by_spread=True)
    return maps


def _of_known_spread(outcome):
    """Return the candidates that have a spread."""
    return outcome.only(np.isfinite(outcome.spread).all(axis=1))


def _terms(outcome, *, by_spread):
    """Return what the logarithm of the odds is linear in, the balance aside."""
    galaxy, star = outcome.outputs[:, _GALAXY], outcome.outputs[:, _STAR]
    return odds_terms(galaxy, star, outcome.spread if by_spread else None)


def _maps_of_both(source, here, wider, *, by_spread=False):
    """Return the maps that go by both outputs, and by the spread where it is known."""
    sources = wider.only(wider.kind != 0)
    terms = _terms(sources, by_spread=by_spread)
    odds = _fit_odds(terms, sources.kind == 1, offset=sources.balance)
    chance = ScoreMap(tuple(source["x"]), tuple(source["y"]))(strength(here.outputs))
    share = 1 / (1 + np.exp(-_terms(here, by_spread=by_spread) @ odds - here.balance))
    galaxy = share >= 0.5
    return {
        "score": smooth_map((chance * share)[galaxy], here.kind[galaxy] == 1),
        "star": smooth_map((chance * (1 - share))[~galaxy], here.kind[~galaxy] == -1),
        "odds": [round(float(value), 6) for value in odds],
    }


def _enough(kinds, values):
    """Tell whether there are candidates enough of every kind."""
    return min(int((kinds == value).sum()) for value in values) >= _FEWEST


def _fit_odds(terms, galaxy, bounds=None, offset=0.0):
    """Return the coefficients of a logistic regression, for what is added to an offset."""

    def loss(coefficients):
        value = terms @ coefficients + offset
        slope = terms.T @ (1 / (1 + np.exp(-value)) - galaxy) / len(galaxy)
        cost = np.logaddexp(0, np.where(galaxy, -value, value)).mean()
        return cost + _RIDGE * (coefficients**2).sum(), slope + 2 * _RIDGE * coefficients

    return minimize(loss, np.zeros(terms.shape[1]), jac=True, bounds=bounds, method="L-BFGS-B").x


def isotonic_map(raw, right):
    """
    Return the monotone map from a raw value to the share that is right.

    Parameters
    ----------
    raw : (N,) array
        Values in 0..1.
    right : (N,) bool array
        What is so.

    Returns
    -------
    dict
        ``x`` and ``y``; the straight map of fewer than 50 values.
    """
    if len(raw) < _FEWEST:
        return {"x": [0.0, 1.0], "y": [0.0, 1.0]}
    order = np.argsort(raw)
    raw, right = raw[order], right[order].astype(float)
    share = isotonic_regression(right).x
    edges = np.unique(np.linspace(0, len(raw), _KNOTS + 1).astype(int))
    x = [raw[a:b].mean() for a, b in pairwise(edges)]
    y = [share[a:b].mean() for a, b in pairwise(edges)]
    # strictly rising both ways, so that every probability has one raw score
    x, y = np.r_[0, x, 1], np.r_[0, y, max(y[-1], 0.999)]
    y = np.clip(y + np.linspace(0, 1e-4, len(y)), 0, 1)
    keep = np.r_[True, np.diff(x) > 1e-6]
    return {"x": [round(float(v), 6) for v in x[keep]], "y": [round(float(v), 6) for v in y[keep]]}


def smooth_map(raw, right):
    """
    Return the map from a raw value to the share that is right, by beta calibration.

    logit p = a ln r - b ln(1 - r) + c, with a and b not negative (Kull, Silva Filho & Flach 2017,
    AISTATS, PMLR 54, 623). Unlike isotonic regression it rises everywhere: where purity hardly
    depends on the raw value, a threshold is still a matter of a little more or less.

    Parameters
    ----------
    raw, right
        As of `isotonic_map`.

    Returns
    -------
    dict
        As of `isotonic_map`.
    """
    if len(raw) < _FEWEST:
        return {"x": [0.0, 1.0], "y": [0.0, 1.0]}
    edges = np.quantile(raw, np.linspace(0, 1, _KNOTS))
    x = np.unique(np.clip(edges, _TINY, 1 - _TINY).round(6))
    a, b, c = _fit_odds(_beta_terms(raw), right, bounds=[(0, None), (0, None), (None, None)])
    y = 1 / (1 + np.exp(-_beta_terms(x) @ [a, b, c]))
    y = np.r_[0, _SHARES_BELOW * y[0], y, max(y[-1], 0.999)]
    x, y = np.r_[0, _BELOW * x[0], x, 1], np.clip(y + np.linspace(0, 1e-4, len(y)), 0, 1)
    return {"x": [round(float(v), 6) for v in x], "y": [round(float(v), 6) for v in y]}


def _beta_terms(raw):
    """Return ln r, -ln(1 - r) and 1."""
    raw = np.clip(raw, _TINY, 1 - _TINY)
    return np.stack([np.log(raw), -np.log(1 - raw), np.ones_like(raw)], axis=1)


def purity_table(outcome, calibration, faintest=np.inf):
    """
    Return [score, purity] pairs on calibrated scores, for ``min_purity``.

    What matches no object counts as impure whatever its light.

    Parameters
    ----------
    outcome : astro_yolo.training.evaluate.Outcome
        Samples not trained on.
    calibration : astro_yolo.network.calibration.Calibration
        Maps to apply first.
    faintest : float, optional
        Objects beyond this magnitude in r do not count.

    Returns
    -------
    list of [float, float]
        Rising scores.
    """
    judged = outcome.only((outcome.kind > -2) & ~(outcome.magnitude > faintest))
    score, star = calibration.scores(judged.outputs, judged.spread, judged.balance)
    right, galaxy = judged.kind == 1, score >= star
    table = []
    for limit in np.linspace(0.05, 0.99, 189):
        chosen = galaxy & (score >= limit)
        if chosen.sum() >= 30:
            table.append([round(float(limit), 4), round(float(right[chosen].mean()), 5)])
    return table
