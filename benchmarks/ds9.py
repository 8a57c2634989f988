"""How fast the DS9 bridge is, and the pictures of docs/ds9.rst; needs DS9 and Xvfb.

Run from the repository root: ``python benchmarks/ds9.py [--figures docs/_static]``. DS9 runs on an
invisible screen of its own. The field is SDSS 94-1-12; 20 000 ellipses of five classes are spread
over it.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import truth_94_1_12 as field

from astro_yolo.tests.ds9_fixture import private_screen

COUNT = 20_000


@contextmanager
def screen():
    """Run an invisible screen and a name server of our own, those of the tests."""
    with tempfile.TemporaryDirectory() as home, private_screen(Path(home)) as (environment, _):
        os.environ |= environment
        yield


def many(shape):
    """Return a table of many boxes over an image."""
    from astro_yolo import make_table

    rng = np.random.default_rng(0)
    ny, nx = shape
    x, y = rng.uniform(30, nx - 30, COUNT), rng.uniform(30, ny - 30, COUNT)
    half = rng.uniform(3, 12, (2, COUNT))
    boxes = np.stack([x - half[0], y - half[1], x + half[0], y + half[1]], axis=1)
    shares = rng.dirichlet(np.ones(5), COUNT)
    return make_table(boxes, rng.uniform(size=COUNT), shares, np.zeros(COUNT), np.zeros(COUNT, int))


def timed(name, work, *, pause=0):
    """Print how long something takes, the best of three."""
    seconds = []
    for _ in range(3):
        time.sleep(pause)
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    print(f"  {name}: {min(seconds):.3f} s (best of 3; worst {max(seconds):.3f} s)")


def speeds(ds9, paths):
    """Print the times of 20 000 regions and of a task of the menu."""
    from astro_yolo.ds9.menu import menu_text

    ds9.show(paths["r"])
    table = many((1489, 2048))
    timed(f"push {COUNT} ellipses with class colours, verified, the old ones replaced",
          lambda: ds9.push(table))  # fmt: skip
    timed(f"pull {COUNT} ellipses as a table", ds9.pull)
    timed("recolour a class", lambda: ds9.recolor("spiral", "#ff00ff"))
    timed("tell what changed", lambda: ds9.diff(table))
    ds9.remove()
    ds9.set("analysis clear load", menu_text())

    def task():
        ds9.remove()
        ds9.set("analysis task 0")
        while not len(ds9.pull()):
            time.sleep(0.02)

    # DS9 asks before it starts a task whose program has not ended yet
    timed("menu task: from the click to galaxies of the frame drawn in DS9", task, pause=3)
    ds9.remove()


def figures(ds9, paths, folder):
    """Make the pictures of the documentation."""
    from astro_yolo import detect
    from astro_yolo.ds9.review import Review
    from astro_yolo.ds9.reviewing import ReviewLoop

    bands = [paths[band] for band in "gri"]
    table = detect(bands)
    ds9.show(bands, stretch="lupton")
    ds9.push(table, text="{label} {score:.2f}")
    ds9.pan_to(1580, 560, zoom=1.5)
    ds9.screenshot(folder / "ds9-overlay.jpg", overwrite=True)
    with tempfile.TemporaryDirectory() as scratch:
        loop = ReviewLoop(ds9, Review(table, Path(scratch) / "journal"), say=str)
        loop.ask()
        time.sleep(1)
        window(folder / "ds9-review.jpg")


def window(path):
    """Save DS9's whole window, without the empty screen round it."""
    subprocess.run(["import", "-window", "root", "-trim", "-quality", "82", str(path)], check=True)


def main():
    """Time everything, and make the pictures if they are wanted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figures", type=Path, metavar="FOLDER", help="make the pictures")
    options = parser.parse_args()
    paths = field.frame_paths(field.data_folder())
    with screen():
        from astro_yolo.ds9 import launch

        for backend in ("pyds9", "xpa"):
            with launch(backend=backend, options=["-geometry", "900x660"]) as ds9:
                now = datetime.now(tz=UTC).date()
                print(f"{now}, {platform.machine()}, DS9 {ds9.get('version').split()[-1]}, "
                      f"by {backend}, Python {sys.version.split()[0]}")  # fmt: skip
                speeds(ds9, paths)
                if options.figures and backend == "xpa":
                    figures(ds9, paths, options.figures)


if __name__ == "__main__":
    main()
