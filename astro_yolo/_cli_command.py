"""What the commands of ``astro-yolo`` share: how one is described, and how one fails."""

import argparse
import sys
from pathlib import Path

__all__ = ["add_command", "complain", "guarded", "refuse_existing"]


def add_command(commands, name, text, examples=None, *, description=None):
    """
    Add a command.

    Parameters
    ----------
    commands : object
        What `argparse.ArgumentParser.add_subparsers` returned.
    name : str
        Of the command.
    text : str
        What it does, in a few words without a capital.
    examples : str, optional
        Shown below the options, as it stands.
    description : str, optional
        What it does, at more length; by default the text as a sentence.

    Returns
    -------
    `argparse.ArgumentParser`
    """
    return commands.add_parser(
        name, help=text, description=description or f"{text[0].upper()}{text[1:]}.",
        epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip


def complain(text):
    """Print what went wrong to standard error."""
    print(f"astro-yolo: {text}", file=sys.stderr)


def guarded(work):
    """
    Return a function that does the work of a command, or says in one line why it cannot.

    Parameters
    ----------
    work : callable
        Takes the options; returns the exit status, None for 0.

    Returns
    -------
    callable
        Takes the options and returns the exit status: 1 after an error that a user can cause.
    """

    def run(options):
        from astro_yolo.exceptions import AstroYoloError

        try:
            return work(options) or 0
        except (AstroYoloError, OSError, ValueError) as error:
            complain(error)
            return 1

    return run


def refuse_existing(paths, *, overwrite):
    """
    Raise before the work if a file to write exists.

    Parameters
    ----------
    paths : iterable of path-like or None
        What is to be written; None for what is not.
    overwrite : bool
        Whether files may be replaced.

    Raises
    ------
    FileExistsError
        If one exists and may not be replaced.
    """
    for path in paths:
        if path and Path(path).exists() and not overwrite:
            msg = f"{path} exists already; --overwrite replaces it"
            raise FileExistsError(msg)
