"""A detector in other processes."""

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from astro_yolo.detection import Detector
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
