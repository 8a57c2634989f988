"""Shape and size of one galaxy in a small image, by arithmetic on its pixels.

Positions are 0-based, the centre of the first pixel is (0, 0); angles run counter-clockwise from
+x.
"""

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
        cos, sin = np.cos(self.theta), np.sin(self.theta)
        dx, dy = x - self.x, y - self.y
        return np.hypot(dx * cos + dy * sin, (dy * cos - dx * sin) * (self.a / self.b))


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
    centre, shape = np.zeros(2), _covariance(start)
    for _ in range(_ROUNDS):
        total, step, new = _weighted(terms, values, centre, shape)
        if not total > 0:
            return None
        # a Gaussian times its own weight is half as wide in the square
        centre, new = centre + 2 * step, 2 * new
        sizes = np.linalg.eigvalsh(new)
        far = np.hypot(*centre) > 2 * start.a
        if sizes[0] < _TINY**2 or far or sizes[1] > (4 * start.a) ** 2:
            return None
        change = np.abs(new - shape).max() / sizes[1]
        shape = new
        if change < _SETTLED and np.abs(step).max() < _SETTLED:
            break
    return _ellipse(centre + np.array([start.x, start.y]), shape)


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
    turn = _turn(ellipse.theta)
    sizes = first = np.array([ellipse.a, ellipse.b]) ** 2
    total = _weighted(terms, values, np.zeros(2), _covariance(ellipse))[0]
    # the squares of a Gaussian's values on all pixels sum to pi a b
    if not total > _BRIGHT * np.sqrt(np.pi * ellipse.a * ellipse.b):
        return None
    for _ in range(_ROUNDS):
        shape = turn @ np.diag(sizes * _WIDE**2) @ turn.T
        total, _, moments = _weighted(terms, values, np.zeros(2), shape)
        # the inverse squares of the weight's width and the galaxy's add up
        new = np.diag(turn.T @ moments @ turn) * (1 + _WIDE**-2)
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
    low = np.maximum([start.y - reach, start.x - reach], 0).astype(int)
    y1, x1 = (np.array([start.y, start.x]) + reach + 2).astype(int)
    piece = light[low[0] : y1, low[1] : x1]
    y, x = np.indices(piece.shape, dtype=float).reshape(2, -1)
    x, y = x + low[1] - start.x, y + low[0] - start.y
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y]), piece.ravel()


def _weighted(terms, values, centre, shape):
    """Return sum, step to the mean and covariance of the light with a Gaussian weight."""
    (a, c), (_, b) = shape
    x, y = centre
    inverse = np.array([b, -2 * c, a]) / (a * b - c * c)  # of xx, xy, yy
    xx, xy, yy = inverse
    linear = -2 * xx * x - xy * y, -2 * yy * y - xy * x
    power = np.array([xx * x * x + xy * x * y + yy * y * y, *linear, *inverse]) @ terms
    sums = terms @ (np.exp(-0.5 * power) * values)
    total = sums[0]
    if not total > 0:
        return 0.0, np.zeros(2), shape
    mean = sums[1:3] / total
    square = sums[3:] / total
    moments = np.array([[square[0], square[1]], [square[1], square[2]]]) - np.outer(mean, mean)
    return total, mean - centre, moments


def _turn(theta):
    """Return the matrix whose columns are the directions of the axes."""
    cos, sin = np.cos(theta), np.sin(theta)
    return np.array([[cos, -sin], [sin, cos]])


def _covariance(ellipse):
    """Return the covariance matrix of an ellipse."""
    turn = _turn(ellipse.theta)
    return turn @ np.diag([ellipse.a**2, ellipse.b**2]) @ turn.T


def _ellipse(centre, shape):
    """Return the ellipse of a covariance matrix."""
    values, vectors = np.linalg.eigh(shape)
    theta = np.arctan2(vectors[1, 1], vectors[0, 1])
    theta = (theta + np.pi / 2) % np.pi - np.pi / 2
    return Ellipse(*map(float, centre), *map(float, np.sqrt(values[::-1])), float(theta))


def kron_radius(light, ellipse, limit):
    """
    Return the first moment of the light (Kron 1980, ApJS 43, 305).

    Parameters
    ----------
    light : (ny, nx) array
        Without sky; bad pixels filled.
    ellipse : Ellipse
        Shape of the isophotes.
    limit : float
        Semi-major axis within which light counts, pixels.

    Returns
    -------
    float
        Along the major axis, pixels; NaN where there is no light.
    """
    y, x = np.indices(light.shape)
    radius = ellipse.radius(x, y)
    inside = radius <= limit
    total = light[inside].sum()
    if not total > 0:
        return np.nan
    return float(np.clip((light * radius)[inside].sum() / total, 0, limit))


def growth_radii(light, ellipse, limit, shares, *, elliptical=False):
    """
    Return the radii of circles, or ellipses, that hold shares of the light within a limit.

    Parameters
    ----------
    light : (ny, nx) array
        Without sky; bad pixels filled.
    ellipse : Ellipse
        Gives the centre, and the shape of ellipses.
    limit : float
        Radius within which the light counts as all, pixels.
    shares : sequence of float
        Rising, between 0 and 1.
    elliptical : bool, optional
        Whether radii are semi-major axes.

    Returns
    -------
    (len(shares),) array
        Pixels; NaN where there is no light.
    """
    y, x = np.indices(light.shape)
    round_radius = np.hypot(x - ellipse.x, y - ellipse.y)
    radius = (ellipse.radius(x, y) if elliptical else round_radius).ravel()
    order = np.argsort(radius)
    radius, growth = radius[order], np.cumsum(light.ravel()[order])
    # a pixel adds its light around its own radius: count it half when its centre is reached
    growth = growth - 0.5 * light.ravel()[order]
    inside = radius <= limit
    total = growth[inside][-1] if inside.any() else 0.0
    if not total > 0:
        return np.full(len(shares), np.nan)
    rising = np.maximum.accumulate(growth[inside])
    return np.interp(np.asarray(shares) * total, np.r_[0, rising], np.r_[0, radius[inside]])
