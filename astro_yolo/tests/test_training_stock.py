"""A real, tiny training of stock networks: repeatable, safe to kill, and silent on the network."""

import json
import signal
import subprocess
import sys
import time
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from astro_yolo.tests.stock_sets import write_set
from astro_yolo.training import stock
from astro_yolo.training.picture_sets import SetError, label_path, read_set
from astro_yolo.training.stock import StockRecipe, TrainingError, train_stock

pytest.importorskip("ultralytics", reason="needs the train extra")

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.timeout(300),
]

TINY = StockRecipe(epochs=2, batch=4, image_size=64, mosaic=0.0)
train = partial(train_stock, threads=1)  # so small a network is no faster with more


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Eight pictures of 64 pixels to learn from, two to look at."""
    return write_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """Train for two epochs."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    train(data, out, TINY)
    return out


def test_every_epoch_has_a_row(run):
    """Two epochs of two steps each; the numbers of the validation lie in 0..1."""
    table = Table.read(run / "results.ecsv")
    assert table["epoch"].tolist() == [1, 2]
    assert table["iteration"].tolist() == [2, 4]
    assert np.isfinite(table["loss"]).all()
    for name in ("recall", "mean_iou", "ap50", "ap50_95"):
        assert ((table[name] >= 0) & (table[name] <= 1)).all()


def test_a_run_is_not_repeated_by_mistake(data, run):
    """A second run into the folder is refused; to resume a finished one gives its result."""
    with pytest.raises(FileExistsError, match="resume=True"):
        train(data, run, TINY)
    assert train(data, run, TINY, resume=True) == run / "weights" / "best.pt"
    with pytest.raises(TrainingError, match="another epochs"):
        train(data, run, StockRecipe(epochs=3, batch=4, image_size=64), resume=True)


def test_the_seed_decides(data, run, tmp_path, capsys):
    """The same recipe gives the same losses, and says one line an epoch."""
    train(data, tmp_path / "again", TINY, progress=True)
    first, second = (Table.read(p / "results.ecsv") for p in (run, tmp_path / "again"))
    np.testing.assert_allclose(first["loss"], second["loss"], rtol=1e-5)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("epoch 2 of 2: loss ")


def test_killed_and_resumed(data, tmp_path):
    """SIGKILL in the middle of training; the second call goes on with the epoch that was cut."""
    out, epochs = tmp_path / "run", 8
    code = (
        "import sys; from astro_yolo.training.stock import *\n"
        f"train_stock(sys.argv[1], sys.argv[2], StockRecipe(epochs={epochs}, batch=4, "
        "image_size=64, mosaic=0.0), threads=1)"
    )
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code, data, out])
    results = out / "results.ecsv"
    try:
        while process.poll() is None and not (results.is_file() and rows(results) >= 2):
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    before = Table.read(results)
    recipe = StockRecipe(epochs=epochs, batch=4, image_size=64, mosaic=0.0)
    best = train(data, out, recipe, resume=True)
    assert best.is_file()
    after = Table.read(results)
    assert after["epoch"].tolist() == list(range(1, epochs + 1))
    kept = len(before) - 1  # the last row may have been cut off from its checkpoint
    assert after["loss"][:kept].tolist() == before["loss"][:kept].tolist()


def rows(path):
    """Return the number of rows of a table that is replaced now and then."""
    return sum(line[:1].isdigit() for line in path.read_text().splitlines())


def test_early_stop(data, tmp_path, monkeypatch):
    """Where AP50-95 stays as it is for ``patience`` epochs, training ends."""
    from astro_yolo.training import _stock_trainer

    monkeypatch.setattr(_stock_trainer, "mean_precision", lambda *_, **__: (0.5, 0.5))
    recipe = StockRecipe(epochs=30, batch=8, image_size=64, patience=2, mosaic=0.0)
    train(data, tmp_path / "run", recipe)
    assert Table.read(tmp_path / "run" / "results.ecsv")["epoch"].tolist() == [1, 2, 3]


def test_a_set_made_anew_is_not_gone_on_with(tmp_path):
    """Boxes of another size in the same folder are told when a run is resumed."""
    marker, state = write_set(tmp_path), {"recipe": "T2", "box_radii": 2.1, "min_side": 22}
    (tmp_path / "recipe.json").write_text(json.dumps(state))
    out = tmp_path / "run"
    for _ in range(2):  # begin, go on
        stock._claim(out, TINY, read_set(marker))
    (tmp_path / "recipe.json").write_text(json.dumps(state | {"box_radii": 3.0}))
    with pytest.raises(TrainingError, match="was begun with another boxes of its set"):
        stock._claim(out, TINY, read_set(marker))
    begun = json.loads((out / "training.json").read_text())
    del begun["set"]  # of a version that did not write it
    (out / "training.json").write_text(json.dumps(begun))
    stock._claim(out, TINY, read_set(marker))


@pytest.mark.parametrize("model", ["yolo26n.yaml", "yolov3-tiny.yaml"])
def test_other_networks(data, tmp_path, model):
    """One without suppression and one of the third generation train as well."""
    recipe = StockRecipe(model=model, epochs=1, batch=8, image_size=64, mosaic=0.0)
    assert train(data, tmp_path / "run", recipe).is_file()


def test_ignored_regions_do_not_move_the_loss(run):
    """The class loss has no gradient inside an ignored box, and has one on empty sky."""
    import torch
    from ultralytics.cfg import get_cfg

    from astro_yolo.training._stock_trainer import IgnoringLoss

    model = torch.load(run / "weights" / "last.pt", weights_only=False)["ema"].float().train()
    model.args = get_cfg()
    loss = IgnoringLoss(model)
    batch = {
        "batch_idx": torch.zeros(2),
        "cls": torch.tensor([[1.0], [2.0]]),  # the second class, and one beyond the last
        "bboxes": torch.tensor([[0.25, 0.25, 0.25, 0.25], [0.75, 0.75, 0.25, 0.25]]),
    }
    predictions = model(torch.full((1, 3, 64, 64), 0.1))
    predictions["scores"] = predictions["scores"].detach().requires_grad_()
    total, _ = loss(predictions, batch)
    total.sum().backward()
    cells = predictions["scores"].grad[0][:, :64].reshape(2, 8, 8)  # stride 8
    assert (cells[:, 5:7, 5:7] == 0).all()  # cell centres at 44 and 52, inside 40..56
    assert (cells[:, 0, 6:] != 0).all()


def test_nothing_is_reported_home(run):
    """Ultralytics' usage reports are off, and the user's settings file is as it was."""
    from ultralytics.utils import SETTINGS

    from astro_yolo.training._trainer import events, stay_offline

    before = SETTINGS.file.read_text()
    events.enabled = SETTINGS["sync"] = True
    on_disk = SETTINGS.file.read_text()
    stay_offline()
    assert not events.enabled
    assert not SETTINGS["sync"]
    assert SETTINGS.file.read_text() == on_disk
    SETTINGS.file.write_text(before)


def test_bad_input_is_named(data, tmp_path):
    """A missing set, an empty one, an unknown network and odd numbers: one clear error each."""
    out = tmp_path / "run"
    with pytest.raises(SetError, match=r"nothing.data.yaml does not exist"):
        train(tmp_path / "nothing" / "data.yaml", out)
    (tmp_path / "empty").mkdir()
    marker = write_set(tmp_path / "empty", train=0)
    with pytest.raises(SetError, match="split 'train' must hold pictures, got none"):
        train(marker, out)
    with pytest.raises(TrainingError, match=r"'yolo99n.yaml' is neither a file nor a network"):
        train(data, out, StockRecipe(model="yolo99n.yaml", image_size=64))
    for change, rule in (
        ({"image_size": 100}, "multiple of 32, got 100"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"model": "yolo11n.pt"}, r"a .yaml file, got 'yolo11n.pt'"),
        ({"learning_rate": 0}, "learning_rate must be above 0 and at most 1, got 0"),
        ({"learning_rate": np.nan}, "learning_rate must be above 0 and at most 1, got nan"),
        ({"mosaic": 1.5}, "mosaic must be 0 to 1, got 1.5"),
        ({"scale": -0.1}, "scale must be 0 to 1, got -0.1"),
        ({"seed": -1}, "seed must be 0 to 4294967295, got -1"),
        ({"model": "yolo11n-seg.yaml"}, "a detection network, .*, which is one for segment"),
        ({"model": str(data)}, "a detection network, got .*data.yaml', which is none"),
    ):
        with pytest.raises(TrainingError, match=rule):
            train(data, out, StockRecipe(**change))
    with pytest.raises(TrainingError, match="device must be cpu, cuda or cuda:NUMBER, got 'tpu'"):
        train(data, out, TINY, device="tpu")
    with pytest.raises(TrainingError, match=r"device 'cuda:99': torch .* sees [0-9]+ CUDA"):
        train(data, out, TINY, device="cuda:99")
    with pytest.raises(TrainingError, match="threads must be 1 or more, got -2"):
        train(data, out, TINY, threads=-2)
    # nothing of it is in the way of the right one
    assert train(data, out, StockRecipe(epochs=1, batch=8, image_size=64)).is_file()


@pytest.mark.parametrize(
    ("kind", "content", "rule"),
    [
        ("labels", "5 0.5 0.5 0.2 0.2\n", r"000-L.txt must have classes 0 to 1, got 5"),
        ("labels", "0 90 90 16 16\n", r"000-L.txt must lie in the picture"),
        ("labels", "0 0.5\n", r"000-L.txt must hold 5 numbers a line"),
        ("ignore", "0.5 0.5 0.1\n", r"000-L.txt must hold 4 numbers a line"),
        ("images", "no picture", r"cannot be read as such, the first is that of .*000-L.txt"),
    ],
)
def test_no_picture_is_left_out_in_silence(tmp_path, kind, content, rule):
    """A class that is not in the list, a box in pixels and a damaged picture stop the training."""
    marker = write_set(tmp_path)
    (picture,) = (tmp_path / kind / "train").glob("000-L.*")
    picture.write_text(content)
    with pytest.raises(SetError, match=rule):
        train(marker, tmp_path / "run", TINY)
    assert not (tmp_path / "run" / "training.json").exists()


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("path: .\ntrain: images/train\nval: images/val\n", 8),
        ("train: listed.txt\nval: [images/val]\n", 2),
    ],
)
def test_a_set_is_where_its_file_says(tmp_path, monkeypatch, text, number):
    """``path: .`` and listed pictures count from the set's folder, whatever the current one has."""
    from ultralytics.cfg import get_cfg
    from ultralytics.data.build import build_yolo_dataset
    from ultralytics.data.utils import check_det_dataset

    marker = write_set(tmp_path / "set")
    (tmp_path / "set/listed.txt").write_text("images/train/001-L.png\nimages/train/003-L.png\n")
    marker.write_text(text + "names: [elliptical, spiral]\n")
    write_set(tmp_path / "elsewhere")
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    used = stock._marker_of(read_set(marker), tmp_path / "run")
    assert used.name != "data.yaml"  # so that a run in the set's own folder leaves that alone
    data = check_det_dataset(str(used))
    assert list(data["names"].values()) == ["elliptical", "spiral"]
    settings = get_cfg(overrides={"imgsz": 64, "task": "detect"})
    for split, count in (("train", number), ("val", 2)):
        dataset = build_yolo_dataset(settings, data[split], 2, data)
        assert len(dataset.im_files) == count
        assert {Path(path).parent for path in dataset.im_files} == {
            tmp_path / "set" / "images" / split
        }


def test_a_plain_set_is_trained_by_its_own_file(data, tmp_path):
    """Where folders stand below data.yaml nothing is written beside the run."""
    assert stock._marker_of(read_set(data), tmp_path) == data
    assert not list(tmp_path.iterdir())


def test_no_ignored_region_is_no_warning(tmp_path):
    """The empty file of a picture without ignored regions adds no label, in silence."""
    from astro_yolo.training._stock_trainer import _add_ignored

    write_set(tmp_path)
    picture = tmp_path / "images/train/000-L.png"
    label = {"im_file": str(picture), "cls": np.zeros((2, 1)), "bboxes": np.zeros((2, 4))}
    _add_ignored(label, 2)
    assert label["cls"].tolist() == [[0], [0], [2]]
    np.testing.assert_allclose(label["bboxes"][2], [0.9, 0.9, 0.1, 0.1], atol=1e-6)
    label_path(picture, "ignore").write_text("")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _add_ignored(label, 2)
    assert len(label["cls"]) == len(label["bboxes"]) == 3


def test_a_run_that_was_moved_goes_on_where_it_is(data, tmp_path, monkeypatch):
    """Its checkpoint names the folder that it was begun in, which does not come into being anew."""
    recipe = StockRecipe(epochs=2, batch=4, image_size=64, mosaic=0.0)
    watch = stock._Watch.__call__

    def stop_at_the_second(self, row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt
        watch(self, row)

    with monkeypatch.context() as patch:
        patch.setattr(stock._Watch, "__call__", stop_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            train(data, tmp_path / "old", recipe)
    (tmp_path / "old").rename(tmp_path / "new")
    before = (tmp_path / "new/weights/last.pt").read_bytes()
    best = train(data, tmp_path / "new", recipe, resume=True)
    assert best == tmp_path / "new/weights/best.pt"
    assert (tmp_path / "new/weights/last.pt").read_bytes() != before
    assert Table.read(tmp_path / "new/results.ecsv")["epoch"].tolist() == [1, 2]
    assert not (tmp_path / "old").exists()


@pytest.mark.parametrize("name", ["weights/last.pt", "weights/best.pt", "results.ecsv"])
def test_files_of_another_training_are_kept(data, tmp_path, name):
    """A folder of ultralytics' own run, say, is not gone on with, and nothing in it replaced."""
    path = tmp_path / "theirs" / name
    path.parent.mkdir(parents=True)
    path.write_text("theirs")
    for resume in (False, True):
        with pytest.raises(FileExistsError, match=f"of another training, got {path.name} in"):
            train(data, tmp_path / "theirs", TINY, resume=resume)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]
    assert path.read_text() == "theirs"


def test_a_link_to_pictures_is_read_with_the_labels_of_the_set(data, tmp_path):
    """Not with those that lie beside the pictures it leads to."""
    pictures = read_set(data)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "images").symlink_to(pictures.marker.parent / "images")
    text = pictures.marker.read_text(encoding="utf-8")
    (mine / "data.yaml").write_text(f"path: {mine}\n{text}", encoding="utf-8")
    marker = stock._marker_of(read_set(mine), tmp_path)
    assert marker == tmp_path / stock._MARKER
    listed = (tmp_path / "training-val.txt").read_text(encoding="utf-8").split()
    assert {Path(line).parent for line in listed} == {mine / "images/val"}


def test_a_run_that_kept_nothing_may_be_begun_again(data, tmp_path, monkeypatch):
    """One that ended between its first row and its first checkpoint leaves no files of a run."""
    from astro_yolo.training import _stock_trainer

    with monkeypatch.context() as patch:
        patch.setattr(_stock_trainer.StockTrainer, "save_model", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(data, tmp_path / "run", TINY)
    assert not (tmp_path / "run/results.ecsv").exists()
    train(data, tmp_path / "run", TINY)
    assert Table.read(tmp_path / "run/results.ecsv")["epoch"].tolist() == [1, 2]
