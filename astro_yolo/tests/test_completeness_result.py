"""Shares, intervals and limits of completeness, by arithmetic and on drawn samples."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from scipy.optimize import differential_evolution
from scipy.stats import beta

from astro_yolo import write_table
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


def test_what_is_plotted():
    """Points stand in the middle of their bins, with bars over the bin and its interval."""
    found, magnitude = [1, 1, 0, 0, 0, 1], np.array([18, 18.2, 18.4, 20, 20, 20])
    (drawn,) = _result(found, magnitude).plot(bins=[18, 19, 19.5, 21]).containers
    points, _, (across, along) = drawn
    np.testing.assert_allclose(points.get_xydata(), [[18.5, 2 / 3], [20.25, 1 / 3]])
    ends = [segment[:, 0].tolist() for segment in across.get_segments()]
    assert ends == [[18, 19], [19.5, 21]]
    interval = beta.ppf([0.025, 0.975], 2.5, 1.5)
    np.testing.assert_allclose(along.get_segments()[0], np.c_[[18.5, 18.5], interval])
    kinds = _result([1, 0, 1], kind=np.array(["spiral", "exponential", "spiral"]))
    kinds = kinds.plot(column="type")
    assert [text.get_text() for text in kinds.get_xticklabels()] == ["exponential", "spiral"]
    np.testing.assert_allclose(kinds.containers[0][0].get_xydata(), [[0, 0], [1, 1]])


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


@pytest.mark.parametrize("seed", [29, 37, 45])
def test_a_limit_is_the_likeliest(seed):
    """A search at large finds no curve that is likelier by more than 0.05."""
    rng, share = np.random.default_rng(seed), 0.5
    magnitude = rng.uniform(18, 23, 60)
    found = rng.random(60) < 0.95 / (1 + np.exp((magnitude - 21) / 0.2))

    def cost(limit, log_width, top):
        chance = top / (1 + (top / share - 1) * np.exp((magnitude - limit) / np.exp(log_width)))
        return -np.log(np.clip(np.where(found, chance, 1 - chance), 1e-9, 1)).sum()

    others = (np.log(0.01), np.log(5)), (share + 1e-4 * (1 - share), 1)
    with np.errstate(over="ignore"):
        least = differential_evolution(lambda p: cost(*p), [(13, 28), *others], rng=0).fun
        limit = falling_limit(magnitude, found, share)
        at_limit = differential_evolution(lambda p: cost(limit.magnitude, *p), others, rng=0).fun
    assert at_limit < least + 0.05


def test_a_limit_that_is_not_reached_is_nan():
    """Where all are found, none, or never so many, there is no limit."""
    half = np.tile([True, False], 20)
    for found, share in ((np.ones(40), 0.5), (np.zeros(40), 0.5), (half, 0.9)):
        assert np.isnan(_result(found).limit(share)).all()
    assert np.isnan(_result([]).limit()).all()


@pytest.mark.parametrize("ending", ["ecsv", "fits", "vot", "csv"])
def test_tables_that_were_read_again(tmp_path, ending):
    """What Astropy reads of a file gives the same shares and limit, with or without its meta."""
    rng = np.random.default_rng(2)
    magnitude = rng.uniform(18, 23, 80)
    found = rng.random(80) < 1 / (1 + np.exp((magnitude - 21) / 0.3))
    result = _result(found, magnitude, np.where(magnitude > 20, "spiral", "exponential"))
    result.table["label"] = np.where(found, "edge_on", "")
    result.table["score"] = np.where(found, 0.9, np.nan)
    write_table(result.table, tmp_path / f"a.{ending}")
    again = Completeness(QTable.read(tmp_path / f"a.{ending}"))
    assert repr(again) == f"Completeness({found.sum()} of 80 found)"
    assert again.limit() == pytest.approx(result.limit())
    for column in ("type", "label", "score", "half_light_radius"):
        assert again.by(column)["n_found"].tolist() == result.by(column)["n_found"].tolist()
    assert again.by("label")["label"].tolist() == ["", "edge_on"]
    assert again.plot().get_xlabel().startswith("r magnitude" if again.table.meta else "magnitude")


def test_questions_that_are_wrong():
    """Columns, bins and shares that make no sense are told in words."""
    result = _result([1, 0])
    for ask, message in (
        (lambda: result.by("colour"), "column must be one of"),
        (lambda: result.by("type", 3), "bins must be left out with type"),
        (lambda: result.by(bins=[20, 18]), "bins must be rising edges"),
        (lambda: _result([]).by(), "column must hold numbers, got none in the 0 rows of magnitude"),
        (lambda: result.by(bins=0), "bins must be a whole number"),
        (lambda: result.by(bins=[1, 2] * u.arcsec), "bins must be a number of bins, or edges in"),
        (lambda: result.limit(1.0), "share must be between 0 and 1"),
    ):
        with pytest.raises(ValueError, match=message):
            ask()
