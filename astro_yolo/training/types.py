"""From Galaxy Zoo cutouts to the calibrated network of types."""

from itertools import product
from pathlib import Path

import cv2
import numpy as np
from scipy.optimize import minimize_scalar

from astro_yolo.catalog import CLASSES
from astro_yolo.network.stamps import cut_stamps
from astro_yolo.network.types import calibrated_types
from astro_yolo.stretch import NETWORK_STRETCH, to_network
from astro_yolo.training.cutouts import read_picture
from astro_yolo.training.dataset import measure_cutouts
from astro_yolo.training.export import write_metadata

__all__ = ["LICENSE", "expected_calibration_error", "make_types", "score_types"]

#: The network is the package's own code and training, so its licence is the package's.
LICENSE = "BSD-3-Clause"

# pixels: longer side of the smallest box whose type is told. Galaxy Zoo's smallest are larger, and
# most of what is smaller is noise
_SMALLEST = 20.0
_SHRUNK = 35.0  # pixels: the galaxies of a field are small, those of a cutout are not
_EXPONENTS = (0.0, 0.25, 0.5)
_COMMON = 3  # elliptical, spiral and edge-on
# Weights of a merger: training knows its few by heart, and others come out too low
_MERGER, _OF_MERGERS = CLASSES.index("merger"), (1.0, 2.0, 4.0, 8.0)


def make_types(data, cutouts, out, recipe=None, *, name, version, device="cpu", report=None):
    """
    Train, export and calibrate the network of types.

    Half of the held-out cutouts set temperature and prior, the other half is reported.

    Parameters
    ----------
    data : path-like
        Folder with ``galaxy_zoo``.
    cutouts : path-like
        File of `~astro_yolo.training.dataset.measure_cutouts`.
    out : path-like
        Working folder; an interrupted training goes on from there.
    recipe : TypeRecipe, optional
        Schedule.
    name, version : str
        Stored in the file.
    device : str, optional
        "cpu" or "cuda", of the training.
    report : callable, optional
        As in ``train_types``.

    Returns
    -------
    path : pathlib.Path
        The ONNX file.
    scores : dict
        From `score_types`, on the half that set nothing.
    """
    from astro_yolo.training import _type_network as network
    from astro_yolo.training import _type_samples as samples

    out, folder = Path(out), Path(data) / "galaxy_zoo"
    out.mkdir(parents=True, exist_ok=True)
    own = measure_cutouts(data, cutouts) + samples.read_undecided(folder)
    known = own + samples.other_galaxies(folder)
    training = samples.stamp_set(
        [cutout for cutout in known if cutout.split == "train"], samples.read_winding(folder)
    )
    recipe = recipe or network.TypeRecipe()
    model = network.train_types(training, out / "types.pt", recipe, device=device, report=report)
    path = out / f"{name}.onnx"
    network.export_types(model, path)
    held_out = [cutout for cutout in own if cutout.split == "val"]
    fitted, reported = (_outputs(model, held_out[k::2]) for k in (0, 1))
    temperature, prior = _calibrate(*fitted, _sky_over_drawn(training, recipe))
    write_metadata(path, _metadata(name, version, temperature, prior))
    return path, score_types(calibrated_types(reported[0], temperature, prior), reported[1])


def _sky_over_drawn(training, recipe):
    """Return how often each common class is in the sky over how often training draws it, (5,)."""
    known = np.bincount(training.labels[training.linear], minlength=len(CLASSES))[:_COMMON]
    drawn = [dict(recipe.class_shares)[label] for label in CLASSES[:_COMMON]]
    weights = np.maximum(known, 1) / drawn  # a small set may lack a class
    weights /= np.exp(np.log(weights).mean())
    return np.r_[weights, np.ones(len(CLASSES) - _COMMON)]


def _outputs(model, cutouts):
    """Return the raw outputs for cutouts as they are and shrunk to a field's sizes, and classes."""
    import torch

    stamps, labels = [], []
    for cutout in cutouts:
        picture = read_picture(cutout.path)
        longest = max(cutout.box[2] - cutout.box[0], cutout.box[3] - cutout.box[1])
        for zoom in (1.0, _SHRUNK / longest):
            small = cv2.resize(picture, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
            scale = np.tile(np.divide(small.shape[1::-1], picture.shape[1::-1]), 2)
            planes = [small[..., k].astype(np.float32) for k in (2, 1, 0)]
            stamps.append(cut_stamps(to_network(planes), [cutout.box * scale])[0])
            labels.append(CLASSES.index(cutout.label))
    with torch.no_grad():
        return model(torch.from_numpy(np.stack(stamps))).numpy(), np.array(labels)


def _calibrate(logits, labels, weights):
    """
    Return temperature and prior.

    The full correction for how often training drew each class is right for the sky's mean and costs
    spirals: the power of it is taken, and the weight of a merger, that have the best mean of
    accuracy and macro recall. The undecided galaxies are too few to have a say.
    """
    def merit(prior):
        found = score_types(calibrated_types(logits, 1.0, prior), labels)
        recalls = [found["recall"][name] for name in CLASSES if name != "unknown"]
        return found["accuracy"] + np.nanmean(recalls)

    merger = np.arange(len(CLASSES)) == _MERGER
    ways = product(_EXPONENTS, _OF_MERGERS)
    prior = max((np.where(merger, weight, weights**power) for power, weight in ways), key=merit)

    def loss(log_temperature):
        found = calibrated_types(logits, np.exp(log_temperature), prior)
        return -np.log(found[np.arange(len(labels)), labels]).mean()

    best = minimize_scalar(loss, bounds=(-1.5, 1.5), method="bounded")
    return float(np.exp(best.x)), prior


def _metadata(name, version, temperature, prior):
    """Return what the file says about itself."""
    return {
        "name": name,
        "version": version,
        "classes": list(CLASSES),
        "stretch": NETWORK_STRETCH,
        "smallest": _SMALLEST,
        "temperature": round(temperature, 4),
        "prior": [round(float(weight), 4) for weight in prior],
        "license": LICENSE,
        "trainer": "torch",
    }


def score_types(probabilities, labels):
    """
    Return the usual numbers of classified galaxies.

    Parameters
    ----------
    probabilities : (N, 5) array
        In the order of `~astro_yolo.catalog.CLASSES`.
    labels : (N,) int array
        True classes.

    Returns
    -------
    dict
        ``accuracy``, ``recall`` by class (NaN without an example), ``macro_recall``,
        ``calibration_error``, ``confusion`` (rows truth, columns called).
    """
    size, called = len(CLASSES), probabilities.argmax(axis=1)
    matrix = np.bincount(labels * size + called, minlength=size**2).reshape(size, size)
    total = matrix.sum(axis=1)
    recall = np.divide(np.diag(matrix), total, out=np.full(size, np.nan), where=total > 0)
    return {
        "accuracy": float((called == labels).mean()),
        "recall": dict(zip(CLASSES, recall.tolist(), strict=True)),
        "macro_recall": float(np.nanmean(recall)),
        "calibration_error": expected_calibration_error(
            probabilities.max(axis=1), called == labels
        ),
        "confusion": matrix.tolist(),
    }


def expected_calibration_error(confidence, right, bins=10):
    """
    Return the mean distance of confidence and success (Guo et al. 2017, ICML 70, 1321).

    Parameters
    ----------
    confidence : (N,) array
        Probabilities, 0..1.
    right : (N,) bool array
        Whether it was so.
    bins : int, optional
        Bins of equal width.

    Returns
    -------
    float
    """
    place = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)
    gaps = np.bincount(place, np.asarray(right) - np.asarray(confidence), minlength=bins)
    return float(np.abs(gaps).sum() / max(len(place), 1))
