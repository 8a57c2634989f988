"""A band on the pixel grid of another, resampled window by window as it is read."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from astro_yolo._mapping import FAR, GridMapping
from astro_yolo._planes import Plane
from astro_yolo.tiling import spans

_LONGEST = 20_000  # pixels, even where turned by 45 degrees: OpenCV resamples sides below 2**15
_STRIP = 1024  # rows remapped at a time: coordinate maps of a whole large image would not fit
_BLUR = 0.35  # of the larger pixel; see `averaged`
_SMOOTH_FROM = 1.5  # band pixels per reference pixel from which plain sampling would skip pixels
# places in a unit square, spread evenly, but on no lattice that pixels could keep step with
_PLACES = np.arange(1, 257) * np.array([[0.7548776662], [0.5698402910]]) % 1
_HARMONICS = np.arange(1, 4)


@dataclass(frozen=True, eq=False)
class AlignedBand:
    """
    A band on the reference grid, resampled window by window as it is read.

    Parameters
    ----------
    plane : Plane
        The band as given.
    shape : tuple of int
        Rows and columns of the reference grid.
    mapping : AffineMapping, GridMapping or None
        From the reference grid to the band's; `None` where they are one.

    Notes
    -----
    Behaves as a 2-D array that can be sliced with two slices and turned into a
    `~numpy.ndarray`; this is what a `SkyImage` holds for images too large for memory.
    """

    plane: Plane
    shape: tuple
    mapping: object = None

    dtype = np.dtype(np.float32)
    ndim = 2

    def __array__(self, dtype=None, copy=None):
        """Read the whole band."""
        return np.asarray(self[:, :], dtype=dtype)

    def __getitem__(self, key):
        """Read ``[y0:y1, x0:x1]`` with NaN for bad pixels; steps are not supported."""
        (y0, y1, _), (x0, x1, _) = (
            part.indices(n) for part, n in zip(key, self.shape, strict=True)
        )
        values, bad = self.read((y0, y1, x0, x1))
        return values if bad is None else np.where(bad, np.float32(np.nan), values)

    @property
    def _full(self):
        return 0, self.shape[0], 0, self.shape[1]

    def read(self, window=None):
        """
        Read a window of the reference grid.

        Parameters
        ----------
        window : tuple of int, optional
            ``(y0, y1, x0, x1)``, end excluded; all without.

        Returns
        -------
        values : 2D `~numpy.ndarray`
            Native float32.
        bad : 2D `~numpy.ndarray` of bool or None
            True where there is no usable value; `None` where all are usable.
        """
        window = window or self._full
        if self.mapping is None:
            values = self.plane.pixels.read(window)
            return values, union([nonfinite(values), self.plane.bad_in(window)])
        values = self._resample(self._usable_block, window)
        return values, nonfinite(values)

    def read_saturated(self, window=None):
        """
        Find the saturated pixels of a window.

        Parameters
        ----------
        window : tuple of int, optional
            As in `read`.

        Returns
        -------
        2D `~numpy.ndarray` of bool or None
            `None` where the header names no saturation level.
        """
        if self.plane.saturation is None:
            return None
        window = window or self._full
        if self.mapping is None:
            return self.plane.pixels.read(window) >= self.plane.saturation
        return self._resample(self._saturated_block, window) > 0

    def _usable_block(self, source):
        """Band pixels with NaN where the band itself is bad, so that they resample to NaN."""
        values, bad = self.plane.pixels.read(source), self.plane.bad_in(source)
        if bad is not None and bad.any():
            values = np.where(bad, np.float32(np.nan), values)
        return self._smooth(values)

    def _saturated_block(self, source):
        """1 for saturated band pixels: any part in a resampled pixel saturates it."""
        return (self.plane.pixels.read(source) >= self.plane.saturation).astype(np.float32)

    def _smooth(self, values):
        """Average over a reference pixel first where the band's pixels are much smaller."""
        if self.mapping.step < _SMOOTH_FROM:
            return values
        return averaged(values, self.mapping.step)

    def _resample(self, read_block, window):
        """Sample piece by piece, each from the part of the band that it needs."""
        y0, y1, x0, x1 = window
        longest = max(1, int(_LONGEST / max(1, self.mapping.step)))
        strip = min(_STRIP, longest) if isinstance(self.mapping, GridMapping) else longest
        pieces = [
            [self._sample(read_block, (*rows, *columns)) for columns in spans(x0, x1, longest)]
            for rows in spans(y0, y1, strip)
        ]
        return pieces[0][0] if len(pieces) == len(pieces[0]) == 1 else np.block(pieces)

    def _sample(self, read_block, window):
        """Sample one window; NaN all over where the band does not reach it."""
        source = self._source_window(window)
        if source is None:
            shape = window[1] - window[0], window[3] - window[2]
            return np.full(shape, np.nan, dtype=np.float32)
        origin = np.array([source[2], source[0]], dtype=float)
        return self.mapping.sample(read_block(source), origin, window)

    def _source_window(self, window):
        """Part of the band that a window needs, or None."""
        margin = 2 + int(2 * self.mapping.step)
        spans = []
        for positions, size in zip(self.mapping.nodes(window), self.plane.shape[::-1], strict=True):
            inside = positions[positions > FAR / 2]
            if inside.size == 0:
                return None
            first = max(int(np.floor(inside.min())) - margin, 0)
            last = min(int(np.ceil(inside.max())) + margin + 1, size)
            spans.append((first, last))
        (x0, x1), (y0, y1) = spans
        return (y0, y1, x0, x1) if x0 < x1 and y0 < y1 else None


def averaged(values, side):
    """
    Average over larger pixels, before one value is taken for each.

    Parameters
    ----------
    values : 2D `~numpy.ndarray`
        Float pixels.
    side : float
        Side of the larger pixels, in those of ``values``.

    Returns
    -------
    2D `~numpy.ndarray`
        As large as ``values``.

    Notes
    -----
    By a Gaussian of 0.35 of the side. The mean over the larger pixel, as wide as one of 0.29, would
    let twice as much noise through that is too fine for the larger pixels, and as a running sum
    spread one NaN along a whole row.
    """
    return cv2.GaussianBlur(values, (0, 0), _BLUR * side)


def area_ratio(mapping):
    """
    Return how many of a band's pixels a reference pixel covers.

    A sum over a resampled band times this is the sum over its own pixels: resampling keeps the
    value of a pixel, but there are more or fewer of them.

    Parameters
    ----------
    mapping : AffineMapping, GridMapping or None
        From the reference grid to the band's.

    Returns
    -------
    float
        1 for a band that was not resampled.
    """
    return 1.0 if mapping is None else mapping.step**2


def noise_ratio(mapping, window):
    """
    Return how much noisier sums over resampled pixels are than the noise of single ones says.

    Interpolation mixes neighbours: it takes noise from each pixel, and makes it common to several.
    A sum over many of them has the noise of the band's own pixels all the same.

    Parameters
    ----------
    mapping : AffineMapping, GridMapping or None
        From the reference grid to the band's.
    window : tuple of int
        ``(y0, y1, x0, x1)`` of the reference grid: where pixels are hit in the middle and where
        between them differs from place to place.

    Returns
    -------
    float
        1 for a band that was not resampled, or moved by whole pixels; 2 for one moved by half a
        pixel along both axes. It is for white noise in the band as given.
    """
    if mapping is None:
        return 1.0
    own, beside = _blur_products(mapping.step)
    part = _placed(mapping, window) % 1
    # of two neighbours with the weights part and 1 - part, along each axis
    along_x, along_y = own - 2 * (own - beside) * part * (1 - part)
    single = np.sqrt(along_x * along_y).mean()
    return float(_unevenness(mapping.step) / (mapping.step * single))


def _placed(mapping, window):
    """Return band positions of some pixels of a window: those of its corners, and in between."""
    y0, y1, x0, x1 = window
    size = np.array([[x1 - x0], [y1 - y0]])
    x, y = np.floor(_PLACES * size) / size
    corners = mapping(np.array([x0, x1, x0, x1], float), np.array([y0, y0, y1, y1], float))
    return np.array(corners) @ [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y]


@lru_cache
def _blur_products(step):
    """Return the sums of the blur's weights squared, and times their neighbours, along an axis."""
    if step < _SMOOTH_FROM:
        return 1.0, 0.0
    side = 2 * int(4 * _BLUR * step + 2) + 1
    point = np.zeros((side, side), dtype=np.float32)
    point[side // 2, side // 2] = 1
    weights = averaged(point, step).sum(axis=0, dtype=float)
    return float(weights @ weights), float(weights[1:] @ weights[:-1])


@lru_cache
def _unevenness(step):
    """
    Return what the noise of a sum gains because it takes more of some band pixels than others.

    The root mean square over the mean of the weights of band pixels, by Poisson's sum formula
    from the transforms of the interpolation and of the blur.
    """
    blur = np.exp(-2 * (np.pi * _BLUR * _HARMONICS) ** 2) if step >= _SMOOTH_FROM else 1.0
    # along each of two axes the square root of this
    return float(1 + 2 * np.sum(np.sinc(_HARMONICS / step) ** 4 * blur**2))


def nonfinite(values):
    """
    Find NaN and infinite pixels, at almost no cost where there are none.

    Parameters
    ----------
    values : 2D `~numpy.ndarray`
        Float pixels.

    Returns
    -------
    2D `~numpy.ndarray` of bool or None
        `None` where every pixel is finite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(values.sum()):
            return None
    bad = ~np.isfinite(values)
    return bad if bad.any() else None


def union(masks):
    """Pixels that any of some masks marks; None where there are no masks."""
    masks = [mask for mask in masks if mask is not None]
    return np.logical_or.reduce(masks) if masks else None
