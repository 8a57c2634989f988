"""How pure detections are where stars are many: mock skies with up to 32 times the stars.

Run from the repository root: ``python benchmarks/crowded.py``. Mock skies have the seeing and the
noise of the five SDSS fields, their galaxies, and some multiples of their stars; what is found at
the default score is judged with the balance of galaxies and stars in the image as it is, and as if
it were at least -1. Under two minutes.
"""

import argparse

import numpy as np
import truth_94_1_12 as field

from astro_yolo.network.backends import load_backend
from astro_yolo.network.weights import load_weights
from astro_yolo.training.evaluate import Outcome
from astro_yolo.training.mock_skies import outcome_of_crowded_sky
from astro_yolo.training.ship import galaxy_fields

CROWDING = (1, 4, 8, 16, 32)
WAYS = {"frames": {}, "band": {"band": 1}, "pictures": {"pictures": True}}
LEAST = (-2.0, -1.0)


def seen(network, fields, crowding, way):
    """Return what is found in a mock sky of each field."""
    skies = [
        outcome_of_crowded_sky(network, sky, np.random.default_rng(50 + k), crowding, **way)
        for k, sky in enumerate(fields)
    ]
    return sum(skies, Outcome()).judged()


def cells(outcome, calibration, cut):
    """Return galaxies found, purity and mean loss, with each of the smallest balances."""
    row, galaxy = [], outcome.kind == 1
    for least in LEAST:
        balance = np.maximum(outcome.balance, least)
        score, star = calibration.scores(outcome.outputs, outcome.spread, balance)
        chosen = (score >= cut) & (score > star)
        right = np.clip(np.where(galaxy, score, 1 - score), 1e-4, 1)[outcome.kind != 0]
        row += [
            f"{(chosen & galaxy).sum()}", f"{galaxy[chosen].mean():.2f}",
            f"{-np.log(right).mean():.3f}",
        ]  # fmt: skip
    return row


def main():
    """Print a row for each kind of image and each number of stars."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", default="default", help="name or file")
    weights = load_weights(parser.parse_args().weights)
    network, fields = load_backend(weights, "onnxruntime"), galaxy_fields(field.data_folder())
    head = [f"{name}, {least:g}" for least in LEAST for name in ("found", "pure", "loss")]
    print(f"{'':<18}" + "".join(f"{cell:>11}" for cell in head))
    for kind, way in WAYS.items():
        calibration = weights.calibration.of_kind(kind)
        for crowding in CROWDING:
            outcome = seen(network, fields, crowding, way)
            row = cells(outcome, calibration, weights.default_score)
            print(f"{kind + f', {crowding} x':<18}" + "".join(f"{cell:>11}" for cell in row))


if __name__ == "__main__":
    main()
