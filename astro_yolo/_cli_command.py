"""What the commands of ``astro-yolo`` share: how one is described, and how one fails."""

import argparse
import sys
from pathlib import Path

__all__ = [
    "CommandError",
    "add_command",
    "by_options",
    "check_ecsv",
    "check_plot",
    "check_tables",
    "complain",
    "guarded",
    "located",
    "print_rows",
    "refuse_existing",
    "refuse_inputs",
]


_TEXTS = ("", ".ecsv", ".csv", ".txt")  # endings of what is read as ECSV again


class CommandError(ValueError):
    """The command itself is wrong: exit status 2, before any work."""


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


def by_options(error):
    """Return the message of an error: what a function calls by its argument is an option here."""
    text = str(error)
    for name in ("overwrite", "resume"):
        text = text.replace(f"{name}=True", f"--{name}")
    return text


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
        Takes the options and returns the exit status: 1 after an error that a user can cause, 2
        where the command itself is wrong.
    """

    def run(options):
        from astro_yolo.exceptions import AstroYoloError

        try:
            return work(options) or 0
        except CommandError as error:
            complain(error)
            return 2
        except BrokenPipeError:  # the reader of our output has gone, "head" say: nobody is told
            raise
        except (AstroYoloError, OSError, ValueError) as error:
            complain(by_options(error))
            return 1

    return run


def refuse_existing(paths, *, overwrite):
    """
    Raise before the work if a file to write exists, or its folder does not.

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
    FileNotFoundError
        If the folder of one does not exist.
    """
    for path in map(Path, filter(None, paths)):
        if path.exists() and not overwrite:
            msg = f"{path} exists already; --overwrite replaces it"
            raise FileExistsError(msg)
        if not path.parent.is_dir():
            msg = f"the folder {path.parent} of {path.name} does not exist"
            raise FileNotFoundError(msg)


def refuse_inputs(outputs, inputs):
    """
    Raise before the work if a file to write is one that the command reads, or writes already.

    Parameters
    ----------
    outputs : iterable of path-like or None
        What is to be written; None for what is not.
    inputs : iterable of path-like
        What is read, and must not be lost even where files may be replaced.

    Raises
    ------
    CommandError
        If one is the same file as an input or another output, by whatever name.
    """
    taken, written = set().union(*map(_identity, inputs)), set()
    for path in filter(None, outputs):
        names = _identity(path)
        if not taken.isdisjoint(names):
            msg = f"an output must not be an input, got {path}: name another file"
            raise CommandError(msg)
        if not written.isdisjoint(names):
            msg = f"outputs must be different files, got {path} twice: name another file"
            raise CommandError(msg)
        written |= names


def _identity(path):
    """Return what tells a file: its whole name and, where it is there, its place on the disk."""
    path = Path(path)
    try:
        about = path.stat()
    except OSError:
        return {path.resolve()}
    return {path.resolve(), (about.st_dev, about.st_ino)}


def check_ecsv(path):
    """
    Raise before the work if a name says that a table is of another format than ECSV.

    Parameters
    ----------
    path : path-like
        What is to be written.

    Raises
    ------
    CommandError
        If the ending is none of text.
    """
    if Path(path).suffix.lower() not in _TEXTS:
        msg = f"the output must end in .ecsv, the format that it is written in, got {path}"
        raise CommandError(msg)


def check_tables(paths):
    """
    Raise before the work if a table could not be written to a file for its name.

    Parameters
    ----------
    paths : iterable of path-like or None
        What is to be written; None for what is not.

    Raises
    ------
    CommandError
        If an ending is none of a table, or needs a package that is not installed.
    """
    from astro_yolo._table_files import check_table_path
    from astro_yolo.exceptions import MissingExtraError

    for path in filter(None, paths):
        try:
            check_table_path(path)
        except (ValueError, MissingExtraError) as error:
            raise CommandError(str(error)) from error


def check_plot(path):
    """
    Raise before the work if a plot could not be written to a file for its name.

    Parameters
    ----------
    path : path-like or None
        What is to be written; None for nothing.

    Raises
    ------
    CommandError
        If Matplotlib does not know the ending.
    """
    if not path:
        return
    from matplotlib.backend_bases import FigureCanvasBase

    ending = Path(path).suffix[1:].lower()
    if ending and ending not in FigureCanvasBase.filetypes:
        msg = f"--plot must end in .png, .pdf, .svg or another that Matplotlib writes, got {path}"
        raise CommandError(msg)


def print_rows(rows):
    """Print a table with numbers to three digits, and an empty line."""
    for column in rows.itercols():
        if column.dtype.kind == "f":
            column.info.format = ".3f"
    print("\n".join(rows.pformat(max_lines=-1, max_width=-1)))
    print()


def located(file, name, unit):
    """
    Read a table with positions.

    On the command line ``ra`` and ``dec`` without a unit are degrees, as in this package's own
    tables and SDSS's CSV, and that is said.

    Parameters
    ----------
    file : path-like
        Any table that Astropy reads.
    name : str
        Of the argument, for messages.
    unit : str or None
        Of position columns without one.

    Returns
    -------
    `~astropy.table.Table`

    Raises
    ------
    MatchError, OSError
        If it cannot be read.
    """
    from astro_yolo._match_inputs import as_table, without_unit

    table = as_table(file, name, unit)
    bare = without_unit(table)
    if not bare or not set(bare) <= {"ra", "dec"}:
        return table
    complain(f"{file}: {' and '.join(bare)} have no unit, taken as degrees; --unit names another")
    return as_table(table, name, "deg")
