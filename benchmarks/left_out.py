"""Compare networks on mock skies and fields, each left out in turn of the maps that judge it.

Run from the repository root: ``python benchmarks/left_out.py astro-yolo-n7 astro-yolo-n8``.
The score maps are measured without a field's labels and mock skies, which are then judged by them;
prints how many galaxies brighter than some limits are found at some purities. Field 94-1-12 has no
part: this is what candidates for shipping are chosen by. One to two minutes a network.
"""

import argparse

import numpy as np
import truth_94_1_12 as field

from astro_yolo.network.backends import load_backend
from astro_yolo.network.calibration import Calibration
from astro_yolo.network.weights import load_weights
from astro_yolo.training.evaluate import Outcome
from astro_yolo.training.mock_skies import (
    ALSO,
    WAYS,
    outcome_of_field,
    outcome_of_mocks,
    whole_sky,
)
from astro_yolo.training.score_maps import fit_calibration
from astro_yolo.training.ship import galaxy_fields

LIMITS = (20.9, 21.5, 22.0, 22.5)
PURITIES = (0.97, 0.95, 0.92)
LABELLED = 19.5  # r that a field's own labelled sources count as: within every limit


def labelled(network, sky, seed, *, pictures=False, band=None):
    """Judge a field by its own labels, as a picture in three stretches."""
    draws = [np.random.default_rng(seed + 10 * k) for k in range(3)] if pictures else [None]
    return sum((outcome_of_field(network, sky, rng, band=band) for rng in draws), Outcome())


def seen(network, fields, ways):
    """Return what is found in the mock skies of each field, and in each field."""
    mocks, own = (
        [sum((look(k, f, **way) for way in ways), Outcome()) for k, f in enumerate(fields)]
        for look in (
            lambda k, f, **way: outcome_of_mocks(network, f, np.random.default_rng(10 + k), **way),
            lambda k, f, **way: labelled(network, f, 30 + k, **way),
        )
    )
    return mocks, own


def sky_of(mocks, own, chosen):
    """Return what is found in the skies of some fields, the bright sources of one of them."""
    return sum((whole_sky(own[chosen[0]], own[j], mocks[j]) for j in chosen), Outcome())


def left_out(network, kind, maps_of=None):
    """Return scores, kinds and magnitudes of all candidates, each judged by the others' maps."""
    fields, maps_of = galaxy_fields(field.data_folder()), maps_of or kind
    skies = {k: seen(network, fields, WAYS[k]) for k in {kind, maps_of, *ALSO[maps_of]}}
    of_maps = skies[maps_of]
    rows = []
    for k in range(len(fields)):
        chosen = [j for j in range(len(fields)) if j != k]
        others = sum((sky_of(*skies[k], chosen) for k in ALSO[maps_of]), Outcome())
        sources = sum((of_maps[1][j] for j in chosen), Outcome())
        maps = fit_calibration(sky_of(*of_maps, chosen), sources, others)
        calibration = Calibration.from_metadata(maps)
        for outcome, unknown in ((skies[kind][0][k], np.inf), (skies[kind][1][k], LABELLED)):
            judged = outcome.judged()
            score, _ = calibration.scores(judged.outputs, judged.spread, judged.balance)
            magnitude = np.nan_to_num(judged.magnitude, nan=unknown)
            rows.append((score, judged.kind == 1, magnitude))
    return [np.concatenate(column) for column in zip(*rows, strict=True)]


def found(score, galaxy, purity):
    """Return how many galaxies lie above the loosest cut that is so pure."""
    galaxy = galaxy[np.argsort(-score)]
    reached = np.flatnonzero(np.cumsum(galaxy) >= purity * np.arange(1, len(galaxy) + 1))
    return int(galaxy[: reached[-1] + 1].sum()) if len(reached) else 0


def main():
    """Print a row for each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="names or files of weights")
    parser.add_argument("--kind", choices=WAYS, default="frames", help="what the network sees")
    parser.add_argument("--maps", choices=WAYS, help="of what the maps are; default: the same")
    args = parser.parse_args()
    head = [f"r < {limit}, {purity:.0%}" for limit in LIMITS for purity in PURITIES]
    print(f"{'':<24}" + "".join(f"{cell:>15}" for cell in head))
    for model in args.models:
        network = load_backend(load_weights(model), "onnxruntime")
        score, galaxy, magnitude = left_out(network, args.kind, args.maps)
        some = [magnitude < limit for limit in LIMITS]
        cells = [found(score[s], galaxy[s], purity) for s in some for purity in PURITIES]
        print(f"{model[-24:]:<24}" + "".join(f"{cell:>15}" for cell in cells))


if __name__ == "__main__":
    main()
