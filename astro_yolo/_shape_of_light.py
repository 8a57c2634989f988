"""Shape and size of one galaxy in a small image, by arithmetic on its pixels.

Positions are 0-based, the centre of the first pixel is (0, 0); angles run counter-clockwise from
+x.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

__all__ = [
    "Ellipse",
    "adaptive_ellipse",
    "growth_radii",
    "intrinsic_ratio",
    "kron_radius",
    "mean_squares",
    "psf_squares",
    "wide_axes",
    "widened",
]

_ROUNDS = 40
_SETTLED = 1e-3
_NEAR = 7.0  # rms radii of the start: pixels farther out have no weight
_SIGMAS = 5.0  # of the wide weight: the same
_WIDE = 2.0  # of the weight of `wide_axes`, in widths of the galaxy
_GROWTH = 5.0  # most that the wider weight may add, as a factor
_BRIGHT = 50.0  # signal-to-noise that it needs
_TINY = 0.3  # pixels: rms width that no real image is sharper than


@dataclass(frozen=True)
class Ellipse:
    """
    Centre, rms semi-axes and angle of a light distribution.

    Attributes
    ----------
    x, y : float
        Centre, pixels.
    a, b : float
        Semi-major and semi-minor axis, pixels: standard deviations of a Gaussian of this shape.
    theta : float
        Of the major axis, radians, -pi/2 to pi/2.
    """

    x: float
    y: float
    a: float
    b: float
    theta: float

    def radius(self, x, y):
        """Return the elliptical radius of places, along the major axis, pixels."""
        cos, sin, stretch = math.cos(self.theta), math.sin(self.theta), self.a / self.b
        dx, dy = x - self.x, y - self.y
        along, across = dx * cos + dy * sin, dy * (cos * stretch) - dx * (sin * stretch)
        return np.sqrt(along * along + across * across)


def adaptive_ellipse(light, start):
    """
    Measure centre and shape with a Gaussian weight of the galaxy's own shape.

    The weight is made to match until it settles (Bernstein & Jarvis 2002, AJ 123, 583, section 3):
    for light that is a Gaussian itself, the result is its covariance, whatever the noise far out.

    Parameters
    ----------
    light : (ny, nx) array
        Without sky; bad pixels filled.
    start : Ellipse
        Where to begin.

    Returns
    -------
    Ellipse or None
        None where it does not settle, or runs away from the start.
    """
    terms, values = _terms(light, start, _NEAR * start.a)
    x = y = 0.0
    shape = _covariance(start)
    for _ in range(_ROUNDS):
        total, step, moments = _weighted(terms, values, (x, y), shape)
        if not total > 0:
            return None
        # a Gaussian times its own weight is half as wide in the square
        x, y = x + 2 * step[0], y + 2 * step[1]
        new = tuple(2 * moment for moment in moments)
        minor, major = _axes(new)
        far = math.hypot(x, y) > 2 * start.a
        if minor < _TINY**2 or far or major > (4 * start.a) ** 2:
            return None
        change = max(abs(n - old) for n, old in zip(new, shape, strict=True)) / major
        shape = new
        if change < _SETTLED and max(map(abs, step)) < _SETTLED:
            break
    return _ellipse(x + start.x, y + start.y, shape)


def wide_axes(light, ellipse):
    """
    Measure the axes again with a weight twice as wide as the galaxy, at the same angle.

    The weight that matches sees the core, which the PSF makes round. A wider one sees more of
    the outskirts, but also of the noise: so it is for bright galaxies alone.

    Parameters
    ----------
    light : (ny, nx) array
        Without sky, in units of the noise; bad pixels filled.
    ellipse : Ellipse
        From `adaptive_ellipse`.

    Returns
    -------
    (2,) array or None
        Squares of the axes, pixels, in the order of the ellipse's: of a round galaxy the second may
        be the larger. None for a signal-to-noise below 50, or where the axes do not settle.
    """
    terms, values = _terms(light, ellipse, _WIDE * _SIGMAS * ellipse.a)
    sizes = first = np.array([ellipse.a, ellipse.b]) ** 2
    total = _weighted(terms, values, (0.0, 0.0), _covariance(ellipse))[0]
    # the squares of a Gaussian's values on all pixels sum to pi a b
    if not total > _BRIGHT * np.sqrt(np.pi * ellipse.a * ellipse.b):
        return None
    for _ in range(_ROUNDS):
        shape = _turned(*(sizes * _WIDE**2), ellipse.theta)
        total, _, moments = _weighted(terms, values, (0.0, 0.0), shape)
        # the inverse squares of the weight's width and the galaxy's add up
        new = _along(moments, ellipse.theta) * (1 + _WIDE**-2)
        if not (total > 0 and ((new > first / 2) & (new < _GROWTH**2 * first)).all()):
            return None
        change = np.abs(new / sizes - 1).max()
        sizes = new
        if change < 5 * _SETTLED:
            break
    return sizes


def widened(ellipse, wide):
    """
    Return an ellipse with the axis ratio of the wider weight; its major axis stays.

    Parameters
    ----------
    ellipse : Ellipse
        From `adaptive_ellipse`.
    wide : (2,) array or None
        From `wide_axes`.

    Returns
    -------
    Ellipse
        The given one without ``wide``, or where its axes change places.
    """
    if wide is None or wide[1] > wide[0]:
        return ellipse
    return replace(ellipse, b=float(ellipse.a * np.sqrt(wide[1] / wide[0])))


def mean_squares(ellipse, wide):
    """
    Return the mean squares of the axes, with the weight that matches and with the wider one.

    Parameters
    ----------
    ellipse : Ellipse
        From `adaptive_ellipse`.
    wide : (2,) array or None
        From `wide_axes`.

    Returns
    -------
    (float, float)
        Pixels; the second is NaN without ``wide``.
    """
    return (ellipse.a**2 + ellipse.b**2) / 2, np.nan if wide is None else float(np.mean(wide))


def psf_squares(psf):
    """
    Measure a PSF as galaxies are measured.

    Parameters
    ----------
    psf : (ny, nx) array
        Image of the PSF without noise, its peak near the middle.

    Returns
    -------
    (float, float)
        As of `mean_squares`; NaN where it has no shape.
    """
    light = np.pad(np.asarray(psf, dtype=float), max(psf.shape))
    if not light.max() > 0:
        return np.nan, np.nan
    light *= 1e6 / light.max()  # bright enough for the wider weight, whatever its units
    place = np.unravel_index(light.argmax(), light.shape)[::-1]
    # of a Gaussian with this half maximum; a narrower start could shrink into one pixel
    width = max(np.sqrt((light > 5e5).sum() / np.pi) / 1.177, 1.0)
    ellipse = adaptive_ellipse(light, Ellipse(*map(float, place), width, width, 0.0))
    if ellipse is None:
        return np.nan, np.nan
    return mean_squares(ellipse, wide_axes(light, ellipse))


def intrinsic_ratio(ellipse, wide, psf):
    """
    Return the axis ratio of a galaxy before the PSF.

    Variances add up in a convolution: those of the PSF, seen with the same weight, are taken off.
    That is exact for Gaussians; for Sersic profiles a little of the roundness stays.

    Parameters
    ----------
    ellipse : Ellipse
        From `adaptive_ellipse`.
    wide : (2,) array or None
        From `wide_axes`.
    psf : (float, float) or None
        `mean_squares` of the PSF; None to leave it in.

    Returns
    -------
    float
        0 to 1: 0 where the minor axis, NaN where the major axis is not larger than the PSF's.
    """
    minor, major = (ellipse.b**2, ellipse.a**2) if wide is None else np.sort(wide)
    taken = 0.0 if psf is None else psf[0 if wide is None else 1]
    if not major > taken:
        return np.nan
    return float(np.sqrt(max(minor - taken, 0.0) / (major - taken)))


def _terms(light, start, reach):
    """Return 1, x, y, xx, xy, yy from the start, (6, N), and the light of the pixels near it."""
    x0, y0 = (max(int(place - reach), 0) for place in (start.x, start.y))
    x1, y1 = (int(place + reach + 2) for place in (start.x, start.y))
    piece = light[y0:y1, x0:x1]
    terms = np.empty((6, *piece.shape))
    x = (np.arange(piece.shape[1]) + (x0 - start.x))[None, :]
    y = (np.arange(piece.shape[0]) + (y0 - start.y))[:, None]
    terms[0], terms[1], terms[2], terms[3], terms[4], terms[5] = 1, x, y, x * x, x * y, y * y
    return terms.reshape(6, -1), piece.ravel().astype(float)


def _weighted(terms, values, centre, shape):
    """
    Return sum, step to the mean and covariance of the light with a Gaussian weight.

    ``shape`` and the covariance are (xx, xy, yy).
    """
    x, y = centre
    a, c, b = shape
    scale = -0.5 / (a * b - c * c)
    xx, xy, yy = scale * b, -2 * scale * c, scale * a  # the exponent is a polynomial of the terms
    constant = xx * x * x + xy * x * y + yy * y * y
    weight = np.array([constant, -2 * xx * x - xy * y, -2 * yy * y - xy * x, xx, xy, yy]) @ terms
    np.exp(weight, out=weight)
    weight *= values
    total, *sums = (terms @ weight).tolist()
    if not total > 0:
        return 0.0, (0.0, 0.0), shape
    x1, y1, xx, xy, yy = (value / total for value in sums)
    return total, (x1 - x, y1 - y), (xx - x1 * x1, xy - x1 * y1, yy - y1 * y1)


def _turned(major, minor, theta):
    """Return the covariance (xx, xy, yy) of squares of axes at an angle."""
    cos, sin = math.cos(theta), math.sin(theta)
    return (
        major * cos * cos + minor * sin * sin,
        (major - minor) * cos * sin,
        major * sin * sin + minor * cos * cos,
    )


def _along(shape, theta):
    """Return the variances along a direction and across."""
    xx, xy, yy = shape
    cos, sin = math.cos(theta), math.sin(theta)
    mixed = 2 * xy * cos * sin
    return np.array([xx * cos * cos + mixed + yy * sin * sin,
                     xx * sin * sin - mixed + yy * cos * cos])  # fmt: skip


def _covariance(ellipse):
    """Return the covariance (xx, xy, yy) of an ellipse."""
    return _turned(ellipse.a**2, ellipse.b**2, ellipse.theta)


def _axes(shape):
    """Return the squares of the minor and the major axis of a covariance."""
    xx, xy, yy = shape
    middle, spread = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    return middle - spread, middle + spread


def _ellipse(x, y, shape):
    """Return the ellipse of a covariance."""
    xx, xy, yy = shape
    minor, major = _axes(shape)
    theta = math.atan2(2 * xy, xx - yy) / 2
    return Ellipse(x, y, math.sqrt(major), math.sqrt(minor), theta)


def kron_radius(light, radius, limit):
    """
    Return the first moment of the light (Kron 1980, ApJS 43, 305).

    Parameters
    ----------
    light : (ny, nx) array
        Without sky; bad pixels filled.
    radius : (ny, nx) array
        Of the pixels, elliptical, along the major axis.
    limit : float
        Radius within which light counts, pixels.

    Returns
    -------
    float
        Along the major axis, pixels; NaN where there is no light.
    """
    inside = radius <= limit
    values = light[inside].astype(float)
    total = values.sum()
    if not total > 0:
        return np.nan
    return float(np.clip((values @ radius[inside]) / total, 0, limit))


def growth_radii(light, radius, limit, shares):
    """
    Return the radii that hold shares of the light within a limit.

    Parameters
    ----------
    light : (ny, nx) array
        Without sky; bad pixels filled.
    radius : (ny, nx) array
        Of the pixels: of circles, or of ellipses.
    limit : float
        Radius within which the light counts as all, pixels.
    shares : sequence of float
        Rising, between 0 and 1.

    Returns
    -------
    (len(shares),) array
        Pixels; NaN where there is no light.
    """
    inside = radius <= limit
    values, radius = light[inside].astype(float), radius[inside]
    order = np.argsort(radius)
    values, radius = values[order], radius[order]
    # a pixel adds its light around its own radius: count it half when its centre is reached
    growth = np.cumsum(values) - 0.5 * values
    total = growth[-1] if growth.size else 0.0
    if not total > 0:
        return np.full(len(shares), np.nan)
    rising = np.maximum.accumulate(growth)
    return np.interp(np.asarray(shares) * total, np.r_[0, rising], np.r_[0, radius])
