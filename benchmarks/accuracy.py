"""Recall and precision on the real SDSS field 94-1-12, for this package and for SEP.

Run from the repository root: ``python benchmarks/accuracy.py``; ``--scores`` prints how
recall and precision depend on the score threshold.
"""

import argparse
import platform
import sys
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
import truth_94_1_12 as field

LIMITS = (19.0, 20.0, 21.0)
BINS = (0.0, 17.0, 18.0, 19.0, 19.5, 20.0, 20.5, 21.0, 21.5, 22.0)
SCORES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SIZE_CUT = 1.18  # half-light radius over that of a star


def detect_ours(paths, **keywords):
    """Return the table of this package's detections in the field."""
    from astro_yolo import detect

    return detect({band: str(path) for band, path in paths.items()}, **keywords)


def detect_sep(image, *, size_cut=SIZE_CUT):
    """
    Detect galaxies with SEP and a cut in size.

    Parameters
    ----------
    image : (ny, nx) float32 array
        The r frame.
    size_cut : float, optional
        A source is a galaxy if its half-light radius is larger than that of the stars by this
        factor.

    Returns
    -------
    x, y : (N,) array
        0-based pixels.
    """
    import sep

    background = sep.Background(image)
    plane = image - background.back()
    found = sep.extract(plane, 1.5, err=background.globalrms, minarea=5, deblend_cont=0.005)
    x, y = found["x"], found["y"]
    theta = np.clip(found["theta"], -np.pi / 2, np.pi / 2)
    kron, _ = sep.kron_radius(plane, x, y, found["a"], found["b"], theta, 6.0)
    kron = np.clip(np.nan_to_num(kron, nan=3.5), 1.5, 10)
    flux, _, _ = sep.sum_ellipse(plane, x, y, found["a"], found["b"], theta, 2.5 * kron, subpix=1)
    half, _ = sep.flux_radius(plane, x, y, 6 * found["a"], 0.5, normflux=flux, subpix=5)
    galaxy = half > size_cut * stellar_radius(half, flux)
    galaxy &= found["peak"] < 40  # nanomaggies per pixel: only stars reach it
    return x[galaxy], y[galaxy]


def stellar_radius(half, flux):
    """Return the half-light radius of stars: the densest place among the bright sources."""
    bright = np.sort(half[(flux > 10) & (flux < 1000) & (half > 0.5)])  # r 15 to 20
    width = len(bright) // 4
    start = np.argmin(bright[width:] - bright[:-width])
    return float(np.median(bright[start : start + width]))


def print_report(name, matched):
    """Print what was found, per limit and per bin of magnitude."""
    print(f"\n{name}")
    print(f"  {'':>11}  {'recall':^29}  {'precision':^29}")
    for limit in LIMITS:
        _print_row(f"r < {limit:.0f}", matched, 0.0, limit)
    for bright, faint in pairwise(BINS):
        label = f"{bright:.1f} - {faint:.1f}" if bright else f"r < {faint:.1f}"
        _print_row(label, matched, bright, faint)
    print(f"  stars r < 20 returned as galaxies: {matched.stars_taken} of {matched.bright_stars}")
    print(f"  positions: {position_text(matched)}")


def _print_row(label, matched, bright, faint):
    """Print recall and precision of one range of magnitudes."""
    recall = rate_text(*matched.recall(bright, faint))
    print(f"  {label:>11}  {recall:^29}  {rate_text(*matched.precision(bright, faint)):^29}")


def rate_text(part, whole):
    """Return a share as text, with its interval."""
    share, low, high = field.rate(part, whole)
    if whole == 0:
        return "-"
    return f"{share:.3f} [{low:.3f}, {high:.3f}] {part:>3}/{whole:<3}"


def position_text(matched, faint=21.0):
    """Return the offsets from the catalogue as text, with the error of the mean bias."""
    dx, dy = matched.offsets(faint)
    if not len(dx):
        return "no pairs"
    error = 1.253 * 1.4826 / np.sqrt(len(dx))  # of a median, from the median absolute deviation
    sx, sy = (error * np.median(np.abs(d - np.median(d))) for d in (dx, dy))
    return (
        f"{len(dx)} pairs r < {faint:.0f}, median offset {np.median(np.hypot(dx, dy)):.3f} px, "
        f"bias x {np.median(dx):+.3f} ± {sx:.3f}, y {np.median(dy):+.3f} ± {sy:.3f} px"
    )


def print_scores(table, truth, scores=SCORES):
    """Print recall and precision against the score threshold."""
    print("\n  score    n   " + "   ".join(f"r<{limit:.0f} recall precision" for limit in LIMITS))
    for score in scores:
        kept = table[table["score"] >= score]
        matched = field.match(kept["x"], kept["y"], truth)
        cells = []
        for limit in LIMITS:
            recall = field.rate(*matched.recall(0, limit))[0]
            cells.append(f"     {recall:6.3f} {field.rate(*matched.precision(0, limit))[0]:9.3f}")
        stars = f"stars {matched.stars_taken}/{matched.bright_stars}"
        print(f"  {score:5.2f} {len(kept):4d}   " + "   ".join(cells) + f"   {stars}")


def parse_arguments(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default", help="weights: a name or a file")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--score", type=float, help="score threshold; default: that of the weights")
    parser.add_argument("--scores", action="store_true", help="sweep over score thresholds")
    parser.add_argument("--size-cut", type=float, default=SIZE_CUT, help="of SEP")
    parser.add_argument("--only", choices=("ours", "sep"), help="leave the other out")
    return parser.parse_args(argv)


def main(argv=None):
    """Run the comparison and print it."""
    options = parse_arguments(argv)
    data = field.data_folder()
    truth = field.load_truth(data)
    print(f"field 94-1-12, {platform.processor() or platform.machine()}, Python "
          f"{platform.python_version()}, numpy {np.__version__}; 68 % Jeffreys intervals")
    print(f"{len(truth.galaxies)} galaxies, {len(truth.stars)} stars, "
          f"{len(truth.left_out)} objects left out")
    if options.only != "sep":
        report_ours(options, field.frame_paths(data), truth)
    if options.only != "ours":
        x, y = detect_sep(truth.image, size_cut=options.size_cut)
        name = f"SEP {version('sep')} + half-light radius > {options.size_cut} x that of stars"
        print_report(name, field.match(x, y, truth))


def report_ours(options, paths, truth):
    """Detect with this package and print the result."""
    common = {"model": options.model, "backend": options.backend}
    table = detect_ours(paths, score=options.score, **common)
    print_report(f"astro-yolo, model {options.model}", field.match(table["x"], table["y"], truth))
    if options.scores:
        print_scores(detect_ours(paths, score=min(SCORES), **common), truth)


if __name__ == "__main__":
    main()
