"""The galaxies and stars of the simulated field: where they are, how they look."""

from dataclasses import dataclass

import numpy as np

from astro_yolo.injection import add_stamp, moffat_kernel, sersic_stamp, spiral_stamp
from astro_yolo.training.labels import BOX_RADII, ellipse_box, petrosian_radius

__all__ = ["BANDS", "SHIFT", "Source", "draw_galaxies", "draw_stars"]

#: Bands of the simulated field, from short to long wavelength.
BANDS = ("g", "r", "i")

#: Columns and rows by which a band is shifted against r. Real g and i frames are shifted along
#: the scan (rows) by up to 14.
SHIFT = {"g": (0.31, 3.27), "r": (0.0, 0.0), "i": (-0.42, -2.64)}

_ZERO_POINT = 22.5  # magnitude of one nanomaggy
_STARS_PER_FIELD = 24


@dataclass(frozen=True)
class _Kind:
    """How galaxies of one kind are drawn: number per field and ranges of their properties."""

    label: str
    number: int
    mag_r: tuple
    radius: tuple  # half-light, pixels
    axis_ratio: tuple
    g_r: tuple
    r_i: tuple
    index: float = 1.0


# Colours and sizes as in SDSS at these magnitudes (red sequence, blue cloud).
_KINDS = (
    _Kind("elliptical", 6, (15.8, 18.0), (5.0, 11.0), (0.6, 0.97), (0.80, 1.05), (0.36, 0.45), 4.0),
    _Kind("spiral", 6, (15.4, 17.2), (10.0, 18.0), (0.5, 0.95), (0.40, 0.62), (0.20, 0.33)),
    _Kind("edge_on", 5, (16.2, 17.8), (10.0, 18.0), (0.08, 0.14), (0.55, 0.85), (0.28, 0.42)),
    _Kind("unknown", 17, (19.3, 21.6), (1.7, 4.0), (0.35, 0.95), (0.45, 1.40), (0.25, 0.55), 1.5),
)


@dataclass
class Source:
    """One source: 0-based place in the reference band, light per band, and the truth about it."""

    x: float
    y: float
    label: str
    mag_r: float
    stamps: dict
    box: np.ndarray
    petrosian: float
    group: int = -1


def draw_galaxies(rng, shape, psf, share):
    """
    Draw a merging pair and the galaxies of every kind.

    Parameters
    ----------
    rng : `~numpy.random.Generator`
        Source of the random numbers.
    shape : (int, int)
        Rows and columns of the field.
    psf : (k, k) array
        Point-spread function.
    share : float
        Area of the field over that of the example: scales the numbers.

    Returns
    -------
    list of Source
        The two parts of the merger first.
    """
    x, y = _free_place(rng, shape, [], 55)
    sources = _merging_pair(rng, x, y, psf)
    for kind in _KINDS:
        for _ in range(max(1, round(kind.number * share))):
            sources.append(_galaxy(rng, kind, shape, psf, sources))
    return sources


def _galaxy(rng, kind, shape, psf, others):
    """Draw one galaxy of a kind at a free place."""
    radius = rng.uniform(*kind.radius)
    x, y = _free_place(rng, shape, others, 1.8 * radius + 6)
    mag = _magnitude(rng, kind.mag_r)
    colours = rng.uniform(*kind.g_r), rng.uniform(*kind.r_i)
    axis_ratio, theta = rng.uniform(*kind.axis_ratio), rng.uniform(0, np.pi)
    if kind.label == "spiral":
        winding = int(rng.choice([-1, 1]))
        arms = {"pitch": rng.uniform(0.25, 0.42), "handedness": winding}

        def make(flux, band, offset):
            # bulges are red, arms are blue
            bulge = {"g": 0.12, "r": 0.18, "i": 0.24}[band]
            shape_of = {"psf": psf, "offset": offset, "bulge": bulge, **arms}
            return spiral_stamp(flux, radius, axis_ratio, theta, **shape_of)
    else:

        def make(flux, _band, offset):
            return sersic_stamp(flux, radius, kind.index, axis_ratio, theta, psf=psf, offset=offset)

    seen = _seen_axis_ratio(radius, axis_ratio, psf)
    return _source(x, y, kind.label, mag, colours, make, (seen, theta))


def _merging_pair(rng, x, y, psf):
    """Draw two overlapping galaxies with a tidal tail each; they share one box."""
    angle = rng.uniform(0, np.pi)
    parts = []
    for side, mag in ((-1, 16.5), (1, 17.0)):
        theta = angle + side * rng.uniform(0.5, 0.9)
        centre = (x + side * 9.5 * np.cos(angle), y + side * 9.5 * np.sin(angle))

        def make(flux, _band, offset, side=side, theta=theta):
            tail = 0.2 * flux
            far = (offset[0] + side * 14 * np.cos(theta), offset[1] + side * 14 * np.sin(theta))
            blur = {"psf": psf}
            body = sersic_stamp(flux - tail, 6.0, 2.0, 0.65, theta, offset=offset, **blur)
            arm = sersic_stamp(tail, 12.0, 0.7, 0.3, theta, offset=far, **blur)
            return _sum_stamps(body, arm)

        parts.append(_source(*centre, "merger", mag, (0.62, 0.32), make, (0.6, theta)))
    box = np.r_[
        np.min([p.box[:2] for p in parts], axis=0), np.max([p.box[2:] for p in parts], axis=0)
    ]
    for part in parts:
        part.box, part.group = box, 0
    return parts


def _sum_stamps(first, second):
    """Add two odd-sized stamps about their middle pixels."""
    size = max(first.shape[0], second.shape[0])
    total = np.zeros((size, size), dtype=np.float32)
    for stamp in (first, second):
        add_stamp(total, stamp, size // 2, size // 2)
    return total


def draw_stars(rng, shape, psf, share, galaxies):
    """
    Draw one saturated star and the others, from bright to faint.

    Parameters
    ----------
    rng, shape, psf, share
        As for `draw_galaxies`.
    galaxies : list of Source
        Stars keep clear of these.

    Returns
    -------
    list of Source
    """
    number = max(3, round(_STARS_PER_FIELD * share))
    others = list(galaxies)
    magnitudes = np.r_[11.6, np.sort(rng.triangular(14.5, 20.5, 21.5, number))]
    stars = []
    for mag in magnitudes:
        x, y = _free_place(rng, shape, others, 60 if mag < 13 else 14)
        # the stellar locus: r-i follows g-r until the M dwarfs
        g_r = rng.uniform(0.3, 1.45)
        colours = g_r, 0.4 * g_r if g_r < 1.25 else rng.uniform(0.5, 0.9)
        star = _source(x, y, "star", mag, colours, _star_maker(psf, mag), (1.0, 0.0))
        # a star's box is 2 FWHM wide
        half = _fwhm(psf)
        star.box = np.array([x - half, y - half, x + half, y + half])
        stars.append(star)
        others.append(star)
    return stars


def _star_maker(psf, mag):
    """Return the function that makes a star's stamp; bright stars have wide wings."""
    point = psf
    if mag < 14:
        point = moffat_kernel(_fwhm(psf) * 3.5, beta=2.2) * np.float32(0.06)
        point = _sum_stamps(point, psf * np.float32(0.94))

    def make(flux, _band, offset):
        return _shift(point * np.float32(flux), offset)

    return make


def _shift(stamp, offset):
    """Move a stamp by a fraction of a pixel, bilinearly."""
    dx, dy = offset
    padded = np.pad(stamp, 1)
    moved = np.zeros_like(padded)
    for step_y, part_y in ((0, 1 - abs(dy)), (int(np.sign(dy)), abs(dy))):
        for step_x, part_x in ((0, 1 - abs(dx)), (int(np.sign(dx)), abs(dx))):
            moved += np.roll(padded, (step_y, step_x), (0, 1)) * np.float32(part_y * part_x)
    return moved


def _source(x, y, label, mag, colours, make, shape):
    """Make the stamps of a source in every band and measure its box in r."""
    mags = {"g": mag + colours[0], "r": mag, "i": mag - colours[1]}
    stamps = {}
    for band in BANDS:
        column, row = x + SHIFT[band][0], y + SHIFT[band][1]
        place = round(column), round(row)
        flux = 10 ** (-0.4 * (mags[band] - _ZERO_POINT))
        stamps[band] = (make(flux, band, (column - place[0], row - place[1])), *place)
    petrosian = petrosian_radius(stamps["r"][0])
    edges = ellipse_box(x, y, BOX_RADII * petrosian, *shape)
    # edge pixels to the frame of x, y, where the centre of the first pixel is 0
    return Source(x, y, label, mag, stamps, edges - 0.5, petrosian)


def _seen_axis_ratio(radius, axis_ratio, psf):
    """Return the axis ratio after the blur by the PSF, adding widths in quadrature."""
    blur = _fwhm(psf) / 2
    return float(np.hypot(radius * axis_ratio, blur) / np.hypot(radius, blur))


def _fwhm(psf):
    """Return the full width at half maximum of a sampled PSF, pixels."""
    middle = psf.shape[0] // 2
    profile = psf[middle, middle:] / psf[middle, middle]
    return 2 * float(np.interp(-0.5, -profile, np.arange(profile.size)))


def _magnitude(rng, limits):
    """Draw a magnitude; faint galaxies are more common."""
    return limits[0] + (limits[1] - limits[0]) * np.sqrt(rng.uniform())


def _free_place(rng, shape, others, reach):
    """Draw a place at least ``reach`` from the borders and clear of the other sources."""
    best, best_gap = None, -np.inf
    margin = min(reach, min(shape) / 2 - 20)
    for _ in range(300):
        x = rng.uniform(margin, shape[1] - 1 - margin)
        y = rng.uniform(margin, shape[0] - 1 - margin)
        gap = min((_gap(x, y, other) - reach for other in others), default=1.0)
        if gap > best_gap:
            best, best_gap = (x, y), gap
        if gap > 0:
            break
    return best


def _gap(x, y, other):
    """Return the distance of a place from the edge of a source's box."""
    return np.hypot(x - other.x, y - other.y) - np.max(other.box[2:] - other.box[:2]) / 2
