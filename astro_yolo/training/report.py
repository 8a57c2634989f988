"""One page about training and evaluation; each of its tables and figures alone as well."""

import base64
import json
from datetime import UTC, datetime
from hashlib import sha256
from html import escape
from pathlib import Path

import numpy as np

from astro_yolo import __version__
from astro_yolo._files import replacing
from astro_yolo.exceptions import AstroYoloError
from astro_yolo.training.summary import tables_of

__all__ = ["PAGE", "ReportError", "read_results", "write_report"]

#: Name of the page.
PAGE = "report.html"

_FILES = "report-files.json"  # what a report wrote
_LONGEST = 40  # rows of a table on the page; its file has all
_MEASURES = {"astrocv_recall": "recall, AstroCV's protocol", "f1": "F1"}  # of a matrix
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 70rem; margin: 2rem auto;
       padding: 0 1rem; }
table { border-collapse: collapse; margin: .6rem 0 1.2rem; font-size: 13px; }
th, td { padding: .15rem .6rem; border-bottom: 1px solid #ddd; text-align: right; }
th:first-child, td:first-child { text-align: left; }
figure { display: inline-block; margin: .4rem .8rem .8rem 0; vertical-align: top; }
figcaption { font-size: 13px; color: #555; }
img { max-width: 100%; }
h2 { margin-top: 2rem; border-bottom: 1px solid #ccc; }
"""
_EXPLAINED = {
    "astrocv": "AstroCV's protocol (score > 0.001, IoU > 0.5) asks only whether some box lies on "
    "each object: false boxes cost nothing. The other numbers count them. Intervals hold 95 % of "
    "draws of whole pictures with replacement.",
    "confusion": "A row a true class, a column what it was called at the default score; the last "
    "column counts missed objects, the last row spurious detections.",
    "gallery": "Green: the labelled box; magenta: the detection. Class, what it was called if "
    "otherwise, score and IoU.",
}


class ReportError(AstroYoloError, ValueError):
    """A report cannot be made of what was given."""


def read_results(path):
    """
    Read the results of a run.

    Parameters
    ----------
    path : path-like
        Folder of `~astro_yolo.training.stock.train_stock`, or its ``results.ecsv``.

    Returns
    -------
    `~astropy.table.Table`

    Raises
    ------
    ReportError
        If it is missing, no table of numbers or has no column of iterations.
    """
    from astropy.table import Table

    path = Path(path)
    path = path / "results.ecsv" if path.is_dir() else path
    if not path.is_file():
        msg = f"run: {path} does not exist"
        raise ReportError(msg)
    msg = f"run: {path} must be a table of numbers, as a training writes it"
    try:
        table = Table.read(path, format="ascii.ecsv")
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())
        raise ReportError(f"{msg}: {words}") from error
    missing = [name for name in ("iteration", "recall", "mean_iou") if name not in table.colnames]
    if missing:
        msg = f"run: {path} must have the column {missing[0]}, which is missing"
        raise ReportError(msg)
    if any(table[name].dtype.kind not in "iuf" for name in ("iteration", "recall", "mean_iou")):
        raise ReportError(msg)
    return table


def write_report(folder, evaluations=None, runs=None, *, matrix=None, title="", draws=200,
                 overwrite=False):  # fmt: skip
    """
    Write a report.

    Parameters
    ----------
    folder : path-like
        Where to write ``report.html``, and beside it a PNG of each figure and an ECSV of
        each table. The page needs none of them: it may be sent alone. ``report-files.json`` lists
        them with their SHA-256.
    evaluations : dict of str to Evaluation, optional
        By name.
    runs : dict of str to `~astropy.table.Table`, optional
        Results of trainings, by name, see `read_results`: the curves of recall and mean IoU.
    matrix : `~astropy.table.Table`, optional
        From `~astro_yolo.training.robustness.cross_matrix`.
    title : str, optional
        Title of the page.
    draws : int, optional
        Of the bootstrap, 1 or more.
    overwrite : bool, optional
        Replace a report that is there. Of its files those that the new one does not have are
        deleted, unless they were changed since; other files in the folder stay.

    Returns
    -------
    `~pathlib.Path`
        The page.

    Raises
    ------
    ReportError
        If there is nothing to report, the matrix lacks a column, or ``draws`` is below 1.
    FileExistsError
        If there is a page and ``overwrite`` is False.
    """
    evaluations, runs = evaluations or {}, runs or {}
    if not evaluations and not runs and matrix is None:
        msg = "a report needs an evaluation, a run or a matrix, got none"
        raise ReportError(msg)
    if draws < 1:
        msg = f"draws must be 1 or more, got {draws}"
        raise ReportError(msg)
    for name in () if matrix is None else ("trained", "tested", *_MEASURES):
        if name not in matrix.colnames:
            msg = f"matrix must have the column {name}, which is missing"
            raise ReportError(msg)
    folder = Path(folder)
    page = folder / PAGE
    if page.exists() and not overwrite:
        msg = f"folder: {page} exists already; overwrite=True replaces it"
        raise FileExistsError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    page.unlink(missing_ok=True)  # until the new one is whole
    book = _Book(folder)
    if runs:
        _add_runs(book, runs)
    if matrix is not None:
        _add_matrix(book, matrix)
    if evaluations:
        _add_evaluations(book, evaluations, draws)
    with replacing(page, overwrite=True) as part:
        part.write_text(book.page(title or "Training and evaluation"), encoding="utf-8")
    book.files.close()
    return page


class _Files:
    """Lists the files of a report, so that the next one knows them from the user's."""

    def __init__(self, folder):
        self._folder, self._new, self._taken = folder, {}, set()
        self._before = _read_files(folder / _FILES)

    def free(self, stem, ending):
        """Return a name that neither this report nor the user has; disks may not tell A from a."""
        name, number = f"{stem}{ending}", 2
        while name.casefold() in self._taken or self._is_users(name):
            name, number = f"{stem}-{number}{ending}", number + 1
        self._taken.add(name.casefold())
        return name

    def _is_users(self, name):
        """Say whether there is a file that no report before made."""
        return name not in self._before and (self._folder / name).exists()

    def enter(self, name, part):
        """Enter a file before it gets its name: a killed report leaves nothing unknown."""
        self._new[name] = _digest(part)
        self._write(self._before | self._new)

    def close(self):
        """Delete what only the report before had."""
        for name, digest in self._before.items():
            path = self._folder / name
            if name.casefold() not in self._taken and path.is_file() and _digest(path) == digest:
                path.unlink()
        self._write(self._new)

    def _write(self, files):
        with replacing(self._folder / _FILES, overwrite=True) as part:
            part.write_text(json.dumps(files, indent=1), encoding="utf-8")


def _read_files(path):
    """Return names and digests of the files of a report, none where it has no list."""
    try:
        files = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}
    return {name: digest for name, digest in files.items() if Path(name).name == name}


def _digest(path):
    """Return the SHA-256 of a file."""
    return sha256(path.read_bytes()).hexdigest()


class _Book:
    """Collects the page and writes the files beside it."""

    def __init__(self, folder):
        self._folder, self._parts, self.files = folder, [], _Files(folder)

    def heading(self, text, level=2):
        self._parts.append(f"<h{level}>{escape(text)}</h{level}>")

    def text(self, text):
        self._parts.append(f"<p>{escape(text)}</p>")

    def figure(self, name, png, caption=""):
        """Put a PNG on the page and beside it."""
        if png is None:
            return
        self._write(name, ".png", lambda part: part.write_bytes(png))
        source = base64.b64encode(png).decode()
        self._parts.append(
            f'<figure><img alt="{escape(caption or name)}" src="data:image/png;base64,{source}">'
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )

    def table(self, name, table, *, shown=True):
        """Write a table beside the page, and put its first rows on it."""
        self._write(
            name, ".ecsv", lambda part: table.write(part, format="ascii.ecsv", delimiter=",")
        )
        if not shown or not len(table):
            return
        head = "".join(f"<th>{escape(column.replace('_', ' '))}</th>" for column in table.colnames)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_form(value))}</td>" for value in row) + "</tr>"
            for row in table[:_LONGEST]
        )
        self._parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")

    def page(self, title):
        """Return the page."""
        date = datetime.now(tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
        return (
            f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
            f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
            f"<body><h1>{escape(title)}</h1><p>astro-yolo {escape(__version__)}, {date}</p>\n"
            + "\n".join(self._parts)
            + "\n</body></html>\n"
        )

    def _write(self, stem, ending, work):
        name = self.files.free(stem, ending)
        with replacing(self._folder / name, overwrite=True) as part:
            work(part)
            self.files.enter(name, part)


def _form(value):
    """Return a value as text: three digits, and a dash where nothing is known."""
    if isinstance(value, (float, np.floating)):
        return "–" if np.isnan(value) else f"{value:.3f}".rstrip("0").rstrip(".")
    return str(value)


def _file(*words):
    """Return a file name of any words."""
    return "-".join("".join(c if c.isalnum() else "_" for c in str(word)) for word in words)


def _add_runs(book, runs):
    from astro_yolo.training import _figures

    book.heading("Convergence")
    book.text("Validation after every epoch, by AstroCV's protocol.")
    for column, label in (("recall", "recall"), ("mean_iou", "mean IoU")):
        png = _figures.convergence(runs, column, label)
        book.figure(f"convergence-{column}", png, f"{label} against iterations")
    for name, table in runs.items():
        book.table(_file("results", name), table, shown=False)


def _add_matrix(book, matrix):
    from astro_yolo.training import _figures

    book.heading("Trained on, tested on")
    rows = list(dict.fromkeys(map(str, matrix["trained"])))
    columns = list(dict.fromkeys(map(str, matrix["tested"])))
    for measure, label in _MEASURES.items():
        values = np.full((len(rows), len(columns)), np.nan)
        for row in matrix:
            place = rows.index(str(row["trained"])), columns.index(str(row["tested"]))
            values[place] = row[measure]
        png = _figures.grid(values, rows, columns, label, "{:.2f}")
        book.figure(f"matrix-{measure}", png, f"{label}; a row a training set, a column a test")
    book.table("matrix", matrix)


def _add_evaluations(book, evaluations, draws):
    """Add what compares evaluations, and a section for each."""
    from astro_yolo.training import _figures

    tables = {name: tables_of(evaluation, draws=draws) for name, evaluation in evaluations.items()}

    def of(kind):
        return {name: entry[kind] for name, entry in tables.items()}

    book.heading("Evaluation")
    book.text(_EXPLAINED["astrocv"])
    figures = {
        "precision_recall": ("precision against recall, classes not counted",
                             _figures.precision_recall_curves(of("precision_recall"))),
        "reliability": ("how often a score is right",
                        _figures.reliability_diagram(of("reliability"))),
        "size": ("recall by size", _figures.recall_bins(of("size"), "longer side, pixels")),
    }  # fmt: skip
    if any(table["objects"].sum() for table in of("magnitude").values()):
        png = _figures.recall_bins(of("magnitude"), "r magnitude")
        figures["magnitude"] = ("recall by magnitude", png)
    for kind, (caption, png) in figures.items():
        book.figure(kind, png, caption)
    for name, evaluation in evaluations.items():
        _add_evaluation(book, name, evaluation, tables[name])


def _add_evaluation(book, name, evaluation, tables):
    """Add the tables and galleries of one evaluation."""
    from astropy.table import Table

    from astro_yolo.training import _figures
    from astro_yolo.training._gallery import galleries

    about = evaluation.about
    book.heading(name)
    objects = sum(len(picture.truth) for picture in evaluation.pictures)
    book.text(
        f"Model {about['model']} (SHA-256 {about['sha256'][:12]}) on {len(evaluation.pictures)}"
        f" pictures with {objects} objects, split {about['split']} of"
        f" {Path(about['data']).parent.name}; default score {about['threshold']:.3g}."
    )
    for kind in ("headline", "classes", "size", "magnitude"):
        if kind != "magnitude" or tables[kind]["objects"].sum():
            book.heading(kind, 3)
            table = tables[kind]
            filled = table[table["objects"] > 0] if "objects" in table.colnames else table
            book.table(_file(kind, name), filled)
    book.heading("confusion", 3)
    book.text(_EXPLAINED["confusion"])
    table = tables["confusion"]
    values = np.array([list(row)[1:] for row in table], dtype=float)
    png = _figures.grid(values, list(table["true"]), table.colnames[1:], name)
    book.figure(_file("confusion", name), png)
    book.table(_file("confusion", name), table)
    for kind in ("precision_recall", "reliability"):
        book.table(_file(kind, name), tables[kind], shown=False)
    book.heading("gallery", 3)
    book.text(_EXPLAINED["gallery"])
    for kind, (rows, sheet) in galleries(evaluation).items():
        book.figure(_file(kind, name), sheet, kind)
        if rows:
            book.table(_file(kind, name), Table(rows=rows), shown=False)
