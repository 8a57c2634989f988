"""Completeness and purity on field 94-1-12, judged by the deeper Stripe 82 coadd.

Run from the repository root: ``python benchmarks/coadd.py``. The survey's own catalogue goes
through the same code, so that both can be compared. Rules: a coadd source is found if a detection
lies within 3 pixels; it is a galaxy where ``probpsf < 0.5``, its r then the sum of its exponential
and de Vaucouleurs light; sources at least 10 pixels inside the frame count. Purity is the share of
galaxies among the detections that have a coadd source, down to the detection's own magnitude (r
within 5 pixels for us, ``CMODELMAG`` for the survey); detections without one are ignored, as the
coadd's list has holes.
"""

import argparse
import bz2
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from astropy.io import fits
from scipy.spatial import cKDTree

sys.path.insert(0, str(Path(__file__).parent))
import truth_94_1_12 as field

BINS = ((20.5, 21.0), (21.0, 21.5), (21.5, 22.0), (22.0, 22.5))
LIMITS = (21.5, 22.0)
SCORES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8)


def load_coadd(data):
    """
    Read the coadd's sources.

    Parameters
    ----------
    data : path-like
        Folder of real data.

    Returns
    -------
    places : (N, 2) array
        0-based pixels of the r frame.
    magnitude : (N,) array
        r.
    galaxy : (N,) bool array
    """
    with bz2.open(field.frame_paths(data)["r"]) as stream, fits.open(stream) as hdus:
        wcs, shape = field.celestial(hdus[0].header), hdus[0].data.shape
    rows = fits.getdata(Path(data) / field.COADD)
    places = np.stack(wcs.all_world2pix(rows["ra"], rows["dec"], 0), axis=1)
    galaxy = rows["probpsf"] < 0.5
    share = rows["fracdev_r"].astype(float)
    model = share * rows["devmag_r"] + (1 - share) * rows["expmag_r"]
    magnitude = np.where(galaxy, model, rows["psfmag_r"]).astype(float)
    inside = field.inside(places, shape)
    return places[inside], magnitude[inside], galaxy[inside]


def survey_galaxies(data):
    """Return pixels and r magnitudes of what the survey's own catalogue calls a galaxy."""
    rows = fits.getdata(Path(data) / field.CATALOGUE)
    rows = rows[(rows["NCHILD"] == 0) & (rows["OBJC_TYPE"] == 3)]
    with bz2.open(field.frame_paths(data)["r"]) as stream, fits.open(stream) as hdus:
        wcs = field.celestial(hdus[0].header)
    places = np.stack(wcs.all_world2pix(rows["RA"], rows["DEC"], 0), axis=1)
    return places, rows["CMODELMAG"][:, 2]


def judge(places, own_magnitude, coadd):
    """
    Hold places of galaxies against the coadd.

    Parameters
    ----------
    places : (N, 2) array
        0-based pixels.
    own_magnitude : (N,) array
        r of the detections.
    coadd : tuple
        From `load_coadd`.

    Returns
    -------
    completeness : list of (int, int)
        Galaxies found and all, in each of `BINS`.
    purity : list of (int, int)
        Galaxies among the paired detections, and those, for each of `LIMITS`.
    """
    where, magnitude, galaxy = coadd
    found = cKDTree(places).query(where)[0] < field.CLASS_RADIUS
    completeness = []
    for bright, faint in BINS:
        wanted = galaxy & (magnitude >= bright) & (magnitude < faint)
        completeness.append((int((found & wanted).sum()), int(wanted.sum())))
    distance, nearest = cKDTree(where).query(places)
    purity = []
    for limit in LIMITS:
        paired = (distance < field.CLASS_RADIUS) & (own_magnitude < limit)
        purity.append((int(galaxy[nearest[paired]].sum()), int(paired.sum())))
    return completeness, purity


def line(name, result):
    """Return one line of text: shares of the bins, and purities."""
    completeness, purity = result
    cells = [f"{hits / total:.2f} ({hits}/{total})" for hits, total in completeness]
    cells += [f"{hits / max(total, 1):.3f} ({hits}/{total})" for hits, total in purity]
    return f"{name:<22}" + "  ".join(f"{cell:>15}" for cell in cells)


def main(argv=None):
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--backend", default="onnxruntime")
    options = parser.parse_args(argv)
    from astro_yolo import Detector

    data = field.data_folder()
    coadd = load_coadd(data)
    detector = Detector(options.model, backend=options.backend)
    table = detector.detect(field.frame_paths(data), score=min(SCORES))
    places = np.stack([table["x"], table["y"]], axis=1).astype(float)
    print(f"{detector.weights.name} on 94-1-12 against the coadd, "
          f"{datetime.now(tz=UTC).date()}, {platform.machine()}")
    head = [f"r {bright}-{faint}" for bright, faint in BINS] + [f"purity <{m}" for m in LIMITS]
    print(f"{'':<22}" + "  ".join(f"{cell:>15}" for cell in head))
    print(line("survey's catalogue", judge(*survey_galaxies(data), coadd)))
    with bz2.open(field.frame_paths(data)["r"]) as stream, fits.open(stream) as hdus:
        own = field.aperture_magnitude(hdus[0].data.astype(np.float32), *places.T)
    default = detector.weights.default_score
    for score in sorted({*SCORES, default}):
        mark = " default" if score == default else ""
        kept = table["score"] >= score
        print(line(f"score {score:.3f}{mark}", judge(places[kept], own[kept], coadd)))


if __name__ == "__main__":
    main()
