"""Write ``data/blobs.onnx``: a network without training, whose answers can be worked out by hand.

It has the interface of the real networks. On each isolated point-like source it puts a box of
`BOX` pixels at the centroid of the light (pixels of equal light are two peaks: without noise no
source may be midway between two); on each uniform bright square wider than
some 30 pixels, a box of the square's area. Label and score follow from the colour and the
peak. Run ``python -m astro_yolo.tests.blob_network`` after a change (needs ``onnx``).
"""

import json
from pathlib import Path

import numpy as np

from astro_yolo.network.calibration import OUTPUTS
from astro_yolo.network.weights import METADATA_KEY
from astro_yolo.stretch import NETWORK_STRETCH

PATH = Path(__file__).parent / "data" / "blobs.onnx"

#: Width and height of the box round a point-like source, pixels.
BOX = (12.0, 10.0)

#: Half of the window that the centroid is taken in, pixels; sources must be further apart.
REACH = 5

METADATA = {
    "name": "blobs",
    "version": "1",
    "outputs": list(OUTPUTS),
    "stretch": NETWORK_STRETCH,
    "stride": 16,
    "pixel_scale": [0.2, 0.8],
    "size": [4, 320],
    "license": "BSD-3-Clause",
    "trainer": "nobody",
    "date": "2026-11-23",
    "calibration": {
        "score": {"x": [0, 1], "y": [0, 1]},
        "star": {"x": [0, 1], "y": [0, 1]},
        "temperature": 1.0,
        "prior": [1, 1, 1, 1, 1],
    },
    "thresholds": {"default": 0.5, "purity": [[0.3, 0.8], [0.5, 0.9], [0.9, 0.98]]},
}


class _Graph:
    """The nodes of an ONNX graph, added one by one; each call returns a name."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def add(self, kind, *inputs, **attributes):
        from onnx import helper

        name = f"{kind.lower()}{len(self.nodes)}"
        inputs = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, value):
        from onnx import numpy_helper

        value = np.asarray(value)
        value = value.astype(np.float32) if value.dtype.kind == "f" else value.astype(np.int64)
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def window_mean(self, x, half):
        """Return the mean over a square window, the outside counting as zero."""
        size = 2 * half + 1
        for kernel, pads in (((1, size), (0, half, 0, half)), ((size, 1), (half, 0, half, 0))):
            x = self.add("AveragePool", x, kernel_shape=kernel, pads=pads, count_include_pad=1)
        return x

    def window_max(self, x, half):
        size = 2 * half + 1
        x = self.add("MaxPool", x, kernel_shape=(1, size), pads=(0, half, 0, half))
        return self.add("MaxPool", x, kernel_shape=(size, 1), pads=(half, 0, half, 0))

    def sinh(self, x):
        """Return the hyperbolic sine: that of ONNX Runtime is slow."""
        x = self.add("Exp", x)
        return self.add("Mul", self.add("Sub", x, self.add("Reciprocal", x)), 0.5)

    def weighted(self, x, weights, axis):
        """Return the sum along an axis with the given odd number of weights."""
        half = len(weights) // 2
        kernel = np.array(weights, dtype=float)
        kernel = kernel.reshape((1, 1, 1, -1) if axis == 3 else (1, 1, -1, 1))
        pads = (0, half, 0, half) if axis == 3 else (half, 0, half, 0)
        return self.add("Conv", x, kernel, pads=pads)

    def is_at_least(self, x, other):
        """Return 1.0 where x >= other, else 0.0."""
        return self.add("Cast", self.add("GreaterOrEqual", x, other), to=1)

    def position(self, like, axis, pixel):
        """Return edge coordinates of the centres of cells of ``pixel`` pixels, along an axis."""
        like = self.add("Slice", like, [0], [1], [5 - axis])  # one row or column
        ones = self.add("Add", self.add("Mul", like, 0.0), 1.0)
        count = self.add("CumSum", ones, axis)
        return self.add("Mul", self.add("Sub", count, 0.5), float(pixel))

    def flat(self, x):
        """Return (1, 1, n) of one plane."""
        return self.add("Reshape", x, [1, 1, -1])


def _centroid(graph, light, half, axis, pixel):
    """Return centroid positions round each cell in edge coordinates, and the light they rest on."""
    total = graph.window_mean(light, half)
    along = graph.weighted(
        graph.add(
            "AveragePool",
            light,
            kernel_shape=(2 * half + 1, 1) if axis == 3 else (1, 2 * half + 1),
            pads=(half, 0, half, 0) if axis == 3 else (0, half, 0, half),
            count_include_pad=1,
        ),
        np.arange(-half, half + 1) * pixel / (2.0 * half + 1),
        axis,
    )
    shift = graph.add("Div", along, graph.add("Max", total, 1e-6))
    return graph.add("Add", graph.position(light, axis, pixel), shift)


def _point_sources(graph, signal, light):
    """Return the rows of the point-like sources at every cell of eight pixels."""
    near = graph.window_mean(light, 2)
    peak = graph.add(
        "Mul",
        graph.is_at_least(near, graph.window_max(near, REACH + 3)),
        graph.is_at_least(near, 5.0),
    )
    # nearly all of the light within the centroid's window: not a piece of something extended
    wide = graph.add("Mul", graph.window_mean(light, 2 * REACH), (4 * REACH + 1.0) ** 2)
    compact = graph.add("Mul", graph.window_mean(light, REACH), (2 * REACH + 1.0) ** 2)
    compact = graph.is_at_least(compact, graph.add("Mul", wide, 0.5))
    peak = graph.add("Mul", peak, compact)

    def at_peak(x):
        x = graph.add("Mul", x, peak)
        x = graph.add("AveragePool", x, kernel_shape=(8, 8), strides=(8, 8))
        return graph.flat(graph.add("Mul", x, 64.0))

    x, y = (at_peak(_centroid(graph, light, REACH, axis, 1)) for axis in (3, 2))
    found = at_peak(graph.add("Add", graph.add("Mul", light, 0.0), 1.0))
    flux = graph.window_mean(signal, REACH)
    red, green, blue = (graph.add("Gather", flux, [k], axis=1) for k in range(3))
    both = graph.add("Max", graph.add("Add", red, blue), 1e-6)
    star = graph.is_at_least(green, both)
    galaxy = graph.add("Div", near, graph.add("Add", graph.add("Abs", near), 20.0))
    galaxy = graph.add("Mul", galaxy, graph.add("Sub", 1.0, star))
    early = graph.add("Clip", graph.add("Div", red, both), 0.0, 1.0)
    late = graph.add("Clip", graph.add("Div", blue, both), 0.0, 1.0)
    size = [graph.add("Mul", found, side) for side in BOX]
    low = graph.add("Mul", found, 0.01)
    rest = [at_peak(graph.add("Mul", star, 0.95)), at_peak(galaxy)]
    classes = [at_peak(early), at_peak(late), low, low, low]
    return graph.add("Concat", x, y, *size, *classes, *rest, axis=1)


def _squares(graph, light, half=20):
    """Return the rows of the large uniform squares at every cell of sixteen pixels."""
    bright = graph.is_at_least(light, 20.0)
    cover = graph.add("AveragePool", bright, kernel_shape=(16, 16), strides=(16, 16))
    triangle = 1 - np.abs(np.arange(-half, half + 1)) / (half + 1)
    smooth = graph.weighted(graph.weighted(cover, triangle, 3), triangle, 2)
    peak = graph.add(
        "Mul",
        graph.is_at_least(smooth, graph.window_max(smooth, 3)),
        graph.is_at_least(cover, 0.999),
    )
    x, y = (_centroid(graph, cover, half, axis, 16) for axis in (3, 2))
    count = graph.add("Mul", graph.window_mean(cover, half), (2 * half + 1.0) ** 2)
    side = graph.add("Mul", graph.add("Sqrt", graph.add("Max", count, 0.0)), 16.0)
    low, sure = (graph.add("Mul", peak, value) for value in (0.01, 0.97))
    rows = [x, y, side, side, sure, low, low, low, low, low, sure]
    rows = [graph.flat(graph.add("Mul", row, peak)) for row in rows]
    return graph.add("Concat", *rows, axis=1)


def build():
    """Return the ONNX model."""
    from onnx import TensorProto, helper

    graph = _Graph()
    # undo the network's stretch: the signal in units of the noise
    signal = graph.add("Mul", graph.add("Sub", "images", 0.125), 12.0)
    signal = graph.add("Mul", graph.sinh(signal), 2.0)
    light = graph.add("ReduceMean", signal, axes=[1], keepdims=1)
    rows = graph.add("Concat", _point_sources(graph, signal, light), _squares(graph, light), axis=2)
    graph.nodes.append(helper.make_node("Identity", [rows], ["output0"]))
    inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, "height", "width"])]
    outputs = [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 11, "candidates"])]
    model = helper.make_model(
        helper.make_graph(graph.nodes, "blobs", inputs, outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    helper.set_model_props(model, {METADATA_KEY: json.dumps(METADATA)})
    return model


def main():
    """Write the file."""
    import onnx

    model = build()
    onnx.checker.check_model(model, full_check=True)
    PATH.write_bytes(model.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
