"""Field 94-1-12 with a sky that is not flat, and in whole numbers of few steps to the noise."""

import warnings

import numpy as np
import truth_94_1_12 as field

from accuracy_sections.session import places_of, rate, text
from astro_yolo.image import read_image
from astro_yolo.stretch import background_noise

__all__ = ["run"]

SQUARES = (None, 64, 128, 256)  # pixels; None: the sky is taken to be flat
FAINT = 22.0  # r
STEPS, OFFSET = (0.2, 0.5, 1, 2), 100.5  # of whole numbers, and the sky under them, over the noise


def run(session):
    """
    Add a sky to every band, and count galaxies.

    Parameters
    ----------
    session : accuracy_sections.session.Session
        The run.

    Returns
    -------
    dict
    """
    bands = session.test_bands
    noise = {name: background_noise(plane)[1] for name, plane in bands.items()}
    print(f"{'':<26}{'n':>5}  {f'recall r<{FAINT:.0f}':<32}precision")
    found = {}
    for name, shape in _skies(next(iter(bands.values())).shape):
        image = read_image({k: plane + noise[k] * shape for k, plane in bands.items()})
        for square in SQUARES:
            label = f"{name}, " + ("taken as flat" if square is None else f"squares of {square}")
            found[label] = _measure(session, label, image, square)
    for step in STEPS:
        image = read_image({
            k: np.round((plane / noise[k] + OFFSET) / step) for k, plane in bands.items()
        })  # fmt: skip
        label = f"rounded to {step:g}"
        found[label] = _measure(session, label, image, None)
    return found


def _skies(shape):
    """Yield name and values of each sky, in units of the noise."""
    y, x = np.indices(shape, dtype=np.float32)
    middle = np.hypot(x / shape[1] - 0.5, y / shape[1] - 0.5)
    yield "flat", np.zeros(shape, dtype=np.float32)
    for height in (5, 20, 100):
        yield f"slope {height}", height * x / shape[1]
    yield "bowl 50", -50 * middle**2
    yield "steps 10", 10 * (x // 512 % 2)


def _measure(session, label, image, square):
    """Detect in one image; print and return what is found."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the sky is not flat
        table = session.detector.detect(image, score=session.score, background=square, zoom=1)
    matched = field.match(*places_of(table).T, session.truth)
    row = {
        "number": len(table),
        "recall": rate(*matched.recall(0, FAINT)),
        "precision": rate(*matched.precision(0, FAINT)),
    }
    print(f"{label:<26}{len(table):>5}  {text(row['recall'], 32)}{text(row['precision'])}")
    return row
