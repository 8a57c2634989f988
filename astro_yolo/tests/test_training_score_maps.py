"""Maps from raw outputs to probabilities, against outputs whose odds are known."""

import numpy as np
import pytest

from astro_yolo.network.calibration import Calibration, odds_terms
from astro_yolo.tests.test_training_evaluate import outputs, square
from astro_yolo.training.evaluate import Outcome, judge
from astro_yolo.training.samples import STAR
from astro_yolo.training.score_maps import fit_calibration, purity_table, smooth_map


def test_calibration_returns_the_true_share():
    """Raw scores that are right in the square of their value map to the square."""
    rng = np.random.default_rng(5)
    raw = rng.uniform(0, 1, 40_000)
    right = rng.uniform(0, 1, raw.size) < raw**2
    outcome = Outcome(outputs(raw, np.zeros_like(raw)), right.astype(int))
    calibration = Calibration.from_metadata(fit_calibration(outcome))
    grid = np.linspace(0.1, 0.9, 9)
    score, _ = calibration.scores(outputs(grid, grid * 0))
    np.testing.assert_allclose(score, grid**2, atol=0.04)
    table = np.array(purity_table(outcome, calibration))
    # of scores above s, uniform in raw: the mean of raw^2 above sqrt(s)
    low = np.sqrt(table[:, 0])
    np.testing.assert_allclose(table[:, 1], (1 - low**3) / (1 - low) / 3, atol=0.03)


def test_faint_objects_do_not_count_towards_purity():
    """Beyond a magnitude neither right nor wrong ones count; what matches nothing always does."""
    truth = np.concatenate([[square(20, 20 + 40 * k)] for k in range(3)])
    one = judge(
        np.concatenate([truth, [square(200, 200)]]), outputs([0.9] * 4, [0] * 4),
        truth, np.array([0, STAR, STAR]), np.array([21.0, 21.9, 22.1]),
    )  # fmt: skip
    assert one.magnitude[:3].tolist() == [21.0, 21.9, 22.1]
    assert np.isnan(one.magnitude[3])
    many = sum([one] * 20, Outcome())
    straight = Calibration.from_metadata({})
    assert purity_table(many, straight)[0][1] == pytest.approx(1 / 4)
    assert purity_table(many, straight, 22.0)[0][1] == pytest.approx(1 / 3, abs=1e-5)


def test_too_few_candidates_leave_the_scores_alone():
    """A handful of candidates calibrate nothing: maps stay straight."""
    outcome = Outcome(outputs([0.5, 0.6], [0.1, 0.2]), np.array([1, 0]))
    straight = {"x": [0.0, 1.0], "y": [0.0, 1.0]}
    assert fit_calibration(outcome) == {"score": straight, "star": straight}


def draw_sources(rng, number):
    """Return an outcome in which a third is no source, and others are galaxies by known odds."""
    galaxy, star = rng.uniform(0.01, 0.99, (2, number))
    odds = np.exp(odds_terms(galaxy, star) @ [0.5, 1.2, -0.8])
    is_galaxy = rng.uniform(0, 1, number) < odds / (1 + odds)
    source = rng.uniform(0, 1, number) < np.maximum(galaxy, star)
    kind = np.where(source, np.where(is_galaxy, 1, -1), 0)
    return Outcome(outputs(galaxy, star), kind), odds


def test_odds_between_galaxy_and_star_are_found():
    """Coefficients come back, scores are right as often as they say, the likelier one leads."""
    rng = np.random.default_rng(8)
    (outcome, odds), (fields, _) = draw_sources(rng, 60_000), draw_sources(rng, 30_000)
    metadata = fit_calibration(outcome, fields)
    np.testing.assert_allclose(metadata["odds"], [0.5, 1.2, -0.8], atol=0.05)
    calibration = Calibration.from_metadata(metadata)
    score, p_star = calibration.scores(outcome.outputs)
    leads = score >= p_star
    clear = np.abs(np.log(odds)) > 0.1
    np.testing.assert_array_equal(leads[clear], odds[clear] >= 1)
    for name, value, chosen in (("galaxy", score, leads), ("star", p_star, ~leads)):
        right = outcome.kind == (1 if name == "galaxy" else -1)
        for low in (0.3, 0.5, 0.7, 0.9):
            bin_ = chosen & (value >= low) & (value < low + 0.1)
            if bin_.sum() > 500:
                assert right[bin_].mean() == pytest.approx(value[bin_].mean(), abs=0.03)
    assert (score + p_star).max() <= 1 + 1e-9


def test_skies_of_other_balances_give_the_same_odds():
    """Of a sky with e times the galaxies for each star, and one with as many fewer."""
    rng = np.random.default_rng(13)
    outcome, _ = draw_sources(rng, 60_000)
    outcome.balance = rng.choice([-1.0, 1.0], 60_000)
    galaxy, star = outcome.outputs[:, [6, 5]].T
    odds = np.exp(odds_terms(galaxy, star) @ [0.5, 1.2, -0.8] + outcome.balance)
    is_galaxy = rng.uniform(0, 1, len(odds)) < odds / (1 + odds)
    outcome.kind[outcome.kind != 0] = np.where(is_galaxy, 1, -1)[outcome.kind != 0]
    metadata = fit_calibration(outcome, outcome)
    np.testing.assert_allclose(metadata["odds"], [0.5, 1.2, -0.8], atol=0.05)
    assert metadata["balance"] is True
    calibration = Calibration.from_metadata(metadata)
    score, p_star = calibration.scores(outcome.outputs, balance=outcome.balance)
    clear = np.abs(np.log(odds)) > 0.1
    np.testing.assert_array_equal((score >= p_star)[clear], odds[clear] >= 1)
    (low, purity), *_ = purity_table(outcome, calibration)
    counted = (score >= low) & (score >= p_star)
    assert purity == pytest.approx((outcome.kind == 1)[counted].mean(), abs=1e-5)


def test_no_candidate_below_the_lowest_raw_value_has_a_score():
    """What `lowest_raw` leaves out has neither as likely a galaxy nor as likely a star."""
    rng = np.random.default_rng(9)
    metadata = fit_calibration(draw_sources(rng, 5000)[0], draw_sources(rng, 5000)[0])
    calibration = Calibration.from_metadata(metadata)
    raw = outputs(*rng.uniform(0, 1, (2, 20_000)))
    score = np.maximum(*calibration.scores(raw))
    for wanted in (0.2, 0.5, 0.8):
        below = raw.max(axis=1) < calibration.lowest_raw(wanted)
        assert 0 < below.sum() < len(raw)
        assert score[below].max() < wanted


def test_without_stars_each_output_has_a_map_of_its_own():
    """Odds need 50 of each kind: with 49 stars there are none."""
    raw = np.linspace(0.01, 0.99, 400)
    kind = np.r_[np.ones(200, int), np.zeros(151, int), np.full(49, -1)]
    outcome = Outcome(outputs(raw, 1 - raw), kind)
    assert set(fit_calibration(outcome, outcome)) == {"score", "star"}


def draw_compact(rng, number):
    """Return an outcome that the spread alone decides, unknown for a third; and its odds."""
    outcome, _ = draw_sources(rng, number)
    error = rng.uniform(0.05, 0.5, number)
    width = np.clip(rng.normal(0.3, 0.5, number), -5 * error, 5 * error)
    outcome.spread = np.stack([width, error, rng.spawn(1)[0].rayleigh(1, number)], axis=1)
    galaxy, star = outcome.outputs[:, [6, 5]].T
    wanted = [0.2, 0.3, -0.4, 1.1, 0.5, 0.0, 0.0, 0.15]
    odds = np.exp(odds_terms(galaxy, star, outcome.spread) @ wanted)
    is_galaxy = rng.uniform(0, 1, number) < odds / (1 + odds)
    outcome.kind[outcome.kind != 0] = np.where(is_galaxy, 1, -1)[outcome.kind != 0]
    outcome.spread[::3] = np.nan
    return outcome, wanted


def test_the_spread_has_odds_of_its_own():
    """Where it is known its coefficients come back, and scores are right as often as they say."""
    rng = np.random.default_rng(10)
    (outcome, wanted), (fields, _) = draw_compact(rng, 90_000), draw_compact(rng, 30_000)
    metadata = fit_calibration(outcome, fields)
    np.testing.assert_allclose(metadata["spread"]["odds"], wanted, atol=0.12)
    calibration = Calibration.from_metadata(metadata)
    score, p_star = calibration.scores(outcome.outputs, outcome.spread)
    for known in (True, False):
        chosen = (np.isfinite(outcome.spread[:, 0]) == known) & (score >= p_star)
        for low in (0.5, 0.7, 0.9):
            bin_ = chosen & (score >= low) & (score < low + 0.1)
            if bin_.sum() > 500:
                right = (outcome.kind == 1)[bin_].mean()
                assert right == pytest.approx(score[bin_].mean(), abs=0.04)


def test_odds_are_fitted_to_the_same_skies_otherwise_seen_as_well():
    """What is seen otherwise counts in the odds, and not in the maps of what is a source."""
    rng = np.random.default_rng(12)
    (outcome, _), (fields, _) = draw_compact(rng, 30_000), draw_compact(rng, 30_000)
    others, _ = draw_compact(rng, 30_000)
    others.spread[:, 0] -= 1.0
    alone, both = (fit_calibration(outcome, fields, more) for more in (None, others))
    joined = fit_calibration(outcome + others, fields)
    assert both["spread"]["odds"] == joined["spread"]["odds"] != alone["spread"]["odds"]
    assert both["source"] == alone["source"]
    assert both["spread"]["score"] != joined["spread"]["score"]


def test_a_smooth_map_is_right_and_rises_everywhere():
    """Of values right in their cube it makes the cube; of a share of 0.8 everywhere, 0.8."""
    rng = np.random.default_rng(11)
    raw = rng.uniform(0, 1, 40_000)
    for share, wanted in ((raw**3, np.array([0.027, 0.343, 0.729])), (0.8, np.full(3, 0.8))):
        knots = smooth_map(raw, rng.uniform(0, 1, raw.size) < share)
        assert (np.diff(knots["x"]) > 0).all()
        assert (np.diff(knots["y"]) > 0).all()
        found = np.interp([0.3, 0.7, 0.9], knots["x"], knots["y"])
        np.testing.assert_allclose(found, wanted, atol=0.03)


def test_below_what_a_smooth_map_was_fitted_to_there_is_next_to_no_chance():
    """Of values from 0.2 on, all as often right, half of it has 3 % of that, 0.001 has 0.3 %."""
    raw = np.linspace(0.2, 1, 1000)
    knots = smooth_map(raw, np.arange(1000) % 2 == 0)
    found = np.interp([0, 0.001, 0.1, 0.2, 0.6], knots["x"], knots["y"])
    np.testing.assert_allclose(found[2:], [0.015, 0.5, 0.5], atol=0.01)
    np.testing.assert_allclose(found[:2], [0, 0.0015], atol=1e-4)
