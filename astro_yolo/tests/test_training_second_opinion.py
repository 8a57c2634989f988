"""A network against the labels of a field."""

import numpy as np

from astro_yolo.injection import moffat_kernel, sersic_stamp
from astro_yolo.network.backends import load_backend
from astro_yolo.network.weights import load_weights
from astro_yolo.training.fields import Field
from astro_yolo.training.model_objects import lay
from astro_yolo.training.second_opinion import without_contradicted

SIZE = 256
STAR, GALAXY, NOTHING = (60, 60), (180, 80), (100, 200)  # x, y
NOISE = np.array([0.016, 0.025, 0.035], np.float32)


def make_field(kinds):
    """Return a sky with a star, a galaxy and nothing, of which a table claims some kinds."""
    rng = np.random.default_rng(1)
    psf = (moffat_kernel(3.0)[3:-3, 3:-3],) * 3
    planes = rng.normal(0, 1, (3, SIZE, SIZE)).astype(np.float32) * NOISE[:, None, None]
    lay(planes, [flux * psf[0] for flux in (12, 20, 25)], np.array(STAR), rng)
    disc = sersic_stamp((15, 30, 40), 5.0, 1.0, psf=np.stack(psf), axis_ratio=0.5, theta=0.4)
    lay(planes, disc, np.array(GALAXY), rng)
    places = np.array([STAR, GALAXY, NOTHING]) + 0.5
    boxes = np.concatenate([places - 8, places + 8], axis=1)
    return Field(planes, NOISE, None, boxes, np.array(kinds, np.int8), psf, 3.0)


def test_a_star_that_is_labelled_a_galaxy_teaches_nothing():
    """Only a galaxy that the network takes for a star is ignored, not what it does not find."""
    network = load_backend(load_weights("astro-yolo-n4"), "onnxruntime")
    assert without_contradicted(make_field([1, 1, 1]), network).kind.tolist() == [-1, 1, 1]
    assert without_contradicted(make_field([0, 1, -2]), network).kind.tolist() == [0, 1, -2]
