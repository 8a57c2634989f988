"""A person at work in DS9, with mouse and keyboard: what was done comes back, and nothing else."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from astro_yolo import detect
from astro_yolo.catalog import pixel_boxes
from astro_yolo.ds9 import launch

from .ds9_fixture import alone  # noqa: F401
from .test_ds9_bridge import EXAMPLE, tcl

FRAMES = "sas/dr17/eboss/photoObj/frames/301/94/1/frame-{}-000094-1-0012.fits.bz2"
ZOOM = 4
NEAR = "$current(frame) get coordinates 400 250 image"
PRESSED = 256  # Tk's state of the first button


class Hand:
    """Mouse and keys over the image of a DS9; places are 0-based pixels.

    The events are those that Tk makes of the real ones, with times of their own: however slow the
    machine is, two clicks are a double one only if they are meant to be.
    """

    def __init__(self, bridge):
        self._bridge, self._now = bridge, 0
        bridge.set("mode region")

    def look_at(self, x, y):
        """Bring a place to the middle, and find out where the window has it."""
        self._bridge.pan_to(x, y, zoom=ZOOM)
        self._bridge.set("tcl", "update")  # it draws when it has the time
        # DS9 knows no places beyond the image; this one is near the middle
        x, y = (float(v) for v in tcl(self._bridge, NEAR).split())
        self._corner = x - 1 - 400 / ZOOM, y - 1 + 250 / ZOOM

    def _at(self, x, y):
        return round((x - self._corner[0]) * ZOOM), round((self._corner[1] - y) * ZOOM)

    def _event(self, name, place, *, later=1000, state=0):
        self._now += later
        where = f"-x {place[0]} -y {place[1]} -time {self._now} -state {state}"
        focus = "focus -force $ds9(canvas);" if "Key" in name else ""
        self._bridge.set("tcl", f"{focus} event generate $ds9(canvas) <{name}> {where}; update")

    def click(self, x, y, *, times=1):
        """Press and release the button."""
        place = self._at(x, y)
        self._event("Motion", place)
        for k in range(times):
            self._event("ButtonPress-1", place, later=50 if k else 1000)
            self._event("ButtonRelease-1", place, later=50, state=PRESSED)
        return place

    def drag(self, x, y, dx, dy):
        """Press the button at a place and let it go (dx, dy) image pixels further on.

        Returns the place of the middle of the screen pixel where it was pressed.
        """
        start = self._at(x, y)
        self._event("Motion", start)
        self._event("ButtonPress-1", start)
        for part in (0.3, 0.7, 1):
            place = round(start[0] + part * dx * ZOOM), round(start[1] - part * dy * ZOOM)
            self._event("Motion", place, later=50, state=PRESSED)
        self._event("ButtonRelease-1", place, later=50, state=PRESSED)
        return self._corner[0] + start[0] / ZOOM, self._corner[1] - start[1] / ZOOM

    def delete(self, x, y):
        """Click on a region and press Delete."""
        self._event("Key-Delete", self.click(x, y))

    def write(self, x, y, text):
        """Double-click on a region, and write another text into the window that opens."""
        self.click(x, y, times=2)
        (window,) = (name for name in tcl(self._bridge, "winfo children .").split()
                     if name.startswith(".mkr") and not name.endswith("mb"))  # fmt: skip
        entry = f"{window}.param.text"
        self._bridge.set("tcl", f"{entry} delete 0 end; {entry} insert end {{{text}}}")
        self._bridge.set("tcl", f"{window}.buttons.apply invoke; {window}.buttons.close invoke")


@pytest.fixture(params=["example", "94-1-12"])
def bands(request):
    """Paths of g, r and i of a real field: the one that is shipped, and a whole SDSS frame."""
    if request.param == "example":
        return [EXAMPLE / f"example-{band}.fits.fz" for band in "gri"]
    folder = request.getfixturevalue("shared_data")
    return [folder / FRAMES.format(band) for band in "gri"]


def lonely(boxes, shape, apart=30):
    """Return rows of boxes that are large enough to be hit, and have no other one near."""
    middle, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    away = np.abs(middle[:, None] - middle[None]).max(axis=-1) + np.diag([np.inf] * len(boxes))
    inside = np.minimum(middle, np.subtract(shape[::-1], middle)).min(axis=1) > apart
    return np.flatnonzero(
        (away.min(axis=1) > apart) & inside & (size.min(axis=1) > 7) & (size.max(axis=1) < 30)
    )


def empty_place(boxes, shape, apart=25):
    """Return the first place of a grid that is far from every box."""
    for y in range(apart, shape[0] - apart, 10):
        for x in range(apart, shape[1] - apart, 10):
            low, high = boxes[:, :2] - apart, boxes[:, 2:] + apart
            if not ((low < (x, y)) & ((x, y) < high)).all(axis=1).any():
                return x, y
    pytest.fail("no empty place in the field")


def test_what_a_hand_did_comes_back(alone, bands):  # noqa: F811
    """In a real field regions are dragged, deleted, relabelled or drawn: exactly those."""
    table = detect(bands)
    boxes = pixel_boxes(table)
    with launch(timeout=90, backend="xpa", options=["-geometry", "1000x900+0+0"]) as bridge:
        bridge.show(bands[1])
        shape = bridge.read()[0].shape
        bridge.push(table, shape="box")
        bridge.set("regions shape box")
        moved, deleted, renamed = lonely(boxes, shape)[:3]
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        label = "merger" if table["label"][renamed] != "merger" else "spiral"
        hand = Hand(bridge)
        hand.look_at(*middle[moved])
        hand.drag(*middle[moved], 10, -6)
        hand.look_at(*middle[deleted])
        hand.delete(*middle[deleted])
        hand.look_at(*middle[renamed])
        hand.write(*middle[renamed], f"{table['id'][renamed]} {label}")
        hand.look_at(*empty_place(boxes, shape))
        bridge.set("regions select none")
        x, y = hand.drag(*empty_place(boxes, shape), 16, 12)
        change = bridge.diff(table)
    done = {moved: "moved", deleted: "deleted", renamed: "relabelled"}
    assert change["change"].tolist() == [done.get(k, "kept") for k in range(len(table))] + ["added"]
    now = pixel_boxes(change)
    same = [k for k in range(len(table)) if k != moved]
    assert_allclose(now[same], boxes[same], atol=1e-3)
    assert_allclose(now[moved], boxes[moved] + [10, -6, 10, -6], atol=1e-3)
    assert_allclose(now[-1], [x, y, x + 16, y + 12], atol=1e-3)
    assert change["label"][renamed] == label
