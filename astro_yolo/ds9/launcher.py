"""Start a DS9 of one's own, and end it."""

import os
import secrets
import shutil
import subprocess
import time
from contextlib import contextmanager

from astro_yolo.ds9._transport import LOOPBACK
from astro_yolo.ds9.bridge import DS9Bridge
from astro_yolo.exceptions import DS9AmbiguousError, DS9Error, DS9NotFoundError, DS9TimeoutError

__all__ = ["end_process", "launch"]

# by default DS9 listens for images on every network
_ALONE = ("-port", "0", "-fifo", "none", "-unix", "none")
# with a SAMP hub it listens on every network too; its option "-samp no" opens a dialog that says
# "SAMP: not connected", and waits
_NO_HUB = {"SAMP_HUB": "std-lockurl:file:///nonexistent"}
_PAUSE = 0.1  # seconds
_FIRST_CHANCE = 10.0  # seconds


@contextmanager
def launch(title=None, *, options=(), backend="auto", timeout=30.0):
    """
    Start a DS9 for the time of a ``with`` block.

    It listens on this machine alone. However the block ends, DS9 is ended.

    Parameters
    ----------
    title : str, optional
        Its title, which no other may have; by default there is none that has it.
    options : sequence of str, optional
        More options of DS9, such as ``["-geometry", "800x800"]``.
    backend : {"auto", "pyds9", "xpa"}, optional
        As of `~astro_yolo.ds9.DS9Bridge`.
    timeout : float, optional
        Seconds to wait until it runs, and for each call.

    Yields
    ------
    DS9Bridge
        The connection.

    Raises
    ------
    DS9NotFoundError
        If DS9 is not installed, or ends at once.
    DS9Error
        If there is no display.
    DS9AmbiguousError
        If another DS9 has the title.
    DS9TimeoutError
        If it does not answer in time.
    TypeError
        If the options are one text.
    """
    if isinstance(options, str):  # DS9 would get its letters one by one
        msg = f"options must be a sequence of str, such as {options.split()}, got {options!r}"
        raise TypeError(msg)
    program = shutil.which("ds9")
    if program is None:
        msg = "the program ds9 must be on PATH (Debian: saods9)"
        raise DS9NotFoundError(msg)
    if not os.environ.get("DISPLAY"):
        msg = "DS9 needs a display: set DISPLAY, or run under xvfb-run"
        raise DS9Error(msg)
    if title:
        _require_free(title, backend, timeout)
    title = title or f"astro_yolo_{secrets.token_hex(3)}"
    command = [program, "-title", title, *_ALONE, *options]
    process, bridge = _start(command, title, backend, timeout)
    try:
        yield bridge
    finally:
        end_process(process)


def _require_free(title, backend, timeout):
    """Raise if a DS9 of that title runs: that one would be found instead of the new one."""
    try:
        other = DS9Bridge(title, backend=backend, timeout=timeout)
    except DS9NotFoundError:
        return
    msg = f"title must be one that no DS9 has, got {title!r}, which runs at {other.address}"
    raise DS9AmbiguousError(msg)


def _start(command, title, backend, timeout):
    """Start DS9, once more if XPA does not hear of it; return process and connection."""
    # the name server of a DS9 that just ended may go when the new one has told it its name
    try:
        return _try(command, title, backend, min(_FIRST_CHANCE, timeout), timeout)
    except DS9TimeoutError:
        return _try(command, title, backend, timeout, timeout)


def _try(command, title, backend, patience, timeout):
    """Start DS9 once; it is ended if it cannot be talked to."""
    process = subprocess.Popen(  # noqa: S603, no shell; the caller's own options
        command, env=LOOPBACK | os.environ | _NO_HUB, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        return process, _wait(process, title, backend, patience, timeout)
    except BaseException:
        end_process(process)
        raise


def _wait(process, title, backend, patience, timeout):
    """Return the connection as soon as DS9 answers."""
    last = time.monotonic() + patience
    while process.poll() is None:
        try:
            return DS9Bridge(title, backend=backend, timeout=timeout)
        except DS9NotFoundError as error:
            if time.monotonic() > last:
                msg = f"DS9 runs and XPA does not list it within {patience:g} s: {error}"
                raise DS9TimeoutError(msg) from error
        time.sleep(_PAUSE)
    msg = f"DS9 ended at once, with exit status {process.returncode}"
    raise DS9NotFoundError(msg)


def end_process(process):
    """End a program, kindly first."""
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
