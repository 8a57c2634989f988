"""Shape and size of one galaxy in a small image, by arithmetic on its pixels.

Positions are 0-based, the centre of the first pixel is (0, 0); angles run counter-clockwise from
+x.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["Ellipse", "adaptive_ellipse", "growth_radii", "kron_radius"]

_ROUNDS = 40
_SETTLED = 1e-3
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
    y, x = np.indices(light.shape, dtype=float)
    centre = np.array([start.x, start.y])
    shape = _covariance(start)
    for _ in range(_ROUNDS):
        inverse = np.linalg.inv(shape)
        dx, dy = x - centre[0], y - centre[1]
        power = inverse[0, 0] * dx**2 + 2 * inverse[0, 1] * dx * dy + inverse[1, 1] * dy**2
        weight = np.exp(-0.5 * np.minimum(power, 50)) * light
        total = weight.sum()
        if not total > 0:
            return None
        step = np.array([(weight * dx).sum(), (weight * dy).sum()]) / total
        xy = (weight * dx * dy).sum()
        moments = np.array([[(weight * dx**2).sum(), xy], [xy, (weight * dy**2).sum()]]) / total
        moments -= np.outer(step, step)
        # a Gaussian times its own weight is half as wide in the square
        centre, new = centre + 2 * step, 2 * moments
        values = np.linalg.eigvalsh(new)
        far = np.hypot(*(centre - [start.x, start.y])) > 2 * start.a
        if values[0] < _TINY**2 or far or values[1] > (4 * start.a) ** 2:
            return None
        change = np.abs(new - shape).max() / values[1]
        shape = new
        if change < _SETTLED and np.abs(step).max() < _SETTLED:
            break
    return _ellipse(centre, shape)


def _covariance(ellipse):
    """Return the covariance matrix of an ellipse."""
    cos, sin = np.cos(ellipse.theta), np.sin(ellipse.theta)
    turn = np.array([[cos, -sin], [sin, cos]])
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


def growth_radii(light, ellipse, limit, shares):
    """
    Return the radii of circles that hold shares of the light within a limit.

    Parameters
    ----------
    light : (ny, nx) array
        Without sky; bad pixels filled.
    ellipse : Ellipse
        Gives the centre.
    limit : float
        Radius of the circle that counts as all, pixels.
    shares : sequence of float
        Rising, between 0 and 1.

    Returns
    -------
    (len(shares),) array
        Pixels; NaN where there is no light.
    """
    y, x = np.indices(light.shape)
    radius = np.hypot(x - ellipse.x, y - ellipse.y).ravel()
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
