"""From raw network values to probabilities.

The maps are measured on held-out data when a network is trained, and travel in
the metadata of its weights.
"""

from dataclasses import dataclass, field

import numpy as np

from astro_yolo.catalog import CLASSES
from astro_yolo.network.priors import reweighted

__all__ = [
    "OUTPUTS",
    "Calibration",
    "ScoreMap",
    "balance_of",
    "kind_of",
    "odds_terms",
    "strength",
]

#: All outputs of a network, in order; ``galaxy`` is the galaxy-ness itself.
OUTPUTS = (*CLASSES, "star", "galaxy")

_STAR, _GALAXY = OUTPUTS.index("star"), OUTPUTS.index("galaxy")
_SMALLEST = 1e-4  # of a raw output in the odds between galaxy and star: below it is chance
_FLOOR = 0.1  # of the error of a spread: the point-spread function varies over an image
_SIGNIFICANT = 6.0  # spread over its error, at most: a blend of two stars has more than a galaxy
_LONG = 10.0  # elongation at most
_COUNTED = 0.5  # output from which a galaxy or star counts in the balance of an image
_MORE = 10  # of each: few sources say little
_LEAST, _MOST = -2.0, 1.0  # beyond, sure galaxies in star clusters would be lost
_WITH_SPREAD = (7, 8)  # coefficients of the odds, the eighth of the elongation; without it 3
_TINY = 1e-6  # keeps powers and quotients finite where an output is 0


@dataclass(frozen=True)
class ScoreMap:
    """
    Monotone piecewise-linear map from a raw score to a probability.

    Attributes
    ----------
    x, y : tuple of float
        Knots, rising; both in 0..1. Without knots the map changes nothing.
    """

    x: tuple = (0.0, 1.0)
    y: tuple = (0.0, 1.0)

    def __post_init__(self):
        x, y = np.asarray(self.x, dtype=float), np.asarray(self.y, dtype=float)
        if x.ndim != 1 or x.shape != y.shape or len(x) < 2:
            msg = f"x and y must be lists of the same length from 2, got {self.x} and {self.y}"
            raise ValueError(msg)
        if not ((np.diff(x) > 0).all() and (np.diff(y) >= 0).all()):
            msg = f"x must rise and y must not fall, got {self.x} and {self.y}"
            raise ValueError(msg)
        if min(x[0], y[0]) < 0 or max(x[-1], y[-1]) > 1:
            msg = f"x and y must lie in 0..1, got {self.x} and {self.y}"
            raise ValueError(msg)

    def __call__(self, raw):
        """
        Return the probability for raw scores.

        Parameters
        ----------
        raw : array
            Raw scores in 0..1.

        Returns
        -------
        array
            Probabilities in 0..1.
        """
        return np.interp(raw, self.x, self.y)

    def lowest(self, probability):
        """
        Return the smallest raw score that reaches a probability.

        Parameters
        ----------
        probability : float
            Wanted probability, 0..1.

        Returns
        -------
        float
            Raw score; above 1 when no score reaches the probability.
        """
        x, y = np.asarray(self.x), np.asarray(self.y)
        k = int(np.searchsorted(y, probability, side="left"))
        if k == 0:
            return 0.0
        if k == len(y):
            return 2.0
        share = (probability - y[k - 1]) / (y[k] - y[k - 1])
        return float(x[k - 1] + share * (x[k] - x[k - 1]))


@dataclass(frozen=True)
class Calibration:
    """
    What turns the seven outputs of a network into probabilities.

    Attributes
    ----------
    score, star : ScoreMap
        Maps to the probability of a galaxy and of a star: of these two outputs, or with ``odds`` of
        the probability that there is a source times the share of galaxies or of stars.
    temperature : float
        Above 1 softens the class probabilities, below 1 sharpens them.
    prior : tuple of float
        Weight of each of `~astro_yolo.catalog.CLASSES`.
    source : ScoreMap
        With ``odds``, the map of the larger of the two outputs to the probability of a source.
    odds : tuple of float
        Coefficients of the logarithm of the odds that a source is a galaxy, in the order of
        `odds_terms`: three, or seven or eight with the spread; empty where they were not measured.
    balance : bool
        Whether the balance of galaxies and stars in the image is added to that logarithm: see
        `balance_of`.
    pictures : Calibration or None
        Of 8-bit pictures, which hide faint sources and saturate bright ones; None where it was
        not measured.
    band : Calibration or None
        Of images of one band, without colours to tell stars by; None where it was not measured.
    spread : Calibration or None
        Of sources whose spread is known (see `~astro_yolo.network.spread`, and for pictures
        `~astro_yolo.network.picture_spread`); None where it was not measured.
    """

    score: ScoreMap = field(default_factory=ScoreMap)
    star: ScoreMap = field(default_factory=ScoreMap)
    temperature: float = 1.0
    prior: tuple = (1.0, 1.0, 1.0, 1.0, 1.0)
    source: ScoreMap = field(default_factory=ScoreMap)
    odds: tuple = ()
    balance: bool = False
    pictures: "Calibration | None" = None
    band: "Calibration | None" = None
    spread: "Calibration | None" = None

    def __post_init__(self):
        if len(self.odds) not in {0, 3, *_WITH_SPREAD}:
            msg = f"odds must hold 0, 3, 7 or 8 numbers, got {self.odds}"
            raise ValueError(msg)
        if not self.temperature > 0:
            msg = f"temperature must be positive, got {self.temperature}"
            raise ValueError(msg)
        if len(self.prior) != len(CLASSES) or not min(self.prior) > 0:
            msg = f"prior must hold {len(CLASSES)} positive weights, got {self.prior}"
            raise ValueError(msg)

    @classmethod
    def from_metadata(cls, metadata):
        """
        Build a calibration from the ``calibration`` entry of the weights' metadata.

        Parameters
        ----------
        metadata : dict
            Keys ``score``, ``star`` and ``source`` (each ``{"x": [...], "y": [...]}``), ``odds``
            (three numbers), ``balance`` (true or false), ``temperature``, and ``prior`` (five
            weights, or a dict by class); a missing key leaves that step out. ``pictures`` may hold
            what differs for 8-bit pictures, ``band`` for images of one band, ``spread`` where it is
            known, with seven or eight numbers of ``odds``; that of pictures stands within
            ``pictures``, that of one band in ``band``.

        Returns
        -------
        Calibration
            The calibration.

        Raises
        ------
        ValueError
            If a value is outside its range.
        """
        prior = metadata.get("prior", cls.prior)
        if isinstance(prior, dict):
            prior = [prior.get(name, 1.0) for name in CLASSES]
        kinds = ("pictures", "band", "spread")
        general = {key: value for key, value in metadata.items() if key not in kinds}
        special = {k: cls.from_metadata(general | metadata[k]) for k in kinds if metadata.get(k)}
        return cls(
            score=_score_map(metadata.get("score")),
            star=_score_map(metadata.get("star")),
            temperature=float(metadata.get("temperature", 1.0)),
            prior=tuple(float(weight) for weight in prior),
            source=_score_map(metadata.get("source")),
            odds=tuple(float(number) for number in metadata.get("odds", ())),
            balance=bool(metadata.get("balance", False)),
            **special,
        )

    def suited_to(self, image):
        """
        Return the calibration of a kind of image.

        Parameters
        ----------
        image : astro_yolo.image.SkyImage
            The image.

        Returns
        -------
        Calibration
            This one, or that of pictures or of one band.
        """
        return self.of_kind(kind_of(image))

    def of_kind(self, kind):
        """Return the calibration of one of the kinds of `kind_of`: this one, or one of its own."""
        return getattr(self, kind, None) or self

    def lowest_raw(self, probability):
        """
        Return the raw value below which no galaxy and no star reaches a probability.

        Parameters
        ----------
        probability : float
            Score threshold, 0..1.

        Returns
        -------
        float
            Raw value to filter candidates with.
        """
        lowest = min(self.score.lowest(probability), self.star.lowest(probability))
        lowest = self.source.lowest(lowest) if self.odds else lowest
        return lowest if self.spread is None else min(lowest, self.spread.lowest_raw(probability))

    def class_probabilities(self, raw):
        """
        Return the probability of each morphology, given that it is a galaxy.

        Parameters
        ----------
        raw : (N, 7) array
            Network outputs in the order of `OUTPUTS`.

        Returns
        -------
        (N, 5) float array
            In the order of `~astro_yolo.catalog.CLASSES`; each row sums to 1.
        """
        values = np.clip(np.asarray(raw, dtype=float)[:, : len(CLASSES)], _TINY, 1 - _TINY)
        # the odds undo the sigmoid of the graph: training compares the classes by a softmax
        return reweighted((values / (1 - values)) ** (1 / self.temperature), self.prior)

    def scores(self, raw, spread=None, balance=None):
        """
        Return the probabilities of a galaxy and of a star.

        Parameters
        ----------
        raw : (N, 7) array
            Network outputs in the order of `OUTPUTS`.
        spread : (N, 3) array, optional
            Spread, its error and elongation of sources in such an image; NaN where it is not known,
            as is all of it by default.
        balance : float or (N,) array, optional
            Of the image; by default that of ``raw``, which then must be all of its candidates.

        Returns
        -------
        score, p_star : (N,) float array
            Calibrated probabilities.
        """
        raw = np.asarray(raw, dtype=float)
        if not self.balance:
            balance = 0.0
        elif balance is None:
            balance = balance_of(raw)
        balance = np.broadcast_to(balance, len(raw))
        if self.spread is None or spread is None:
            return self._scores(raw, balance, spread)
        known = np.isfinite(spread).all(axis=1)
        found = np.stack(self._scores(raw, balance))
        found[:, known] = self.spread.scores(raw[known], spread[known], balance[known])
        return tuple(found)

    def _scores(self, raw, balance, spread=None):
        """Return the probabilities by the outputs, and by the spread where the odds know it."""
        star, galaxy = raw[:, _STAR], raw[:, _GALAXY]
        if not self.odds:
            return self.score(galaxy), self.star(star)
        spread = spread if len(self.odds) in _WITH_SPREAD else None
        terms = odds_terms(galaxy, star, spread)[:, : len(self.odds)]
        odds = np.exp(terms @ self.odds + balance)
        share, source = odds / (1 + odds), self.source(np.maximum(galaxy, star))
        score, p_star = self.score(source * share), self.star(source * (1 - share))
        # the maps are those of what is likelier; the rest is the other's, as far as the odds say
        return (
            np.where(odds >= 1, score, np.minimum(p_star * odds, 1 - p_star)),
            np.where(odds >= 1, np.minimum(score / odds, 1 - score), p_star),
        )


def kind_of(image):
    """
    Return what an image is as its scores are concerned.

    Parameters
    ----------
    image : astro_yolo.image.SkyImage

    Returns
    -------
    {"frames", "band", "pictures"}
    """
    if image.kind == "picture":
        return "pictures"
    return "band" if image.n_bands == 1 else "frames"


def strength(raw):
    """
    Return how sure a network is that there is a source.

    Parameters
    ----------
    raw : (N, 7) array
        Network outputs in the order of `OUTPUTS`.

    Returns
    -------
    (N,) array
        The larger of the outputs for a galaxy and a star.
    """
    return np.maximum(raw[:, _GALAXY], raw[:, _STAR])


def balance_of(raw):
    """
    Return how many galaxies there are in an image for each of its stars.

    By Bayes' rule the odds that a source is a galaxy go with this: near the Milky Way, or in a star
    cluster, most of what looks a little like a galaxy is none.

    Parameters
    ----------
    raw : (N, 7) array
        Network outputs of all candidates of the image; those above 0.5 are counted.

    Returns
    -------
    float
        The natural logarithm of the quotient, with 10 of each added, within -2 and 1.
    """
    galaxies, stars = ((raw[:, k] > _COUNTED).sum() for k in (_GALAXY, _STAR))
    return float(np.clip(np.log((galaxies + _MORE) / (stars + _MORE)), _LEAST, _MOST))


def odds_terms(galaxy, star, spread=None):
    """
    Return what the logarithm of the odds between galaxy and star is linear in.

    Parameters
    ----------
    galaxy, star : (N,) array
        Raw outputs, 0..1.
    spread : (N, 3) array, optional
        Spread, its error, and elongation.

    Returns
    -------
    (N, 3) or (N, 8) array
        1 and the logits of the two; with the spread also its significance Z, the logarithm of its
        error, and the products of Z with the logits, as a blend that the network is sure is a star
        has a spread as well; and ln(1 + E^2 / 4) of the elongation E, which grows as its square
        where it is by chance, and slowly beyond.
    """
    values = np.clip([galaxy, star], _SMALLEST, 1 - _SMALLEST)
    logits = np.log(values / (1 - values))
    terms = [np.ones_like(logits[0]), *logits]
    if spread is not None:
        error = np.hypot(spread[:, 1], _FLOOR)
        significance = np.clip(spread[:, 0] / error, -_SIGNIFICANT, _SIGNIFICANT)
        terms += [significance, np.log(error), *(0.1 * significance * logits)]
        terms += [np.log1p((np.minimum(spread[:, 2], _LONG) / 2) ** 2)]
    return np.stack(terms, axis=1)


def _score_map(knots):
    """Return the map of a ``{"x": [...], "y": [...]}`` entry, or the one that changes nothing."""
    if knots is None:
        return ScoreMap()
    return ScoreMap(tuple(knots["x"]), tuple(knots["y"]))
