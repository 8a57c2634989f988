"""Images resampled until their stars are as wide as the network knows them.

The network was trained on SDSS pixels, on which a star is 2 to 4 pixels wide. Where pixels are
larger than the seeing asks for, galaxies cover too few of them to be told from stars; where they
are smaller, stars look like galaxies. Resampling adds no information, but brings what there is to
where the network looks for it.
"""

from dataclasses import dataclass
from itertools import islice, product

import cv2
import numpy as np

from astro_yolo._alignment import averaged, nonfinite, union
from astro_yolo._changed_image import joined
from astro_yolo._rounding import finest_step
from astro_yolo.stretch import background_noise, rise_above_median
from astro_yolo.tiling import bin_mean, spans

__all__ = ["Resampled", "point_source_width", "suitable_zoom"]

_OWN_SCALE = 0.37, 0.42  # arcsec; on SDSS's own pixels the network knows seeing of every kind
_WANTED = 3.9  # pixels, of the full width at half maximum of a star
_LARGE_ENOUGH, _SMALL_ENOUGH = 3.55, 4.7  # pixels, of the same: no reason to resample
_IN_PICTURE = 4.4, 5.5  # wanted and small enough in a picture, of faint stars
_FACTORS = 0.25, 2.5  # beyond them another network is needed

_BLOCK = 512  # pixels, side of the windows in which point sources are looked for
_ENOUGH, _FEW = 100, 8  # peaks: to stop at, and to say anything at all
_BINNINGS = 2, 4  # in which stars are measured that are wider than a peak is looked at
_BLOCKS = 3, 16  # looked at, at least and at most; one may show one large galaxy only
_CONTRAST = 20.0  # of a peak, in units of the noise
# Contrasts of faint peaks, in binned pixels: the stretch of a picture makes bright stars wider, but
# hardly faint ones, for which it is close to linear
_FAINT = 14.0, 25.0
# where few are between those, the lowest contrast that counts, and how many peaks are enough: in a
# picture few may be knots of the one galaxy in it, and black hides how strong the noise is
_FAINTER, _FAINTER_IN_PICTURE = (6.0, _FEW), (9.0, 10)
_TRUSTED = 4.5  # binned pixels, width up to which a faint star is well measured
_FLAT = 4  # pixels as bright as a peak, within 3 of it: above that it is saturated, or a spike
_MESH = 32  # pixels, side of the squares whose medians are the sky
_REACH = 6  # pixels round a peak that are looked at
_COMPACT = 25  # percentile of the widths: stars are among the narrowest sources
_VARIANCE = 0.3, 25.0  # squared pixels; less is a cosmic ray or noise, not light through optics

_NEAR = 11, 11  # pixels, whose good ones stand for a masked one; wider than blur and cubic reach
_DRAWN = 0.1  # share of masked pixels in a resampled one from which it is masked
_LONGEST = 30_000  # pixels: OpenCV resamples sides below 2**15

_TO_FWHM = 2 * np.sqrt(2 * np.log(2))


def suitable_zoom(image):
    """
    Return by how much an image should be enlarged before the network sees it.

    Parameters
    ----------
    image : SkyImage
        The image.

    Returns
    -------
    float
        1 for SDSS's own pixels, for stars of the usual width, and where too few sources tell. Below
        1 an image is to be made smaller.
    """
    if image.pixel_scale and _OWN_SCALE[0] <= image.pixel_scale <= _OWN_SCALE[1]:
        return 1.0
    is_picture = image.kind == "picture"
    # of a picture bright stars tell no more than whether they are narrow, as they are unbinned
    width = _width(image, 1) if is_picture else point_source_width(image)
    if width is not None and width < _LARGE_ENOUGH:
        return float(min(_WANTED / width, _FACTORS[1]))
    wanted, small_enough = _IN_PICTURE if is_picture else (_WANTED, _SMALL_ENOUGH)
    if width is None or is_picture:
        width = _faint_width(image)
    if width is None or width <= small_enough:
        return 1.0
    return float(max(wanted / width, _FACTORS[0]))


def point_source_width(image):
    """
    Measure how wide the most compact sources of an image are.

    Blocks of the image are searched for bright peaks, from the middle on, until there are enough;
    flat tops of saturated stars, and their spikes, are none. Widths are Gaussian-weighted second
    moments, with the weight matched to the source (Bernstein & Jarvis 2002, AJ 123, 583); the first
    quartile stands for the point sources.

    Parameters
    ----------
    image : SkyImage
        The image.

    Returns
    -------
    float or None
        Full width at half maximum in pixels; None where fewer than eight peaks were found.
    """
    width = _width(image, 1)
    for factor in _BINNINGS if width is not None else ():
        if width <= factor / 2 * _REACH:
            break
        width = max(width, _width(image, factor) or 0)
    return width


def _width(image, factor):
    """Return the width in binned pixels, times the factor; None where there are too few peaks."""
    found = _compact(image, factor, _CONTRAST)
    if len(found) < _FEW and image.kind == "picture":  # a steep stretch leaves little above noise
        found = _compact(image, factor, _CONTRAST / 2)
    if len(found) < _FEW:
        return None
    return float(factor * np.percentile(found[:, 0], _COMPACT))


def _faint_width(image):
    """Return the width of the most compact of the faint sources, pixels, or None."""
    lowest, fewest = _FAINTER_IN_PICTURE if image.kind == "picture" else _FAINTER
    width = None
    for factor in _BINNINGS:
        found = _compact(image, factor, lowest)
        if len(found) < fewest:
            break
        found = found[np.argsort(found[:, 1])]
        first, last = np.searchsorted(found[:, 1], _FAINT)
        if len(found) - first < fewest:
            first = 0
        some = found[first : max(last, first + fewest), 0]
        width = float(factor * np.percentile(some, _COMPACT))
        if width < factor * _TRUSTED:
            break
    return width


def _compact(image, factor, contrast):
    """Return (N, 2) widths and contrasts of peaks in an image binned by a factor."""
    step = finest_step(image) / factor if image.kind == "picture" else 0.0
    found = np.empty((0, 2))
    blocks = islice(_blocks(image.shape, factor * _BLOCK), _BLOCKS[1])
    for k, window in enumerate(blocks, 1):
        data, mask = image.window(*window)
        if factor > 1:
            data, mask = np.stack([bin_mean(plane, factor, mask) for plane in data]), None
        found = np.concatenate([found, _widths(_light(data, mask, step), contrast)])
        if len(found) >= _ENOUGH and k >= _BLOCKS[0]:
            break
    return found


def _blocks(shape, length):
    """Return windows (y0, y1, x0, x1) that cover an image, those in the middle first."""
    rows, columns = (spans(0, side, length) for side in shape)
    middle = np.array(shape) / 2
    return sorted(
        ((*row, *column) for row, column in product(rows, columns)),
        key=lambda w: np.hypot((w[0] + w[1]) / 2 - middle[0], (w[2] + w[3]) / 2 - middle[1]),
    )


def _light(data, mask, step):
    """Return the sum of the bands in units of its noise, 0 where nothing is usable."""
    total = np.zeros(data.shape[1:], dtype=np.float32)
    bad = _unusable(data, mask)
    for plane in data:
        light = plane if bad is None else _with_sky(plane, bad)
        light = light - _glow(light)
        total += light / np.float32(_noise(light, bad, step))
    if bad is not None:
        total[bad] = 0
    return total / np.float32(_noise(total, bad, 1.0))  # at least that of one band


def _with_sky(plane, bad):
    """Return a plane with the level of its sky for bad pixels."""
    return np.where(bad, np.float32(background_noise(plane, bad, max_samples=5000)[0]), plane)


def _glow(plane):
    """Return what is smooth on a scale of squares of pixels: the sky, uneven or not."""
    rows, columns = (max(1, side // _MESH) for side in plane.shape)
    high, wide = plane.shape[0] // rows, plane.shape[1] // columns
    squares = plane[: rows * high, : columns * wide].reshape(rows, high, columns, wide)
    some = squares[:, ::2, :, ::2].swapaxes(1, 2).reshape(rows, columns, -1)
    return cv2.resize(np.median(some, axis=2), plane.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _noise(plane, bad, least):
    """
    Return the noise of a plane about 0.

    Where a dark picture is black in most pixels, only what rises above tells.
    """
    values = plane[::3, ::3] if bad is None else plane[::3, ::3][~bad[::3, ::3]]
    above = rise_above_median(values) if values.size else 0.0
    return max(least, background_noise(plane, bad, max_samples=5000)[1], above / 2)


def _widths(light, contrast):
    """Return (N, 2) full widths at half maximum and contrasts of peaks that look like sources."""
    summit = (light == cv2.dilate(light, np.ones((7, 7)))) & (light > contrast)
    summit &= cv2.boxFilter(summit.astype(np.uint8), -1, (7, 7), normalize=False) <= _FLAT
    inside = np.zeros_like(summit)
    inside[_REACH:-_REACH, _REACH:-_REACH] = True
    y, x = np.nonzero(summit & inside)
    if not len(y):
        return np.empty((0, 2))
    offset = np.arange(-_REACH, _REACH + 1)
    stamps = light[y[:, None, None] + offset[:, None], x[:, None, None] + offset]
    edges = np.concatenate([stamps[:, [0, -1]], stamps[:, :, [0, -1]].swapaxes(1, 2)], axis=1)
    around = np.median(edges.reshape(len(stamps), -1), axis=1)
    height = stamps[:, _REACH, _REACH] - around
    alone = height > contrast  # no ripple on something large
    variance = _matched_variance(stamps[alone] - around[alone, None, None])
    inner = (variance > _VARIANCE[0]) & (variance < _VARIANCE[1])
    return np.column_stack([_TO_FWHM * np.sqrt(variance), height[alone]])[inner]


def _matched_variance(light):
    """
    Return the variance along an axis of the light of each stamp, under a matched Gaussian.

    For round weights and all stamps at once, where `astro_yolo._shape_of_light` finds the ellipse
    of one source: a block of a crowded field has a thousand peaks.
    """
    y, x = np.mgrid[-_REACH : _REACH + 1, -_REACH : _REACH + 1].astype(np.float32)
    center_x, center_y = np.zeros((2, len(light), 1, 1))
    variance = np.full((len(light), 1, 1), 2.0)

    def mean(values, weight):
        total = np.maximum(weight.sum(axis=(1, 2), keepdims=True), 1e-6)
        return (values * weight).sum(axis=(1, 2), keepdims=True) / total

    for _ in range(6):
        square = (x - center_x) ** 2 + (y - center_y) ** 2
        weight = light * np.exp(-square / (2 * variance))
        center_x = np.clip(center_x + 2 * mean(x - center_x, weight), -1.5, 1.5)
        center_y = np.clip(center_y + 2 * mean(y - center_y, weight), -1.5, 1.5)
        # a Gaussian under a Gaussian weight: 1 / measured = 1 / own + 1 / of the weight
        own = 2 / np.maximum(mean(square, weight), 1e-3) - 1 / variance
        variance = np.clip(1 / np.maximum(own, 1e-3), *_VARIANCE)
    return variance[:, 0, 0]


@dataclass(frozen=True)
class Resampled:
    """
    An image resampled window by window, as far as `astro_yolo._scan` asks of an image.

    Edge pixel coordinates of it are those of the image times ``zoom``.

    Parameters
    ----------
    image : SkyImage
        The image.
    zoom : float
        Factor; above 1 the image is enlarged.
    """

    image: object
    zoom: float

    is_lazy = True
    mask = saturated = None

    @property
    def kind(self):
        """What the image was read from."""
        return self.image.kind

    @property
    def data(self):
        """One item a band; their pixels are read by `window`."""
        return self.image.data

    @property
    def shape(self):
        """Rows and columns."""
        return tuple(int(np.ceil(side * self.zoom)) for side in self.image.shape)

    def window(self, y0, y1, x0, x1):
        """Return bands and mask of a window, see `astro_yolo.image.SkyImage.window`."""
        return joined(self._pieces(self._window, y0, y1, x0, x1))

    def saturated_window(self, y0, y1, x0, x1):
        """Return the saturated pixels of a window, or None."""
        pieces = self._pieces(self._saturated, y0, y1, x0, x1)
        return None if pieces[0][0] is None else np.block(pieces)

    def _pieces(self, read, y0, y1, x0, x1):
        """Read a window in rows of pieces which OpenCV can resample."""
        longest = int(_LONGEST * min(1, self.zoom))
        columns = spans(x0, x1, longest)
        return [[read(*row, *column) for column in columns] for row in spans(y0, y1, longest)]

    def _window(self, y0, y1, x0, x1):
        """Return bands and mask of a window that is not too long."""
        source, place = self._under(y0, y1, x0, x1)
        data, mask = self.image.window(*source)
        size = (x1 - x0, y1 - y0)
        bad = _unusable(data, mask)
        if bad is not None:
            data = [_filled(plane, bad) for plane in data]
        data = np.stack([self._drawn(plane, place, size, cv2.INTER_CUBIC) for plane in data])
        if bad is None:
            return data, None
        mask = self._drawn(bad.astype(np.float32), place, size, cv2.INTER_LINEAR) > _DRAWN
        return data, mask if mask.any() else None

    def _drawn(self, plane, place, size, way):
        """Return what the pixels of a window draw from a plane of the image."""
        if self.zoom < 1:
            plane = averaged(plane, 1 / self.zoom)
        return _resampled(plane, place, size, way)

    def _saturated(self, y0, y1, x0, x1):
        """Return the saturated pixels of a window that is not too long, or None."""
        source, place = self._under(y0, y1, x0, x1)
        mask = self.image.saturated_window(*source)
        if mask is None:
            return None
        size = (x1 - x0, y1 - y0)
        return _resampled(mask.astype(np.uint8), place, size, cv2.INTER_NEAREST).astype(bool)

    def _under(self, y0, y1, x0, x1):
        """Return the window of the image that is needed, and the affine from ours into it."""
        spans, shifts, margin = [], [], 3 + int(2 / self.zoom)
        for low, high, side in ((y0, y1, self.image.shape[0]), (x0, x1, self.image.shape[1])):
            start = int(np.clip(low / self.zoom - margin, 0, side - 1))
            spans += [start, int(np.clip(np.ceil(high / self.zoom) + margin, start + 1, side))]
            shifts.append((low + 0.5) / self.zoom - 0.5 - start)
        step = 1 / self.zoom
        return tuple(spans), np.array([[step, 0, shifts[1]], [0, step, shifts[0]]])


def _resampled(plane, place, size, way):
    """Return a plane at the places that an affine from the result gives."""
    return cv2.warpAffine(
        plane, place, size, flags=way | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )


def _unusable(data, mask):
    """Return which pixels of a window are masked or not finite in any band, or None."""
    bad = union([mask, *(nonfinite(plane) for plane in data)])
    return bad if bad is not None and bad.any() else None


def _filled(plane, bad):
    """Return a plane with the mean of the good pixels near by, or else the sky, for bad ones."""
    light = cv2.blur(np.where(bad, np.float32(0), plane), _NEAR)
    share = cv2.blur((~bad).astype(np.float32), _NEAR)
    with np.errstate(divide="ignore", invalid="ignore"):
        near = np.where(share > 0, light / share, _with_sky(plane, bad))
    return np.where(bad, near, plane)
