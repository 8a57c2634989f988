"""How good a network is, and what its raw numbers mean, on samples it was not trained on."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from astro_yolo.boxes import iou, longer_side
from astro_yolo.catalog import CLASSES
from astro_yolo.network.calibration import OUTPUTS, balance_of
from astro_yolo.network.singles import single_boxes
from astro_yolo.network.spread import unknown_spread
from astro_yolo.training.cutouts import read_picture
from astro_yolo.training.samples import IGNORE, STAR

__all__ = [
    "Outcome",
    "centers",
    "classify_cutouts",
    "evaluate_samples",
    "fit_classes",
    "match",
    "summarise",
]

_GALAXY, _STAR = OUTPUTS.index("galaxy"), OUTPUTS.index("star")
_LOWEST = 0.01
_FEWEST = 50  # galaxies that the classes can be calibrated on


@dataclass
class Outcome:
    """
    What became of every candidate and of every labelled object of a set of samples.

    Attributes
    ----------
    outputs : (N, 7) array
        Raw network outputs of the candidates.
    kind : (N,) int array
        What the candidates really are: 1 galaxy, 0 neither, -1 star, -2 not to be judged.
    overlap : (N,) array, optional
        IoU with their object, 0 without one, as by default.
    truth_kind, truth_score : (M,) arrays
        Kind and raw galaxy score reached (0 if not found) of every labelled galaxy and star.
    magnitude : (N,) array, optional
        Of the candidates' objects in r; NaN where it is not known, by default everywhere.
    spread : (N, 3) array, optional
        Spread of the candidates, its error and elongation, from `~astro_yolo.network.spread` or
        `~astro_yolo.network.picture_spread`; likewise.
    balance : (N,) array, optional
        Of the candidates' image, from `~astro_yolo.network.calibration.balance_of`; by default 0.
    """

    outputs: np.ndarray = field(default_factory=lambda: np.empty((0, 7)))
    kind: np.ndarray = field(default_factory=lambda: np.empty(0, int))
    overlap: np.ndarray | None = None
    truth_kind: np.ndarray = field(default_factory=lambda: np.empty(0, int))
    truth_score: np.ndarray = field(default_factory=lambda: np.empty(0))
    magnitude: np.ndarray | None = None
    spread: np.ndarray | None = None
    balance: np.ndarray | None = None

    def __post_init__(self):
        """Fill in what is not known."""
        if self.overlap is None:
            self.overlap = np.zeros(len(self.kind))
        if self.magnitude is None:
            self.magnitude = np.full(len(self.kind), np.nan)
        if self.spread is None:
            self.spread = unknown_spread(len(self.kind))
        if self.balance is None:
            self.balance = np.zeros(len(self.kind))

    def of_kinds(self, *kinds):
        """Return the outcome with the candidates of some kinds only."""
        return self.only(np.isin(self.kind, kinds))

    def judged(self):
        """Return the outcome with the candidates that can be judged."""
        return self.only(self.kind > -2)

    def only(self, chosen):
        """Return the outcome with some of the candidates."""
        columns = ("outputs", "kind", "overlap", "magnitude", "spread", "balance")
        return replace(self, **{name: getattr(self, name)[chosen] for name in columns})

    def __add__(self, other):
        """Join the outcomes of two sets."""
        return Outcome(
            *(np.concatenate([getattr(self, k), getattr(other, k)]) for k in vars(self))
        )


def match(truth, found, radius):
    """
    Match two lists of points one to one, the nearest pairs first.

    Parameters
    ----------
    truth, found : (M, 2) and (N, 2) arrays
        Positions.
    radius : float or (M,) array
        Largest distance, one for each truth if an array.

    Returns
    -------
    (M,) int array
        Index into ``found``, or -1.
    """
    pairs = np.full(len(truth), -1)
    if not len(truth) or not len(found):
        return pairs
    radius = np.broadcast_to(radius, len(truth))
    near = cKDTree(found).query_ball_point(truth, radius)
    rows = np.repeat(np.arange(len(truth)), [len(n) for n in near])
    columns = np.concatenate([np.asarray(n, dtype=int) for n in near])
    distance = np.hypot(*(truth[rows] - found[columns]).T)
    taken = set()
    for k in np.argsort(distance, kind="stable"):
        if pairs[rows[k]] < 0 and columns[k] not in taken:
            pairs[rows[k]] = columns[k]
            taken.add(columns[k])
    return pairs


def evaluate_samples(backend, folder):
    """
    Run a network over the samples of a data set.

    Parameters
    ----------
    backend : astro_yolo.network.backends.Backend
        The network.
    folder : path-like
        Data set folder; its ``val`` part is used.

    Returns
    -------
    Outcome
    """
    folder = Path(folder)
    outcome = Outcome()
    for path in sorted((folder / "images" / "val").glob("*.png")):
        pixels = np.moveaxis(cv2.imread(str(path))[..., ::-1], -1, 0)
        image = pixels.astype(np.float32) / 255
        boxes, kinds = _read_labels(folder / "labels" / "val" / f"{path.stem}.txt", image.shape[1])
        outcome += judge(*candidates(backend, image), boxes, kinds)
    return outcome


def candidates(backend, image, min_score=_LOWEST):
    """Return boxes (N, 4) and outputs (N, 7) after suppression, by falling score."""
    return single_boxes(*backend.predict(image, min_score))


def _read_labels(path, size):
    """Return boxes in edge pixels and kinds of a label file."""
    rows = np.array(path.read_text().split(), dtype=float).reshape(-1, 5)
    x, y, width, height = rows[:, 1:].T * size
    boxes = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=-1)
    return boxes, rows[:, 0].astype(int)


def judge(
    boxes, outputs, true_boxes, true_kinds, true_magnitudes=None, *, spread=None, balance=None
):
    """
    Compare candidates with the truth of one image.

    Parameters
    ----------
    boxes, outputs : (N, 4), (N, 7) arrays
        Candidates.
    true_boxes, true_kinds : (M, 4), (M,) arrays
        Labelled objects, kinds of `astro_yolo.training.samples.OBJECTS`.
    true_magnitudes : (M,) array, optional
        Theirs in r; by default not known.
    spread : (N, 3) array, optional
        Of the candidates; by default not known.
    balance : float, optional
        Of the image; by default that of the candidates.

    Returns
    -------
    Outcome
    """
    real = true_kinds != IGNORE
    truth, kinds = true_boxes[real], true_kinds[real]
    center, found = centers(truth), centers(boxes)
    pairs = match(center, found, np.maximum(3, 0.25 * longer_side(truth)))
    kind = _kinds_of_rest(found, true_boxes[~real])
    overlap, magnitude = np.zeros(len(boxes)), np.full(len(boxes), np.nan)
    hit = pairs >= 0
    kind[pairs[hit]] = np.where(kinds[hit] == STAR, -1, 1)
    if true_magnitudes is not None:
        magnitude[pairs[hit]] = true_magnitudes[real][hit]
    if hit.any():
        overlap[pairs[hit]] = np.diagonal(iou(boxes[pairs[hit]], truth[hit]))
    score = np.zeros(len(truth))
    score[hit] = outputs[pairs[hit], _GALAXY]
    balance = np.full(len(boxes), balance_of(outputs) if balance is None else balance)
    return Outcome(outputs, kind, overlap, kinds, score, magnitude, spread, balance)


def centers(boxes):
    """
    Return the middles of boxes.

    Parameters
    ----------
    boxes : (N, 4) array
        xmin, ymin, xmax, ymax.

    Returns
    -------
    (N, 2) array
        x and y.
    """
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def _kinds_of_rest(found, ignored):
    """Return -2 for candidates inside an ignored box, else 0."""
    low, high = ignored[None, :, :2] - 1, ignored[None, :, 2:] + 1
    inside = ((found[:, None] > low) & (found[:, None] < high)).all(axis=-1).any(axis=1)
    return np.where(inside, -2, 0)


def summarise(outcome, thresholds=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6)):
    """
    Return recall, purity and box quality of the galaxies at some raw scores.

    Parameters
    ----------
    outcome : Outcome
        From `evaluate_samples`.
    thresholds : sequence of float, optional
        Raw galaxy scores.

    Returns
    -------
    list of dict
        Keys threshold, recall, purity, stars (share of stars called galaxy), iou (mean of
        those matched).
    """
    galaxy = outcome.truth_kind != STAR
    raw = outcome.outputs[:, _GALAXY]
    called = raw >= outcome.outputs[:, _STAR]
    rows = []
    for limit in thresholds:
        chosen = (raw >= limit) & called & (outcome.kind > -2)
        hits = chosen & (outcome.kind == 1)
        rows.append(
            {
                "threshold": limit,
                "recall": float((outcome.truth_score[galaxy] >= limit).mean()),
                "purity": float(hits.sum() / max(chosen.sum(), 1)),
                "stars": float((outcome.truth_score[~galaxy] >= limit).mean()),
                "iou": float(outcome.overlap[hits].mean()) if hits.any() else 0.0,
            }
        )
    return rows


def classify_cutouts(detector, cutouts):
    """
    Return what a detector says of the galaxy in the middle of each cutout.

    Parameters
    ----------
    detector : callable
        ``detector(image)`` returns boxes and outputs of a (3, ny, nx) network image.
    cutouts : sequence of astro_yolo.training.cutouts.Cutout
        Cutouts not trained on.

    Returns
    -------
    outputs : (N, 7) array
        Raw outputs of the box nearest to the middle; zeros if there is none.
    overlap : (N,) array
        IoU with the measured box.
    label : (N,) int array
        True class, place in CLASSES.
    """
    outputs, overlap = np.zeros((len(cutouts), 7)), np.zeros(len(cutouts))
    label = np.array([CLASSES.index(cutout.label) for cutout in cutouts])
    for k, cutout in enumerate(cutouts):
        boxes, found = detector(read_picture(cutout.path))
        good = found[:, _GALAXY] > 0.05
        boxes, found = boxes[good], found[good]
        share = iou(boxes, cutout.box[None])[:, 0] if len(boxes) else np.empty(0)
        if share.size and share.max() > 0.1:
            best = int((share * found[:, _GALAXY] ** 0.3).argmax())
            outputs[k], overlap[k] = found[best], share[best]
    return outputs, overlap, label


def fit_classes(outputs, label, shares):
    """
    Measure the temperature of the class probabilities, and a prior that leans to the sky's shares.

    Parameters
    ----------
    outputs : (N, 7) array
        Raw outputs of classified galaxies.
    label : (N,) int array
        True classes.
    shares : dict
        Class to the share with which training drew it.

    Returns
    -------
    temperature : float
    prior : list of float
        One weight a class, smallest 1 for a class that training did not draw.
    """
    found = outputs[:, _GALAXY] > 0
    if found.sum() < _FEWEST:
        return 1.0, [1.0] * len(CLASSES)
    values = np.clip(outputs[found, : len(CLASSES)], 1e-6, 1 - 1e-6)
    logits, label = np.log(values / (1 - values)), label[found]
    counts = np.bincount(label, minlength=len(CLASSES)) + 1
    drawn = np.array([shares.get(name, np.nan) for name in CLASSES])
    # a full correction suits Galaxy Zoo's share of ellipticals, and there costs half of the
    # spirals; the fourth root keeps the accuracy and most of them
    prior = np.nan_to_num((counts / counts.sum()) / drawn, nan=1.0) ** 0.25

    def loss(parameters):
        scaled = logits / np.exp(parameters[0]) + np.log(prior)
        top = scaled.max(axis=1, keepdims=True)
        norm = np.log(np.exp(scaled - top).sum(axis=1)) + top[:, 0]
        return (norm - scaled[np.arange(len(label)), label]).mean()

    best = minimize(loss, [0.0], method="Nelder-Mead")
    return float(np.exp(best.x[0])), [round(float(v), 4) for v in prior]
