"""Runtimes that carry an image through the network.

Every backend gives the same candidates for the same weights; they differ in speed and in what has
to be installed. ONNX Runtime belongs to the core install and lives here; the optional ones live in
modules of their own, imported when they are chosen.
"""

import ctypes
import io
import sys
from contextlib import redirect_stdout
from importlib.util import find_spec
from pathlib import Path

from astro_yolo.exceptions import ModelError
from astro_yolo.network._backend import Backend, physical_cores
from astro_yolo.network.weights import Weights

__all__ = ["BACKENDS", "Backend", "OnnxRuntimeBackend", "check_names", "load_backend"]

#: Names that ``backend=`` accepts.
BACKENDS = ("auto", "onnxruntime", "openvino", "ultralytics")

_DEVICES = (None, "cpu", "cuda")
_FOR_CUDA = 'pip uninstall onnxruntime, then pip install "onnxruntime-gpu[cuda,cudnn]"'


class OnnxRuntimeBackend(Backend):
    """
    ONNX Runtime, on the CPU or on an NVIDIA GPU.

    Parameters
    ----------
    weights : Weights
        An ONNX weight file.
    device : {None, "cpu", "cuda"}, optional
        None takes the GPU where there is one and the installed runtime can use it.

    Raises
    ------
    ValueError
        If the name of the device is unknown.
    ModelError
        If the runtime cannot load the file, or a GPU was asked for and there is none.
    """

    name = "onnxruntime"

    def __init__(self, weights, device=None):
        import onnxruntime

        check_names(self.name, device)
        super().__init__(weights)
        wanted = _providers(onnxruntime, device)
        try:
            self._session = onnxruntime.InferenceSession(
                str(weights.path), _session_options(onnxruntime), providers=wanted
            )
        except Exception as error:  # the runtime's own errors have no common public base
            msg = f"ONNX Runtime cannot load {weights.path}: {error}"
            raise ModelError(msg) from error
        running = self._session.get_providers()
        self.device = "cuda" if "CUDAExecutionProvider" in running else "cpu"
        if device == "cuda" and self.device != "cuda":
            msg = (
                "device 'cuda' needs an NVIDIA GPU with its driver, CUDA and cuDNN"
                f" ({_FOR_CUDA}), got {', '.join(running)}"
            )
            raise ModelError(msg)
        self.version = onnxruntime.__version__
        self._input = self._session.get_inputs()[0].name

    def run(self, batch):
        """Return the raw output of the network; see `Backend.run`."""
        return self._session.run(None, {self._input: batch})[0][0]


def _providers(onnxruntime, device):
    """Return the names of what shall compute, the first choice first."""
    available = onnxruntime.get_available_providers()
    has_cuda = "CUDAExecutionProvider" in available
    if device == "cuda" and not has_cuda:
        msg = (
            f"device 'cuda' needs ONNX Runtime with its CUDA provider ({_FOR_CUDA}),"
            f" got the providers {', '.join(available)}"
        )
        raise ModelError(msg)
    if not has_cuda or device == "cpu" or (device is None and not _has_driver()):
        return ["CPUExecutionProvider"]
    # it does not find the CUDA libraries that pip installs by itself; since version 1.21
    if preload := getattr(onnxruntime, "preload_dlls", None):
        with redirect_stdout(io.StringIO()):  # where tables may go; the provider's error follows
            preload()
    return ["CUDAExecutionProvider", "CPUExecutionProvider"]


def _session_options(onnxruntime):
    """Return options for one image at a time on all physical cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = physical_cores()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # waiting threads must not burn the cores that NumPy needs between two images
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    return options


def load_backend(weights, backend="auto", device=None):
    """
    Load weights into a runtime.

    Parameters
    ----------
    weights : Weights
        The checked weight file.
    backend : {"auto", "onnxruntime", "openvino", "ultralytics"}, optional
        "auto" takes ultralytics for a ``.pt`` file; otherwise ONNX Runtime on a GPU where there
        is one and it can use it, OpenVINO where it is installed, and ONNX Runtime on the CPU.
    device : {None, "cpu", "cuda"}, optional
        Where to compute; None lets the backend choose.

    Returns
    -------
    Backend
        The loaded network.

    Raises
    ------
    TypeError
        If the weights are not loaded: a name or path goes through
        `~astro_yolo.network.weights.load_weights`.
    ValueError
        If the name of the backend or device is unknown.
    ModelError
        If the weights do not fit the backend, or the device is not there.
    MissingExtraError
        If the backend is not installed.
    """
    check_names(backend, device)
    if not isinstance(weights, Weights):
        msg = f"weights must be what load_weights returns, got {weights!r}"
        raise TypeError(msg)
    is_pickle = weights.path.suffix == ".pt"
    chosen = _choose(is_pickle, device) if backend == "auto" else backend
    if is_pickle != (chosen == "ultralytics"):
        kind = "a .pt file" if chosen == "ultralytics" else "an .onnx file"
        msg = f"backend {chosen!r} needs {kind} as model, got {weights.path.name}"
        raise ModelError(msg)
    if chosen == "onnxruntime":
        return OnnxRuntimeBackend(weights, device)
    if chosen == "openvino":
        from astro_yolo.network.openvino_backend import OpenVINOBackend

        return OpenVINOBackend(weights, device)
    from astro_yolo.network.ultralytics_backend import UltralyticsBackend

    return UltralyticsBackend(weights, device)


def check_names(backend, device):
    """
    Raise unless the names of a backend and a device are known.

    Parameters
    ----------
    backend : str
        See `load_backend`.
    device : str or None
        See `load_backend`.

    Raises
    ------
    ValueError
        If one of them is unknown.
    """
    if backend not in BACKENDS:
        msg = f"backend must be one of {', '.join(BACKENDS)}, got {backend!r}"
        raise ValueError(msg)
    if device not in _DEVICES:
        msg = f"device must be None, 'cpu' or 'cuda', got {device!r}"
        raise ValueError(msg)


def _choose(is_pickle, device):
    """Return the name of the fastest installed backend."""
    if is_pickle:
        return "ultralytics"
    if device == "cuda" or (device is None and _has_cuda_provider() and _has_driver()):
        return "onnxruntime"
    return "openvino" if find_spec("openvino") else "onnxruntime"


def _has_cuda_provider():
    """Tell whether the installed ONNX Runtime is the GPU build, without importing it."""
    found = find_spec("onnxruntime")
    folders = found.submodule_search_locations or [] if found else []
    return any(next(Path(f, "capi").glob("*onnxruntime_providers_cuda*"), None) for f in folders)


def _has_driver():
    """Tell whether the driver of an NVIDIA GPU is installed: a cluster's first node has none."""
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True
