"""Train the network for deep fields, so that of all else it says what the detector says.

Run from the repository root: ``python benchmarks/train_deep.py DATA OUT``, an hour and a half on
two CPU cores. Its new samples are those of `astro_yolo.training.crowded`, hundreds of galaxies or
stars; how it learns them is told in `astro_yolo.training.further`. It has the calibration of the
detector that it begins with. Writes ``OUT/astro-yolo-deep-1.onnx``.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from astro_yolo.network.weights import load_weights, metadata_of
from astro_yolo.training.crowded import compose_full_field, compose_star_field
from astro_yolo.training.deep import read_stamps
from astro_yolo.training.export import export_onnx, write_metadata
from astro_yolo.training.further import FurtherRecipe, train_further
from astro_yolo.training.ship import DEEP_NAME, DEEP_VERSION

KINDS = "full", "full", "full", "stars"  # of the new samples, in turn


def deep_sample(data, number, rng):
    """Return a sample of hundreds of galaxies, or of stars."""
    if KINDS[number % len(KINDS)] == "stars":
        return compose_star_field(rng)
    return compose_full_field(read_stamps(str(Path(data) / "hst" / "stamps_f814w"), "train"), rng)


def arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder with sas/, galaxy_zoo/ and hst/")
    parser.add_argument("out", help="folder for samples and weights")
    parser.add_argument("--samples", type=int, help="new ones, and as many old ones")
    parser.add_argument("--seconds", type=float, help="for the training alone")
    return parser.parse_args()


def main():
    """Make, train, export."""
    args, recipe = arguments(), FurtherRecipe()
    recipe = replace(
        recipe, seconds=args.seconds or recipe.seconds,
        new_samples=args.samples or recipe.new_samples,
        old_samples=args.samples or recipe.old_samples,
    )  # fmt: skip
    last = train_further(args.data, args.out, deep_sample, recipe)
    path = Path(args.out) / f"{DEEP_NAME}.onnx"
    export_onnx(last, path, name=DEEP_NAME, version=DEEP_VERSION, overwrite=True)
    others = metadata_of(load_weights(recipe.start).path)
    keep = {key: others[key] for key in ("calibration", "thresholds")}
    write_metadata(path, metadata_of(path) | keep)


if __name__ == "__main__":
    main()
