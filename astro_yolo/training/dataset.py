"""Training sets on disk, in the layout that YOLO trainers read.

``images/{train,val}/NNNNNN.png`` hold network units times 255 (red, green, blue =
i, r, g; row 0 of the file is row 0 of the array), ``labels/{train,val}/NNNNNN.txt`` one
object a line: kind, then centre x, centre y, width and height as shares of the image.
"""

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from astro_yolo.network.backends import load_backend
from astro_yolo.network.weights import load_weights
from astro_yolo.training.bright import compose_bright
from astro_yolo.training.compose import compose_cutouts, compose_field
from astro_yolo.training.crowded import compose_star_field
from astro_yolo.training.cutouts import (
    Cutout,
    measure_cutout,
    read_labels,
    read_picture,
    split_of,
)
from astro_yolo.training.deep import compose_deep, read_stamps
from astro_yolo.training.drawn_cutouts import draw_picture, draw_stamp
from astro_yolo.training.fields import FIELDS, load_field
from astro_yolo.training.glows import compose_glow
from astro_yolo.training.model_sky import compose_model_sky
from astro_yolo.training.network_input import HARSH
from astro_yolo.training.other_surveys import read_other_surveys
from astro_yolo.training.resolved import compose_resolved
from astro_yolo.training.samples import OBJECTS, packed, transposed
from astro_yolo.training.second_opinion import without_contradicted
from astro_yolo.training.yolo_files import MARKER, marker_text

__all__ = [
    "DatasetRecipe",
    "build_dataset",
    "fields_of",
    "make_sample",
    "measure_cutouts",
    "rules_of",
]

_HARSH_OF = {"field": 0.5, "model": 0.25, "bright": 0.25}  # what "harsh" samples show


@dataclass(frozen=True)
class DatasetRecipe:
    """What a training set holds; the same recipe and seed give the same files."""

    field_samples: int = 16_400
    cutout_samples: int = 12_800
    deep_samples: int = 2000  # skies like a deep field from space
    model_samples: int = 8800  # skies of models, at any seeing
    bright_samples: int = 0  # bright compact galaxies: white discs in most pictures
    val_share: float = 0.04
    size: int = 416
    seed: int = 20261201
    # weights whose word is heard on the labels of real fields; "" for none
    second_opinion: str = "astro-yolo-n4"
    other_share: float = 0.1  # of the cutouts, drawn from other telescopes
    turned_share: float = 0.0  # of SDSS's cutouts, turned by any angle and measured anew
    rescaled_share: float = 0.08  # of the field crops, brought to slightly other pixel scales
    # how often each class is drawn among cutouts: nearer to even than the sky's share, so that the
    # rare types are learnt. Not too near: when the boxes of mergers were round all their light, a
    # network that saw many of them put such boxes round galaxies with neighbours
    class_shares: tuple = (
        ("elliptical", 0.50), ("spiral", 0.22), ("edge_on", 0.22), ("merger", 0.06),
    )


def build_dataset(data, out, recipe=None, *, workers=2, overwrite=False):
    """
    Make a training set from SDSS fields and Galaxy Zoo cutouts.

    Parameters
    ----------
    data : path-like
        Folder with ``sas`` (a mirror of the SDSS archive), ``galaxy_zoo`` and ``hst``.
    out : path-like
        Folder to make.
    recipe : DatasetRecipe, optional
        Sizes, shares and seed; by default those of the shipped weights.
    workers : int, optional
        Processes.
    overwrite : bool, optional
        Write into a folder that holds a data set already; its samples are removed.

    Returns
    -------
    pathlib.Path
        The ``data.yaml`` that trainers read.

    Raises
    ------
    FileExistsError
        If ``out`` holds a data set and ``overwrite`` is False.
    """
    recipe, out = recipe or DatasetRecipe(), Path(out).absolute()
    if (out / MARKER).exists() and not overwrite:
        msg = f"out must not hold a data set unless overwrite=True, got {out}"
        raise FileExistsError(msg)
    for split in ("train", "val"):
        (out / "images" / split).mkdir(parents=True, exist_ok=True)
        (out / "labels" / split).mkdir(parents=True, exist_ok=True)
    if overwrite:
        _remove_samples(out)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        measure_cutouts(data, out / "cutouts.npz", pool=pool)
        jobs = _plan(recipe)
        write = partial(_write_sample, data=str(data), out=str(out), recipe=recipe)
        counts = sum(pool.map(write, jobs, chunksize=20), np.zeros((2, len(OBJECTS)), dtype=int))
    _write_summary(out, recipe, counts)
    return out / MARKER


def _remove_samples(out):
    """Remove what an earlier data set left: a trainer takes every picture that it finds."""
    (out / MARKER).unlink(missing_ok=True)
    for path in out.glob(f"*/*/{'[0-9]' * 6}.*"):
        path.unlink()


def _plan(recipe):
    """Return (number, split, source) of every sample, in a fixed order."""
    jobs = []
    for source in ("field", "cutout", "deep", "model", "bright"):
        count = getattr(recipe, f"{source}_samples")
        n_val = round(count * recipe.val_share)
        jobs += [(source, "train")] * count + [(source, "val")] * n_val
    return [(number, *job) for number, job in enumerate(jobs)]


def _write_summary(out, recipe, counts):
    """Write data.yaml and the table of objects per split."""
    text = f"path: {out}\n{marker_text(('train', 'val'), OBJECTS)}"
    table = {
        split: dict(zip(OBJECTS, map(int, row), strict=True))
        for split, row in zip(("train", "val"), counts, strict=True)
    }
    summary = {"recipe": asdict(recipe), "objects": table}
    (out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    (out / MARKER).write_text(text)


def measure_cutouts(data, cache, *, pool=None):
    """
    Measure the boxes of all Galaxy Zoo cutouts once, and keep them in a file.

    Parameters
    ----------
    data : path-like
        Folder with ``galaxy_zoo``.
    cache : path-like
        ``.npz`` file, read if it exists, else written.
    pool : concurrent.futures.Executor, optional
        Where to run.

    Returns
    -------
    list of Cutout
        In the order of the label table; cutouts without a source in the middle left out.
    """
    cache, folder = Path(cache), Path(data) / "galaxy_zoo"
    if not cache.exists():
        rows = read_labels(folder / "gz1_labels.csv")
        paths = [str(folder / "gz1_cutouts" / f"{number}.jpeg") for number, _ in rows]
        run = pool.map if pool is not None else map
        found = list(run(_measure_one, paths, [label for _, label in rows]))
        _save_cutouts(cache, rows, found)
    return _load_cutouts(cache, folder)


def _measure_one(path, label):
    """Return the central box (NaN if there is none) and the other boxes of a cutout."""
    picture = read_picture(path)
    box, others = measure_cutout(picture, label)
    return (np.full(4, np.nan) if box is None else box), others


def _save_cutouts(cache, rows, found):
    """Write the measurements in one go, so that a killed run leaves no half file."""
    boxes = np.array([box for box, _ in found])
    others = np.concatenate([other for _, other in found])
    counts = np.array([len(other) for _, other in found])
    numbers = np.array([number for number, _ in rows], dtype=np.uint64)
    labels = np.array([label for _, label in rows])
    part = cache.with_suffix(".part.npz")
    np.savez(part, numbers=numbers, labels=labels, boxes=boxes, others=others, counts=counts)
    part.replace(cache)


def _load_cutouts(cache, folder):
    """Return the cutouts that have a box."""
    table = np.load(cache)
    others = np.split(table["others"], np.cumsum(table["counts"])[:-1])
    return [
        Cutout(folder / "gz1_cutouts" / f"{number}.jpeg", str(label), box, split_of(number), other)
        for number, label, box, other in zip(
            table["numbers"], table["labels"], table["boxes"], others, strict=True
        )
        if np.isfinite(box).all()
    ]


@lru_cache(maxsize=1)
def fields_of(data, split, second_opinion):
    """
    Return the fields of a split, read once in each process.

    Parameters
    ----------
    data : str
        Folder with ``sas``.
    split : str
        "train" or "val".
    second_opinion : str
        As of `DatasetRecipe`.

    Returns
    -------
    fields : list of astro_yolo.training.fields.Field
        In the order of `rules_of`.
    shares : (N,) array
        How often each is drawn.
    """
    rules = rules_of(split)
    return [_read_field(data, name, second_opinion) for name in rules], _field_shares(rules)


def rules_of(split):
    """Return name -> `astro_yolo.training.fields.FieldRule` of the fields of a split."""
    return {name: rule for name, rule in FIELDS.items() if rule.split == split}


def _read_field(data, name, second_opinion):
    """Return a field by name, its labels heard against the second opinion."""
    field = load_field(Path(data) / "sas", name, FIELDS[name])
    if not second_opinion:
        return field
    return without_contradicted(field, load_backend(load_weights(second_opinion), "onnxruntime"))


def _field_shares(rules):
    """Return how often each field is drawn."""
    # clusters and nebulae teach what is no galaxy; the galaxies are in the others
    share = np.array([1.0 if rule.has_galaxies else 0.5 for rule in rules.values()])
    return share / share.sum()


@lru_cache(maxsize=2)
def _cutouts_by_class(data, out, split):
    """Return the cutouts of a split by class."""
    groups = {}
    for cutout in measure_cutouts(data, Path(out) / "cutouts.npz"):
        if cutout.split == split:
            groups.setdefault(cutout.label, []).append(cutout)
    return groups


@lru_cache(maxsize=2)
def _other_cutouts(data, split):
    """Return the cutouts of other telescopes of a split."""
    found = read_other_surveys(Path(data) / "galaxy_zoo")
    return [cutout for cutout in found if cutout.split == split]


def _one_of(data, split, recipe, rng, *, galaxies):
    """Draw a field with galaxies, or one of a cluster or a nebula."""
    fields, _ = fields_of(data, split, recipe.second_opinion)
    rules = rules_of(split).values()
    pairs = zip(fields, rules, strict=True)
    chosen = [field for field, rule in pairs if rule.has_galaxies == galaxies]
    return chosen[rng.integers(len(chosen))]


def _some_field(data, split, recipe, rng, source):
    """Draw a field; of a cluster or a nebula, if the source says so."""
    if source == "cluster":
        return _one_of(data, split, recipe, rng, galaxies=False)
    fields, share = fields_of(data, split, recipe.second_opinion)
    return fields[rng.choice(len(fields), p=share)]


def _write_sample(job, *, data, out, recipe):
    """Make and write one sample; return the count of its objects by split and kind."""
    number, _, split = job
    sample = make_sample(job, data=data, out=out, recipe=recipe)
    _save_sample(sample, Path(out), split, f"{number:06d}")
    counts = np.zeros((2, len(OBJECTS)), dtype=int)
    counts[int(split == "val")] = np.bincount(sample.kinds, minlength=len(OBJECTS))
    return counts


def make_sample(job, *, data, out, recipe):
    """
    Return one sample, the same each time.

    Parameters
    ----------
    job : (int, str, str)
        Number; "field", "cutout", "deep", "model", "bright", "resolved", "stars", and only for
        training "cluster", a field without galaxies, "glow", the same binned, or "harsh", pictures
        of three of the others in `HARSH`; "train" or "val".
    data, out : str
        Folder of the data, and that of the measured cutouts.
    recipe : DatasetRecipe
        Side, seed, and what is drawn how often.

    Returns
    -------
    astro_yolo.training.samples.Sample
    """
    number, source, split = job
    cv2.setNumThreads(1)
    rng = np.random.default_rng([recipe.seed, number])
    groups, how = _cutouts_by_class(data, out, split), {}
    if source == "harsh":
        source = rng.choice(list(_HARSH_OF), p=list(_HARSH_OF.values()))
        how = {"pictures": 1.0, "stretches": HARSH}
    if source in {"field", "cluster"}:
        sample = compose_field(
            _some_field(data, split, recipe, rng, source), partial(draw_stamp, groups, recipe), rng,
            size=recipe.size, rescaled_share=recipe.rescaled_share, **how,
        )  # fmt: skip
    elif source == "cutout":
        pick = partial(draw_picture, groups, _other_cutouts(data, split), recipe)
        sample = compose_cutouts(pick, rng, size=recipe.size)
    elif source == "model":
        sample = compose_model_sky(rng, size=recipe.size, **how)
    elif source == "bright":
        # two times of five a blank sky
        field = _one_of(data, split, recipe, rng, galaxies=True) if rng.random() < 0.6 else None
        sample = compose_bright(field, rng, size=recipe.size, **how)
    elif source == "glow":
        field = _one_of(data, split, recipe, rng, galaxies=False)
        sample = compose_glow(field, rng, size=recipe.size)
    elif source == "resolved":
        sample = compose_resolved(rng, size=recipe.size)
    elif source == "stars":
        sample = compose_star_field(rng, size=recipe.size)
    else:
        stamps = read_stamps(str(Path(data) / "hst" / "stamps_f814w"), split)
        sample = compose_deep(stamps, rng, size=recipe.size)
    # flips come from the trainer
    return transposed(sample) if rng.random() < 0.5 else sample


def _save_sample(sample, out, split, stem):
    """Write the image and its label file."""
    image, rows = packed(sample)
    picture = np.ascontiguousarray(np.moveaxis(image[::-1], 0, -1))  # blue first
    path = out / "images" / split / f"{stem}.png"
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    lines = [f"{row[0]:.0f} {row[1]:.5f} {row[2]:.5f} {row[3]:.5f} {row[4]:.5f}\n" for row in rows]
    (out / "labels" / split / f"{stem}.txt").write_text("".join(lines))
