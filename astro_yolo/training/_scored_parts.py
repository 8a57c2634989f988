"""Pictures that were scored before an evaluation was cut off."""

import hashlib
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np

from astro_yolo._files import replacing
from astro_yolo.training.picture_sets import label_path
from astro_yolo.training.scored import ScoredPicture

_NAMES = [field.name for field in fields(ScoredPicture)]


class ScoredParts:
    """
    Keeps each scored picture as a file, until the evaluation is whole.

    Parameters
    ----------
    folder : path-like or None
        Where; with None nothing is kept.
    about : str
        What was scored by what. Parts of anything else are not found.
    """

    def __init__(self, folder, about):
        key = hashlib.sha256(about.encode()).hexdigest()[:16]
        self._folder = None if folder is None else Path(folder) / f".parts-{key}"

    def _place(self, path):
        """Return the file of a picture; one that was written or labelled anew is another."""
        files = [Path(path), label_path(path, "labels"), label_path(path, "ignore")]
        state = str([(str(f), f.stat().st_mtime_ns) for f in files if f.is_file()])
        return self._folder / f"{hashlib.sha256(state.encode()).hexdigest()[:24]}.npz"

    def scored(self, path, score):
        """Return a picture as it was scored before, or score it and keep it."""
        if self._folder is None:
            return score(path)
        place = self._place(path)
        if place.is_file():
            with np.load(place) as values:
                return ScoredPicture(str(values["name"]), *(values[n] for n in _NAMES[1:]))
        picture = score(path)
        self._folder.mkdir(parents=True, exist_ok=True)
        with replacing(place, overwrite=True) as part, part.open("wb") as file:
            np.savez_compressed(file, **{name: getattr(picture, name) for name in _NAMES})
        return picture

    def forget(self):
        """Delete what was kept, also by an evaluation that was given up."""
        if self._folder is not None:
            for folder in self._folder.parent.glob(".parts-*"):
                shutil.rmtree(folder, ignore_errors=True)
