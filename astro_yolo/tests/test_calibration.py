"""Tests of the calibration of network outputs."""

from types import SimpleNamespace

import numpy as np
import pytest

from astro_yolo.network.calibration import (
    Calibration,
    ScoreMap,
    balance_of,
    odds_terms,
)
from astro_yolo.network.priors import class_weights, reweighted

FRAME, PICTURE = (SimpleNamespace(kind=kind, n_bands=3) for kind in ("fits", "picture"))
RAW = np.array([[0.8, 0.2, 0.1, 0.05, 0.05, 0.3, 0.6], [0, 0, 0, 0, 0, 1, 0]])


def test_score_map_is_linear_between_knots():
    """A score half-way between two knots maps half-way between their probabilities."""
    knots = ScoreMap((0.0, 0.5, 1.0), (0.0, 0.8, 0.9))
    np.testing.assert_allclose(knots(np.array([0, 0.25, 0.5, 0.75, 1])), [0, 0.4, 0.8, 0.85, 0.9])


@pytest.mark.parametrize("wanted", [0.0, 0.1, 0.4, 0.8, 0.85, 0.9])
def test_lowest_is_the_inverse(wanted):
    """The lowest raw score reaches the probability, and one just below it does not."""
    knots = ScoreMap((0.0, 0.2, 0.5, 0.7, 1.0), (0.0, 0.0, 0.8, 0.8, 0.9))
    raw = knots.lowest(wanted)
    assert knots(raw) == pytest.approx(wanted)
    assert raw == 0 or knots(raw - 1e-3) < wanted


def test_lowest_of_what_is_never_reached():
    """No raw score passes where the map never gets that high."""
    assert ScoreMap((0.0, 1.0), (0.0, 0.9)).lowest(0.95) > 1


@pytest.mark.parametrize(
    ("x", "y", "rule"),
    [
        ((0, 1), (0,), "same length"),
        ((0, 0), (0, 1), "x must rise"),
        ((0, 1), (1, 0), "y must not fall"),
        ((0, 2), (0, 1), "lie in 0..1"),
        ((-0.5, 1), (0, 1), "lie in 0..1"),
        ((0, 1), (-0.5, 1), "lie in 0..1"),
        ((0, 1), (0, 1.5), "lie in 0..1"),
    ],
)
def test_bad_maps_are_refused(x, y, rule):
    """Knots that are no monotone map of 0..1 are refused."""
    with pytest.raises(ValueError, match=rule):
        ScoreMap(x, y)


def test_class_probabilities_sum_to_one():
    """The five classes sum to 1, also where the network gives zeros, and keep their order."""
    probs = Calibration().class_probabilities(RAW)
    assert probs.shape == (2, 5)
    np.testing.assert_allclose(probs.sum(axis=1), 1)
    odds = np.array([4, 1 / 4, 1 / 9, 1 / 19, 1 / 19])  # p / (1 - p)
    np.testing.assert_allclose(probs[0], odds / odds.sum())
    np.testing.assert_allclose(probs[1], 0.2)


def test_temperature_and_prior():
    """Temperature 2 takes the square root of the odds; the prior multiplies them."""
    soft = Calibration(temperature=2.0).class_probabilities(RAW)[0]
    assert soft[0] / soft[1] == pytest.approx(4.0)
    prior = Calibration(prior=(1, 8, 1, 1, 1)).class_probabilities(RAW)[0]
    assert prior[1] / prior[0] == pytest.approx(0.5)


def test_from_metadata():
    """The weights' metadata may give each step, the prior by name or by position, or leave it."""
    metadata = {"score": {"x": [0, 1], "y": [0, 0.5]}, "temperature": 2, "prior": {"merger": 3}}
    calibration = Calibration.from_metadata(metadata)
    assert calibration.prior == (1, 1, 1, 3, 1)
    score, p_star = calibration.scores(RAW)
    np.testing.assert_allclose(score, [0.3, 0])
    np.testing.assert_allclose(p_star, [0.3, 1])
    assert calibration.lowest_raw(0.3) == pytest.approx(0.3)  # the star map is the lower one
    assert Calibration.from_metadata({}) == Calibration()


def test_pictures_have_maps_of_their_own():
    """For a picture its own maps count where there are some, and the rest is the same."""
    maps = {"score": {"x": [0, 1], "y": [0, 0.5]}}
    metadata = {"temperature": 2, "pictures": maps, "star": {"x": [0, 1], "y": [0, 0.2]}}
    calibration = Calibration.from_metadata(metadata)
    np.testing.assert_allclose(calibration.suited_to(FRAME).scores(RAW)[0], [0.6, 0])
    of_pictures = calibration.suited_to(PICTURE)
    np.testing.assert_allclose(of_pictures.scores(RAW), [[0.3, 0], [0.06, 0.2]])
    assert of_pictures.temperature == 2
    assert of_pictures.spread is None
    assert Calibration().suited_to(PICTURE) == Calibration()


def test_images_of_one_band_have_maps_of_their_own():
    """A band alone has its maps, of a FITS file or an array; several, and a grey picture, not."""
    band = {"score": {"x": [0, 1], "y": [0, 0.25]}}
    calibration = Calibration.from_metadata({"temperature": 2, "band": band})
    for kind in ("fits", "array"):
        of_one = calibration.suited_to(SimpleNamespace(kind=kind, n_bands=1))
        np.testing.assert_allclose(of_one.scores(RAW)[0], [0.15, 0])
        assert of_one.temperature == 2
    for image in (FRAME, PICTURE, SimpleNamespace(kind="picture", n_bands=1)):
        assert calibration.suited_to(image) is calibration
    one = SimpleNamespace(kind="fits", n_bands=1)
    assert Calibration().suited_to(one) == Calibration()


def test_odds_with_the_spread():
    """1, the logits, Z (error from 0.1 on, at most 6), ln error, ZG / 10, ZS / 10, ln(1 + E^2 / 4).

    E, the elongation, counts up to 10.
    """
    spread = np.array([[0.26, 0.24, 2.0], [9.0, 0.0, 50.0]])
    found = odds_terms(*np.array([[0.9, 0.5], [0.2, 0.5]]), spread)
    galaxy, star, error = np.log(9), np.log(1 / 4), 0.26  # of 0.24 and 0.1
    first = [1, galaxy, star, 1, np.log(error), 0.1 * galaxy, 0.1 * star, np.log(2)]
    second = [1, 0, 0, 6, np.log(0.1), 0, 0, np.log(26)]
    np.testing.assert_allclose(found, [first, second], atol=1e-12)


@pytest.mark.parametrize("odds", [0.9, 1 / 0.9])
def test_what_is_left_of_a_sure_source_is_the_others(odds):
    """A map that lifts the likelier of galaxy and star leaves the other what is missing to 1.

    Of a sure source with odds of 9 to 10 the likelier has a share of 10/19; a map with its knot at
    0.9 for a half gives it 0.9 + 0.2 (10/19 - 1/2).
    """
    lifted = ScoreMap((0, 0.5, 1), (0, 0.9, 1))
    calibration = Calibration(odds=(np.log(odds), 0, 0), score=lifted, star=lifted)
    found = np.concatenate(calibration.scores(RAW[1:]))
    likelier = 0.9 + 0.2 * (10 / 19 - 0.5)
    expected = [1 - likelier, likelier]  # galaxy, star
    np.testing.assert_allclose(found, expected if odds < 1 else expected[::-1])


def many(galaxies, stars):
    """Outputs of so many sure galaxies and stars, and of as many doubtful ones."""
    raw = np.zeros((2 * (galaxies + stars), 7))
    raw[:galaxies, 6] = raw[galaxies : galaxies + stars, 5] = 0.51
    raw[galaxies + stars :, 5:] = 0.49
    return raw


@pytest.mark.parametrize(
    ("galaxies", "stars", "wanted"),
    [(30, 10, np.log(2)), (0, 15, np.log(0.4)), (0, 0, 0), (1000, 0, 1), (0, 1000, -2)],
)
def test_balance(galaxies, stars, wanted):
    """The logarithm of galaxies and 10 over stars and 10, sure ones only, from -2 to 1."""
    assert balance_of(many(galaxies, stars)) == pytest.approx(wanted)


def test_odds_go_with_the_galaxies_for_each_star():
    """Where galaxies are twice as frequent, the odds double; of an image, or as they are told."""
    calibration = Calibration.from_metadata({"odds": [0, 0, 0], "balance": True})
    raw = many(30, 10)
    score, p_star = calibration.scores(raw)
    np.testing.assert_allclose(score, 2 * p_star)
    for balance in (np.log(3), np.full(len(raw), np.log(3))):
        score, p_star = calibration.scores(raw, balance=balance)
        np.testing.assert_allclose(score, 3 * p_star)
    np.testing.assert_allclose(*Calibration(odds=(0, 0, 0)).scores(raw))


def test_sources_whose_spread_is_known_are_in_the_balance_of_all():
    """Those with a spread have the balance of the image, not of themselves."""
    metadata = {"odds": [0] * 3, "balance": True, "spread": {"odds": [0] * 7}}
    raw = many(30, 10)
    spread = np.full((len(raw), 3), np.nan)
    spread[35] = 0.3, 0.2, 1.0  # a star
    score, p_star = Calibration.from_metadata(metadata).scores(raw, spread)
    np.testing.assert_allclose(score, 2 * p_star)


def test_sources_whose_spread_is_known_have_maps_of_their_own():
    """A compact source is a star by its spread, a wide one a galaxy; the rest goes without."""
    widths = {"odds": [0, 0, 0, 1, 0, 0, 0], "score": {"x": [0, 1], "y": [0, 1]}}
    calibration = Calibration.from_metadata({"odds": [0, 1, -1], "spread": widths})
    raw = np.repeat(RAW[:1], 3, axis=0)
    spread = np.array([[-0.5, 0.0, 2.0], [0.5, 0.0, 1.0], [np.nan] * 3])
    score, p_star = calibration.scores(raw, spread)
    share = 1 / (1 + np.exp([5, -5]))
    np.testing.assert_allclose(score[:2], 0.6 * share)  # the source map is straight
    np.testing.assert_allclose(p_star[:2], 0.6 * (1 - share))
    plain = calibration.scores(raw)
    assert (score[2], p_star[2]) == (plain[0][2], plain[1][2])


def test_sources_in_pictures_whose_spread_is_known_have_maps_of_their_own():
    """The spread of pictures stands within what is theirs, and adds to it; that of others stays."""
    known = [{"odds": [k, 0, 0, 0, 0, 0, 0]} for k in (1, 2)]
    pictures = {"temperature": 3, "spread": known[1]}
    calibration = Calibration.from_metadata({"spread": known[0], "pictures": pictures})
    assert calibration.suited_to(FRAME).spread.odds[0] == 1
    assert calibration.suited_to(PICTURE).spread.odds[0] == 2
    assert calibration.suited_to(PICTURE).spread.temperature == 3


def test_the_lowest_raw_value_lets_either_kind_pass():
    """It is the lower of what sources with and without a spread need."""
    low = {"odds": [0] * 7, "source": {"x": [0, 0.5, 1], "y": [0, 1, 1]}}
    calibration = Calibration.from_metadata({"odds": [0, 0, 0], "spread": low})
    assert calibration.lowest_raw(0.4) == pytest.approx(0.2)
    assert Calibration(odds=(0, 0, 0)).lowest_raw(0.4) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("metadata", "rule"),
    [
        ({"temperature": 0}, "temperature must be positive"),
        ({"prior": [1, 1]}, "5 positive"),
        ({"odds": [1, 2]}, "odds must hold 0, 3, 7 or 8 numbers"),
    ],
)
def test_bad_metadata(metadata, rule):
    """A temperature or prior that makes no sense is refused."""
    with pytest.raises(ValueError, match=rule):
        Calibration.from_metadata(metadata)


def test_priors_follow_bayes_rule():
    """Odds of two classes change by the ratio of their weights; rows still sum to 1."""
    before = np.array([[0.5, 0.3, 0.1, 0.05, 0.05], [0, 0, 0, 0, 1]])
    after = reweighted(before, class_weights({"elliptical": 3, "spiral": 0.5}))
    np.testing.assert_allclose(after.sum(axis=1), 1)
    np.testing.assert_allclose(after[0, 0] / after[0, 1], 0.5 / 0.3 * 3 / 0.5)
    np.testing.assert_allclose(after[0, 3] / after[0, 2], 0.5)
    np.testing.assert_allclose(after[1], before[1])
    np.testing.assert_array_equal(reweighted(before, class_weights(None)), before)


def test_classes_that_are_not_named_have_weight_one():
    """Weights are in the order of the classes, 1 where the user says nothing."""
    assert class_weights({"merger": 0.5, "elliptical": 3}).tolist() == [3, 1, 1, 0.5, 1]
    assert class_weights(None).tolist() == [1] * 5


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        ({"lens": 2, "spiral": 1}, "priors must name some of elliptical, .* unknown, got lens$"),
        *(({"spiral": wrong}, f"priors must be numbers above 0, got {wrong!r} for spiral")
          for wrong in (0, -0.5, np.inf, np.nan, "2", 1j)),
    ],
)
def test_bad_priors_are_named(priors, message):
    """A class that is none, and a weight that is no number above 0, are errors that show it."""
    with pytest.raises(ValueError, match=message):
        class_weights(priors)
