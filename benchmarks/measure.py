"""Photometry and shapes on field 94-1-12 against the SDSS catalogue, and the time beside SEP.

Run from the repository root: ``python benchmarks/measure.py``. Galaxies of the catalogue and
detections are paired one to one within 5 pixels. Position angles are compared for galaxies whose
model has an axis ratio below 0.7; the catalogue's angles are in the frame, so PHI_OFFSET is added.
"""

import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable

sys.path.insert(0, str(Path(__file__).parent))
import truth_94_1_12 as field

_R = 2


def catalogue(data):
    """Return the catalogue's galaxies: rows, 0-based pixels and r."""
    rows = fits.getdata(Path(data) / field.CATALOGUE)
    rows = rows[(rows["NCHILD"] == 0) & (rows["OBJC_TYPE"] == 3)]
    places = np.stack([rows["COLC"][:, _R] - 0.5, rows["ROWC"][:, _R] - 0.5], axis=1)
    return rows, places


def spread(values):
    """Return the median and 1.4826 times the median absolute deviation."""
    values = values[np.isfinite(values)]
    return np.median(values), 1.4826 * np.median(np.abs(values - np.median(values)))


def photometry(rows, found, limit):
    """Print the offsets of Kron magnitudes from the catalogue's."""
    chosen = rows["CMODELMAG"][:, _R] < limit
    kron = found["kron_mag_r"].value[chosen]
    for name, reference in (
        ("Petrosian", 22.5 - 2.5 * np.log10(np.maximum(rows["PETROFLUX"][:, _R], 1e-3))),
        ("cmodel", rows["CMODELMAG"][:, _R]),
    ):
        middle, width = spread(kron - reference[chosen])
        print(f"  r < {limit}: Kron - {name:<10} median {middle:+.3f}, scatter {width:.3f} mag "
              f"({chosen.sum()} galaxies)")


def angles(rows, found, limit):
    """Print how many position angles agree within 10 degrees."""
    dev = rows["FRACDEV"][:, _R] > 0.5
    ratio = np.where(dev, rows["AB_DEV"][:, _R], rows["AB_EXP"][:, _R])
    angle = np.where(dev, rows["PHI_DEV_DEG"][:, _R], rows["PHI_EXP_DEG"][:, _R])
    angle = angle + rows["PHI_OFFSET"][:, _R]
    chosen = (rows["CMODELMAG"][:, _R] < limit) & (ratio < 0.7)
    turn = np.abs((found["pa"].value - angle + 90) % 180 - 90)[chosen]
    print(f"  r < {limit}: position angle within 10 deg for {(turn < 10).sum()}/{len(turn)}, "
          f"median difference {np.median(turn):.1f} deg")


def sep_time(image):
    """Return the seconds that SEP takes to find and measure r alone."""
    import sep

    start = time.perf_counter()
    background = sep.Background(image)
    plane = image - background.back()
    found = sep.extract(plane, 1.5, err=background.globalrms)
    theta = np.clip(found["theta"], -np.pi / 2, np.pi / 2)
    shape = found["x"], found["y"], found["a"], found["b"], theta
    kron, _ = sep.kron_radius(plane, *shape, 6.0)
    sep.sum_ellipse(plane, *shape, 2.5 * np.clip(kron, 1.5, 10), subpix=1)
    sep.flux_radius(plane, found["x"], found["y"], 6 * found["a"], 0.5)
    return time.perf_counter() - start, len(found)


def main():
    """Measure and print."""
    from astro_yolo import Detector, crossmatch, measure, read_image

    data = field.data_folder()
    image = read_image(field.frame_paths(data))
    table = Detector(backend="onnxruntime").detect(image)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        measured = measure(table, image)
        seconds.append(time.perf_counter() - start)
    print(f"{datetime.now(tz=UTC).date()}, {platform.machine()}, field 94-1-12")
    print(f"  {len(table)} galaxies in three bands: {min(seconds):.2f} s")
    took, number = sep_time(np.ascontiguousarray(image.data[1], dtype=np.float32))
    print(f"  SEP finds and measures {number} sources in r alone: {took:.2f} s")
    rows, places = catalogue(data)
    ours = np.stack([table["x"], table["y"]], axis=1).astype(float)
    pairs = field.one_to_one(places, ours, field.MATCH_RADIUS)
    rows, found = rows[pairs[:, 0]], measured[pairs[:, 1]]
    for limit in (20, 21):
        photometry(rows, found, limit)
        angles(rows, found, limit)
    bright = QTable({"ra": rows["RA"] * u.deg, "dec": rows["DEC"] * u.deg})
    bright = bright[rows["CMODELMAG"][:, _R] < 21]
    match = crossmatch(bright, table, 2 * u.arcsec)
    separation = np.median(match.matched["separation"].to_value(u.arcsec))
    print(f"  on the sky: {len(match.matched)}/{len(bright)} galaxies r < 21 matched within 2 "
          f"arcsec, median separation {separation:.3f} arcsec, offset "
          f"{match.offset.east.value:+.3f} {match.offset.north.value:+.3f}")


if __name__ == "__main__":
    main()
