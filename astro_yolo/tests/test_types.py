"""The second network, which tells the types of large galaxies."""

from types import SimpleNamespace

import numpy as np
import pytest

from astro_yolo import Detector
from astro_yolo.catalog import CLASSES
from astro_yolo.exceptions import WeightsError
from astro_yolo.network import types
from astro_yolo.network.types import TypeClassifier, calibrated_types
from astro_yolo.network.weights import load_weights
from astro_yolo.stretch import NETWORK_SKY, to_network


@pytest.fixture(scope="module")
def classifier():
    """The network in the package."""
    return TypeClassifier(load_weights().types)


def disc(axis_ratio, seed=0):
    """Return a noisy exponential disc, 60 pixels across, in network units, and its box."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((200, 200)) - 100
    radius = np.hypot(columns, rows / axis_ratio)
    light = 40 * np.exp(-radius / 9) + rng.normal(0, 1, (3, 200, 200))
    half_y = 30 * axis_ratio
    return to_network(light.astype(np.float32)), np.array([[70.5, 100.5 - half_y, 130.5,
                                                            100.5 + half_y]])


def test_probabilities_sum_to_one(classifier):
    """Each row is a probability over the five classes, for any number of galaxies."""
    planes, box = disc(0.5)
    for count in (0, 1, 130):
        found = classifier.probabilities(planes, np.repeat(box, count, axis=0))
        assert found.shape == (count, len(CLASSES))
        np.testing.assert_allclose(found.sum(axis=1), 1)


def test_a_thin_disc_is_edge_on_and_a_round_one_is_not(classifier):
    """A disc of axis ratio 0.15 is called edge-on, a round one not, however they are turned."""
    for turns in range(4):
        for ratio, is_edge_on in ((0.15, True), (1.0, False)):
            planes, box = disc(ratio, seed=turns)
            planes = np.rot90(planes, turns, axes=(1, 2))
            if turns % 2:
                box = box[:, [1, 0, 3, 2]]
            label = CLASSES[classifier.probabilities(planes, box)[0].argmax()]
            assert (label == "edge_on") == is_edge_on


def test_calibration_is_a_weighted_softmax():
    """Odds between two classes are exp of the difference over temperature, times the weights."""
    logits, prior = np.array([[2.0, 0, 0, 0, 0]]), np.array([1.0, 3, 1, 1, 1])
    found = calibrated_types(logits, 2.0, prior)[0]
    assert found[0] / found[1] == pytest.approx(np.e / 3)
    assert found[2] / found[0] == pytest.approx(1 / np.e)


def test_small_galaxies_are_left_to_the_first_network(classifier):
    """A box is asked about from the size on that the file states."""
    side = np.array([classifier.smallest - 0.1, classifier.smallest])
    boxes = np.stack([0 * side, 0 * side, side, side / 3], axis=1)
    assert classifier.suits(np.full((3, 40, 40), NETWORK_SKY), boxes).tolist() == [False, True]


@pytest.mark.parametrize(("light", "suited"), [(13.0, False), (13.4, True)])
def test_bright_galaxies_show_a_type_in_fewer_pixels(classifier, light, suited):
    """130 pixels with 150 / sqrt(130) = 13.16 times the noise each are 150 times theirs."""
    planes = to_network(np.full((3, 40, 40), light, np.float32), levels=[(0.0, 1.0)] * 3)
    box = np.array([[4.0, 5, 17, 15]])
    assert classifier.smallest == 20
    assert classifier.suits(planes, box).tolist() == [suited]
    assert not classifier.suits(planes, box - [0, 0, 0.1, 0]).any()


def test_detections_carry_the_second_networks_types():
    """detect() returns, for a large galaxy, the probabilities of the second network."""
    rng = np.random.default_rng(4)
    rows, columns = np.indices((240, 320)).astype(float)
    light = 60 * np.exp(-np.hypot(columns - 150, (rows - 120) / 0.8) / 6)
    bands = rng.normal(0, 1, (3, 240, 320)) + light
    detector = Detector(backend="onnxruntime")
    table = detector.detect(bands.astype(np.float32))
    row = table[np.hypot(table["x"] - 150, table["y"] - 120).argmin()]
    box = np.array([[row[f"{side}"] for side in ("xmin", "ymin", "xmax", "ymax")]]) + 0.5
    expected = detector.classifier.probabilities(to_network(bands.astype(np.float32)), box)[0]
    found = [row[f"p_{name}"] for name in CLASSES]
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_a_file_without_the_metadata_is_refused(tmp_path):
    """The first network's own file is no network of types."""
    with pytest.raises(WeightsError, match=r"temperature, prior and smallest|classes must be"):
        TypeClassifier(load_weights().path)
    empty = tmp_path / "empty.onnx"
    empty.write_bytes(b"")
    with pytest.raises(WeightsError, match="must carry the metadata"):
        TypeClassifier(empty)


@pytest.mark.parametrize("shape", [["n", 3, "h", "w"], ["n", 3, 48, 64], ["n", 3]])
def test_a_network_without_one_size_of_stamps_is_refused(shape):
    """What does not take square stamps of a fixed size cannot be asked."""
    session = SimpleNamespace(get_inputs=lambda: [SimpleNamespace(shape=shape)])
    with pytest.raises(WeightsError, match="square stamps of a fixed size"):
        types._stamp_size("x.onnx", session)


def test_a_missing_network_of_types_is_named(monkeypatch, tmp_path):
    """If the package's second file is damaged, the error names it."""
    from astro_yolo.network import weights

    broken = tmp_path / "x.onnx"
    broken.write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="the file is damaged"):
        weights._checked_sha256(broken, "0" * 64)
    with pytest.raises(WeightsError, match="missing"):
        weights._checked_sha256(tmp_path / "none.onnx", "0" * 64)


def test_sky_alone_is_unknown(classifier):
    """Where there is nothing to see, the type is unknown."""
    planes = np.full((3, 100, 100), NETWORK_SKY, np.float32)
    found = classifier.probabilities(planes, np.array([[20.0, 20, 60, 60]]))[0]
    assert CLASSES[found.argmax()] == "unknown"


def test_a_large_galaxy_and_its_mirror_image_have_the_same_type(classifier):
    """From 80 pixels on the type does not depend on how the galaxy is turned or wound."""
    y, x = (np.indices((140, 140)) - 69.5) / 20
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    arms = np.exp(-radius) * (1 + 0.8 * np.cos(2 * angle - 4 * np.log(radius + 0.1)))
    planes = np.stack([0.125 + 0.4 * arms * tone for tone in (1, 0.9, 0.7)]).astype(np.float32)
    boxes = np.array([[30.0, 30, 110, 110]])
    found = [
        classifier.probabilities(np.ascontiguousarray(view), boxes)
        for view in (planes, planes[..., ::-1], np.rot90(planes, axes=(1, 2)))
    ]
    np.testing.assert_allclose(found[1], found[0], atol=1e-4)
    np.testing.assert_allclose(found[2], found[0], atol=1e-4)
