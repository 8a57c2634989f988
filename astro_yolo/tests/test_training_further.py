"""To learn something new and to go on saying all else: a real, tiny training, and its loss."""

import json
from dataclasses import replace

import numpy as np
import pytest

from astro_yolo.training import further
from astro_yolo.training.dataset import DatasetRecipe, _save_cutouts
from astro_yolo.training.further import FurtherRecipe, make_samples, train_further
from astro_yolo.training.samples import GALAXY, IGNORE, OBJECTS, STAR, Sample, packed

pytest.importorskip("ultralytics", reason="needs the train extra")
pytest.importorskip("onnx", reason="needs the train extra")

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.timeout(300),
]

RECIPE = FurtherRecipe(new_samples=4, old_samples=4, image_size=64, batch=4, seconds=2.0)


def galaxy_and_star(rng):
    """A sample of 64 pixels: a galaxy at lower left, a star at upper right, an ignored source."""
    image = np.clip(rng.normal(0.125, 0.03, (3, 64, 64)), 0, 1).astype(np.float32)
    image[:, 8:24, 8:24] += 0.4
    boxes = np.array([[8, 8, 24, 24], [50, 50, 54, 54], [50, 5, 60, 15]], float)
    return Sample(image, boxes, np.array([GALAXY, STAR, IGNORE]))


@pytest.fixture
def samples(monkeypatch):
    """Samples made here instead of from survey data."""

    def make(data, out, recipe, new, **_):
        rng = np.random.default_rng(recipe.seed)
        made = [packed(galaxy_and_star(rng)) for _ in range(8)]
        return np.stack([image for image, _ in made]), [rows for _, rows in made]

    monkeypatch.setattr(further, "make_samples", make)
    return make(None, None, RECIPE, None)


@pytest.fixture
def network(samples):
    """The module, the batches, and both networks as they begin."""
    from astro_yolo.training import _further

    batches = _further._Batches(*samples, RECIPE)
    model, teacher = _further._networks(batches, RECIPE)
    return _further, batches, model, teacher


def test_a_training_by_the_clock(samples, tmp_path):
    """It writes a checkpoint that can be exported, and once done is not done again."""
    from astro_yolo.network.weights import metadata_of
    from astro_yolo.training.export import export_onnx

    said = []
    last = train_further(tmp_path, tmp_path / "run", None, RECIPE, progress=said.append)
    path = export_onnx(last, tmp_path / "new.onnx", name="new", version="0")
    assert metadata_of(path)["outputs"][-2:] == ["star", "galaxy"]
    written = last.stat().st_mtime_ns
    assert train_further(tmp_path, tmp_path / "run", None, RECIPE, progress=said.append) == last
    assert last.stat().st_mtime_ns == written
    with pytest.raises(FileExistsError, match="out must be a new folder or one of the same recipe"):
        train_further(tmp_path, tmp_path / "run", None, replace(RECIPE, seed=5))


def test_a_shipped_detector_is_trained_on(samples, tmp_path, monkeypatch):
    """Its file is replaced by what becomes of it; begun again it begins where it did, not there."""
    from astro_yolo.network.weights import load_weights, metadata_of
    from astro_yolo.training import ship

    monkeypatch.setitem(ship.DETECTORS, "mine", ship.DetectorRecipe("9", further=(RECIPE,)))
    weights = tmp_path / "mine.onnx"
    before = load_weights(RECIPE.start).path.read_bytes()
    weights.write_bytes(before)
    ship.train_shipped_on(tmp_path, tmp_path, "mine")
    assert (metadata_of(weights)["name"], metadata_of(weights)["version"]) == ("mine", "9")
    first = weights.read_bytes()
    assert first != before
    weights.write_bytes(before)
    ship.train_shipped_on(tmp_path, tmp_path, "mine")
    assert (tmp_path / "further-0.onnx").read_bytes() == before
    assert len(weights.read_bytes()) == len(first)


def test_a_share_of_the_begin_is_kept(samples, tmp_path, monkeypatch):
    """Where all of the weights that it began with are kept, nothing becomes of a training."""
    from astro_yolo.network.weights import load_weights
    from astro_yolo.training import ship
    from astro_yolo.training._warm_start import read_weights

    recipe = ship.DetectorRecipe("9", further=(replace(RECIPE, kept=1.0),))
    monkeypatch.setitem(ship.DETECTORS, "mine", recipe)
    begin, weights = load_weights(RECIPE.start).path, tmp_path / "mine.onnx"
    weights.write_bytes(begin.read_bytes())
    ship.train_shipped_on(tmp_path, tmp_path, "mine")
    before, _ = read_weights(begin)
    for name, values in read_weights(weights)[0].items():
        np.testing.assert_allclose(values, before[name], atol=1e-5, err_msg=name)


def test_steps_follow_each_other(samples, tmp_path, monkeypatch):
    """A step begins with what became of the one before; its teacher is that of the one it names."""
    from astro_yolo.network.weights import load_weights
    from astro_yolo.training import ship

    steps = RECIPE, replace(RECIPE, teacher="further-0")
    monkeypatch.setitem(ship.DETECTORS, "mine", ship.DetectorRecipe("9", further=steps))
    weights = tmp_path / "mine.onnx"
    weights.write_bytes(load_weights(RECIPE.start).path.read_bytes())
    ship.train_shipped_on(tmp_path, tmp_path, "mine")
    first, second = (
        json.loads((tmp_path / f"further-{k}" / "further.json").read_text()) for k in (1, 2)
    )
    assert first["start"] == second["teacher"] == str(tmp_path / "further-0.onnx")
    assert second["start"] == str(tmp_path / "further-1.onnx")
    files = [(tmp_path / f"further-{k}.onnx").read_bytes() for k in range(3)]
    assert len(set(files)) == 3
    assert weights.read_bytes() == files[2]


def new_sample(data, number, rng):
    """A new sample, which needs no data."""
    return galaxy_and_star(rng)


def test_new_samples_come_before_old_ones(tmp_path):
    """Each is the same in every run; those that are there are read, not made again."""
    nothing_there = np.full(4, np.nan), np.empty((0, 4))
    _save_cutouts(tmp_path / "cutouts.npz", [(1, "spiral")], [nothing_there])
    recipe = replace(RECIPE, old_samples=2, old_shares=(("model", 1.0),))
    images, labels = make_samples(tmp_path, tmp_path, recipe, new_sample, progress=len)
    assert images.shape == (6, 3, 64, 64)
    image, rows = packed(new_sample(None, 3, np.random.default_rng([recipe.seed, 3])))
    np.testing.assert_array_equal(images[3], image)
    np.testing.assert_array_equal(labels[3], rows)
    assert set(labels[4][:, 0]) <= set(range(len(OBJECTS)))  # a model sky
    assert not np.array_equal(images[4], images[5])
    again, _ = make_samples(tmp_path / "none", tmp_path, recipe, None)
    np.testing.assert_array_equal(again, images)


def test_new_samples_come_from_named_sources(tmp_path, monkeypatch):
    """Without a function the recipe says where from, and how many of the cutouts are turned."""
    asked = []

    def make(job, *, data, out, recipe):
        asked.append((*job, recipe.turned_share, recipe.other_share))
        return galaxy_and_star(np.random.default_rng(0))

    monkeypatch.setattr(further, "make_sample", make)
    recipe = replace(RECIPE, new_shares=(("glow", 1.0),), turned_share=0.5,
                     old_shares=(("field", 1.0),))  # fmt: skip
    for number in (3, 4):
        further._sample(number, data="", out="", recipe=recipe, new=None)
    own = DatasetRecipe()
    assert asked == [(3, "glow", "train", 0.5, 0.0), (4, "field", "train", 0.0, own.other_share)]


def test_it_begins_as_the_detector(network):
    """Before the first step nothing is far from what it was: the distance is 0."""
    _further, batches, model, teacher = network
    old = batches.old(4)
    seen, wanted = ({k: v.detach() for k, v in net(old).items() if k != "feats"}
                    for net in (model, teacher))  # fmt: skip
    assert float(_further._distance(seen, wanted)) == pytest.approx(0, abs=1e-4)
    moved = seen | {"scores": seen["scores"] + 0.5}
    assert float(_further._distance(moved, wanted)) > 0.01


def test_it_is_held_to_a_teacher(samples):
    """A teacher of other weights says what these say, whatever the network begins with."""
    import torch

    from astro_yolo.training import _further

    batches, other = _further._Batches(*samples, RECIPE), "astro-yolo-n5"
    images = batches.old(4)

    def said(**changes):
        networks = _further._networks(batches, replace(RECIPE, **changes))
        with torch.no_grad():
            return [net(images)["scores"].float().sigmoid() for net in networks]

    alike = {"atol": 0.03, "rtol": 0}  # of two networks, each in bfloat16
    (alone, same), (model, teacher), (wanted, _) = said(), said(teacher=other), said(start=other)
    torch.testing.assert_close(same, alone, **alike)
    torch.testing.assert_close(model, alone, **alike)
    torch.testing.assert_close(teacher, wanted, **alike)
    assert float((teacher - model).abs().max()) > 0.2


def test_old_samples_are_not_learnt(network):
    """Their labels have no part: the loss of a batch is that of its new half, at the beginning."""
    _further, batches, model, teacher = network
    old, new = batches.old(2), batches.new(2)
    alone = model.loss(new)[0].sum() / 2
    assert float(_further._loss(model, teacher, old, new)) == pytest.approx(float(alone), rel=1e-3)
