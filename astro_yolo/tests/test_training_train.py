"""A real, tiny training: two epochs on a handful of samples, exported and used by detect()."""

import numpy as np
import pytest

from astro_yolo import Detector
from astro_yolo.exceptions import NoDetectionsWarning
from astro_yolo.training.dataset import _save_sample
from astro_yolo.training.samples import IGNORE, OBJECTS, STAR, Sample

pytest.importorskip("ultralytics", reason="needs the train extra")
pytest.importorskip("onnx", reason="needs the train extra")

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Write eight samples of 64 pixels with a galaxy, a star and an ignored object."""
    folder = tmp_path_factory.mktemp("samples")
    rng = np.random.default_rng(1)
    for split, count in (("train", 8), ("val", 2)):
        for part in ("images", "labels"):
            (folder / part / split).mkdir(parents=True)
        for k in range(count):
            image = np.clip(rng.normal(0.125, 0.03, (3, 64, 64)), 0, 1).astype(np.float32)
            image[:, 20:40, 10:30] += 0.4
            boxes = np.array([[10, 20, 30, 40], [45, 45, 51, 51], [50, 5, 60, 15]], float)
            kinds = np.array([k % 5, STAR, IGNORE])
            _save_sample(Sample(image, boxes, kinds), folder, split, f"{k:03d}")
    names = "".join(f"  {k}: {name}\n" for k, name in enumerate(OBJECTS))
    data = folder / "data.yaml"
    data.write_text(f"path: {folder}\ntrain: images/train\nval: images/val\nnames:\n{names}")
    return data


@pytest.fixture(scope="module")
def run(samples, tmp_path_factory):
    """Train for two epochs."""
    from astro_yolo.training.train import TrainRecipe, train

    out = tmp_path_factory.mktemp("runs") / "tiny"
    recipe = TrainRecipe(epochs=2, batch=4, image_size=64)
    return train(samples, out, recipe, threads=1)


def test_training_writes_a_checkpoint_and_refuses_to_repeat(samples, run):
    """The run leaves last.pt; a second run into the same folder is refused."""
    from astro_yolo.training.train import train

    assert run.name == "last.pt"
    assert run.exists()
    with pytest.raises(FileExistsError, match="resume=True"):
        train(samples, run.parent.parent)


def test_exported_weights_are_used_by_detect(run, tmp_path):
    """The ONNX file names its outputs, stretch and licence, and goes through the real Detector."""
    from astro_yolo.network.weights import metadata_of
    from astro_yolo.training.export import export_onnx

    path = export_onnx(run, tmp_path / "tiny.onnx", name="tiny", version="0")
    metadata = metadata_of(path)
    assert metadata["outputs"][-2:] == ["star", "galaxy"]
    assert metadata["license"] == "AGPL-3.0-only"
    image = np.random.default_rng(2).normal(0, 1, (70, 90)).astype(np.float32)
    with pytest.warns(NoDetectionsWarning):
        table = Detector(path, backend="onnxruntime").detect(image, score=0.999)
    assert len(table) == 0
    with pytest.raises(FileExistsError, match="overwrite=True"):
        export_onnx(run, path, name="tiny", version="0")
    with pytest.raises(ValueError, match=r"start must be given where kept is not 0, got kept=0.3"):
        export_onnx(run, tmp_path / "other.onnx", name="tiny", version="0", kept=0.3)


def test_ignored_boxes_and_unjudged_types_do_not_move_the_loss(run):
    """The class loss has no gradient inside an ignored box, nor on types nobody judged."""
    import torch

    from astro_yolo.training._typed_loss import TypedDetectionLoss

    model = torch.load(run, weights_only=False)["ema"].float().train()
    model.args = _defaults()
    loss = TypedDetectionLoss(model)
    galaxy, ignore = OBJECTS.index("galaxy"), IGNORE
    batch = {
        "batch_idx": torch.zeros(2),
        "cls": torch.tensor([[float(galaxy)], [float(ignore)]]),
        "bboxes": torch.tensor([[0.25, 0.25, 0.25, 0.25], [0.75, 0.75, 0.25, 0.25]]),
    }
    predictions = model(torch.full((1, 3, 64, 64), 0.125))
    predictions["scores"] = predictions["scores"].detach().requires_grad_()
    total, _ = loss(predictions, batch)
    total.sum().backward()
    gradient = predictions["scores"].grad[0]
    cells = gradient[:, :64].reshape(7, 8, 8)  # stride 8
    assert (cells[:, 5:7, 5:7] == 0).all()  # cell centres at 44 and 52, inside 40..56
    assert (gradient[:5] == 0).all()  # the only galaxy has no type
    assert (cells[6, 0, 6:] != 0).all()  # empty sky does count


def test_objects_are_assigned_as_without_groups(run):
    """Pictures of none, few and many objects get the cells that one call for all gives them."""
    import torch

    from astro_yolo.training._typed_loss import TypedDetectionLoss

    model = torch.load(run, weights_only=False)["ema"].float()
    model.args = _defaults()
    loss, rng = TypedDetectionLoss(model), torch.Generator().manual_seed(3)
    counts, points = torch.tensor([3, 0, 40, 7, 1, 12, 5, 0, 2]), torch.rand(80, 2, generator=rng)
    pictures, most = len(counts), int(counts.max())
    corners = torch.rand(pictures, most, 2, generator=rng) * 50
    boxes = torch.cat([corners, corners + 12], dim=-1)
    mask = (torch.arange(most) < counts[:, None])[..., None].float()
    seen = torch.rand(pictures, 80, 7, generator=rng), boxes[:, torch.arange(80) % most]
    asked = *seen, points * 64, torch.full_like(boxes[..., :1], 6).long(), boxes * mask, mask
    found, expected = loss._assigned(*asked), loss._assign(*asked)
    assert expected[3].sum() > 40
    for some, others in zip(found[1:], expected[1:], strict=True):
        assert torch.equal(some[found[3].bool()], others[expected[3].bool()])
    assert torch.equal(found[3].bool(), expected[3].bool())


def _defaults():
    """Return ultralytics' default settings, which the loss reads its gains from."""
    from ultralytics.cfg import get_cfg

    return get_cfg()
