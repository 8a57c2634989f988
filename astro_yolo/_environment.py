"""Environment variables for the time that other people's code is imported or used."""

import os
from contextlib import contextmanager

__all__ = ["added_environment"]


@contextmanager
def added_environment(values):
    """
    Set environment variables where the user has not, and take them back afterwards.

    Parameters
    ----------
    values : dict of str to str
        Names and values.
    """
    added = {key: value for key, value in values.items() if key not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for key in added:
            os.environ.pop(key, None)
