"""The ultralytics trainer with our loss, and fast on a CPU.

Imports torch and ultralytics: load it only where training was asked for.
"""

import os
from pathlib import Path

import cv2
import numpy as np
import torch
from ultralytics.models.yolo.detect import DetectionTrainer
from ultralytics.nn.tasks import DetectionModel
from ultralytics.utils import SETTINGS, torch_utils

from astro_yolo.network.calibration import OUTPUTS
from astro_yolo.training._typed_loss import TypedDetectionLoss
from astro_yolo.training._warm_start import begin_with

try:
    from ultralytics.utils.events import events
except ImportError:  # where it was before
    from ultralytics.hub.utils import events


def use_all_cores(threads=None):
    """Let torch use ``threads`` (all) cores; ultralytics keeps one back otherwise."""
    torch_utils.NUM_THREADS = threads or os.cpu_count()
    torch.set_num_threads(torch_utils.NUM_THREADS)


def stay_offline():
    """Switch off ultralytics' usage reports and loggers to other services, in this process."""
    quiet = {key: False for key, value in SETTINGS.items() if isinstance(value, bool)}
    dict.update(SETTINGS, quiet)  # not its own update, which writes the user's settings file
    events.enabled = False


class FastModel(DetectionModel):
    """A detection model that trains in bfloat16, if its attribute of that name is True."""

    def _predict_once(self, x, *args, **kwargs):
        """Run the layers in bfloat16 while training; hand out float32."""
        if not (self.training and self.__dict__.get("bfloat16")):
            return super()._predict_once(x, *args, **kwargs)
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(x.device.type, torch.bfloat16):
            out = super()._predict_once(x, *args, **kwargs)
        return _as_float(out)

    def made_fast(self, device, threads=None):
        """Return the model as it trains fastest on a device."""
        if device.type != "cpu":
            return self
        use_all_cores(threads)
        model = self.to(memory_format=torch.channels_last)
        model.bfloat16 = _has_bfloat16()
        return model


class TypedModel(FastModel):
    """A model trained by `TypedDetectionLoss`."""

    def init_criterion(self):
        """Return the loss."""
        return TypedDetectionLoss(self)


def _as_float(value):
    """Cast the tensors of a nested output to float32."""
    if isinstance(value, dict):
        return {key: _as_float(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_as_float(item) for item in value)
    return value.float()


class TypedTrainer(DetectionTrainer):
    """Train a `TypedModel`; validation is ours (`astro_yolo.training.evaluate`), not mAP."""

    threads = None
    start = None

    def get_model(self, cfg=None, weights=None, verbose=True):  # noqa: FBT002, its signature
        """Return the network, with the weights of a checkpoint or of ``start`` if there are any."""
        model = TypedModel(cfg, nc=len(OUTPUTS), ch=3, verbose=verbose)
        if weights:
            model.load(weights)
        elif self.start:
            begin_with(model, self.start, _some_images(self.data["train"]))
        return model.made_fast(self.device, self.threads)

    def set_model_attributes(self):
        """Store the names of the outputs, not those of the label files, in the model."""
        super().set_model_attributes()
        self.model.nc = len(OUTPUTS)
        self.model.names = dict(enumerate(OUTPUTS))

    def validate(self):
        """Skip ultralytics' validation: it knows neither ignored objects nor unjudged types."""
        return {}, 0.0

    def final_eval(self):
        """Skip the evaluation at the end for the same reason."""


def _some_images(folder, count=32):
    """Return the first images of a data set in network units, (count, 3, ny, nx)."""
    paths = sorted(Path(folder).glob("*.png"))
    paths = paths[:: max(1, len(paths) // count)][:count]  # of every kind of sample
    pictures = np.stack([cv2.imread(str(path))[..., ::-1] for path in paths])
    return torch.from_numpy(np.moveaxis(pictures, -1, 1).astype(np.float32) / 255)


def _has_bfloat16():
    """Return whether torch's kernels for the CPU take bfloat16."""
    return torch.ops.mkldnn._is_mkldnn_bf16_supported()  # noqa: SLF001, it has no public name
