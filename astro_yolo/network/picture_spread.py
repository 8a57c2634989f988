"""How much wider than a star a source of an 8-bit picture is, by the stars of the picture.

A picture has no one point-spread function: its stretch hides the wings of faint stars and saturates
the middles of bright ones, so that how wide a star looks depends on how bright it is. A source is
therefore held against the stars of its own brightness, and its error is how these scatter. So is
how elongated it is: of a bright galaxy whose middle is a white disc that is at times all that is
left.
"""

from dataclasses import dataclass

import numpy as np

from astro_yolo.network._profiles import AREAS, AROUND, LONGEST, RADII, Light
from astro_yolo.network.calibration import strength
from astro_yolo.network.spread import SURE, pixel_centers, sure_stars, unknown_spread

__all__ = ["picture_spread"]

_FEWEST = 40  # stars that are sure
_ALONE = 9.0  # pixels from one of them to the next source

_INNER = np.where(RADII < 6, AREAS, 0)  # the light that is called the brightness of a source
_AROUND = np.where(AROUND, AREAS, 0)
_LEAST = 5.0  # light, in units of the noise of a pixel; less is as much as none
_TOP = 2  # stars brighter than what counts as the brightest: one or two may be blends
_MISFIT = 10.0  # mean square of what is left over, in scatters; then it is something else
_UNIT = 1 / 3  # growth of the radii that counts as a spread of 1

_STEPS, _STEPS_OF_GROWTH = 12, 10  # brightnesses at which stars are known; others lie between
_NEAREST = 15  # stars that one of these brightnesses goes by at least
_SURELY = 0.1, 0.02  # profiles scatter by at least so much: noise of a pixel, share of the light
_FAINTER = 3.0  # e-folds of light below the faintest stars; there they look like these, fainter
_GROWTH = 0.005  # that growths scatter by at least
_WAVE = 1.0  # that waves scatter by at least: twice as much as those of empty sky


def picture_spread(planes, boxes, outputs):
    """
    Measure how much wider and longer than the stars of their picture sources are.

    Parameters
    ----------
    planes : sequence of (ny, nx) float32 arrays
        Picture as `~astro_yolo.stretch.to_network` makes it.
    boxes, outputs : (N, 4), (N, 7) arrays
        Candidates without doubles, in edge pixels, and their raw outputs.

    Returns
    -------
    (N, 3) array
        Growth of a star's radii that comes nearest to the source, in thirds, and its error: 0 of a
        star, about 1 of a galaxy with a scale length of 0.3 FWHM; and elongation, along whatever
        axis, in scatters of the stars: below 1 of most stars. NaN where there are fewer than 40
        stars, and for what is neither, is brighter than all stars or stands at the edge.
    """
    found = unknown_spread(len(boxes))
    if max(planes[0].shape) > LONGEST:
        return found
    light, centers = Light.of_image(planes), pixel_centers(boxes)
    sources = centers[strength(outputs) >= SURE]
    whole = light.whole(centers)
    stars = whole & sure_stars(outputs, centers, _ALONE)
    if stars.sum() < _FEWEST:
        return found
    profiles, waves = light.profiles(centers, sources)
    growth, fits = _growth(profiles, stars)
    if not fits.any():
        return found
    brightness = np.log(_brightness(profiles).sum(axis=0))
    values = np.column_stack([growth, waves])
    middle, scatter, faintest = _of_stars(values, brightness, stars)
    beyond = values - middle
    # below the faintest stars by the noise, whose share is the larger the less light there is
    fainter = np.exp(np.clip(faintest - brightness, 0, _FAINTER))
    error = np.maximum(scatter[:, 0], _GROWTH) * fainter
    elongation = np.hypot(*(beyond / np.hypot(scatter, _WAVE))[:, 1:].T)
    known = whole & fits
    for pixels in (_INNER, _AROUND):  # brighter than the stars, it has none to be held against
        light_there = (profiles @ pixels).sum(axis=0)
        known &= light_there <= np.sort(light_there[stars])[-1 - _TOP]
    found[known] = np.stack([beyond[:, 0] / _UNIT, error / _UNIT, elongation], axis=1)[known]
    return found


def _brightness(profiles):
    """Return the light of sources in each channel, (3, N)."""
    return np.maximum(profiles @ _INNER, _LEAST)


def _growth(profiles, stars):
    """
    Return by how much the radii of sources are stretched, and whether that tells all of it.

    Parameters
    ----------
    profiles : (3, N, R) array
        Their light.
    stars : (N,) bool array
        Which ones are stars for sure.

    Returns
    -------
    growth : (N,) array
        Relative, from all channels.
    fits : (N,) bool array
        Whether little is left over; nowhere if all stars are as bright as one another.
    """
    rest, power, square = np.zeros((3, profiles.shape[1]))
    number = 0
    for profile, brightness in zip(profiles, np.log(_brightness(profiles)), strict=True):
        locus = _Locus.of_stars(profile[stars], brightness[stars])
        if locus is None:
            continue
        left, stretched = locus.against(profile, brightness)
        rest += (left * stretched).sum(axis=1)
        power += (stretched**2).sum(axis=1)
        square += (left**2).sum(axis=1)
        number += len(RADII)
    growth = rest / np.maximum(power, 1e-9)
    return growth, square - rest * growth < _MISFIT * number


def _of_stars(values, brightness, stars):
    """Return middle and scatter of stars' values at each brightness, (N, M), and the faintest."""
    own = np.sort(brightness[stars])
    grid = np.linspace(own[len(own) // 30], own[-1 - _TOP], _STEPS_OF_GROWTH)
    width = (grid[-1] - grid[0]) / 8
    middle, scatter = (
        np.stack([np.interp(brightness, grid, column) for column in found.T], axis=1)
        for found in _regression(brightness[stars], values[stars], grid, width)
    )
    return middle, scatter, grid[0]


@dataclass(frozen=True)
class _Locus:
    """
    The stars of a channel.

    Attributes
    ----------
    grid : (K,) array
        Brightnesses in natural logarithms, evenly spaced.
    profile, scatter, stretched : (K, R) array
        Profile of a star, its scatter, and its change per relative growth of the radii.
    """

    grid: np.ndarray
    profile: np.ndarray
    scatter: np.ndarray
    stretched: np.ndarray

    @classmethod
    def of_stars(cls, profiles, brightness):
        """Return the locus of stars; None where they are all as bright as one another."""
        own = np.sort(brightness)
        low, high = max(own[len(own) // 30], np.log(3 * _LEAST)), own[-1 - _TOP]
        if high - low < 1:
            return None
        grid, step = np.linspace(low, high, _STEPS, retstep=True)
        profile, scatter = _regression(brightness, profiles, grid, 1.5 * step)
        padded = np.pad(scatter, ((1, 1), (0, 0)), mode="edge")
        scatter = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
        scatter = np.hypot(scatter, _SURELY[0] + _SURELY[1] * np.maximum(profile, 0))
        fainter = np.arange(-int(_FAINTER / step) - 1, 0) * step
        grid = np.r_[low + fainter, grid]
        profile = np.r_[profile[0] * np.exp(fainter)[:, None], profile]
        scatter = np.r_[np.repeat(scatter[:1], len(fainter), axis=0), scatter]
        return cls(grid, profile, scatter, _stretched(profile, grid))

    def against(self, profiles, brightness):
        """Return what profiles have more than stars, and what stretched stars have, in scatters."""
        place = np.interp(brightness, self.grid, np.arange(len(self.grid)))
        below = np.minimum(place.astype(int), len(self.grid) - 2)
        share = (place - below)[:, None]
        profile, scatter, stretched = (
            values[below] * (1 - share) + values[below + 1] * share
            for values in (self.profile, self.scatter, self.stretched)
        )
        return (profiles - profile) / scatter, stretched / scatter


def _stretched(profile, grid):
    """
    Return the change of profiles (K, R) per relative growth of the radii at the same brightness.

    Light goes outwards, and the star becomes a brighter or fainter one for what leaves or enters
    the pixels that the brightness is taken from.
    """
    wider = -RADII * np.gradient(profile, RADII, axis=1)
    brighter = np.gradient(profile, grid, axis=0)
    gain = brighter @ _INNER
    lost = (wider @ _INNER) / np.where(np.abs(gain) < 1e-6, 1e-6, gain)
    return wider - lost[:, None] * brighter


def _regression(x, y, grid, width):
    """
    Return what values are at some places, and how they scatter there.

    A local-linear fit over at least 15 neighbours in which outliers hardly count (weights of
    Geman & McClure's kind).

    Parameters
    ----------
    x, y : (N,), (N, M) arrays
        Places and values.
    grid : (K,) array
        Places wanted.
    width : float
        Farthest neighbour that counts.

    Returns
    -------
    level, scatter : (K, M) array
    """
    level, scatter = np.empty((2, len(grid), y.shape[1]))
    for k, place in enumerate(grid):
        distance = np.abs(x - place)
        reach = max(width, np.partition(distance, _NEAREST - 1)[_NEAREST - 1], 1e-6)
        near = distance < reach
        kernel = (1 - (distance[near] / reach) ** 2)[:, None]
        level[k], scatter[k] = _robust_line((x[near] - place)[:, None], y[near], kernel, reach)
    return level, scatter


def _robust_line(x, y, kernel, reach):
    """Return the level at 0 and the scatter of lines through values, (M,) each."""
    weight = np.broadcast_to(kernel, y.shape)
    for _ in range(3):
        total, first, second = (weight.sum(axis=0), (weight * x).sum(axis=0),
                                (weight * x**2).sum(axis=0))  # fmt: skip
        mean, slope = (weight * y).sum(axis=0), (weight * x * y).sum(axis=0)
        spread = total * second - first**2 + 1e-3 * (total * reach) ** 2 + 1e-12
        slope = (total * slope - first * mean) / spread
        level = (mean - slope * first) / np.maximum(total, 1e-9)
        left = y - level - slope * x
        scatter = np.maximum(1.4826 * np.median(np.abs(left), axis=0), 0.002)
        weight = kernel / (1 + (left / (2.5 * scatter)) ** 2) ** 2
    return level, scatter
