"""Entries in DS9's own Analysis menu.

DS9 reads ``.ds9.ans`` in the home folder when it starts (DS9 reference manual, "Analysis"). What
stands there besides ours is left as it is, byte by byte, in whatever encoding.
"""

import sys
from pathlib import Path

from astro_yolo._files import replacing

__all__ = ["MENU_FILE", "install_menu", "menu_text", "uninstall_menu"]

#: Name of the file in the home folder.
MENU_FILE = ".ds9.ans"

_BEGIN, _END = "# begin astro-yolo", "# end astro-yolo"
# DS9 swallows one character on each side of $entry(...); a value without braces is half a word
_ENTRIES = (
    ("Find galaxies", "menu", "detect"),
    ("Find galaxies", "bind Control-Key-g", "detect"),
    ("Save the regions as a table...", "menu", "pull -o { $entry(Table: .ecsv or .fits or .vot) }"),
    ("Match with a catalogue...", "menu", "match { $entry(Table with positions) } --radius 2"),
    ("Take the regions away", "menu", "remove"),
)


def menu_text(python=sys.executable):
    """
    Return the entries as DS9 reads them.

    Parameters
    ----------
    python : str, optional
        Absolute path of the interpreter that has astro-yolo.

    Returns
    -------
    str
        Lines from a comment that begins to one that ends them.
    """
    lines = [_BEGIN, "hmenu astro-yolo"]
    keys = []
    # -P: the folder where DS9 was started may hold a random.py. What the command prints, errors
    # too, DS9 shows in a window; if nothing, there is none. Its own "|& $text" loses the errors.
    run = f"{_quoted(python)} -P -W ignore -m astro_yolo ds9 --quiet --xpa $xpa_method"
    for name, kind, command in _ENTRIES:
        entry = [name, "*", kind, f"{run} {command} 2>@1 | $text", ""]
        (keys if kind.startswith("bind") else lines).extend(entry)
    return "\n".join([*lines, "end", "", *keys, _END, ""])


def install_menu(path=None, *, python=sys.executable):
    """
    Add the entries to DS9's Analysis menu; DS9 shows them when it is started the next time.

    Parameters
    ----------
    path : path-like, optional
        Analysis file; by default ``.ds9.ans`` in the home folder. Entries of an earlier
        installation are replaced, everything else stays.
    python : str, optional
        Absolute path of the interpreter that has astro-yolo.

    Returns
    -------
    `~pathlib.Path`
        The file.
    """
    path = Path.home() / MENU_FILE if path is None else Path(path)
    rest = _rest(path)
    if rest and not rest.endswith("\n"):
        rest += "\n"
    _write(path, f"{rest}{menu_text(python)}")
    return path


def uninstall_menu(path=None):
    """
    Take the entries away again, and the file if nothing else was in it.

    Parameters
    ----------
    path : path-like, optional
        As of `install_menu`.

    Returns
    -------
    bool
        Whether there were any.
    """
    path = Path.home() / MENU_FILE if path is None else Path(path)
    if _BEGIN not in _content(path).splitlines():
        return False
    rest = _rest(path)
    if rest.strip():
        _write(path, rest)
    else:
        path.unlink()
    return True


def _quoted(path):
    """Return a path as a word of the commands in an analysis file."""
    return f'"{path}"' if " " in str(path) else str(path)


def _rest(path):
    """Return what is in the file besides our entries."""
    kept, inside = [], False
    for line in _content(path).splitlines(keepends=True):
        inside |= line.strip() == _BEGIN
        if not inside:
            kept.append(line)
        inside &= line.strip() != _END
    return "".join(kept)


def _content(path):
    """Return what is in the file; bytes that are not UTF-8 are kept by what stands for them."""
    return path.read_bytes().decode("utf-8", "surrogateescape") if path.is_file() else ""


def _write(path, text):
    with replacing(path, overwrite=True) as part:
        part.write_bytes(text.encode("utf-8", "surrogateescape"))
        if path.exists():
            part.chmod(path.stat().st_mode & 0o777)
