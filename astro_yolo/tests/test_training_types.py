"""Training the network of types: its stamps, their variation, its targets and its file."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from astro_yolo.catalog import CLASSES
from astro_yolo.exceptions import WeightsError
from astro_yolo.network.stamps import SIZE, cut_stamps
from astro_yolo.network.types import TypeClassifier, calibrated_types
from astro_yolo.network.weights import load_weights
from astro_yolo.stretch import NETWORK_SKY
from astro_yolo.training.cutouts import Cutout
from astro_yolo.training.export import write_metadata
from astro_yolo.training.types import _calibrate, _sky_over_drawn

torch = pytest.importorskip("torch", reason="needs the train extra")
network = pytest.importorskip("astro_yolo.training._type_network")
samples = pytest.importorskip("astro_yolo.training._type_samples")
variation = pytest.importorskip("astro_yolo.training._type_variation")
begin_with_types = pytest.importorskip("astro_yolo.training._type_start").begin_with_types

SPIRAL = CLASSES.index("spiral")


def galaxy_picture():
    """Return a picture of a galaxy above the middle of its sky, and the box round its place."""
    rows, columns = np.indices((120, 120)) - 59.5
    light = 20 + 180 * np.exp(-np.hypot(columns, rows + 8) / 6)
    return np.repeat(light[..., None], 3, axis=2).astype(np.uint8), np.array([30.0, 30, 90, 90])


@pytest.fixture
def stamps(tmp_path):
    """Twelve stamps of all classes; the spirals wind in a known sense, or in none."""
    picture, box = galaxy_picture()
    cutouts, winding = [], {"1.jpeg": 1, "6.jpeg": -1}
    for k in range(12):
        path = tmp_path / f"{k}.jpeg"
        cv2.imwrite(str(path), picture)
        cutouts.append(Cutout(path, CLASSES[k % 5], box, "train", np.empty((0, 4)), k % 2 == 0))
    return samples.stamp_set(cutouts, winding)


def test_stamps_know_their_class_and_winding(stamps):
    """A stamp has room round its galaxy, its class, and the sense of winding that is known."""
    assert stamps.stamps.shape == (12, 3, samples.STORED, samples.STORED)
    assert stamps.labels.tolist() == [k % 5 for k in range(12)]
    assert stamps.winding.tolist() == [0, 1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 0]
    y, x = np.unravel_index(int(stamps.stamps[0, 0].argmax()), (samples.STORED,) * 2)
    scale = samples.STORED / (60 * samples.STORED_REACH)
    assert (x - samples.STORED / 2) / scale == pytest.approx(0, abs=1)
    assert (y - samples.STORED / 2) / scale == pytest.approx(-8, abs=1)


def test_winding_is_read_from_galaxy_zoo(tmp_path):
    """Clockwise is 1, anticlockwise -1; other classes have no sense of winding."""
    rows = ["dr7_objid,gz1_class", "11,spiral_cw", "12,spiral_acw", "13,edge_on"]
    (tmp_path / "gz1_labels.csv").write_text("\n".join(rows))
    assert samples.read_winding(tmp_path) == {"11.jpeg": 1, "12.jpeg": -1}


def test_variation_is_as_detection_sees_a_galaxy(stamps):
    """Varied stamps have the size and the sky level of detection, and a brighter middle."""
    vary = variation.Variation(torch.Generator().manual_seed(3))
    seen = torch.cat([vary(stamps.stamps, stamps.linear)[0] for _ in range(4)])
    assert seen.shape == (48, 3, SIZE, SIZE)
    assert float(seen.min()) >= 0
    edge = seen[:, :, :4].mean(dim=(1, 2, 3))
    np.testing.assert_allclose(edge, NETWORK_SKY, atol=0.05)
    middle = slice(SIZE // 4, -SIZE // 4)
    assert (seen[:, :, middle, middle].amax(dim=(1, 2, 3)) > edge + 0.1).all()


def test_variation_depends_on_the_seed_alone(stamps):
    """The same seed gives the same stamps again, another seed others."""
    first, again, other = (
        variation.Variation(torch.Generator().manual_seed(seed))(stamps.stamps, stamps.linear)[0]
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("native", [18, 40, 64, 100])
def test_sizes_are_changed_as_detection_does(native):
    """A galaxy of any number of pixels becomes the stamp that ``cut_stamps`` makes of it."""
    part = np.random.default_rng(native).random((native, native), dtype=np.float32)
    _, sizing = variation._matrices()
    padded = torch.zeros(1, 3, sizing.shape[2], sizing.shape[2])
    padded[..., :native, :native] = torch.from_numpy(part)
    found = variation._resampled(padded, sizing[native][None])[0, 0]
    way = cv2.INTER_AREA if native > SIZE else cv2.INTER_LINEAR
    expected = cv2.resize(part, (SIZE, SIZE), interpolation=way)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_shrinking_keeps_the_mean():
    """Fewer pixels hold the same light; what is beyond the smaller stamp is empty."""
    shrinking, _ = variation._matrices()
    values = torch.rand(2, 3, *shrinking.shape[1:])
    native = torch.tensor([20, 90])
    found = variation._resampled(values, shrinking[native])
    for one, n, whole in zip(found, native, values, strict=True):
        assert float(one[:, :n, :n].mean()) == pytest.approx(float(whole.mean()), rel=1e-4)
        assert float(one[:, n:].abs().sum() + one[:, :, n:].abs().sum()) == 0


def test_border_is_round_each_stamps_own_size():
    """Pixels of all four edges are taken, none of the middle and none beyond the stamp."""
    rows, columns = torch.meshgrid(torch.arange(112), torch.arange(112), indexing="ij")
    values = torch.stack([rows, columns, rows * 0]).float().expand(2, -1, -1, -1)
    native = torch.tensor([18, 100])
    for (y, x, _), n in zip(variation._border(values, native), native.tolist(), strict=True):
        width = max(1, n // 16)
        depth = torch.stack([y, x, n - 1 - y, n - 1 - x])
        assert ((depth.amin(dim=0) >= 0) & (depth.amin(dim=0) < width)).all()
        assert (depth < width).sum(dim=1).min() >= 64


def test_targets_name_the_sense_of_winding():
    """A known sense is one class, an unknown one half of each, and every row sums to 1."""
    labels = torch.tensor([SPIRAL, SPIRAL, SPIRAL, 0])
    target = network._targets(labels, torch.tensor([1, -1, 0, 0]), 0.0)
    assert target[:, SPIRAL].tolist() == [1, 0, 0.5, 0]
    assert target[:, -1].tolist() == [0, 1, 0.5, 0]
    soft = network._targets(labels, torch.tensor([1, -1, 0, 0]), 0.06)
    np.testing.assert_allclose(soft.sum(dim=1), 1, atol=1e-6)
    assert float(soft[3].min()) == pytest.approx(0.01)


def test_common_types_have_the_weight_of_the_sky():
    """Of 8 ellipticals, 1 spiral and 1 edge-on drawn alike, 4, 1/2 and 1/2; what is rare has 1."""
    labels = np.repeat([0, 1, 2, 3], [8, 1, 1, 3])
    known = SimpleNamespace(labels=labels, linear=np.ones(len(labels), dtype=bool))
    recipe = network.TypeRecipe(class_shares=tuple((name, 0.2) for name in CLASSES))
    np.testing.assert_allclose(_sky_over_drawn(known, recipe), [4, 0.5, 0.5, 1, 1])


def test_a_merger_has_the_weight_that_finds_mergers():
    """Where all galaxies called else are surer than the mergers, it is no more than that needs."""
    logits = np.zeros((20, 5))
    logits[:16, 0] = 3  # ellipticals
    logits[16:, 0] = 1  # mergers, which seem elliptical by a factor of e: less than 4
    labels = np.repeat([0, 3], [16, 4])
    temperature, prior = _calibrate(logits, labels, np.ones(5))
    np.testing.assert_allclose(prior, [1, 1, 1, 4, 1])
    assert temperature > 0


def test_mirror_images_wind_the_other_way(stamps):
    """In training a mirrored spiral's target is the other sense of winding."""
    clockwise = samples.StampSet(*(x[1:2] for x in (
        stamps.stamps, stamps.labels, stamps.linear, stamps.winding)))
    recipe = network.TypeRecipe(batch=32, smoothing=0.0)
    _, target = next(network._batches(clockwise, recipe, 0))
    assert set(target[:, SPIRAL].tolist()) == {0.0, 1.0}
    np.testing.assert_array_equal(target[:, SPIRAL] + target[:, -1], 1)


def test_both_senses_of_winding_are_spirals():
    """Outside training there are five classes; a spiral's probability is that of both senses."""
    logits = torch.randn(7, 6, generator=torch.Generator().manual_seed(1))
    six = torch.softmax(logits, dim=1).numpy()
    five = calibrated_types(network._without_winding(logits).numpy(), 1.0, np.ones(5))
    six[:, SPIRAL] += six[:, 5]
    np.testing.assert_allclose(five, six[:, :5], atol=1e-6)


def test_training_goes_on_from_its_checkpoint(stamps, tmp_path):
    """A finished training is not repeated; another recipe's checkpoint is refused."""
    recipe, out = network.TypeRecipe(start="", steps=2, batch=4), tmp_path / "types.pt"
    seen = []
    model = network.train_types(stamps, out, recipe, report=lambda *line: seen.append(line[:2]))
    assert [step for step, _ in seen] == [2]
    assert np.isfinite(seen[0][1])
    again = network.train_types(stamps, out, recipe, report=lambda *line: seen.append(line))
    assert len(seen) == 1
    x = torch.full((1, 3, SIZE, SIZE), NETWORK_SKY)
    assert torch.equal(model(x), again(x))
    with pytest.raises(FileExistsError, match="same recipe"):
        network.train_types(stamps, out, network.TypeRecipe(start="", steps=3, batch=4))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's exporter itself
def test_a_training_begins_as_what_was_exported(tmp_path):
    """The stored weights are taken over, and the normalisations change nothing."""
    torch.manual_seed(3)
    exported, path = network.TypeNetwork().eval(), tmp_path / "types.onnx"
    network.export_types(exported, path)
    x = NETWORK_SKY + 0.1 * torch.rand(8, 3, SIZE, SIZE)
    begun = network.TypeNetwork()
    begin_with_types(begun, path, x)
    with torch.no_grad():
        np.testing.assert_allclose(begun.eval()(x), exported(x), atol=1e-5)
    with pytest.raises(WeightsError, match="another network"):
        begin_with_types(network.TypeNetwork(widths=(8, 16, 24, 32)), path, x)
    with pytest.raises(WeightsError, match="another network"):
        begin_with_types(network.TypeNetwork(), load_weights("astro-yolo-n6").path, x)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's exporter itself
@pytest.mark.parametrize("size", [SIZE, 48])
def test_a_file_of_any_stamp_size_is_asked_with_its_own(size, tmp_path, monkeypatch):
    """The network gets stamps of the size that it was exported for, also an older one's."""
    pytest.importorskip("onnx", reason="writing weights needs onnx (extra train)")
    monkeypatch.setattr(network, "SIZE", size)
    torch.manual_seed(1)
    model, path = network.TypeNetwork((4, 6)).eval(), tmp_path / "types.onnx"
    network.export_types(model, path)
    write_metadata(path, {"temperature": 1.0, "prior": [1.0] * 5, "smallest": 20.0,
                          "classes": list(CLASSES), "license": "CC0-1.0", "trainer": "torch"})
    picture, box = galaxy_picture()
    planes = [np.ascontiguousarray(picture[..., k]).astype(np.float32) / 255 for k in range(3)]
    boxes = box[None] - [0, 0, 10, 10]  # below the size of eight looks
    with torch.no_grad():
        logits = model(torch.from_numpy(cut_stamps(planes, boxes, size))).numpy()
    found = TypeClassifier(path).probabilities(planes, boxes)
    np.testing.assert_allclose(found, calibrated_types(logits, 1.0, np.ones(5)), atol=1e-5)
