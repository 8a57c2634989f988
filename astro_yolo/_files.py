"""Write a file whole or not at all, and say which one cannot be read."""

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

__all__ = ["reading", "replacing"]


@contextmanager
def replacing(path, *, overwrite):
    """
    Give a temporary name beside ``path`` and move it there when the block ends well.

    A reader never meets half a file, and a failed write leaves the old file as it was. A symbolic
    link stays, and the file that it leads to is written.

    Parameters
    ----------
    path : str or path-like
        File to write.
    overwrite : bool
        Whether an existing file may be replaced.

    Yields
    ------
    `~pathlib.Path`
        Where to write: the same folder and the same ending as ``path``.

    Raises
    ------
    OSError
        If ``path`` exists and ``overwrite`` is false, also if it came into being meanwhile, if it
        is a folder, a pipe or a device, if its folder does not exist, or if it cannot be written.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"path must be a file, got the folder {path}")
    _refuse_existing(path, overwrite=overwrite)
    if path.exists() and not path.is_file():  # it would be gone, and no reader get a byte
        raise OSError(f"path must be a file, got the pipe or device {path}")
    if path.is_symlink():
        path = path.resolve()
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path: the folder {path.parent} does not exist")
    temporary = path.with_name(f".{uuid4().hex[:12]}-{path.name}")
    try:
        yield temporary
        _refuse_existing(path, overwrite=overwrite)
        os.replace(temporary, path)  # noqa: PTH105 - the atomic one, on every platform
    except OSError as error:
        if (named := _named(error, temporary, path)) is error:
            raise
        raise named from error
    finally:
        with suppress(OSError):  # it was moved, or could not even be made
            temporary.unlink()


@contextmanager
def reading(path, kind):
    """
    Name the file in the errors of a reader that does not.

    Parameters
    ----------
    path : str or path-like
        File that is read.
    kind : str
        What it must be, as "a table in FITS".

    Raises
    ------
    OSError, ValueError
        What the block raises, with the name of the file.
    """
    try:
        yield
    except Exception as error:  # readers raise more classes than they say
        if isinstance(error, ImportError) or getattr(error, "filename", None) is not None:
            raise
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        named = OSError if isinstance(error, OSError) else ValueError
        raise named(f"path must be {kind}, got {path}: {reason}") from error


def _refuse_existing(path, *, overwrite):
    if path.exists() and not overwrite:
        raise FileExistsError(f"path: {path} exists already; overwrite=True replaces it")


def _named(error, temporary, path):
    """Return an error of writing with the name of the file; one about another file as it is."""
    if error.filename is not None and str(error.filename) != str(temporary):
        return error
    if error.errno is not None:
        return OSError(error.errno, error.strerror, str(path))
    # a sentence of a library; errors of other types say what they are about
    return OSError(f"{path}: {error}") if type(error) is OSError else error
