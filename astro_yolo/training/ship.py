"""From the data folder to calibrated weights: the recipe of the shipped model, and of the types."""

import json
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from shutil import copy

import numpy as np

from astro_yolo.catalog import CLASSES
from astro_yolo.network.backends import load_backend
from astro_yolo.network.calibration import Calibration
from astro_yolo.network.weights import load_weights, metadata_of
from astro_yolo.stretch import to_network
from astro_yolo.training.dataset import DatasetRecipe, build_dataset, measure_cutouts
from astro_yolo.training.evaluate import (
    Outcome,
    candidates,
    classify_cutouts,
    evaluate_samples,
    fit_classes,
    summarise,
)
from astro_yolo.training.export import export_onnx, write_metadata
from astro_yolo.training.fields import FIELDS, load_field
from astro_yolo.training.further import FurtherRecipe, train_further
from astro_yolo.training.mock_skies import ALSO, WAYS, outcome_of_fields, outcome_of_sky
from astro_yolo.training.score_maps import fit_calibration, purity_table
from astro_yolo.training.train import TrainRecipe, train
from astro_yolo.training.types import make_types

__all__ = [
    "DEFAULT",
    "DETECTORS",
    "DetectorRecipe",
    "calibrate",
    "class_table",
    "galaxy_fields",
    "held_out_cutouts",
    "make_weights",
    "picture_detector",
    "train_shipped_on",
]


@dataclass(frozen=True)
class DetectorRecipe:
    """The version of a detector, its samples, its training, and the steps it is trained on in."""

    version: str
    dataset: DatasetRecipe = field(default_factory=DatasetRecipe)
    training: TrainRecipe = field(default_factory=TrainRecipe)
    further: tuple[FurtherRecipe, ...] = ()


# How the default detector is trained on: for cutouts that are turned, for pictures in conversions
# that make white discs, and for these again, while it says of all else what it said before them
_TURNED = FurtherRecipe(
    new_samples=3500, new_shares=(("cutout", 0.86), ("glow", 0.14)),
    turned_share=0.75,
    old_samples=3500, old_shares=(
        ("field", 0.42), ("cutout", 0.08), ("deep", 0.05), ("model", 0.27), ("bright", 0.18)
    ),
    learning_rate=5e-4, seconds=3600.0, kept=0.4, seed=24,
)  # fmt: skip
_HARSH = replace(
    _TURNED, new_shares=(("cutout", 0.26), ("glow", 0.14), ("harsh", 0.6)),
    learning_rate=4e-4, seconds=3000.0, seed=27,
)  # fmt: skip
_HELD = replace(
    _HARSH, teacher="further-1", learning_rate=3e-4, seconds=960.0, kept=0.0, seed=28
)
# and then for galaxies that are resolved, and for stars, which it then took for their knots
_RESOLVED = FurtherRecipe(
    new_samples=2000, new_shares=(("resolved", 0.7), ("cutout", 0.2), ("glow", 0.1)),
    turned_share=0.5,
    old_samples=2600, old_shares=(
        ("field", 0.36), ("cutout", 0.14), ("deep", 0.05), ("model", 0.22), ("bright", 0.13),
        ("harsh", 0.1),
    ),
    learning_rate=4e-4, seconds=2400.0, seed=30,
)  # fmt: skip
_NO_KNOTS = FurtherRecipe(
    teacher="further-3", new_samples=2500, new_shares=(
        ("resolved", 0.56), ("cutout", 0.16), ("glow", 0.08), ("stars", 0.2)
    ),
    turned_share=0.5,
    old_samples=3500, old_shares=(
        ("field", 0.27), ("cutout", 0.1), ("deep", 0.04), ("model", 0.16), ("bright", 0.1),
        ("harsh", 0.08), ("cluster", 0.15), ("stars", 0.1),
    ),
    learning_rate=3e-4, seconds=1200.0, seed=31,
)  # fmt: skip

_WIDER = DetectorRecipe(
    "7",
    DatasetRecipe(
        field_samples=20_000, cutout_samples=16_000, deep_samples=2400, model_samples=13_000,
        bright_samples=6000,
    ),
    TrainRecipe(model="yolo_p34_m.yaml", start="astro-yolo-n6", kept=0.3, epochs=17),
    (_TURNED, _HARSH, _HELD),
)  # fmt: skip

#: The small detector, the wider one, which begins with it and takes half as long again, and that
#: one trained on for galaxies that are resolved.
DETECTORS = {
    "astro-yolo-n6": DetectorRecipe("6"),
    "astro-yolo-n7": _WIDER,
    "astro-yolo-n8": replace(_WIDER, version="8", further=(*_WIDER.further, _RESOLVED, _NO_KNOTS)),
}

#: The one that ``model="default"`` names.
DEFAULT = "astro-yolo-n8"

#: Names and versions of the other networks.
TYPES_NAME, TYPES_VERSION = "astro-yolo-types-3", "3"
DEEP_NAME, DEEP_VERSION = "astro-yolo-deep-1", "1"  # of benchmarks/train_deep.py

# Wanted of the default score on the held-out sky and its mock skies, down to a magnitude in r: the
# network finds fainter galaxies than most are asked for, and what it errs in there must not cost
# the bright ones. A fifth of the mock skies have the many stars of low Galactic latitude, and
# brighter than r = 21 there are fewer errors: elsewhere it is purer
_PURITY, _FAINTEST = 0.92, 22.0


def make_weights(
    data, out, name=DEFAULT, *, dataset=None, training=None, types=None, device="cpu"
):
    """
    Build the data set, train, export and calibrate both networks; what is done is skipped.

    Parameters
    ----------
    data : path-like
        Folder with ``sas`` and ``galaxy_zoo``.
    out : path-like
        Working folder.
    name : str, optional
        Of the detector, one of `DETECTORS`.
    dataset : DatasetRecipe, optional
        Samples; by default those of the shipped weights of this name.
    training : TrainRecipe, optional
        Network and schedule; by default those of the shipped weights of this name.
    types : TypeRecipe, optional
        Schedule of the network of types; by default that of the shipped weights.
    device : str, optional
        "cpu" or "cuda", of the trainings.

    Returns
    -------
    pathlib.Path
        The calibrated ONNX file; that of the network of types lies beside it.
    """
    detector, out = DETECTORS[name], Path(out)
    dataset, training = dataset or detector.dataset, training or detector.training
    samples, run, weights = out / "samples", out / "run", out / f"{name}.onnx"
    if not (samples / "data.yaml").exists():
        build_dataset(data, samples, dataset)
    if not (run / "done").exists():
        train(samples / "data.yaml", run, training, device=device, resume=True)
        (run / "done").touch()
    start = load_weights(training.start).path if training.start else None
    export_onnx(
        run / "weights" / "last.pt", weights, name=name, version=detector.version,
        start=start, kept=training.kept if start else 0.0, overwrite=True,
    )  # fmt: skip
    if detector.further:
        train_shipped_on(data, out, name)
    report = calibrate(weights, data, samples, dict(dataset.class_shares))
    _, report["types"] = make_types(
        data, samples / "cutouts.npz", out, types, name=TYPES_NAME, version=TYPES_VERSION,
        device=device,
    )  # fmt: skip
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    return weights


def train_shipped_on(data, out, name):
    """
    Train a detector on as its recipe says, step by step, from its exported weights.

    The weights after a step are ``further-1.onnx`` and so on; ``further-0.onnx`` are those before.
    A step's ``teacher`` is the name of one of these without its ending.

    Parameters
    ----------
    data : path-like
        Folder with ``sas``, ``galaxy_zoo`` and ``hst``.
    out : path-like
        Folder with the weights, ``NAME.onnx``, which are replaced.
    name : str
        One of `DETECTORS`.
    """
    detector, out = DETECTORS[name], Path(out)
    weights, begin = out / f"{name}.onnx", out / "further-0.onnx"
    if not begin.exists():
        copy(weights, begin)
    for number, recipe in enumerate(detector.further, 1):
        own = replace(
            recipe, start=str(begin), model=detector.training.model,
            teacher=recipe.teacher and str(out / f"{recipe.teacher}.onnx"),
        )  # fmt: skip
        last = _train_step(data, out, number, own)
        begin = export_onnx(
            last, out / f"further-{number}.onnx", name=name, version=detector.version,
            start=begin, kept=recipe.kept, overwrite=True,
        )  # fmt: skip
    copy(begin, weights)


def _train_step(data, out, number, recipe):
    """Train a detector on for one step; return the checkpoint."""
    run = out / f"further-{number}"
    run.mkdir(exist_ok=True)
    if (measured := out / "samples" / "cutouts.npz").exists():
        copy(measured, run)
    return train_further(data, run, None, recipe)


def calibrate(weights, data, samples, shares):
    """
    Measure a fresh ONNX file on held-out sky and store the result in it.

    Scores and thresholds are set on a held-out field, and on mock skies of the seeing and depth of
    several; the scores of images of one band on each of their bands alone, those of 8-bit pictures
    on such skies as pictures, each in one with its field.
    Half of the held-out cutouts set the temperature and the prior of the classes, the other half
    is reported.

    Parameters
    ----------
    weights : path-like
        ONNX file, changed in place.
    data : path-like
        Folder with ``sas`` and ``galaxy_zoo``.
    samples : path-like
        Data set folder.
    shares : dict
        Class to the share with which training drew it.

    Returns
    -------
    dict
        What was measured.
    """
    backend = load_backend(load_weights(weights), "onnxruntime")
    fields = galaxy_fields(data)
    outcomes, maps = _maps_of(backend, fields)
    fitted, reported = held_out_cutouts(data, Path(samples) / "cutouts.npz")
    outputs, _, label = classify_cutouts(picture_detector(backend), fitted)
    temperature, prior = fit_classes(outputs, label, shares)
    metadata = metadata_of(weights)
    metadata["calibration"] = maps["frames"] | {
        "temperature": round(temperature, 4),
        "prior": prior,
        "pictures": maps["pictures"],
        "band": maps["band"],
    }
    calibration = Calibration.from_metadata(metadata["calibration"])
    metadata["thresholds"] = _thresholds(outcomes, calibration)
    write_metadata(weights, metadata)
    return {
        "samples": summarise(evaluate_samples(backend, samples)),
        "sky": summarise(outcomes["frames"]),
        "band": summarise(outcomes["band"]),
        "pictures": summarise(outcomes["pictures"]),
        "thresholds": metadata["thresholds"],
        "calibration": metadata["calibration"],
        "cutouts": class_table(
            calibration, *classify_cutouts(picture_detector(backend), reported)
        ),
    }


def _thresholds(outcomes, calibration):
    """Return the default score, and the purity at others, of frames and of other images."""
    kinds = {"band": calibration.band, "pictures": calibration.pictures}
    table = purity_table(outcomes["frames"], calibration, _FAINTEST)
    others = {kind: purity_table(outcomes[kind], c, _FAINTEST) for kind, c in kinds.items()}
    return {"default": _first_above(table, _PURITY), "purity": table, "purity_of": others}


def _maps_of(backend, fields):
    """Return what is found in the skies of fields, and the maps of scores, by kind of image."""
    skies, sources = (
        {kind: sum((look(**way) for way in ways), Outcome()) for kind, ways in WAYS.items()}
        for look in (
            partial(outcome_of_sky, backend, fields[0], fields),
            partial(outcome_of_fields, backend, fields),
        )
    )
    others = {kind: sum((skies[k] for k in also), Outcome()) for kind, also in ALSO.items()}
    maps = {kind: fit_calibration(skies[kind], sources[kind], others[kind]) for kind in WAYS}
    return skies, maps


def galaxy_fields(data):
    """
    Return the SDSS fields that set the calibration of the scores.

    Parameters
    ----------
    data : path-like
        Folder with ``sas``.

    Returns
    -------
    list of astro_yolo.training.fields.Field
        The held-out field, then those of the training that have neither cluster nor nebula.
    """
    rules = {
        name: rule for name, rule in FIELDS.items()
        if rule.split != "test" and rule.has_galaxies
    }
    order = sorted(rules, key=lambda name: rules[name].split != "val")
    return [load_field(Path(data) / "sas", name, rules[name]) for name in order]


def held_out_cutouts(data, cache):
    """
    Return the held-out cutouts: those that set the class calibration, and those to report on.

    Parameters
    ----------
    data : path-like
        Folder with ``galaxy_zoo``.
    cache : path-like
        File of `~astro_yolo.training.dataset.measure_cutouts`.

    Returns
    -------
    fitted, reported : list of Cutout
        The even and the odd ones, in the order of the label table.
    """
    cutouts = [cutout for cutout in measure_cutouts(data, cache) if cutout.split == "val"]
    return cutouts[::2], cutouts[1::2]


def picture_detector(backend):
    """
    Return a function that finds galaxies in a picture, for `classify_cutouts`.

    Parameters
    ----------
    backend : astro_yolo.network.backends.Backend
        The network.

    Returns
    -------
    callable
        From a (ny, nx, 3) picture to boxes (N, 4) and raw outputs (N, 7).
    """

    def run(picture):
        planes = [picture[..., k].astype(np.float32) for k in (2, 1, 0)]
        return candidates(backend, to_network(planes))

    return run


def _first_above(table, purity):
    """Return the lowest score from which on the purity holds."""
    good = [score for score, reached in table if reached >= purity]
    return good[0] if good else (table[-1][0] if table else 0.5)


def class_table(calibration, outputs, overlap, label):
    """
    Return the confusion matrix and the usual numbers of classified cutouts.

    Parameters
    ----------
    calibration : Calibration
        Maps of the weights.
    outputs, overlap, label : arrays
        From `astro_yolo.training.evaluate.classify_cutouts`.

    Returns
    -------
    dict
        found, accuracy, recall by class, mean IoU, share of IoU > 0.5, and the
        confusion matrix (rows truth, columns called, both in the order of CLASSES).
    """
    found = outputs.any(axis=1)
    called = calibration.class_probabilities(outputs[found]).argmax(axis=1)
    size = len(CLASSES)
    matrix = np.bincount(label[found] * size + called, minlength=size**2).reshape(size, size)
    total = np.maximum(np.bincount(label, minlength=size), 1)
    return {
        "number": len(label),
        "found": float(found.mean()),
        "accuracy": float((label[found] == called).mean()) if found.any() else 0.0,
        "recall": dict(zip(CLASSES, (np.diag(matrix) / total).round(4).tolist(), strict=True)),
        "iou": float(overlap[found].mean()) if found.any() else 0.0,
        "iou_over_half": float((overlap > 0.5).mean()),
        "confusion": matrix.tolist(),
    }
