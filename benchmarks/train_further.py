"""Train the detector on for what it does badly, so that of all else it says what it said before.

Run from the repository root: ``python benchmarks/train_further.py deep DATA OUT``, an hour and a
half on two CPU cores, or ``bright``, an hour. ``deep`` makes the shipped network for deep fields:
its new samples are those of `astro_yolo.training.crowded`, hundreds of galaxies or stars.
``bright`` makes a candidate for the detector: its new samples are those of
`astro_yolo.training.bright`, bright compact galaxies that are white discs in most pictures, and its
weights are averaged with those that it began with (``--kept``). Either has the calibration of the
detector. ``--seconds`` is the time for the training alone (`astro_yolo.training.further`). Writes
``OUT/NAME.onnx``.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from astro_yolo.network.weights import load_weights, metadata_of
from astro_yolo.training.crowded import compose_full_field, compose_star_field
from astro_yolo.training.deep import read_stamps
from astro_yolo.training.export import export_onnx, write_metadata
from astro_yolo.training.further import FurtherRecipe, bright_sample, train_further
from astro_yolo.training.ship import DEEP_NAME, DEEP_VERSION

KINDS = "full", "full", "full", "stars"  # of the samples of deep fields, in turn


def deep_sample(data, number, rng):
    """Return a sample of hundreds of galaxies, or of stars."""
    if KINDS[number % len(KINDS)] == "stars":
        return compose_star_field(rng)
    return compose_full_field(read_stamps(str(Path(data) / "hst" / "stamps_f814w"), "train"), rng)


# recipe, maker of new samples, name and version, share of the start that is kept
WAYS = {
    "deep": (
        FurtherRecipe(
            new_samples=8000, old_samples=8000, seconds=3600.0, local=False, seed=77
        ),
        deep_sample, DEEP_NAME, DEEP_VERSION, 0.0,
    ),
    "bright": (FurtherRecipe(), bright_sample, "bright", "0", 0.5),
}  # fmt: skip


def arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=WAYS)
    parser.add_argument("data", help="folder with sas/, galaxy_zoo/ and hst/")
    parser.add_argument("out", help="folder for samples and weights")
    parser.add_argument("--start", default=FurtherRecipe.start, help="weights (%(default)s)")
    parser.add_argument("--samples", type=int, help="new ones, and as many old ones")
    parser.add_argument("--seconds", type=float, help="for the training")
    parser.add_argument("--kept", type=float, help="share of the start in the mean of the weights")
    return parser.parse_args()


def finished(last, path, name, version, start, kept):
    """Write the network of a checkpoint, with the calibration of the one it began with."""
    export_onnx(last, path, name=name, version=version, overwrite=True)
    start = load_weights(start).path
    if kept:
        from astro_yolo.training._warm_start import blend

        blend(path, start, kept)
    others = metadata_of(start)
    keep = {key: others[key] for key in ("calibration", "thresholds")}
    write_metadata(path, metadata_of(path) | keep)


def main():
    """Make, train, export."""
    args = arguments()
    recipe, sample, name, version, kept = WAYS[args.what]
    recipe = replace(
        recipe, start=args.start, seconds=args.seconds or recipe.seconds,
        new_samples=args.samples or recipe.new_samples,
        old_samples=args.samples or recipe.old_samples,
    )  # fmt: skip
    last = train_further(args.data, args.out, recipe, new=sample)
    kept = kept if args.kept is None else args.kept
    finished(last, Path(args.out) / f"{name}.onnx", name, version, args.start, kept)


if __name__ == "__main__":
    main()
