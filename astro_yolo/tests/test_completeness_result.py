"""Shares, intervals and limits of completeness, by arithmetic and on drawn samples."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from scipy.stats import beta

from astro_yolo._limits import falling_limit
from astro_yolo.recovery import Completeness


def _result(found, magnitude=None, kind=None):
    """Return a result with these galaxies."""
    n = len(found)
    magnitude = np.linspace(18, 20, n) if magnitude is None else magnitude
    return Completeness(QTable({
        "magnitude": magnitude * u.mag, "half_light_radius": np.geomspace(1, 4, n) * u.arcsec,
        "type": np.full(n, "spiral") if kind is None else kind, "found": np.asarray(found, bool),
    }, meta={"REFBAND": "r"}))  # fmt: skip


def test_shares_and_intervals_by_arithmetic():
    """Bins count; the intervals are those of the Jeffreys prior, 95 %; every galaxy is in one."""
    result = _result([1, 1, 0, 1, 0, 0, 0, 1], np.array([18, 18.2, 18.4, 19, 19.1, 19.9, 20, 20]))
    rows = result.by("magnitude", [18, 19, 20])
    assert rows["n"].tolist() == [3, 5]
    assert rows["n_found"].tolist() == [2, 2]
    np.testing.assert_allclose(rows["completeness"], [2 / 3, 2 / 5])
    np.testing.assert_allclose(rows["completeness_low"][1], beta.ppf(0.025, 2.5, 3.5))
    np.testing.assert_allclose(rows["completeness_high"][1], beta.ppf(0.975, 2.5, 3.5))
    assert rows["low"].unit == u.mag
    by_default = result.by()
    assert by_default["low"].value.tolist() == [18, 18.5, 19, 19.5, 20]
    assert by_default["n"].sum() == 8
    assert np.isnan(by_default["completeness"][1])
    radii = result.by("half_light_radius", 2)
    np.testing.assert_allclose(radii["low"].to_value(u.arcsec), [1, 2])
    assert radii["n"].tolist() == [4, 4]
    result.table["pass"], result.table["score"] = 3, [0.5, 0.6, np.nan, 0.7, 0.8, 0.9, 1, 1]
    assert result.by("pass", 1)["n"].tolist() == [8]
    assert result.by("score", [0.5, 0.75, 1])["n"].tolist() == [3, 4]  # of those that have one
    kinds = _result([1, 0, 1], kind=np.array(["spiral", "exponential", "spiral"])).by("type")
    assert kinds["type"].tolist() == ["exponential", "spiral"]
    assert kinds["n_found"].tolist() == [0, 2]


def test_the_interval_of_a_limit_covers_the_truth():
    """Of 20 samples of a logistic curve below 0.96, 95 % intervals hold the truth in 16 or more."""
    rng, hits = np.random.default_rng(1), 0
    truth = 21 + 0.3 * np.log(0.96 / 0.5 - 1)
    for _ in range(20):
        magnitude = rng.uniform(18, 23, 200)
        found = rng.random(200) < 0.96 / (1 + np.exp((magnitude - 21) / 0.3))
        limit = falling_limit(magnitude, found, 0.5)
        assert limit.low <= limit.magnitude <= limit.high
        assert limit.magnitude == pytest.approx(truth, abs=0.5)
        hits += limit.low < truth < limit.high
    assert hits >= 16


def test_a_limit_that_is_not_reached_is_nan():
    """Where all are found, none, or never so many, there is no limit."""
    half = np.tile([True, False], 20)
    for found, share in ((np.ones(40), 0.5), (np.zeros(40), 0.5), (half, 0.9)):
        assert np.isnan(_result(found).limit(share)).all()


def test_questions_that_are_wrong():
    """Columns, bins and shares that make no sense are told in words."""
    result = _result([1, 0])
    for ask, message in (
        (lambda: result.by("colour"), "column must be one of"),
        (lambda: result.by("type", 3), "bins must be left out with type"),
        (lambda: result.by(bins=[20, 18]), "bins must be rising edges"),
        (lambda: result.by(bins=0), "bins must be a whole number"),
        (lambda: result.by(bins=[1, 2] * u.arcsec), "bins must be a number of bins, or edges in"),
        (lambda: result.limit(1.0), "share must be between 0 and 1"),
    ):
        with pytest.raises(ValueError, match=message):
            ask()
