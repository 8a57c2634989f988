"""YOLO detection sets on disk: pictures, labels and what is to be ignored."""

import filecmp
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from astro_yolo.exceptions import AstroYoloError, warn_user
from astro_yolo.filters import FILTERS
from astro_yolo.training.yolo_files import MARKER

__all__ = ["PictureSet", "SetError", "check_labels", "read_boxes", "read_set"]

_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp"}


class SetError(AstroYoloError, ValueError):
    """A data set is missing, empty or wrong in itself."""


@dataclass(frozen=True)
class PictureSet:
    """
    A YOLO detection set.

    Attributes
    ----------
    marker : `~pathlib.Path`
        Its ``data.yaml``.
    names : tuple of str
        Classes.
    splits : dict of str to tuple of `~pathlib.Path`
        Pictures of ``train``, ``val`` and ``test``, sorted.
    recipe : str
        Name of AstroCV's recipe it was made by; empty for any other set.
    filters : tuple of str
        Stretches of its pictures, where it says so.
    boxes : tuple of float
        Side of its boxes in Petrosian radii and smallest side in pixels, where it says so.
    """

    marker: Path
    names: tuple
    splits: dict
    recipe: str = ""
    filters: tuple = ()
    boxes: tuple = ()

    def pictures(self, split, stretch=None):
        """
        Return the pictures of a split.

        Parameters
        ----------
        split : str
            ``train``, ``val`` or ``test``.
        stretch : str, optional
            Only those named ``*-STRETCH``, as the recipes name them.

        Returns
        -------
        tuple of `~pathlib.Path`

        Raises
        ------
        SetError
            If there is none.
        """
        chosen = self.splits.get(split, ())
        if stretch is not None:
            chosen = tuple(path for path in chosen if path.stem.endswith(f"-{stretch}"))
        if not chosen:
            of = "" if stretch is None else f" of the stretch {stretch}"
            msg = f"{self.marker}: the split {split!r} must hold pictures{of}, got none"
            raise SetError(msg)
        return chosen


def read_set(path):
    """
    Read what a YOLO detection set says about itself, and list its pictures.

    A picture of the split train that stands in val or test too, or a copy of it under the same
    name, gives a warning: what is measured there is better than on pictures never seen.

    Parameters
    ----------
    path : path-like
        ``data.yaml``, or the folder that holds it.

    Returns
    -------
    PictureSet

    Raises
    ------
    SetError
        If the file is missing or no such file, a split is missing, or a class has no name.
    """
    import yaml

    marker = Path(path)
    marker = marker / MARKER if marker.is_dir() else marker
    if not marker.is_file():
        msg = f"data must be a data.yaml or a folder with one, and {marker} does not exist"
        raise SetError(msg)
    try:
        data = yaml.safe_load(marker.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        msg = f"{marker} must be YAML: {' '.join(str(error).split())}"
        raise SetError(msg) from error
    missing = [key for key in ("train", "val", "names") if not dict_of(data).get(key)]
    if missing:
        msg = f"{marker} must have {', '.join(missing)}"
        raise SetError(msg)
    root = marker.parent / str(data.get("path") or "")
    splits = {split: _listed(marker, root, split, data) for split in ("train", "val", "test")}
    names, state = _names(marker, data["names"]), _state(marker.parent / "recipe.json")
    for learnt, split in (("train", "val"), ("train", "test"), ("val", "test")):
        _warn_of_leak(marker, learnt, split, splits)
    keys = ("box_radii", "min_side")
    return PictureSet(
        marker.absolute(), names, splits,
        str(state.get("recipe", "")), tuple(state.get("filters", ())),
        tuple(state[key] for key in keys) if state.keys() >= set(keys) else (),
    )  # fmt: skip


def dict_of(value):
    """Return a dict as it is, and an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def _names(marker, names):
    """Return the class names by number; YAML holds a list or a mapping."""
    if isinstance(names, dict):
        if set(names) != set(range(len(names))):
            msg = f"{marker}: names must be numbered from 0 without a gap, got {list(names)}"
            raise SetError(msg)
        names = [names[k] for k in range(len(names))]
    if not isinstance(names, list):
        msg = f"{marker}: names must be a list or numbered from 0, got {names!r}"
        raise SetError(msg)
    return tuple(str(name) for name in names)


def _listed(marker, root, split, data):
    """Return the pictures of a split, in folders or listed in text files."""
    found, places = [], data.get(split) or []
    for place in places if isinstance(places, list) else [places]:
        if not isinstance(place, str):
            msg = f"{marker}: {split} must be a folder, a text file or a list of them, got {place}"
            raise SetError(msg)
        path = root / place
        if not path.exists() and place.startswith("../"):
            path = root / place[3:]  # as ultralytics reads the sets of Roboflow
        if path.is_dir():
            found += [p for p in path.rglob("*") if p.suffix.lower() in _SUFFIXES
                      and not any(part.startswith(".") for part in p.relative_to(path).parts)]
        elif path.is_file():
            lines = _lines_of(path)
            found += [path.parent / line.strip() for line in lines if line.strip()]
        else:
            msg = f"{marker} names {place}, and {path} does not exist"
            raise SetError(msg)
    return tuple(sorted(path.absolute() for path in found))


def _lines_of(path):
    """Return the lines of a file that lists pictures."""
    try:
        return path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        msg = f"{path} must be a folder or a text file that lists pictures: {error}"
        raise SetError(msg) from error


def _warn_of_leak(marker, learnt, split, splits):
    """Warn if pictures of a split are also in one that is learnt from, or chosen by."""
    known = {}
    for path in splits[learnt]:
        known.setdefault(path.name, []).append(path)
    both = [path for path in splits[split]
            if any(_is_same(path, other) for other in known.get(path.name, ()))]  # fmt: skip
    if both:
        warn_user(
            f"{marker}: {len(both)} of {len(splits[split])} pictures of the split {split} are in "
            f"{learnt} too, the first {both[0]}: what is measured on {split} will be too good"
        )


def _is_same(one, other):
    """Say whether two paths lead to the same picture."""
    try:
        return one == other or filecmp.cmp(one, other, shallow=False)
    except OSError:  # a list may name what is not there
        return False


def _state(path):
    """Return what a recipe left beside the set."""
    if not path.is_file():
        return {}
    try:
        return dict_of(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        msg = f"{path} must be JSON, as a recipe writes it: {error}"
        raise SetError(msg) from error


def stretch_of(pictures, stretch=None):
    """
    Return the stretch that a network trained on a set asks for.

    Parameters
    ----------
    pictures : PictureSet
        The set.
    stretch : str, optional
        One of `~astro_yolo.stretch.STRETCHES`, which wins.

    Returns
    -------
    str
        By default the set's own stretch, of several the first in the order of
        `~astro_yolo.filters.FILTERS`.

    Raises
    ------
    SetError
        If there is no such stretch, the set has several and not this one, or none is known.
    """
    from astro_yolo.stretch import STRETCHES

    if stretch is None:
        known = [name for name in FILTERS if name in pictures.filters]
        if not known:
            msg = f"stretch must be named: {pictures.marker.parent} does not say how its pictures"
            raise SetError(f"{msg} were made; one of {', '.join(STRETCHES)}")
        return known[0]
    if stretch not in STRETCHES:
        msg = f"stretch must be one of {', '.join(STRETCHES)}, got {stretch!r}"
        raise SetError(msg)
    if len(pictures.filters) > 1 and stretch not in pictures.filters:
        msg = f"stretch must be one of the set's, {', '.join(pictures.filters)}, got {stretch!r}"
        raise SetError(msg)
    return stretch


def read_boxes(picture, kind, shape):
    """
    Read the label file of a picture, or what is to be ignored on it.

    Parameters
    ----------
    picture : path-like
        ``.../images/...``; its text file stands in ``labels`` or ``ignore`` instead. Where no
        folder is called ``images`` they stand beside it, ``NAME.txt`` and ``NAME.ignore.txt``.
    kind : {"labels", "ignore"}
        Which file; a missing one holds nothing.
    shape : (int, int)
        Rows and columns of the picture.

    Returns
    -------
    boxes : (N, 4) array
        xmin, ymin, xmax, ymax in edge pixels.
    classes : (N,) int array
        Classes; -1 for what is ignored.

    Raises
    ------
    SetError
        If the file is not in YOLO's form: class and numbers of a box in each line.
    """
    path = label_path(picture, kind)
    text = _text_of(path) if path.is_file() else ""
    columns = 5 if kind == "labels" else 4
    words = [line.split() for line in text.splitlines() if line.strip()]
    try:
        rows = np.array(words, dtype=float).reshape(len(words), columns)
    except ValueError as error:
        msg = f"{path} must hold {columns} numbers a line"
        raise SetError(msg) from error
    good = np.isfinite(rows).all(axis=1) & (rows[:, -2:] >= 0).all(axis=1)
    good &= True if columns == 4 else rows[:, 0] == np.floor(rows[:, 0])
    if not good.all():
        line = " ".join(words[int(np.argmin(good))])
        msg = f"{path} must hold whole classes, finite numbers and sides of 0 or more, got {line!r}"
        raise SetError(msg)
    classes = rows[:, 0].astype(int) if columns == 5 else np.full(len(rows), -1)
    x, y, width, height = (rows[:, -4:] * ([shape[1], shape[0]] * 2)).T
    return np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], 1), classes


def _text_of(path):
    """Return the text of a label file."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        msg = f"{path} must be text in UTF-8: {error}"
        raise SetError(msg) from error


def check_labels(pictures, split):
    """
    Make sure that the labels of a split are labels of its set.

    Ultralytics leaves a picture with wrong labels out without a word; training on the rest of a
    set is not what was asked for.

    Parameters
    ----------
    pictures : PictureSet
        The set.
    split : str
        ``train``, ``val`` or ``test``.

    Raises
    ------
    SetError
        If a label file is not in YOLO's form, or holds a class that is not in the set's list or a
        box outside the picture, or there is no object at all.
    """
    number, objects = len(pictures.names), 0
    for picture in pictures.pictures(split):
        read_boxes(picture, "ignore", (1, 1))
        boxes, classes = read_boxes(picture, "labels", (1, 1))
        path = label_path(picture, "labels")
        wrong = classes[(classes < 0) | (classes >= number)]
        if len(wrong):
            msg = f"the labels of {path} must have classes 0 to {number - 1}, got {wrong[0]}"
            raise SetError(msg)
        # rounding of what was written may reach past the border
        if len(boxes) and not (boxes.min() > -0.01 and boxes.max() < 1.01):
            msg = f"the boxes of {path} must lie in the picture, as shares of its sides"
            raise SetError(msg)
        objects += len(boxes)
    if not objects:
        path = label_path(pictures.pictures(split)[0], "labels")
        msg = f"{pictures.marker}: the split {split!r} must hold an object, got none"
        raise SetError(f"{msg}; the labels of its first picture would be {path}")


def label_path(picture, kind):
    """Return the text file that belongs to a picture; YOLO swaps the last ``images``."""
    parts = list(Path(picture).with_suffix(".txt").parts)
    place = len(parts) - 1 - parts[::-1].index("images") if "images" in parts else None
    if place is not None:
        parts[place] = kind
    elif kind != "labels":
        parts[-1] = f"{Path(picture).stem}.{kind}.txt"
    return Path(*parts)
