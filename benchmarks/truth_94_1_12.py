"""Truth of the SDSS field 94-1-12, and how detections are held against it.

The rules, each in one function below:

* a galaxy is ``OBJC_TYPE == 3 & NCHILD == 0`` of the survey's catalogue, its magnitude is
  ``CMODELMAG[:, 2]``, its place ``COLC - 0.5, ROWC - 0.5`` of the r band;
* detections and galaxies of every magnitude are matched one to one within 5 pixels;
* a detection without a match counts as false when its own flux within 5 pixels is brighter than
  the limit (zero point 22.5);
* left out on both sides: a border of 10 pixels, objects that the deeper Stripe 82 coadd calls
  by the other class (matched within 3 pixels on the sky), and the entry at (1452.7, 179.8),
  which is empty sky.

Pixels are 0-based, the centre of the first is (0, 0).
"""

import bz2
import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.stats import binom_conf_interval
from astropy.wcs import WCS, FITSFixedWarning
from photutils.aperture import CircularAperture
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

__all__ = [
    "Matched",
    "Truth",
    "aperture_magnitude",
    "celestial",
    "data_folder",
    "frame_paths",
    "inside",
    "load_truth",
    "match",
    "one_to_one",
    "rate",
]

FRAMES = "sas/dr17/eboss/photoObj/frames/301/94/1/frame-{}-000094-1-0012.fits.bz2"
CATALOGUE = "sas/dr17/eboss/photoObj/301/94/1/photoObj-000094-1-0012.fits"
COADD = "catalogs/stripe82_coadd_94-1-12.fits"

MATCH_RADIUS = 5.0  # pixels
CLASS_RADIUS = 3.0  # pixels, between the catalogue and the coadd
BORDER = 10.0  # pixels
APERTURE = 5.0  # pixels
ZERO_POINT = 22.5  # magnitude of one nanomaggy
EMPTY_SKY = (1452.7, 179.8)  # an entry of the catalogue where there is nothing
_R = 2  # place of r in the catalogue's u, g, r, i, z


@dataclass(frozen=True)
class Truth:
    """Galaxies, stars and objects to leave out: (N,) pixels and r magnitudes; the r image."""

    galaxies: np.ndarray  # (N, 3): x, y, r
    stars: np.ndarray
    left_out: np.ndarray
    image: np.ndarray


@dataclass(frozen=True)
class Matched:
    """
    Detections held against the truth.

    ``found`` is (galaxy index, detection index) of the pairs that count; ``recalled`` (N galaxies)
    says which galaxies were found and ``counted`` which of them count (inside the border);
    ``false`` are the aperture magnitudes of the detections without a galaxy; ``bright_stars`` is
    the number of stars r < 20, ``stars_taken`` how many of them were returned as galaxies.
    """

    truth: Truth
    x: np.ndarray
    y: np.ndarray
    found: np.ndarray
    recalled: np.ndarray
    counted: np.ndarray
    false: np.ndarray
    bright_stars: int
    stars_taken: int

    def recall(self, bright, faint):
        """Return (found, all) of the galaxies with bright <= r < faint."""
        mag = self.truth.galaxies[:, 2]
        wanted = self.counted & (mag >= bright) & (mag < faint)
        return int((wanted & self.recalled).sum()), int(wanted.sum())

    def precision(self, bright, faint):
        """Return (true, all) of the detections: by catalogue r if true, by aperture r if false."""
        true = self.recall(bright, faint)[0]
        false = int(((self.false >= bright) & (self.false < faint)).sum())
        return true, true + false

    def offsets(self, faint):
        """Return x and y of the detections minus those of their galaxies, r < faint."""
        pairs = self.found[self.truth.galaxies[self.found[:, 0], 2] < faint]
        galaxies = self.truth.galaxies[pairs[:, 0]]
        return self.x[pairs[:, 1]] - galaxies[:, 0], self.y[pairs[:, 1]] - galaxies[:, 1]


def data_folder():
    """Return the folder of real data: ``ASTRO_YOLO_DATA`` or ``../shared/data``; exit if absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("ASTRO_YOLO_DATA") or beside)
    if not (folder / CATALOGUE).is_file():
        raise SystemExit(f"no survey data in {folder}: set ASTRO_YOLO_DATA to their folder")
    return folder


def frame_paths(data):
    """Return band -> compressed frame of the field."""
    return {band: Path(data) / FRAMES.format(band) for band in "gri"}


def load_truth(data):
    """
    Read the truth of the field.

    Parameters
    ----------
    data : path-like
        Folder of real data, as `data_folder` returns it.

    Returns
    -------
    Truth
    """
    with bz2.open(frame_paths(data)["r"]) as stream, fits.open(stream) as hdus:
        image, wcs = hdus[0].data.astype(np.float32), celestial(hdus[0].header)
    rows = fits.getdata(Path(data) / CATALOGUE)
    rows = rows[(rows["NCHILD"] == 0) & np.isin(rows["OBJC_TYPE"], (3, 6))]
    places = np.stack([rows["COLC"][:, _R] - 0.5, rows["ROWC"][:, _R] - 0.5], axis=1)
    table = np.column_stack([places, rows["CMODELMAG"][:, _R]]).astype(float)
    galaxy = rows["OBJC_TYPE"] == 3
    leave = _class_differs(rows, galaxy, wcs, fits.getdata(Path(data) / COADD))
    leave |= np.hypot(*(places - EMPTY_SKY).T) < 1
    return Truth(table[galaxy & ~leave], table[~galaxy & ~leave], table[leave], image)


def celestial(header):
    """Return the WCS without words about the old spelling of its keywords."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        return WCS(header)


def _class_differs(rows, galaxy, wcs, coadd):
    """Say which objects the nearest coadd source within 3 pixels calls by the other class."""
    # both positions go through the same WCS, so that pixels stand for distance on the sky
    ours = np.stack(wcs.all_world2pix(rows["RA"], rows["DEC"], 0), axis=1)
    theirs = np.stack(wcs.all_world2pix(coadd["ra"], coadd["dec"], 0), axis=1)
    distance, nearest = cKDTree(theirs).query(ours, distance_upper_bound=CLASS_RADIUS)
    known = np.isfinite(distance)
    differs = np.zeros(len(rows), dtype=bool)
    differs[known] = galaxy[known] != (coadd["probpsf"][nearest[known]] < 0.5)
    return differs


def one_to_one(first, second, radius):
    """
    Pair two sets of points one to one: as many pairs as possible, then as close as possible.

    Parameters
    ----------
    first, second : (N, 2) and (M, 2) array
        Pixels.
    radius : float
        Largest distance of a pair.

    Returns
    -------
    (K, 2) int array
        Indices into both sets.
    """
    if not len(first) or not len(second):
        return np.empty((0, 2), dtype=int)
    distance = np.hypot(*(first[:, None] - second[None]).transpose(2, 0, 1))
    # one pair too far costs more than all the distances that it could save
    far = radius * (min(len(first), len(second)) + 1)
    pairs = np.stack(linear_sum_assignment(np.where(distance <= radius, distance, far)), axis=1)
    return pairs[distance[tuple(pairs.T)] <= radius]


def aperture_magnitude(image, x, y):
    """Return the r magnitude within 5 pixels of each place; inf where the flux is not positive."""
    if not len(x):
        return np.empty(0)
    masks = CircularAperture(np.stack([x, y], axis=1), APERTURE).to_mask(method="exact")
    parts = [mask.multiply(image) for mask in masks]  # None where the circle lies outside
    flux = np.array([0.0 if part is None else part.sum() for part in parts])
    return ZERO_POINT - 2.5 * np.log10(np.where(flux > 0, flux, np.finfo(float).tiny))


def match(x, y, truth):
    """
    Hold detected galaxies against the truth.

    Parameters
    ----------
    x, y : (N,) array
        Detections that were called galaxies, pixels of the r frame.
    truth : Truth
        As `load_truth` reads it.

    Returns
    -------
    Matched
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    places = np.stack([x, y], axis=1)
    galaxies = truth.galaxies
    pairs = one_to_one(galaxies[:, :2], places, MATCH_RADIUS)
    recalled = np.zeros(len(galaxies), dtype=bool)
    recalled[pairs[:, 0]] = True
    counted = inside(galaxies[:, :2], truth.image.shape)
    free = np.setdiff1d(np.arange(len(x)), pairs[:, 1])
    free = free[inside(places[free], truth.image.shape)]
    free = free[~_near(places[free], truth.left_out[:, :2])]
    bright = truth.stars[(truth.stars[:, 2] < 20) & inside(truth.stars[:, :2], truth.image.shape)]
    return Matched(
        truth=truth,
        x=x,
        y=y,
        found=pairs[counted[pairs[:, 0]]],
        recalled=recalled,
        counted=counted,
        false=aperture_magnitude(truth.image, x[free], y[free]),
        bright_stars=len(bright),
        stars_taken=len(one_to_one(bright[:, :2], places[free], MATCH_RADIUS)),
    )


def inside(places, shape):
    """Say which places lie inside the border."""
    limit = np.array([shape[1], shape[0]]) - 1 - BORDER
    return ((places >= BORDER) & (places <= limit)).all(axis=1)


def _near(places, others):
    """Say which places lie within the matching radius of another set."""
    if not len(places) or not len(others):
        return np.zeros(len(places), dtype=bool)
    return np.isfinite(cKDTree(others).query(places, distance_upper_bound=MATCH_RADIUS)[0])


def rate(part, whole):
    """Return a share and its 95 % Jeffreys interval (Brown et al. 2001); NaN of nothing."""
    if whole == 0:
        return np.nan, np.nan, np.nan
    low, high = binom_conf_interval(part, whole, 0.95, interval="jeffreys")
    return part / whole, float(low), float(high)
