"""Many regions, and an image far larger than one pass: seconds, memory, and what comes back.

Run from the repository root: ``python benchmarks/scale.py``; ``--side`` makes the image smaller.
The image is white noise with round Gaussian galaxies planted at known places, in a FITS file that
is read window by window.
"""

import argparse
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from scipy.spatial import cKDTree

_STEP = 317  # pixels between planted galaxies
_WIDTH = 3.0  # of a galaxy, standard deviation in pixels
_STRIP = 1000  # rows written at a time


def make_wcs():
    """Return a plain tangential WCS of SDSS's scale."""
    wcs = WCS(naxis=2)
    wcs.wcs.crpix, wcs.wcs.crval = (1, 1), (150.0, 2.0)
    wcs.wcs.cdelt = -0.396 / 3600, 0.396 / 3600
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    return wcs


def regions(number=20_000):
    """Print the seconds that writing regions takes, in both coordinate systems."""
    from astro_yolo import make_table, write_regions

    rng = np.random.default_rng(1)
    corner = rng.uniform(0, 4000, (number, 2))
    boxes = np.hstack([corner, corner + rng.uniform(5, 40, (number, 2))])
    share = np.full((number, 5), 0.2)
    zero = np.zeros(number)
    table = make_table(boxes, rng.random(number), share, zero, zero.astype(int), wcs=make_wcs())
    with tempfile.TemporaryDirectory() as folder:
        for frame in ("image", "icrs"):
            times = []
            for _ in range(5):
                start = time.perf_counter()
                write_regions(table, Path(folder) / "a.reg", frame=frame, overwrite=True)
                times.append(time.perf_counter() - start)
            print(f"  {number} ellipses written, {frame}: {min(times):.3f} s")


def plant(path, side):
    """Write the image, filled a strip at a time; return the planted places."""
    places = np.arange(_STEP // 2, side - _STEP // 2, _STEP)
    x, y = (grid.ravel() for grid in np.meshgrid(places, places))
    rows, columns = np.indices((41, 41)) - 20
    stamp = (12 * np.exp(-0.5 * (rows**2 + columns**2) / _WIDTH**2)).astype(np.float32)
    rng = np.random.default_rng(2)
    data = np.memmap(path.with_suffix(".raw"), np.float32, "w+", shape=(side, side))
    for start in range(0, side, _STRIP):
        data[start : start + _STRIP] = rng.normal(0, 1, (min(_STRIP, side - start), side))
    for column, row in zip(x, y, strict=True):
        data[row - 20 : row + 21, column - 20 : column + 21] += stamp
    fits.writeto(path, np.asarray(data), make_wcs().to_header(), overwrite=True)
    del data
    path.with_suffix(".raw").unlink()
    return np.stack([x, y], axis=1)


def large_image(side):
    """Print time and memory for a large image, and how many planted galaxies came back."""
    from astro_yolo import read_table

    with tempfile.TemporaryDirectory() as folder:
        path, table = Path(folder) / "large.fits", Path(folder) / "t.ecsv"
        places = plant(path, side)
        code = (
            "import resource, sys, time; from astro_yolo import Detector; d = Detector(); "
            "start = time.perf_counter(); t = d.detect(sys.argv[1]); "
            "print(time.perf_counter() - start); t.write(sys.argv[2]); "
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
        )
        command = [sys.executable, "-W", "ignore", "-c", code, str(path), str(table)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        found = read_table(table)
        distance, _ = cKDTree(np.stack([found["x"], found["y"]], axis=1)).query(places)
        back = f"{(distance < 2).sum()} of {len(places)} planted galaxies, {len(found)} rows"
        print(f"  {side} x {side} pixels, one band: {float(out[0]):.1f} s, "
              f"peak {float(out[1]):.0f} MB; {back}")


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=20_000, help="of the image, pixels")
    options = parser.parse_args()
    print(f"{datetime.now(tz=UTC).date()}, {platform.machine()}")
    regions()
    large_image(options.side)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  (making the image took up to {peak:.0f} MB in this process)")


if __name__ == "__main__":
    main()
