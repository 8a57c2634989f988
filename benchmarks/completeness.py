"""Completeness on SDSS field 94-1-12 by injected galaxies, and by the deeper coadd's list.

Run from the repository root: ``python benchmarks/completeness.py``. Numbers are those of
docs/completeness.rst; ``--number 200`` is a quick run. The two curves are of different galaxies:
one of models that are put in evenly, one of those that the sky has, as the Stripe 82 coadd lists
them, which is called a galaxy by it, and found if a detection lies within 3 pixels.
"""

import argparse
import platform
import sys
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
from astropy import units as u
from astropy.table import QTable
from scipy.spatial import cKDTree

mpl.use("agg")
import matplotlib.pyplot as plt
import truth_94_1_12 as field
from accuracy_sections.coadd import load_coadd, survey_galaxies

from astro_yolo import Detector, completeness, read_image
from astro_yolo.recovery import Completeness

ROOT = Path(__file__).parents[1]
EDGES = np.arange(18, 23.5, 0.5)
#: Half-light radii, arcsec: the catalogue's galaxies of 21 < r < 22 lie between the outer ones
#: from the tenth percentile to the ninetieth, with a median of 0.9.
RADII = np.array([0.5, 0.75, 1.1, 1.65, 2.5])
COLORS = "#2471a3", "#c0392b", "#7f8c8d"
CREDIT = "Image: Sloan Digital Sky Survey"


def of_coadd(places, coadd):
    """Return which galaxies of the coadd have a detection, as a result like that of injection."""
    where, magnitude, galaxy = coadd
    hit = cKDTree(places).query(where)[0] < field.CLASS_RADIUS
    return Completeness(QTable({
        "magnitude": magnitude[galaxy] * u.mag, "found": hit[galaxy],
    }, meta={"REFBAND": "r"}))  # fmt: skip


def say_faintest(table, coadd, image, limit=22.5):
    """Print how bright the coadd's faintest galaxies are in the frame where they are found."""
    where, magnitude, galaxy = coadd
    places = np.stack([table["x"], table["y"]], axis=1)
    distance, nearest = cKDTree(places).query(where)
    found = galaxy & (magnitude >= limit) & (distance < field.CLASS_RADIUS)
    own = field.aperture_magnitude(image, *places[nearest[found]].T)
    print(f"galaxies of the coadd beyond {limit} that are found: {found.sum()}, within 5 pixels of "
          f"their detection {np.median(own - magnitude[found]):+.2f} mag from the list's (median)")


def part_of(result, low, high):
    """Return the galaxies of a result with half-light radii between two limits, arcsec."""
    radius = result.table["half_light_radius"].to_value(u.arcsec)
    return Completeness(result.table[(radius >= low) & (radius < high)])


def say(name, result):
    """Print the curve of a result and its limits."""
    rows, limits = result.by("magnitude", EDGES), [result.limit(s) for s in (0.5, 0.8, 0.9)]
    print(f"{name:<34}" + "".join(
        f"{100 * share:4.0f}%/{n:<4}" for share, n in zip(rows["completeness"], rows["n"],
                                                           strict=True)))  # fmt: skip
    text = "  ".join(
        f"{100 * s}%: {limit.magnitude:.2f} ({limit.low:.2f} to {limit.high:.2f})"
        for s, limit in zip((0.5, 0.8, 0.9), limits, strict=True)
    )
    print(f"{'':<34}  {text}")
    return limits[0]


def draw(injected, coadd, limits, path):
    """Draw both curves, and the limit against the radius."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
    for result, color, name, shift in (
        (injected, COLORS[0], "injected, 0.5 to 2.5 arcsec", -0.02),
        (part_of(injected, *RADII[[0, 2]]), COLORS[2], "injected, 0.5 to 1.1 arcsec", 0),
        (coadd, COLORS[1], "galaxies of the coadd", 0.02),
    ):
        rows = result.by("magnitude", EDGES)
        share = rows["completeness"]
        spread = [share - rows["completeness_low"], rows["completeness_high"] - share]
        middle = (EDGES[:-1] + EDGES[1:]) / 2 + shift
        left.errorbar(middle, share, np.abs(spread), fmt="o-", ms=4, lw=1, capsize=2, c=color,
                      label=name)  # fmt: skip
    left.set(xlabel="r (AB mag)", ylabel="completeness", ylim=(0, 1.05), xlim=(18, 23))
    left.legend(frameon=False, fontsize=8, loc="lower left")
    values = np.array(limits)
    right.errorbar(np.sqrt(RADII[:-1] * RADII[1:]), values[:, 0],
                   np.abs(values[:, 1:].T - values[:, 0]), fmt="o", capsize=2, c=COLORS[0])
    right.set(xlabel="half-light radius (arcsec)", ylabel="50 % limit in r (AB mag)", xscale="log")
    right.set_xticks(RADII, [f"{radius:g}" for radius in RADII])
    right.minorticks_off()
    for axes in (left, right):
        axes.grid(alpha=0.25)
    figure.get_layout_engine().set(rect=(0, 0.03, 1, 0.97))
    figure.text(0.995, 0.005, CREDIT, ha="right", va="bottom", fontsize=7, color="#555555")
    figure.savefig(path, dpi=110)
    print(f"{path.name}: {path.stat().st_size // 1000} kB")


def main():
    """Print the numbers and write the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="default")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "_static")
    args = parser.parse_args()
    data = field.data_folder()
    image = read_image({band: str(path) for band, path in field.frame_paths(data).items()})
    detector = Detector(args.model, backend="onnxruntime")
    print(f"{datetime.now(tz=UTC).date()}, {platform.machine()}, {detector.weights.name}: "
          f"python {' '.join(sys.argv)}")  # fmt: skip
    start = time.perf_counter()
    injected = completeness(
        image, detector=detector, number=args.number, seed=args.seed, half_light_radii=(0.5, 2.5) *
        u.arcsec, magnitudes=(18, 23),
    )  # fmt: skip
    table, seconds = injected.table, time.perf_counter() - start
    print(f"{len(table)} galaxies in {table['pass'].max()} passes: {seconds:.0f} s; PSF of "
          f"{table.meta['PSFSTARS']} stars, {table.meta['PSFFWHM']:.2f} pixels")
    print(f"{'':<34}" + "".join(f"{low:>6.1f}   " for low in EDGES[:-1]))
    say("injected", injected)
    limits = [say(f"  radius {low:g} to {high:g} arcsec", part_of(injected, low, high))
              for low, high in pairwise(RADII)]
    say(f"  radius {RADII[0]:g} to {RADII[2]:g} arcsec", part_of(injected, *RADII[[0, 2]]))
    for kind in np.unique(table["type"]):
        say(f"  {kind}", Completeness(table[table["type"] == kind]))
    coadd, found = load_coadd(data), detector.detect(image)
    ours = of_coadd(np.stack([found["x"], found["y"]], axis=1), coadd)
    say("galaxies of the coadd", ours)
    say("the same, SDSS's own catalogue", of_coadd(survey_galaxies(data)[0], coadd))
    say_faintest(found, coadd, image.data[1])
    lost = table[~table["found"] & (table["magnitude"] < 21 * u.mag)]
    print(f"brighter than 21 and lost: {len(lost)} of {(table['magnitude'] < 21 * u.mag).sum()}, "
          f"{(lost['label'] == 'star').sum()} of them called a star")  # fmt: skip
    for low, high in ((18, 24), (24, 24.5), (24.5, 25), (25, 26)):
        row = injected.by("surface_brightness", [low, high])[0]
        print(f"surface brightness {low} to {high}: {row['n_found']} of {row['n']}")
    draw(injected, ours, limits, args.out / "completeness.png")


if __name__ == "__main__":
    main()
