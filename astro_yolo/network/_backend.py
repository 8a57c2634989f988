"""What every backend shares: padding, the choice of candidates, the number of threads."""

import os
from pathlib import Path

import numpy as np

from astro_yolo import boxes as box_math
from astro_yolo.exceptions import ModelError

__all__ = ["Backend", "physical_cores"]

_GALAXY, _STAR = 10, 9  # rows of the raw output, after four of the box
_SMALLEST_SIDE = 1.0  # px; what is left of a box that lay in the padding is no detection


class Backend:
    """
    A network loaded into a runtime.

    Parameters
    ----------
    weights : Weights
        The checked weight file.

    Attributes
    ----------
    name : str
        Name of the runtime.
    device : str
        "cpu" or "cuda".
    precision : str
        Number format of the arithmetic inside.
    version : str
        Version of the runtime.
    """

    name = ""
    device = "cpu"
    precision = "float32"
    version = ""

    def __init__(self, weights):
        self.weights = weights
        self._buffers = {}

    def run(self, batch):
        """
        Return the raw output of the network.

        Parameters
        ----------
        batch : (1, 3, ny, nx) float32 array
            Network input whose sides are multiples of the stride.

        Returns
        -------
        (11, N) array
            Rows: centre x, centre y, width, height in edge pixels, and the seven outputs. Valid
            until the next call.
        """
        raise NotImplementedError

    def buffer(self, shape):
        """
        Return an input array for an image, with the padding filled in.

        The array is used again for the next image of the same shape: fresh memory costs more
        than filling it.

        Parameters
        ----------
        shape : tuple of int
            Image shape (ny, nx).

        Returns
        -------
        (3, ny', nx') float32 array
            Sides are the next multiples of the stride; the padding is as in training.
        """
        shape = tuple(shape)
        if shape not in self._buffers:
            sides = [-(-side // self.weights.stride) * self.weights.stride for side in shape]
            self._buffers = {shape: np.full((3, *sides), self.weights.border, dtype=np.float32)}
        return self._buffers[shape]

    def predict(self, x, min_score, *, shape=None):
        """
        Find candidates; overlapping ones are all returned. One thread at a time may do so.

        Parameters
        ----------
        x : (3, ny, nx) array
            Image in the network's stretch, best in float32. It is padded to the stride unless it
            fits already.
        min_score : float
            Smallest raw value of the galaxy or star output.
        shape : tuple of int, optional
            Shape (ny, nx) of the part of ``x`` that is image, where ``x`` is padded.

        Returns
        -------
        boxes : (N, 4) float array
            In edge pixels, cut at the image border.
        outputs : (N, 7) float array
            Raw outputs, 0..1, in the order of `~astro_yolo.network.calibration.OUTPUTS`.

        Raises
        ------
        ValueError
            If ``x`` is no image of three planes.
        ModelError
            If the network does not return candidates of this form.
        """
        # ONNX Runtime takes numbers of the other byte order, as FITS has them, for others
        x = np.asarray(x, dtype=np.float32)
        if x.ndim != 3 or x.shape[0] != 3 or not x.size:
            msg = f"x must have the shape (3, ny, nx), got {x.shape}"
            raise ValueError(msg)
        shape = x.shape[1:] if shape is None else shape
        if any(side % self.weights.stride for side in x.shape[1:]):
            padded = self.buffer(x.shape[1:])
            padded[:, : x.shape[1], : x.shape[2]] = x
            x = padded
        raw = self.run(x[None])
        if raw.ndim != 2 or raw.shape[0] != 11:
            msg = f"{self.weights.path}: output must have 11 rows, got shape {raw.shape}"
            raise ModelError(msg)
        return _select(raw, min_score, shape)


def _select(raw, min_score, shape):
    """Return the boxes and outputs of the columns that reach the score."""
    keep = np.flatnonzero(np.maximum(raw[_GALAXY], raw[_STAR]) >= min_score)
    x, y, width, height = raw[:4, keep].astype(float)
    boxes = np.stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2], axis=1)
    boxes = box_math.clip(boxes, shape)
    inside = ((boxes[:, 2:] - boxes[:, :2]) >= _SMALLEST_SIDE).all(axis=1)
    return boxes[inside], raw[4:, keep[inside]].T.astype(float)


def physical_cores():
    """
    Return the number of physical cores that this process may use.

    Returns
    -------
    int
        Hyper-threads of one core count once, and cores outside the process's affinity not at all.
        A container that may use less processor time than that has as many as it may use.
    """
    try:
        allowed = os.sched_getaffinity(0)
    except AttributeError:  # not on Linux
        return max(1, (os.cpu_count() or 2) // 2)
    cores = set()
    for cpu in allowed:
        siblings = _text_of(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores.add(siblings or str(cpu))
    return max(1, min(len(cores), _most_at_once()))


def _most_at_once(root=Path("/sys/fs/cgroup")):
    """
    Return how many processors the kernel's control group gives time to, infinite without limit.

    Containers are limited so (``docker --cpus``, Kubernetes, JupyterHub), and affinity does not
    tell. Threads beyond the limit stop all of them for the rest of each period.
    """
    limit, _, period = _text_of(root / "cpu.max").partition(" ")  # version 2
    if not limit:
        names = "cpu.cfs_quota_us", "cpu.cfs_period_us"
        limit, period = (_text_of(root / "cpu" / name) for name in names)
    if not (limit.isdigit() and period.isdigit()):  # "max" and -1 are no limit
        return np.inf
    return -(-int(limit) // int(period))


def _text_of(path):
    """Return what the kernel tells in a file, empty if it does not."""
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""
