"""Photometry of one source in its own piece of an image."""

from dataclasses import dataclass

import numpy as np
from photutils.aperture import CircularAperture, EllipticalAperture

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

_THRESHOLD = 1.5  # of the noise: pixels above belong to a source
_FEWEST_SKY = 40  # pixels
# of other peaks: height and depth of the dip before them (noise), dip (share of the light), pixels
_PEAK, _DEPTH, _DIP, _CLOSEST = 6.0, 5.0, 0.8, 4.0
_WINDOW, _SKY_FROM = 3.2, 2.2  # in units of the box's ellipse
_NEAR = 2.0  # of the box's ellipse: hidden pixels beyond do not move the mirror
_SHARP = 1.5  # pixels: width of the peak that is sought
_MANY = 0.05  # share of the aperture from which filled pixels are flagged
# Concentration in ellipses within the Kron aperture, and the share of all light in there: fitted to
# simulated Sersic profiles of index 0.5 to 4; on real galaxies the totals agree with SDSS's cmodel
# for discs and spheroids alike (benchmarks/measure.py).
_SHARE_AT = (2.2, 2.6, 3.0, 3.3, 3.6, 4.0)
_SHARE = (1.0, 0.985, 0.945, 0.895, 0.86, 0.82)
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
    ``aperture_flux`` with errors, ``sky`` and ``noise``, per band, image units; ``flags`` a sum of
    `FLAG_BITS`.
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
    corner = np.array([x0, y0])
    place, others = middle - corner, neighbours - np.tile(corner, 2)
    bad = ~np.isfinite(bands).all(axis=0) if bad is None else bad | ~np.isfinite(bands).all(axis=0)
    if bad.all():
        return _nothing(image.n_bands, middle)
    sky, noise, flags = _background(bands, bad, place, half)
    light = bands - sky[:, None, None]
    foreign = _foreign(light / noise[:, None, None], bad, place, half, others)
    hidden = bad | foreign
    detection = (light / noise[:, None, None]).sum(axis=0) / np.sqrt(len(light))
    if hidden.any():
        light = _mirrored(light, hidden, _peak(detection, hidden, place, half))
        detection = (light / noise[:, None, None]).sum(axis=0) / np.sqrt(len(light))
    start = Ellipse(*place, *np.sort(half / 2.5)[::-1], 0.0 if half[0] >= half[1] else np.pi / 2)
    # the shape from the middle band alone: the bands' PSFs differ, and turn the angle of their sum
    middle_band = light[len(light) // 2] / noise[len(light) // 2]
    ellipse = adaptive_ellipse(middle_band, start) or adaptive_ellipse(detection, start)
    ratio, squares = np.nan, (np.nan, np.nan)
    if ellipse is None:
        ellipse, flags = start, flags | FLAG_BITS["shape"]
    else:
        wide = wide_axes(middle_band, ellipse)
        squares = mean_squares(ellipse, wide)
        ratio, ellipse = intrinsic_ratio(ellipse, wide, psf), widened(ellipse, wide)
    limit = max(_BOX_TO_LIMIT * half.max(), _ELLIPSE_TO_LIMIT * ellipse.a)
    first = kron_radius(detection, ellipse, limit)
    first = np.clip(np.nan_to_num(first, nan=0.0), _SMALLEST_KRON * ellipse.a, limit / KRON_FACTOR)
    reach = KRON_FACTOR * first
    kron = EllipticalAperture(
        (ellipse.x, ellipse.y), reach, max(reach * ellipse.b / ellipse.a, 0.5), theta=ellipse.theta
    )
    circle = CircularAperture((ellipse.x, ellipse.y), aperture)
    flags |= _aperture_flags(kron, bad, foreign, window, image.shape)
    kron_flux, kron_error = _sums(light, noise, kron)
    aperture_flux, aperture_error = _sums(light, noise, circle)
    return Source(
        Ellipse(ellipse.x + x0, ellipse.y + y0, ellipse.a, ellipse.b, ellipse.theta),
        ratio,
        squares,
        float(reach),
        growth_radii(detection, ellipse, reach, (0.2, 0.5, 0.8)),
        _fraction(detection, ellipse, reach),
        kron_flux, kron_error, aperture_flux, aperture_error, sky, noise, int(flags),
    )  # fmt: skip


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


def _elliptical(shape, place, half):
    """Return the radius of each pixel in units of the box's ellipse."""
    y, x = np.indices(shape)
    return np.hypot((x - place[0]) / half[0], (y - place[1]) / half[1])


def _background(bands, bad, place, half):
    """Return sky and noise of each band from the surroundings without sources, and flags."""
    radius = _elliptical(bad.shape, place, np.maximum(half, 3.0))
    around = (radius > _SKY_FROM) & ~bad
    flags = 0
    if around.sum() < _FEWEST_SKY:
        around, flags = ~bad, FLAG_BITS["background"]
    levels = []
    for band in bands:
        values = band[around]
        for _ in range(5):
            sky = np.median(values)
            noise = 1.4826 * np.median(np.abs(values - sky))
            kept = values[np.abs(values - sky) < 3 * max(noise, 1e-30)]
            if len(kept) == len(values) or len(kept) < _FEWEST_SKY / 2:
                break
            values = kept
        # a median of values cut at 3 sigma still leans to the faint sources: mode by Pearson
        sky = 2.5 * np.median(values) - 1.5 * values.mean()
        levels.append((sky, max(noise, np.finfo(np.float32).tiny)))
    sky, noise = np.array(levels).T
    return sky, noise, flags


def _foreign(scaled, bad, place, half, others):
    """Return which pixels belong to other sources."""
    from scipy.ndimage import gaussian_filter, label, maximum

    detection = np.where(bad, 0, scaled.sum(axis=0) / np.sqrt(len(scaled)))
    smooth = gaussian_filter(detection, 1.0) * 2 * np.sqrt(np.pi)  # noise is 1 again
    segments, count = label(smooth > _THRESHOLD * 1.5)
    radius = _elliptical(bad.shape, place, half)
    nearer = np.zeros(bad.shape, dtype=bool)
    for other in others:
        middle, side = (other[:2] + other[2:]) / 2, np.maximum(other[2:] - other[:2], 1) / 2
        theirs = _elliptical(bad.shape, middle, side)
        nearer |= (theirs < radius) & (theirs < 1.6)
    core = segments[(radius < 0.5) & (segments > 0) & ~nearer]
    own = np.isin(segments, np.unique(core)) if core.size else radius < 1
    # to take out what is only noise, where it is high, would take light from the source
    peaks = maximum(smooth, segments, np.arange(count + 1))
    real = (peaks > _DEPTH)[segments] & (segments > 0)
    return nearer | (real & ~own) | _beside(smooth, radius, own & ~nearer)


def _beside(smooth, radius, own):
    """
    Return the pixels about other peaks in the source's own light: stars in front, companions.

    A peak counts if the light falls by a fifth of it, and by more than noise, on the way to the
    main one.
    """
    from scipy.ndimage import map_coordinates, maximum_filter

    hidden = np.zeros(smooth.shape, dtype=bool)
    peaks = (smooth == maximum_filter(smooth, 5)) & own & (smooth > _PEAK)
    places = np.argwhere(peaks)
    if len(places) < 2:
        return hidden
    main = places[(smooth[peaks] * np.exp(-5 * radius[peaks] ** 2)).argmax()]
    rows, columns = np.indices(smooth.shape)
    home = np.hypot(rows - main[0], columns - main[1])
    for place in places:
        apart = np.hypot(*(place - main))
        if apart < _CLOSEST:
            continue
        way = main[:, None] + (place - main)[:, None] * np.linspace(0, 1, 2 * int(apart) + 3)
        lowest = map_coordinates(smooth, way, order=1).min()
        peak = min(smooth[tuple(place)], smooth[tuple(main)])
        if lowest < min(_DIP * peak, peak - _DEPTH):
            there = np.hypot(rows - place[0], columns - place[1])
            hidden |= (there < home) & (there < 0.8 * apart)
    return hidden


def _peak(detection, hidden, place, half):
    """
    Return the source's own peak: with a neighbour, the box's centre may lie between the two.

    A mirror in the wrong place would bring the neighbour's light back on the other side.
    """
    from scipy.ndimage import gaussian_filter

    radius = _elliptical(hidden.shape, place, half)
    if not (hidden & (radius < _NEAR)).any():
        return place
    light = np.where(hidden, 0, detection)
    inside = ~hidden & (radius < 1)
    high = np.where(inside, gaussian_filter(light, _SHARP) * np.exp(-(radius**2)), -np.inf)
    row, column = np.unravel_index(high.argmax(), high.shape)
    centre = np.array([column, row], dtype=float)
    y, x = np.indices(hidden.shape)
    for _ in range(4):
        weight = np.exp(-0.5 * ((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / _SHARP**2) * light
        total = weight.sum()
        if not total > 0:
            return place
        centre = np.array([(weight * x).sum(), (weight * y).sum()]) / total
    return centre if np.hypot(*((centre - place) / half)) < 1 else place


def _mirrored(light, hidden, place):
    """Fill hidden pixels with those opposite about the centre, else with sky."""
    rows, columns = np.nonzero(hidden)
    opposite_rows = np.round(2 * place[1] - rows).astype(int)
    opposite_columns = np.round(2 * place[0] - columns).astype(int)
    ny, nx = hidden.shape
    known = (opposite_rows >= 0) & (opposite_rows < ny)
    known &= (opposite_columns >= 0) & (opposite_columns < nx)
    opposite_rows, opposite_columns = np.where(known, [opposite_rows, opposite_columns], 0)
    known &= ~hidden[opposite_rows, opposite_columns]
    light = light.copy()
    values = light[:, opposite_rows, opposite_columns]
    light[:, rows, columns] = np.where(known, values, 0)
    return light


def _aperture_flags(aperture, bad, foreign, window, shape):
    """Return the flags of what the Kron aperture runs into."""
    mask = aperture.to_mask(method="center")
    inside = mask.get_values(np.ones(bad.shape)).sum()
    whole = mask.data.sum()
    flags = 0
    if inside < whole:
        y0, y1, x0, x1 = window
        cut = (y0 == 0) or (x0 == 0) or (y1 == shape[0]) or (x1 == shape[1])
        flags |= FLAG_BITS["edge"] if cut else FLAG_BITS["shape"]
    if mask.get_values(bad.astype(float)).sum() > 0:
        flags |= FLAG_BITS["masked"]
    if mask.get_values(foreign.astype(float)).sum() > _MANY * max(inside, 1):
        flags |= FLAG_BITS["neighbour"]
    return flags


def _fraction(detection, ellipse, reach):
    """Return the share of all light in the Kron aperture, by the concentration of what is there."""
    inner, outer = growth_radii(detection, ellipse, reach, (0.2, 0.8), elliptical=True)
    if not inner > 0:
        return np.nan
    return float(np.interp(5 * np.log10(outer / inner), _SHARE_AT, _SHARE))


def _sums(light, noise, aperture):
    """Return the flux in an aperture and its error from the sky's noise, per band."""
    mask = aperture.to_mask(method="exact")
    weighted = [mask.multiply(band) for band in light]
    if weighted[0] is None:
        return np.full(len(light), np.nan), np.full(len(light), np.nan)
    return np.array([band.sum() for band in weighted]), noise * np.sqrt(mask.data.sum())
