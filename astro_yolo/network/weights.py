"""Weight files: where they are, whether they are intact, and what they say about themselves.

Shipped weights are ONNX files whose SHA-256 is in ``weights/registry.json``. A ``.pt`` file is
a pickle, which runs code when it is loaded: only one that the user names is ever used.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from astro_yolo._stamp_inputs import as_number
from astro_yolo.exceptions import WeightsError
from astro_yolo.network._onnx_file import onnx_properties
from astro_yolo.network._weight_checks import checked_calibration, pair, purity_tables
from astro_yolo.network.calibration import Calibration, kind_of
from astro_yolo.stretch import NETWORK_SKY, NETWORK_STRETCH

__all__ = [
    "METADATA_KEY",
    "WEIGHTS",
    "Weights",
    "WeightsEntry",
    "load_weights",
    "metadata_of",
    "registry_entry",
]

#: Name of the entry of an ONNX file's metadata that holds ours, as JSON.
METADATA_KEY = "astro_yolo"

_PICTURE_BORDER = 114 / 255  # ultralytics trains on pictures with grey borders

_FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class WeightsEntry:
    """
    One line of the registry.

    Attributes
    ----------
    file : str
        File name inside the package's weights folder.
    sha256 : str
        Checksum of the file, in hexadecimal.
    license : str
        SPDX identifier of the licence that the weights carry.
    version : str
        Version of the weights.
    description : str
        One line for people.
    types, types_sha256 : str
        File name and checksum of the network of types that goes with it, if there is one.
    deep, deep_sha256 : str
        The same of the network for deep fields.
    """

    file: str
    sha256: str
    license: str
    version: str = ""
    description: str = ""
    types: str = ""
    types_sha256: str = ""
    deep: str = ""
    deep_sha256: str = ""


@dataclass(frozen=True)
class Weights:
    """
    A weight file that was read and checked.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    sha256 : str
        Its checksum, in hexadecimal.
    metadata : dict
        What it says about itself.
    calibration : Calibration
        Maps from its outputs to probabilities.
    types : pathlib.Path or None
        The network that tells the types of large galaxies.
    types_sha256 : str
        Its checksum; empty without it.
    deep : pathlib.Path or None
        The network that looks again at images of little but galaxies.
    deep_sha256 : str
        Its checksum; empty without it.
    """

    path: Path
    sha256: str
    metadata: dict
    calibration: Calibration
    types: Path | None = None
    types_sha256: str = ""
    deep: Path | None = None
    deep_sha256: str = ""

    @property
    def name(self):
        """Name of the model."""
        return str(self.metadata["name"])

    @property
    def stride(self):
        """Both sides of the input must be multiples of this number of pixels."""
        return int(self.metadata["stride"])

    @property
    def stretch(self):
        """Input scaling: that of our own networks, or a stretch of `astro_yolo.stretch.to_rgb`."""
        return str(self.metadata["stretch"])

    @property
    def takes_pictures(self):
        """Whether the input is a stretched 8-bit picture."""
        return self.stretch != NETWORK_STRETCH

    @property
    def zoom(self):
        """Pixels of the input for one of the image."""
        return float(self.metadata.get("zoom", 1.0))

    @property
    def border(self):
        """Value of the input round the image."""
        return _PICTURE_BORDER if self.takes_pictures else NETWORK_SKY

    @property
    def pixel_scale(self):
        """Trained range of pixel scales in arcsec, or None when not stated."""
        return pair(self.metadata.get("pixel_scale"))

    @property
    def size(self):
        """Trained range of the longer box side in pixels, or None when not stated."""
        return pair(self.metadata.get("size"))

    @property
    def default_score(self):
        """Score threshold for the user who names none."""
        return float(self.metadata["thresholds"]["default"])

    def score_for_purity(self, purity, image=None):
        """
        Return the smallest score at which the validation set reached a purity.

        Parameters
        ----------
        purity : float
            Wanted share of true galaxies among the detections.
        image : astro_yolo.image.SkyImage, optional
            What it is wanted for; by default frames of several bands. Pictures and images of one
            band have tables of their own, unless the weights hold the one table only.

        Returns
        -------
        float
            Score threshold, interpolated in the table stored with the weights.

        Raises
        ------
        TypeError
            If the purity is no number.
        ValueError
            If it is outside the table.
        """
        tables = purity_tables(self.metadata["thresholds"])
        table = tables.get("frames" if image is None else kind_of(image), tables["frames"])
        table = np.array(sorted(table), dtype=float)
        if not len(table):
            msg = f"min_purity needs a purity table, which the weights {self.name!r} do not have"
            raise ValueError(msg)
        # a higher score must never promise less, whatever the noise of the table says
        reached = np.maximum.accumulate(table[:, 1])
        low, high = reached[[0, -1]]
        rule = f"within {low:.3g}..{high:.3g}, the range measured for the weights {self.name!r}"
        purity = as_number("min_purity", purity, rule, lambda share: low <= share <= high)
        k = int(np.searchsorted(reached, purity, side="left"))
        if k == 0:
            return float(table[0, 0])
        return float(np.interp(purity, reached[k - 1 : k + 1], table[k - 1 : k + 1, 0]))


def _read_registry():
    """Return the registry of the package, name -> `WeightsEntry`; a name may stand for another."""
    lines = json.loads((_FOLDER / "registry.json").read_text(encoding="utf-8"))
    return {
        name: WeightsEntry(**(lines[line] if isinstance(line, str) else line))
        for name, line in lines.items()
    }


#: Name -> `WeightsEntry` of every model in the package.
WEIGHTS = _read_registry()


def load_weights(name_or_path="default"):
    """
    Read and check a weight file.

    Parameters
    ----------
    name_or_path : str or pathlib.Path, optional
        A name in `WEIGHTS`, or the path of an ``.onnx`` file, or of an ultralytics ``.pt`` file
        with its metadata in a ``.json`` file of the same name beside it.

    Returns
    -------
    Weights
        The checked weights; nothing is loaded into a runtime yet.

    Raises
    ------
    WeightsError
        If the name is unknown, the file is missing, damaged or not a network, its checksum
        differs from the registry, or its metadata do not fit this version.
    """
    entry = WEIGHTS.get(str(name_or_path))
    path = _FOLDER / entry.file if entry else Path(name_or_path)
    if not (entry or path.is_file()):
        msg = (
            f"model must be one of {', '.join(WEIGHTS)} or the path of an .onnx or .pt file,"
            f" got {str(name_or_path)!r}"
        )
        raise WeightsError(msg)
    sha256 = _checked_sha256(path, entry.sha256 if entry else "")
    metadata = metadata_of(path)
    calibration = checked_calibration(path, metadata)
    return Weights(path, sha256, metadata, calibration, **_companions(entry))


def _companions(entry):
    """Return the networks that go with a registry entry, checked, and their checksums."""
    found = {}
    for name in ("types", "deep"):
        if file := getattr(entry, name, ""):
            sha256 = _checked_sha256(_FOLDER / file, getattr(entry, f"{name}_sha256"))
            found |= {name: _FOLDER / file, f"{name}_sha256": sha256}
    return found


def _checked_sha256(path, expected):
    """Return the checksum of a file; raise where it is not the expected one."""
    try:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError as error:
        msg = f"the weights {path.name} are not installed: {path} is missing"
        raise WeightsError(msg) from error
    if expected and sha256 != expected:
        msg = f"{path} must have SHA-256 {expected}, got {sha256}: the file is damaged"
        raise WeightsError(msg)
    return sha256


def metadata_of(path):
    """
    Return what a weight file says about itself.

    Parameters
    ----------
    path : path-like
        An ``.onnx`` file, or a ``.pt`` file with a ``.json`` file of the same name beside it.

    Returns
    -------
    dict

    Raises
    ------
    WeightsError
        If the file is not a network or carries no metadata of ours.
    """
    path = Path(path)
    if path.suffix == ".pt":
        return _pt_metadata(path)
    try:
        properties = onnx_properties(path.read_bytes())
    except (IndexError, ValueError, TypeError) as error:
        msg = f"{path} must be an ONNX file, got something else ({error})"
        raise WeightsError(msg) from error
    if METADATA_KEY not in properties:
        msg = f"{path} must carry the metadata {METADATA_KEY!r}, which is missing"
        raise WeightsError(msg)
    return _parse(path, properties[METADATA_KEY])


def registry_entry(path, description=""):
    """
    Return the registry line of a weight file, to be added to ``registry.json``.

    Parameters
    ----------
    path : str or pathlib.Path
        An ``.onnx`` file with our metadata.
    description : str, optional
        One line for people.

    Returns
    -------
    dict
        The fields of `WeightsEntry`.

    Raises
    ------
    WeightsError
        As `load_weights`.
    """
    weights = load_weights(Path(path))
    return {
        "file": weights.path.name,
        "sha256": weights.sha256,
        "license": str(weights.metadata["license"]),
        "version": str(weights.metadata["version"]),
        "description": description,
    }


def _pt_metadata(path):
    """Return the metadata beside a ``.pt`` file, which has no safe place for them inside."""
    sidecar = path.with_suffix(".json")
    if not sidecar.is_file():
        msg = (
            f"{path} must come with its metadata in {sidecar.name}, which is missing;"
            " astro_yolo.training.export_stock.export_stock makes an .onnx file of a checkpoint,"
            " which needs none"
        )
        raise WeightsError(msg)
    return _parse(path, sidecar.read_text(encoding="utf-8"))


def _parse(path, text):
    """Return the JSON object in ``text``."""
    try:
        metadata = json.loads(text)
    except json.JSONDecodeError as error:
        msg = f"{path}: the metadata must be JSON, {error}"
        raise WeightsError(msg) from error
    if not isinstance(metadata, dict):
        msg = f"{path}: the metadata must be a JSON object, got {type(metadata).__name__}"
        raise WeightsError(msg)
    return metadata
