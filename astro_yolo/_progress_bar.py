"""How far long work has come."""

import sys
from contextlib import contextmanager

__all__ = ["progress_bar"]


@contextmanager
def progress_bar(total, visible):
    """
    Give a function that moves a bar on standard error, in a notebook as well.

    Parameters
    ----------
    total : int
        Number of steps.
    visible : bool
        Whether there is a bar.

    Yields
    ------
    callable
        Called without an argument it moves on by one step, with one it goes to that step.
    """
    if not visible:
        yield lambda _=None: None
        return
    from astropy.utils.console import ProgressBar

    stream = sys.stderr
    if type(stream).__module__.startswith("ipykernel."):
        stream = _Notebook(stream)
    with ProgressBar(total, file=stream) as bar:
        yield bar.update


class _Notebook:
    """Standard error of a notebook: it shows a bar, and says that it is no terminal."""

    def __init__(self, stream):
        self.write, self.flush = stream.write, stream.flush

    @staticmethod
    def isatty():
        return True
