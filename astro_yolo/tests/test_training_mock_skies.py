"""Calibration on a field whose faint sources are stood in for by models."""

from functools import partial

import numpy as np
import pytest

from astro_yolo.injection import moffat_kernel
from astro_yolo.stretch import from_network, to_network
from astro_yolo.training import mock_skies
from astro_yolo.training.evaluate import Outcome
from astro_yolo.training.fields import FAINTEST_GALAXY, FAINTEST_STAR, Field
from astro_yolo.training.labels import Sources
from astro_yolo.training.samples import STAR


def make_field(galaxies=60, stars=40, size=600):
    """Return an empty field that claims so many galaxies of r = 20 and stars of r = 18.5."""
    count = galaxies + stars
    flux = np.r_[np.full(galaxies, 10.0), np.full(stars, 10 ** (0.4 * 4))]
    ones = np.ones(count)
    place = np.linspace(20, size - 20, count)
    sources = Sources(place, place, *[ones] * 4, flux, ones, ones, ones)
    boxes = np.stack([place - 5, place - 5, place + 5, place + 5], axis=-1) + 0.5
    kind = np.r_[np.ones(galaxies, int), np.zeros(stars, int)]
    psf = moffat_kernel(3.0)[3:-3, 3:-3]
    noise = np.array([0.015, 0.025, 0.035], np.float32)
    planes = np.zeros((3, size, size), np.float32)
    return Field(planes, noise, sources, boxes, kind, (psf / psf.sum(),) * 3, 3.0)


def test_counts_grow_from_those_of_the_bright():
    """60 galaxies of r 19-20.5 promise 60 (10^9.8 - 10^8.32) / (10^8.2 - 10^7.6) to r = 24.5."""
    found = mock_skies._extrapolated(make_field(), 1, (19.0, 20.5), 0.4, FAINTEST_GALAXY)
    expected = 60 * (10**9.8 - 10 ** (0.4 * 20.8)) / (10**8.2 - 10**7.6)
    assert found == pytest.approx(expected)


def test_mock_objects_are_fainter_than_labels_reach():
    """As many stars and galaxies as the share of the area; none as bright as what has a label."""
    rng = np.random.default_rng(2)
    field = make_field()
    planes = np.zeros((3, 150, 150), np.float32)  # a sixteenth of the field
    boxes, kinds, magnitudes = mock_skies.mock_objects(planes, field, rng)
    stars = mock_skies._extrapolated(field, 0, (17.5, 19.5), 0.1, FAINTEST_STAR) / 16
    assert boxes.shape == (len(kinds), 4)
    assert abs((kinds == STAR).sum() - stars) < 5 * np.sqrt(stars)
    assert planes.sum() > 0
    assert magnitudes[kinds == STAR].min() > FAINTEST_STAR
    assert magnitudes[kinds != STAR].min() > FAINTEST_GALAXY
    seeing = field.psf[1].max()  # of the light of a star in its brightest pixel
    assert planes[1].max() < 1.2 * seeing * 10 ** (0.4 * (22.5 - FAINTEST_STAR))


def test_a_crowded_sky_has_bright_sources_and_more_stars():
    """Three times the stars, from r = 15 on; the galaxies of the field, from r = 17 on."""
    planes, field = np.zeros((3, 150, 150), np.float32), make_field()
    _, kinds, magnitudes = mock_skies.mock_objects(planes, field, np.random.default_rng(2), 3)
    stars = 3 / 16 * 40 * (10**3.675 - 10**2.25) / (10**2.925 - 10**2.625) * (1 + 1 / 40)
    galaxies = 60 / 16 * (10**9.8 - 10**6.8) / (10**8.2 - 10**7.6)
    for found, expected, brightest in (
        (magnitudes[kinds == STAR], stars, 15), (magnitudes[kinds != STAR], galaxies, 17),
    ):  # fmt: skip
        assert abs(len(found) - expected) < 4 * np.sqrt(expected)
        assert brightest <= found.min() < brightest + 5


@pytest.mark.parametrize("way", [{}, {"band": 0}, {"pictures": True}])
def test_a_crowded_sky_is_judged_by_itself(monkeypatch, way):
    """The whole of one mock sky is looked at, with the balance of its own candidates."""
    monkeypatch.setattr(mock_skies, "_SIDE", 160)
    network = _Keeps()
    network.boxes = np.array([[20.0, 20, 30, 30], [90.0, 80, 99, 90]])
    field, rng = make_field(galaxies=1, stars=9), np.random.default_rng(1)
    found = mock_skies.outcome_of_crowded_sky(network, field, rng, 2, **way)
    assert len(found.truth_kind) > 0
    np.testing.assert_allclose(found.balance, [np.log(12 / 10)] * 2)
    (image,) = network.seen
    assert image.shape == (3, 160, 160)
    assert (image == image[0]).all() == ("band" in way)
    assert (len(np.unique(image)) <= 3 * 255 + 1) == ("pictures" in way)


def test_some_stars_have_another_beside_them(monkeypatch):
    """If all do, each has one within two FWHM that is at most 1.5 magnitudes fainter."""
    monkeypatch.setattr(mock_skies, "_PAIRS", 1.0)
    planes = np.zeros((3, 400, 400), np.float32)
    boxes, kinds, magnitudes = mock_skies.mock_objects(
        planes, make_field(galaxies=1, stars=60), np.random.default_rng(4)
    )
    stars = kinds == STAR
    centers = ((boxes[:, :2] + boxes[:, 2:]) / 2)[stars]
    first, second = magnitudes[stars][::2], magnitudes[stars][1::2]
    distance = np.hypot(*(centers[1::2] - centers[::2]).T)
    assert len(first) == len(second) > 5
    assert ((second >= first) & (second <= first + 1.5)).all()
    assert 0.6 * 3.0 < distance.min() < distance.max() < 2.1 * 3.0


class _Finds:
    """A network that finds given boxes, all as galaxies."""

    def __init__(self, boxes):
        self.boxes = np.asarray(boxes, dtype=float)

    def predict(self, _image, _min_score):
        outputs = np.zeros((len(self.boxes), 7))
        outputs[:, 6] = np.linspace(0.9, 0.55, len(self.boxes))
        return self.boxes, outputs


def test_a_field_is_judged_by_its_labels():
    """A labelled galaxy is right, a labelled star wrong, empty sky wrong, the unclear left out."""
    field = make_field(galaxies=2, stars=1)
    field.kind[1] = -1
    middle = (field.boxes[:, :2] + field.boxes[:, 2:]) / 2
    empty = np.array([[300.0, 20.0]])
    middle = np.concatenate([middle, empty])
    network = _Finds(np.concatenate([middle - 5, middle + 5], axis=1))
    found = mock_skies.outcome_of_field(network, field)
    assert found.kind.tolist() == [1, -2, -1, 0]
    assert np.isnan(found.spread).all()  # no star in it
    np.testing.assert_allclose(found.balance, np.log(14 / 10))


class _Keeps(_Finds):
    """The same, which keeps what it saw."""

    def __init__(self):
        super().__init__(np.empty((0, 4)))
        self.seen = []

    def predict(self, image, min_score):
        self.seen.append(image)
        return super().predict(image, min_score)


@pytest.mark.parametrize("pictures", [False, True])
def test_skies_are_seen_as_frames_or_as_pictures(pictures):
    """The field and its mock sky go through 8 bits, grey ones as means of three, if asked to."""
    field = make_field(galaxies=2, stars=2, size=736)
    field.planes[:] = np.random.default_rng(1).normal(0, 0.02, field.planes.shape)
    network = _Keeps()
    mock_skies.outcome_of_sky(network, field, [field], pictures=pictures)
    # once for its sources, once for what is none; three skies of 256 rows above the field, all of
    # it three times, or as frames once more for the stars of its mock sky
    mocks, times = ([(3, 992, 736)] * 3, 3) if pictures else ([(3, 736, 736)] * 2, 1)
    assert [image.shape for image in network.seen] == ([(3, 736, 736)] * 2 + mocks) * times
    levels = [len(np.unique(plane)) for image in network.seen for plane in image]
    assert max(levels) <= 3 * 255 + 1 if pictures else min(levels) > 5000


def test_skies_are_seen_in_one_band():
    """Of the field and its mock sky the network sees the band asked for, by that band's noise."""
    field = make_field(galaxies=2, stars=2, size=736)
    rng = np.random.default_rng(1)
    field.planes[:] = rng.normal(0, 0.02, field.planes.shape)
    network = _Keeps()
    mock_skies.outcome_of_sky(network, field, [field], band=2)
    assert len(network.seen) == 4
    for image in network.seen:
        assert (image == image[0]).all()
    np.testing.assert_array_equal(network.seen[0], to_network(field.planes[[2]]))
    sky = from_network(network.seen[3][0])  # of the mock sky, in units of the noise
    assert np.median(np.abs(sky)) == pytest.approx(0.6745, rel=0.05)


def test_mock_skies_have_the_balance_of_their_field(monkeypatch):
    """A frame would show the bright sources of the field as well: 3 galaxies and no star."""
    field = make_field(galaxies=2, stars=2, size=736)
    nothing = np.empty((0, 4)), np.empty(0, int), np.empty(0)
    monkeypatch.setattr(mock_skies, "mock_objects", lambda *_: nothing)
    network = _Finds([[100, 100, 110, 110], [200, 200, 210, 210], [300, 300, 310, 310]])
    monkeypatch.setattr(mock_skies, "candidates", partial(_less, mock_skies.candidates, []))
    found = mock_skies.outcome_of_mocks(network, field, np.random.default_rng(1))
    assert len(found.kind) == 2
    np.testing.assert_allclose(found.balance, np.log(13 / 10))


def _less(candidates, seen, *arguments):
    """Return one candidate less each time."""
    boxes, outputs = candidates(*arguments)
    seen.append(None)
    return boxes[len(seen) - 1 :], outputs[len(seen) - 1 :]


def test_a_field_trained_on_tells_only_what_is_no_source(monkeypatch):
    """Sources are those of the held-out field, once for each other; the rest is of all fields."""
    held_out, trained = make_field(galaxies=2, stars=1), make_field(galaxies=1, stars=2)
    kinds = {id(held_out): [1, 1, -1, 0], id(trained): [1, -1, -1, 0, 0]}

    def judged(_backend, field, _rng=None, **_):
        kind = np.array(kinds[id(field)])
        return Outcome(np.zeros((len(kind), 7)), kind, np.zeros(len(kind)))

    monkeypatch.setattr(mock_skies, "outcome_of_field", judged)
    monkeypatch.setattr(mock_skies, "outcome_of_mocks", lambda *_, **__: Outcome())
    found = mock_skies.outcome_of_sky(None, held_out, [held_out, trained])
    assert found.kind.tolist() == [1, 1, -1, 0, 1, 1, -1, 0, 0]


def test_sources_of_a_mock_sky_are_held_against_the_stars_of_the_picture(monkeypatch):
    """What was put above the field is judged, by the spread in the picture of both."""
    field = make_field(galaxies=2, stars=2, size=300)
    objects = np.array([[50.0, 60, 60, 70], [50.0, 240, 60, 250], [100.0, 250, 110, 260]])
    kinds, magnitudes = np.array([STAR, 0, 0]), np.array([21.0, 22.0, 23.0])
    monkeypatch.setattr(mock_skies, "mock_objects", lambda *_: (objects, kinds, magnitudes))
    asked = []

    def measure(planes, boxes, outputs):
        asked.append((planes.shape, len(boxes), len(outputs)))
        return np.stack([np.arange(len(boxes)), *np.ones((2, len(boxes)))], axis=1)

    monkeypatch.setattr(mock_skies, "picture_spread", measure)
    # the third object stands on the seam, and the last two boxes where nothing was put
    network = _Finds(np.concatenate([objects, [[50, 100, 60, 110], [50, 400, 60, 410]]]))
    rng = np.random.default_rng(1)
    found = mock_skies._outcome_of_mock_picture(network, field, rng)
    assert asked == [((3, 256 + 300, 300), 5, 5)]
    assert found.kind.tolist() == [-1, 1, 0]
    assert found.spread[:, 0].tolist() == [0, 1, 3]
    np.testing.assert_array_equal(found.magnitude, [21.0, 22.0, np.nan])
    np.testing.assert_allclose(found.balance, np.log(15 / 10))  # of all five
