"""What goes wrong with a DS9 is told within the time-out, in words that say what to do.

Each case runs in a process of its own: the time-outs of the XPA library hold for a whole process.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits

from astro_yolo.catalog import make_table
from astro_yolo.ds9 import DS9Bridge, launch
from astro_yolo.exceptions import DS9Error, DS9NotFoundError, DS9TimeoutError
from astro_yolo.image import read_image

from .ds9_fixture import alone, ds9, processes_of, require_backend, wait_for  # noqa: F401
from .test_ds9_bridge import bridge, edges, sky_image  # noqa: F401
from .test_region_text import example
from .wcs_cases import CASES, make_wcs

TIMEOUT = 1
SLACK = 3  # seconds for a process to be found and to end, on a machine that is busy

# Does what it is told, a line at a time, and says how that ended.
WORKER = """
import json, sys, time
from astro_yolo.ds9 import DS9Bridge
from astro_yolo.exceptions import AstroYoloError
from astro_yolo.tests.test_region_text import example
table = example(3)
for line in sys.stdin:
    start = time.monotonic()
    try:
        exec(line)
        ended = ["fine", ""]
    except AstroYoloError as error:
        ended = [type(error).__name__, str(error)]
    print(json.dumps([*ended, time.monotonic() - start]), flush=True)
"""


@pytest.fixture(params=["pyds9", "xpa"])
def tell(request):
    """Tell a process what to do with a bridge of a short time-out; return how that ended."""
    require_backend(request.param)
    # pyds9 leaves the time-outs of this process's first bridge in the environment
    environment = {name: value for name, value in os.environ.items() if "_TIMEOUT" not in name}
    worker = subprocess.Popen([sys.executable, "-W", "ignore", "-c", WORKER], text=True,
                              env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def told(words):
        worker.stdin.write(f"{words}\n")
        worker.stdin.flush()
        return json.loads(worker.stdout.readline())

    told.connect = f"bridge = DS9Bridge({{!r}}, backend={request.param!r}, timeout={TIMEOUT})"
    with worker:
        yield told
        worker.stdin.close()


def test_none_runs(alone, tell):  # noqa: F811
    """Without any DS9 that is said at once, and none is started, nor a name server."""
    name, words, seconds = tell(tell.connect.format(None))
    assert (name, seconds < TIMEOUT + SLACK) == ("DS9NotFoundError", True)
    assert "no DS9 is running that XPA knows. Start one (ds9 &)" in words
    assert all("xpans" not in it and "ds9" not in it for it in own_programs(alone))


def own_programs(home):
    """Return the commands of DS9, its shell and name servers on a private screen."""
    return [words for words in processes_of(home).values() if "python" not in words]


CALLS = ("bridge.get('version')", "bridge.set('zoom to 1')", "bridge.pull()", "bridge.push(table)",
         "bridge.push(table, frame=1)", "bridge.diff(table)", "bridge.read()")  # fmt: skip


@pytest.fixture
def own(alone, tell):  # noqa: F811
    """A DS9 that shows an image, and a connection to it in the other process."""
    with launch(timeout=90, backend="xpa") as connection:
        connection.show(np.zeros((40, 50), np.float32))
        assert tell(tell.connect.format(connection.title))[0] == "fine"
        (connection.pid,) = (pid for pid, words in processes_of(alone).items() if "-title" in words)
        yield connection


def test_one_that_is_stopped(own, tell):
    """One that does not answer: every call ends within the time-out; later it works on."""
    os.kill(own.pid, signal.SIGSTOP)
    try:
        for call in (*CALLS, tell.connect.format(own.title)):
            name, words, seconds = tell(call)
            assert (name, call, seconds < TIMEOUT + SLACK) == ("DS9TimeoutError", call, True)
            assert f"within {TIMEOUT} s: is it busy, stopped, or is a dialog open in it?" in words
    finally:
        os.kill(own.pid, signal.SIGCONT)
    # first it does all that it was told meanwhile
    assert wait_for(lambda: tell(CALLS[0])[0] == "fine")
    assert [tell(call)[0] for call in CALLS] == ["fine"] * len(CALLS)


def test_one_that_is_killed(own, tell):
    """One that goes, even in the middle of a call, is named as such by every call."""
    os.kill(own.pid, signal.SIGSTOP)
    killer = subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -9 {own.pid}"])
    name, words, seconds = tell(CALLS[0])
    assert name in ("DS9NotFoundError", "DS9TimeoutError")
    assert seconds < TIMEOUT + SLACK
    killer.wait()
    for call in CALLS:
        name, words, seconds = tell(call)
        assert (name, call, seconds < TIMEOUT + SLACK) == ("DS9NotFoundError", call, True)
        assert "DS9 has gone" in words
    assert "no DS9" in tell(tell.connect.format(own.title))[1]


def test_a_dialog_is_open(own, tell):
    """A command that opens a dialog, and all calls until it is answered, end in time."""
    for call in ("bridge.set('analysis message {hello}')", *CALLS[:2]):
        name, words, seconds = tell(call)
        assert (name, call, seconds < TIMEOUT + SLACK) == ("DS9TimeoutError", call, True)
        assert "is a dialog open in it?" in words


def test_no_screen(alone, monkeypatch):  # noqa: F811
    """A screen that is not there: DS9 ends, and that is said."""
    monkeypatch.setenv("DISPLAY", ":987")
    with pytest.raises(DS9NotFoundError, match="DS9 ended at once"), launch():
        pass


def test_no_name_server(alone, monkeypatch, tmp_path):  # noqa: F811
    """Without the program xpans DS9 cannot be reached; that is said, and DS9 is ended."""
    for name in ("ds9", "wish", "xpaget", "xpaset", "sh", "env"):
        (tmp_path / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(DS9TimeoutError, match=r"XPA does not list it.*xpans must be on PATH"),
        launch(backend="xpa", timeout=1),
    ):
        pass
    # what DS9 forks to look for xpans bears DS9's own command until it ends
    assert wait_for(lambda: all("-title" not in words for words in own_programs(alone)))


@pytest.mark.parametrize("step", [0, 1])
def test_a_port_that_is_taken(alone, step):  # noqa: F811
    """Where another program holds a port of the name server that is named as a possible cause."""
    host, port = os.environ["XPA_NSINET"].split(":")
    with socket.create_server((host, int(port) + step)), \
            pytest.raises(DS9TimeoutError, match="no other program may hold its ports"), \
            launch(backend="xpa", timeout=1):  # fmt: skip
        pass


def test_a_list_that_ds9_reads_in_part(bridge):  # noqa: F811
    """DS9 stops at a bad number without a word: what it took goes again, what was there stays."""
    bridge.show(sky_image())
    bridge.push(example(3))
    words = "".join(f"circle({x},9,3) # tag={{ay-run=0123abcd}}\n" for x in (9, "nan", 19))
    with pytest.raises(DS9Error, match=r"syntax error: nan|took . of 3 regions"):
        bridge._send(f"image\n{words}", "0123abcd", 3)
    assert bridge.pull()["id"].tolist() == [1, 2, 3]


def test_labels_of_any_kind(bridge):  # noqa: F811
    """Braces, quotes, semicolons and commands in a class harm neither its region nor the others."""
    bridge.show(sky_image())
    table = example(5)
    table["label"] = ["a}b{c", "x;y#z", '"q"', "[exit]", "Größe $x"]
    bridge.push(table, shape="box", text="{label}")
    found = bridge.pull()
    assert found["id"].tolist() == [1, 2, 3, 4, 5]
    assert found["text"].tolist() == ["a)b(c", "x;y#z", '"q"', "[exit]", "Größe $x"]
    np.testing.assert_allclose(edges(found), edges(table), atol=1e-3)


def test_no_sky_in_the_frame(bridge):  # noqa: F811
    """Detections with a sky for a frame without: the reason is given, and pixels can be sent."""
    bridge.show(sky_image())
    table = make_table([[9, 9, 30, 20]], [1], [[0.2] * 5], [0], [0], wcs=make_wcs(**CASES["sip"]))
    with pytest.raises(DS9Error, match='no sky coordinates; coords="image" takes the pixels'):
        bridge.push(table)
    bridge.push(table, coords="image", shape="box")
    np.testing.assert_allclose(edges(bridge.pull()), edges(table), atol=1e-3)


def test_physical_coordinates_do_not_matter(bridge):  # noqa: F811
    """A cut-out whose header tells where it was cut (LTV, LTM): pixels are those of the array."""
    hdu = sky_image()
    hdu.header.update({"LTV1": -100.0, "LTV2": 50.0, "LTM1_1": 0.5, "LTM2_2": 0.5})
    bridge.show(hdu)
    table = example(5)
    bridge.push(table, shape="box")
    np.testing.assert_allclose(edges(bridge.pull()), edges(table), atol=1e-3)
    assert set(bridge.diff(table)["change"]) == {"kept"}


@pytest.mark.parametrize("kind", ["?", "u1", "i2", "u2", ">i4", "i8", "f2", "f4", ">f8"])
def test_numbers_of_every_type(bridge, kind):  # noqa: F811
    """An array comes back equal, whatever its numbers are."""
    plane = (np.arange(600).reshape(20, 30) % 200).astype(kind)
    bridge.show(plane)
    assert (bridge.read()[0].data == plane).all()


def test_one_of_several_images(bridge, tmp_path):  # noqa: F811
    """An HDU is shown by name or number, of a file too."""
    planes = [np.full((20, 30), k, np.float32) for k in range(3)]
    names = ("", "SCI", "ERR")
    hdus = fits.HDUList([fits.PrimaryHDU(), *(fits.ImageHDU(p, name=n)
                         for p, n in zip(planes[1:], names[1:], strict=True))])  # fmt: skip
    hdus.writeto(tmp_path / "a file.fits")
    for image in (hdus, tmp_path / "a file.fits"):
        for hdu, value in ((None, 1), ("ERR", 2), (2, 2)):
            bridge.show(image, hdu=hdu, frame=1)
            assert bridge.read()[0].data[0, 0] == value


def test_images_that_cannot_be_shown(bridge):  # noqa: F811
    """What FITS or DS9 cannot hold is told in words, and what DS9 shows stays."""
    bridge.show(np.full((20, 30), 7, np.longdouble), frame=1)
    hdus = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((4, 5)), name="SCI")])
    plane = np.ones((4, 5))
    for image, words, options in (
        (plane + 1j, "image must be of real numbers, got complex128", {}),
        (hdus, "hdu must be one of 0 PRIMARY, 1 SCI, got 3", {"hdu": 3}),
        (hdus, "hdu must be one of 0 PRIMARY, 1 SCI, got 'ERR'", {"hdu": "ERR"}),
        (plane, "wcs must be a WCS that FITS can hold, got str", {"wcs": "TAN"}),
        (read_image(plane), "image must be a path or a plane of .*, got SkyImage", {}),
        (fits.PrimaryHDU(), "image must be a path or a plane of .*, got PrimaryHDU", {}),
        (plane[0], r"image must be a path or a plane of .*, got shape \(5,\)", {}),
    ):
        with pytest.raises(DS9Error, match=f"^{words}$"):
            bridge.show(image, **options)
    assert bridge.read()[0].data[0, 0] == 7


def test_options_that_are_none(bridge):  # noqa: F811
    """A word or number that an argument does not know is an error that names the argument."""
    bridge.show(np.ones((20, 30)), frame=1)
    for call, words in (
        (lambda: bridge.push(example(1), coords="fk5"), "coords must be one of image, icrs, got"),
        (lambda: bridge.region_text(system="fk5"), "system must be one of image, icrs, got 'fk5'"),
        (lambda: bridge.pan_to(3, 4, zoom=0), "zoom must be above 0, got 0"),
    ):
        with pytest.raises(ValueError, match=words):
            call()
    with pytest.raises(TypeError, match="table must be an astropy Table, got str"):
        bridge.diff("galaxies.ecsv")


def test_a_window_beyond_the_screen(alone, tmp_path):  # noqa: F811
    """A picture of a window that is partly off the screen is refused, without a dialog in DS9."""
    with launch(timeout=90, backend="xpa", options=["-geometry", "700x700+1000+0"]) as own:
        own.show(np.zeros((40, 50), np.float32))
        with pytest.raises(DS9Error, match="must be wholly on the screen of 1400 x 1000 pixels"):
            own.screenshot(tmp_path / "shot.png")
        assert DS9Bridge(own.title, backend="xpa").get("frame") == "1"
