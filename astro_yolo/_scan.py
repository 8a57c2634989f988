"""Carry an image through the network: in one pass, or by tiles and binned levels.

The network sees a galaxy best when it fills tens of pixels. An image that goes through in one
pass is taken as it is; a larger one is cut into tiles, and galaxies too large for a tile
are looked for in binned copies of it, tile by tile as well, so that memory stays bounded.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from astro_yolo import boxes as box_math
from astro_yolo import tiling
from astro_yolo._changed_image import joined, whole, with_chance
from astro_yolo._flatness import warn_of_uneven_sky
from astro_yolo._giants import has_giants
from astro_yolo._local_sky import flattened
from astro_yolo._progress_bar import progress_bar
from astro_yolo._rounding import finest_step
from astro_yolo._sampling import Resampled, suitable_zoom
from astro_yolo.centering import recenter
from astro_yolo.network.blanked import with_blanked_stars
from astro_yolo.network.calibration import strength
from astro_yolo.network.closer_look import closer_look, needs_closer_look
from astro_yolo.network.picture_spread import picture_spread
from astro_yolo.network.pictures import to_picture
from astro_yolo.network.singles import precedence, single_boxes
from astro_yolo.network.spread import SURE, spread_of, unknown_spread
from astro_yolo.stretch import NETWORK_SKY, levels_of, to_channels, to_network

__all__ = ["Candidates", "scan"]

# Longer sides, in pixels of a level, that the level answers for. The ranges of neighbouring
# levels overlap, since two levels measure the same galaxy a little differently; the double is
# suppressed.
_LONGEST = 300.0
_SHORTEST = 110.0

_MASKED_SHARE = 0.1  # of a box; from it on, or with a bad centre, the box is marked as masked
_SMALLEST_CORE = 128  # pixels; smaller ones would be all margin
_SAMPLE_BLOCKS, _SAMPLE_SIDE = 24, 16  # blocks along each axis that the sky level is measured on
_STRIP_PIXELS = 1 << 22  # pixels of the image read at a time for a binned level


@dataclass(frozen=True)
class Candidates:
    """
    What the network found in an image or a part of it, without doubles.

    Attributes
    ----------
    boxes : (N, 4) array
        In edge pixels of the image.
    outputs : (N, 7) array
        Raw outputs of the network.
    spread : (N, 3) array
        From `~astro_yolo.network.spread.spread_of`, of pictures from
        `~astro_yolo.network.picture_spread.picture_spread`; NaN where it is not known.
    types : (N, 5) array
        Probability of each of `~astro_yolo.catalog.CLASSES`, given that it is a galaxy.
    masked, saturated, seam : (N,) bool array
        Whether a tenth of the box or its centre is masked, a pixel of it is saturated, the edge of
        a tile's core runs through it.
    binning : (N,) array
        Binning of the level that the box was found in, over the zoom.
    """

    boxes: np.ndarray
    outputs: np.ndarray
    spread: np.ndarray
    types: np.ndarray
    masked: np.ndarray
    saturated: np.ndarray
    seam: np.ndarray
    binning: np.ndarray

    def __len__(self):
        return len(self.boxes)

    def take(self, which):
        """Return the chosen candidates; ``which`` is a bool array or an array of indices."""
        return Candidates(*(getattr(self, item.name)[which] for item in fields(self)))

    @classmethod
    def join(cls, parts):
        """Return the candidates of all parts."""
        return cls(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(cls)))


@dataclass(frozen=True)
class _Level:
    """An image binned by a factor, read window by window."""

    image: object
    factor: int

    @property
    def shape(self):
        return tuple(side // self.factor for side in self.image.shape)

    def read(self, y0, y1, x0, x1):
        """Return the bands and the mask of a window given in pixels of the level."""
        if self.factor == 1:
            return self.image.window(y0, y1, x0, x1)
        bands = np.empty((len(self.image.data), y1 - y0, x1 - x0), dtype=np.float32)
        for rows, source in self._strips(y0, y1, x0, x1):
            data, mask = self.image.window(*source)
            for k, plane in enumerate(data):
                bands[k, rows] = tiling.bin_mean(plane, self.factor, mask)
        bad = ~np.isfinite(bands).all(axis=0)
        return bands, bad if bad.any() else None

    def saturated(self, y0, y1, x0, x1):
        """Return which pixels of a window of the level hold a saturated one, or None."""
        if self.factor == 1:
            return self.image.saturated_window(y0, y1, x0, x1)
        out = np.zeros((y1 - y0, x1 - x0), dtype=bool)
        for rows, source in self._strips(y0, y1, x0, x1):
            marked = self.image.saturated_window(*source)
            if marked is None:
                return None
            blocks = (marked.shape[0] // self.factor, self.factor, -1, self.factor)
            out[rows] = marked.reshape(blocks).any(axis=(1, 3))
        return out

    def _strips(self, y0, y1, x0, x1):
        """Yield the rows of a window, a strip at a time, and the image window under them."""
        step = max(1, _STRIP_PIXELS // (self.factor**2 * (x1 - x0)))
        for y in range(y0, y1, step):
            end = min(y + step, y1)
            source = tuple(side * self.factor for side in (y, end, x0, x1))
            yield slice(y - y0, end - y0), source

    def measure(self, floor):
        """Return (background, noise) of the three channels, from blocks all over the level."""
        rows, columns = (_sample_spans(side) for side in self.shape)
        bands, mask = joined([[self.read(*row, *column) for column in columns] for row in rows])
        return levels_of(to_channels(bands), mask, floor=floor)


def _sample_spans(side):
    """Return (start, stop) of blocks spread evenly along an axis."""
    count = max(1, min(_SAMPLE_BLOCKS, side // _SAMPLE_SIDE))
    return tiling.even_spans(side, count, _SAMPLE_SIDE)


def scan(
    image, backend, min_score, *, classifier=None, deep=None, max_pixels=tiling.ONE_PASS,
    progress=False, meanwhile=None, zoom=None, background=None,
):  # fmt: skip
    """
    Find the candidates of an image.

    Parameters
    ----------
    image : SkyImage
        The image.
    backend : Backend
        The loaded network.
    min_score : float
        Smallest calibrated probability of a galaxy or a star.
    classifier : TypeClassifier, optional
        Network that tells the types of large galaxies; without it the first network does.
    deep : callable, optional
        Returns the loaded network that looks again at what shows little but galaxies.
    max_pixels : int, optional
        Number of pixels up to which an image goes through in one pass.
    progress : bool, optional
        Whether to show a bar while there are tiles to do.
    meanwhile : callable, optional
        Called when the network is done, with a tile at least: it may start work in other threads,
        since what follows occupies one core only.
    zoom : float, optional
        Factor by which the image is enlarged; by default as its stars ask for.
    background : float, optional
        Side in pixels of the squares whose sky is subtracted; by default none is.

    Returns
    -------
    found : Candidates
        In no particular order.
    passes : dict
        How the image was cut: number of tiles, binnings, zoom; and the sides of the squares.

    Raises
    ------
    ValueError
        If ``background`` is too small.
    """
    if not backend.weights.takes_pictures:
        image = with_chance(image)  # before anything is done after which rounding does not show
    if background is not None:
        image = flattened(image, background)
    warn_of_uneven_sky(image)
    if zoom is None:  # networks for pictures have a zoom of their own
        zoom = 1.0 if backend.weights.takes_pictures else suitable_zoom(image)
    find = _Finder(backend, min_score, classifier, deep, image=image, meanwhile=meanwhile)
    given, shape = image, image.shape
    image = image if zoom == 1 else Resampled(image, zoom)
    factors = tiling.pyramid_factors(image.shape, max_pixels)
    if not factors and not backend.weights.takes_pictures and has_giants(given, zoom):
        factors = tiling.giant_factors(image.shape)
    if not factors:
        found, passes = find.in_one_pass(image), {"tiles": 1, "binnings": [1]}
    else:
        found, passes = _by_tiles(find, image, [1, *factors], max_pixels, progress)
    passes |= {"zoom": round(zoom, 3)} | ({} if background is None else {"background": background})
    return _as_given(found, shape, zoom), passes


def _by_tiles(find, image, factors, max_pixels, progress):
    """Return the candidates of a large image, level by level and tile by tile."""
    jobs = _jobs(image, factors, max_pixels, find.floor)
    parts = []
    with progress_bar(len(jobs), progress) as tick:
        for level, tile, plan, levels in jobs:
            found = find.in_tile(level, tile, levels)
            parts.append(_answered_for(found, level, tile, plan, factors[-1]))
            tick()
    return find.without_doubles(parts), {"tiles": len(jobs), "binnings": factors}


def _as_given(found, shape, zoom):
    """Return candidates of a resampled image in edge pixels of the image itself."""
    if zoom == 1:
        return found
    boxes = box_math.clip(box_math.scale(found.boxes, 1 / zoom), shape)
    return replace(found, boxes=boxes, binning=found.binning / zoom)


class _Finder:
    """Runs the network on windows of an image."""

    def __init__(self, backend, min_score, classifier, deep, *, image, meanwhile):
        self._backend, self._classifier, self._deep = backend, classifier, deep
        self._finished = image.kind == "picture"
        # of the noise: a dark picture that is resampled or binned has next to none
        self.floor = finest_step(image) if self._finished else 0.0
        self._meanwhile = meanwhile or (lambda: None)
        self._calibration = backend.weights.calibration.suited_to(image)
        self._min_raw = self._calibration.lowest_raw(min_score)
        if self._calibration.spread is not None or self._calibration.balance:
            self._min_raw = min(self._min_raw, SURE)  # all of them count in the scores of others

    def in_one_pass(self, image):
        """Return the candidates of a whole image."""
        bands, mask = whole(image)
        saturated = image.saturated
        if image.is_lazy:
            saturated = image.saturated_window(0, image.shape[0], 0, image.shape[1])
        boxes, *values = self._boxes(bands, mask, image.shape, finer=_finer(image))
        marks = _marks(boxes, mask, saturated)
        seam, level = np.zeros_like(marks[0]), np.ones(len(boxes), int)
        return Candidates(boxes, *values, *marks, seam, level)

    def in_tile(self, level, tile, levels):
        """Return the candidates of a tile, in edge pixels of the level."""
        window = (tile.y0, tile.y1, tile.x0, tile.x1)
        bands, mask = level.read(*window)
        if mask is not None and mask.all():
            boxes, *values = (np.empty((0, n)) for n in (4, 7, 3, 5))
        else:
            # what a closer look finds is smaller than what binned copies answer for
            closely = level.factor == 1
            boxes, *values = self._boxes(bands, mask, tile.shape, levels, closely=closely)
        marks = _marks(boxes, mask, level.saturated(*window) if len(boxes) else None)
        boxes = box_math.shift(boxes, tile.x0, tile.y0)
        binning = np.full(len(boxes), level.factor)
        return Candidates(boxes, *values, *marks, np.zeros_like(marks[0]), binning)

    def without_doubles(self, parts):
        """Return the candidates of all tiles; what two of them found stays once."""
        found = Candidates.join(parts)
        tile = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        ranks = precedence(found.outputs)
        return found.take(box_math.nms(found.boxes, ranks, groups=tile, **box_math.DOUBLES))

    def _boxes(self, bands, mask, shape, levels=None, *, closely=True, finer=None):
        """
        Return the boxes of a window in its own edge pixels, outputs, spreads and types.

        ``finer`` is the window where it was made smaller, a `Resampled`, for the types.
        """
        if self._backend.weights.takes_pictures:
            return self._boxes_of_picture(bands, mask, shape)
        if levels is None:
            levels = levels_of(to_channels(bands), mask, floor=self.floor)
        x = to_network(bands, mask, levels=levels, out=self._backend.buffer(shape))
        planes = [plane[: shape[0], : shape[1]] for plane in x]
        boxes, outputs = self._backend.predict(x, self._min_raw, shape=shape)
        self._meanwhile()
        boxes, outputs = single_boxes(boxes, outputs)
        boxes = box_math.clip(recenter(boxes, planes, NETWORK_SKY), shape)
        if self._finished:
            outputs = with_blanked_stars(bands, boxes, outputs)
        spread = self._spread(planes, boxes, outputs)
        if closely and self._needs_closer_look(planes, boxes, outputs, spread):
            seen = closer_look(self._deep(), planes, boxes, outputs, self._min_raw)
            if seen is not None:
                boxes, outputs = seen
                if self._finished:
                    outputs = with_blanked_stars(bands, boxes, outputs)
                # what passes for stars in a deep field may be small galaxies
                spread = unknown_spread(len(boxes))
        return boxes, outputs, spread, self._types(planes, boxes, outputs, spread, finer)

    def _boxes_of_picture(self, bands, mask, shape):
        """Return the same from a network trained on pictures, whose stretch acts on the window."""
        weights = self._backend.weights
        x = to_picture(
            bands, mask, stretch=weights.stretch, zoom=weights.zoom, finished=self._finished
        )
        boxes, outputs = self._backend.predict(x, self._min_raw)
        self._meanwhile()
        boxes *= np.tile([shape[1] / x.shape[2], shape[0] / x.shape[1]], 2)
        kept = box_math.nms(boxes, strength(outputs), **box_math.DOUBLES)
        boxes, outputs = box_math.clip(boxes[kept], shape), outputs[kept]
        types = self._calibration.class_probabilities(outputs)
        return boxes, outputs, unknown_spread(len(boxes)), types

    def _needs_closer_look(self, planes, boxes, outputs, spread):
        """Tell whether there is a network for deep fields, and it should be asked."""
        if self._deep is None:
            return False
        by_light = not (self._finished and np.isfinite(spread).any())
        return needs_closer_look(planes, boxes, outputs, by_light=by_light)

    def _spread(self, planes, boxes, outputs):
        """Return the spreads of the candidates by the stars among them."""
        if self._calibration.spread is None:
            return unknown_spread(len(boxes))
        measure = picture_spread if self._finished else spread_of
        return measure(planes, boxes, outputs)

    def _types(self, planes, boxes, outputs, spread, finer=None):
        """Return the probabilities of the types; large or bright ones by the second network."""
        types = self._calibration.class_probabilities(outputs)
        if self._classifier is not None:
            score, p_star = self._calibration.scores(outputs, spread)
            galaxies = np.flatnonzero(score >= p_star)
            asked = galaxies[self._classifier.suits(planes, boxes[galaxies])]
            if finer is not None and len(asked):
                bands, mask = whole(finer.image)
                levels = levels_of(to_channels(bands), mask, floor=self.floor)
                planes = to_network(bands, mask, levels=levels)
                boxes = box_math.scale(boxes, 1 / finer.zoom)
            types[asked] = self._classifier.probabilities(planes, boxes[asked])
        return types


def _finer(image):
    """Return an image if it was made smaller, from one that is not too large; or else None."""
    smaller = isinstance(image, Resampled) and image.zoom < 1
    return image if smaller and np.prod(image.image.shape) <= tiling.ONE_PASS else None


def _marks(boxes, mask, saturated):
    """Return which boxes are masked and which hold a saturated pixel."""
    marks = np.zeros((2, len(boxes)), dtype=bool)
    if mask is not None:
        share, at_center = box_math.coverage(boxes, mask)
        marks[0] = (share >= _MASKED_SHARE) | at_center
    if saturated is not None:
        marks[1] = box_math.coverage(boxes, saturated)[0] > 0
    return marks


def _jobs(image, factors, max_pixels, floor):
    """Return (level, tile, plan, sky levels) of every tile of every level."""
    jobs = []
    for factor in factors:
        level = _Level(image, factor)
        plan = tiling.plan(level.shape, _core(level.shape, max_pixels))
        levels = level.measure(floor)
        jobs.extend((level, tile, plan, levels) for tile in plan)
    return jobs


def _core(shape, max_pixels):
    """Return the side of the cores of a level; one core where the level fits in one pass."""
    if shape[0] * shape[1] <= max_pixels:
        side = max(shape)
    else:
        side = min(int(max_pixels**0.5) - 2 * tiling.MARGIN, tiling.CORE)
        side = max(side, _SMALLEST_CORE)
    return -(-side // tiling.STRIDE) * tiling.STRIDE


def _answered_for(found, level, tile, plan, last):
    """Return what a tile owns of its candidates and its level answers for, in image pixels."""
    longest = box_math.longer_side(found.boxes)
    keep = tiling.owned(found.boxes, tile)
    if level.factor > 1:
        keep &= longest >= _SHORTEST
    if level.factor < last:
        keep &= longest <= _LONGEST
    kept = found.take(keep)
    seam = tiling.crosses_core_edge(kept.boxes, plan, level.shape)
    boxes = box_math.scale(kept.boxes, level.factor)
    return replace(kept, boxes=boxes, seam=seam)
