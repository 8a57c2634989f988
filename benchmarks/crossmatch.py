"""Time and memory of matching large tables.

Run from the repository root: ``python benchmarks/crossmatch.py``.
"""

import platform
import resource
import time
from datetime import UTC, datetime

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord

from astro_yolo import crossmatch


def main(ours=100_000, theirs=1_000_000):
    """Match tables strewn over 400 square degrees, and print the seconds."""
    rng = np.random.default_rng(1)
    catalog = SkyCoord(rng.uniform(140, 160, theirs), rng.uniform(-10, 10, theirs), unit="deg")
    chosen = rng.choice(theirs, ours, replace=False)
    noise = rng.normal(0, 0.1, (2, ours)) * u.arcsec
    table = catalog[chosen].spherical_offsets_by(*noise)
    print(f"{datetime.now(tz=UTC).date()}, {platform.machine()}")
    for mode in ("one-to-one", "best", "all"):
        start = time.perf_counter()
        found = crossmatch(table, catalog, 2 * u.arcsec, mode=mode)
        seconds = time.perf_counter() - start
        right = chosen[found.matched["row"]] == found.matched["row_cat"]
        print(f"{mode:<11}{ours} x {theirs}: {seconds:5.2f} s, {len(right)} pairs, "
              f"{right.sum()} of them right")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory {peak:.0f} MB")


if __name__ == "__main__":
    main()
