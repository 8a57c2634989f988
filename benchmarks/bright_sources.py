"""Bright compact galaxies and bright stars, added to fields that took no part in the training.

Run from the repository root: ``python benchmarks/bright_sources.py astro-yolo-n7 astro-yolo-n8``; a
minute a network. Model galaxies and stars of r = 15.8 to 18.6 stand in SDSS fields 2820-3-122 and
94-1-12, 40 of each in a field, three times, with the field's own PSF and away from its own bright
sources. The galaxies have a half-light radius of about 1 arcsec, 0.2 in dex more or less. Each
field is seen as three planes and as 8-bit pictures, in which most of them are white discs. Prints
the shares of the galaxies found at the default score, by magnitude, and of the stars called
galaxies.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import truth_94_1_12 as field

from astro_yolo import Detector
from astro_yolo.stretch import to_rgb
from astro_yolo.training.fields import FIELDS, load_field
from astro_yolo.training.model_objects import add_sersic, add_star

NAMES, SEEDS, NUMBER = ("2820/3/122", "94/1/12"), (1, 2, 3), 40
INPUTS = "planes", "L", "LH", "S", "SH", "Q", "lupton", "sinh", "sqrt"
BINS = (15.8, 17.0), (17.0, 18.0), (18.0, 18.6)  # r magnitude
BORDER, APART, NEAR = 25, 35, 5  # pixels
BRIGHT = 2.0  # nanomaggies: sources of the field to stay away from


def make_sky(sky, seed):
    """Return the planes of a field with galaxies and stars; their places, kinds and magnitudes."""
    rng, planes, rows = np.random.default_rng(seed), sky.planes.copy(), []
    bright = sky.sources.aperture_flux > BRIGHT
    taken = list(zip(sky.sources.x[bright], sky.sources.y[bright], strict=True))
    ny, nx = planes.shape[1:]
    while len(rows) < 2 * NUMBER:
        place = rng.uniform(BORDER, [nx - BORDER, ny - BORDER])
        if np.hypot(*(np.array(taken) - place).T).min() < APART:
            continue
        galaxy, magnitude = len(rows) % 2, rng.uniform(BINS[0][0], BINS[-1][1])
        if galaxy:
            size = 10 ** rng.normal(-0.02 - 0.07 * (magnitude - 17.5), 0.2)
            add_sersic(planes, sky, rng, magnitude, size=size, place=place)
        else:
            add_star(planes, sky, rng, magnitude, place=place)
        taken.append(tuple(place))
        rows.append((*place, galaxy, magnitude))
    return planes, np.array(rows)


def found(detector, planes, rows, kind):
    """Return which sources have a galaxy within a few pixels."""
    table = detector.detect(list(planes) if kind == "planes" else to_rgb(planes[::-1], kind))
    places = np.stack([table["x"], table["y"]], axis=1)
    distance = np.hypot(*np.moveaxis(places[:, None] - rows[:, :2], -1, 0))
    return (distance < NEAR).any(axis=0)


def row_of(kind, hits, rows):
    """Return a line of shares."""
    galaxy, magnitude = rows[:, 2] == 1, rows[:, 3]
    inside = [galaxy & (magnitude >= low) & (magnitude < high) for low, high in BINS]
    shares = [f"{hits[some].mean():.2f}" for some in inside]
    stars = f"{hits[~galaxy].sum()} of {(~galaxy).sum()}"
    return f"{kind:<8} {' '.join(shares)}  {stars:>10}"


def main():
    """Print a table for each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", help="names or files of weights")
    warnings.simplefilter("ignore")
    root = Path(field.data_folder()) / "sas"
    skies = [load_field(root, name, FIELDS[name]) for name in NAMES]
    made = [make_sky(sky, seed) for sky in skies for seed in SEEDS]
    rows = np.concatenate([rows for _, rows in made])
    print("r        " + " ".join(f"{low:.0f}-{high:.0f}" for low, high in BINS) + "  stars")
    for model in parser.parse_args().models:
        detector = Detector(model, backend="onnxruntime")
        print(model)
        for kind in INPUTS:
            hits = np.concatenate([found(detector, *sky, kind) for sky in made])
            print(row_of(kind, hits, rows), flush=True)


if __name__ == "__main__":
    main()
