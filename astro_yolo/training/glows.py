"""Samples of clusters of stars and nebulae in binned pixels, where they are as smooth as galaxies.

A large galaxy is looked for in binned copies of an image. There a globular cluster and the knots of
a nebula look much like one, and at full resolution, as other samples are, they do not.
"""

import cv2
import numpy as np

from astro_yolo.stretch import background_noise
from astro_yolo.training.network_input import to_input
from astro_yolo.training.samples import IGNORE, visible_sample

__all__ = ["compose_glow"]

_BINNINGS = 1.5, 8.0
_PICTURES = 0.4  # chance of a picture


def compose_glow(field, rng, *, size=416):
    """
    Cut a piece out of a binned field of a cluster or a nebula; nothing in it is a galaxy.

    Parameters
    ----------
    field : astro_yolo.training.fields.Field
        The field; galaxies that it knows are ignored.
    rng : numpy.random.Generator
        Source of chance.
    size : int, optional
        Side in pixels. A field that is smaller when binned is continued as in a mirror.

    Returns
    -------
    astro_yolo.training.samples.Sample
    """
    factor = np.exp(rng.uniform(*np.log(_BINNINGS)))
    width, height = (round(side / factor) for side in field.planes.shape[:0:-1])
    planes = np.stack([
        cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA) for plane in field.planes
    ])
    x0, y0 = (int(rng.integers(0, max(side - size, 0) + 1)) for side in (width, height))
    planes = planes[:, y0 : y0 + size, x0 : x0 + size]
    more = [(0, size - side) for side in planes.shape[1:]]
    planes = np.pad(planes, [(0, 0), *more], mode="symmetric")
    noise = np.array([background_noise(plane)[1] for plane in planes], dtype=np.float32)
    galaxies = field.boxes[field.kind == 1] / factor - [x0, y0, x0, y0]
    image = to_input(planes, noise, rng, pictures=_PICTURES)
    return visible_sample(image, [(box, IGNORE) for box in galaxies])
