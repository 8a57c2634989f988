"""Fetch one frame of the Sloan Digital Sky Survey whole, or not at all."""

import bz2
import contextlib
import hashlib
import threading
import time
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen
from uuid import uuid4

from astro_yolo.config import conf
from astro_yolo.exceptions import AstroYoloError

__all__ = [
    "DamagedFrameError",
    "DownloadError",
    "MissingFrameError",
    "Pace",
    "asked_wait",
    "fetch_file",
]

_TIMEOUT = 60  # seconds without an answer
_PIECE = 1 << 16  # bytes; small, so that a slow download is seen to move
_LONGEST_WAIT = 600.0  # seconds that are waited when a server asks for it


class DownloadError(AstroYoloError, OSError):
    """
    A file could not be fetched, or what came is not what was asked for.

    ``wait`` is how long the server asks to be left alone, seconds.
    """

    wait = 0.0


class MissingFrameError(DownloadError):
    """The server has no such frame; asking again will not help."""


class DamagedFrameError(DownloadError):
    """What came is cut short, an error page, or something else than a frame."""


class Pace:
    """
    Let no more than so many downloads begin in a second, over all threads.

    Parameters
    ----------
    rate : float
        Downloads in a second.
    """

    def __init__(self, rate):
        self._step, self._next, self._lock = 1 / rate, 0.0, threading.Lock()

    def wait(self, stopped):
        """Wait for one's turn, or until the event is set."""
        with self._lock:
            now = time.monotonic()
            self._next = max(self._next, now) + self._step
            pause = self._next - self._step - now
        stopped.wait(max(pause, 0))

    def hold(self, seconds):
        """Let none begin for a while: a server that is busy is so for every thread."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


def asked_wait(headers):
    """
    Return how long a server asks to be left alone.

    Parameters
    ----------
    headers : mapping
        Of its reply; ``Retry-After`` is a number of seconds or a date.

    Returns
    -------
    float
        Seconds, ten minutes at most; 0 where it does not say.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return min(float(text), _LONGEST_WAIT)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - time.time()
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def fetch_file(url, path, *, on_bytes=None, keep_bad=None):
    """
    Fetch a bzip2 FITS file; it appears at ``path`` only when it was whole.

    Every byte is decompressed as it comes. astroquery reads a frame through a cache that is one
    for all threads, so this reads the address by itself.

    Parameters
    ----------
    url : str
        Address.
    path : path-like
        Where to put it; its folder exists.
    on_bytes : callable, optional
        Called with the number of bytes of each piece.
    keep_bad : path-like, optional
        Where to put what came if it is damaged; by default it is deleted.

    Returns
    -------
    size : int
        Bytes.
    digest : str
        SHA-256.

    Raises
    ------
    MissingFrameError
        If the server has no such file.
    DamagedFrameError
        If what came is not a whole bzip2 FITS file.
    DownloadError
        If the server cannot be reached or answers with an error.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{uuid4().hex[:12]}.part")
    try:
        with _errors_named(path.name):
            size, digest = _stream(url, part, on_bytes)
        part.replace(path)
    except DamagedFrameError:
        if keep_bad is not None:
            part.replace(keep_bad)
        raise
    finally:
        part.unlink(missing_ok=True)
    return size, digest


def _stream(url, part, on_bytes):
    """Write what an address gives to a file, and check it on the way."""
    digest, unpacker, size, start = hashlib.sha256(), bz2.BZ2Decompressor(), 0, b""
    try:
        # the address is below the one in the settings
        with urlopen(url, timeout=_TIMEOUT) as reply, part.open("wb") as file:  # noqa: S310
            promised = reply.headers.get("Content-Length")
            while piece := _read(reply):
                file.write(piece)
                digest.update(piece)
                size += len(piece)
                if on_bytes is not None:
                    on_bytes(len(piece))
                if not unpacker.eof:
                    start = (start + unpacker.decompress(piece))[:6]
    except OSError as error:
        if error.errno is not None or isinstance(error, URLError | TimeoutError):
            raise
        # only the decompressor's own error has no number
        raise DamagedFrameError(_damaged(part, f"{error}; it starts {_start(part)}")) from error
    if promised is not None and size != int(promised):
        raise DamagedFrameError(_damaged(part, f"{size} of {promised} bytes came"))
    if not unpacker.eof or start != b"SIMPLE":
        raise DamagedFrameError(_damaged(part, f"{size} bytes, starting {_start(part)}"))
    return size, digest.hexdigest()


def _read(reply):
    """Return the next piece; a network that fails is told from a disk that does."""
    try:
        return reply.read(_PIECE)
    except OSError as error:
        raise URLError(error) from error


def _start(part):
    """Return the first bytes of a file: an error page says what is wrong in them."""
    return part.read_bytes()[:60]


def _damaged(part, reason):
    """Return the message about a damaged file."""
    name = part.name.removeprefix(".").rpartition(".part")[0].rpartition(".")[0]
    return f"{name}: what {conf.sas_base_url} sent is not a whole bzip2 FITS file ({reason})"


@contextlib.contextmanager
def _errors_named(name):
    """Say which frame it was, and what to look at, when a download fails."""
    server = conf.sas_base_url
    try:
        yield
    except DownloadError:
        raise
    except HTTPError as error:
        error.close()
        if error.code == 404:
            msg = f"{name}: SDSS has no such frame at {server} (check run, camcol and field)"
            raise MissingFrameError(msg) from error
        failure = DownloadError(f"{name}: {server} answered {error.code} {error.reason}")
        failure.wait = asked_wait(error.headers)
        raise failure from error
    except (URLError, TimeoutError, ConnectionError, HTTPException) as error:
        reason = getattr(error, "reason", error) or type(error).__name__
        msg = f"{name}: cannot reach {server} ({reason}); astro_yolo.conf.sas_base_url names it"
        raise DownloadError(msg) from error
