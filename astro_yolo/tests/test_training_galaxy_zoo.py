"""Votes of Galaxy Zoo become classes by the published rules."""

import numpy as np
import pytest
from astropy.table import Table

from astro_yolo.catalog import CLASSES
from astro_yolo.training.galaxy_zoo import (
    GZ1_COLUMNS,
    GZ2_COLUMNS,
    KAGGLE_COLUMNS,
    VotesError,
    classify,
    has_votes,
    vote_kind,
)

# GalaxyID: Class1.1, Class1.2, Class1.3, Class2.1, Class4.1 as published, and the class
PUBLISHED = {
    100008: ((0.383147, 0.616853, 0.0, 0.0, 0.418397819), "spiral"),
    100023: ((0.327001, 0.663777, 0.009222, 0.031178269, 0.591327989), "spiral"),
    100053: ((0.765717, 0.177352, 0.056931, 0.0, 0.0), "elliptical"),
    100078: ((0.693377, 0.238564, 0.068059, 0.0, 0.189098232), "elliptical"),
    100090: ((0.933839, 0.0, 0.066161, 0.0, 0.0), "elliptical"),
}


def gz1(**columns):
    """Return one row of Galaxy Zoo 1 votes, 0 where not given."""
    return {name: [columns.pop(name, 0.0)] for name in GZ1_COLUMNS} | {
        name: [value] for name, value in columns.items()
    }


def gz2(**answers):
    """Return one row of Galaxy Zoo 2 answers, 0 where not given."""
    return {f"{name}_debiased": [answers.get(key, 0.0)] for key, name in GZ2_COLUMNS.items()}


def test_published_rows_of_the_galaxy_challenge():
    """The five published rows get the expected classes, from the file as it is written."""
    rows = [(number, *values) for number, (values, _) in PUBLISHED.items()]
    table = Table(rows=rows, names=("GalaxyID", *KAGGLE_COLUMNS))
    labels, shares = classify(table)
    assert labels.tolist() == [label for _, label in PUBLISHED.values()]
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_challenge_merger_and_edge_on():
    """Class8.6 is the merger's share; an edge-on disc is Class2.1."""
    rows = {"Class1.1": [0.1, 0.2], "Class1.2": [0.9, 0.8], "Class1.3": [0, 0],
            "Class2.1": [0.8, 0.1], "Class4.1": [0.1, 0.3], "Class8.6": [0, 0.7]}  # fmt: skip
    labels, shares = classify(rows)
    assert labels.tolist() == ["edge_on", "merger"]
    np.testing.assert_allclose(shares[1], [0.06, 0.09, 0.03, 0.7, 0.12])


@pytest.mark.parametrize(
    ("votes", "label"),
    [
        ({"p_el": 0.6, "p_cw": 0.3, "p_edge": 0.1}, "elliptical"),
        # AstroCV: the largest single vote is elliptical, but spiral and edge-on have more together
        ({"p_el": 0.4, "p_cw": 0.2, "p_acw": 0.1, "p_edge": 0.25}, "spiral"),
        ({"p_el": 0.1, "p_cw": 0.2, "p_edge": 0.6}, "edge_on"),
        ({"p_el": 0.2, "p_mg": 0.7}, "merger"),
        ({"p_el": 0.2, "p_dk": 0.7}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_galaxy_zoo_1(votes, label):
    """The class is the largest share, without elliptical where the disc types have more."""
    labels, shares = classify(gz1(**votes))
    assert labels[0] == label
    assert shares[0].sum() == pytest.approx(1)


def test_debiased_votes_replace_raw_ones():
    """Debiased shares count where given; -9999 and masked mean that they are not."""
    raw = {"p_el": 0.7, "p_cw": 0.2, "p_edge": 0.05, "p_mg": 0.05}
    labels, shares = classify(gz1(**raw, p_el_debiased=0.3, p_cs_debiased=0.6))
    assert labels[0] == "spiral"
    np.testing.assert_allclose(shares[0], [0.3, 0.48, 0.12, 0.1, 0])
    labels, shares = classify(gz1(**raw, p_el_debiased=-9999, p_cs_debiased=-9999))
    np.testing.assert_allclose(shares[0], [0.7, 0.2, 0.05, 0.05, 0])


def test_galaxy_zoo_2_walks_the_tree():
    """Shares multiply down the tree: features, not edge-on, spiral; odd and merger."""
    votes = gz2(smooth=0.2, features=0.8, edge_on=0.25, face_on=0.75, spiral=0.9, no_spiral=0.1,
                odd=0.5, not_odd=0.5, merger=0.2)  # fmt: skip
    labels, shares = classify(votes)
    assert labels[0] == "spiral"
    np.testing.assert_allclose(shares[0], [0.18, 0.486, 0.18, 0.1, 0.054])


def test_no_votes_are_told_from_votes_for_unknown():
    """0, NaN, -9999 and masked are no votes; a galaxy that nobody could tell has some."""
    rows = {name: [0.0, np.nan, -9999.0, 0.0, 0.0] for name in GZ1_COLUMNS}
    rows["p_el"] = np.ma.MaskedArray([0.0, np.nan, -9999.0, 1.0, 0.0], mask=[0, 0, 0, 1, 0])
    rows["p_dk"] = [0.0, np.nan, -9999.0, 0.0, 1.0]
    assert has_votes(rows).tolist() == [False, False, False, False, True]
    assert classify(rows)[0].tolist() == ["unknown"] * 5
    # what was answered further down the tree is none where nobody came to it
    assert has_votes(gz2(spiral=1.0, merger=1.0)).tolist() == [False]
    assert has_votes(gz2(artefact=1.0)).tolist() == [True]


def test_threshold_makes_unknown():
    """A class whose share is below the threshold is unknown; the shares stay."""
    labels, shares = classify(gz1(p_el=0.5, p_cw=0.3, p_dk=0.2), threshold=0.6)
    assert labels[0] == "unknown"
    assert shares[0, CLASSES.index("elliptical")] == 0.5


@pytest.mark.parametrize("threshold", [80, -0.1, float("nan")])
def test_a_threshold_that_is_no_share_is_refused(threshold):
    """80 for 80 percent would make every galaxy unknown."""
    with pytest.raises(VotesError, match=f"threshold must be a share.*got {threshold}"):
        classify(gz1(p_el=1.0), threshold=threshold)


def test_missing_column_and_bad_value_are_named():
    """An incomplete table and a count in place of a share are refused by name."""
    votes = gz1(p_el=1.0)
    del votes["p_mg"]
    with pytest.raises(VotesError, match="nearest is gz1, which lacks p_mg"):
        classify(votes)
    with pytest.raises(VotesError, match=r"p_el must hold shares of votes, 0 to 1, got 12"):
        classify(gz1(p_el=12))
    with pytest.raises(VotesError, match="kind must be one of gz1"):
        classify(gz1(p_el=1.0), kind="gz9")
    with pytest.raises(VotesError, match=r"Class1\.1, which is missing"):
        classify(gz1(p_el=1.0), kind="kaggle")


def test_no_rows():
    """An empty table gives no classes."""
    labels, shares = classify({name: np.zeros(0) for name in GZ1_COLUMNS})
    assert labels.shape == (0,)
    assert shares.shape == (0, 5)


def test_real_stripe_82_table(shared_data):
    """Of the real Galaxy Zoo 2 table every galaxy gets shares; smooth ones are no spirals."""
    votes = Table.read(shared_data / "galaxy_zoo" / "gz2_stripe82_table5.fits.gz")
    assert vote_kind(votes.colnames) == "gz2"
    labels, shares = classify(votes)
    assert len(labels) == 19_761
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    smooth = votes["t01_smooth_or_features_a01_smooth_debiased"] > 0.8
    assert np.isin(labels[smooth], ["elliptical", "merger"]).all()
    spiral = votes["t04_spiral_a08_spiral_debiased"] > 0.8
    spiral &= votes["t01_smooth_or_features_a02_features_or_disk_debiased"] > 0.8
    spiral &= votes["t02_edgeon_a05_no_debiased"] > 0.8
    assert np.isin(labels[spiral], ["spiral", "merger"]).all()
