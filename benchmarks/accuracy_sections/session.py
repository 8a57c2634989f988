"""What the sections of ``accuracy.py`` share: the network, the real data, shares as text."""

import platform
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import truth_94_1_12 as field

from accuracy_sections.peers import find_sources
from astro_yolo import Detector, __version__, read_image
from astro_yolo.network.weights import load_weights
from astro_yolo.training.fields import frame_paths

__all__ = ["LOWEST", "Session", "places_of", "rate", "text"]

LOWEST = 0.02  # score down to which thresholds are swept


class _GivenWeights(Detector):
    """A detector of weights that are not in the package's registry."""

    def __init__(self, weights, backend):
        super().__init__(backend=backend)
        self._given = weights

    @property
    def weights(self):
        return self._given


@dataclass(frozen=True)
class Session:
    """
    One run of the benchmark.

    Attributes
    ----------
    detector : Detector
        The network under test.
    data : pathlib.Path
        Folder of real data.
    score : float
        Threshold that stands for the default one.
    out : pathlib.Path or None
        Folder for pictures; None draws none.
    cache : pathlib.Path
        Folder where measured cutouts are kept between runs.
    """

    detector: Detector
    data: Path
    score: float
    out: Path | None
    cache: Path

    @classmethod
    def start(cls, options):
        """Make the session that the command line asks for."""
        weights = load_weights(options.model)
        if options.types:
            own = options.types != "none"
            weights = replace(weights, types=Path(options.types) if own else None)
        elif weights.types is None:  # a candidate: with the shipped others
            default = load_weights("default")
            deep = {"deep": default.deep, "deep_sha256": default.deep_sha256}
            weights = replace(weights, types=default.types, **deep)
        score = weights.default_score if options.score is None else options.score
        out = None if options.no_pictures else options.out
        for folder in filter(None, (out, options.cache)):
            folder.mkdir(parents=True, exist_ok=True)
        detector = _GivenWeights(weights, options.backend)
        return cls(detector, field.data_folder(), score, out, options.cache)

    def frame(self, name):
        """Return the bands of a field, "run/camcol/field", as a SkyImage."""
        return read_image(frame_paths(self.data / "sas", name))

    @cached_property
    def test_frame(self):
        """The bands of field 94-1-12 as a SkyImage."""
        return self.frame("94/1/12")

    @property
    def test_bands(self):
        """Band -> pixels of field 94-1-12."""
        return dict(zip(self.test_frame.bands, self.test_frame.data, strict=True))

    @cached_property
    def truth(self):
        """The rules of truth of field 94-1-12."""
        return field.load_truth(self.data)

    @cached_property
    def everything(self):
        """All galaxies of 94-1-12 down to a score of `LOWEST`; the default is a part of them."""
        return self.detector.detect(self.test_frame, score=min(LOWEST, self.score))

    @cached_property
    def sources(self):
        """As `everything`, with what is likelier a star, each with its score as a galaxy."""
        return self.detector.detect(self.test_frame, score=LOWEST, include_stars=True)

    @cached_property
    def table(self):
        """The galaxies of 94-1-12 at the default score."""
        return self.detector.detect(self.test_frame, score=self.score)

    @cached_property
    def peers(self):
        """What other programs find in 94-1-12, a list of `accuracy_sections.peers.Sources`."""
        return find_sources(self.data, self.truth.image)

    def header(self):
        """Return date, machine, versions, weights and command."""
        weights = self.detector.weights
        return {
            "date": f"{datetime.now(tz=UTC):%Y-%m-%d %H:%M} UTC",
            "machine": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "astro-yolo": __version__,
            "backend": self.detector.backend.name,
            "weights": weights.name,
            "sha256": weights.sha256[:12],
            "types": weights.types.name if weights.types else "none",
            "score": self.score,
            "command": " ".join(["python benchmarks/accuracy.py", *sys.argv[1:]]),
            "intervals": "95 % Jeffreys",
        }


def rate(part, whole):
    """Return a share with its interval, as it goes into the JSON file."""
    share, low, high = field.rate(part, whole)
    found = {"hits": int(part), "total": int(whole)}
    return found | {"share": share, "low": low, "high": high} if whole else found


def text(found, width=0):
    """Return a share as text."""
    if not found["total"]:
        return f"{'-':<{width}}"
    line = f"{found['share']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
    return f"{line} {found['hits']}/{found['total']}".ljust(width)


def places_of(table):
    """Return (N, 2) pixels of a table's rows."""
    return np.stack([table["x"], table["y"]], axis=1).astype(float)
