"""Training samples made from a simulated field and a simulated cutout."""

from dataclasses import replace

import numpy as np
import pytest

from astro_yolo.injection import add_stamp, moffat_kernel
from astro_yolo.training import compose, network_input
from astro_yolo.training.fields import Field
from astro_yolo.training.labels import Sources
from astro_yolo.training.samples import GALAXY, IGNORE, OBJECTS, STAR, UNKNOWN

SIZE = 160


def make_field(kinds=(1, 0, -1, -2)):
    """Return a field of noise with one labelled source of each kind, 40 pixels apart."""
    rng = np.random.default_rng(11)
    noise = np.array([0.01, 0.02, 0.03], np.float32)
    planes = rng.normal(0, 1, (3, SIZE, SIZE)).astype(np.float32) * noise[:, None, None]
    psf = moffat_kernel(3.0)[3:-3, 3:-3]
    psf /= psf.sum()
    x = np.array([20.0, 60, 100, 140])[: len(kinds)]
    for plane in planes:
        for place in x:
            add_stamp(plane, 20 * psf, int(place), 80)
    ones = np.ones(len(x))
    sources = Sources(x, 80 * ones, *[ones] * 8)
    half = np.array([12, 4, 6, 6])[: len(kinds), None]
    boxes = np.stack([x, 80 * ones, x, 80 * ones], axis=-1) + 0.5 + half * [-1, -1, 1, 1]
    return Field(planes, noise, sources, boxes, np.array(kinds), (psf,) * 3, 3.0)


def make_stamp(_rng):
    """Return a bright round elliptical of 60 pixels in the middle of its stamp."""
    y, x = np.indices((91, 91)) - 45
    light = np.exp(-np.hypot(x, y) / 8).astype(np.float32)
    box = np.array([15.5, 15.5, 75.5, 75.5])
    return "elliptical", np.stack([light, light * 0.6, light * 0.3]), box


@pytest.fixture
def quiet(monkeypatch):
    """Add nothing at random: everything lands outside the sample."""
    outside = np.full(4, -9.0), IGNORE
    for name in ("add_sersic", "_add_galaxy_zoo"):
        monkeypatch.setattr(compose, name, lambda *_args: outside)
    monkeypatch.setattr(compose, "add_stars", lambda *_args: [outside])
    monkeypatch.setattr(compose, "add_artefacts", lambda *_args: None)
    monkeypatch.setattr(network_input, "_PICTURE_SHARE", 0.0)


def test_labels_of_the_field_keep_their_kinds(quiet):
    """A galaxy of unknown type, a star and an ignored source are labelled, an artefact is not."""
    sample = compose.compose_field(make_field(), make_stamp, np.random.default_rng(1), size=SIZE)
    assert sorted(sample.kinds.tolist()) == sorted([GALAXY, STAR, IGNORE])
    star = sample.boxes[sample.kinds == STAR][0]
    np.testing.assert_allclose(star, [56.5, 76.5, 64.5, 84.5])


def test_the_brightest_pixel_of_a_star_is_in_the_middle_of_its_box(quiet):
    """Box edges and pixels agree: the peak at pixel (60, 80) has the box centre at (60.5, 80.5)."""
    rng = np.random.default_rng(2)
    sample = compose.compose_field(make_field((1, 0)), make_stamp, rng, size=SIZE)
    x0, y0, x1, y1 = sample.boxes[sample.kinds == STAR][0]
    assert ((x0 + x1) / 2, (y0 + y1) / 2) == (60.5, 80.5)
    part = sample.image[1, 70:90, 50:70]
    assert np.unravel_index(part.argmax(), part.shape) == (10, 10)


def test_small_galaxies_are_unknown(quiet):
    """A field galaxy below 15 pixels has no type to learn."""
    field = make_field((1,))
    field.boxes[0] = [14, 74, 27, 87]
    sample = compose.compose_field(field, make_stamp, np.random.default_rng(1), size=SIZE)
    assert sample.kinds.tolist() == [UNKNOWN]


@pytest.mark.parametrize("seed", range(5))
def test_added_objects_are_inside_and_repeatable(seed):
    """Boxes lie in the sample, kinds are known, and the same seed gives the same sample."""
    made = [
        compose.compose_field(make_field(), make_stamp, np.random.default_rng(seed), size=SIZE)
        for _ in range(2)
    ]
    np.testing.assert_array_equal(made[0].image, made[1].image)
    np.testing.assert_array_equal(made[0].boxes, made[1].boxes)
    sample = made[0]
    assert sample.image.shape == (3, SIZE, SIZE)
    assert np.isfinite(sample.image).all()
    assert sample.boxes.min() >= 0
    assert sample.boxes.max() <= SIZE
    assert set(sample.kinds) <= set(range(len(OBJECTS)))
    assert len(sample.kinds) > 3


def test_added_galaxy_brightens_its_own_box():
    """Its light falls inside the box that is returned; it has its type if it can be seen."""
    for seed in range(8):
        field, rng = make_field(()), np.random.default_rng(seed)
        planes = field.planes.copy()
        label, stamp, place = make_stamp(None)
        box, kind = compose._add_galaxy_zoo(planes, (label, stamp, place), field, rng)
        assert OBJECTS[kind] == ("elliptical" if box[2] - box[0] >= 15 else "unknown")
        faint = label, 1e-6 * stamp, place
        assert compose._add_galaxy_zoo(planes.copy(), faint, field, rng)[1] == IGNORE
        light = (planes - field.planes)[1]
        y, x = np.indices(light.shape) + 0.5
        inside = (x > box[0]) & (x < box[2]) & (y > box[1]) & (y < box[3])
        assert light[inside].sum() > 0.8 * light.sum()


def test_turned_boxes_follow_the_image():
    """A box turned by quarters holds the same pixels as the image turned by numpy.rot90."""
    image = np.zeros((20, 30))
    image[3:7, 5:15] = 1
    for turns in range(4):
        x0, y0, x1, y1 = compose._turned(np.array([5, 3, 15, 7]), image.shape, turns)
        turned = np.rot90(image, turns)
        assert turned[y0:y1, x0:x1].sum() == turned.sum() == 40


def test_cutout_mosaics_keep_boxes_on_their_galaxies():
    """Whatever the zoom and the mosaic, the galaxy's light is centred in its box."""
    picture = np.full((120, 120, 3), 5, np.uint8)
    y, x = np.indices((120, 120)) - 59.5
    picture[np.hypot(x, y) < 20] = 200
    rng = np.random.default_rng(9)
    picture += rng.integers(0, 3, picture.shape, dtype=np.uint8)

    def pick(_rng):
        return "spiral", picture, np.array([40.0, 40, 80, 80]), np.empty((0, 4)), True

    for seed in range(6):
        sample = compose.compose_cutouts(pick, np.random.default_rng(seed), size=SIZE)
        for box, kind in zip(sample.boxes, sample.kinds, strict=True):
            if kind == IGNORE:
                continue
            x0, y0, x1, y1 = box.round().astype(int)
            inside = sample.image[1, y0:y1, x0:x1]
            # a disc fills pi / 4 of its box; the corners are sky
            assert np.median(inside) > inside[:2, :2].mean() + 0.1


def test_what_is_no_galaxy_is_background():
    """A cutout with a star or an artefact in its middle has only its other sources, ignored."""
    picture = np.random.default_rng(1).integers(3, 9, (120, 120, 3), dtype=np.uint8)
    others = np.array([[10.0, 10, 20, 20]])

    def pick(_rng):
        return "none", picture, np.full(4, np.nan), others, False

    sample = compose.compose_cutouts(pick, np.random.default_rng(3), size=SIZE)
    assert set(sample.kinds) <= {IGNORE}
    assert np.isfinite(sample.boxes).all()


def test_other_pixel_scales_keep_boxes_on_their_sources(quiet, monkeypatch):
    """A crop resampled to other pixels has its star in its box, and the noise of its pixels."""
    field = make_field((0,))
    for side in (110, 160):
        monkeypatch.setattr(compose, "_crop_side", lambda *_args, side=side: side)
        monkeypatch.setattr(compose, "_corner", lambda *_args: np.array([0, 0]))
        monkeypatch.setattr(
            compose, "to_input", lambda planes, noise, _rng, **_: planes / noise.mean()
        )
        sample = compose.compose_field(field, make_stamp, np.random.default_rng(1), size=128)
        x, y = np.array([20.5, 80.5]) * 128 / side
        box = sample.boxes[0]
        np.testing.assert_allclose([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], [x, y])
        peak = np.unravel_index(sample.image[1].argmax(), (128, 128))
        np.testing.assert_allclose(peak[::-1], [x - 0.5, y - 0.5], atol=1.0)
        # half of the pixels, or those between, share noise: less of it than in the field
        assert np.median(np.abs(sample.image[1])) < 1.2


def test_crops_are_drawn_towards_large_galaxies():
    """A crop holds the middle of a galaxy of 60 pixels more often than chance puts it there."""
    field = make_field()
    field.boxes[0] = [100, 100, 160, 160]
    small = 40
    inside = 0
    for seed in range(200):
        x, y = compose._corner(field, np.random.default_rng(seed), small)
        assert min(x, y) >= 0
        assert max(x, y) <= SIZE - small
        inside += (x < 130 < x + small) and (y < 130 < y + small)
    # by chance (30 / 121)^2, a sixteenth; the pull adds a fifth
    assert inside > 30


def test_mostly_hidden_objects_are_ignored():
    """An object of which less than 45 % is in the sample is neither object nor background."""
    boxes = np.array([[-60.0, 10, 30, 50], [-10.0, 60, 30, 90], [-5.0, 100, 1, 120]])
    whole = compose.Sample(np.zeros((3, SIZE, SIZE)), boxes, np.array([0, 1, 2]))
    sample = compose.clip_sample(whole, SIZE)
    assert sample.kinds.tolist() == [IGNORE, 1]
    assert sample.boxes[:, 0].tolist() == [0, 0]


def test_half_of_the_crops_have_the_psf_of_one_place():
    """What is added to a crop is seen through the field's mean PSF, or through one of its stars."""
    field = make_field()
    assert compose.with_psf_of_a_star(field, np.random.default_rng(1)) is field
    stars = np.stack([np.stack(field.psf)] * 3) * np.arange(1, 4)[:, None, None, None]
    starry = replace(field, stars=stars)
    places = [compose.with_psf_of_a_star(starry, np.random.default_rng(k)) for k in range(60)]
    assert 15 < sum(place is starry for place in places) < 45
    found = {round(float(np.sum(place.psf[1]))) for place in places}
    assert found == {1, 2, 3}
