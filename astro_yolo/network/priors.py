"""Class probabilities for another mix of classes than that of the training."""

from numbers import Real

import numpy as np

from astro_yolo.catalog import CLASSES

__all__ = ["class_weights", "reweighted"]


def class_weights(priors):
    """
    Return one weight for each class from what a user names.

    Parameters
    ----------
    priors : dict or None
        Class to weight, above 0; a class that is not named has weight 1.

    Returns
    -------
    (5,) array
        In the order of `~astro_yolo.catalog.CLASSES`.

    Raises
    ------
    ValueError
        If a name is no class, or a weight is not a number above 0.
    """
    priors = dict(priors or {})
    unknown = sorted(str(name) for name in set(priors) - set(CLASSES))
    if unknown:
        msg = f"priors must name some of {', '.join(CLASSES)}, got {', '.join(unknown)}"
        raise ValueError(msg)
    for name, weight in priors.items():
        if not (isinstance(weight, Real) and 0 < weight < np.inf):
            msg = f"priors must be numbers above 0, got {weight!r} for {name}"
            raise ValueError(msg)
    return np.array([float(priors.get(name, 1)) for name in CLASSES])


def reweighted(probabilities, weights):
    """
    Return class probabilities for another mix of classes than that of the training.

    Parameters
    ----------
    probabilities : (N, 5) array
        Rows that sum to 1.
    weights : (5,) array
        Share of each class in the sample at hand over its share in the training's.

    Returns
    -------
    (N, 5) array
        Rows that sum to 1: Bayes' rule with the new prior.
    """
    values = np.asarray(probabilities, dtype=float) * np.asarray(weights)
    return values / values.sum(axis=1, keepdims=True)
