"""Where a share falls below a level: a falling curve fitted to yes and no."""

from itertools import product
from typing import NamedTuple

import numpy as np

__all__ = ["Limit", "falling_limit"]

_NARROWEST, _WIDEST = 0.01, 5.0  # scale of the fall, magnitudes
_DROP = 1.920729  # half of the 95 % point of chi-squared with one degree of freedom
_SAFE = 1e-9  # of a probability whose logarithm is taken


class Limit(NamedTuple):
    """
    The magnitude at which completeness falls to a share.

    Attributes
    ----------
    magnitude : float
        NaN where it does not within the magnitudes that were injected.
    low, high : float
        95 % interval; infinite where the injected magnitudes do not bound it.
    """

    magnitude: float
    low: float
    high: float


def falling_limit(magnitude, found, share):
    """
    Find where the probability to be found falls to a share.

    A logistic curve below a level of its own, ``top / (1 + exp((m - m0) / w))``, is fitted by
    maximum likelihood, in terms of the magnitude that is asked for; its interval is where the
    profile likelihood stays within 1.92 of the best (Wilks 1938).

    Parameters
    ----------
    magnitude : (N,) array
        Of the galaxies.
    found : (N,) bool array
        Whether each was found.
    share : float
        Above 0 and below 1.

    Returns
    -------
    Limit
    """
    fit = _Fit(np.asarray(magnitude, dtype=float), np.asarray(found, dtype=bool), share)
    if fit.found.all() or not fit.found.any():
        return Limit(np.nan, np.nan, np.nan)
    ends = fit.magnitude.min(), fit.magnitude.max()
    best, others = fit.best()
    if not ends[0] < best < ends[1]:
        return Limit(np.nan, np.nan, np.nan)
    lowest = fit.cost((best, *others))
    return Limit(float(best), *(fit.crossing(best, others, lowest + _DROP, end) for end in ends))


class _Fit:
    """The likelihood of a curve that reaches the share at a magnitude."""

    def __init__(self, magnitude, found, share):
        self.magnitude, self.found, self.share = magnitude, found, share
        self._bounds = [tuple(np.log([_NARROWEST, _WIDEST])), (share + 1e-4 * (1 - share), 1.0)]

    def cost(self, parameters):
        """Return minus the logarithm of the likelihood of limit, log width and top."""
        return self.cost_and_slope(parameters)[0]

    def cost_and_slope(self, parameters):
        """Return the same, and its derivatives by the three, (3,)."""
        limit, log_width, top = parameters
        width, beyond = np.exp(log_width), top / self.share - 1
        steps = np.clip((self.magnitude - limit) / width, -500, 500)
        flat = 1 / (1 + beyond * np.exp(steps))
        chance, fallen = top * flat, 1 - flat
        right = np.where(self.found, chance, 1 - chance)
        by_top = flat - chance * fallen / (beyond * self.share)
        slopes = np.stack([chance * fallen / width, chance * fallen * steps, by_top])
        weight = np.where(self.found, -1, 1) * (right > _SAFE) / np.maximum(right, _SAFE)
        return -np.log(np.maximum(right, _SAFE)).sum(), slopes @ weight

    def best(self):
        """Return the limit that fits best, and log width and top."""
        from scipy.optimize import minimize

        (low, high), (least, _) = self._bounds
        ends = self.magnitude.min(), self.magnitude.max()
        limits, tops = np.linspace(*ends, 25), np.linspace(least, 1, 5)
        beyond = (ends[0] - 5, ends[1] + 5)
        found = []
        for width in np.linspace(low, high, 8):  # a descent stays near the width that it begins at
            start = min(product(limits, [width], tops), key=self.cost)
            bounds = [beyond, *self._bounds]
            found.append(minimize(self.cost_and_slope, start, jac=True, bounds=bounds))
        best = min(found, key=lambda one: one.fun).x
        return best[0], best[1:]

    def _profile(self, limit, start):
        """Return the least cost at a limit."""
        from scipy.optimize import minimize

        def cost(others):
            value, slope = self.cost_and_slope((limit, *others))
            return value, slope[1:]

        # far from the best limit the width that fits is another one
        starts = (start, (np.log(0.3), max(start[1], 0.9)), (np.log(2.0), 1.0))
        return min(minimize(cost, begin, jac=True, bounds=self._bounds).fun for begin in starts)

    def crossing(self, best, others, level, end):
        """Return where the profile reaches a level between the best limit and an end."""
        from scipy.optimize import brentq

        if self._profile(end, others) < level:
            return float(np.sign(end - best) * np.inf)
        return brentq(lambda limit: self._profile(limit, others) - level, best, end, xtol=1e-3)
