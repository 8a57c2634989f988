"""OpenVINO: the fastest backend on CPUs, from the extra ``openvino``."""

from collections import OrderedDict

import numpy as np

from astro_yolo.config import conf
from astro_yolo.exceptions import ModelError, require
from astro_yolo.network._backend import Backend, physical_cores

__all__ = ["OpenVINOBackend"]

_PRECISIONS = ("float32", "bfloat16")
_BOX_OUTPUTS = 4  # channels of the layers that give left, top, right and bottom
_MAX_COMPILED = 4  # shapes kept compiled; the tiles of one image share a single one


class OpenVINOBackend(Backend):
    """
    OpenVINO on the CPU.

    Parameters
    ----------
    weights : Weights
        An ONNX weight file.
    device : {None, "cpu"}, optional
        There is no other here.
    precision : {None, "float32", "bfloat16"}, optional
        None takes ``conf.openvino_precision``. A processor that does not compute in bfloat16
        natively uses float32.

    Raises
    ------
    ValueError
        If the name of the precision is unknown.
    MissingExtraError
        If OpenVINO is not installed.
    ModelError
        If another device is asked for, or OpenVINO cannot load the file.

    Notes
    -----
    The network is compiled for each input shape (0.2 to 0.4 s), because a network compiled for
    any shape is slower; the latest few are kept.
    """

    name = "openvino"

    def __init__(self, weights, device=None, *, precision=None):
        super().__init__(weights)
        if device not in {None, "cpu"}:
            msg = f"backend 'openvino' runs on device 'cpu', got {device!r}"
            raise ModelError(msg)
        precision = precision or conf.openvino_precision
        if precision not in _PRECISIONS:
            msg = f"precision must be None or one of {', '.join(_PRECISIONS)}, got {precision!r}"
            raise ValueError(msg)
        openvino = require("openvino", extra="openvino", feature="The OpenVINO backend")
        self.version = openvino.__version__
        self._core = openvino.Core()
        capabilities = self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        hint = "bf16" if precision == "bfloat16" and "BF16" in capabilities else "f32"
        self.precision = {"bf16": "bfloat16", "f32": "float32"}[hint]
        self._settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": physical_cores(),
            "INFERENCE_PRECISION_HINT": hint,
            # several processes pinned to the same cores would wait for each other
            "ENABLE_CPU_PINNING": False,
        }
        try:
            self._model = self._core.read_model(weights.path)
        except RuntimeError as error:
            msg = f"OpenVINO cannot load {weights.path}: {error}"
            raise ModelError(msg) from error
        if hint == "bf16":
            _box_sums_in_float32(self._model)
        self._requests = OrderedDict()

    def run(self, batch):
        """Return the raw output of the network; see `Backend.run`."""
        request = self._request(batch.shape)
        request.infer([batch], share_inputs=True)
        return request.get_output_tensor(0).data[0]

    def _request(self, shape):
        """Return an inference request compiled for an input shape."""
        if shape not in self._requests:
            self._model.reshape(list(shape))
            compiled = self._core.compile_model(self._model, "CPU", self._settings)
            self._requests[shape] = compiled.create_infer_request()
            if len(self._requests) > _MAX_COMPILED:
                self._requests.popitem(last=False)
        self._requests.move_to_end(shape)
        return self._requests[shape]


def _box_sums_in_float32(model):
    """
    Replace the last convolutions of the boxes by sums, which OpenVINO leaves in float32.

    With bfloat16 the sides of a box of 100 pixels would come in steps of half a pixel. Everything
    after the last convolution stays in float32, so the last one must not be a convolution.
    """
    from openvino import opset13 as ops

    for node in model.get_ordered_ops():
        if node.get_type_name() != "Convolution":
            continue
        kernel = node.input_value(1)
        outputs, _, *size = kernel.get_shape()
        if outputs != _BOX_OUTPUTS or any(side != 1 for side in size):
            continue
        channels = ops.unsqueeze(node.input_value(0), ops.constant(np.array([1])))
        terms = ops.multiply(channels, ops.constant(kernel.get_node().data[None]))
        total = ops.reduce_sum(terms, ops.constant(np.array([2])), keep_dims=False)
        node.output(0).replace(total.output(0))
    model.validate_nodes_and_infer_types()
