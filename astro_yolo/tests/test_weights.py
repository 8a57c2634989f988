"""Tests of reading and checking weight files."""

import json

import numpy as np
import pytest

from astro_yolo.exceptions import WeightsError
from astro_yolo.image import read_image
from astro_yolo.network import weights as weights_module
from astro_yolo.network.weights import WEIGHTS, WeightsEntry, load_weights, registry_entry
from astro_yolo.tests import blob_network

METADATA = blob_network.METADATA


def length_delimited(number, content):
    """One Protocol Buffers field of bytes, for contents below 128 times 128."""
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
    return bytes([number << 3 | 2]) + length + content


def write_onnx(path, metadata, key="astro_yolo"):
    """Write a file that has an ONNX file's metadata and nothing else."""
    text = metadata if isinstance(metadata, str) else json.dumps(metadata)
    entry = length_delimited(1, key.encode()) + length_delimited(2, text.encode())
    path.write_bytes(b"\x08\x08" + length_delimited(14, entry))
    return path


def test_metadata_are_read_without_a_runtime():
    """Name, stride, ranges and thresholds come from the file itself."""
    weights = load_weights(blob_network.PATH)
    assert weights.metadata == METADATA
    assert (weights.name, weights.stride, weights.default_score) == ("blobs", 16, 0.5)
    assert weights.pixel_scale == (0.2, 0.8)
    assert weights.size == (4, 320)


def test_blob_network_is_what_its_source_says():
    """The binary test file is the one that its script builds."""
    pytest.importorskip("onnx", reason="building the test network needs onnx (extra train)")
    import onnx

    assert onnx.load(blob_network.PATH).graph == blob_network.build().graph


@pytest.mark.parametrize(
    ("purity", "score"), [(0.8, 0.3), (0.85, 0.4), (0.9, 0.5), (0.94, 0.7), (0.98, 0.9)]
)
def test_score_for_purity(purity, score):
    """The score is interpolated in the table of the validation set."""
    assert load_weights(blob_network.PATH).score_for_purity(purity) == pytest.approx(score)


def test_purity_never_falls_with_score(tmp_path):
    """A dip in the measured table does not make a higher score promise less."""
    table = [[0.2, 0.6], [0.4, 0.8], [0.6, 0.75], [0.8, 0.9]]
    metadata = {**METADATA, "thresholds": {"default": 0.5, "purity": table}}
    weights = load_weights(write_onnx(tmp_path / "dip.onnx", metadata))
    assert weights.score_for_purity(0.8) == pytest.approx(0.4)
    assert weights.score_for_purity(0.85) == pytest.approx(0.7)


def test_every_kind_of_image_has_its_own_purity(tmp_path):
    """Pictures and images of one band have tables of their own; others take that of frames."""
    own = {"band": [[0.4, 0.6], [0.8, 0.9]], "pictures": [[0.2, 0.6], [0.6, 0.9]]}
    thresholds = METADATA["thresholds"] | {"purity_of": own}
    weights = load_weights(write_onnx(tmp_path / "own.onnx", METADATA | {"thresholds": thresholds}))
    plane = np.zeros((8, 9), np.float32)
    wanted = {
        "frames": (dict.fromkeys("gri", plane), 0.5),
        "band": (plane, 0.8),
        "pictures": (np.zeros((8, 9, 3), np.uint8), 0.6),
    }
    for image, score in wanted.values():
        assert weights.score_for_purity(0.9, read_image(image)) == pytest.approx(score)
        old = load_weights(blob_network.PATH).score_for_purity(0.9, read_image(image))
        assert old == pytest.approx(0.5)


@pytest.mark.parametrize("purity", [0.79, 0.99, -1, float("nan")])
def test_purity_outside_the_table(purity):
    """A purity that was never measured is refused, with the range that was."""
    with pytest.raises(ValueError, match=r"min_purity must be within 0.8..0.98"):
        load_weights(blob_network.PATH).score_for_purity(purity)


def test_no_purity_table(tmp_path):
    """Weights without a purity table say so."""
    path = write_onnx(tmp_path / "a.onnx", {**METADATA, "thresholds": {"default": 0.5}})
    with pytest.raises(ValueError, match="do not have"):
        load_weights(path).score_for_purity(0.9)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"stretch": "other-2"}, "stretch must be 'asinh-noise-1'.*got 'other-2'"),
        ({"outputs": ["galaxy"]}, "outputs must be"),
        ({"stride": 0}, "stride must be a positive integer"),
        ({"thresholds": {}}, "thresholds"),
        ({"thresholds": {"default": 3}}, "default threshold must be in 0..1"),
        ({"pixel_scale": [1, 0.5]}, r"pixel_scale must be \[low, high\]"),
        ({"calibration": {"temperature": -1}}, "temperature must be positive"),
    ],
)
def test_metadata_that_do_not_fit(tmp_path, change, rule):
    """Weights made for another version are refused, naming file and rule."""
    path = write_onnx(tmp_path / "odd.onnx", METADATA | change)
    with pytest.raises(WeightsError, match=f"odd.onnx.*{rule}"):
        load_weights(path)


@pytest.mark.parametrize("key", ["name", "license", "thresholds"])
def test_missing_metadata(tmp_path, key):
    """A missing entry is named."""
    rest = {name: value for name, value in METADATA.items() if name != key}
    with pytest.raises(WeightsError, match=f"must have {key}"):
        load_weights(write_onnx(tmp_path / "a.onnx", rest))


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"SIMPLE  =                    T", "must be an ONNX file"),
        (b"", "must carry the metadata 'astro_yolo'"),
        (b"\xff" * 30, "must be an ONNX file"),
        (b"\x72", "must be an ONNX file"),
    ],
)
def test_not_an_onnx_file(tmp_path, content, rule):
    """Another kind of file, an empty one and a truncated one are refused."""
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=rule):
        load_weights(path)


@pytest.mark.parametrize(("text", "rule"), [("{", "must be JSON"), ("[]", "must be a JSON object")])
def test_metadata_that_are_no_object(tmp_path, text, rule):
    """Metadata that are not a JSON object are refused."""
    with pytest.raises(WeightsError, match=rule):
        load_weights(write_onnx(tmp_path / "a.onnx", text))


def test_unknown_name():
    """A name that is neither registered nor a file is refused with the choice."""
    with pytest.raises(WeightsError, match=r"model must be one of .*got 'nonesuch'"):
        load_weights("nonesuch")


def test_pt_needs_its_metadata(tmp_path):
    """A .pt file is read only for its checksum; its metadata stand beside it."""
    path = tmp_path / "mine.pt"
    path.write_bytes(b"not even a pickle")
    with pytest.raises(WeightsError, match=r"mine.json, which is missing;.* makes an .onnx"):
        load_weights(path)
    (tmp_path / "mine.json").write_text(json.dumps(METADATA))
    assert load_weights(path).name == "blobs"


def test_checksum(tmp_path, monkeypatch):
    """A registered file is loaded by name, and refused once a single byte differs."""
    path = tmp_path / "net.onnx"
    path.write_bytes(blob_network.PATH.read_bytes())
    entry = WeightsEntry(**registry_entry(path, "for a test"))
    assert (entry.file, entry.license, entry.version) == ("net.onnx", "BSD-3-Clause", "1")
    monkeypatch.setattr(weights_module, "_FOLDER", tmp_path)
    monkeypatch.setitem(WEIGHTS, "net", entry)
    assert load_weights("net").sha256 == entry.sha256
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(WeightsError, match="must have SHA-256"):
        load_weights("net")
    path.unlink()
    with pytest.raises(WeightsError, match="not installed"):
        load_weights("net")


def test_shipped_weights():
    """Every registered file is in the package, intact, and under the licence it is listed with."""
    assert "default" in WEIGHTS
    for name, entry in WEIGHTS.items():
        weights = load_weights(name)
        assert weights.metadata["license"] == entry.license
        assert str(weights.metadata["version"]) == entry.version
