"""Run `~astro_yolo.detection.Detector` on the pictures of a set, and keep what it found.

What is scored is the product itself: the same stretch, suppression and calibration that anyone gets
from ``detect``.
"""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from astro_yolo import __version__
from astro_yolo._files import replacing
from astro_yolo.catalog import BOX_COLUMNS, pixel_boxes
from astro_yolo.detection import Detector
from astro_yolo.exceptions import NoDetectionsWarning
from astro_yolo.training._progress import progress_bar
from astro_yolo.training._scored_parts import ScoredParts
from astro_yolo.training.export_stock import outputs_of
from astro_yolo.training.picture_sets import SetError, dict_of, read_boxes, read_set
from astro_yolo.training.scored import ScoredPicture

__all__ = [
    "Evaluation", "evaluate_set", "evaluation_files", "read_evaluation", "score_picture",
    "write_evaluation",
]  # fmt: skip

_STATE = "evaluation.json"
_MARKS = {"truth": "truth.ecsv", "found": "detections.ecsv"}
_LAST = {"truth": "magnitude", "found": "score"}  # column of each table
_LISTS, _TEXTS = ("names", "pictures"), ("model", "sha256", "data", "split")  # of evaluation.json
_LOWEST = 0.001  # AstroCV's
_SAME = 0.05  # pixels that an edge may be off by the rounding of two files


@dataclass(frozen=True)
class Evaluation:
    """
    A network on a set.

    Attributes
    ----------
    pictures : tuple of ScoredPicture
        With the path of the picture as name.
    names : tuple of str
        Classes.
    about : dict
        ``model``, ``sha256``, ``data``, ``split``, ``stretch``, ``threshold`` (the default score).
    """

    pictures: tuple
    names: tuple
    about: dict


def evaluate_set(
    model, data, *, split="val", stretch=None, device=None, progress=False, parts=None
):
    """
    Detect in every picture of a set.

    Parameters
    ----------
    model : str, path-like or Detector
        As of `~astro_yolo.detection.Detector`.
    data : path-like
        ``data.yaml`` or its folder.
    split : str, optional
        ``train``, ``val`` or ``test``.
    stretch : str, optional
        Only pictures of this stretch, of a set made with several.
    device : str, optional
        "cpu" or "cuda".
    progress : bool, optional
        Say on standard error how far it is.
    parts : path-like, optional
        Folder to keep pictures in until all are scored: a call that was cut off goes on there.

    Returns
    -------
    Evaluation

    Raises
    ------
    SetError, ExportError
        If the set is missing, empty or damaged, or has a class that `detect` does not know, or two
        that are one to it.
    ModelError
        If the network cannot be loaded.
    """
    pictures = read_set(data)
    names = outputs_of(pictures.names)
    detector = model if isinstance(model, Detector) else Detector(model, device=device)
    magnitudes = _magnitudes(pictures, split)
    scored = []
    chosen = pictures.pictures(split, stretch)
    changed = pictures.marker.stat().st_mtime_ns
    kept = ScoredParts(parts, f"{__version__} {detector.weights.sha256} {changed}")
    with progress_bar(len(chosen), show=progress, of="picture") as step:
        for path in chosen:
            scored.append(kept.scored(
                path, lambda p: score_picture(detector, p, names, magnitudes.get(p))
            ))  # fmt: skip
            step()
    kept.forget()
    about = {
        "model": detector.weights.name, "sha256": detector.weights.sha256,
        "data": str(pictures.marker), "split": split, "stretch": stretch or "",
        "recipe": pictures.recipe, "threshold": detector.weights.default_score,
    }  # fmt: skip
    return Evaluation(tuple(scored), names, about)


def score_picture(detector, path, names, magnitudes=None):
    """
    Detect in one picture, and read its labels.

    Parameters
    ----------
    detector : Detector
        The network.
    path : path-like
        Picture of a YOLO set.
    names : sequence of str
        Classes of the set.
    magnitudes : ((M, 4) array, (M,) array), optional
        Boxes in edge pixels, and the magnitudes of what is in them: labels that lie elsewhere have
        none.

    Returns
    -------
    ScoredPicture
        Boxes in edge pixels with rows as in the file. Detections of a class that the set does not
        have are left out; a set with one class takes them all for it, and one with the class
        ``galaxy`` takes types that it does not have for that.
    """
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        msg = f"{path} must be a picture, and cannot be read as one"
        raise SetError(msg)
    truth, kinds = read_boxes(path, "labels", picture.shape[:2])
    if len(kinds) and not 0 <= kinds.min() <= kinds.max() < len(names):
        msg = f"the labels of {path} must have classes 0 to {len(names) - 1}, got {kinds.max()}"
        raise SetError(msg)
    middles = (truth[:, :2] + truth[:, 2:]) / 2 / picture.shape[1::-1]
    if np.any((middles < 0) | (middles > 1)):  # in pixels, most likely: nothing would be found
        msg = f"the labels of {path} must lie in the picture, as shares of its sides"
        raise SetError(msg)
    boxes, scores, labels = found_in(
        detector, np.ascontiguousarray(picture[..., ::-1]), stars="star" in names
    )
    classes = np.array([_class_of(label, names) for label in labels], dtype=int)
    known = classes >= 0
    return ScoredPicture(
        name=str(path), truth=truth, truth_classes=kinds, boxes=boxes[known],
        scores=scores[known], classes=classes[known],
        ignored=read_boxes(path, "ignore", picture.shape[:2])[0],
        magnitudes=None if magnitudes is None else _at_boxes(truth, *magnitudes),
    )  # fmt: skip


def _class_of(label, names):
    """Return the number of the class that a label of `detect` is in a set, -1 for none."""
    if label in names:
        return names.index(label)
    if len(names) == 1:
        return 0
    # `detect` names the type of every galaxy; a set of galaxies and stars knows only that it is one
    return names.index("galaxy") if "galaxy" in names and label != "star" else -1


def found_in(detector, rgb, *, stars=False):
    """Return boxes in edge pixels, scores and labels of what is found in an 8-bit picture."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoDetectionsWarning)
        table = detector.detect(rgb, score=_LOWEST, include_stars=stars)
    scores = np.asarray(table["score"], dtype=float)
    if stars:
        scores = np.maximum(scores, np.asarray(table["p_star"], dtype=float))
    return pixel_boxes(table) + 0.5, scores, [str(n) for n in table["label"]]


def _at_boxes(truth, boxes, magnitudes):
    """Return the magnitude of the same box for each of the truth, NaN where there is none."""
    if not len(boxes):
        return np.full(len(truth), np.nan)
    apart = np.abs(truth[:, None] - boxes).max(axis=2)
    nearest = apart.argmin(axis=1)
    same = apart[np.arange(len(truth)), nearest] < _SAME
    return np.where(same, magnitudes[nearest], np.nan)


def _magnitudes(pictures, split):
    """Return boxes and magnitudes of each picture, where the set's COCO file has them."""
    path = pictures.marker.parent / f"coco-{split}.json"
    if not path.is_file():
        return {}
    try:
        coco = json.loads(path.read_text(encoding="utf-8"))
        places = {image["id"]: (pictures.marker.parent / image["file_name"]).absolute()
                  for image in coco.get("images", ())}  # fmt: skip
        found = {place: [] for place in places.values()}
        for note in coco.get("annotations", ()):
            value = note.get("magnitude_r")
            if value is not None and note["image_id"] in places:
                x, y, width, height = map(float, note["bbox"])
                row = x, y, x + width, y + height, float(value)
                found[places[note["image_id"]]].append(row)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        msg = f"{path} must be a COCO file: {type(error).__name__}: {error}"
        raise SetError(msg) from error
    tables = {place: np.reshape(rows, (-1, 5)) for place, rows in found.items() if rows}
    return {place: (table[:, :4], table[:, 4]) for place, table in tables.items()}


def evaluation_files(folder):
    """
    Return which files of an evaluation are in a folder.

    Parameters
    ----------
    folder : path-like
        The folder.

    Returns
    -------
    list of str
        Their names.
    """
    return [name for name in (_STATE, *_MARKS.values()) if (Path(folder) / name).exists()]


def write_evaluation(evaluation, folder, *, overwrite=False):
    """
    Write an evaluation: two tables of boxes, and what they are about.

    Parameters
    ----------
    evaluation : Evaluation
        From `evaluate_set`.
    folder : path-like
        Folder to make; ``evaluation.json`` is written last.
    overwrite : bool, optional
        Replace an evaluation that is there.

    Returns
    -------
    `~pathlib.Path`
        The folder.

    Raises
    ------
    FileExistsError
        If there is one and ``overwrite`` is False.
    """
    from astropy.table import Table

    folder = Path(folder)
    if (there := evaluation_files(folder)) and not overwrite:
        msg = f"folder: {folder} holds {', '.join(there)} already; overwrite=True replaces it"
        raise FileExistsError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _STATE).unlink(missing_ok=True)
    for kind, rows in _rows(evaluation).items():
        with replacing(folder / _MARKS[kind], overwrite=True) as part:
            Table(rows).write(part, format="ascii.ecsv", delimiter=",")
    state = {**evaluation.about, "names": list(evaluation.names),
             "pictures": [picture.name for picture in evaluation.pictures]}  # fmt: skip
    with replacing(folder / _STATE, overwrite=True) as part:
        part.write_text(json.dumps(state, indent=1), encoding="utf-8")
    return folder


def _rows(evaluation):
    """Return the columns of both tables; an ignored region is a truth of class -1."""
    nothing = np.empty(0), np.empty((0, 4)), np.empty(0), np.empty(0)  # where there is no picture
    parts = {"truth": [nothing], "found": [nothing]}
    for k, p in enumerate(evaluation.pictures):
        boxes = np.concatenate([p.truth, p.ignored])
        kinds = np.concatenate([p.truth_classes, np.full(len(p.ignored), -1)])
        light = np.concatenate([p.magnitudes, np.full(len(p.ignored), np.nan)])
        parts["truth"].append((np.full(len(boxes), k), boxes, kinds, light))
        parts["found"].append((np.full(len(p.boxes), k), p.boxes, p.classes, p.scores))
    tables = {}
    for kind, last in _LAST.items():
        number, boxes, kinds, values = (
            np.concatenate(column) for column in zip(*parts[kind], strict=True)
        )
        columns = {"picture": number.astype(int)}
        columns |= dict(zip(BOX_COLUMNS, boxes.T, strict=True))
        tables[kind] = columns | {"class": kinds.astype(int), last: values}
    return tables


def read_evaluation(folder):
    """
    Read what `write_evaluation` wrote.

    Parameters
    ----------
    folder : path-like
        Its folder.

    Returns
    -------
    Evaluation

    Raises
    ------
    SetError
        If there is none, or one of its files is damaged or does not fit the others.
    """
    folder = Path(folder)
    for name in (_STATE, *_MARKS.values()):
        if not (folder / name).is_file():
            msg = f"folder: {folder} must hold an evaluation, and {name} is missing"
            raise SetError(msg)
    about = _read_about(folder / _STATE)
    names, paths = about.pop("names"), about.pop("pictures")
    tables = {kind: _read_marks(folder / name, kind) for kind, name in _MARKS.items()}
    for kind, name in _MARKS.items():
        _check_range(folder / name, tables[kind]["picture"], 0, len(paths))
        _check_range(folder / name, tables[kind]["class"], -1 if kind == "truth" else 0, len(names))
    pictures = [_picture(k, path, tables) for k, path in enumerate(paths)]
    return Evaluation(tuple(pictures), tuple(names), about)


def _read_about(path):
    """Return what an evaluation is about; somebody may have changed the file by hand."""
    try:
        about = dict_of(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:  # what is no text is one too
        msg = f"{path} must be JSON, as an evaluation writes it: {error}"
        raise SetError(msg) from error
    missing = [key for key in (*_LISTS, *_TEXTS, "threshold") if key not in about]
    if missing:
        msg = f"{path} must have {', '.join(missing)}"
        raise SetError(msg)
    rules = dict.fromkeys(_LISTS, ("a list of texts", _is_texts))
    rules |= dict.fromkeys(_TEXTS, ("a text", lambda value: isinstance(value, str)))
    rules["threshold"] = "a number", lambda value: type(value) in (int, float)  # True is no number
    for key, (words, holds) in rules.items():
        if not holds(about[key]):
            msg = f"{path}: {key} must be {words}, got {about[key]!r}"
            raise SetError(msg)
    return about


def _is_texts(value):
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def _read_marks(path, kind):
    """Return a table of boxes; a cell that is empty or no number is an error."""
    from astropy.table import Table

    try:
        table = Table.read(path, format="ascii.ecsv")
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        # the last is Astropy's word for it; a header cut short fails in other ways
        words = " ".join(f"{type(error).__name__}: {error}".split())
        msg = f"{path} must be a table, as an evaluation writes it: {words}"
        raise SetError(msg) from error
    columns = ("picture", *BOX_COLUMNS, "class", _LAST[kind])
    missing = [name for name in columns if name not in table.colnames]
    if missing:
        msg = f"{path} must have the columns {', '.join(missing)}"
        raise SetError(msg)
    for name in columns:
        words, kinds = ("whole ", "iu") if name in ("picture", "class") else ("", "iuf")
        if np.ma.is_masked(table[name]) or table[name].dtype.kind not in kinds:
            msg = f"{path}: {name} must be a {words}number in every row"
            raise SetError(msg)
    return table


def _check_range(path, column, low, end):
    """Raise if a column holds numbers that the lists of the evaluation do not have."""
    wrong = column[(column < low) | (column >= end)]
    if len(wrong):
        msg = f"{path}: {column.name} must be {low} or more and below {end}, as {_STATE} lists"
        raise SetError(f"{msg} {end}, got {wrong[0]}")


def _picture(number, path, tables):
    """Return one picture of the tables."""
    truth, found = (table[table["picture"] == number] for table in tables.values())
    boxes = {"truth": pixel_boxes(truth), "found": pixel_boxes(found)}
    real = np.asarray(truth["class"]) >= 0
    return ScoredPicture(
        name=path, truth=boxes["truth"][real], truth_classes=truth["class"][real],
        ignored=boxes["truth"][~real], magnitudes=np.asarray(truth["magnitude"], float)[real],
        boxes=boxes["found"], scores=found["score"], classes=found["class"],
    )  # fmt: skip
