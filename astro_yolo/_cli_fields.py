"""The fields of one call of the command line: their files, their names, their outputs."""

import re
import shlex
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from astro_yolo._cli_command import check_tables, refuse_inputs

__all__ = ["Field", "Outputs", "check_endings", "collect_fields", "field_name", "plan_outputs"]

_ENDINGS = (
    ".bz2", ".gz", ".xz", ".fz", ".fits", ".fit", ".fts", ".jpg", ".jpeg", ".png", ".tif", ".tiff",
)  # fmt: skip
_LONGEST_NAME = 80
# Text in quotes, which stays, or a # within a word, which starts no comment in a shell.
_NO_COMMENT = re.compile(r"""('[^']*'|"(?:\\.|[^"\\])*"|\\.)|(?<=\S)#""")


@dataclass(frozen=True)
class Field:
    """One field to detect in: the files of its bands, or the SDSS numbers to fetch them by."""

    name: str
    files: tuple = ()
    sdss: tuple = ()


@dataclass(frozen=True)
class Outputs:
    """Where the results of one field go; None for what is not wanted."""

    table: Path | None = None
    regions: Path | None = None
    png: Path | None = None

    def paths(self):
        """Return the paths that are wanted."""
        return [p for p in (self.table, self.regions, self.png) if p is not None]

    def missing(self):
        """Return the outputs without those that are there."""
        wanted = vars(self).items()
        return Outputs(**{name: p for name, p in wanted if p is not None and not p.is_file()})


def collect_fields(files, *, each=False, list_file=None, sdss=()):
    """
    Return the fields that the command line asks for.

    Parameters
    ----------
    files : list of str
        The bands of one field; with ``each``, fields of their own.
    each : bool, optional
        Take every file as a field.
    list_file : str, optional
        File with one field a line (``-``: standard input): the files of its bands, quoted as in a
        shell; a word that begins with ``#`` starts a comment.
    sdss : sequence of str, optional
        RUN/CAMCOL/FIELD of each SDSS field.

    Returns
    -------
    list of Field
        With different names.

    Raises
    ------
    ValueError
        If there is no field, an SDSS field is not three numbers, or two fields have one name.
    OSError
        If the list cannot be read.
    """
    groups = [[file] for file in files] if each else [files] if files else []
    if list_file is not None:
        groups += _read_list(list_file)
    fields = [Field(field_name(group), tuple(group)) for group in groups]
    fields += [_sdss_field(text) for text in sdss]
    if not fields:
        msg = "no field was given: name the files of its bands, or use --list or --sdss"
        raise ValueError(msg)
    return _with_different_names(fields)


def _read_list(list_file):
    """Return the files of every line of a list."""
    groups = []
    for number, line in enumerate(_text_of(list_file).split("\n"), start=1):
        line = _NO_COMMENT.sub(lambda found: found[1] or r"\#", line)  # noqa: PLW2901
        try:
            group = shlex.split(line, comments=True)
        except ValueError as error:
            msg = f"{list_file}, line {number}: {error}"
            raise ValueError(msg) from error
        if group:
            groups.append(group)
    return groups


def _text_of(list_file):
    """Return the text of a list, without the mark with which some editors begin."""
    if list_file == "-":
        return sys.stdin.read().removeprefix("\ufeff")
    try:
        return Path(list_file).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"--list must be text in UTF-8, got {list_file}: {error}"
        raise ValueError(msg) from error


def _sdss_field(text):
    """Return the field of RUN/CAMCOL/FIELD."""
    from astro_yolo.training.sdss import parse_field

    run, camcol, number = parse_field(text)
    return Field(f"frame-{run:06d}-{camcol}-{number:04d}", sdss=(run, camcol, number))


def field_name(files):
    """
    Return the name of a field: what the names of its files have in common.

    Parameters
    ----------
    files : sequence of str
        At least one path.

    Returns
    -------
    str
        For ``frame-g-94.fits`` and ``frame-r-94.fits.bz2`` it is ``frame-94``; where the names
        have no word in common they are joined.
    """
    stems = list(dict.fromkeys(_stem(file) for file in files))
    if len(stems) == 1:
        return stems[0]
    # a word goes together with the mark behind it
    parts = [re.findall(r"[^-_.]+[-_.]*", stem) for stem in stems]
    if len({len(part) for part in parts}) == 1:
        same = [words[0] for words in zip(*parts, strict=True) if len(set(words)) == 1]
        name = "".join(same).strip("-_.")
        if name:
            return name
    return "-".join(stems)[:_LONGEST_NAME]


def _stem(file):
    """Return the name of a file without its folder and its known endings."""
    name = Path(file).name
    while name.lower().endswith(_ENDINGS):
        name = name[: name.rindex(".")]
    return name or Path(file).name


def _with_different_names(fields):
    """Tell fields of one name apart by their files' whole names or by as many folders as needed."""
    beside = _twice((_folders(field), field.name) for field in fields)
    bases = [_whole_name(f) if (_folders(f), f.name) in beside else f.name for f in fields]
    names = _with_folders(fields, bases)
    if twice := _twice(names):
        name = next(base for base, name in zip(bases, names, strict=True) if name in twice)
        msg = f"two fields have the name {name!r}: their outputs would be the same files"
        raise ValueError(msg)
    return [replace(field, name=name) for field, name in zip(fields, names, strict=True)]


def _with_folders(fields, names):
    """Put before each name that occurs twice as many folders as it takes, or as there are."""
    above = [_folders(field) for field in fields]
    depths, longer = [0] * len(fields), names
    while True:
        twice = _twice(longer)
        deeper = [
            k for k, name in enumerate(longer) if name in twice and depths[k] < len(above[k])
        ]
        if not deeper:
            return longer
        for k in deeper:
            depths[k] += 1
        longer = [
            "-".join([*folders[len(folders) - depth :], name])
            for folders, depth, name in zip(above, depths, names, strict=True)
        ]


def _twice(values):
    """Return the values that occur more than once."""
    return {value for value, number in Counter(values).items() if number > 1}


def _folders(field):
    """Return the names of the folders above a field's first file, from the top."""
    return Path(field.files[0]).absolute().parent.parts[1:] if field.files else ()


def _whole_name(field):
    """Return the names of a field's files with their endings; its own name if it has none."""
    names = [Path(file).name for file in field.files] or [field.name]
    return names[0] if len(names) == 1 else "-".join(names)[:_LONGEST_NAME]


def plan_outputs(fields, *, output=None, out_dir=None, regions=None, png=None, ending="ecsv"):
    """
    Return where the results of each field go.

    Parameters
    ----------
    fields : list of Field
        With different names.
    output : str, optional
        Table of the only field.
    out_dir : str, optional
        Folder for the tables of all fields, each with the name of its field.
    regions, png : str or True, optional
        Region file and picture of the only field; True gives them the name of the field, in
        ``out_dir`` or in the current folder.
    ending : str, optional
        Format of the tables in ``out_dir``.

    Returns
    -------
    list of Outputs
        One for each field.

    Raises
    ------
    ValueError
        If options contradict each other or the number of fields, the name of a table has a wrong
        ending, or an output is an input of any field.
    """
    if output and out_dir:
        msg = "give -o FILE for one field or --out-dir FOLDER for many, not both"
        raise ValueError(msg)
    if output and len(fields) > 1:
        msg = f"-o names one file, but there are {len(fields)} fields: use --out-dir FOLDER"
        raise ValueError(msg)
    for option, value in (("--regions", regions), ("--png", png)):
        if isinstance(value, str) and len(fields) > 1:
            msg = f"{option} {value} is one file, but there are {len(fields)} fields: give no name"
            raise ValueError(msg)
    folder = Path(out_dir) if out_dir else Path()
    plans = [
        Outputs(
            table=Path(output) if output else folder / f"{f.name}.{ending}" if out_dir else None,
            regions=_product(regions, folder, f.name, ".reg"),
            png=_product(png, folder, f.name, ".png"),
        )
        for f in fields
    ]
    check_tables(plan.table for plan in plans)
    inputs = [file for f in fields for file in f.files]
    refuse_inputs([path for plan in plans for path in plan.paths()], inputs)
    return plans


def check_endings(regions, png):
    """
    Refuse a name that is none: most likely an image that stands behind the option.

    Parameters
    ----------
    regions, png : str, True or None
        Values of ``--regions`` and ``--png``.

    Raises
    ------
    ValueError
        If a name does not end in ``.reg`` or ``.png``.
    """
    for option, value, ending in (("--regions", regions, ".reg"), ("--png", png, ".png")):
        if isinstance(value, str) and not value.lower().endswith(ending):
            msg = f"{option} must be followed by a name that ends in {ending}, got {value!r}"
            raise ValueError(msg)


def _product(value, folder, name, ending):
    """Return the path of a region file or picture."""
    if value is None:
        return None
    return folder / f"{name}{ending}" if value is True else Path(value)
