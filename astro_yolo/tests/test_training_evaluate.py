"""Scores of a network against counts done by hand."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from astro_yolo.training import evaluate
from astro_yolo.training.evaluate import (
    Outcome,
    classify_cutouts,
    evaluate_samples,
    fit_classes,
    judge,
    match,
    summarise,
)
from astro_yolo.training.samples import IGNORE, STAR


def outputs(galaxy, star):
    """Return network outputs with the given galaxy and star scores."""
    rows = np.zeros((len(galaxy), 7))
    rows[:, 6], rows[:, 5] = galaxy, star
    return rows


def square(x, y, side=10):
    """Return a box about (x, y)."""
    return [x - side / 2, y - side / 2, x + side / 2, y + side / 2]


def test_match_is_one_to_one_nearest_first():
    """Two truths near one detection: the nearer gets it, the other goes without."""
    truth = np.array([[0.0, 0], [2, 0], [50, 50]])
    found = np.array([[1.5, 0], [49, 50], [200, 200]])
    assert match(truth, found, 5).tolist() == [-1, 0, 1]
    assert match(truth, np.empty((0, 2)), 5).tolist() == [-1, -1, -1]
    assert match(np.empty((0, 2)), found, 5).tolist() == []


def test_candidates_are_judged_by_what_lies_beneath():
    """A galaxy, a star, an ignored object and empty sky give 1, -1, -2 and 0."""
    truth = np.array([square(20, 20), square(60, 60, 6), square(90, 20), square(50, 95)])
    kinds = np.array([0, STAR, IGNORE, 1])
    boxes = np.array([square(20, 21), square(60, 60, 6), square(90, 20), square(20, 90)])
    got = judge(boxes, outputs([0.9, 0.3, 0.8, 0.4], [0, 0.7, 0, 0]), truth, kinds)
    assert got.kind.tolist() == [1, -1, -2, 0]
    assert got.overlap[0] == pytest.approx(90 / 110)
    assert got.truth_score.tolist() == [0.9, 0.3, 0]  # the last was missed
    assert got.judged().kind.tolist() == [1, -1, 0]
    stars = got.of_kinds(-1)
    assert stars.outputs[:, 5].tolist() == [0.7]
    assert [len(stars.spread), len(stars.magnitude), len(stars.balance)] == [1, 1, 1]
    assert stars.truth_score.tolist() == [0.9, 0.3, 0]


def test_samples_without_objects_count_what_is_found_as_neither(tmp_path):
    """An empty label file is an image of nothing, next to one of a galaxy that is found."""

    class Finds:
        def predict(self, _image, _min_score):
            return np.array([square(16, 16)]), outputs([0.9], [0.1])

    for part in ("images", "labels"):
        (tmp_path / part / "val").mkdir(parents=True)
    for stem, text in (("a", ""), ("b", "0 0.5 0.5 0.3125 0.3125\n")):
        cv2.imwrite(str(tmp_path / f"images/val/{stem}.png"), np.zeros((32, 32, 3), np.uint8))
        (tmp_path / f"labels/val/{stem}.txt").write_text(text)
    got = evaluate_samples(Finds(), tmp_path)
    assert got.kind.tolist() == [0, 1]
    assert got.overlap.tolist() == [0, pytest.approx(1)]


def test_summary_counts_recall_purity_and_stars():
    """Recall over galaxies, purity over judged candidates called galaxy, stars above the score."""
    outcome = Outcome(
        outputs([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], [0, 0, 0, 0, 0.9, 0.1]),
        np.array([1, 1, 0, -2, 1, -1]),
        np.array([0.8, 0.6, 0, 0, 0.9, 0]),
        np.array([0, 1, 2, STAR, STAR]),
        np.array([0.9, 0.8, 0.5, 0.3, 0.0]),
    )
    row = summarise(outcome, thresholds=(0.25,))[0]
    assert row == pytest.approx(
        {"threshold": 0.25, "recall": 1, "purity": 2 / 4, "stars": 0.5, "iou": 0.7}
    )


def test_the_galaxy_of_a_cutout_is_the_box_on_it(monkeypatch):
    """Of what is found the box that overlaps best counts, if by a tenth; else there is nothing."""
    monkeypatch.setattr(evaluate, "read_picture", lambda path: path)
    boxes = np.array([square(50, 50), square(32, 32), square(32, 34), square(40, 40)])
    found = {
        "sure": (boxes, outputs([0.99, 0.8, 0.8, 0.9], [0] * 4)),
        "weak": (boxes, outputs([0.99, 0.04, 0.3, 0.9], [0] * 4)),
        "beside": (boxes[[0, 3]], outputs([0.9, 0.9], [0] * 2)),
        "nothing": (boxes[:0], outputs([], [])),
    }
    cutouts = [SimpleNamespace(path=path, box=np.array(square(32, 32)), label=label)
               for path, label in zip(found, ("spiral", "merger", "elliptical", "edge_on"),
                                      strict=True)]  # fmt: skip
    got, overlap, label = classify_cutouts(found.get, cutouts)
    assert got[:, 6].tolist() == [0.8, 0.3, 0, 0]
    assert overlap.tolist() == pytest.approx([1, 80 / 120, 0, 0])
    assert label.tolist() == [1, 3, 0, 2]


def test_temperature_and_prior_undo_an_overconfident_sampler():
    """Logits twice too large get a temperature near 2 when the prior is fair."""
    rng = np.random.default_rng(6)
    logits = rng.normal(0, 2, (20_000, 5))
    probability = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    label = np.array([rng.choice(5, p=row) for row in probability])
    raw = np.zeros((len(label), 7))
    raw[:, :5], raw[:, 6] = 1 / (1 + np.exp(-2 * logits)), 1
    names = ("elliptical", "spiral", "edge_on", "merger", "unknown")
    temperature, prior = fit_classes(raw, label, dict.fromkeys(names, 0.2))
    assert temperature == pytest.approx(2, rel=0.05)
    np.testing.assert_allclose(prior, 1, atol=0.05)


def test_too_few_candidates_leave_the_classes_alone():
    """A handful of galaxies calibrates nothing: the classes stay even."""
    assert fit_classes(np.zeros((3, 7)), np.zeros(3, int), {}) == (1.0, [1.0] * 5)
