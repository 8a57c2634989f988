"""The label loop: detections one after the other in the middle of a DS9, one key each."""

import queue
import re
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from astropy.table import Table

from astro_yolo.catalog import BOX_COLUMNS, CLASSES, pixel_boxes
from astro_yolo.ds9._display import GONE
from astro_yolo.exceptions import DS9Error
from astro_yolo.region_parser import parse_regions

__all__ = ["KEYS", "ReviewLoop", "from_all", "keys_of_ds9", "keys_of_terminal"]

#: What each key does, in DS9 and, followed by Enter, in the terminal.
KEYS = {
    "y": "right: keep it as it is drawn now (moved, resized or with another class in its text)",
    "n": "no object: delete it",
    **{str(k): f"{name}" for k, name in enumerate((*CLASSES, "star"), 1)},
    "a": "add the regions that were drawn",
    "s": "leave it for later",
    "b": "back",
    "u": "undo",
    "q": "stop; the review goes on here the next time",
}

# Not by an analysis file: DS9 starts a process for each key then, and never takes its end note.
# Tk takes a bare digit for a mouse button, hence Key-.
_BIND = """
set astro_yolo(frame) $current(frame)
set astro_yolo(mode) $current(mode)
set current(mode) region
foreach key {{{keys}}} {{
    set astro_yolo(key,$key) [$ds9(canvas) bind $current(frame) <Key-$key>]
    $ds9(canvas) bind $current(frame) <Key-$key> [format {{
        catch {{set ::astro_yolo(file) [open {{{events}}} {{WRONLY APPEND}}]}}
        catch {{puts $::astro_yolo(file) %s}}
        catch {{close $::astro_yolo(file)}}
    }} $key]
}}
"""
_RELEASE = """
set current(mode) $astro_yolo(mode)
foreach name [array names astro_yolo key,*] {
    set key [lindex [split $name ,] 1]
    catch {$ds9(canvas) bind $astro_yolo(frame) <Key-$key> $astro_yolo($name)}
}
unset astro_yolo
"""

_POLL = 0.05  # seconds
_TOLERANCE = 0.1  # pixels from which a box was moved
_OURS = "tag={astro_yolo}"
_TEXT = re.compile(r"text=\{(.*?)\}(?=\s*$|\s+(?:\w+=|background|source))")
_REGION = re.compile(r"[+-]?[a-z]+\(")
_ROOM = 12  # widths of a box that are shown around it


def _is_object(line):
    """Say whether a region of DS9 may stand for an object: it has a size, and is not excluded."""
    found = parse_regions(f"image\n{line}")
    if not len(found) or not found["included"][0]:
        return False
    x0, y0, x1, y1 = pixel_boxes(found)[0]
    return bool(0 < x1 - x0 < np.inf and 0 < y1 - y0 < np.inf)


class ReviewLoop:
    """
    Ask about detections in a DS9 that shows their image.

    Parameters
    ----------
    bridge : DS9Bridge
        The connection; the current frame must show the image.
    review : Review
        The decisions.
    say : callable, optional
        Called with each line for the person.
    """

    def __init__(self, bridge, review, *, say=print):
        self._bridge, self._review, self._say = bridge, review, say
        bridge.set("block to 1")  # a review is about single pixels
        self._frame = int(bridge.get("frame"))
        self._theirs = set(self._lines())  # regions that were there before: nobody drew them now
        self._draw()

    def run(self, keys):
        """
        Obey keys until all is decided, "q", or the end of the keys.

        Parameters
        ----------
        keys : iterable of str
            Keys of `KEYS`; others are explained.

        Returns
        -------
        bool
            Whether every detection is decided.
        """
        self.ask()
        for key in keys:
            if key == "q":
                break
            self.press(key)
            if self._review.current is None:
                self._say("every detection is decided (u takes the last decision back, q ends)")
        return self._review.left == 0

    def ask(self):
        """Bring the detection that is asked about to the middle."""
        number = self._review.current
        if number is None:
            return
        _, label, box = self._review.state(number)
        if np.isfinite(box).all():  # else it has no place
            side = max(box[2] - box[0], box[3] - box[1], 4)
            zoom = min(8.0, 600 / (_ROOM * side))
            self._bridge.pan_to((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, zoom=zoom)
        self._bridge.select([number], frame=self._frame)
        self._say(f"{number} {label}: {self._review.left} left [y n 1-6 a s b u q]")

    def press(self, key):
        """
        Do what a key stands for.

        Parameters
        ----------
        key : str
            One of `KEYS`.
        """
        number = self._review.current
        if key in ("a", "b", "s", "u"):
            {"a": self._add, "b": self._review.back, "s": self._review.skip,
             "u": self._undo}[key]()  # fmt: skip
        elif key not in KEYS:
            self._say("keys: " + "; ".join(f"{k} {text}" for k, text in KEYS.items()))
            return
        elif number is None:
            return
        elif key == "n":
            self._review.delete()
            self._redraw(number)
        else:
            label = None if key == "y" else (*CLASSES, "star")[int(key) - 1]
            self._confirm(number, label)
        self.ask()

    def _confirm(self, number, label):
        """Keep a detection with the box and class that it has in DS9."""
        tag = f"tag={{ay-id={number}}}"
        found = parse_regions("\n".join(["image", *(x for x in self._lines() if tag in x)]))
        _, old_label, old_box = self._review.state(number)
        box = pixel_boxes(found[0]) if len(found) else old_box
        label = label or (str(found["label"][0]) if len(found) else "") or old_label
        moved = np.abs(np.subtract(box, old_box)).max() > _TOLERANCE
        self._review.confirm(
            box=box if moved else None, label=label if label != old_label else None
        )
        self._redraw(number)

    def _add(self):
        """Take over the regions that were drawn by hand."""
        lines = self._lines()
        drawn = [line for line in lines if line not in self._theirs and _OURS not in line]
        # lines, points and the like are no objects, and stay where they are
        drawn = [line for line in drawn if _is_object(line)]
        found = parse_regions("\n".join(["image", *drawn]))
        if not len(found):
            self._say("no region was drawn: drag one with the mouse, then press a")
            return
        numbers = [self._review.add(pixel_boxes(row), str(row["label"]) or "unknown")
                   for row in found]  # fmt: skip
        # DS9 cannot delete a region without a tag: all others are sent back as DS9 wrote them
        rest = [line for line in self._bridge.region_text().splitlines() if line not in drawn]
        self._send_back(rest)
        self._draw()
        self._say(f"added {', '.join(map(str, numbers))}")

    def _send_back(self, lines):
        """Replace all regions by lines that DS9 wrote; say which it cannot read itself."""
        lines = [_TEXT.sub(_quoted, line) for line in lines]
        self._bridge.set("regions delete all")
        try:
            self._bridge.set("regions", "\n".join([*lines, ""]))
        except GONE:
            raise
        except DS9Error:  # it took the lines before the one that it refused
            self._bridge.set("regions delete all")
            for line in lines:
                try:
                    self._bridge.set("regions", f"image\n{line}\n")
                except DS9Error as error:
                    self._say(f"DS9 lost a region: {error}: {line}")

    def _undo(self):
        last = self._review.undo()
        if last is None:
            self._say("nothing to undo")
            return
        self._draw()
        self._say(f"taken back: {last['do']} {last['id']}")

    def _lines(self):
        """Return the regions that DS9 shows now, a line each."""
        return [line for line in self._bridge.region_text().splitlines() if _REGION.match(line)]

    def _redraw(self, number):
        """Draw one detection as it stands now."""
        state, label, box = self._review.state(number)
        self._bridge.remove([number], frame=self._frame)
        if state != "deleted":
            row = (number, label, *box)
            self._push(Table(rows=[row], names=("id", "label", *BOX_COLUMNS)), replace=False)

    def _draw(self):
        """Draw all detections as they stand now; what is drawn by hand stays."""
        self._push(self._review.result(), replace=True)

    def _push(self, table, *, replace):
        self._bridge.push(table, shape="box", frame=self._frame, coords="image",
                          text="{id} {label}", replace=replace)  # fmt: skip


def _quoted(match):
    """Return a text in quotes if it holds braces: DS9 writes it in braces, and cannot read it."""
    words = match[1]
    mark = "'" if '"' in words else '"'
    return f"text={mark}{words}{mark}" if set(words) & set("{}") else match[0]


@contextmanager
def keys_of_ds9(bridge):
    """
    Give the keys that are pressed over the image in DS9, and let the mouse edit regions.

    Afterwards the keys and the mouse do what they did before.

    Parameters
    ----------
    bridge : DS9Bridge
        The connection.

    Yields
    ------
    callable
        Returns the keys that were pressed since the last call.
    """
    with tempfile.TemporaryDirectory(prefix="astro-yolo-") as folder:
        events = Path(folder) / "keys"
        events.touch()
        bridge.set("tcl", _BIND.format(keys=" ".join(KEYS), events=events))
        done = 0

        def pressed():
            nonlocal done
            text = events.read_text()
            new, done = text[done:].split(), len(text)
            return new

        try:
            yield pressed
        finally:
            with suppress(DS9Error):  # it may have gone
                bridge.set("tcl", _RELEASE)


def keys_of_terminal(stream=None):
    """
    Give the words that are typed, a line or more at a time, without waiting for them.

    Parameters
    ----------
    stream : file, optional
        By default standard input.

    Returns
    -------
    callable
        Returns the words since the last call; "q" at the end of the stream.
    """
    words = queue.SimpleQueue()

    def read():
        for line in stream or sys.stdin:
            for word in line.split():
                words.put(word)
        words.put("q")

    threading.Thread(target=read, daemon=True).start()

    def typed():
        found = []
        while not words.empty():
            found.append(words.get())
        return found

    return typed


def from_all(sources, bridge):
    """
    Give keys from several sources as they come, until DS9 goes.

    Parameters
    ----------
    sources : sequence of callable
        Each returns the keys since its last call.
    bridge : DS9Bridge
        The connection.

    Yields
    ------
    str
        A key.
    """
    last = time.monotonic()
    while True:
        keys = [key for source in sources for key in source()]
        yield from keys
        if not keys:
            time.sleep(_POLL)
        if time.monotonic() - last > 2:
            last = time.monotonic()
            try:
                bridge.get("version")
            except DS9Error:
                return
