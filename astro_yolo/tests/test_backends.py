"""Tests of the runtimes: the hand-made network on each, and the shipped weights across them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import astro_yolo
from astro_yolo.config import conf
from astro_yolo.exceptions import ModelError, WeightsError
from astro_yolo.image import read_image
from astro_yolo.network import _backend, backends
from astro_yolo.network._backend import Backend, physical_cores
from astro_yolo.network.backends import load_backend
from astro_yolo.network.openvino_backend import OpenVINOBackend
from astro_yolo.network.weights import load_weights
from astro_yolo.stretch import to_network
from astro_yolo.tests import blob_network
from astro_yolo.training.ship import DETECTORS

EXAMPLE = Path(astro_yolo.__file__).parent / "data"
INSTALLED = [
    "onnxruntime",
    pytest.param("openvino", marks=pytest.mark.skipif(
        "not __import__('importlib.util').util.find_spec('openvino')",
        reason="the extra 'openvino' is not installed")),
]  # fmt: skip


@pytest.fixture(scope="module")
def blobs():
    return load_weights(blob_network.PATH)


@pytest.fixture(scope="module")
def shipped():
    return load_weights("default")


@pytest.fixture(scope="module")
def example():
    """The embedded field in the network's stretch, at a size that needs no padding."""
    paths = [EXAMPLE / f"example-{band}.fits.fz" for band in "gri"]
    image = read_image(paths)
    ny, nx = (side // 16 * 16 for side in image.shape)
    return to_network(image.data, image.mask)[:, :ny, :nx].copy()


def blob_image(shape, positions, sigma=1.5):
    """Gaussian blobs in units of the noise, scaled as the network's stretch does."""
    y, x = np.indices(shape)
    plane = np.zeros(shape)
    for x0, y0 in positions:
        plane += 500 * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * sigma**2))
    return np.stack([0.125 + np.arcsinh(plane / 2) / 12] * 3).astype(np.float32)


@pytest.mark.parametrize("backend", INSTALLED)
@pytest.mark.parametrize("shape", [(64, 96), (70, 101), (33, 250)])
def test_boxes_are_edges_of_the_image(blobs, backend, shape):
    """A source at pixel (x, y) has its box round x + 0.5, y + 0.5, whatever the padding."""
    positions = [(12.3, 15.8), (60.0, 20.0), (40.6, 17.4)]
    found = load_backend(blobs, backend, "cpu").predict(blob_image(shape, positions), 0.5)
    boxes, outputs = (values[np.argsort(found[0][:, 0])] for values in found)
    expected = [(x + 0.5 - 6, y + 0.5 - 5, x + 0.5 + 6, y + 0.5 + 5) for x, y in positions]
    np.testing.assert_allclose(boxes, np.array(expected)[[0, 2, 1]], atol=0.05)
    assert outputs.shape == (3, 7)
    np.testing.assert_allclose(outputs[:, :2], 0.5, atol=0.01)  # as red as blue


@pytest.mark.parametrize("backend", INSTALLED)
def test_boxes_are_cut_at_the_border(blobs, backend):
    """A box never reaches beyond the image, nor into the padding."""
    x = blob_image((37, 53), [(2.0, 10.0), (50.0, 34.0)])
    boxes, _ = load_backend(blobs, backend, "cpu").predict(x, 0.5)
    boxes = boxes[np.argsort(boxes[:, 0])]
    assert boxes[0, 0] == 0
    assert boxes[1, 2:].tolist() == [53, 37]


@pytest.mark.parametrize("backend", INSTALLED)
def test_image_shapes_may_change(blobs, backend):
    """One loaded network takes images of any shape, one after the other and again."""
    loaded = load_backend(blobs, backend, "cpu")
    for side in (32, 48, 64, 80, 96, 112, 32):
        boxes, _ = loaded.predict(blob_image((side, 48), [(20.0, 16.0)]), 0.5)
        assert len(boxes) == 1


@pytest.mark.parametrize("backend", INSTALLED)
def test_empty_sky_gives_no_candidates(blobs, backend):
    """Nothing above the score gives arrays of zero rows."""
    boxes, outputs = load_backend(blobs, backend).predict(np.full((3, 40, 50), 0.125, "f4"), 0.5)
    assert boxes.shape == (0, 4)
    assert outputs.shape == (0, 7)


def test_no_limit_to_the_number(blobs):
    """All of 2500 sources come back as candidates: nothing keeps the best 300."""
    tile = blob_image((32, 32), [(16.0, 16.0)])
    boxes, _ = load_backend(blobs, "onnxruntime").predict(np.tile(tile, (1, 50, 50)), 0.5)
    assert len(boxes) == 2500


def test_buffer_keeps_the_padding_at_sky_level(blobs):
    """An input array is used again for the same shape only, so that no other image shows in it."""
    backend = load_backend(blobs, "onnxruntime")
    first = backend.buffer((30, 40))
    first[:, :30, :40] = 9
    assert first.shape == (3, 32, 48)
    assert backend.buffer((30, 40)) is first
    assert (first[:, 30:] == 0.125).all()
    assert (first[:, :, 40:] == 0.125).all()
    assert (backend.buffer((31, 40)) == 0.125).all()


@pytest.mark.parametrize("backend", INSTALLED)
@pytest.mark.parametrize("kind", [">f4", "f8"])
def test_numbers_may_be_of_any_type(blobs, backend, kind):
    """Sources are found in the byte order of FITS and in double precision as well."""
    x = blob_image((64, 96), [(12.3, 15.8), (60.0, 20.0)]).astype(kind)
    assert len(load_backend(blobs, backend, "cpu").predict(x, 0.5)[0]) == 2


@pytest.mark.parametrize("shape", [(32, 32), (1, 32, 32), (1, 3, 32, 32), (3, 0, 32)])
def test_image_of_another_shape_is_refused(blobs, shape):
    """What is no image of three planes is named before the runtime fails on it."""
    with pytest.raises(ValueError, match=r"x must have the shape \(3, ny, nx\), got"):
        load_backend(blobs, "onnxruntime").predict(np.zeros(shape, "f4"), 0.5)


def test_output_of_another_form_is_refused(blobs):
    """A network with other outputs than ours is refused by name."""

    class Odd(Backend):
        def run(self, batch):
            return batch[0, 0]

    with pytest.raises(ModelError, match=r"blobs.onnx: output must have 11 rows, got shape"):
        Odd(blobs).predict(np.zeros((3, 32, 32), "f4"), 0.5)


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        ({"backend": "tensorrt"}, "backend must be one of auto, onnxruntime"),
        ({"device": "tpu"}, "device must be None, 'cpu' or 'cuda', got 'tpu'"),
    ],
)
def test_unknown_names(blobs, names, rule):
    """Unknown backends and devices are refused with the choice."""
    with pytest.raises(ValueError, match=rule):
        load_backend(blobs, **names)


def test_cuda_that_is_not_there(blobs):
    """Asking for a GPU without the CUDA provider names what there is."""
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has the CUDA provider")
    with pytest.raises(ModelError, match=r"got the providers .*CPUExecutionProvider"):
        load_backend(blobs, device="cuda")


class GpuBuild:
    """What the ONNX Runtime for GPUs says of itself, wherever it runs."""

    preloaded = 0

    def get_available_providers(self):
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def preload_dlls(self):
        self.preloaded += 1
        sys.stdout.write("Failed to load libcublas.so.13")


def no_driver(_name):
    raise OSError


def test_cuda_from_pip_is_found(capsys):
    """CUDA libraries that pip installed are loaded first, and standard output stays empty."""
    runtime = GpuBuild()
    assert backends._providers(runtime, "cuda")[0] == "CUDAExecutionProvider"
    assert runtime.preloaded == 1
    assert capsys.readouterr().out == ""


def test_gpu_build_on_a_machine_without_gpu(monkeypatch):
    """Without a driver, what is fastest on the processor is taken, and no GPU is tried."""
    runtime = GpuBuild()
    monkeypatch.setattr(backends.ctypes, "CDLL", no_driver)
    monkeypatch.setattr(backends, "_has_cuda_provider", lambda: True)
    monkeypatch.setattr(backends, "find_spec", lambda name: name)
    assert backends._choose(is_pickle=False, device=None) == "openvino"
    assert backends._providers(runtime, None) == ["CPUExecutionProvider"]
    assert runtime.preloaded == 0


def test_weights_must_be_loaded():
    """A name instead of loaded weights is refused by what loads them."""
    with pytest.raises(TypeError, match="weights must be what load_weights returns, got 'default'"):
        load_backend("default")


def test_openvino_has_no_cuda(blobs):
    """OpenVINO on an NVIDIA GPU is refused before it is even imported."""
    with pytest.raises(ModelError, match="runs on device 'cpu', got 'cuda'"):
        load_backend(blobs, "openvino", "cuda")


def test_backend_needs_its_kind_of_file(blobs, tmp_path):
    """ONNX weights are not given to PyTorch, nor a pickle to ONNX Runtime."""
    with pytest.raises(ModelError, match=r"'ultralytics' needs a .pt file"):
        load_backend(blobs, "ultralytics")
    (tmp_path / "a.pt").write_bytes(b"")
    (tmp_path / "a.json").write_text(json.dumps(blob_network.METADATA))
    with pytest.raises(ModelError, match=r"'onnxruntime' needs an .onnx file"):
        load_backend(load_weights(tmp_path / "a.pt"), "onnxruntime")


@pytest.mark.parametrize("backend", INSTALLED)
def test_damaged_network(tmp_path, backend):
    """A file whose metadata are fine and whose graph is not is refused by name."""
    content = blob_network.PATH.read_bytes()
    at = content.index(b"Conv")
    path = tmp_path / "broken.onnx"
    path.write_bytes(content[:at] + b"Comv" + content[at + 4 :])
    with pytest.raises(ModelError, match=r"cannot load .*broken\.onnx"):
        load_backend(load_weights(path), backend).run(np.zeros((1, 3, 32, 32), "f4"))


def test_physical_cores():
    """At least one core, and no more than the system counts."""
    import os

    assert 1 <= physical_cores() <= os.cpu_count()


@pytest.mark.parametrize(
    ("files", "most"),
    [
        ({"cpu.max": "200000 100000"}, 2),
        ({"cpu.max": "250000 100000"}, 3),
        ({"cpu.max": "max 100000"}, np.inf),
        ({"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, np.inf),
        ({}, np.inf),
    ],
)
def test_limit_of_a_container(tmp_path, monkeypatch, files, most):
    """Threads are no more than the processors that a container gets time of: docker --cpus."""
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(f"{text}\n")
    assert _backend._most_at_once(tmp_path) == most
    monkeypatch.setattr(_backend, "_most_at_once", lambda: 1)
    assert physical_cores() == 1


def test_detection_loads_no_torch():
    """A detection from start to end, in an interpreter of its own, never imports torch."""
    code = (
        "import sys, warnings, numpy as np; warnings.simplefilter('ignore')\n"
        "from astro_yolo import detect\n"
        "sky = np.random.default_rng(0).normal(size=(64, 64))\n"
        f"table = detect(sky, model={str(blob_network.PATH)!r})\n"
        "print(len(table), [m for m in ('torch', 'torchvision', 'ultralytics', 'matplotlib',"
        " 'astroquery') if m in sys.modules])"
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.stdout.strip() == "0 []", done.stderr


# ---- the shipped weights give the same on every backend -------------------------------------


def torch_twin(weights, folder):
    """Write a .pt file with the parameters of ONNX weights, and return it loaded as weights."""
    onnx = pytest.importorskip("onnx", reason="the extra 'train' is not installed")
    torch = pytest.importorskip("torch", reason="the extra 'train' is not installed")
    tasks = pytest.importorskip("ultralytics.nn.tasks", reason="the extra 'train' is missing")
    recipe = Path(astro_yolo.__file__).parent / "training" / DETECTORS[weights.name].training.model
    model = tasks.DetectionModel(str(recipe), nc=7, verbose=False).eval().fuse(verbose=False)
    graph = onnx.load(weights.path).graph
    values = {
        constant.name: torch.from_numpy(onnx.numpy_helper.to_array(constant).copy())
        for constant in graph.initializer
    }
    for node in graph.node:  # equal parameters are stored once
        if node.op_type == "Identity" and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]]
    wanted = model.state_dict()
    for name in wanted:
        if name not in values and ".cv1.conv." in name:
            values[name] = joined_halves(torch, values, *name.split(".cv1.conv."))
    missing = [name for name in wanted if name not in values and "one2one" not in name]
    assert missing == []
    model.load_state_dict({name: values.get(name, wanted[name]) for name in wanted})
    path = folder / "twin.pt"
    torch.save({"model": model, "train_args": {}, "ema": None, "epoch": -1}, path)
    path.with_suffix(".json").write_text(json.dumps(weights.metadata))
    return load_weights(path)


def joined_halves(torch, values, block, kind):
    """Put together the convolution that the export took apart."""
    parts = []
    for half in (f"{block}.halves.0", f"{block}.halves.1"):
        names = [f"{half}.0.{kind}"]
        if names[0] not in values:
            names = [f"{half}.small.{kind}", f"{half}.full.{kind}"]
        parts.append(torch.cat([values[name] for name in names if name in values], dim=-3)
                     if kind == "weight" else values[names[-1]])
    return torch.cat(parts)


@pytest.fixture(scope="module", params=["example", "sky"])
def field(request):
    """The embedded field, and a real one."""
    return request.getfixturevalue("example" if request.param == "example" else "sky")


@pytest.fixture(scope="module")
def sky(shared_data):
    """A real SDSS field in the network's stretch."""
    path = "sas/dr17/eboss/photoObj/frames/301/94/1/frame-{}-000094-1-0012.fits.bz2"
    image = read_image([shared_data / path.format(band) for band in "gri"])
    ny, nx = (side // 16 * 16 for side in image.shape)
    return to_network(image.data, image.mask)[:, :ny, :nx].copy()


@pytest.mark.parametrize(
    ("backend", "of_box", "of_doubtful", "of_score"),
    [("openvino", 0.3, 0.3, 0.02), ("openvino in bfloat16", 1.0, 1.5, 0.15),
     ("ultralytics", 0.3, 0.3, 0.02)],
)  # fmt: skip
def test_backends_agree_on_the_shipped_weights(
    shipped, field, backend, of_box, of_doubtful, of_score, tmp_path
):
    """Within 0.3 pixels and 0.02 in score of ONNX Runtime; bfloat16, if asked for, 1 and 0.15."""
    if backend == "ultralytics":
        other = load_backend(torch_twin(shipped, tmp_path), "ultralytics", "cpu")
    else:
        pytest.importorskip("openvino", reason="the extra 'openvino' is not installed")
        with conf.set_temp("openvino_precision", "bfloat16" if "bf" in backend else "float32"):
            other = load_backend(shipped, "openvino")
    expected = load_backend(shipped, "onnxruntime", "cpu").run(field[None]).copy()
    raw = other.run(field[None])
    strength = np.maximum(expected[9], expected[10])
    near = strength > 0.1
    assert near.sum() > 20
    corners = [
        np.concatenate([r[:2, near] - r[2:4, near] / 2, r[:2, near] + r[2:4, near] / 2])
        for r in (raw, expected)
    ]
    moved, sure = np.abs(corners[0] - corners[1]).max(axis=0), strength[near] > 0.3
    assert moved[sure].max() < of_box
    assert moved.max() < of_doubtful
    assert np.abs(raw[4:] - expected[4:]).max() < of_score


def test_openvino_is_exact_unless_told_otherwise(blobs):
    """The default arithmetic is float32."""
    pytest.importorskip("openvino", reason="the extra 'openvino' is not installed")
    assert load_backend(blobs, "openvino").precision == "float32"


def test_openvino_precision_must_be_known(blobs):
    """An unknown precision is refused, instead of being float32."""
    with pytest.raises(ValueError, match=r"precision must be .* float32, bfloat16, got 'bf16'"):
        OpenVINOBackend(blobs, precision="bf16")


def test_pt_file_that_is_no_network(tmp_path):
    """Something else in a .pt file is refused; its pickle is opened only because it was named."""
    torch = pytest.importorskip("torch", reason="the extra 'train' is not installed")
    pytest.importorskip("ultralytics", reason="the extra 'train' is not installed")
    path = tmp_path / "odd.pt"
    torch.save({"model": torch.nn.Linear(2, 2)}, path)
    path.with_suffix(".json").write_text(json.dumps(blob_network.METADATA))
    with pytest.raises((ModelError, WeightsError), match=r"odd\.pt"):
        load_backend(load_weights(path))
