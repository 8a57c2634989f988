"""Networks trained on one stretch and tested on another, after AstroCV's Tables 4 and 5.

Run from the repository root: ``python benchmarks/robustness.py -o FOLDER``. Galaxy Zoo's cutouts,
split by SDSS run, are brought back to relative flux and stretched anew; a stock YOLO11 nano is
trained on each stretch, and on all five (as T4 is), with about as many pictures seen. All are
tested on the held-out cutouts in every stretch, on cutouts of other surveys as they were published
(T2 is LH, T4 all five), and on Hubble galaxies on a blank sky. ``matrix.ecsv`` and the
pictures in ``report`` hold the result, with the curves of recall and IoU of each training;
``restretch.ecsv`` says what the way back to flux costs. A run that was stopped goes on.

``--only "LH,all five" --cutouts 300`` makes a small one of fewer networks and fewer cutouts.
"""

import argparse
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import truth_94_1_12 as field
from astropy.table import Table

FILTERS = ("L", "LH", "S", "SH", "Q")
ALL = "all five"


def read_data(data, out):
    """Return the cutouts of Galaxy Zoo and of other surveys."""
    from concurrent.futures import ProcessPoolExecutor

    from astro_yolo.training.dataset import measure_cutouts
    from astro_yolo.training.other_surveys import read_other_surveys

    with ProcessPoolExecutor(os.cpu_count()) as pool:
        zoo = measure_cutouts(data, out / "cutouts.npz", pool=pool)
    return zoo, read_other_surveys(data / "galaxy_zoo")


def make_sets(data, out, size, only, number):
    """Return the training sets by stretch, and the tests: marker and stretch of each."""
    from dataclasses import replace

    from astro_yolo.training.deep import read_stamps
    from astro_yolo.training.robustness import cutout_set, deep_set

    def once(name, make):
        marker = out / name / "data.yaml"
        return marker if marker.exists() else make(out / name)

    zoo, others = read_data(data, out)
    zoo = zoo[:: max(1, len(zoo) // number)] if number else zoo
    held_out = [cutout for cutout in zoo if cutout.split == "val"]
    train = {name: once(f"train-{name}", lambda o, n=name: cutout_set(zoo, o, (n,), size=size))
             for name in FILTERS if name in only}  # fmt: skip
    if ALL in only:
        train[ALL] = once("train-all", lambda o: cutout_set(zoo, o, FILTERS, size=size))
    tests = once("test", lambda o: cutout_set(held_out, o, FILTERS, size=size))
    others = [replace(cutout, split="val") for cutout in others]
    other = once("other", lambda o: cutout_set(others, o, ("L",), size=size))
    stamps = read_stamps(data / "hst" / "stamps_f814w", "val")
    deep = once("deep", lambda o: deep_set(stamps, o, 40, FILTERS))
    return train, {name: (tests, name) for name in FILTERS}, other, deep


def train_all(sets, out, epochs, size, batch):
    """Train one network on each set with about as many pictures seen; return weights and runs."""
    from astro_yolo.training.finish import finish_weights
    from astro_yolo.training.picture_sets import read_set
    from astro_yolo.training.report import read_results
    from astro_yolo.training.stock import StockRecipe, train_stock

    models, runs = {}, {}
    for name, marker in sets.items():
        run, passes = out / f"run-{name.replace(' ', '-')}", epochs
        if name == ALL:
            passes = max(1, round(epochs / len(FILTERS)))
        recipe = StockRecipe(
            epochs=passes, image_size=size, batch=batch, mosaic=0.5, patience=epochs
        )
        best = train_stock(marker, run, recipe, resume=(run / "training.json").exists(),
                           progress=True)  # fmt: skip
        models[name], runs[name] = run / "weights.onnx", read_results(run)
        if not models[name].exists():
            stretch = "L" if name == ALL else name
            finish_weights(best, models[name], read_set(marker), recipe, stretch=stretch)
    return models, runs


def restretch(data):
    """Return what the way over a JPEG costs, on the real field."""
    from astro_yolo import read_image
    from astro_yolo.training.robustness import restretch_error

    image = read_image(list(field.frame_paths(data).values()))
    return restretch_error(image.data[::-1])


def main():
    """Train what is missing, test all, and print the matrix."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder of the sets and runs")
    parser.add_argument("--epochs", type=int, default=10, help="passes over a single stretch")
    parser.add_argument("--size", type=int, default=192, help="of the pictures, pixels")
    parser.add_argument("--batch", type=int, default=32, help="pictures a step")
    parser.add_argument("--cutouts", type=int, help="take about so many of Galaxy Zoo's (all)")
    parser.add_argument("--only", default=",".join((*FILTERS, ALL)),
                        help="networks to train (%(default)s)")  # fmt: skip
    options = parser.parse_args()
    data, out = field.data_folder(), options.out
    out.mkdir(parents=True, exist_ok=True)
    costs = restretch(data)
    costs.write(out / "restretch.ecsv", overwrite=True)
    from astro_yolo.training.report import write_report
    from astro_yolo.training.robustness import cross_matrix

    only = options.only.split(",")
    train, tests, other, deep = make_sets(data, out, options.size, only, options.cutouts)
    models, runs = train_all(train, out, options.epochs, options.size, options.batch)
    tests = {**tests, "other surveys": (other, None)}
    table = cross_matrix(models, tests, split="val")
    hubble = {f"Hubble, {name}": (deep, name) for name in ("L", "LH", "Q")}
    table = Table(rows=[dict(row) for part in (table, cross_matrix(models, hubble, split="test"))
                        for row in part])  # fmt: skip
    table.sort("trained", kind="stable")
    table.write(out / "matrix.ecsv", overwrite=True)
    write_report(out / "report", runs=runs, matrix=table, title="Trained on, tested on",
                 overwrite=True)  # fmt: skip
    print(f"{datetime.now(tz=UTC).date()}, {platform.machine()}, {options.epochs} epochs, "
          f"{options.size} pixels")  # fmt: skip
    costs.pprint_all()
    table.pprint_all()


if __name__ == "__main__":
    main()
