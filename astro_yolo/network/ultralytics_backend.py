"""An ultralytics ``.pt`` file that the user named, run by PyTorch, from the extra ``train``."""

from astro_yolo._environment import added_environment
from astro_yolo.exceptions import ModelError, require
from astro_yolo.network._backend import Backend, physical_cores
from astro_yolo.network.calibration import OUTPUTS

__all__ = ["UltralyticsBackend", "quiet_environment"]

_FEATURE = "Running a .pt file"

# Without these, importing ultralytics looks for a network connection, and loading a file may
# install packages.
_QUIET = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}


class UltralyticsBackend(Backend):
    """
    PyTorch with a network trained by ultralytics.

    Parameters
    ----------
    weights : Weights
        A ``.pt`` file. It is a pickle, which can run any code: load only files you trust.
    device : {None, "cpu", "cuda"}, optional
        None takes the GPU where PyTorch has one.

    Raises
    ------
    MissingExtraError
        If PyTorch or ultralytics is not installed.
    ModelError
        If the device is not there, or the file is no detection network of seven outputs.
    """

    name = "ultralytics"

    def __init__(self, weights, device=None):
        super().__init__(weights)
        with quiet_environment():
            torch = require("torch", extra="train", feature=_FEATURE)
            tasks = require("ultralytics.nn.tasks", extra="train", feature=_FEATURE)
        if device == "cuda" and not torch.cuda.is_available():
            msg = "device 'cuda' needs PyTorch with CUDA and a GPU, got PyTorch without one"
            raise ModelError(msg)
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            with quiet_environment():
                model, _ = tasks.load_checkpoint(str(weights.path), device=self.device, fuse=True)
        except Exception as error:  # a pickle can fail in any way
            msg = f"ultralytics cannot load {weights.path}: {error!r}"
            raise ModelError(msg) from error
        self._model = _dense(model, weights).float().eval()
        self.version = f"{require('ultralytics', extra='train', feature=_FEATURE).__version__}"
        self._torch = torch
        self._threads = physical_cores()

    def run(self, batch):
        """Return the raw output of the network; see `Backend.run`."""
        torch = self._torch
        before = torch.get_num_threads()  # ultralytics sets one thread on two cores
        torch.set_num_threads(self._threads)
        try:
            with torch.inference_mode():
                output = self._model(torch.from_numpy(batch).to(self.device))
        finally:
            torch.set_num_threads(before)
        if isinstance(output, list | tuple):
            output = output[0]
        return output[0].cpu().numpy()


def _dense(model, weights):
    """Return the model with a head that gives all candidates instead of its best few."""
    layers = getattr(model, "model", [None])
    head = layers[-1]
    if getattr(head, "nc", None) != len(OUTPUTS):
        got = getattr(head, "nc", "no detection head")
        msg = f"{weights.path} must have {len(OUTPUTS)} outputs, got {got}"
        raise ModelError(msg)
    if getattr(head, "end2end", False):
        head.end2end = False
    return model


def quiet_environment():
    """Keep ultralytics off the network while it is imported and used."""
    return added_environment(_QUIET)
