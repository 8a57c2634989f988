"""Class and class shares of galaxies from the votes of Galaxy Zoo.

Three kinds of table are read, told apart by their columns:

- **Galaxy Zoo 1** (Lintott et al. 2011, MNRAS 410, 166): ``p_el, p_cw, p_acw, p_edge, p_dk, p_mg``,
  as in SDSS's zooSpec, zooNoSpec and zooVotes, and ``p_el_debiased, p_cs_debiased`` where given;
- **Galaxy Zoo 2** (Willett et al. 2013, MNRAS 435, 2835): tasks 01, 02, 04, 06 and 08, as in
  zoo2MainSpecz and zoo2Stripe82Normal;
- **the Galaxy Challenge** (Kaggle 2013): ``Class1.1`` to ``Class11.6``, the same decision tree with
  every answer already multiplied by the share that reached its question.

All give shares of the five classes that sum to 1, and the class is the largest share; there is no
further threshold unless one is asked for. Galaxy Zoo 1 follows AstroCV in one point: where
more votes went to "spiral or edge-on" together than to "elliptical", elliptical is out. In the two
decision trees a disc seen face-on without a spiral pattern counts for no type: its share
is that of "unknown", as are stars and artefacts; a merger takes its share from all types.
"""

import numpy as np

from astro_yolo.catalog import CLASSES
from astro_yolo.exceptions import AstroYoloError

__all__ = [
    "GZ1_COLUMNS",
    "GZ2_COLUMNS",
    "KAGGLE_COLUMNS",
    "VotesError",
    "classify",
    "has_votes",
    "vote_kind",
]

#: Votes of Galaxy Zoo 1, in the order elliptical, clockwise, anticlockwise, edge-on, don't know,
#: merger.
GZ1_COLUMNS = ("p_el", "p_cw", "p_acw", "p_edge", "p_dk", "p_mg")

#: Answers of Galaxy Zoo 2 that matter here, without the ending ``_debiased``.
GZ2_COLUMNS = {
    "smooth": "t01_smooth_or_features_a01_smooth",
    "features": "t01_smooth_or_features_a02_features_or_disk",
    "artefact": "t01_smooth_or_features_a03_star_or_artifact",
    "edge_on": "t02_edgeon_a04_yes",
    "face_on": "t02_edgeon_a05_no",
    "spiral": "t04_spiral_a08_spiral",
    "no_spiral": "t04_spiral_a09_no_spiral",
    "odd": "t06_odd_a14_yes",
    "not_odd": "t06_odd_a15_no",
    "merger": "t08_odd_feature_a24_merger",
}

#: Answers of the Galaxy Challenge that are needed; ``Class8.6``, merger, is used where given.
KAGGLE_COLUMNS = ("Class1.1", "Class1.2", "Class1.3", "Class2.1", "Class4.1")

_KAGGLE_MERGER = "Class8.6"
_ENDINGS = ("_debiased", "_weighted_fraction", "_fraction")


class VotesError(AstroYoloError, ValueError):
    """A table of votes lacks a column, or its values are no shares."""


def vote_kind(names):
    """
    Tell which kind of votes a table holds.

    Parameters
    ----------
    names : iterable of str
        Column names, in any case.

    Returns
    -------
    {"gz1", "gz2", "kaggle"}

    Raises
    ------
    VotesError
        If the columns of none are complete; it names what is missing of the nearest kind.
    """
    given = {name.lower() for name in names}
    needed = {"gz1": GZ1_COLUMNS, "gz2": _with_ending(given), "kaggle": KAGGLE_COLUMNS}
    missing = {
        kind: [column for column in columns if column.lower() not in given]
        for kind, columns in needed.items()
    }
    kind = min(missing, key=lambda k: len(missing[k]) / len(needed[k]))
    if missing[kind]:
        msg = f"votes must have the columns of gz1, gz2 or kaggle; nearest is {kind}, "
        raise VotesError(f"{msg}which lacks {', '.join(missing[kind])}")
    return kind


def _with_ending(given):
    """Return the columns of Galaxy Zoo 2 with the first ending that is there for all."""
    for ending in _ENDINGS:
        columns = [f"{column}{ending}" for column in GZ2_COLUMNS.values()]
        if all(column in given for column in columns):
            return columns
    return [f"{column}{_ENDINGS[0]}" for column in GZ2_COLUMNS.values()]


def classify(votes, *, kind=None, threshold=0.0):
    """
    Return the class and the shares of the classes of every galaxy.

    Parameters
    ----------
    votes : `~astropy.table.Table` or mapping of str to (N,) array
        Votes as shares, 0 to 1.
    kind : {"gz1", "gz2", "kaggle"}, optional
        What the columns mean; by default they tell.
    threshold : float, optional
        Smallest share that makes a class, 0 to 1; below it the class is "unknown".

    Returns
    -------
    labels : (N,) array of str
        Each one of `~astro_yolo.catalog.CLASSES`.
    shares : (N, 5) array
        In the order of `~astro_yolo.catalog.CLASSES`; every row sums to 1. A galaxy without any
        vote is unknown; `has_votes` tells it from one that people could not tell.

    Raises
    ------
    VotesError
        If a column is missing, a value is neither a share nor absent, or the threshold is no share.

    Examples
    --------
    >>> from astro_yolo.training.galaxy_zoo import classify
    >>> labels, shares = classify({"Class1.1": [0.383147], "Class1.2": [0.616853],
    ...     "Class1.3": [0.0], "Class2.1": [0.0], "Class4.1": [0.418397819]})
    >>> str(labels[0]), shares[0].round(3).tolist()
    ('spiral', [0.383, 0.418, 0.0, 0.0, 0.198])
    """
    if not 0 <= threshold <= 1:
        msg = f"threshold must be a share of votes, 0 to 1, got {threshold}"
        raise VotesError(msg)
    shares, barred = _read(votes, kind)
    total = shares.sum(axis=1, keepdims=True)
    shares = np.where(total > 0, shares / np.where(total > 0, total, 1), np.eye(5)[-1])
    best = np.where(barred, -1, shares).argmax(axis=1)
    labels = np.array(CLASSES)[best]
    labels[shares[np.arange(len(best)), best] < threshold] = "unknown"
    return labels, shares


def has_votes(votes, *, kind=None):
    """
    Tell which galaxies have any vote that counts for a class.

    Parameters
    ----------
    votes, kind
        As of `classify`.

    Returns
    -------
    (N,) bool array
        False where the votes are 0, masked, NaN or SDSS's -9999.

    Raises
    ------
    VotesError
        See `classify`.

    Examples
    --------
    >>> from astro_yolo.training.galaxy_zoo import has_votes
    >>> has_votes({"Class1.1": [0.0, 1.0], "Class1.2": [0.0, 0.0], "Class1.3": [0.0, 0.0],
    ...     "Class2.1": [0.0, 0.0], "Class4.1": [0.0, 0.0]}).tolist()
    [False, True]
    """
    return _read(votes, kind)[0].sum(axis=1) > 0


def _read(votes, kind):
    """Return shares that need not sum to 1, and which of them cannot be the class."""
    columns = {name.lower(): votes[name] for name in _names(votes)}
    kind = vote_kind(columns) if kind is None else kind
    if kind not in _READERS:
        msg = f"kind must be one of {', '.join(_READERS)}, got {kind!r}"
        raise VotesError(msg)
    return _READERS[kind](columns)


def _names(votes):
    """Return the column names of a table or a mapping."""
    return votes.colnames if hasattr(votes, "colnames") else list(votes)


def _share(columns, name):
    """Return a column as shares with NaN where there is none; SDSS writes -9999 for that."""
    try:
        values = columns[name.lower()]
    except KeyError:
        raise VotesError(f"votes must have the column {name}, which is missing") from None
    try:
        values = np.ma.filled(np.ma.asarray(values).astype(float), np.nan)
    except (TypeError, ValueError) as error:
        msg = f"{name} must hold shares of votes, 0 to 1, got text: {error}"
        raise VotesError(msg) from error
    values = np.where(values <= -9, np.nan, values)
    # debiasing leaves rounding on either side
    if np.nanmin(values, initial=0) < -0.01 or np.nanmax(values, initial=0) > 1.01:
        msg = f"{name} must hold shares of votes, 0 to 1, got {np.nanmin(values):g} to "
        raise VotesError(f"{msg}{np.nanmax(values):g}")
    return np.clip(values, 0, 1)


def _of_gz1(columns):
    """Shares of the classes from Galaxy Zoo 1, and which of them cannot be the class."""
    votes = [np.nan_to_num(_share(columns, name)) for name in GZ1_COLUMNS]
    elliptical, clockwise, anticlockwise, edge_on, unknown, merger = votes
    spiral = clockwise + anticlockwise
    combined = spiral + edge_on
    if "p_el_debiased" in columns and "p_cs_debiased" in columns:
        known = _share(columns, "p_el_debiased"), _share(columns, "p_cs_debiased")
        elliptical, combined, unknown, merger = _debias(
            elliptical, combined, unknown, merger, *known
        )
        part = np.divide(spiral, spiral + edge_on, out=np.ones_like(spiral),
                         where=spiral + edge_on > 0)  # fmt: skip
        spiral, edge_on = combined * part, combined * (1 - part)
    shares = np.stack([elliptical, spiral, edge_on, merger, unknown], axis=1)
    barred = np.zeros(shares.shape, dtype=bool)
    barred[:, 0] = combined > elliptical
    return shares, barred


def _debias(elliptical, combined, unknown, merger, debiased_el, debiased_cs):
    """Replace the first two shares by debiased ones where given; the rest shares what is left."""
    given = np.isfinite(debiased_el) & np.isfinite(debiased_cs)
    elliptical = np.where(given, debiased_el, elliptical)
    combined = np.where(given, debiased_cs, combined)
    rest, left = unknown + merger, np.clip(1 - elliptical - combined, 0, 1)
    scale = np.where(given & (rest > 0), left / np.where(rest > 0, rest, 1), 1)
    return elliptical, combined, unknown * scale, merger * scale


def _of_gz2(columns):
    """Shares of the classes from the answers of Galaxy Zoo 2, walked down the tree."""
    ending = _with_ending(columns)[0].removeprefix(GZ2_COLUMNS["smooth"])
    answer = {
        key: np.nan_to_num(_share(columns, f"{name}{ending}"))
        for key, name in GZ2_COLUMNS.items()
    }
    edge_on = _part(answer["edge_on"], answer["face_on"])
    spiral = _part(answer["spiral"], answer["no_spiral"])
    merger = _part(answer["odd"], answer["not_odd"]) * answer["merger"]
    disc = answer["features"]
    return _with_merger(
        smooth=answer["smooth"],
        spiral=disc * (1 - edge_on) * spiral,
        edge_on=disc * edge_on,
        unknown=disc * (1 - edge_on) * (1 - spiral) + answer["artefact"],
        merger=merger,
    )


def _of_kaggle(columns):
    """Shares of the classes from the Galaxy Challenge: answers weighted by their question."""
    smooth, disc, artefact, edge_on, spiral = (
        np.nan_to_num(_share(columns, name)) for name in KAGGLE_COLUMNS
    )
    merger = np.zeros_like(smooth)
    if _KAGGLE_MERGER.lower() in columns:
        merger = np.nan_to_num(_share(columns, _KAGGLE_MERGER))
    rest = np.clip(disc - edge_on - spiral, 0, 1)
    return _with_merger(smooth, spiral, edge_on, rest + artefact, merger)


def _part(yes, no):
    """Return the share of the first of two answers, 0 where nobody answered."""
    return np.divide(yes, yes + no, out=np.zeros_like(yes), where=yes + no > 0)


def _with_merger(smooth, spiral, edge_on, unknown, merger):
    """Return the shares with the merger's taken evenly from the others; no class is barred."""
    types = np.stack([smooth, spiral, edge_on, unknown], axis=1)
    total = types.sum(axis=1, keepdims=True)
    types = types / np.where(total > 0, total, 1) * (1 - merger[:, None])
    shares = np.insert(types, 3, merger, axis=1)
    shares[total[:, 0] == 0] = 0
    return shares, np.zeros(shares.shape, dtype=bool)


_READERS = {"gz1": _of_gz1, "gz2": _of_gz2, "kaggle": _of_kaggle}
