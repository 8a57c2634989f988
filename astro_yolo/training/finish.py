"""From a trained stock network to weights that ``detect`` takes: export, score, calibrate."""

from pathlib import Path

import cv2
import numpy as np

from astro_yolo.exceptions import warn_user
from astro_yolo.training.export_stock import calibrate_stock, export_stock, outputs_of
from astro_yolo.training.scoring import evaluate_set

__all__ = ["finish_weights"]

_SDSS_SCALE = 0.396  # arcsec per pixel, of the recipes' pictures
_SAMPLE = 25  # pictures that are looked at for their size


def finish_weights(
    checkpoint, path, pictures, recipe, *, stretch, name=None, version="1", overwrite=False
):
    """
    Export a trained network, and calibrate it on the validation split of its set.

    Training brings the longer side of every picture to one size, detection takes all pixels at one
    zoom: that of the median picture, with a warning where they differ by more than a quarter.

    Parameters
    ----------
    checkpoint : path-like
        Of `~astro_yolo.training.stock.train_stock`.
    path : path-like
        ONNX file to write; it appears under this name when it is calibrated.
    pictures : PictureSet
        The set it was trained on.
    recipe : StockRecipe
        How.
    stretch : str
        Of the pictures, see `~astro_yolo.training.picture_sets.stretch_of`; the validation
        pictures of this stretch are used, of a set made with several.
    name, version : str, optional
        Of the weights.
    overwrite : bool, optional
        Replace an existing file.

    Returns
    -------
    path : `~pathlib.Path`
        The file.
    line : dict
        Its line for a registry.
    """
    path = Path(path)
    outputs_of(pictures.names)
    side = _typical_side(pictures)
    several = len(pictures.filters) > 1
    scale = recipe.scale
    around = (_SDSS_SCALE * (1 - scale), _SDSS_SCALE * (1 + scale)) if pictures.recipe else None
    if path.exists() and not overwrite:
        msg = f"path: {path} exists already; overwrite=True replaces it"
        raise FileExistsError(msg)
    part = path.with_name(f".{path.name}")
    part = part.with_suffix(".part.onnx")
    try:
        export_stock(
            checkpoint, part, stretch=stretch, zoom=recipe.image_size / side,
            name=name or path.stem, version=version, pixel_scale=around, overwrite=True,
        )  # fmt: skip
        found = evaluate_set(part, pictures.marker, stretch=stretch if several else None)
        line = calibrate_stock(part, found.pictures)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path, line | {"file": path.name}


def _typical_side(pictures):
    """Return the median longer side of the training pictures, by some of them."""
    paths = pictures.pictures("train")
    chosen = np.unique(np.linspace(0, len(paths) - 1, _SAMPLE).astype(int))
    sides = [max(cv2.imread(str(paths[k])).shape[:2]) for k in chosen]
    if max(sides) > 1.25 * min(sides):
        warn_user(
            f"{pictures.marker}: its pictures differ in size, {min(sides)} to {max(sides)} pixels "
            "on the longer side; training made them one, detection works at the median's zoom"
        )
    return float(np.median(sides))
