"""Boxes and types of the sources in an image, measured for training.

The box is the rectangle round an ellipse whose semi-major axis is 1.05 Petrosian
radii (AstroCV's 2.1 radii across), with the axis ratio and angle of the source.
"""

from dataclasses import dataclass

import numpy as np

from astro_yolo.exceptions import require

__all__ = ["BOX_RADII", "Sources", "ellipse_box", "find_sources", "petrosian_radius", "star_galaxy"]

#: Semi-major axis of the box's ellipse, in Petrosian radii.
BOX_RADII = 1.05

_RADII = np.geomspace(1.0, 250.0, 36)


@dataclass(frozen=True)
class Sources:
    """Sources of one image; arrays of length N, pixels 0-based with centre (0, 0)."""

    x: np.ndarray
    y: np.ndarray
    axis_ratio: np.ndarray
    theta: np.ndarray
    half_light: np.ndarray
    petrosian: np.ndarray
    aperture_flux: np.ndarray
    signal_to_noise: np.ndarray
    peak: np.ndarray
    flag: np.ndarray

    def __len__(self):
        """Return the number of sources."""
        return len(self.x)

    def boxes(self):
        """Return (N, 4) boxes (xmin, ymin, xmax, ymax) in edge pixels."""
        return ellipse_box(
            self.x, self.y, BOX_RADII * self.petrosian, self.axis_ratio, self.theta
        )


def ellipse_box(x, y, semi_major, axis_ratio, theta):
    """
    Return the rectangles round ellipses.

    Parameters
    ----------
    x, y : (N,) arrays
        Centres, 0-based pixels with the centre of the first at (0, 0).
    semi_major : (N,) array
        Semi-major axes, pixels.
    axis_ratio : (N,) array
        Minor over major axis.
    theta : (N,) array
        Angle of the major axis, radians counter-clockwise from +x.

    Returns
    -------
    (N, 4) array
        xmin, ymin, xmax, ymax in edge pixels (the first pixel spans 0 to 1).
    """
    cos2, sin2 = np.cos(theta) ** 2, np.sin(theta) ** 2
    half_x = semi_major * np.sqrt(cos2 + axis_ratio**2 * sin2)
    half_y = semi_major * np.sqrt(sin2 + axis_ratio**2 * cos2)
    x, y = np.asarray(x) + 0.5, np.asarray(y) + 0.5
    return np.stack([x - half_x, y - half_y, x + half_x, y + half_y], axis=-1)


def find_sources(detection, measured, *, deblend_contrast=0.005):
    """
    Detect and measure every source of an image with SEP (Barbary 2016, JOSS 1, 58).

    Parameters
    ----------
    detection : (ny, nx) array
        Sky-subtracted image in units of its noise.
    measured : (ny, nx) array
        Sky-subtracted r-band image, for fluxes and radii.
    deblend_contrast : float, optional
        Share of the light a peak needs to become a source of its own.

    Returns
    -------
    Sources, (ny, nx) int array
        The sources and the segmentation map (source k is k + 1 there).
    """
    sep = require("sep", extra="train", feature="measuring training labels")
    sep.set_extract_pixstack(5_000_000)
    sep.set_sub_object_limit(8192)
    detection = np.ascontiguousarray(detection, dtype=np.float32)
    measured = np.ascontiguousarray(measured, dtype=np.float32)
    found, segments = sep.extract(
        detection, 1.5, err=1.0, minarea=5, deblend_cont=deblend_contrast, segmentation_map=True
    )
    x, y = found["x"], found["y"]
    curve, weight = _growth_curves(sep, measured, detection, found, segments)
    half = _half_light(curve, np.clip(5 * found["a"], 6, 250))
    aperture = sep.sum_circle(measured, x, y, 5.0)[0]
    sources = Sources(
        x=x,
        y=y,
        axis_ratio=np.clip(found["b"] / found["a"], 0.1, 1),
        theta=found["theta"],
        half_light=half,
        petrosian=_clip_petrosian(_petrosian_of_curves(curve), half, weight, found["a"]),
        aperture_flux=aperture,
        signal_to_noise=weight,
        peak=found["peak"],
        flag=found["flag"],
    )
    return sources, segments


def _growth_curves(sep, measured, detection, found, segments):
    """Return flux within each radius, (N, radii), and the 5-pixel signal-to-noise."""
    x, y, ids = found["x"], found["y"], np.arange(1, len(found) + 1, dtype=np.int32)
    reach = 8 * found["a"] + 8  # past it a curve is flat, and the sums are slow
    curve = np.zeros((len(x), len(_RADII)))
    for k, radius in enumerate(_RADII):
        curve[:, k] = curve[:, k - 1] if k else 0
        near = np.flatnonzero(radius < reach)
        curve[near, k] = sep.sum_circle(
            measured, x[near], y[near], radius, segmap=segments, seg_id=ids[near], subpix=3
        )[0]
    signal = sep.sum_circle(detection, x, y, 5.0, segmap=segments, seg_id=ids)[0]
    return curve, signal / np.sqrt(np.pi * 25)


def _half_light(curve, reach):
    """Return the radius that holds half of the flux within ``reach``."""
    last = np.searchsorted(_RADII, reach).clip(1, len(_RADII) - 1)
    half = np.empty(len(curve))
    for k, (row, end) in enumerate(zip(curve, last, strict=True)):
        inside = np.maximum.accumulate(row[: end + 1])
        half[k] = np.interp(inside[-1] / 2, np.r_[0, inside], np.r_[0, _RADII[: end + 1]])
    return half


def _petrosian_of_curves(curve):
    """Return the first radius at which the Petrosian ratio falls below 0.2."""
    area = np.pi * _RADII**2
    mean = curve / area
    local = np.full_like(curve, np.nan)
    # annuli from the neighbouring radii, about 0.87 to 1.15 of the middle one
    local[:, 1:-1] = (curve[:, 2:] - curve[:, :-2]) / (area[2:] - area[:-2])
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = local / mean
    below = (ratio < 0.2) & (np.arange(len(_RADII)) > 2)
    first = np.where(below.any(axis=1), below.argmax(axis=1), len(_RADII) - 2)
    rows = np.arange(len(curve))
    high, low = ratio[rows, first - 1], ratio[rows, first]
    with np.errstate(invalid="ignore", divide="ignore"):
        step = np.nan_to_num((high - 0.2) / (high - low), nan=1.0).clip(0, 1)
    return _RADII[first - 1] * (_RADII[first] / _RADII[first - 1]) ** step


def _clip_petrosian(petrosian, half, weight, rms_major):
    """Bound noisy Petrosian radii by the half-light radius and the isophotal size."""
    faint = weight < 25
    low, high = np.where(faint, 2.0, 1.7) * half, np.where(faint, 2.8, 4.0) * half
    bounded = np.clip(petrosian, np.maximum(low, 2.0), np.maximum(high, 2.5))
    # SDSS's own radii of real galaxies are 1.8 to 3.0 times the isophotal rms; much more
    # is the halo of a neighbour
    return np.minimum(bounded, 3.2 * rms_major + 1.5)


def petrosian_radius(stamp, *, centre=None):
    """
    Measure the Petrosian radius of the one source in a stamp.

    The radius at which the local surface brightness is a fifth of the mean
    within (Blanton et al. 2001, AJ 121, 2358), in circular annuli as SDSS does.

    Parameters
    ----------
    stamp : (k, k) array
        Light of one source, without sky.
    centre : (float, float), optional
        x and y of the centre, 0-based pixels; the centroid if not given, which needs
        a stamp without noise.

    Returns
    -------
    float
        Pixels.
    """
    y, x = np.indices(stamp.shape)
    total = stamp.sum()
    cx, cy = centre or ((stamp * x).sum() / total, (stamp * y).sum() / total)
    radius = np.hypot(x - cx, y - cy).ravel()
    order = np.argsort(radius)
    growth = np.interp(
        _RADII**2 * np.pi, np.arange(1, radius.size + 1), np.cumsum(stamp.ravel()[order])
    )
    return float(_petrosian_of_curves(growth[None])[0])


def star_galaxy(sources, *, saturation=np.inf):
    """
    Tell stars from galaxies by their size against the stellar locus.

    Parameters
    ----------
    sources : Sources
        Of one field; the locus is measured from its bright sources.
    saturation : float, optional
        Sources whose peak, in units of the noise, is above it are bright stars.

    Returns
    -------
    (N,) int8 array, float
        1 galaxy, 0 star, -1 cannot be told; and the half-light radius of a star.
    """
    locus = _stellar_radius(sources)
    ratio = sources.half_light / locus
    error = 1.5 / np.maximum(sources.signal_to_noise, 1)
    kind = np.full(len(sources), -1, dtype=np.int8)
    known = sources.signal_to_noise > 12
    kind[known & (ratio > 1.13 + 2 * error)] = 1
    kind[known & (ratio < 1.08 + 0.3 * error)] = 0
    kind[sources.peak > saturation] = 0
    return kind, locus


def _stellar_radius(sources):
    """Return the mode of the half-light radii of well-measured, round sources."""
    good = (sources.signal_to_noise > 40) & (sources.axis_ratio > 0.8) & (sources.flag == 0)
    good &= (sources.peak < 2000) & (sources.half_light > 0.8)
    radii = np.sort(sources.half_light[good])
    if len(radii) < 6:
        return float(np.median(sources.half_light)) if len(sources) else 1.0
    # densest window of a fifth of the sources: the locus is narrow, galaxies are not
    width = max(3, len(radii) // 5)
    spread = radii[width:] - radii[:-width]
    start = int(spread.argmin())
    return float(np.median(radii[start : start + width + 1]))
