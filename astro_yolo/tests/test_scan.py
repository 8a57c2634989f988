"""Tests of large images: tiles, binned levels and reading window by window."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from astro_yolo import _scan, tiling
from astro_yolo.catalog import FLAGS
from astro_yolo.detection import Detector
from astro_yolo.image import read_image
from astro_yolo.network.calibration import Calibration
from astro_yolo.stretch import NETWORK_SKY
from astro_yolo.tests.planted import MODEL, nearest, plant, spread

# A tile of 600 000 pixels has a side of 774, of which 192 on either side are margin; cores
# lie on the network's grid of 16 pixels.
TILED_CORE = 400


@pytest.fixture
def tiled():
    """A detector that cuts whatever is larger than 600 000 pixels."""
    made = Detector(MODEL, backend="onnxruntime", device="cpu")
    made.max_pixels = 600_000
    return made


def test_tiles_give_the_same_catalogue(tiled):
    """By tiles and binned levels an image gives the rows that it gives in one pass."""
    shape = (900, 1100)
    positions = spread(shape, 700)
    image = plant(shape, positions)
    many = tiled.detect(image)
    tiled.max_pixels = tiling.ONE_PASS
    one = tiled.detect(image)
    assert json.loads(many.meta["PROV"])["passes"]["tiles"] > 9
    assert len(one) == len(many) == 700
    distance, at = nearest(np.stack([one["x"], one["y"]], axis=1), many)
    assert distance.max() < 0.02
    assert np.abs(one["score"] - many["score"][at]).max() < 0.01


def test_seam_flags(tiled):
    """Exactly the boxes that a line between two cores runs through carry the seam flag."""
    shape = (900, 1100)
    positions = spread(shape, 700, seed=3)
    table = tiled.detect(plant(shape, positions), zoom=1)
    plan = tiling.plan(shape, core=TILED_CORE)
    lines = {axis: {getattr(t, f"c{axis}1") for t in plan} - set(shape) for axis in "xy"}
    edges = {axis: (table[f"{axis}min"] + 0.5, table[f"{axis}max"] + 0.5) for axis in "xy"}
    crossed = np.zeros(len(table), bool)
    for axis, (low, high) in edges.items():
        for line in lines[axis]:
            crossed |= (low < line) & (line < high)
    assert 10 < crossed.sum() < 100
    np.testing.assert_array_equal((table["flags"] & FLAGS["seam"]) > 0, crossed)


def test_one_source_on_a_corner_of_four_cores(tiled):
    """A source where four tiles meet is found once."""
    shape = (900, 1100)
    corner = tiling.plan(shape, core=TILED_CORE)[0]
    positions = np.array([[corner.cx1 - 0.5, corner.cy1 - 0.5]])
    table = tiled.detect(plant(shape, positions))
    assert len(table) == 1
    assert nearest(positions, table)[0] < 0.05


def test_galaxy_larger_than_a_tile(tiled):
    """A galaxy of 400 pixels, larger than a tile sees, is found once, in a binned level."""
    image = np.random.default_rng(0).normal(0, 1, (1600, 1600)).astype(np.float32)
    image[300:700, 800:1200] += 100
    image[1200:1300, 200:300] += 100
    tiled.max_pixels = 1_300_000
    table = tiled.detect(image)
    table.sort("xmin")
    edges = np.stack([table[name] + 0.5 for name in ("xmin", "ymin", "xmax", "ymax")], axis=1)
    np.testing.assert_allclose(edges, [[200, 1200, 300, 1300], [800, 300, 1200, 700]], atol=3)


def test_large_galaxies_at_the_border_are_flagged(tiled):
    """The border of a binned level is that of the image, a pixel of the level wide."""
    frame = read_image(np.random.default_rng(0).normal(0, 1, (103, 107)).astype(np.float32))
    # binned by 4 the level has 25 by 26 pixels: it ends at 100 and 104
    boxes = [[40, 30, 104, 80], [40, 30, 90, 100], [3.0, 30, 50, 70], [5, 5, 98.9, 98.5]]
    zeros, marks = np.zeros((4, 7)), np.zeros(4, bool)
    for binning, expected in ((4, [1, 1, 1, 0]), (1, [0, 0, 0, 0])):
        found = _scan.Candidates(
            np.array(boxes), zeros, zeros[:, :2], zeros[:, :5], marks, marks, marks,
            np.full(4, binning),
        )  # fmt: skip
        flags = tiled._flags(frame, found)
        assert ((flags & FLAGS["edge"]) > 0).tolist() == expected


def test_galaxy_that_fills_an_image_of_one_pass():
    """It is looked for in binned copies as well, and what is small is found as without it."""
    made = Detector(MODEL, backend="onnxruntime", device="cpu")
    shape, positions = (900, 1100), np.array([(150.0, 800.0), (1000.4, 100.3)])
    plain = plant(shape, positions)
    y, x = np.indices(shape)
    giant = 40 * np.exp(-((x - 550) ** 2 + (y - 430) ** 2) / 2 / 90**2)
    passes = []
    for image in (plain, plain + giant.astype(np.float32)):
        table = made.detect(image, zoom=1)
        passes.append(json.loads(table.meta["PROV"])["passes"])
        assert nearest(positions, table)[0].max() < 0.2
    assert [(p["tiles"], p["binnings"]) for p in passes] == [(1, [1]), (2, [1, 2])]


def test_coarse_pixels_are_enlarged(tiled):
    """Sources 3.5 pixels wide are found in an enlarged image, in one pass and by tiles."""
    shape = (700, 900)
    positions = spread(shape, 200)
    image = plant(shape, positions)
    for limit in (600_000, 10**9):
        tiled.max_pixels = limit
        table = tiled.detect(image)
        assert json.loads(table.meta["PROV"])["passes"]["zoom"] == pytest.approx(1.1, abs=0.05)
        distance, at = nearest(positions, table)
        assert len(table) == 200
        assert distance.max() < 0.1
        assert sorted(at) == list(range(200))


def test_zoom_is_the_callers(tiled):
    """A zoom that is given counts; outside 0.25 to 4 it is refused."""
    positions = np.array([(50.0, 60.0), (120.3, 30.8)])
    for zoom in (0.8, 1, 1.7):
        table = tiled.detect(plant((100, 160), positions), zoom=zoom)
        assert json.loads(table.meta["PROV"])["passes"]["zoom"] == zoom
        assert nearest(positions, table)[0].max() < 0.1
    with pytest.raises(ValueError, match=r"zoom must be in 0.25..4, got 0.2"):
        tiled.detect(plant((100, 160), positions), zoom=0.2)


def test_large_files_are_read_by_tiles(tiled, tmp_path, monkeypatch):
    """An image that is read from disk window by window gives the rows of one in memory."""
    shape = (700, 900)
    positions = spread(shape, 200)
    image = plant(shape, positions)
    image[100:160, 300:400] = np.nan
    fits.PrimaryHDU(image).writeto(tmp_path / "large.fits")
    expected = tiled.detect(image)
    monkeypatch.setattr("astro_yolo.image._MEMORY_PIXELS", 1000)
    assert read_image(tmp_path / "large.fits").is_lazy
    for limit in (600_000, 10**9):
        tiled.max_pixels = limit
        table = tiled.detect(tmp_path / "large.fits")
        assert len(table) == len(expected)
        distance, at = nearest(np.stack([expected["x"], expected["y"]], axis=1), table)
        assert distance.max() < 0.02
        seam = FLAGS["seam"]
        assert np.array_equal(expected["flags"] & ~seam, table["flags"][at] & ~seam)


@pytest.mark.parametrize("zoom", [0.8, 1, 1.5])
def test_image_longer_than_opencv_takes(zoom):
    """A strip of 60 by 36 000 pixels, of few pixels but long, gives its sources."""
    positions = np.array([(50.3 + 300 * k, 30.2) for k in range(120)])
    table = Detector(MODEL, backend="onnxruntime", device="cpu").detect(
        plant((60, 36_000), positions), zoom=zoom
    )
    assert len(table) == 120
    assert nearest(positions, table)[0].max() < 0.2


def test_tiles_without_a_good_pixel(tiled):
    """Where whole tiles are masked, the rest is found all the same."""
    image = plant((700, 900), [(800.0, 600.0)])
    mask = np.zeros(image.shape, bool)
    mask[:, :700] = True
    assert len(tiled.detect(image, mask=mask)) == 1


class Terminal(io.StringIO):
    """A text file that says that it is a terminal."""

    def isatty(self):
        return True


def test_progress(tiled, monkeypatch, capsys):
    """With progress a bar goes to standard error if that is a terminal; else nothing is written."""
    image = plant((700, 900), [(300.0, 300.0)])
    tiled.detect(image, progress=True)
    assert capsys.readouterr() == ("", "")
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    tiled.detect(image, progress=True)
    assert "100" in terminal.getvalue()


def test_progress_in_a_notebook(tiled, monkeypatch):
    """The bar shows in a notebook, whose standard error says that it is no terminal."""
    cell = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    monkeypatch.setattr("sys.stderr", cell)
    tiled.detect(plant((700, 900), [(300.0, 300.0)]), progress=True)
    assert "100" in cell.getvalue()


def test_pictures_have_a_spread_of_their_own(monkeypatch):
    """It is measured in the frame that the network sees, and tells galaxies from stars there."""
    made = Detector(MODEL, backend="onnxruntime", device="cpu")
    by_spread = Calibration(odds=(0, 0, 0, 1, 0, 0, 0))
    pictures = Calibration(odds=(0, 0, 0), spread=by_spread)
    calibration = replace(made.weights.calibration, pictures=pictures)
    made._weights = replace(made.weights, calibration=calibration)
    asked = []

    def measure(planes, boxes, outputs):
        middle = (boxes[:, 0] + boxes[:, 2]) / 2
        asked.append((planes[0].shape, middle.round().tolist()))
        return np.stack([middle - 150, np.ones(len(outputs)), np.zeros(len(outputs))], axis=1)

    monkeypatch.setattr(_scan, "picture_spread", measure)
    plane = plant((100, 200), [(50.0, 50.0), (150.0, 50.0)], peak=(90, 90))
    picture = np.repeat(np.clip(plane, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    table = made.detect(picture, score=0.1, zoom=1.5)
    assert [(shape, sorted(middles)) for shape, middles in asked] == [((150, 300), [76, 226])]
    assert table["x"].tolist() == pytest.approx([150], abs=0.3)  # the other one is a star
    made.detect(dict.fromkeys("gri", plane), score=0.1)
    assert len(asked) == 1


def test_types_are_seen_in_the_pixels_that_are_given(monkeypatch):
    """Whether a galaxy shows one is asked where it was found, made smaller; which, where it was."""
    made = Detector(MODEL, backend="onnxruntime", device="cpu")
    asked = []

    class Classifier:
        def suits(self, planes, boxes):
            asked.append((planes[0].shape, boxes.mean(axis=0).round().tolist()))
            return np.ones(len(boxes), bool)

        def probabilities(self, planes, boxes):
            asked.append((planes[0].shape, boxes.mean(axis=0).round().tolist()))
            return np.eye(5)[[1] * len(boxes)]

    monkeypatch.setattr(Detector, "classifier", Classifier())
    table = made.detect(plant((120, 200), [(150.0, 60.0)], peak=(90, 90)), score=0.1, zoom=0.5)
    (small, box), (given, large) = asked
    assert (small, given) == ((60, 100), (120, 200))
    np.testing.assert_allclose(large, 2 * np.array(box), atol=2)
    assert table["label"].tolist() == ["spiral"]


@pytest.mark.filterwarnings("ignore::astro_yolo.exceptions.NoDetectionsWarning")
@pytest.mark.parametrize("max_pixels", [tiling.ONE_PASS, 60_000])
def test_noise_of_dark_pictures_is_a_step_at_least(monkeypatch, max_pixels):
    """Enlarged or not, 1 of 255 levels over black is as bright as one step of noise: 0.04."""
    made = Detector(MODEL, backend="onnxruntime", device="cpu")
    made.max_pixels = max_pixels
    picture = np.zeros((300, 400, 3), np.uint8)
    picture[100:140, 200:240] = 1
    seen = []
    predict = made.backend.predict

    def watch(image, *args, **keywords):
        seen.append(float(image.max()))
        return predict(image, *args, **keywords)

    monkeypatch.setattr(made.backend, "predict", watch)
    for zoom in (1, 1.4):
        made.detect(picture, zoom=zoom)
    brightest = NETWORK_SKY + np.arcsinh(0.5) / 12
    assert max(seen) == pytest.approx(brightest, abs=0.01)  # the cubic's overshoot
