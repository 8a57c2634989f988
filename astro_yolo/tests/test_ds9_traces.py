"""After the bridge nothing is left: no process, no file, and at no time a port to the network."""

import subprocess
import sys

import pytest

from .ds9_fixture import alone, listening, processes_of, require_backend, wait_for  # noqa: F401

# All that opens something: pictures, images in memory, keys, a task of the menu.
WORK = """
import os, sys
from pathlib import Path
import numpy as np
from astro_yolo.ds9 import launch
from astro_yolo.ds9.menu import menu_text
from astro_yolo.ds9.reviewing import keys_of_ds9
from astro_yolo.tests.test_region_text import example
from astro_yolo.tests.test_ds9_menu import press
with launch(timeout=90, backend=sys.argv[1]) as bridge:
    bridge.show(np.zeros((100, 120), np.float32))
    bridge.push(example(9))
    bridge.diff(example(9))
    bridge.read()
    bridge.screenshot(Path.home() / "shot.png")
    with keys_of_ds9(bridge) as pressed:
        press(bridge, "Key-n")
        while not pressed():
            pass
    bridge.set("analysis clear load", menu_text())
    place = next(x.split()[0] for x in bridge.get("analysis task").splitlines() if "Take" in x)
    bridge.set(f"analysis task {place}")
    while len(bridge.pull()):
        pass
    print("working", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("backend", ["pyds9", "xpa"])
def test_nothing_is_left(alone, backend):  # noqa: F811
    """Bridge, launcher, keys and menu leave nothing but the files that were asked for."""
    require_backend(backend)
    before = set(processes_of(alone))
    command = [sys.executable, "-W", "ignore", "-c", WORK, backend]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as work:
        assert work.stdout.readline() == "working\n"
        wait_for(lambda: "a zombie" not in processes_of(alone).values())
        during = processes_of(alone)
        assert any("-title" in words for words in during.values())
        assert any("xpans" in words for words in during.values())  # DS9 has started it
        assert "a zombie" not in during.values()
        assert {place.partition(".")[0] for place in listening(during)} == {"127"}
    assert work.returncode == 0
    assert wait_for(lambda: set(processes_of(alone)) == before)
    assert list((alone / "tmp").iterdir()) == []
    # XPA's own name server writes a log beside its other files
    left = {path.name for path in alone.iterdir() if not path.name.startswith(("xpans_", ".c"))}
    assert left == {"log", "shot.png", "tmp"}
