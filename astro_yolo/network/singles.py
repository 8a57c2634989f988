"""One box for each source: which of the overlapping boxes that a network gives stays.

Round a galaxy with a neighbour a network has two answers: a box round the galaxy, and one round
both, as if they merged. Its training shows it mergers far oftener than the sky does, so that the
second answer is taken for what it is worth there, as Bayes' rule asks. That there is a galaxy is
what both say: the box that stays has the outputs for galaxy and star of the surer one.
"""

import numpy as np

from astro_yolo import boxes as box_math
from astro_yolo.network.calibration import OUTPUTS, strength

__all__ = ["precedence", "single_boxes"]

_CLASSES, _MERGER = slice(0, 5), OUTPUTS.index("merger")
_STAR, _GALAXY = OUTPUTS.index("star"), OUTPUTS.index("galaxy")
# Mergers are 0.06 of the galaxies in training; in Galaxy Zoo they are 1.5 % (Darg et al. 2010,
# MNRAS 401, 1043)
_RARER = 0.25
_TINY = 1e-9  # keeps the quotient finite where no class has an output


def single_boxes(boxes, outputs):
    """
    Return one box for each source.

    Parameters
    ----------
    boxes : (N, 4) array
        Boxes in edge pixels.
    outputs : (N, 7) array
        Raw outputs of the network, in the order of `~astro_yolo.network.calibration.OUTPUTS`.

    Returns
    -------
    boxes, outputs : (K, 4), (K, 7) arrays
        By falling precedence.
    """
    kept = box_math.nms(boxes, precedence(outputs), **box_math.DOUBLES)
    pairs = np.setdiff1d(np.flatnonzero(_merger_share(outputs) > 0.5), kept)
    singles, values = boxes[kept], outputs[kept]
    for k in pairs:
        same = _same_source(boxes[k], singles)[:1]
        surer = same[strength(values[same]) < outputs[k, _GALAXY]]
        values[surer, _STAR:] = outputs[k, _STAR:]
    return singles, values


def precedence(outputs):
    """
    Return what decides which of two boxes of one source stays.

    Parameters
    ----------
    outputs : (N, 7) array
        Raw outputs of the network.

    Returns
    -------
    (N,) array
        The larger of the outputs for a galaxy, less for what looks like a merger, and a star.
    """
    galaxy = outputs[:, _GALAXY] * (1 - (1 - _RARER) * _merger_share(outputs))
    return np.maximum(galaxy, outputs[:, _STAR])


def _merger_share(outputs):
    """Return the share of the outputs for classes that is that for a merger, (N,)."""
    return outputs[:, _MERGER] / np.maximum(outputs[:, _CLASSES].sum(axis=1), _TINY)


def _same_source(box, singles):
    """Return which of the boxes that stay non-maximum suppression takes for the box's source."""
    boxes = np.concatenate([box[None], singles])
    others = box_math.nms(boxes, -np.arange(len(boxes)), **box_math.DOUBLES)
    return np.setdiff1d(np.arange(1, len(boxes)), others) - 1
