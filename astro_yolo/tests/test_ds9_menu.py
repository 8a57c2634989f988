"""Entries in DS9's Analysis menu: a real DS9 reads them, and they find galaxies."""

import sys
import time

import numpy as np
from astropy.io import fits

from astro_yolo.catalog import read_table
from astro_yolo.ds9 import install_menu, launch, uninstall_menu
from astro_yolo.ds9.menu import menu_text

from .ds9_fixture import alone, ds9, processes_of, wait_for  # noqa: F401
from .test_ds9_bridge import EXAMPLE, bridge, tcl  # noqa: F401

OWN = "# mine\nCount\n*\nmenu\nwc $filename | $text\n"


def test_install_twice_and_uninstall(tmp_path):
    """Once is as good as twice; what else is in the file stays; ours goes again."""
    path = tmp_path / ".ds9.ans"
    path.write_text(OWN)
    assert install_menu(path) == path
    once = path.read_text()
    install_menu(path)
    assert path.read_text() == once
    assert once.startswith(OWN)
    assert once.count("hmenu astro-yolo") == 1
    assert uninstall_menu(path)
    assert path.read_text() == OWN
    assert not uninstall_menu(path)


def test_a_file_that_is_not_utf8(tmp_path):
    """Latin-1, lines that end as on Windows, and a last line without an end stay as they are."""
    path = tmp_path / ".ds9.ans"
    own = b"# Z\xe4hlen\r\nCount\r\n*\r\nmenu\r\nwc $filename | $text\x85\r\n# \xff\xfe\x0c end\n"
    for mine in (own, own[:-1]):
        path.write_bytes(mine)
        install_menu(path)
        install_menu(path)
        assert path.read_bytes() == own + menu_text().encode()
        assert uninstall_menu(path)
        assert path.read_bytes() == own
        assert not uninstall_menu(path)


def test_a_file_of_our_own_goes(tmp_path):
    """A file that held nothing else is taken away; the interpreter stands there in full."""
    path = install_menu(tmp_path / ".ds9.ans")
    assert f"{sys.executable} -P -W ignore -m astro_yolo ds9 " in path.read_text()
    assert uninstall_menu(path)
    assert not path.exists()
    assert not uninstall_menu(path)
    assert '"/a b/python" -P' in menu_text("/a b/python")


def start(bridge, name):  # noqa: F811
    """Choose an entry of the menu, as a click does, when it is not at work any more."""
    listed = bridge.get("analysis task").splitlines()
    place = next(line.split()[0] for line in listed if name in line)
    assert wait_for(lambda: tcl(bridge, f"info exists ianalysis(menu,{place},pid)") == "0", 90)
    bridge.set("tcl", f"after 1 {{AnalysisTask {place} menu}}")
    # an error of XPA's, by which it comes, is one short line
    text = f"[string range [.atmenu{place}txt.text get 1.0 end] end-250 end]"
    return f"join [split {text} [format %c 10]]"


def said(bridge, window, text):  # noqa: F811
    """Wait until a window of DS9 shows a text."""
    return wait_for(lambda: text in tcl(bridge, window), 90)


def answer(bridge, text):  # noqa: F811
    """Type something into the dialog that an entry opens, and press OK."""
    assert wait_for(lambda: ".entry " in tcl(bridge, "winfo children ."))
    bridge.set("tcl", f"set ed(text) {{{text}}}")
    # DS9 forgets an answer that comes before it waits for one
    ok = "if {[winfo exists .entry]} {set ed(ok) 1}"
    assert wait_for(lambda: bridge.set("tcl", ok) or tcl(bridge, "winfo exists .entry") == "0")


def clear(bridge):  # noqa: F811
    """Take the menu away when its tasks have ended: one that it loses sight of never does."""
    assert wait_for(lambda: tcl(bridge, "array names ianalysis menu,*,pid") == "", 90)
    bridge.set("analysis clear")


def test_a_task_finds_galaxies(bridge, tmp_path):  # noqa: F811
    """A menu entry detects in data that are in DS9's memory alone, and draws what it finds."""
    with fits.open(EXAMPLE / "example-r.fits.fz") as hdus:
        bridge.show(hdus)
    bridge.set("analysis clear load", menu_text())
    start(bridge, "Find galaxies")
    assert wait_for(lambda: len(bridge.pull()), 90) > 10
    clear(bridge)


def test_trouble_is_shown_in_ds9(bridge):  # noqa: F811
    """An image without a usable pixel: a window says so, and DS9 answers on."""
    bridge.show(np.full((50, 60), np.nan, np.float32))
    bridge.set("analysis clear load", menu_text())
    window = start(bridge, "Find galaxies")
    assert said(bridge, window, "astro-yolo: ")
    assert "must have finite pixels, got none" in tcl(bridge, window)
    assert bridge.get("frame")
    clear(bridge)


def test_an_installed_menu(alone):  # noqa: F811
    """A DS9 that is started afterwards has the entries: key, table, catalogue, take away."""
    install_menu()
    install_menu()
    with launch(timeout=90, backend="xpa") as bridge:  # noqa: F811
        listed = bridge.get("analysis task")
        assert [listed.count(name) for name in ("Save the regions", "Match", "Take")] == [1, 1, 1]
        with fits.open(EXAMPLE / "example-r.fits.fz") as hdus:
            bridge.show(hdus)
        press(bridge, "Control-Key-g")
        found = wait_for(lambda: len(bridge.pull()), 90)
        path = alone / "a table.ecsv"
        window = start(bridge, "Save the regions")
        answer(bridge, "~/a table.ecsv")
        assert said(bridge, window, f"{found} regions written to {path}")
        assert len(read_table(path)) == found
        window = start(bridge, "Match")
        answer(bridge, path)
        assert said(bridge, window, f"{found} of {found} regions have a partner within 2 arcsec")
        for text, complaint in (("/no/such.fits", "astro-yolo: "), ("", "got nothing")):
            start(bridge, "Match")
            answer(bridge, text)
            assert said(bridge, window, complaint)
        start(bridge, "Take the regions away")
        assert wait_for(lambda: not len(bridge.pull()), 90)
        assert wait_for(lambda: "a zombie" not in processes_of(alone).values())
    assert uninstall_menu()
    assert not (alone / ".ds9.ans").exists()


def press(bridge, key):  # noqa: F811
    """Press a key while the mouse is over the image."""
    for event in ("Motion> -x 200 -y 150 -warp 1", "Motion> -x 210 -y 160",
                  f"{key}> -x 210 -y 160"):  # fmt: skip
        bridge.set("tcl", f"focus -force $ds9(canvas); event generate $ds9(canvas) <{event}")
        time.sleep(0.2)
