"""Training that begins with the weights of an exported network."""

from pathlib import Path

import numpy as np
import pytest

from astro_yolo.exceptions import WeightsError
from astro_yolo.network.backends import load_backend
from astro_yolo.network.weights import load_weights

pytest.importorskip("ultralytics", reason="needs the train extra")
pytest.importorskip("onnx", reason="needs the train extra")


@pytest.fixture
def images():
    """Return four skies with a bright square in each, network units."""
    import torch

    rng = np.random.default_rng(5)
    sky = rng.normal(0.125, 0.04, (4, 3, 96, 128)).astype(np.float32)
    sky[:, :, 40:60, 50:70] += 0.4
    return torch.from_numpy(sky)


def fresh_model():
    """Return a network of the shipped layers with random weights."""
    import astro_yolo.training
    from astro_yolo.training._trainer import TypedModel, stay_offline

    stay_offline()
    path = Path(astro_yolo.training.__file__).with_name("yolo_p34_n.yaml")
    return TypedModel(str(path), nc=7, ch=3, verbose=False)


def test_a_network_begins_where_the_exported_one_ended(images):
    """Boxes and outputs equal those of the file in ONNX Runtime, not those of random weights."""
    import torch

    from astro_yolo.training._warm_start import begin_with

    weights = load_weights()
    model = fresh_model()
    begin_with(model, weights.path, images)
    with torch.no_grad():
        found = model.eval()(images[:1])[0][0].numpy()
    expected = load_backend(weights, "onnxruntime").run(images[:1].numpy())
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_normalisations_hold_the_statistics_of_the_images(images):
    """A first step of training sees what evaluation sees: batch and stored statistics agree."""
    import torch

    from astro_yolo.training._warm_start import begin_with

    model = fresh_model()
    begin_with(model, load_weights().path, images)
    first = model.model[0]
    with torch.no_grad():
        values = first.conv(images)
    np.testing.assert_allclose(first.bn.running_mean, values.mean(dim=(0, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(first.bn.running_var, values.var(dim=(0, 2, 3)), rtol=1e-3)


def test_another_network_is_refused(images, tmp_path):
    """A file of other layers is named in the error."""
    import onnx
    from onnx import TensorProto, helper

    from astro_yolo.training._warm_start import begin_with

    wrong = helper.make_tensor("model.0.conv.weight", TensorProto.FLOAT, (1,), [0.0])
    graph = helper.make_graph([], "g", [], [], [wrong])
    path = tmp_path / "other.onnx"
    onnx.save(helper.make_model(graph), str(path))
    with pytest.raises(WeightsError, match=r"other.onnx: model.0.conv must hold \(16, 3, 3, 3\)"):
        begin_with(fresh_model(), path, images)


def test_a_blend_is_the_mean_of_two_files(tmp_path):
    """Each weight lies at the asked share between both, but for rounding; metadata stay."""
    import onnx

    from astro_yolo.network.weights import metadata_of
    from astro_yolo.training._warm_start import blend

    start = load_weights().path
    trained = onnx.load(str(start))
    for tensor in trained.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            tensor.CopyFrom(onnx.numpy_helper.from_array(3 * values, tensor.name))
    path = tmp_path / "trained.onnx"
    onnx.save(trained, str(path))
    blend(path, start, 0.75)
    for mean, first in zip(onnx.load(str(path)).graph.initializer,
                           onnx.load(str(start)).graph.initializer, strict=True):
        found, values = onnx.numpy_helper.to_array(mean), onnx.numpy_helper.to_array(first)
        factor = 1.5 if values.dtype == np.float32 else 1
        np.testing.assert_allclose(found, factor * values, rtol=2**-8)
    assert metadata_of(path) == metadata_of(start)


def test_a_blend_of_other_layers_is_refused(tmp_path):
    """Files of different layers are named."""
    import onnx
    from onnx import helper

    from astro_yolo.training._warm_start import blend

    path = tmp_path / "other.onnx"
    onnx.save(helper.make_model(helper.make_graph([], "g", [], [])), str(path))
    with pytest.raises(WeightsError, match="must have the layers of"):
        blend(path, load_weights().path, 0.5)
