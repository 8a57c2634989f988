"""The second network: the type of a galaxy from its stamp, whatever its size in pixels."""

import numpy as np

from astro_yolo.boxes import longer_side
from astro_yolo.catalog import CLASSES
from astro_yolo.exceptions import ModelError, WeightsError
from astro_yolo.network._backend import physical_cores
from astro_yolo.network.stamps import cut_stamps
from astro_yolo.network.weights import metadata_of
from astro_yolo.stretch import from_network

__all__ = ["TypeClassifier"]

_BATCH = 64  # stamps at a time: bounds the memory

# pixels: a galaxy with as long a side is looked at in all eight orientations. There are few in a
# field, and the mean is the same for a spiral and its mirror image
_TURNED = 80.0

# A bright galaxy shows a type in fewer pixels: from this share of the smallest side on, the least
# that training shows, if the light in its box is so many times the noise: about r < 18 in SDSS
_BRIGHT_SHARE, _BRIGHT = 0.65, 150.0


class TypeClassifier:
    """
    Tells the types of galaxies that are large or bright enough to show one.

    Parameters
    ----------
    path : path-like
        ONNX file that takes square stamps, all of one size, with the metadata ``temperature``,
        ``prior`` (five weights) and ``smallest`` (longer side of the box from which it is asked,
        pixels; of a bright galaxy 0.65 of it).

    Raises
    ------
    WeightsError
        If the file is missing, damaged or not such a network.

    Notes
    -----
    It always runs in ONNX Runtime on the CPU: a stamp is less than a millisecond's work.
    """

    def __init__(self, path):
        metadata = metadata_of(path)
        try:
            self.temperature = float(metadata["temperature"])
            self.prior = np.array([float(weight) for weight in metadata["prior"]])
            self.smallest = float(metadata["smallest"])
        except (KeyError, TypeError, ValueError) as error:
            msg = f"{path}: the metadata must have temperature, prior and smallest, {error!r}"
            raise WeightsError(msg) from error
        if tuple(metadata.get("classes", ())) != CLASSES or len(self.prior) != len(CLASSES):
            msg = f"{path}: classes must be {list(CLASSES)}, got {metadata.get('classes')}"
            raise WeightsError(msg)
        self._session = _session(path)
        self._size = _stamp_size(path, self._session)

    def probabilities(self, planes, boxes):
        """
        Return the probability of each type, given that there is a galaxy.

        Parameters
        ----------
        planes : (3, ny, nx) float32 array or list of three (ny, nx) arrays
            Image in network units.
        boxes : (N, 4) array
            Edge pixels.

        Returns
        -------
        (N, 5) float array
            In the order of `~astro_yolo.catalog.CLASSES`; each row sums to 1.
        """
        stamps = cut_stamps(planes, boxes, self._size)
        logits = self._logits(stamps)
        turned = longer_side(boxes) >= _TURNED
        if turned.any():
            views = np.concatenate(_orientations(stamps[turned]))
            logits[turned] = self._logits(views).reshape(8, -1, len(CLASSES)).mean(axis=0)
        return self.calibrated(logits)

    def _logits(self, stamps):
        """Return the raw outputs of stamps, (N, 5)."""
        parts = [
            self._session.run(None, {"stamps": stamps[k : k + _BATCH]})[0]
            for k in range(0, len(stamps), _BATCH)
        ]
        return np.concatenate(parts) if parts else np.empty((0, len(CLASSES)))

    def calibrated(self, logits):
        """Return the probabilities of raw (N, 5) outputs."""
        return calibrated_types(logits, self.temperature, self.prior)

    def suits(self, planes, boxes):
        """
        Return which galaxies it can be asked about.

        Parameters
        ----------
        planes, boxes
            As of `probabilities`.

        Returns
        -------
        (N,) bool array
            True for boxes of the smallest side, and from 0.65 of it on for those whose light, the
            mean of the channels, is at least 150 times its noise.
        """
        side = longer_side(boxes)
        suited = side >= self.smallest
        for k in np.flatnonzero(~suited & (side >= _BRIGHT_SHARE * self.smallest)):
            suited[k] = _significance(planes, boxes[k]) >= _BRIGHT
        return suited


def _significance(planes, box):
    """Return the light in a box, the mean of the channels, over its noise in one channel."""
    x0, y0, x1, y1 = np.round(np.maximum(box, 0)).astype(int)
    light = from_network(np.stack([plane[y0:y1, x0:x1] for plane in planes]))
    return light.sum() / (3 * np.sqrt(max(1, light[0].size)))


def _stamp_size(path, session):
    """Return the side of the stamps that the network takes, pixels."""
    shape = session.get_inputs()[0].shape
    if len(shape) != 4 or shape[2] != shape[3] or not isinstance(shape[3], int):
        msg = f"{path}: the input must be square stamps of a fixed size, got {shape}"
        raise WeightsError(msg)
    return shape[3]


def _orientations(stamps):
    """Return square stamps turned by quarters, and mirrored and turned: eight arrays."""
    mirrored = stamps[..., ::-1]
    return [np.rot90(s, k, axes=(2, 3)) for s in (stamps, mirrored) for k in range(4)]


def calibrated_types(logits, temperature, prior):
    """
    Return the probabilities of raw outputs: a softmax, softened and weighted.

    Parameters
    ----------
    logits : (N, 5) array
        Raw outputs.
    temperature : float
        Above 1 softens.
    prior : (5,) array
        Weight of each class.

    Returns
    -------
    (N, 5) float array
    """
    values = np.asarray(logits, dtype=float) / temperature + np.log(prior)
    values = np.exp(values - values.max(axis=1, keepdims=True, initial=-np.inf))
    return values / values.sum(axis=1, keepdims=True)


def _session(path):
    """Return the network in ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = physical_cores()
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime raises its own classes
        msg = f"ONNX Runtime cannot load {path}: {error}"
        raise ModelError(msg) from error
