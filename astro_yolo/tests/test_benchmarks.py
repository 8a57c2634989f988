import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def rules():
    """The truth rules of the benchmark, from the repository; an installed package has none."""
    path = FOLDER / "truth_94_1_12.py"
    if not path.is_file():
        pytest.skip("benchmarks/ is only in the repository")
    spec = importlib.util.spec_from_file_location("truth_94_1_12", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def make_truth(rules, galaxies, stars=(), left_out=()):
    """Return a truth on an image of 100 by 100 pixels with 10 nanomaggies at (50, 80)."""
    image = np.zeros((100, 100), dtype=np.float32)
    image[80, 50] = 10.0  # r = 20
    arrays = [np.reshape(np.array(a, dtype=float), (-1, 3)) for a in (galaxies, stars, left_out)]
    return rules.Truth(*arrays, image)


def test_pairs_are_one_to_one(rules):
    """As many pairs as possible are made, and no point is used twice."""
    first = np.array([[0.0, 0.0], [4.0, 0.0]])
    second = np.array([[3.0, 0.0], [8.0, 0.0], [50.0, 0.0]])
    assert rules.one_to_one(first, second, 5).tolist() == [[0, 0], [1, 1]]
    assert len(rules.one_to_one(first, second[:0], 5)) == 0
    assert len(rules.one_to_one(first[:1], second[1:], 5)) == 0


def test_two_detections_on_one_galaxy(rules):
    """Of two detections on one galaxy one is true, the other false if it is bright enough."""
    truth = make_truth(rules, [(50, 78, 19.9)])
    matched = rules.match([50.0, 50.0], [78.0, 80.0], truth)
    assert matched.recall(0, 21) == (1, 1)
    assert matched.precision(0, 21) == (1, 2)
    assert matched.precision(0, 19.5) == (0, 0)


def test_faint_false_detections_do_not_count(rules):
    """A detection on empty sky has no magnitude and is no false one at any limit."""
    matched = rules.match([30.0], [30.0], make_truth(rules, [(70, 30, 19)]))
    assert matched.recall(0, 21) == (0, 1)
    assert matched.precision(0, 25) == (0, 0)


def test_border_and_left_out_objects(rules):
    """Galaxies and detections in the border, and detections on objects left out, count nowhere."""
    truth = make_truth(rules, [(5, 50, 18), (60, 60, 18)], left_out=[(50, 82, 19)])
    matched = rules.match([5.0, 50.0, 60.0], [50.0, 80.0, 60.0], truth)
    assert matched.recall(0, 21) == (1, 1)
    assert matched.precision(0, 21) == (1, 1)


def test_bright_star_as_galaxy(rules):
    """A star returned as a galaxy is a false detection and is counted as a star taken."""
    truth = make_truth(rules, [(20, 20, 18)], stars=[(50, 80, 19.9), (70, 70, 19), (30, 30, 20.5)])
    matched = rules.match([51.0], [80.0], truth)
    assert (matched.stars_taken, matched.bright_stars) == (1, 2)
    assert matched.precision(0, 21) == (0, 1)


def test_aperture_magnitude(rules):
    """Ten nanomaggies within the aperture are magnitude 20; an empty one is infinitely faint."""
    truth = make_truth(rules, [])
    magnitude = rules.aperture_magnitude(truth.image, np.array([50.0, 20]), np.array([80.0, 20]))
    assert magnitude[0] == pytest.approx(20.0)
    assert magnitude[1] > 100


def test_interval_is_jeffreys(rules):
    """The interval is the 95 % one of the Beta(k + 1/2, n - k + 1/2) distribution."""
    from scipy.stats import beta

    share, low, high = rules.rate(9, 10)
    assert share == 0.9
    assert [low, high] == pytest.approx(beta.ppf([0.025, 0.975], 9.5, 1.5), rel=1e-4)
    assert np.isnan(rules.rate(0, 0)).all()


def test_truth_of_the_real_field(rules, shared_data):
    """The numbers of galaxies are those of the catalogue, and its empty entry is left out."""
    truth = rules.load_truth(shared_data)
    everything = np.concatenate([truth.galaxies, truth.left_out])
    assert np.hypot(*(truth.left_out[:, :2] - rules.EMPTY_SKY).T).min() < 0.1
    assert np.hypot(*(truth.galaxies[:, :2] - rules.EMPTY_SKY).T).min() > 5
    assert (truth.galaxies[:, 2] < 20).sum() <= 63 <= (everything[:, 2] < 20).sum()
    # perfect detections score perfectly
    matched = rules.match(truth.galaxies[:, 0], truth.galaxies[:, 1], truth)
    assert matched.recall(0, 21)[0] == matched.recall(0, 21)[1] > 130
    assert matched.precision(0, 21)[0] == matched.precision(0, 21)[1]
    dx, dy = matched.offsets(21)
    assert np.abs([dx, dy]).max() == 0
