"""Frames of the Sloan Digital Sky Survey, fetched through astroquery and kept on disk."""

import bz2
import contextlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from astro_yolo.config import cache_folder, conf
from astro_yolo.exceptions import require
from astro_yolo.training.transfer import DownloadError, fetch_file

__all__ = [
    "BANDS",
    "DownloadError",
    "check_bands",
    "fetch_frames",
    "frame_folder",
    "frame_name",
    "frame_url",
    "is_whole",
    "parse_field",
]

#: The bands of SDSS, from short to long wavelength.
BANDS = ("u", "g", "r", "i", "z")

_CHUNK = 1 << 20


def frame_name(run, camcol, field, band):
    """
    Return the file name that SDSS gives to a frame.

    Parameters
    ----------
    run, camcol, field : int
        Numbers of the field.
    band : str
        One of `BANDS`.

    Returns
    -------
    str

    Examples
    --------
    >>> from astro_yolo.training.sdss import frame_name
    >>> frame_name(94, 1, 12, "r")
    'frame-r-000094-1-0012.fits.bz2'
    """
    return f"frame-{band}-{run:06d}-{camcol}-{field:04d}.fits.bz2"


def parse_field(text):
    """
    Read the three numbers of a field.

    Parameters
    ----------
    text : str
        ``RUN/CAMCOL/FIELD`` or ``RUN-CAMCOL-FIELD``.

    Returns
    -------
    run, camcol, field : int

    Raises
    ------
    ValueError
        If there are not three whole numbers, or the camera column is not 1 to 6.

    Examples
    --------
    >>> from astro_yolo.training.sdss import parse_field
    >>> parse_field("94/1/12")
    (94, 1, 12)
    """
    parts = text.replace("-", "/").split("/")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        msg = f"an SDSS field must be RUN/CAMCOL/FIELD, for example 94/1/12, got {text!r}"
        raise ValueError(msg)
    run, camcol, field = map(int, parts)
    if not 1 <= camcol <= 6:
        msg = f"camcol must be 1 to 6, got {camcol} in {text!r}"
        raise ValueError(msg)
    return run, camcol, field


def fetch_frames(
    run, camcol, field, *, bands="gri", rerun=301, data_release=17, cache_dir=None, progress=False
):
    """
    Fetch the frames of one SDSS field, or find them in the cache.

    The address is built by astroquery below ``astro_yolo.conf.sas_base_url``, which may name a
    local mirror. A file enters the cache only whole: it is decompressed to its end first, and a
    damaged one that is found there is fetched anew.

    Parameters
    ----------
    run, camcol, field : int
        Numbers of the field.
    bands : str or sequence of str, optional
        Bands to fetch, each one of `BANDS`.
    rerun : int, optional
        Reprocessing.
    data_release : int, optional
        SDSS data release.
    cache_dir : path-like, optional
        Folder of the cache; default: that of `astro_yolo.config.cache_folder`.
    progress : bool, optional
        Show the progress of each download.

    Returns
    -------
    dict of str to `~pathlib.Path`
        Band to file (``.fits.bz2``, sky-subtracted, nanomaggies), from short to long wavelength.

    Raises
    ------
    ValueError
        If a band is unknown.
    DownloadError
        If the server has no such frame, cannot be reached, or sends a damaged file.
    MissingExtraError
        If something must be fetched and astroquery is not installed.
    """
    bands = check_bands(bands)
    root = Path(cache_dir) if cache_dir is not None else cache_folder()
    folder = frame_folder(root, run, camcol, rerun=rerun, data_release=data_release)
    paths = {band: folder / frame_name(run, camcol, field, band) for band in bands}
    with ThreadPoolExecutor(max_workers=len(bands)) as pool:
        whole = dict(zip(bands, pool.map(is_whole, paths.values()), strict=True))
    for band, path in paths.items():
        if not whole[band]:
            url = frame_url(
                run, camcol, field, band, rerun=rerun, data_release=data_release
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            with _progress_of(path.name, show=progress) as on_bytes:
                fetch_file(url, path, on_bytes=on_bytes)
    return paths


@contextlib.contextmanager
def _progress_of(name, *, show):
    """Give a function that shows how many bytes of a file came, on standard error."""
    if not show:
        yield None
        return
    came = 0

    def on_bytes(number):
        nonlocal came
        came += number
        print(f"\r{name}: {came / 1e6:.1f} MB", end="", file=sys.stderr, flush=True)

    try:
        yield on_bytes
    finally:
        print(file=sys.stderr)


def frame_folder(root, run, camcol, *, rerun=301, data_release=17):
    """
    Return the folder of a field's frames below a folder of downloads.

    Parameters
    ----------
    root : path-like
        Folder of downloads.
    run, camcol : int
        Numbers of the field.
    rerun, data_release : int, optional
        Reprocessing and data release.

    Returns
    -------
    `~pathlib.Path`
    """
    return Path(root) / f"dr{data_release}" / str(rerun) / str(run) / str(camcol)


def check_bands(bands):
    """
    Return the bands from short to long wavelength.

    Parameters
    ----------
    bands : str or sequence of str
        Each one of `BANDS`.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If a band is unknown or there is none.
    """
    unknown = [band for band in bands if band not in BANDS]
    if unknown or not bands:
        msg = f"bands must be among {', '.join(BANDS)}, got {bands!r}"
        raise ValueError(msg)
    return [band for band in BANDS if band in bands]


def is_whole(path):
    """
    Say whether a file is there, is FITS in bzip2, and decompresses to its end.

    Parameters
    ----------
    path : path-like
        File to read.

    Returns
    -------
    bool
    """
    try:
        with bz2.open(path) as stream:
            if stream.read(6) != b"SIMPLE":
                return False
            while stream.read(_CHUNK):
                pass
    except (OSError, EOFError):
        return False
    return True


def frame_url(run, camcol, field, band, *, rerun=301, data_release=17):
    """
    Return the address of a frame, as astroquery builds it, below ``conf.sas_base_url``.

    Parameters
    ----------
    run, camcol, field : int
        Numbers of the field.
    band : str
        One of `BANDS`.
    rerun, data_release : int, optional
        Reprocessing and data release.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If the release is older than DR8: the runs of DR7 are served, reprocessed, by every later
        release; its own files have another format.
    MissingExtraError
        If astroquery is not installed.
    """
    if data_release < 8:
        msg = f"data_release must be 8 or later (it holds the runs of DR7 too), got {data_release}"
        raise ValueError(msg)
    sdss = require("astroquery.sdss", extra="sdss", feature="Fetching SDSS frames")
    from astropy.table import Table

    row = {"run": run, "rerun": rerun, "camcol": camcol, "field": field}
    with sdss.conf.set_temp("sas_baseurl", conf.sas_base_url.rstrip("/")):
        # a table of matches spares astroquery its query of the catalogue; nothing is fetched yet
        (container,) = sdss.SDSS.get_images_async(
            matches=Table([row]), band=band, data_release=data_release, show_progress=False
        )
    return container._target  # noqa: SLF001 - the address is nowhere else to be had
