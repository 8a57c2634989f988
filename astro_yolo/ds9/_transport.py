"""How commands travel to DS9: the XPA library that pyds9 brings, or the XPA programs.

Of pyds9 only its binding of the XPA library is used. Its own classes start DS9 unasked, hide
DS9's messages when a query fails, and hang with several threads; importing it starts a name server
that listens on every network, unless it is told not to.
"""

import ctypes
import getpass
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from types import ModuleType

from astro_yolo._environment import added_environment
from astro_yolo.exceptions import (
    DS9AmbiguousError,
    DS9Error,
    DS9NotFoundError,
    DS9TimeoutError,
    MissingExtraError,
)

__all__ = ["BACKENDS", "LOOPBACK", "Target", "carried", "find_target", "load_transport"]

#: Names that ``backend=`` accepts.
BACKENDS = ("auto", "pyds9", "xpa")

#: XPA listens and connects on this machine alone, unless the user has said otherwise.
LOOPBACK = {"XPA_METHOD": "localhost"}

_PROGRAMS = ("xpaget", "xpaset")
_LONGEST = 4000  # characters of a command that XPA carries
_NAME_SERVER = (
    "the program xpans must be on PATH (Debian: xpa-tools), and no other program may hold its ports"
    " (14285 and 14286, or that of XPA_NSINET and the next)"
)
# class, title, access, address, user. A title of several words moves what follows to the right and
# off the end: "my field" loses the user, of "my large field" the name server knows "my large"
_REGISTERED = re.compile(r"^DS9 +(\S.*?)(?: +([gsi]+))? +([0-9a-f]+:\d+|/.*?)(?: +(\S+))?$",
                         re.MULTILINE)  # fmt: skip
_MARK = re.compile(r"XPA\$ERROR\s*(.*?)\s*(?:\(DS9:[^)]*\))?\s*$", re.DOTALL)
_GONE = ("no 'xpaget' access points", "no 'xpaset' access points", "not find", "connection refused",
         "could not connect", "no response", "connection reset", "broken pipe")  # fmt: skip
_LIBRARY = threading.RLock()  # the library hangs when two threads call it


@dataclass(frozen=True)
class Target:
    """A running DS9: its title, the address that is its alone, and whose it is, if known."""

    title: str
    address: str
    user: str = ""

    def is_named(self, name):
        """Say whether a name is its address or title; of a long one XPA knows two words alone."""
        cut = " ".join(name.split()[:2]) if len(name.split()) > 2 else name
        return self.address == name or self.title in (name, cut)


def load_transport(backend, timeout):
    """
    Return the way to DS9.

    Parameters
    ----------
    backend : {"auto", "pyds9", "xpa"}
        "auto" takes pyds9 where it is installed and loads, else the programs.
    timeout : float
        Seconds that one call may take.

    Returns
    -------
    object
        With ``name``, ``targets()``, ``get(address, command)`` and
        ``set(address, command, data)``; data are bytes.

    Raises
    ------
    ValueError
        If the name is unknown.
    MissingExtraError
        If what was asked for is not there.
    """
    if backend not in BACKENDS:
        msg = f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}"
        raise ValueError(msg)
    if backend != "xpa":
        try:
            return _Library(_load_library(timeout), timeout)
        except ImportError:
            if backend == "pyds9":
                raise
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        msg = (
            f'Talking to DS9 needs pyds9 (pip install "astro-yolo[ds9]") or the programs'
            f" {', '.join(missing)} (Debian: xpa-tools)"
        )
        raise MissingExtraError(msg)
    return _Programs(timeout)


def _load_library(timeout):
    """Import pyds9 without its side effects, and return its binding of the XPA library."""
    if find_spec("pyds9") is None:
        msg = 'Talking to DS9 by pyds9 needs pip install "astro-yolo[ds9]" (and a C compiler)'
        raise MissingExtraError(msg)
    for name in ("XPA_SHORT_TIMEOUT", "XPA_LONG_TIMEOUT"):  # read once, at the first call
        os.environ.setdefault(name, str(max(1, round(timeout))))
    for name, value in LOOPBACK.items():
        os.environ.setdefault(name, value)
    with added_environment({"PYDS9_NOXPANS": "1"}), _distutils(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import pyds9
        except (ImportError, OSError) as error:  # built for another Python, or not whole
            msg = f"pyds9 is installed and does not load: {error}"
            raise MissingExtraError(msg) from error
    return pyds9.xpa


def carried(command):
    """Return a command that XPA can carry."""
    if "\n" in command or len(command) > _LONGEST:
        msg = f"command must be one line of up to {_LONGEST} characters, got {command[:60]!r}..."
        raise ValueError(msg)
    return command


def find_target(transport, wanted):
    """
    Return the one DS9 that is meant.

    Parameters
    ----------
    transport : object
        Of `load_transport`.
    wanted : str or None
        Title or address; None for the only one of the user, or of those in ``XPA_NSUSERS``.

    Returns
    -------
    Target

    Raises
    ------
    DS9NotFoundError, DS9AmbiguousError
        If there is none, or there are several.
    """
    running = transport.targets()
    found = _own(running)
    if wanted is not None:
        named = [target for target in running if target.is_named(str(wanted).removeprefix("DS9:"))]
        found = _own(named) or named
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{target.title} ({target.address})" for target in found or running)
    if found:
        msg = f"target must name one of several DS9s by its address or title: {listed}"
        raise DS9AmbiguousError(msg)
    what = f"no DS9{_which(wanted, running)} is running"
    here = f"; running: {listed}" if listed else ""
    msg = (
        f"{what} that XPA knows{here}. Start one (ds9 &), or register it: File > XPA > Connect;"
        f" {_NAME_SERVER}"
    )
    raise DS9NotFoundError(msg)


def _which(wanted, running):
    """Return the words for the DS9 that is not there."""
    if wanted is None:
        return " of yours" if running else ""
    return f" {wanted!r}"


def _own(targets):
    """Return those that XPA would talk to by itself: the others are of somebody else."""
    users = os.environ.get("XPA_NSUSERS") or os.environ.get("XPA_LOGNAME") or getpass.getuser()
    known = users.split(",")
    if "*" in known:
        return list(targets)
    return [target for target in targets if target.user in ("", *known)]


def _registered(text):
    """Return the DS9s in the list of the name server."""
    # a user in place of the access is the rest of a title
    return [Target(title, address, user if access else "")
            for title, access, address, user in _REGISTERED.findall(text)]  # fmt: skip


@contextmanager
def _distutils():
    """Stand in for the one function of distutils that pyds9 needs; Python 3.12 has none."""
    names = ("distutils", "distutils.spawn")
    if sys.version_info < (3, 12) or names[0] in sys.modules:
        yield
        return
    parent, spawn = (ModuleType(name) for name in names)
    spawn.find_executable = lambda name, path=None: shutil.which(name, path=path)
    parent.spawn = spawn
    sys.modules.update(zip(names, (parent, spawn), strict=True))
    try:
        yield
    finally:
        for name in names:
            sys.modules.pop(name, None)


class _Library:
    """The XPA library in this process. Its time-outs hold for the whole process."""

    name = "pyds9"

    def __init__(self, xpa, timeout):
        self._xpa, self._timeout = xpa, timeout
        self._patience = float(os.environ["XPA_LONG_TIMEOUT"])  # that of the first bridge

    def targets(self):
        """Return the running DS9s, those that do not answer too."""
        try:
            text = self.get("xpans", "").decode(errors="replace")
        except DS9Error:  # no name server, or it went in the middle
            return []
        return _registered(text)

    def get(self, address, command):
        """Return DS9's answer to a query."""
        with _LIBRARY:
            start = time.monotonic()
            buffers, names, messages = (self._pointers() for _ in range(3))
            lengths = (ctypes.c_int * 1)()
            got = self._xpa.XPAGet(
                None, address.encode(), command.encode(), None, buffers, lengths, names, messages, 1
            )
            answer = ctypes.string_at(buffers[0], lengths[0]) if got and buffers[0] else b""
            said = self._said(messages)
            self._free(buffers, names, messages)
        if not answer:
            self._check_silence(said, command, start)
        _check(said, command, self._timeout, start, reached=got > 0)
        return answer

    def set(self, address, command, data=None):
        """Send a command with its data."""
        with _LIBRARY:
            start = time.monotonic()
            names, messages = self._pointers(), self._pointers()
            got = self._xpa.XPASet(
                None, address.encode(), command.encode(), None, data, len(data or b""), names,
                messages, 1,
            )  # fmt: skip
            said = self._said(messages)
            self._free(names, messages)
        self._check_silence(said, command, start)
        _check(said, command, self._timeout, start, reached=got > 0)

    def _check_silence(self, said, command, start):
        """Raise if the library gave up waiting: it says then that all went well."""
        if "XPA$ERROR" not in said and time.monotonic() - start > 0.95 * self._patience:
            raise _too_late(command, self._patience)

    def _pointers(self):
        return (self._xpa.c_byte_p * 1)()

    def _said(self, messages):
        return ctypes.string_at(messages[0]).decode(errors="replace") if messages[0] else ""

    def _free(self, *arrays):
        for pointers in arrays:
            if pointers[0]:
                self._xpa.libc.free(pointers[0])


class _Programs:
    """The programs xpaget and xpaset, one process a call."""

    name = "xpa"

    def __init__(self, timeout):
        self._timeout = timeout

    def targets(self):
        """Return the running DS9s."""
        # the name server's own list: xpaaccess leaves the titles out
        try:
            text = self._run(["xpaget", "xpans"])[0].decode(errors="replace")
        except DS9TimeoutError as error:  # no DS9 was asked yet
            msg = f"the name server of XPA did not answer within {self._timeout:g} s: is it busy"
            raise DS9NotFoundError(f"{msg} or stopped? If none runs, {_NAME_SERVER}") from error
        return _registered(text)

    def get(self, address, command):
        """Return DS9's answer to a query."""
        start = time.monotonic()
        answer, said = self._run(["xpaget", address, command])
        _check(said, command, self._timeout, start)
        return answer

    def set(self, address, command, data=None):
        """Send a command with its data."""
        flags = ["-p"] if data is None else []
        start = time.monotonic()
        said = self._run(["xpaset", *flags, address, command], data)[1]
        _check(said, command, self._timeout, start)

    def _run(self, arguments, data=None):
        given = {"stdin": subprocess.DEVNULL} if data is None else {"input": data}
        try:
            done = subprocess.run(  # noqa: S603, no shell; the names are ours
                arguments, capture_output=True, timeout=self._timeout, check=False,
                env=LOOPBACK | os.environ, **given,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise _too_late(arguments[-1], self._timeout) from error
        return done.stdout, done.stderr.decode(errors="replace")


def _check(said, command, timeout, start, *, reached=True):
    """Raise what a message of XPA's means."""
    lower = said.lower()
    if reached and "XPA$ERROR" not in said:
        return
    late = time.monotonic() - start > 0.8 * timeout
    if "timeout" in lower or "timed out" in lower or (late and "no response" in lower):
        raise _too_late(command, timeout)
    if not reached or any(words in lower for words in _GONE):
        msg = f"DS9 has gone: it does not answer {_short(command)!r} any more"
        raise DS9NotFoundError(msg)
    words = _MARK.search(said)
    msg = f"DS9 refused {_short(command)!r}: {(words.group(1) if words else said).strip()}"
    raise DS9Error(msg)


def _too_late(command, timeout):
    msg = (
        f"DS9 did not answer {_short(command)!r} within {timeout:g} s: is it busy, stopped, or is"
        " a dialog open in it?"
    )
    return DS9TimeoutError(msg)


def _short(command):
    return command if len(command) < 60 else f"{command[:57]}..."
