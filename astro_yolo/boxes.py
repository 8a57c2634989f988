"""Box arithmetic on (N, 4) arrays in edge pixels, and the only half pixel of the package.

A box is ``xmin, ymin, xmax, ymax`` in edge coordinates: the first pixel spans
0 to 1. Astropy, photutils and the result table count from the centre of the first
pixel instead; `edges_to_centers` and `centers_to_edges` convert.
"""

import numpy as np

__all__ = [
    "DOUBLES",
    "area",
    "centers_to_edges",
    "clip",
    "coverage",
    "edges_to_centers",
    "iou",
    "longer_side",
    "nms",
    "scale",
    "shift",
    "touches_border",
]

#: When two boxes are one source, as keywords of `nms`.
DOUBLES = {"iou_threshold": 0.5, "concentric": 0.25}

_MAX_PAIRS = 1 << 21  # pairs looked at together: bounds the memory of nms


def area(boxes):
    """
    Return the area of each box in square pixels.

    Parameters
    ----------
    boxes : (N, 4) array
        Boxes in edge pixels.

    Returns
    -------
    (N,) array
        Width times height; zero where a box is inside out.
    """
    boxes = _as_boxes(boxes)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return sides[:, 0] * sides[:, 1]


def longer_side(boxes):
    """
    Return the longer side of each box in pixels.

    Parameters
    ----------
    boxes : (N, 4) array
        Boxes in edge pixels.

    Returns
    -------
    (N,) array
    """
    boxes = _as_boxes(boxes)
    return np.max(boxes[:, 2:] - boxes[:, :2], axis=1, initial=0)


def iou(boxes, others):
    """
    Return the intersection over union of every pair of boxes.

    Parameters
    ----------
    boxes : (N, 4) array
        Boxes in edge pixels.
    others : (M, 4) array
        Boxes in edge pixels.

    Returns
    -------
    (N, M) array
        0 (apart, or both empty) to 1 (equal).
    """
    boxes, others = _as_boxes(boxes), _as_boxes(others)
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    inter = np.prod(np.maximum(high - low, 0), axis=2)
    union = area(boxes)[:, None] + area(others)[None, :] - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def nms(boxes, scores, iou_threshold=0.5, *, concentric=0.0, groups=None):
    """
    Suppress boxes that overlap a better one: exact greedy non-maximum suppression.

    Only the pairs that can reach the threshold are compared: for an IoU of t the
    centres of two boxes lie within a share of the smaller width and height that
    depends on t alone. A small box inside a large one has a small IoU and stays, so that
    the companion of a giant galaxy is kept.

    Parameters
    ----------
    boxes : (N, 4) array
        Boxes in edge pixels.
    scores : (N,) array
        Of equal scores, the earlier box wins.
    iou_threshold : float, optional
        A box goes when its IoU with a kept box is larger than this, in (0, 1].
    concentric : float, optional
        A box goes too when its centre lies within this share of the smaller side, along both
        axes, of that of a kept box, whatever their sizes: one source seen at two scales.
    groups : (N,) int array, optional
        When given, boxes of the same group never suppress each other: tiles whose
        own duplicates are gone already.

    Returns
    -------
    (K,) int array
        Indices of the kept boxes, by falling score.

    Raises
    ------
    ValueError
        If the threshold is outside (0, 1] or the lengths differ.
    """
    if not 0 < iou_threshold <= 1:
        msg = f"iou_threshold must be in (0, 1], got {iou_threshold}"
        raise ValueError(msg)
    boxes = _as_boxes(boxes)
    for name, values in (("scores", scores), ("groups", groups)):
        if values is not None and np.shape(values) != (len(boxes),):
            got = f"({len(boxes)}), got shape {np.shape(values)}"
            raise ValueError(f"{name} must have one value per box {got}")
    order = np.argsort(-np.asarray(scores, float), kind="stable")  # -1 of an unsigned type is large
    ranked_groups = None if groups is None else np.asarray(groups)[order]
    better, worse = _conflicts(boxes[order], iou_threshold, concentric, ranked_groups)
    return order[_greedy(len(order), better, worse)]


def _conflicts(boxes, threshold, concentric, groups):
    """Return the pairs (better, worse) of ranked boxes that are the same source."""
    sides = boxes[:, 2:] - boxes[:, :2]
    centers = (boxes[:, 2:] + boxes[:, :2]) / 2
    reach = max(_reach(threshold), concentric) * sides
    by_x = np.argsort(centers[:, 0], kind="stable")
    x = centers[by_x, 0]
    stop = np.searchsorted(x, x + reach[by_x, 0], side="right")
    # the reach of the smaller box counts, so looking forward from each box is enough
    count = np.maximum(stop - np.arange(1, len(x) + 1), 0)
    found = [np.empty((2, 0), dtype=np.intp)]
    for start, end in _spans(count):
        some = count[start:end]
        first = np.repeat(np.arange(start, end), some)
        step = np.arange(len(first)) - np.repeat(np.cumsum(some) - some, some)
        pairs = by_x[np.stack([first, first + step + 1])]
        pairs = _near(centers[:, 1], reach[:, 1], pairs, groups)
        same = _overlapping(boxes, pairs, threshold)
        if concentric:
            same |= _concentric(centers, sides, pairs, concentric)
        found.append(pairs[:, same])
    pairs = np.concatenate(found, axis=1)
    return pairs.min(axis=0), pairs.max(axis=0)


def _reach(threshold):
    """
    Return how far apart centres may be, in units of the smaller side.

    IoU > t needs an overlap o > t * (w1 + w2 - o) along each axis, and w2 > t * w1 of the smaller;
    o = (w1 + w2) / 2 - |dx|, or less where one spans the other. Together they give this.
    """
    return (1 - threshold) / (2 * threshold)


def _spans(count):
    """Yield (start, end) so that each span holds a bounded number of pairs."""
    total = np.concatenate([[0], np.cumsum(count)])
    start = 0
    while start < len(count):
        end = int(np.searchsorted(total, total[start] + _MAX_PAIRS, side="right")) - 1
        end = max(end, start + 1)
        if total[end] > total[start]:
            yield start, end
        start = end


def _near(center, reach, pairs, groups):
    """Keep the pairs of different groups that are within reach along y too."""
    first, second = pairs
    near = np.abs(center[first] - center[second]) <= np.minimum(reach[first], reach[second])
    if groups is not None:
        near &= groups[first] != groups[second]
    return pairs[:, near]


def _concentric(centers, sides, pairs, share):
    """Tell the pairs whose centres coincide on the scale of the smaller box."""
    first, second = pairs
    limit = share * np.minimum(sides[first], sides[second])
    return (np.abs(centers[first] - centers[second]) <= limit).all(axis=1)


def _overlapping(boxes, pairs, threshold):
    """Tell the pairs whose IoU exceeds the threshold."""
    first, second = pairs
    one, two = boxes[first], boxes[second]
    inter = np.minimum(one[:, 2:], two[:, 2:]) - np.maximum(one[:, :2], two[:, :2])
    inter = np.prod(np.maximum(inter, 0), axis=1)
    return inter > threshold * (area(one) + area(two) - inter)


def _greedy(n_boxes, better, worse):
    """
    Return the ranks that greedy suppression keeps, given the conflicting pairs.

    Each round keeps every open box that has no open better neighbour, and drops the
    neighbours of the kept ones: the same result as one box after the other.
    """
    kept = np.zeros(n_boxes, dtype=bool)
    is_open = np.ones(n_boxes, dtype=bool)
    while len(better):
        blocked = np.zeros(n_boxes, dtype=bool)
        blocked[worse] = True
        winners = is_open & ~blocked
        kept |= winners
        is_open &= blocked
        is_open[worse[winners[better]]] = False
        alive = is_open[better] & is_open[worse]
        better, worse = better[alive], worse[alive]
    return np.flatnonzero(kept | is_open)


def clip(boxes, shape):
    """
    Cut boxes at the border of an image.

    Parameters
    ----------
    boxes : (N, 4) array
        Boxes in edge pixels.
    shape : tuple of int
        Image shape (ny, nx).

    Returns
    -------
    (N, 4) array
        Boxes within 0..nx and 0..ny.
    """
    ny, nx = shape
    return np.clip(_as_boxes(boxes), 0, np.array([nx, ny, nx, ny]))


def shift(boxes, dx, dy):
    """
    Move boxes.

    Parameters
    ----------
    boxes : (N, 4) array
        Boxes in edge pixels.
    dx, dy : float
        Distance in pixels.

    Returns
    -------
    (N, 4) array
        The moved boxes.
    """
    return _as_boxes(boxes) + np.array([dx, dy, dx, dy])


def scale(boxes, factor):
    """
    Scale boxes from a binned image to the full one, or back.

    Edge coordinates scale about 0 without an offset, unlike pixel centres.

    Parameters
    ----------
    boxes : (N, 4) array
        Boxes in edge pixels.
    factor : float
        Pixels of the new image per pixel of the old one.

    Returns
    -------
    (N, 4) array
        The scaled boxes.
    """
    return _as_boxes(boxes) * factor


def edges_to_centers(boxes):
    """
    Convert boxes in edge pixels to centres and sizes.

    Parameters
    ----------
    boxes : (N, 4) array
        Boxes in edge pixels (the first pixel spans 0 to 1).

    Returns
    -------
    x, y : (N,) array
        Box centres; the centre of the first pixel is (0, 0).
    width, height : (N,) array
        Full extents in pixels.
    """
    xmin, ymin, xmax, ymax = _as_boxes(boxes).T
    return (xmin + xmax) / 2 - 0.5, (ymin + ymax) / 2 - 0.5, xmax - xmin, ymax - ymin


def centers_to_edges(x, y, width, height):
    """
    Convert centres and sizes to boxes in edge pixels.

    Parameters
    ----------
    x, y : (N,) array
        Box centres; the centre of the first pixel is (0, 0).
    width, height : (N,) array
        Full extents in pixels.

    Returns
    -------
    (N, 4) array
        Boxes in edge pixels (the first pixel spans 0 to 1).
    """
    x, y, width, height = (np.asarray(v, dtype=float) for v in (x, y, width, height))
    half_w, half_h = width / 2, height / 2
    return np.stack(
        [x + 0.5 - half_w, y + 0.5 - half_h, x + 0.5 + half_w, y + 0.5 + half_h], axis=-1
    )


def touches_border(boxes, shape, margin=1.0):
    """
    Tell which boxes reach the border of an image.

    Parameters
    ----------
    boxes : (N, 4) array
        Boxes in edge pixels.
    shape : tuple of int
        Image shape (ny, nx).
    margin : float or (N,) array, optional
        Distance from the border in pixels that still counts.

    Returns
    -------
    (N,) bool array
        True where a side lies within ``margin`` of the border or beyond it.
    """
    boxes, margin = _as_boxes(boxes), np.reshape(margin, (-1, 1))
    low = (boxes[:, :2] <= margin).any(axis=1)
    high = (boxes[:, 2:] >= np.array(shape[::-1]) - margin).any(axis=1)
    return low | high


def coverage(boxes, mask):
    """
    Measure how much of each box a mask covers.

    Parameters
    ----------
    boxes : (N, 4) array
        Boxes in edge pixels.
    mask : (ny, nx) bool array
        True for the pixels to count.

    Returns
    -------
    fraction : (N,) array
        Share of the pixels touched by the box that are True; 0 outside the image.
    center : (N,) bool array
        Whether the pixel at the centre of the box, or of its part within the image, is True.
    """
    boxes = _as_boxes(boxes)
    ny, nx = mask.shape
    inside = clip(boxes, mask.shape)
    low, high = np.floor(inside[:, :2]).astype(int), np.ceil(inside[:, 2:]).astype(int)
    fraction = np.zeros(len(boxes))
    for k, ((x0, y0), (x1, y1)) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        if x1 > x0 and y1 > y0:
            part = mask[y0:y1, x0:x1]
            fraction[k] = np.count_nonzero(part) / part.size
    middle = np.floor((inside[:, :2] + inside[:, 2:]) / 2).astype(int)
    middle = np.clip(middle, 0, [nx - 1, ny - 1])
    return fraction, np.asarray(mask)[middle[:, 1], middle[:, 0]].astype(bool)


def _as_boxes(boxes):
    """Return the boxes as an (N, 4) float array."""
    boxes = np.asarray(boxes)
    if boxes.dtype.kind != "f":
        boxes = boxes.astype(float)
    boxes = boxes.reshape(-1, 4) if boxes.size == 0 else boxes
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        msg = f"boxes must have shape (N, 4), got {boxes.shape}"
        raise ValueError(msg)
    return boxes
