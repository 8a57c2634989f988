"""Frames of the Sloan Digital Sky Survey, fetched through astroquery and kept on disk."""

import bz2
import contextlib
import shutil
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError, URLError

from astro_yolo.config import cache_folder, conf
from astro_yolo.exceptions import AstroYoloError, require

__all__ = ["BANDS", "DownloadError", "fetch_frames", "frame_name", "parse_field"]

#: The bands of SDSS, from short to long wavelength.
BANDS = ("u", "g", "r", "i", "z")

_TIMEOUT = 60  # seconds without an answer
_CHUNK = 1 << 20


class DownloadError(AstroYoloError, OSError):
    """A file could not be fetched, or what came is not what was asked for."""


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
    bands = _check_bands(bands)
    folder = Path(cache_dir) if cache_dir is not None else cache_folder()
    folder = folder / f"dr{data_release}" / str(rerun) / str(run) / str(camcol)
    paths = {band: folder / frame_name(run, camcol, field, band) for band in bands}
    with ThreadPoolExecutor(max_workers=len(bands)) as pool:
        whole = dict(zip(bands, pool.map(_is_whole, paths.values()), strict=True))
    for band, path in paths.items():
        if not whole[band]:
            row = {"run": run, "rerun": rerun, "camcol": camcol, "field": field}
            _fetch(row, band, path, data_release, progress=progress)
    return paths


def _check_bands(bands):
    """Return the bands from short to long wavelength."""
    unknown = [band for band in bands if band not in BANDS]
    if unknown or not bands:
        msg = f"bands must be among {', '.join(BANDS)}, got {bands!r}"
        raise ValueError(msg)
    return [band for band in BANDS if band in bands]


def _is_whole(path):
    """Say whether a file is there and decompresses to its end."""
    try:
        with bz2.open(path) as stream:
            if stream.read(6) != b"SIMPLE":
                return False
            while stream.read(_CHUNK):
                pass
    except (OSError, EOFError):
        return False
    return True


def _fetch(row, band, path, data_release, *, progress):
    """Fetch one frame into ``path``, which appears there only when whole."""
    sdss = require("astroquery.sdss", extra="sdss", feature="Fetching SDSS frames")
    from astropy.table import Table

    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=path.parent, prefix=".fetch-") as folder,
        sdss.conf.set_temp("sas_baseurl", conf.sas_base_url.rstrip("/")),
        _errors_named(path.name),
        _private_download_cache(folder),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # about what is no FITS file: checked below
        # a table of matches spares astroquery its query of the catalogue
        (container,) = sdss.SDSS.get_images_async(
            matches=Table([row]),
            band=band,
            timeout=_TIMEOUT,
            data_release=data_release,
            show_progress=progress,
        )
        part = Path(folder) / path.name
        container.save_fits(part, link_cache=False)
        if not _is_whole(part):
            msg = f"{path.name}: the server sent something that is not a whole bzip2 FITS file"
            raise DownloadError(msg)
        part.replace(path)


@contextlib.contextmanager
def _private_download_cache(folder):
    """Let astropy keep its downloads in a folder that goes away, so that no bad reply stays."""
    from astropy.config import set_temp_cache

    private = Path(folder) / "cache"
    private.mkdir()
    try:
        with set_temp_cache(private):
            yield
    finally:
        shutil.rmtree(private, ignore_errors=True)


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
        else:
            msg = f"{name}: {server} answered {error.code} {error.reason}"
        raise DownloadError(msg) from error
    except (URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        msg = f"{name}: cannot reach {server} ({reason}); astro_yolo.conf.sas_base_url names it"
        raise DownloadError(msg) from error
    except (EOFError, OSError, TypeError, AttributeError) as error:
        # the last two are what astroquery and astropy make of an empty file and of a web page
        msg = f"{name}: what {server} sent is not a whole bzip2 FITS file ({error})"
        raise DownloadError(msg) from error
