"""How far a long step has come, on standard error."""

import sys
import time
from contextlib import contextmanager

_EVERY = 30.0  # seconds between two lines where there is no terminal


@contextmanager
def progress_bar(total, *, show, of=""):
    """
    Give a function that moves a bar on by one.

    On a terminal it is a bar with the time that is left; elsewhere, as in the log of a batch job, a
    line now and then.

    Parameters
    ----------
    total : int
        Number of steps.
    show : bool
        Say anything at all.
    of : str, optional
        What is counted, as "field".
    """
    if not show or not total:
        yield lambda: None
        return
    if not sys.stderr.isatty():
        yield _Lines(total, of)
        return
    from astropy.utils.console import ProgressBar

    if of:
        print(f"{of}s:", file=sys.stderr)
    with ProgressBar(total, file=sys.stderr) as bar:
        yield bar.update


class _Lines:
    """Says every half minute, and at the end, how far it is."""

    def __init__(self, total, of):
        self._total, self._of, self._done = total, of, 0
        self._said = time.monotonic()

    def __call__(self):
        self._done += 1
        now = time.monotonic()
        if self._done == self._total or now - self._said > _EVERY:
            self._said = now
            print(f"{self._of} {self._done} of {self._total}", file=sys.stderr, flush=True)
