"""Write a file whole or not at all."""

import os
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

__all__ = ["replacing"]


@contextmanager
def replacing(path, *, overwrite):
    """
    Give a temporary name beside ``path`` and move it there when the block ends well.

    A reader never meets half a file, and a failed write leaves the old file as it was.

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
        If ``path`` exists and ``overwrite`` is false, or its folder does not exist.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"path must be a file, got the folder {path}")
    if path.exists() and not overwrite:
        raise FileExistsError(f"path: {path} exists already; overwrite=True replaces it")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path: the folder {path.parent} does not exist")
    temporary = path.with_name(f".{uuid4().hex[:12]}-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)  # noqa: PTH105 - the atomic one, on every platform
    finally:
        temporary.unlink(missing_ok=True)
