"""Judging detections one after the other, so that nothing that was decided is lost.

Every decision is a line in a journal, which is on disk before the next question is asked. What is
decided follows from the journal alone: a review that was cut off goes on where it was.
"""

import hashlib
import json
import os
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
from astropy.table import QTable, vstack

from astro_yolo._columns import floats
from astro_yolo.catalog import (
    BOX_COLUMNS,
    CLASSES,
    LABELS,
    conform,
    make_table,
    pixel_boxes,
    table_wcs,
)
from astro_yolo.exceptions import AstroYoloError

__all__ = ["ORDERS", "STATES", "Review", "ReviewError"]

#: Ways to order detections beside the name of any column: what is least sure comes first.
ORDERS = ("uncertainty", "score", "class")

#: What a detection may be.
STATES = ("open", "confirmed", "deleted", "added")

_OUTCOMES = {"confirm": "confirmed", "delete": "deleted", "add": "added"}
_NOTHING = ("none",)

_PLACES = ("x", "y", "ra", "dec", "width", "height")  # columns that follow from the boxes


class ReviewError(AstroYoloError, ValueError):
    """A review cannot be done as asked for."""


class Review:
    """
    The decisions about a table of detections.

    Parameters
    ----------
    table : `~astropy.table.Table`
        A result table.
    journal : path-like
        File of the decisions, made if it is not there. One of the same table is gone on with.
    order : str, optional
        "uncertainty" (score or class near a draw first), "score" (lowest first),
        "class", or a column (smallest first).

    Raises
    ------
    ReviewError
        If columns are missing, not every row has an id of its own, the order is unknown, or the
        journal is of another table.
    """

    def __init__(self, table, journal, *, order="uncertainty"):
        missing = [name for name in ("id", "label", *BOX_COLUMNS) if name not in table.colnames]
        if missing:
            msg = f"table must have the columns {', '.join(missing)}"
            raise ReviewError(msg)
        self._table, self._path = table, Path(journal)
        self._ids = _ids(table)
        self._order = [self._ids[k] for k in _ordered(table, order)]
        self._rank = {number: k for k, number in enumerate(self._order)}
        self._place = 0
        self._replay(self._open())
        self._to_first_open()

    def _open(self):
        """Read the journal, or begin it."""
        head = {"table": _digest(self._table), "rows": len(self._table)}
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._append(head)
            return []
        raw = self._path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        if len(whole) < len(raw):  # the last line was cut off with the process
            with self._path.open("r+b") as file:
                file.truncate(len(whole))
        try:
            lines = [json.loads(line) for line in whole.decode().splitlines()]
        except ValueError as error:
            msg = f"journal: {self._path} is no journal of a review: {error}"
            raise ReviewError(msg) from error
        if not lines:
            self._append(head)
            return []
        if lines[0] != head:
            msg = f"journal: {self._path} is that of another table; name another file"
            raise ReviewError(msg)
        return lines[1:]

    def _append(self, line):
        """Write a line, down to the disk."""
        with self._path.open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def _replay(self, lines):
        """Find out what holds after the lines of a journal."""
        boxes = pixel_boxes(self._table).tolist()
        rows = zip(self._ids, _labels(self._table), boxes, strict=True)
        self._now = {i: ("open", label, tuple(box)) for i, label, box in rows}
        self._left = len(self._ids)
        self._highest = max([0, *self._ids])
        self._done = []  # decisions, each with what held before: one is as quick as the first
        for line in lines:
            self._apply(line)

    def _apply(self, line):
        if line["do"] == "undo":
            last, before = self._done.pop()
            self._put(last["id"], before)
            return
        number = line["id"]
        before = self._now.get(number)
        self._done.append((line, before))
        _, label, box = before or ("", "", ())
        entry = (_OUTCOMES[line["do"]], line.get("label", label), tuple(line.get("box", box)))
        self._put(number, entry)

    def _put(self, number, entry):
        """Let something hold for a detection; None for one that was never added."""
        self._left -= self._now.get(number, _NOTHING)[0] == "open"
        self._left += (entry or _NOTHING)[0] == "open"
        self._highest = max(self._highest, number)
        if entry is None:
            del self._now[number]
        else:
            self._now[number] = entry

    def _decide(self, line):
        self._append(line)
        self._apply(line)

    @property
    def current(self):
        """Id of the detection that is asked about, or None at the end."""
        return self._order[self._place] if self._place < len(self._order) else None

    @property
    def left(self):
        """Number of detections without a decision."""
        return self._left

    def state(self, number):
        """
        Return what holds for a detection.

        Parameters
        ----------
        number : int
            Its id.

        Returns
        -------
        state : str
            One of `STATES`.
        label : str
            Class.
        box : tuple of float
            xmin, ymin, xmax, ymax.
        """
        return self._now[number]

    def confirm(self, *, box=None, label=None):
        """
        Say that the current detection is right, if need be with another box or class.

        Parameters
        ----------
        box : sequence of float, optional
            xmin, ymin, xmax, ymax in pixels.
        label : str, optional
            Class.

        Raises
        ------
        ReviewError
            If there is no detection left, or the box or class is not valid.
        """
        line = {"do": "confirm", "id": self._asked()}
        if label is not None:
            line["label"] = _known(label)
        if box is not None:
            line["box"] = _checked(box)
        self._decide(line)
        self._to_first_open()

    def delete(self):
        """Say that the current detection is no object."""
        self._decide({"do": "delete", "id": self._asked()})
        self._to_first_open()

    def add(self, box, label="unknown"):
        """
        Add an object that was not detected.

        Parameters
        ----------
        box : sequence of float
            xmin, ymin, xmax, ymax in pixels.
        label : str, optional
            Class.

        Returns
        -------
        int
            Its id, which no other has.
        """
        number = self._highest + 1
        self._decide({"do": "add", "id": number, "label": _known(label), "box": _checked(box)})
        return number

    def skip(self):
        """Leave the current detection for later."""
        if self.current is not None:
            self._place += 1
            self._to_first_open()

    def back(self):
        """Return to the detection before, decided or not."""
        self._place = max(0, self._place - 1)

    def undo(self):
        """
        Take the last decision back.

        Returns
        -------
        dict or None
            What was decided; None if there is nothing to take back.
        """
        if not self._done:
            return None
        last, _ = self._done[-1]
        self._decide({"do": "undo"})
        self._place = self._rank.get(last["id"], self._place)
        return last

    def result(self):
        """
        Return the detections that stand.

        Returns
        -------
        `~astropy.table.QTable`
            As the table, without the deleted and with the added rows, and with ``review``: one of
            `STATES`. Where a box or class was changed, the sky columns follow (NaN where no sky
            coordinates of the image are known); scores and
            probabilities stay what the network said (1 and a draw for added rows).
        """
        kept = [k for k, number in enumerate(self._ids) if self._now[number][0] != "deleted"]
        table = QTable(self._table[kept], copy=True)
        ids = [int(number) for number in table["id"]]
        boxes = np.reshape([self._now[i][2] for i in ids], (-1, 4))
        again = self._made(boxes, [self._now[i][1] for i in ids])
        for name, sides in zip(BOX_COLUMNS, boxes.T, strict=True):
            table[name] = sides
        moved = np.any(boxes != pixel_boxes(self._table[kept]).reshape(-1, 4), axis=1)
        for name in (name for name in ("label", *_PLACES) if name in table.colnames):
            if name in again.colnames:
                table[name] = again[name]
            elif moved.any():  # no WCS says where it is now
                table[name] = np.where(moved, np.nan, floats(table[name])) * (table[name].unit or 1)
        added = [i for i, (state, *_) in self._now.items() if state == "added"]
        if added:
            # the same columns in the same order as a table of detections; the rest is masked
            table = vstack([table, self._added(added)], join_type="outer",
                           metadata_conflicts="silent")  # fmt: skip
        states = [self._now[int(number)][0] for number in table["id"]]
        table["review"] = np.array(states, dtype="U9") if states else np.array([], dtype="U9")
        table.meta = dict(self._table.meta)
        return conform(table)

    def _added(self, numbers):
        """Return the added rows as a table."""
        rows = self._made(np.array([self._now[i][2] for i in numbers]),
                          [self._now[i][1] for i in numbers])  # fmt: skip
        rows["id"] = numbers
        return rows

    def _made(self, edges, labels):
        """Return a table of boxes, in their order."""
        count = len(labels)
        shares = np.full((count, len(CLASSES)), 1 / len(CLASSES))
        return make_table(np.reshape(edges, (-1, 4)) + 0.5, np.ones(count), shares,
                          np.zeros(count), np.zeros(count, int), wcs=table_wcs(self._table),
                          label=labels)  # fmt: skip

    def _asked(self):
        if self.current is None:
            msg = "every detection is decided; undo or back goes to one again"
            raise ReviewError(msg)
        return self.current

    def _to_first_open(self):
        """Go on to the next detection without a decision, at the end to one that was left out."""
        count = len(self._order)
        for place in chain(range(self._place, count), range(self._place)):
            if self._now[self._order[place]][0] == "open":
                self._place = place
                return
        self._place = count


def _ids(table):
    """Return the ids: decisions and regions in DS9 are told apart by nothing else."""
    ids = [int(number) for number in np.ma.filled(table["id"], 0)]
    odd = [number for number, count in Counter(ids).items() if number < 1 or count > 1]
    if odd:
        msg = f"table must have an id above 0 in every row, each once, got {odd[0]} (0: none)"
        raise ReviewError(msg)
    return ids


def _labels(table):
    """Return the classes as text, empty where masked."""
    return [str(label) for label in np.ma.filled(table["label"], "")]


def _ordered(table, order):
    """Return rows in the order of the questions."""
    if order == "class":
        return np.argsort(np.array(_labels(table), dtype=str), kind="stable")
    if order == "uncertainty":
        values = -_doubt(table)
    elif order in table.colnames:
        column = table[order]
        hidden = np.broadcast_to(getattr(column, "mask", False), len(table))  # these come last
        return np.lexsort((np.asarray(getattr(column, "value", column)), hidden))
    else:
        known = ", ".join(sorted({*ORDERS, *table.colnames}))
        msg = f"order must be one of {known}, got {order!r}"
        raise ReviewError(msg)
    return np.argsort(values, kind="stable")


def _doubt(table):
    """Return how near a row is to a draw: whether it is a galaxy, and of which class, 0 to 1."""
    doubt = np.zeros(len(table))
    if "score" in table.colnames:
        doubt = 1 - np.abs(2 * floats(table["score"]) - 1)
    names = [f"p_{name}" for name in CLASSES]
    if set(names) <= set(table.colnames):
        shares = np.sort(np.stack([floats(table[n]) for n in names], axis=1), axis=1)
        doubt = np.maximum(doubt, 1 - (shares[:, -1] - shares[:, -2]))
    return np.nan_to_num(doubt)


def _digest(table):
    """Return a fingerprint of the boxes."""
    boxes = pixel_boxes(table).tolist()
    rows = [[int(number), *(round(side, 2) for side in box)]
            for number, box in zip(table["id"], boxes, strict=True)]  # fmt: skip
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _known(label):
    if label not in LABELS:
        msg = f"label must be one of {', '.join(LABELS)}, got {label!r}"
        raise ReviewError(msg)
    return str(label)


def _checked(box):
    box = [round(float(side), 3) for side in box]
    if len(box) != 4 or not np.all(np.isfinite(box)) or box[0] >= box[2] or box[1] >= box[3]:
        msg = f"box must be xmin, ymin, xmax, ymax with a size above zero, got {box}"
        raise ReviewError(msg)
    return box
