"""How much wider than a star a source is, by the stars of its own image.

A network learns what stars look like in the images of its training; how wide they are in the image
at hand, only that image tells. The stars that the network is sure of are stacked to a point-spread
function, and each source is held against it and against a galaxy seen through it, as SExtractor's
SPREAD_MODEL does (Desai et al. 2012, ApJ 757, 83, section 4.3), here in all channels at once.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from astro_yolo.boxes import edges_to_centers
from astro_yolo.injection import kernel_fwhm
from astro_yolo.network._neighbours import HALF, RADIUS, X, Y, light_of_neighbours, own_pixels
from astro_yolo.network.calibration import OUTPUTS, strength
from astro_yolo.stretch import from_network

__all__ = ["SURE", "PointSpread", "pixel_centers", "spread_of", "sure_stars", "unknown_spread"]

#: Raw strength from which a candidate counts as a source beside others. What is fainter must not
#: matter: whether it is a candidate depends on the score that a user asks for.
SURE = 0.25

_STAR, _NO_GALAXY = 0.6, 0.15  # raw outputs of a star that is sure
_BRIGHT = 250.0  # flux of a star in the stack, in units of the noise of a pixel
_FEWEST = 6  # stars of a stack
_ALONE = 13.0  # pixels from a star of the stack to the next source
_ODD = 2.5  # times the median distance to the stack: saturated stars and blends

_TAPS = 4  # of the Lanczos kernel on either side
_FARTHEST = 2.5  # pixels that a centre moves at most; beyond lies another source
_WIDTH = 1.5  # pixels, standard deviation of the window that stars are centred in

_SCALE = 0.3  # scale length of the galaxy that a source is held against, in units of the FWHM
_APERTURE = 1.6  # radius that counts, in units of the FWHM
_MISFIT = 0.2, 1.3  # left over: share of the light, and over its noise; then it is something else
_AT_ONCE = 2048  # candidates: 60 MB of stamps
_MESH = 64  # pixels, of the squares whose medians are the local sky
_BLOCK = 4  # pixels, of the squares whose scatter is the noise
_APART = 4  # of them, from one that is compared with another


def unknown_spread(number):
    """
    Return what stands for the spread of sources that have none.

    Parameters
    ----------
    number : int
        How many.

    Returns
    -------
    (N, 3) array
        NaN.
    """
    return np.full((number, 3), np.nan)


def pixel_centers(boxes):
    """Return the centres of (N, 4) boxes in edge pixels as 0-based pixels, (N, 2)."""
    return np.stack(edges_to_centers(boxes)[:2], axis=-1)


def sure_stars(outputs, centers, apart):
    """
    Tell which candidates the network takes for stars for sure, and stand alone.

    Parameters
    ----------
    outputs, centers : (N, 7), (N, 2) arrays
        Raw outputs, and places in pixels.
    apart : float
        Distance in pixels within which there is no other source.

    Returns
    -------
    (N,) bool array
    """
    star = outputs[:, OUTPUTS.index("star")] > _STAR
    star &= outputs[:, OUTPUTS.index("galaxy")] < _NO_GALAXY
    sources = strength(outputs) >= SURE
    star[sources] &= _distance_to_next(centers[sources]) > apart
    return star


def spread_of(planes, boxes, outputs):
    """
    Measure how much wider than the stars of their image sources are.

    Parameters
    ----------
    planes, boxes, outputs
        As of `PointSpread.of_image`.

    Returns
    -------
    (N, 3) array
        As of `PointSpread.spread`; NaN where there are too few stars.
    """
    sky = _local_sky(planes)
    stars = PointSpread.of_image(planes, boxes, outputs, sky)
    if stars is None:
        return unknown_spread(len(boxes))
    return stars.spread(planes, boxes, outputs, sky)


@dataclass(frozen=True)
class PointSpread:
    """
    The point-spread function of an image in network units.

    Attributes
    ----------
    kernels : (3, 21, 21) array
        Of unit sum; zeros in a channel without stars enough.
    fwhm : float
        Full width at half maximum in pixels, the median of the channels'.
    """

    kernels: np.ndarray
    fwhm: float

    @classmethod
    def of_image(cls, planes, boxes, outputs, sky=None):
        """
        Stack the stars that the network is sure of.

        Parameters
        ----------
        planes : sequence of (ny, nx) float32 arrays
            Image as `~astro_yolo.stretch.to_network` makes it.
        boxes, outputs : (N, 4), (N, 7) arrays
            Candidates without doubles, in edge pixels, and their raw outputs.
        sky : list of arrays, optional
            Its `_local_sky`, if it is there already.

        Returns
        -------
        PointSpread or None
            None where there are fewer than six in every channel.
        """
        centers = pixel_centers(boxes)
        centers = centers[sure_stars(outputs, centers, _ALONE)]
        centers = centers[_inside(centers, planes[0].shape).all(axis=(1, 2))]
        if len(centers) < _FEWEST:
            return None
        stamps, _ = _centred(planes, sky or _local_sky(planes), centers, _WIDTH)
        kernels = np.stack([_stack(stamps[:, k]) for k in range(len(planes))])
        widths = [kernel_fwhm(kernel.astype(np.float32)) for kernel in kernels if kernel.any()]
        return cls(kernels, float(np.median(widths))) if widths else None

    def spread(self, planes, boxes, outputs, sky=None):
        """
        Measure how much wider than a star sources are.

        Parameters
        ----------
        planes, boxes, outputs, sky
            As of `of_image`.

        Returns
        -------
        (N, 3) array
            Amplitude of what a galaxy with a scale length of 0.3 FWHM has and a star has not, over
            that of the star, and its error: 0 of a star, about 1.5 of such a galaxy; and 0, as it
            is only in pictures that how elongated a source is tells more than the network does. NaN
            for what is neither, where a fifth of the light is left over.
        """
        sky, noise, centers = sky or _local_sky(planes), _noise(planes), pixel_centers(boxes)
        sure, shape, radius = strength(outputs) >= SURE, planes[0].shape, _APERTURE * self.fwhm
        parts = [slice(k, k + _AT_ONCE) for k in range(0, len(boxes), _AT_ONCE)]
        places, flux = np.empty_like(centers), np.zeros((len(boxes), len(planes)))
        for part in parts:
            stamps, places[part] = _centred(planes, sky, centers[part], self.fwhm / 2.355)
            counts = self._counts(places[part], centers[sure], shape)
            flux[part] = np.maximum(self._fit_star(*_flat(stamps, counts))[0], 0)
        found, sources = unknown_spread(len(boxes)), places[sure]
        for part in parts:
            if len(parts) > 1:  # else they are still there
                stamps, _ = _centred(planes, sky, centers[part], self.fwhm / 2.355)
            counts = self._counts(places[part], sources, shape)
            stamps -= light_of_neighbours(places[part], sources, flux[sure], self.kernels, radius)
            found[part] = self._fit(stamps, counts, noise)
        return found

    def _counts(self, places, sources, shape):
        """Return 1 for the pixels of stamps that count, 0 for the others, (N, 21, 21)."""
        counts = own_pixels(places, sources) & _inside(places, shape)
        return (counts & (_APERTURE * self.fwhm > RADIUS)).astype(np.float32)

    def _fit_star(self, light, pixels):
        """Return the fluxes of stars fitted to flat stamps, and the squares of their kernels."""
        star = self.kernels.reshape(len(self.kernels), -1)
        norm = np.maximum(pixels @ (star**2).T, 1e-12)
        return np.einsum("nbp,bp->nb", light, star) / norm, norm

    def _fit(self, stamps, counts, noise):
        """
        Fit a star and a galaxy to each stamp, channel by channel.

        Parameters
        ----------
        stamps : (N, 3, 21, 21) array
            In units of the noise.
        counts : (N, 21, 21) array
            1 for pixels that count, else 0.
        noise : (3, 3) array
            Covariance of the channels.

        Returns
        -------
        (N, 3) array
            As of `spread`.
        """
        light, pixels = _flat(stamps, counts)
        flux, norm = self._fit_star(light, pixels)
        star = self.kernels.reshape(len(self.kernels), -1)
        galaxy = np.stack([_as_galaxy(kernel, _SCALE * self.fwhm) for kernel in self.kernels])
        galaxy = galaxy.reshape(star.shape)
        overlap = pixels @ (star * galaxy).T
        # what a galaxy has and a star has not is the part that is orthogonal to the star
        power = np.maximum(pixels @ (galaxy**2).T - overlap**2 / norm, 1e-12)
        rest = np.einsum("nbp,bp->nb", light, galaxy) - overlap * flux
        left = (light**2).sum(axis=2) - flux**2 * norm - rest**2 / power
        number = len(star) * pixels.sum(axis=1)
        left, total = left.sum(axis=1), (flux**2 * norm).sum(axis=1)
        odd = (left - number > _MISFIT[0] * total) & (left > _MISFIT[1] * number)
        flux = np.maximum(flux, 0)
        size, weight = flux * np.sqrt(power), (flux**2 * power).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            amplitude = (flux * rest).sum(axis=1) / weight
            error = np.sqrt(np.einsum("nb,bc,nc->n", size, noise, size)) / weight
        elongation = np.zeros_like(amplitude)
        return np.where(odd | (weight == 0), np.nan, [amplitude, error, elongation]).T


def _flat(stamps, counts):
    """Return the pixels of stamps that count, (N, 3, 441), and which these are, (N, 441)."""
    pixels = counts.reshape(len(counts), -1)
    return stamps.reshape(*stamps.shape[:2], -1) * pixels[:, None], pixels


def _local_sky(planes):
    """Return medians of squares of about 64 pixels, a grid a channel, in units of the noise."""
    rows, columns = (max(1, side // _MESH) for side in planes[0].shape)
    high, wide = planes[0].shape[0] // rows, planes[0].shape[1] // columns
    sky = []
    for plane in planes:
        squares = plane[: rows * high, : columns * wide].reshape(rows, high, columns, wide)
        some = squares[:, ::4, :, ::2].swapaxes(1, 2).reshape(rows, columns, -1)
        sky.append(from_network(np.median(some, axis=2)))
    return sky


def _inside(places, shape):
    """Return which pixels of stamps about some places lie inside an image."""
    x, y = places.T[:, :, None, None] + np.stack([X, Y])[:, None]
    return (x >= 0) & (x <= shape[1] - 1) & (y >= 0) & (y <= shape[0] - 1)


def _distance_to_next(centers):
    """Return the distance of each place to the next one."""
    if len(centers) < 2:
        return np.full(len(centers), np.inf)
    return cKDTree(centers).query(centers, k=2)[0][:, 1]


def _centred(planes, sky, centers, width):
    """
    Cut stamps about the centroids of the light near some places.

    Parameters
    ----------
    planes : sequence of (ny, nx) arrays
        In network units.
    sky : list of arrays
        From `_local_sky`.
    centers : (N, 2) array
        Places in pixels.
    width : float
        Standard deviation of the window, in pixels.

    Returns
    -------
    stamps : (N, 3, 21, 21) float32 array
        In units of the noise over the local sky.
    places : (N, 2) array
        The centroids.
    """
    half = HALF + _TAPS + int(np.ceil(_FARTHEST))
    offset = np.arange(-half, half + 1)
    corner = np.round(centers).astype(int)
    rows, columns = (
        np.clip(corner[:, axis, None] + offset, 0, side - 1)
        for axis, side in zip((1, 0), planes[0].shape, strict=True)
    )
    at = rows[:, :, None], columns[:, None]
    light = np.stack([
        from_network(plane[at]) - _level(grid, corner, plane.shape)
        for plane, grid in zip(planes, sky, strict=True)
    ], axis=1)  # fmt: skip
    shift = _centroid(light.sum(axis=1), offset.astype(np.float32), centers - corner, width)
    down, across = (_lanczos(offset, shift[:, axis])[:, None] for axis in (1, 0))
    return down @ light @ across.swapaxes(2, 3), corner + shift


def _centroid(light, offset, start, width):
    """Return windowed centroids (see `~astro_yolo.centering`) from the middle pixel, (N, 2)."""
    shift = start.astype(np.float32)
    for _ in range(4):
        x, y = (offset - shift[:, axis, None] for axis in (0, 1))
        across, down = (np.exp(-(u**2) / (2 * width**2)) for u in (x, y))
        along_x = np.einsum("nyx,ny->nx", light, down)
        along_y = np.einsum("nyx,nx->ny", light, across)
        total = np.maximum((along_x * across).sum(axis=1), 1e-3)
        moment = (along_x * across * x).sum(axis=1), (along_y * down * y).sum(axis=1)
        shift = shift + np.clip(2 * np.stack(moment, axis=1) / total[:, None], -1, 1)
    far = np.hypot(*(shift - start).T) > _FARTHEST
    return np.where(far[:, None], start, shift).astype(np.float32)


def _lanczos(offset, shift):
    """Return the matrices (N, 21, n) that draw stamps about places between pixels."""
    wanted = np.arange(-HALF, HALF + 1) + shift[:, None]
    u = (wanted[:, :, None] - offset).astype(np.float32)
    kernel = np.where(np.abs(u) < _TAPS, np.sinc(u) * np.sinc(u / _TAPS), 0).astype(np.float32)
    return kernel / kernel.sum(axis=2, keepdims=True)


def _level(grid, corner, shape):
    """Return the sky at some pixels of a plane, (N, 1, 1), between the middles of its squares."""
    side = np.array(shape[::-1]) // grid.shape[::-1]
    at = ((corner + 0.5) / side - 0.5).T[::-1]
    return map_coordinates(grid, at, order=1, mode="nearest")[:, None, None]


def _noise(planes):
    """
    Return the covariance of the channels' noise, (3, 3), in units of that of a pixel.

    1 on the diagonal where neighbouring pixels are independent, more where they are resampled, and
    more than 0 beside it where channels share a band. From the differences of squares 32 pixels
    apart, so that a sky with a slope is none the noisier.
    """
    step = 2 * _BLOCK
    high, wide = (side // step for side in planes[0].shape)
    if not high or wide <= _APART:
        return np.eye(len(planes))
    means = np.stack([
        from_network(
            p[: high * step, : wide * step].reshape(high, step, wide, step)[:, :_BLOCK, :, :_BLOCK]
        ).mean(axis=(1, 3))
        for p in planes
    ])  # fmt: skip
    steps = (means[:, :, _APART:] - means[:, :, :-_APART]).reshape(len(planes), -1)
    limit = 3 * 1.4826 * np.median(np.abs(steps), axis=1, keepdims=True)
    sky = (np.abs(steps) <= limit).all(axis=0)
    return np.cov(steps[:, sky]) * _BLOCK**2 / 2 if sky.sum() > 1 else np.eye(len(planes))


def _stack(stamps):
    """Return the median of bright stamps of unit sum without odd ones; zeros of too few."""
    flux = (stamps * (RADIUS < HALF / 2)).sum(axis=(1, 2))
    bright = flux > _BRIGHT
    if bright.sum() < _FEWEST:
        return np.zeros(stamps.shape[1:], dtype=np.float32)
    stars = stamps[bright] / flux[bright, None, None]
    kernel = np.median(stars, axis=0)
    for _ in range(2):
        distance = np.sqrt((((stars - kernel) * (RADIUS < 6)) ** 2).sum(axis=(1, 2)))
        kernel = np.median(stars[distance <= _ODD * np.median(distance)], axis=0)
    return _normalised(np.maximum(kernel, 0))


def _normalised(stamp):
    """Return a stamp of unit sum in its middle; the zeros of a channel without stars stay."""
    return stamp / max((stamp * (RADIUS < 8)).sum(), 1e-6)


def _as_galaxy(kernel, scale):
    """Return a round exponential galaxy of a scale length in pixels, seen through a kernel."""
    part = (np.arange(5) - 2) / 5  # of a pixel
    radius = np.hypot(X[..., None, None] + part, Y[..., None, None] + part[:, None])
    shape = np.exp(-radius / scale).mean(axis=(2, 3))
    return _normalised(cv2.filter2D(kernel.astype(np.float32), -1, shape / shape.sum()))
