"""Training that begins with the weights of an exported network."""

from pathlib import Path

import numpy as np
import pytest

from astro_yolo.exceptions import WeightsError
from astro_yolo.network.backends import load_backend
from astro_yolo.network.weights import load_weights
from astro_yolo.training.ship import DEFAULT, DETECTORS

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


def fresh_model(layers=DETECTORS[DEFAULT].training.model):
    """Return a network with random weights, by default of the shipped layers."""
    import astro_yolo.training
    from astro_yolo.training._trainer import TypedModel, stay_offline

    stay_offline()
    path = Path(astro_yolo.training.__file__).with_name(layers)
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


def test_a_wider_network_begins_as_the_narrow_one(images):
    """Its outputs are those of the file; its new channels live, and what hears them can learn."""
    import torch

    from astro_yolo.training._warm_start import begin_with

    narrow, model = load_weights("astro-yolo-n6"), fresh_model("yolo_p34_m.yaml")
    begin_with(model, narrow.path, images)
    expected = load_backend(narrow, "onnxruntime").run(images[:1].numpy())
    with torch.no_grad():
        found = model.eval()(images[:1])[0][0].numpy()
    np.testing.assert_allclose(found, expected, atol=2e-3)
    joined = model.model[10].cv1.conv  # of 192 and 160 channels, of which 128 and 128 are old
    old = torch.cat([torch.arange(128), 192 + torch.arange(128)])
    new = np.setdiff1d(np.arange(192 + 160), old)
    rows = joined.weight[:32, :, 0, 0].detach()
    assert (rows[:, old] != 0).any(dim=0).all()
    assert (rows[:, new] == 0).all()
    model.train()(images)["scores"].square().sum().backward()
    assert (joined.weight.grad[:32, new] != 0).any()


def test_a_narrower_network_is_refused(images):
    """Weights of a wider one are another network's, and no channel of them is dropped."""
    from astro_yolo.training._warm_start import begin_with

    with pytest.raises(WeightsError, match="another network: 80 channels do not fit into 64"):
        begin_with(fresh_model("yolo_p34_n.yaml"), load_weights("astro-yolo-n7").path, images)


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


def test_what_is_kept_is_a_share_of_what_it_began_with(images):
    """Old channels lie at the asked share between both, and hear the new ones so much less."""
    import torch

    from astro_yolo.training._warm_start import begin_with, keep

    start, model = load_weights("astro-yolo-n6").path, fresh_model("yolo_p34_m.yaml")
    begin_with(model, start, images)
    model = model.eval().fuse(verbose=False)
    began = {name: values.clone() for name, values in model.state_dict().items()}
    with torch.no_grad():
        for values in model.parameters():
            values.add_(1.0)
    keep(model, start, 0.3)
    apart = {name: values - began[name] for name, values in model.state_dict().items()}
    torch.testing.assert_close(apart["model.0.conv.weight"], torch.full((16, 3, 3, 3), 0.7))
    torch.testing.assert_close(apart["model.3.conv.weight"][:64], torch.full((64, 64, 3, 3), 0.7))
    torch.testing.assert_close(apart["model.3.conv.bias"][:64], torch.full((64,), 0.7))
    torch.testing.assert_close(apart["model.3.conv.weight"][64:], torch.ones((16, 64, 3, 3)))
    heard = model.state_dict()["model.5.conv.weight"][:128, 128:]
    torch.testing.assert_close(heard, torch.full((128, 32, 3, 3), 0.7))
