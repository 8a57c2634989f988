"""The label loop in a real DS9: keys judge, regions are drawn, moved and taken over."""

import io
import time

import numpy as np
import pytest

from astro_yolo.config import conf
from astro_yolo.ds9.review import Review
from astro_yolo.ds9.reviewing import ReviewLoop, from_all, keys_of_ds9, keys_of_terminal
from astro_yolo.exceptions import InputWarning

from .ds9_fixture import ds9  # noqa: F401
from .test_ds9_bridge import bridge, edges, sky_image  # noqa: F401
from .test_region_text import example


@pytest.fixture
def table():
    return example(6)


@pytest.fixture
def loop(bridge, table, tmp_path, monkeypatch):  # noqa: F811
    """A review in a frame that has a region of the user's own."""
    monkeypatch.setattr(conf, "cache_dir", str(tmp_path / "a cache"))
    bridge.show(sky_image())
    bridge.set("regions", "image; circle(20,25,5) # text={mine}")
    review = Review(table, tmp_path / "journal", order="id")
    said = []
    made = ReviewLoop(bridge, review, say=said.append)
    made.review, made.said, made.bridge = review, said, bridge
    return made


def test_keys_judge(loop, table):
    """Right, deleted, another class, later, back, undo: each key does what it says."""
    other = "merger" if table["label"][2] != "merger" else "spiral"
    number = 1 + ["elliptical", "spiral", "edge_on", "merger", "unknown", "star"].index(other)
    finished = loop.run(["y", "n", str(number), "s", "?", "b", "u", "y", "q"])
    assert not finished
    assert [loop.review.state(k)[0] for k in (1, 2, 3)] == ["confirmed", "deleted", "confirmed"]
    assert any("keys: y right" in line for line in loop.said)
    found = loop.bridge.pull()
    assert 2 not in found["id"]
    assert found["text"][~found["ours"]].tolist() == ["mine"]


def test_what_is_dragged_is_kept(loop, table):
    """A region that was moved in DS9, or whose text has another class, is confirmed like that."""
    lines = loop.bridge.get("regions -format ds9 -system image -strip no").splitlines()
    line = next(line for line in lines if "ay-id=1}" in line)
    loop.bridge.remove([1])
    label = "merger" if table["label"][0] != "merger" else "spiral"
    line = line.replace(f"text={{1 {table['label'][0]}", f"text={{1 {label}")
    loop.bridge.set("regions", "\n".join(["image", "box(60,50,22,18,0)" + line[line.index(" #"):]]))
    loop.run(["y", "q"])
    state, now, box = loop.review.state(1)
    assert (state, now) == ("confirmed", label)
    np.testing.assert_allclose(box, [48, 40, 70, 58], atol=1e-3)
    np.testing.assert_allclose(edges(loop.bridge.pull()[loop.bridge.pull()["id"] == 1])[0], box,
                               atol=1e-2)  # fmt: skip


def test_what_is_drawn_is_added(loop):
    """Drawn regions become objects; the user's own one from before does not, and stays."""
    loop.run(["a", "q"])
    assert any("no region was drawn" in line for line in loop.said)
    loop.bridge.set("regions", "image; box(70,60,11,13,0) # color=red")
    loop.bridge.set("regions", "image; circle(50,50,0)\nimage; -circle(60,50,5)")  # no objects
    loop.run(["a", "q"])
    found = loop.review.result()
    assert found["review"].tolist().count("added") == 1
    np.testing.assert_allclose(edges(found)[-1], [63.5, 52.5, 74.5, 65.5], atol=1e-3)
    shown = loop.bridge.pull()
    assert sorted(shown["id"].tolist()) == [0, 0, 0, 1, 2, 3, 4, 5, 6, 7]
    assert shown["text"][~shown["ours"]].tolist() == ["mine", "", ""]
    loop.run(["u", "q"])
    assert sorted(loop.bridge.pull()["id"].tolist()) == [0, 0, 0, 1, 2, 3, 4, 5, 6]


def test_keys_pressed_in_ds9(loop):
    """A key pressed over the image arrives; typed words do too, and the end of input stops."""
    with keys_of_ds9(loop.bridge) as pressed:
        for event in ("Motion> -x 200 -y 150 -warp 1", "Motion> -x 210 -y 160",
                      "Key-n> -x 210 -y 160"):  # fmt: skip
            loop.bridge.set("tcl {focus -force $ds9(canvas)}")
            loop.bridge.set(f"tcl {{event generate $ds9(canvas) <{event}}}")
            time.sleep(0.2)
        keys, end = [], time.monotonic() + 15
        while not keys and time.monotonic() < end:
            keys = pressed()
            time.sleep(0.05)
        assert keys == ["n"]
        assert pressed() == []
    loop.bridge.set("analysis clear")
    typed = keys_of_terminal(io.StringIO("y n\n3\n"))
    assert loop.run(from_all([typed], loop.bridge)) is False
    assert [loop.review.state(k)[0] for k in (1, 2, 3, 4)] == [
        "confirmed", "deleted", "confirmed", "open"]  # fmt: skip


def test_to_the_end(loop):
    """When all is decided the loop says so."""
    assert loop.run("yyyyyyq")
    assert any("every detection is decided" in line for line in loop.said)


def test_other_shapes_of_the_user_stay(loop):
    """Adding what was drawn leaves lines, points and annuli, which are no objects, in DS9."""
    for words in ("line(10,10,40,40)", "point(15,15)", "annulus(50,50,5,9)", "box(70,60,11,13,0)"):
        loop.bridge.set("regions", f"image; {words}")
    with pytest.warns(InputWarning, match="left out"):
        loop.press("a")
    assert loop.review.result()["review"].tolist().count("added") == 1
    there = loop.bridge.region_text()
    assert all(f"\n{kind}(" in there for kind in ("line", "point", "annulus"))


def test_a_row_without_a_place(loop, table, tmp_path):
    """A detection whose box is not known is asked about like any other."""
    table["xmin"][0] = np.nan
    with pytest.warns(InputWarning, match="no finite region"):
        made = ReviewLoop(loop.bridge, Review(table, tmp_path / "other", order="id"), say=print)
    made.run(["n", "q"])
    assert made._review.state(1)[0] == "deleted"
    assert made._review.current == 2


def test_texts_with_braces_stay(loop):
    """Regions whose text DS9 writes in a way that it cannot read itself outlast an addition."""
    for place, words in ((30, '"it {has} some"'), (40, '"un } balanced"'), (50, "'a \"{\" b'")):
        loop.bridge.set("regions", f"image; circle({place},25,5) # text={words} color=red")
    theirs = [line for line in loop._lines() if "tag" not in line]
    loop._theirs.update(theirs)
    loop.bridge.set("regions", "image; box(70,60,11,13,0)")
    loop.press("a")
    assert len(theirs) == 4
    assert [line for line in loop._lines() if "tag" not in line] == theirs
    assert loop.bridge.pull()["text"][1:4].tolist() == ["it {has} some", "un } balanced", 'a "{" b']


def test_what_cannot_be_sent_back_is_said(loop):
    """A line that DS9 refuses costs no other region, and is named."""
    loop.bridge.set("regions", "image; circle(40,25,5) # text={second}")
    text = loop.bridge.region_text()
    bad = "circle(30,25,5) # text=}{"
    loop._send_back([*text.splitlines()[:3], bad, *text.splitlines()[3:]])
    assert loop.bridge.region_text() == text
    assert any("lost a region" in line and bad[:16] in line for line in loop.said)
