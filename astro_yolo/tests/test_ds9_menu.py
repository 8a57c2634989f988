"""Entries in DS9's Analysis menu: a real DS9 reads them, and they find galaxies."""

import sys
import time

import numpy as np
from astropy.io import fits

from astro_yolo.ds9 import install_menu, uninstall_menu
from astro_yolo.ds9.menu import menu_text

from .ds9_fixture import ds9  # noqa: F401
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


def test_a_file_of_our_own_goes(tmp_path):
    """A file that held nothing else is taken away; the interpreter stands there in full."""
    path = install_menu(tmp_path / ".ds9.ans")
    assert f"{sys.executable} -m astro_yolo ds9 --xpa $xpa_method" in path.read_text()
    assert uninstall_menu(path)
    assert not path.exists()
    assert not uninstall_menu(path)
    assert '"/a b/python" -m' in menu_text("/a b/python")


def wait_for(condition, seconds=30):
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.1)
    return condition()


def test_a_task_finds_galaxies(bridge, tmp_path):  # noqa: F811
    """A menu entry detects in data that are in DS9's memory alone, and draws what it finds."""
    with fits.open(EXAMPLE / "example-r.fits.fz") as hdus:
        bridge.show(hdus)
    bridge.set("analysis clear load", menu_text())
    listed = bridge.get("analysis task").splitlines()
    place = next(line.split()[0] for line in listed if "Find galaxies" in line)
    bridge.set(f"analysis task {place}")
    found = wait_for(lambda: len(bridge.pull()))
    assert found > 10
    bridge.set("analysis clear")


def test_trouble_is_shown_in_ds9(bridge):  # noqa: F811
    """An image without a usable pixel: a window says so, and DS9 answers on."""
    bridge.set("analysis text", "nothing")
    bridge.show(np.full((50, 60), np.nan, np.float32))
    bridge.set("analysis clear load", menu_text())
    listed = bridge.get("analysis task").splitlines()
    place = next(line.split()[0] for line in listed if "Find galaxies" in line)
    bridge.set(f"analysis task {place}")
    assert wait_for(lambda: "astro-yolo: " in tcl(bridge, ".apXPAtxt.text get 1.0 end"), 20)
    assert "must have finite pixels, got none" in tcl(bridge, ".apXPAtxt.text get 1.0 end")
    assert bridge.get("frame")
    bridge.set("analysis clear")
