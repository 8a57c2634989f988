"""What a network says against the labels of real fields.

Sizes tell galaxies from stars well, but not from two stars in one, from a star on a trail or a
saturated one without spikes. Where a network that was trained on models too calls a star what is
labelled a galaxy, nobody knows, and nothing is learnt: of those of r < 19.2 on the training fields
ten of twelve are stars by eye. Of the fainter ones most are compact galaxies: those that a training
learns from are models.
"""

from dataclasses import replace

import numpy as np

from astro_yolo.network.calibration import OUTPUTS
from astro_yolo.stretch import to_network
from astro_yolo.training.evaluate import candidates, centers, match

__all__ = ["without_contradicted"]

_GALAXY, _STAR = OUTPUTS.index("galaxy"), OUTPUTS.index("star")
_RADIUS = 5.0  # pixels


def without_contradicted(field, backend):
    """
    Ignore the galaxies of a field that a network takes for stars.

    Parameters
    ----------
    field : astro_yolo.training.fields.Field
        The field.
    backend : astro_yolo.network.backends.Backend
        The network.

    Returns
    -------
    astro_yolo.training.fields.Field
        With ``kind`` -1 where the two differ.
    """
    boxes, outputs = candidates(backend, to_network(field.planes))
    pairs = match(centers(field.boxes), centers(boxes), _RADIUS)
    stars = outputs[:, _STAR] > outputs[:, _GALAXY]
    against = (field.kind == 1) & (pairs >= 0) & np.append(stars, False)[pairs]
    return replace(field, kind=np.where(against, -1, field.kind).astype(field.kind.dtype))
