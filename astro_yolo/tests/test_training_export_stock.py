"""Stock networks as files that detect() takes."""

import cv2
import numpy as np
import pytest

from astro_yolo import Detector, detect
from astro_yolo.boxes import iou
from astro_yolo.exceptions import AstroYoloWarning, WeightsError
from astro_yolo.network.weights import load_weights, metadata_of
from astro_yolo.stretch import to_rgb
from astro_yolo.tests.stock_sets import write_checkpoint, write_set
from astro_yolo.training.export import write_metadata
from astro_yolo.training.export_stock import (
    ExportError,
    calibrate_stock,
    export_stock,
    output_of,
    outputs_of,
)
from astro_yolo.training.finish import finish_weights
from astro_yolo.training.picture_sets import read_set
from astro_yolo.training.scored import ScoredPicture
from astro_yolo.training.stock import StockRecipe

pytest.importorskip("ultralytics", reason="needs the train extra")
pytest.importorskip("onnx", reason="needs the train extra")

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Checkpoint and ONNX file of an untrained YOLO11 and YOLO26."""
    folder = tmp_path_factory.mktemp("stock")
    found = {}
    for model in ("yolo11n", "yolo26n"):
        checkpoint = write_checkpoint(folder / f"{model}.pt", f"{model}.yaml")
        path = export_stock(checkpoint, folder / f"{model}.onnx", stretch="L")
        found[model] = checkpoint, path
    return found


@pytest.mark.parametrize("model", ["yolo11n", "yolo26n"])
def test_the_graph_gives_what_the_network_gives(files, model):
    """Boxes to 0.3 px and scores to 0.01, at their rows; classes it does not know are 0."""
    import torch

    checkpoint, path = files[model]
    x = np.random.default_rng(0).uniform(0, 1, (1, 3, 64, 96)).astype(np.float32)
    network = torch.load(checkpoint, weights_only=False)["ema"].float().eval()
    network.model[-1].end2end = False
    with torch.inference_mode():
        expected = network(torch.from_numpy(x))[0][0].numpy()
    got = Detector(path, backend="onnxruntime").backend.run(x)
    assert got.shape == (11, expected.shape[1])
    # the file's weights are rounded to bfloat16
    np.testing.assert_allclose(got[:4], expected[:4], atol=0.5)
    np.testing.assert_allclose(got[4:6], expected[4:], atol=0.02)
    assert (got[6:10] == 0).all()
    np.testing.assert_array_equal(got[10], got[4:6].max(axis=0))
    assert expected[4:].max() > 0.1  # not silent


def test_the_file_says_what_it_needs(files):
    """Classes, stretch, normalisation and licence stand in the metadata."""
    weights = load_weights(files["yolo11n"][1])
    assert weights.metadata["classes"] == ["elliptical", "spiral"]
    assert weights.metadata["license"] == "AGPL-3.0-only"
    assert weights.metadata["normalisation"] == "8-bit grey levels / 255"
    assert (weights.stretch, weights.takes_pictures, weights.zoom) == ("L", True, 1.0)
    assert weights.stride == 32


def test_detect_stretches_bands_as_training_did(files):
    """Bands in nanomaggies, and the picture made of them by hand, give the same table."""
    rng = np.random.default_rng(5)
    bands = rng.normal(0, 0.3, (3, 70, 100)).astype(np.float32)
    bands[:, 30:50, 40:60] += 3
    path = files["yolo11n"][1]
    found = detect(dict(zip("gri", bands, strict=True)), model=path, score=0.05)
    same = detect(to_rgb(bands[::-1], "L"), model=path, score=0.05)
    assert len(found) > 0
    assert found["score"].tolist() == same["score"].tolist()
    assert found.meta["STRETCH"] == "L"
    assert set(found["label"]) <= {"elliptical", "spiral"}


def test_zoom_brings_boxes_back(files, tmp_path):
    """An image of twice the size and zoom 0.5: the same sources at twice the place."""
    path = tmp_path / "half.onnx"
    path.write_bytes(files["yolo11n"][1].read_bytes())
    write_metadata(path, metadata_of(path) | {"zoom": 0.5})
    small = np.random.default_rng(6).integers(0, 255, (64, 96, 3)).astype(np.uint8)
    large = small.repeat(2, axis=0).repeat(2, axis=1)
    tables = [detect(small, model=files["yolo11n"][1], score=0.05),
              detect(large, model=path, score=0.05)]  # fmt: skip
    edges = [np.stack([t[n] for n in ("xmin", "ymin", "xmax", "ymax")], axis=1) + 0.5
             for t in tables]  # fmt: skip
    assert len(edges[0]) == len(edges[1]) > 0
    assert iou(edges[0] * 2, edges[1]).max(axis=1).min() > 0.99


def test_tiles(files):
    """A large image goes through by tiles; boxes stay inside it and keep their size."""
    detector = Detector(files["yolo11n"][1])
    detector.max_pixels = 200 * 200
    table = detector.detect(np.random.default_rng(7).normal(0, 1, (250, 300)), score=0.05)
    assert table["x"].min() < 100
    assert table["x"].max() > 200  # both ends are looked at
    assert table["xmin"].min() >= -0.5
    assert table["xmax"].max() <= 299.5


def test_class_names():
    """Case, blanks and hyphens do not count; what is no class of detection is refused."""
    assert [output_of(name) for name in ("Edge on", "MERGER", "star")] == [
        "edge_on", "merger", "star"
    ]  # fmt: skip
    with pytest.raises(ExportError, match="class 'person' of the network must be one of"):
        output_of("person")


def test_bad_input_is_named(files, tmp_path):
    """Unknown classes and stretches, no checkpoint, a file in the way; nothing is left behind."""
    odd = write_checkpoint(tmp_path / "odd.pt", names=("person", "car"))
    target = tmp_path / "new.onnx"
    with pytest.raises(ExportError, match="class 'person'"):
        export_stock(odd, target, stretch="L")
    with pytest.raises(ExportError, match=r"stretch must be one of.*got 'XL'"):
        export_stock(odd, target, stretch="XL")
    (tmp_path / "text.pt").write_text("no pickle")
    with pytest.raises(ExportError, match="must be a detection network"):
        export_stock(tmp_path / "text.pt", target, stretch="L")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["odd.pt", "text.pt"]
    with pytest.raises(FileExistsError, match="overwrite=True"):
        export_stock(files["yolo11n"][0], files["yolo11n"][1], stretch="L")


def test_two_classes_of_one_output_are_refused(tmp_path):
    """A network that was taught two spellings of one class is no network of it; both are named."""
    twice = write_checkpoint(tmp_path / "twice.pt", names=("Edge-on", "star", "edge on"))
    rule = "classes 'Edge-on' and 'edge on' must be one class, as both are 'edge_on' to detection"
    with pytest.raises(ExportError, match=rule):
        export_stock(twice, tmp_path / "new.onnx", stretch="L")
    assert [path.name for path in tmp_path.iterdir()] == ["twice.pt"]
    assert outputs_of(["Edge-on", "galaxy", "star"]) == ("edge_on", "galaxy", "star")


def test_calibration_is_measured_and_stored(files, tmp_path):
    """60 detections of score 0.8, half of them right: the probability becomes 0.5."""
    path = tmp_path / "w.onnx"
    path.write_bytes(files["yolo11n"][1].read_bytes())
    box, far = [10, 10, 20, 20], [40, 40, 50, 50]
    right = ScoredPicture(truth=[box], truth_classes=[0], boxes=[box], scores=[0.8], classes=[0])
    wrong = ScoredPicture(truth=[box], truth_classes=[0], boxes=[far], scores=[0.8], classes=[0])
    line = calibrate_stock(path, [right, wrong] * 30)
    weights = load_weights(path)
    assert line["sha256"] == weights.sha256
    assert weights.calibration.score(0.8) == pytest.approx(0.5, abs=0.01)
    assert weights.default_score == pytest.approx(0.5, abs=0.01)
    assert weights.metadata["validation"] == {"pictures": 60, "objects": 60}
    with pytest.raises(ValueError, match="min_purity must be within"):
        weights.score_for_purity(0.9)


@pytest.mark.parametrize(("zoom", "ok"), [(0.5, True), (0, False), (99, False)])
def test_zoom_has_a_range(files, tmp_path, zoom, ok):
    """A zoom that would ask for an image of nothing or of everything is refused."""
    path = tmp_path / "w.onnx"
    path.write_bytes(files["yolo11n"][1].read_bytes())
    write_metadata(path, metadata_of(path) | {"zoom": zoom})
    if ok:
        assert load_weights(path).zoom == zoom
    else:
        with pytest.raises(WeightsError, match=r"zoom must be in 0.01..16"):
            load_weights(path)


def test_the_zoom_is_that_of_the_usual_picture(tmp_path):
    """One small picture among seven of 64 pixels does not make detection zoom in; it is told."""
    write_set(tmp_path)
    first = min((tmp_path / "images" / "train").iterdir())
    cv2.imwrite(str(first), cv2.resize(cv2.imread(str(first)), (32, 32)))
    checkpoint = write_checkpoint(tmp_path / "network.pt")
    with pytest.warns(AstroYoloWarning, match="its pictures differ in size, 32 to 64 pixels"):
        path, _ = finish_weights(
            checkpoint, tmp_path / "network.onnx", read_set(tmp_path),
            StockRecipe(image_size=64), stretch="L",
        )  # fmt: skip
    assert metadata_of(path)["zoom"] == 1.0  # 64 / 64
