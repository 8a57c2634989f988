"""Train a detector on for what it does badly, so that of all else it says what it said before.

A training on new samples alone takes away what the detector knows of others. So half of each batch
are samples of its own kind, on which it learns its own outputs (Li & Hoiem 2018, IEEE TPAMI 40,
2935, "Learning without Forgetting").
"""

import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from astro_yolo.exceptions import require
from astro_yolo.training.dataset import DatasetRecipe, make_sample, measure_cutouts
from astro_yolo.training.samples import packed

__all__ = ["FurtherRecipe", "make_samples", "train_further"]

_RECIPE, _IMAGES, _LABELS = "further.json", "further.npy", "further-labels.npz"


@dataclass(frozen=True)
class FurtherRecipe:
    """How a detector is trained on; by default to be the shipped network for deep fields."""

    start: str = "astro-yolo-n6"  # weights to begin with: a name or an ONNX file
    teacher: str = ""  # weights whose outputs it is held to; "" for those that it begins with
    new_samples: int = 8000
    # where these come from, if no function makes them, and how many of the cutouts are turned
    new_shares: tuple = ()
    turned_share: float = 0.0
    old_samples: int = 8000
    # where these come from
    old_shares: tuple = (("field", 0.45), ("cutout", 0.28), ("deep", 0.05), ("model", 0.22))
    model: str = "yolo_p34_n.yaml"
    image_size: int = 416
    batch: int = 32
    learning_rate: float = 6e-4
    seconds: float = 3600.0
    kept: float = 0.0  # share of the weights that it began with in what `ship` exports
    seed: int = 77


def train_further(data, out, new, recipe=None, *, workers=2, progress=print):
    """
    Make samples, and train by the clock on a CPU; what is done is skipped.

    Parameters
    ----------
    data : path-like
        Folder with ``sas``, ``galaxy_zoo`` and ``hst``.
    out : path-like
        Folder for the samples, half a megabyte each, and the checkpoint.
    new : callable or None
        ``new(data, number, rng)`` returns a new `~astro_yolo.training.samples.Sample`, from the
        data folder, its number and a source of chance. It must be a function of a module. With None
        they come from the sources that the recipe names.
    recipe : FurtherRecipe, optional
        Begin, numbers and schedule.
    workers : int, optional
        Processes that make samples.
    progress : callable, optional
        Is told in words how far it is.

    Returns
    -------
    pathlib.Path
        The checkpoint, a pickle that runs code when loaded: for your own use.

    Raises
    ------
    astro_yolo.exceptions.MissingExtraError
        If ultralytics is not installed.
    FileExistsError
        If ``out`` holds a run of another recipe.
    """
    require("ultralytics", extra="train", feature="training")
    recipe, out = recipe or FurtherRecipe(), Path(out)
    _begin(out, recipe)
    store, labels = make_samples(data, out, recipe, new, workers=workers, progress=progress)
    path = out / "last.pt"
    if not (out / "done").exists():
        from astro_yolo.training._further import train_on

        train_on(store, labels, recipe, out, progress)
        (out / "done").touch()
    return path


def _begin(out, recipe):
    """Make the folder, and note the recipe in it: its samples are of no use to another."""
    out.mkdir(parents=True, exist_ok=True)
    path, text = out / _RECIPE, json.dumps(asdict(recipe), indent=1)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        msg = f"out must be a new folder or one of the same recipe, got {out}; see its {_RECIPE}"
        raise FileExistsError(msg)
    path.write_text(text, encoding="utf-8")


def make_samples(data, out, recipe, new, *, workers=2, progress=print):
    """
    Make the new samples, then those of the detector's own kind, or read those that are there.

    Parameters
    ----------
    data, out, recipe, new, workers, progress
        As of `train_further`.

    Returns
    -------
    images : (N, 3, side, side) uint8 array
        A file that is read as needed.
    labels : list of (M, 5) array
        Kinds and boxes of each.
    """
    images, labels = Path(out) / _IMAGES, Path(out) / _LABELS
    if not labels.exists():
        _write_samples(Path(data), Path(out), recipe, new, workers, progress)
    table = np.load(labels)
    rows = np.split(table["rows"], np.cumsum(table["counts"])[:-1])
    return np.load(images, mmap_mode="r"), rows


def _write_samples(data, out, recipe, new, workers, progress):
    """Make all samples in an order of chance; the labels come last."""
    count = recipe.new_samples + recipe.old_samples
    shape = count, 3, recipe.image_size, recipe.image_size
    store, labels = np.lib.format.open_memmap(out / _IMAGES, "w+", np.uint8, shape), [None] * count
    make = partial(_sample, data=str(data), out=str(out), recipe=recipe, new=new)
    order = np.random.default_rng(recipe.seed).permutation(count).tolist()
    with get_context("spawn").Pool(workers) as pool:
        measure_cutouts(data, out / "cutouts.npz")
        for k, (number, image, rows) in enumerate(pool.imap_unordered(make, order, 8)):
            store[number], labels[number] = image, rows
            if k % 1000 == 0:
                progress(f"{k} of {count} samples")
    store.flush()
    counts = np.array([len(rows) for rows in labels])
    np.savez(out / _LABELS, rows=np.concatenate(labels), counts=counts)


def _sample(number, *, data, out, recipe, new):
    """Return the number of a sample, its image and its objects."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng([recipe.seed, number])
    is_new = number < recipe.new_samples
    if is_new and new is not None:
        return number, *packed(new(data, number, rng))
    names, shares = zip(*(recipe.new_shares if is_new else recipe.old_shares), strict=True)
    job = number, str(rng.choice(names, p=shares)), "train"
    own = DatasetRecipe(seed=recipe.seed, size=recipe.image_size)
    if is_new:
        own = replace(own, turned_share=recipe.turned_share, other_share=0.0)
    return number, *packed(make_sample(job, data=data, out=out, recipe=own))
