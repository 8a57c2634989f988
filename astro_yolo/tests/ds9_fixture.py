"""A real DS9 on an invisible screen, for tests.

Import the fixture into a test module: ``from .ds9_fixture import ds9  # noqa: F401``.
Nothing of the user's is touched: the home folder, the XPA name server and its ports are
private, and every process is ended by its own id.  Without DS9 the tests are skipped, or
fail when the environment variable ``ASTRO_YOLO_REQUIRE_DS9`` is ``1``.
"""

import os
import secrets
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from astro_yolo.ds9.launcher import end_process

PROGRAMS = ("ds9", "Xvfb", "xpans", "xpaset", "xpaget")
TITLE = "astro_yolo_test"
START_TIMEOUT = 60.0
CALL_TIMEOUT = 60.0


class DS9Session:
    """A running DS9 and the two XPA verbs.

    Parameters
    ----------
    environment : dict
        Environment of DS9's clients: private XPA name server, home and display.
    pid : int
        Of DS9's process.
    """

    def __init__(self, environment, pid):
        self.environment = environment
        self.pid = pid

    def _call(self, arguments, data=None):
        return subprocess.run(
            arguments, input=data, stdin=None if data is not None else subprocess.DEVNULL,
            capture_output=True, text=True, timeout=CALL_TIMEOUT, check=False,
            env=self.environment,
        )

    def set(self, command, data=None):
        """Send a command to DS9, with the text ``data`` on its standard input if given."""
        flags = ["-p"] if data is None else []
        done = self._call(["xpaset", *flags, TITLE, *command.split()], data)
        if done.returncode or "XPA$ERROR" in done.stderr:
            message = f"xpaset {command}: {done.stderr.strip()}"
            raise RuntimeError(message)

    def get(self, command):
        """Return DS9's answer to a query as text."""
        done = self._call(["xpaget", TITLE, *command.split()])
        if done.returncode or "XPA$ERROR" in done.stderr:
            message = f"xpaget {command}: {done.stderr.strip()}"
            raise RuntimeError(message)
        return done.stdout

    def show(self, path):
        """Show the first image of a FITS file in a fresh frame 1."""
        self.set("frame delete all")
        self.set("frame new")
        self.set(f"file {path}")

    def load_regions(self, path):
        """Load a region file into the current frame, as the menu Region > Open does."""
        self.set(f"regions load {path}")

    def image_regions(self):
        """Return the regions of the current frame, one line each, in image coordinates."""
        self.set("regions format ds9")
        self.set("regions system image")
        lines = self.get("regions -format ds9 -system image -strip no").splitlines()
        shapes = ("box", "ellipse", "circle", "polygon")
        return [line for line in lines if line.lstrip("+-").startswith(shapes)]


def _free_port_pair():
    """Return the first of two neighbouring free ports: xpans takes both.

    They are below those that the kernel hands out itself (32768 and up on Linux): until the name
    server starts, one of those may go to any other connection, and then it never starts.
    """
    for _ in range(50):
        port = 20000 + 2 * secrets.randbelow(5000)
        with socket.socket() as first, socket.socket() as second, suppress(OSError):
            first.bind(("127.0.0.1", port))
            second.bind(("127.0.0.1", port + 1))
            return port
    pytest.fail("no pair of free ports on 127.0.0.1")


def _start(arguments, environment, log, **kwargs):
    """Start a program whose output goes to a file, so that no pipe can fill or hang."""
    return subprocess.Popen(
        arguments, env=environment, stdin=subprocess.DEVNULL, stdout=log,
        stderr=subprocess.STDOUT, start_new_session=True, **kwargs,
    )


def _start_screen(environment, log):
    """Start Xvfb on a free display and return the process and the display number."""
    reading, writing = os.pipe()
    screen = _start(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1400x1000x24", "-nolisten", "tcp"],
        environment, log, pass_fds=(writing,),
    )
    os.close(writing)
    with os.fdopen(reading) as answer:
        return screen, answer.readline().strip()


def _wait_for_ds9(session, process):
    """Poll until DS9 answers over XPA."""
    end = time.monotonic() + START_TIMEOUT
    while time.monotonic() < end and process.poll() is None:
        try:
            session.get("version")
        except RuntimeError:
            time.sleep(0.2)
        else:
            return
    pytest.fail(f"DS9 did not answer over XPA within {START_TIMEOUT:.0f} s")


def _require_programs():
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if not missing:
        return
    reason = f"needs {', '.join(missing)} (Debian: saods9 xvfb xpa-tools)"
    if os.environ.get("ASTRO_YOLO_REQUIRE_DS9") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def require_backend(name):
    """Skip without pyds9. It is not imported: that starts a name server, unless one knows how."""
    if name == "pyds9" and find_spec("pyds9") is None:
        pytest.skip("the extra 'ds9' is not installed")


def processes_of(home):
    """Return ids and commands of all processes in the environment of a private screen.

    What they start inherits its variables (proc(5): /proc/PID/environ); the dead that nobody took
    note of are among them, as nothing else has such parents.
    """
    mark = f"XPA_TMPDIR={home}".encode()
    found, parents = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "environ").read_bytes().split(b"\0")
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
        parents[int(folder.name)] = parent
        if mark in words:
            found[int(folder.name)] = command
    dead = {pid: "a zombie" for pid, parent in parents.items() if parent in found}
    return dead | found


def listening(pids):
    """Return the addresses on which processes listen (proc(5): /proc/net/tcp, state 0A)."""
    sockets = set()
    for pid in pids:
        for entry in Path(f"/proc/{pid}/fd").glob("*"):
            with suppress(OSError):
                sockets.add(str(entry.readlink()))
    found = []
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:
                number = bytes.fromhex(words[1].split(":")[0])
                found.append(".".join(map(str, number[::-1])) if len(number) == 4 else name)
    return found


def wait_for(condition, seconds=30):
    """Wait until something is true, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.1)
    return condition()


@contextmanager
def private_screen(home, *, name_server=True):
    """Run an invisible screen and an XPA name server; yield their environment and a log."""
    environment = os.environ | {
        "HOME": str(home), "XPA_TMPDIR": str(home), "XPA_METHOD": "localhost",
        "XPA_NSINET": f"localhost:{_free_port_pair()}",
    }
    processes = []
    with (home / "log").open("wb") as log:
        try:
            screen, display = _start_screen(environment, log)
            processes.append(screen)
            environment["DISPLAY"] = f":{display}"
            if name_server:
                processes.append(_start(["xpans"], environment, log))
            yield environment, log
        finally:
            for process in reversed(processes):
                end_process(process)


@pytest.fixture(scope="session")
def ds9(tmp_path_factory):
    """Start one real DS9 for the session and end it afterwards."""
    _require_programs()
    home = tmp_path_factory.mktemp("ds9_home")
    with private_screen(home) as (environment, log):
        process = None
        try:
            command = ["ds9", "-title", TITLE, "-port", "0", "-fifo", "none", "-unix", "none",
                       "-tcl", "package require Img"]
            process = _start(command, environment, log)
            session = DS9Session(environment, process.pid)
            _wait_for_ds9(session, process)
            yield session
        finally:
            if process is not None:
                end_process(process)


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """Give a home folder with a screen, temporary folder and XPA ports that nothing else uses.

    No name server runs there: a DS9 that needs one starts it.
    """
    _require_programs()
    home = tmp_path / "home"
    (home / "tmp").mkdir(parents=True)
    with private_screen(home, name_server=False) as (environment, _):
        environment["TMPDIR"] = str(home / "tmp")
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield home
