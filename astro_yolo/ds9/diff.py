"""What somebody changed: detections before, and the regions that are there now."""

import numpy as np
from astropy.table import QTable

from astro_yolo._columns import whole
from astro_yolo.catalog import BOX_COLUMNS, pixel_boxes
from astro_yolo.exceptions import RegionError

__all__ = ["CHANGES", "diff_regions"]

#: Words of the column ``change``; a region that was changed in several ways has several, joined
#: by "+".
CHANGES = ("kept", "moved", "resized", "relabelled", "deleted", "added")


def diff_regions(before, after, *, tolerance=0.1):
    """
    Compare detections with regions that came back.

    Rows belong together by ``id``. A region with no id, with one that was not there before, or
    the farther one of two with the same id (a copy), was added.

    Parameters
    ----------
    before : `~astropy.table.Table`
        Detections that were pushed: ``id``, ``xmin, ymin, xmax, ymax`` (pixels), ``label``.
    after : `~astropy.table.Table`
        Regions that are there now, in pixels of the same image, from
        `~astro_yolo.overlays.read_regions` or a bridge. A circle is compared with the
        circle that such a box is drawn as.
    tolerance : float, optional
        Pixels that a centre or a size may differ before it counts.

    Returns
    -------
    `~astropy.table.QTable`
        The rows of ``before`` in their order, then the added ones: ``id`` (0 for an added
        one), ``change``, ``before`` and ``after`` (row in each table, -1 for none),
        ``xmin, ymin, xmax, ymax`` (now; of a deleted one as it was), ``label``, ``label_before``.

    Raises
    ------
    RegionError
        If a table has no ids or boxes, an id of ``before`` is there twice, or the tolerance is
        not a number from 0 up.

    Examples
    --------
    >>> from astropy.table import Table
    >>> from astro_yolo.ds9 import diff_regions
    >>> names = ["id", "xmin", "ymin", "xmax", "ymax", "label"]
    >>> before = Table(rows=[(1, 0, 0, 9, 9, "spiral"), (2, 20, 0, 29, 9, "merger")], names=names)
    >>> after = Table(rows=[(1, 3, 0, 12, 9, "spiral"), (0, 50, 0, 59, 9, "")], names=names)
    >>> print(diff_regions(before, after)["id", "change"])
     id  change
    --- -------
      1   moved
      2 deleted
      0   added
    """
    if not tolerance >= 0:
        raise RegionError(f"tolerance must be a number from 0 up, got {tolerance}")
    before, after = whole(before, "before"), whole(after, "after")
    old, new = _boxes("before", before), _boxes("after", after)
    ids = _ids(before)
    numbers, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise RegionError(f"before must have every id once, got {numbers[counts > 1][0]} twice")
    partner = _partners(ids, old, _ids(after), new)
    labels = [_labels(before), _labels(after)]
    shapes = after["shape"] if "shape" in after.colnames else np.full(len(after), "")
    rows = []
    for i, j in enumerate(partner):
        if j < 0:
            rows.append((ids[i], "deleted", i, -1, *old[i], labels[0][i], labels[0][i]))
            continue
        label = labels[1][j] or labels[0][i]
        drawn = _circle(old[i]) if shapes[j] == "circle" else old[i]
        words = _changes(drawn, new[j], tolerance)
        words += ["relabelled"] if label != labels[0][i] else []
        box = old[i] if words in ([], ["relabelled"]) else new[j]
        rows.append((ids[i], "+".join(words) or "kept", i, j, *box, label, labels[0][i]))
    others = sorted(set(range(len(after))) - set(partner))
    rows += [(0, "added", -1, j, *new[j], labels[1][j], "") for j in others]
    return _table(rows)


def _table(rows):
    """Return the result, also of no rows."""
    names = ("id", "change", "before", "after", *BOX_COLUMNS, "label", "label_before")
    kinds = (int, str, int, int, float, float, float, float, str, str)
    columns = zip(*rows, strict=True) if rows else [()] * len(names)
    return QTable([np.array(list(c), dtype=k) for c, k in zip(columns, kinds, strict=True)],
                  names=names)


def _ids(table):
    if "id" not in table.colnames:
        raise RegionError(f"a table must have the column id, got {', '.join(table.colnames)}")
    return np.asarray(np.ma.filled(table["id"], 0), dtype=int)  # masked: none


def _boxes(which, table):
    """Return the boxes of a table, (N, 4)."""
    missing = [name for name in BOX_COLUMNS if name not in table.colnames]
    if missing:
        msg = f"{which} must have the columns {', '.join(BOX_COLUMNS)}, {missing} missing"
        raise RegionError(msg)
    return pixel_boxes(table)


def _labels(table):
    """Return labels as text, empty where there are none."""
    if "label" not in table.colnames:
        return [""] * len(table)
    return [str(label) for label in np.ma.filled(table["label"], "")]


def _partners(ids, old, found_ids, new):
    """Return the row of ``after`` of each row before, -1 for none; of copies the nearest."""
    rows = {}
    for j, number in enumerate(found_ids.tolist()):
        rows.setdefault(number, []).append(j)
    partner = []
    for number, box in zip(ids.tolist(), old, strict=True):
        places = rows.get(number, []) if number > 0 else []
        away = [np.abs(new[j] - box).sum() for j in places]
        partner.append(places[int(np.argmin(away))] if places else -1)
    return partner


def _changes(old, new, tolerance):
    """Return the words for how a box changed."""
    (x0, y0), (x1, y1) = ((box[:2] + box[2:]) / 2 for box in (old, new))
    words = ["moved"] if np.hypot(x1 - x0, y1 - y0) > tolerance else []
    size = np.abs((new[2:] - new[:2]) - (old[2:] - old[:2])).max()
    return words + (["resized"] if size > tolerance else [])


def _circle(box):
    """Return the box of the circle that is drawn for a box."""
    middle, half = (box[:2] + box[2:]) / 2, np.sqrt(np.prod(box[2:] - box[:2])) / 2
    return np.concatenate([middle - half, middle + half])
