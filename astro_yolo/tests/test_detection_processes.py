"""A detector in other processes."""

import copy
import pickle
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from astropy.io import fits

from astro_yolo import _fits_input, image
from astro_yolo.detection import Detector
from astro_yolo.image import read_image
from astro_yolo.tests.planted import MODEL, plant


def test_a_pickled_detector_finds_the_same():
    """It keeps model, device, backend and max_pixels, and loads the network at its first use."""
    detector = Detector(MODEL, backend="onnxruntime", device="cpu")
    detector.max_pixels = 123_456
    image = plant((120, 300), [(50, 80), (200, 30)])
    expected = detector.detect(image)
    again = pickle.loads(pickle.dumps(detector))
    assert repr(again) == repr(detector)
    assert again.max_pixels == 123_456
    assert again._backend is None
    assert detector._backend is not None  # what is loaded here stays
    found = again.detect(image)
    assert found.meta == expected.meta
    assert np.array_equal(found["x"], expected["x"])


def test_a_process_pool_takes_a_detector():
    """The method of a detector can be mapped over images in other processes."""
    detector = Detector(MODEL, backend="onnxruntime", device="cpu")
    images = [plant((120, 300), [(50 + 20 * k, 80)]) for k in range(2)]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        tables = list(pool.map(detector.detect, images))
    assert [len(table) for table in tables] == [1, 1]
    np.testing.assert_allclose([t["x"][0] for t in tables], [50, 70], atol=0.05)


def test_detectors_that_a_process_is_sent_share_a_network():
    """A pool sends one for each image: the network is loaded once, by the first."""
    detector = Detector(MODEL, backend="onnxruntime", device="cpu")
    first, second = (pickle.loads(pickle.dumps(detector)) for _ in range(2))
    assert second.backend is first.backend
    assert first.backend is not detector.backend
    first.max_pixels = 1000
    assert second.max_pixels == detector.max_pixels


def test_a_new_weight_file_is_read_again(tmp_path):
    """A detector that is sent after its weight file was replaced has the new network."""
    path = shutil.copy(MODEL, tmp_path / "mine.onnx")
    detector = Detector(path, backend="onnxruntime", device="cpu")
    first = pickle.loads(pickle.dumps(detector))
    before = first.backend
    with path.open("ab") as stream:  # an empty doc_string, at another place: the same network
        stream.write(bytes([0x32, 0]))
    second = pickle.loads(pickle.dumps(detector))
    assert second.weights.sha256 != first.weights.sha256
    assert second.backend is not before


def test_an_image_can_be_sent_after_detection():
    """An image that was worked on can be pickled and copied, with its checksums."""
    detector = Detector(MODEL, backend="onnxruntime", device="cpu")
    given = read_image(plant((120, 300), [(50, 80)]))
    expected = detector.detect(given)
    for again in (pickle.loads(pickle.dumps(given)), copy.deepcopy(given)):
        assert detector.detect(again).meta == expected.meta


def test_a_large_compressed_image_can_be_sent(tmp_path, monkeypatch):
    """An image whose tiles are decoded as they are needed is read from its file elsewhere."""
    monkeypatch.setattr(_fits_input, "_BIG", 100)
    monkeypatch.setattr(image, "_MEMORY_PIXELS", 100)
    plane = plant((120, 300), [(50, 80)]).astype(np.int16)
    path = tmp_path / "a.fits.fz"
    fits.CompImageHDU(plane).writeto(path)
    given = read_image(path)
    assert given.is_lazy
    again = pickle.loads(pickle.dumps(given))
    np.testing.assert_array_equal(again.window(3, 90, 7, 200)[0][0], plane[3:90, 7:200])
