"""Train the shipped weights, from those before them: ``python -m astro_yolo.training DATA OUT``."""

import argparse
import sys

from astro_yolo.training.dataset import DatasetRecipe
from astro_yolo.training.ship import make_weights
from astro_yolo.training.train import TrainRecipe


def main(argv=None):
    """
    Run the recipe of the shipped weights.

    Parameters
    ----------
    argv : list of str, optional
        Command line without the program's name.

    Returns
    -------
    int
        0.
    """
    parser = argparse.ArgumentParser(prog="python -m astro_yolo.training", description=__doc__)
    parser.add_argument("data", help="folder with sas/ and galaxy_zoo/")
    parser.add_argument("out", help="working folder; an interrupted run goes on from there")
    parser.add_argument("--epochs", type=int, default=TrainRecipe.epochs)
    parser.add_argument("--field-samples", type=int, default=DatasetRecipe.field_samples)
    parser.add_argument("--cutout-samples", type=int, default=DatasetRecipe.cutout_samples)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    args = parser.parse_args(argv)
    samples = DatasetRecipe(
        field_samples=args.field_samples, cutout_samples=args.cutout_samples
    )
    training = TrainRecipe(epochs=args.epochs)
    print(make_weights(args.data, args.out, dataset=samples, training=training, device=args.device))
    return 0


if __name__ == "__main__":
    sys.exit(main())
