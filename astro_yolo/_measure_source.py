"""Photometry of one source in its own piece of an image."""

from dataclasses import dataclass, replace

import numpy as np

from astro_yolo._apertures import Aperture
from astro_yolo._foreign_light import box_radius, foreign_light, mirrored, own_peak
from astro_yolo._rounding import unrounded
from astro_yolo._sersic import SHARES, enclosed, mean_brightness, sersic_within
from astro_yolo._shape_of_light import (
    Ellipse,
    adaptive_ellipse,
    growth_radii,
    intrinsic_ratio,
    kron_radius,
    mean_squares,
    wide_axes,
    widened,
)

__all__ = ["FLAG_BITS", "KRON_FACTOR", "Source", "measure_source"]

#: Kron's factor: apertures reach to this many first moments. 2.5, the usual one, loses 8 % of a
#: Sersic profile of index 2 (Graham & Driver 2005); 3 loses 5 %.
KRON_FACTOR = 3.0

#: What can be wrong with a measurement.
FLAG_BITS = {"edge": 1, "masked": 2, "neighbour": 4, "background": 8, "shape": 16, "failed": 32}

_FEWEST_SKY = 40  # pixels
_WINDOW, _SKY_FROM = 3.2, 2.2  # in units of the box's ellipse
_MANY = 0.05  # share of the aperture from which filled pixels are flagged
_MOST = 0.5  # share of bad pixels in the box above which there is no source to measure
_SAMPLE = 512  # pixels that tell how large the numbers of a band are
_SMALLEST_KRON = 1.0  # of the rms semi-major axis: a point source has 1.25
_ELLIPSE_TO_LIMIT = 6.0
_BOX_TO_LIMIT = 2.5  # of the moment: the box reaches to 1.05 Petrosian radii


@dataclass(frozen=True)
class Source:
    """
    What was measured; NaN where it could not be.

    ``ellipse`` in pixels of the image, ``ratio`` of its axes without the PSF, ``squares`` the mean
    squares of its axes with the weight that matches and with the wider one; ``kron`` semi-major
    axis of the Kron aperture (already times 3) and ``radii`` (20, 50, 80 % of the light), pixels;
    ``fraction`` the estimated share of all light inside the Kron aperture; ``kron_flux``,
    ``aperture_flux`` with errors, ``sky`` and ``noise``, per band, units of the band's own pixels;
    ``flags`` a sum of `FLAG_BITS`.
    """

    ellipse: Ellipse
    ratio: float
    squares: tuple
    kron: float
    radii: np.ndarray
    fraction: float
    kron_flux: np.ndarray
    kron_error: np.ndarray
    aperture_flux: np.ndarray
    aperture_error: np.ndarray
    sky: np.ndarray
    noise: np.ndarray
    flags: int


def measure_source(image, box, neighbours, aperture, psf=None):
    """
    Measure one source.

    Parameters
    ----------
    image : astro_yolo.image.SkyImage
        Bands on one grid.
    box : (4,) array
        xmin, ymin, xmax, ymax, 0-based pixels with the centre of the first at (0, 0).
    neighbours : (M, 4) array
        Boxes of other known sources.
    aperture : float
        Radius of the circular aperture, pixels.
    psf : (float, float), optional
        From `psf_squares`, to be taken out of the axis ratio.

    Returns
    -------
    Source
    """
    half = np.maximum(box[2:] - box[:2], 1.0) / 2
    middle = (box[:2] + box[2:]) / 2
    window = _window(middle, half, image.shape, aperture)
    if window is None:
        return _nothing(image.n_bands, middle)
    y0, y1, x0, x1 = window
    bands, bad = image.window(y0, y1, x0, x1)
    unusable = ~np.isfinite(bands).all(axis=0)
    bad = unusable if bad is None else bad | unusable
    corner = np.array([x0, y0])
    if _box_pixels(bad, middle - corner, half).mean() > _MOST:
        return _nothing(image.n_bands, middle)
    bands, exponents = _of_order_one(bands, bad)
    ratios = image.noise_ratios(y0, y1, x0, x1)
    piece = _piece(bands, bad, middle - corner, half, neighbours - np.tile(corner, 2), ratios)
    cut = y0 == 0 or x0 == 0 or y1 == image.shape[0] or x1 == image.shape[1]
    source = _measured(piece, half, aperture, psf, corner, cut=cut)
    return _in_units(source, exponents, image.area_ratios)


def _box_pixels(plane, place, half):
    """Return the pixels of a plane whose centre is in the box: one at least."""
    low = np.maximum(np.ceil(place - half), 0).astype(int)
    high = np.maximum(np.floor(place + half), low).astype(int) + 1
    return plane[low[1] : high[1], low[0] : high[0]]


def _of_order_one(bands, bad):
    """
    Return bands times a power of two each, so that their noise is about 1, and the exponents.

    In physical units their squares and inverses would leave the range of float32. Powers of two
    round nothing.
    """
    if bad.any():
        bands[:, bad] = 0
    good = np.flatnonzero(~bad)
    flat = bands.reshape(len(bands), -1)
    sample = np.sort(flat[:, good[:: max(len(good) // _SAMPLE, 1)]].astype(float), axis=1)
    quarter = sample.shape[1] // 4
    spread = sample[:, -1 - quarter] - sample[:, quarter]
    largest = np.abs(flat).max(axis=1).astype(float)
    # where half of the pixels are equal, or all but, what there is must not leave the range either
    spread = np.where(spread > 0, np.maximum(spread, largest * 2.0**-60), largest)
    exponents = np.frexp(spread)[1]
    return np.ldexp(bands, -exponents[:, None, None]), exponents


def _in_units(source, exponents, area_ratios):
    """Return a source in the units of the bands, with sums over their own pixels."""
    units = np.ldexp(1.0, exponents)
    fluxes = {
        name: getattr(source, name) * units * area_ratios
        for name in ("kron_flux", "kron_error", "aperture_flux", "aperture_error")
    }
    return replace(source, sky=source.sky * units, noise=source.noise * units, **fluxes)


@dataclass(frozen=True)
class _Piece:
    """
    A piece of an image with one source alone in it.

    ``place`` is the middle of its box; ``light`` (bands, ny, nx) without sky and ``detection``, of
    all bands in units of the noise, have other sources replaced; ``sky`` and ``noise`` of the
    bands, from the pixels ``around``, and ``noise_of_sums``, that of a sum of pixels over the root
    of their number; ``bad`` and ``foreign`` pixels; ``flags`` so far.
    """

    place: np.ndarray
    light: np.ndarray
    detection: np.ndarray
    sky: np.ndarray
    noise: np.ndarray
    noise_of_sums: np.ndarray
    around: np.ndarray
    bad: np.ndarray
    foreign: np.ndarray
    flags: int


def _piece(bands, bad, place, half, others, ratios):
    """Take the sky off a piece of the image, and other sources out of it."""
    radius = box_radius(bad.shape, place, half)
    sky, noise, around, flags = _background(bands, bad, place, half)
    light = bands - sky[:, None, None]
    if bad.any():
        light[:, bad] = 0
    detection = _detection(light, noise)
    foreign = foreign_light(detection, radius, others)
    hidden = bad | foreign
    if hidden.any():
        light = mirrored(light, hidden, own_peak(detection, hidden, radius, place, half))
        detection = _detection(light, noise)
    many = noise * ratios
    return _Piece(place, light, detection, sky, noise, many, around, bad, foreign, flags)


def _detection(light, noise):
    """Return the light of all bands together in units of its noise."""
    scale = 1 / (noise * np.float32(np.sqrt(len(noise))))
    return (light * scale[:, None, None]).sum(axis=0)


def _measured(piece, half, aperture, psf, corner, *, cut):
    """Measure the source of a piece; ``cut`` says whether the image ends with it."""
    ellipse, ratio, squares, flags = _shape(piece, half, psf)
    limit = max(_BOX_TO_LIMIT * half.max(), _ELLIPSE_TO_LIMIT * ellipse.a)
    rows, columns = np.ogrid[: piece.bad.shape[0], : piece.bad.shape[1]]
    elliptical = ellipse.radius(columns, rows)
    first = kron_radius(piece.detection, elliptical, limit)
    first = np.clip(np.nan_to_num(first, nan=0.0), _SMALLEST_KRON * ellipse.a, limit / KRON_FACTOR)
    reach = float(KRON_FACTOR * first)
    kron = Aperture(
        ellipse.x, ellipse.y, reach, max(reach * ellipse.b / ellipse.a, 0.5), ellipse.theta
    )
    circle = Aperture(ellipse.x, ellipse.y, aperture, aperture, 0.0)
    circular = np.sqrt((columns - ellipse.x) ** 2 + (rows - ellipse.y) ** 2)
    if _all_bad(kron, piece.bad):
        return _nothing(len(piece.light), piece.place + corner)
    seen = np.nan if _all_bad(circle, piece.bad) else 1.0
    return Source(
        replace(ellipse, x=float(ellipse.x + corner[0]), y=float(ellipse.y + corner[1])),
        ratio,
        squares,
        reach,
        growth_radii(piece.detection, circular, reach, (0.2, 0.5, 0.8)),
        _fraction(piece, ellipse, elliptical, kron),
        kron.sums(piece.light),
        piece.noise_of_sums * np.sqrt(kron.area),
        circle.sums(piece.light) * seen,
        piece.noise_of_sums * np.sqrt(circle.area) * seen,
        piece.sky,
        piece.noise,
        piece.flags | flags | _aperture_flags(kron, piece, cut=cut),
    )


def _shape(piece, half, psf):
    """Return the ellipse, its axis ratio without the PSF, the squares of its axes, and flags."""
    major, minor = max(half) / 2.5, min(half) / 2.5
    start = Ellipse(*map(float, piece.place), float(major), float(minor),
                    0.0 if half[0] >= half[1] else np.pi / 2)  # fmt: skip
    # the shape from the middle band alone: the bands' PSFs differ, and turn the angle of their sum
    k = len(piece.light) // 2
    middle_band = piece.light[k] / piece.noise[k]
    ellipse = adaptive_ellipse(middle_band, start) or adaptive_ellipse(piece.detection, start)
    if ellipse is None:
        return start, np.nan, (np.nan, np.nan), FLAG_BITS["shape"]
    wide = wide_axes(middle_band, ellipse)
    ratio = intrinsic_ratio(ellipse, wide, psf)
    return widened(ellipse, wide), ratio, mean_squares(ellipse, wide), 0


def _window(middle, half, shape, aperture):
    """Return the piece of the image to look at, (y0, y1, x0, x1), or None outside the image."""
    if not np.isfinite(middle).all():
        return None
    reach = max(_WINDOW * half.max() + 8, aperture + 4)
    low = np.maximum(np.floor(middle - reach), 0).astype(int)
    high = np.minimum(np.ceil(middle + reach) + 1, shape[::-1]).astype(int)
    inside = (middle > -0.5).all() and (middle < np.array(shape[::-1]) - 0.5).all()
    return (low[1], high[1], low[0], high[0]) if inside else None


def _nothing(n_bands, middle):
    """Return the result of a source that cannot be measured."""
    nan = np.full(n_bands, np.nan)
    ellipse = Ellipse(*map(float, middle), np.nan, np.nan, np.nan)
    return Source(
        ellipse, np.nan, (np.nan, np.nan), np.nan, np.full(3, np.nan), np.nan,
        nan, nan, nan, nan, nan, nan, FLAG_BITS["failed"],
    )


def _background(bands, bad, place, half):
    """Return sky and noise of each band, the pixels that they are from, and flags."""
    around = (box_radius(bad.shape, place, np.maximum(half, 3.0)) > _SKY_FROM) & ~bad
    flags = 0
    if np.count_nonzero(around) < _FEWEST_SKY:
        around, flags = ~bad, FLAG_BITS["background"]
    pixels = np.take(bands.reshape(len(bands), -1), np.flatnonzero(around), axis=1)
    pixels.sort(axis=1)
    sky, noise = np.array([_level(values) for values in pixels]).T
    return sky, noise, around, flags


def _level(values):
    """Return sky and noise of sorted values about as large as 1, those of sources clipped."""
    values, step = unrounded(values)
    for _ in range(5):
        distance = values - _middle(values)
        noise = 1.4826 * _deviation(distance)
        limit = 3 * max(noise, 1e-30)
        kept = values[distance.searchsorted(-limit, "right") : distance.searchsorted(limit)]
        if len(kept) == len(values) or len(kept) < _FEWEST_SKY / 2:
            break
        values = kept
    # a median of values cut at 3 sigma still leans to the faint sources: mode by Pearson, which two
    # or three rounded values do not have
    mean = values.mean()
    sky = mean if noise < step else 2.5 * _middle(values) - 1.5 * mean
    rounding = step / np.sqrt(12)  # is in the values, and a second time since they were spread
    noise = np.sqrt(max(noise**2 - rounding**2, rounding**2))
    return sky, max(noise, np.finfo(np.float32).tiny)


def _middle(values):
    """Return the median of sorted values."""
    n = len(values)
    return (values[(n - 1) // 2] + values[n // 2]) / 2


def _deviation(distance):
    """
    Return the median absolute value of sorted distances.

    The k smallest stand side by side in them: the k-th is the least that any k in a row reach to.
    """
    n = len(distance)
    smallest = [
        np.maximum(-distance[: n - k + 1], distance[k - 1 :]).min()
        for k in {(n + 1) // 2, n // 2 + 1}
    ]
    return sum(smallest) / len(smallest)


def _all_bad(aperture, bad):
    """Say whether an aperture holds pixels, but none that can be used."""
    if not bad.any():
        return False
    _, inside, (unusable,) = aperture.counts([bad])
    return 0 < inside == unusable


def _aperture_flags(aperture, piece, *, cut):
    """Return the flags of what the Kron aperture runs into."""
    whole, inside, (bad, foreign) = aperture.counts([piece.bad, piece.foreign])
    flags = 0
    if inside < whole:
        flags |= FLAG_BITS["edge"] if cut else FLAG_BITS["shape"]
    if bad:
        flags |= FLAG_BITS["masked"]
    if foreign > _MANY * max(inside, 1):
        flags |= FLAG_BITS["neighbour"]
    return flags


def _fraction(piece, ellipse, radius, kron):
    """
    Return the share of all light in the Kron flux.

    What the wings of the galaxy add to its own sky is taken off the flux, so that it is missing
    too: no more of it than lies outside.
    """
    found = growth_radii(piece.detection, radius, kron.a, SHARES)
    index, half_light = sersic_within(found, kron.a)
    if np.isnan(index):
        return np.nan
    inside = enclosed(index, kron.a / half_light)
    brightness = mean_brightness(index, half_light, ellipse.b / ellipse.a, radius[piece.around])
    return float(inside - min(brightness * kron.area, 1 - inside))
