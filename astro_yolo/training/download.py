"""Frames of many SDSS fields: downloaded in parallel, checked, listed, resumable.

Beside the frames stands ``manifest.ecsv``: one row a frame with its state, size and SHA-256.
"""

import contextlib
import random
import shutil
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from functools import partial
from hashlib import file_digest
from pathlib import Path

from astro_yolo._files import replacing
from astro_yolo.exceptions import warn_user
from astro_yolo.training._progress import progress_bar
from astro_yolo.training.sdss import check_bands, frame_folder, frame_name, frame_url, is_whole
from astro_yolo.training.transfer import (
    DamagedFrameError,
    DownloadError,
    MissingFrameError,
    Pace,
    fetch_file,
)

__all__ = [
    "MANIFEST",
    "FrameRow",
    "download_frames",
    "estimate",
    "plan_frames",
    "read_manifest",
]

#: Name of the manifest in the folder of downloads.
MANIFEST = "manifest.ecsv"

_QUARANTINE = "quarantine"
_LOCK = ".lock"
_TYPICAL_SIZE = 3.4e6  # bytes: mean of 24 g, r, i frames of eight fields
_SPARE = 100e6  # bytes of the disk to leave free
_WRITE_EVERY = 5.0  # seconds between two versions of the manifest
_BACK_OFF = 2.0  # seconds before the second try; doubled for each further one


@dataclass(frozen=True)
class FrameRow:
    """
    One frame in the manifest.

    ``state`` is ``missing`` (not tried yet), ``whole``, ``damaged`` (what came is in the folder
    ``quarantine``), ``absent`` (the server has no such frame) or ``failed``; ``message`` says why.
    """

    run: int
    rerun: int
    camcol: int
    field: int
    band: str
    release: int
    path: str
    state: str = "missing"
    size: int = 0
    sha256: str = ""
    message: str = ""


def plan_frames(fields, *, bands="gri", rerun=301, data_release=17):
    """
    Return a row for every frame of the fields, each once.

    Parameters
    ----------
    fields : iterable of (int, int, int)
        run, camcol, field; a field may stand there many times, once for each of its galaxies.
    bands : str or sequence of str, optional
        Of u, g, r, i, z.
    rerun, data_release : int, optional
        Reprocessing and data release, 8 or later; every release holds the runs of DR7.

    Returns
    -------
    list of FrameRow

    Raises
    ------
    ValueError
        If a band is unknown or there is no field.
    """
    bands = check_bands(bands)
    unique = sorted({tuple(int(number) for number in field) for field in fields})
    if not unique:
        msg = "fields must hold at least one field, got none"
        raise ValueError(msg)
    rows = []
    for run, camcol, field in unique:
        folder = frame_folder("", run, camcol, rerun=rerun, data_release=data_release)
        rows += [
            FrameRow(run, rerun, camcol, field, band, data_release,
                     (folder / frame_name(run, camcol, field, band)).as_posix())
            for band in bands
        ]  # fmt: skip
    return rows


def read_manifest(folder):
    """
    Read the manifest of a folder of downloads.

    Parameters
    ----------
    folder : path-like
        Folder of downloads.

    Returns
    -------
    list of FrameRow
        Empty where there is no manifest.

    Raises
    ------
    DownloadError
        If it is damaged.
    """
    from astropy.table import Table

    path = Path(folder) / MANIFEST
    if not path.is_file():
        return []
    kinds = FrameRow.__annotations__
    try:
        table = Table.read(path, format="ascii.ecsv", fill_values=None)
        return [
            FrameRow(**{name: kinds[name](row[name]) for name in table.colnames if name in kinds})
            for row in table
        ]
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        msg = f"folder: {path} must be a manifest of downloads, and is damaged "
        msg += f"({' '.join(str(error).split())}); without it the frames themselves are checked"
        raise DownloadError(msg) from error


def _write_manifest(folder, rows):
    """Write the manifest in one go."""
    from astropy.table import Table

    table = Table(rows=[asdict(row) for row in rows], names=list(FrameRow.__annotations__))
    with replacing(Path(folder) / MANIFEST, overwrite=True) as part:
        table.write(part, format="ascii.ecsv", delimiter=",")


def estimate(rows):
    """
    Estimate the bytes that the frames which are not whole will take.

    Parameters
    ----------
    rows : list of FrameRow
        Rows of a manifest.

    Returns
    -------
    int
        The mean size of the whole ones, or 3.4 MB where there is none, for each that is left.
    """
    whole = [row.size for row in rows if row.state == "whole"]
    mean = sum(whole) / len(whole) if whole else _TYPICAL_SIZE
    return int(mean * (len(rows) - len(whole)))


def download_frames(
    fields, folder, *, bands="gri", rerun=301, data_release=17, workers=4, rate=4.0, tries=3,
    progress=False,
):  # fmt: skip
    """
    Download the frames of many fields; a second call fetches only what is missing.

    A frame appears under its name only when it was whole, so the process may be killed at any
    moment. Frames that are there already are checked against size and SHA-256 of the manifest,
    or decompressed to their end where it does not have them. What arrives damaged goes to
    the folder ``quarantine`` and is tried again. Only one process works in a folder at a time.

    Parameters
    ----------
    fields : iterable of (int, int, int)
        run, camcol, field.
    folder : path-like
        Where to put frames and manifest; `~astro_yolo.training.sdss.fetch_frames` finds them
        there as its ``cache_dir``.
    bands, rerun, data_release : optional
        As in `plan_frames`.
    workers : int, optional
        Downloads at the same time.
    rate : float, optional
        Largest number of downloads begun in a second.
    tries : int, optional
        How often to ask for a frame; the waits between double from 2 seconds, and last as long as
        the server asks (``Retry-After``), up to ten minutes.
    progress : bool, optional
        Say on standard error how far the check of the frames that are there is, then the estimate,
        and how far the list of addresses and the download are.

    Returns
    -------
    list of FrameRow
        A row for every frame asked for. The manifest keeps those of former calls too.

    Raises
    ------
    DownloadError
        If the disk has less room than the estimate, another process works in the folder, or its
        manifest is damaged.
    ValueError
        If a band is unknown, there is no field, or a number is not positive.
    """
    if workers < 1 or not rate > 0 or tries < 1:
        msg = f"workers, rate and tries must be positive, got {workers}, {rate} and {tries}"
        raise ValueError(msg)
    rows = plan_frames(fields, bands=bands, rerun=rerun, data_release=data_release)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _only_one(folder):
        known = {row.path: row for row in read_manifest(folder)}
        _remove_leftovers(folder, rows)
        known |= _checked(folder, known, rows, workers, progress=progress)
        asked = [known[row.path] for row in rows]
        _check_room(folder, asked, progress=progress)
        job = _Download(folder, tries, Pace(rate))
        _fetch_all(folder, known, asked, job, workers, progress=progress)
    return [known[row.path] for row in rows]


@contextlib.contextmanager
def _only_one(folder):
    """Hold a lock that ends with the process, however it ends."""
    try:
        import fcntl
    except ImportError:  # not on Windows: two processes there only do the work twice
        yield
        return
    with (folder / _LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            msg = f"folder: another process is downloading into {folder}"
            raise DownloadError(msg) from error
        yield


def _remove_leftovers(folder, rows):
    """Delete the parts that a killed process left."""
    for place in {(folder / row.path).parent for row in rows}:
        for part in place.glob(".frame-*.part"):
            part.unlink()


def _checked(folder, known, rows, workers, *, progress):
    """Return what is known of each frame after a look at the disk, by path."""
    found = {}
    with (
        ThreadPoolExecutor(max_workers=workers) as pool,
        # the checksums of a large folder take as long as reading it
        progress_bar(len(rows), show=progress, of="checked frame") as step,
    ):
        for row in pool.map(partial(_looked_at, folder, known), rows):
            found[row.path] = row
            step()
    return found


def _looked_at(folder, known, row):
    """Say of a frame whether it is there, as the manifest or the file itself tells."""
    path, old = folder / row.path, known.get(row.path, row)
    if not path.is_file():
        return replace(old, state="missing") if old.state == "whole" else old
    size, digest = path.stat().st_size, _sha256(path)
    if old.state == "whole" and (old.size, old.sha256) == (size, digest):
        return old
    # not what the manifest says, or killed before the manifest was written
    if old.state != "whole" and is_whole(path):
        return replace(row, state="whole", size=size, sha256=digest)
    path.replace(_quarantine_place(folder, path.name))
    return replace(row, state="damaged", message="the file on disk was damaged")


def _sha256(path):
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _quarantine_place(folder, name):
    """Return where a damaged file is kept; the last one of a name is."""
    (folder / _QUARANTINE).mkdir(exist_ok=True)
    return folder / _QUARANTINE / name


def _check_room(folder, rows, *, progress):
    """Refuse to start what the disk cannot hold."""
    left, needed = sum(row.state != "whole" for row in rows), estimate(rows)
    free = shutil.disk_usage(folder).free
    if progress:
        text = f"{left} of {len(rows)} frames to fetch, about {needed / 1e9:.2f} GB"
        print(f"{text}; {free / 1e9:.1f} GB free", file=sys.stderr)
    if left and needed + _SPARE > free:
        msg = f"folder: the frames need about {needed / 1e9:.2f} GB, and {folder} has "
        raise DownloadError(f"{msg}{free / 1e9:.2f} GB free")


class _Download:
    """Fetch one frame, and say in its row what became of it."""

    def __init__(self, folder, tries, pace):
        self.folder, self.tries, self.pace = folder, tries, pace
        self.stopped = threading.Event()

    def __call__(self, row, url):
        path = self.folder / row.path
        path.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(self.tries):
            if attempt:  # so that workers do not come back all at once
                self.stopped.wait(_BACK_OFF * 2 ** (attempt - 1) * random.uniform(1, 1.5))  # noqa: S311
            self.pace.wait(self.stopped)
            if self.stopped.is_set():
                return row
            try:
                size, digest = fetch_file(
                    url, path, keep_bad=_quarantine_place(self.folder, path.name)
                )
            except MissingFrameError as error:
                return replace(row, state="absent", message=str(error))
            except DamagedFrameError as error:
                row = replace(row, state="damaged", message=str(error))
            except DownloadError as error:
                row = replace(row, state="failed", message=str(error))
                self.pace.hold(error.wait)
            else:
                return replace(row, state="whole", size=size, sha256=digest, message="")
        return row


def _addresses(rows, *, progress):
    """Return the address of each frame; those of 60 000 take astroquery two minutes."""
    urls = []
    # it builds them with a setting that is one for all threads: not in the workers
    with progress_bar(len(rows), show=progress, of="listed frame") as step:
        for r in rows:
            urls.append(
                frame_url(r.run, r.camcol, r.field, r.band, rerun=r.rerun, data_release=r.release)
            )
            step()
    return urls


def _fetch_all(folder, known, asked, job, workers, *, progress):
    """Fetch what is not whole, and write the manifest every few seconds and at the end."""
    todo = [row for row in asked if row.state != "whole"]
    urls = _addresses(todo, progress=progress)
    _write_manifest(folder, known.values())
    written = time.monotonic()
    pool = ThreadPoolExecutor(max_workers=workers)
    try:
        jobs = [pool.submit(job, row, url) for row, url in zip(todo, urls, strict=True)]
        with progress_bar(len(jobs), show=progress, of="frame") as step:
            for done in as_completed(jobs):
                row = done.result()
                known[row.path] = row
                step()
                if time.monotonic() - written > _WRITE_EVERY:
                    _write_manifest(folder, known.values())
                    written = time.monotonic()
    finally:
        job.stopped.set()
        pool.shutdown(wait=True, cancel_futures=True)
        _write_manifest(folder, known.values())
    bad = [known[row.path] for row in todo if known[row.path].state != "whole"]
    if bad:
        msg = f"{len(bad)} of {len(asked)} frames could not be had, the first: {bad[0].message}"
        warn_user(f"{msg}; {folder / MANIFEST} lists them")
