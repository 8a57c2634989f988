"""A DS9 of one's own: started, named, ended; and what happens without one."""

import os
import shutil
import signal
import subprocess
import time

import pytest

from astro_yolo.ds9 import DS9Bridge, launch
from astro_yolo.ds9._transport import Target, find_target, load_transport
from astro_yolo.exceptions import (
    DS9AmbiguousError,
    DS9Error,
    DS9NotFoundError,
    DS9TimeoutError,
    MissingExtraError,
)

from .ds9_fixture import ds9, listening, require_backend  # noqa: F401
from .test_ds9_bridge import tcl

TITLE = f"astro_yolo_own_{os.getpid()}"  # two test runs at once must not end each other's


@pytest.fixture
def screen(ds9, monkeypatch):  # noqa: F811
    """The display and the name server of the tests' own DS9."""
    for name, value in ds9.environment.items():
        monkeypatch.setenv(name, value)


def running(title):
    """Return the processes with a title."""
    done = subprocess.run(["pgrep", "-f", f"title {title}"], capture_output=True, text=True,
                          check=False)  # fmt: skip
    return [int(pid) for pid in done.stdout.split()]


@pytest.mark.parametrize("backend", ["pyds9", "xpa"])
def test_it_runs_for_a_block(screen, backend):
    """It is there in the block, alone of its title, on this machine alone, and gone afterwards."""
    require_backend(backend)
    with launch(TITLE, backend=backend) as bridge:
        assert bridge.title == TITLE
        assert bridge.backend == backend
        (pid,) = running(TITLE)
        assert {place.partition(".")[0] for place in listening([pid])} == {"127"}
        with pytest.raises(DS9AmbiguousError, match=TITLE):
            DS9Bridge(backend=backend)
        taken = f"title must be one that no DS9 has, got '{TITLE}', which runs at {bridge.address}"
        with pytest.raises(DS9AmbiguousError, match=taken), launch(TITLE, backend=backend):
            pass
    assert running(TITLE) == []
    with pytest.raises(DS9NotFoundError):
        bridge.get("version")


def test_no_dialog_is_open(screen):
    """A DS9 that was started waits for nobody: no box with a message is there a second later."""
    with launch(TITLE, timeout=90) as bridge:
        time.sleep(1.5)
        assert "messagebox" not in tcl(bridge, "winfo children .")


@pytest.mark.parametrize("title", ["my field", "champ \u00e9", "my large field"])
def test_titles_of_several_words(screen, title):
    """A DS9 is started and found by a title with blanks, of which XPA knows two words alone."""
    with launch(title, backend="xpa", timeout=60) as bridge:
        assert tcl(bridge, "set ds9(title)") == title
        assert DS9Bridge(title, backend="xpa").address == bridge.address


def test_it_ends_with_an_error(screen):
    """An error in the block ends DS9 too."""
    with pytest.raises(ZeroDivisionError), launch(TITLE):
        raise ZeroDivisionError
    assert running(TITLE) == []


@pytest.mark.parametrize("backend", ["pyds9", "xpa"])
def test_killed_in_the_middle(screen, backend):
    """A DS9 that is killed is a DS9NotFoundError at the next call."""
    require_backend(backend)
    with launch(TITLE, backend=backend) as bridge:
        for pid in running(TITLE):
            os.kill(pid, signal.SIGKILL)
        for call in (lambda: bridge.get("version"), lambda: bridge.set("frame new"), bridge.pull):
            with pytest.raises(DS9NotFoundError):
                call()


def test_no_display_and_no_program(screen, monkeypatch):
    """Without a display or the program nothing is started, and the reason is given."""
    monkeypatch.delenv("DISPLAY")
    with pytest.raises(DS9Error, match="needs a display"), launch():
        pass
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DS9NotFoundError, match="the program ds9 must be on PATH"), launch():
        pass
    with pytest.raises(MissingExtraError, match="the programs xpaget, xpaset"):
        DS9Bridge(backend="xpa")


def test_a_name_server_that_hangs(monkeypatch, tmp_path):
    """If the list of DS9s does not come in time, the name server is named; no DS9 was asked."""
    for name in ("ds9", "xpaget", "xpaset"):
        (tmp_path / name).write_text(f"#!/bin/sh\nexec {shutil.which('sleep')} 60\n")
        (tmp_path / name).chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DISPLAY", ":987")
    rule = r"name server of XPA did not answer within 0\.3 s.*xpans must be on PATH"
    with pytest.raises(DS9NotFoundError, match=f"^the {rule}"):
        DS9Bridge(backend="xpa", timeout=0.3)
    with (
        pytest.raises(DS9TimeoutError, match=f"XPA does not list it within 0.3 s: the {rule}"),
        launch(TITLE, backend="xpa", timeout=0.3),
    ):
        pass


class Running:
    """A transport that lists some DS9s."""

    def __init__(self, *titles):
        self._titles = titles

    def targets(self):
        return [Target(title, f"7f000001:{k}") for k, title in enumerate(self._titles)]


def test_which_one_is_meant():
    """The only one, or the one named by title or address; all are listed if that is not clear."""
    assert find_target(Running("a"), None).title == "a"
    assert find_target(Running("a", "b"), "DS9:b").address == "7f000001:1"
    assert find_target(Running("a", "a"), "7f000001:1").address == "7f000001:1"
    with pytest.raises(DS9AmbiguousError, match=r"a \(7f000001:0\), b \(7f000001:1\)"):
        find_target(Running("a", "b"), None)
    with pytest.raises(DS9AmbiguousError, match=r"a \(7f000001:0\), a \(7f000001:1\)$"):
        find_target(Running("a", "a", "b"), "a")
    with pytest.raises(DS9NotFoundError, match=r"no DS9 is running that XPA knows\. Start one"):
        find_target(Running(), None)


# what xpans prints of DS9s titled main, "my field", "my large field", and one of bob's; with
# XPA_METHOD=local the address is a file
LISTED = """\
DS9 main gs 7f000001:39505 ann
DS9 my field 7f000001:39969 gs
DS9 my large 7f000001:44401 field
DS9 bobs gs 7f000001:33637 bob
DS9 local gs /tmp/.xpa/DS9_local.31139 ann
"""


@pytest.fixture
def listed(monkeypatch, tmp_path):
    """A name server that prints that, for ann."""
    (tmp_path / "list").write_text(LISTED)
    for name in ("xpaget", "xpaset"):
        (tmp_path / name).write_text(f"#!/bin/sh\nexec {shutil.which('cat')} {tmp_path}/list\n")
        (tmp_path / name).chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XPA_LOGNAME", "ann")
    monkeypatch.delenv("XPA_NSUSERS", raising=False)
    return tmp_path / "list"


@pytest.mark.parametrize("name, address", [
    ("main", "7f000001:39505"), ("my field", "7f000001:39969"),
    ("my large field", "7f000001:44401"), ("bobs", "7f000001:33637"),
    ("local", "/tmp/.xpa/DS9_local.31139"), ("7f000001:39969", "7f000001:39969"),
])
def test_names_in_the_list(listed, name, address):
    """Titles of several words, of other users and of local sockets are told from the rest."""
    assert find_target(load_transport("xpa", 5), name).address == address


def test_the_ds9_of_somebody_else(listed, monkeypatch):
    """Without a name none of another user's is taken, unless XPA_NSUSERS says so."""
    transport = load_transport("xpa", 5)
    listed.write_text("DS9 main gs 7f000001:1 ann\nDS9 main gs 7f000001:2 bob\n")
    assert find_target(transport, None).address == "7f000001:1"
    assert find_target(transport, "main").address == "7f000001:1"
    assert find_target(transport, "7f000001:2").address == "7f000001:2"
    for users in ("ann,bob", "*"):
        monkeypatch.setenv("XPA_NSUSERS", users)
        with pytest.raises(DS9AmbiguousError):
            find_target(transport, None)
    monkeypatch.delenv("XPA_NSUSERS")
    listed.write_text("DS9 main gs 7f000001:2 bob\n")
    with pytest.raises(DS9NotFoundError, match=r"no DS9 of yours is running.*main \(7f000001:2\)"):
        find_target(transport, None)


def test_options_in_one_text():
    """Options in one text are an error that says how to give them, and no DS9 is started."""
    words = r"options must be a sequence of str, such as \['-zoom', '2'\], got '-zoom 2'"
    with pytest.raises(TypeError, match=words), launch(options="-zoom 2"):
        pass
