"""A small data set built from the real fields and cutouts, where they are at hand."""

from functools import partial
from itertools import product

import cv2
import numpy as np
import pytest

from astro_yolo.injection import moffat_kernel
from astro_yolo.network.weights import WEIGHTS, load_weights
from astro_yolo.training import dataset, fields, network_input
from astro_yolo.training.dataset import DatasetRecipe, build_dataset
from astro_yolo.training.fields import FIELDS, frame_paths, load_field
from astro_yolo.training.samples import GALAXY, OBJECTS, STAR, Sample
from astro_yolo.training.ship import DETECTORS


def test_field_94_is_never_trained_on():
    """The benchmark field is the only test field, and one field is held out for validation."""
    splits = {name: rule.split for name, rule in FIELDS.items()}
    assert [name for name, split in splits.items() if split == "test"] == ["94/1/12"]
    assert list(splits.values()).count("val") == 1


def test_saved_samples_read_back(tmp_path):
    """Pixels come back to half a grey level, boxes to a hundredth of a pixel, rows unflipped."""
    for part in ("images/train", "labels/train"):
        (tmp_path / part).mkdir(parents=True)
    image = np.random.default_rng(1).uniform(0, 1, (3, 64, 64)).astype(np.float32)
    sample = Sample(image, np.array([[3.0, 5, 20.5, 30]]), np.array([OBJECTS.index("star")]))
    dataset._save_sample(sample, tmp_path, "train", "a")
    read = cv2.imread(str(tmp_path / "images/train/a.png"))[..., ::-1]
    np.testing.assert_allclose(np.moveaxis(read, -1, 0) / 255, image, atol=0.5 / 255 + 1e-6)
    kind, x, y, width, height = map(float, (tmp_path / "labels/train/a.txt").read_text().split())
    assert kind == OBJECTS.index("star")
    expected = np.array([11.75, 17.5, 17.5, 25]) / 64
    np.testing.assert_allclose([x, y, width, height], expected, atol=1e-5)


def test_an_existing_set_is_not_overwritten(tmp_path):
    """A folder with a data set is left alone unless overwrite=True."""
    (tmp_path / "data.yaml").write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        build_dataset(tmp_path, tmp_path)
    assert (tmp_path / "data.yaml").read_text() == "mine"


def test_a_set_made_anew_holds_nothing_of_the_old_one(tmp_path):
    """With overwrite=True earlier samples are gone: a trainer takes all that it finds."""
    old = [tmp_path / part for part in ("images/train/000007.png", "labels/train/000007.txt")]
    own = tmp_path / "images" / "notes.txt"
    for path in (*old, own):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (tmp_path / "data.yaml").write_text("old")
    measured = [(np.arange(4.0), np.empty((0, 4)))]
    dataset._save_cutouts(tmp_path / "cutouts.npz", [("1", "spiral")], measured)
    sources = "field", "cutout", "deep", "model", "bright"
    nothing = DatasetRecipe(**{f"{source}_samples": 0 for source in sources})
    build_dataset(tmp_path, tmp_path, nothing, overwrite=True)
    assert not any(path.exists() for path in old)
    assert own.exists()


@pytest.fixture(scope="module")
def field(request):
    """The held-out field with its labels."""
    pytest.importorskip("sep", reason="needs the train extra")
    shared = request.getfixturevalue("shared_data")
    return load_field(shared / "sas", "2820/3/122", FIELDS["2820/3/122"])


def test_field_labels_follow_the_sky(field):
    """Stars and galaxies number tens to hundreds, and the seeing is that of SDSS."""
    assert 30 < (field.kind == 1).sum() < 300
    assert 30 < (field.kind == 0).sum() < 400
    assert 2 < field.fwhm < 5
    for kernel in field.psf:
        assert kernel.sum() == pytest.approx(1, abs=1e-4)
        assert np.unravel_index(kernel.argmax(), kernel.shape) == (15, 15)


def test_stars_are_small_and_galaxies_larger(field):
    """A star's box is 2 FWHM wide; half of the galaxies are larger than that by half."""
    side = (field.boxes[:, 2:] - field.boxes[:, :2]).max(axis=1)
    np.testing.assert_allclose(side[field.kind == 0], 2 * field.fwhm, rtol=1e-6)
    assert np.median(side[field.kind == 1]) > 3 * field.fwhm


def test_a_star_of_its_own_has_no_halo_of_noise():
    """As much light of a star 600 times the noise is beyond 5 pixels as of the PSF."""
    rng = np.random.default_rng(4)
    psf = moffat_kernel(2.6, beta=3.0)[1:-1, 1:-1]
    assert psf.shape == (31, 31)
    bright = np.stack([psf + rng.normal(0, 1 / 600, psf.shape) for _ in range(30)])[:, None]
    kernel = fields._stacked(bright)
    stars = fields._clean(bright, kernel)
    outside = fields._radii() > 5
    truth = psf[outside].sum() / psf.sum()
    assert kernel[0][outside].sum() == pytest.approx(truth, abs=0.01)
    assert len(stars) == 24
    for star in stars[:, 0]:
        assert star.sum() == pytest.approx(1, abs=1e-5)
        assert star[outside].sum() == pytest.approx(truth, abs=0.02)


def test_frame_paths_follow_the_archive():
    """The path of a frame is that of the SDSS Science Archive Server."""
    path = frame_paths("sas", "94/1/12")["r"]
    assert path.as_posix().endswith("frames/301/94/1/frame-r-000094-1-0012.fits.bz2")


def test_the_networks_that_the_recipes_need_are_in_the_package():
    """What a training begins with, and whose opinion is heard, can be loaded by name."""
    for name, recipe in DETECTORS.items():
        assert WEIGHTS[name].version == recipe.version
        assert load_weights(recipe.training.start).name == recipe.training.start
        second = recipe.dataset.second_opinion
        assert load_weights(second).name == second


@pytest.mark.parametrize("opinion", ["", "astro-yolo-n4"])
def test_a_second_opinion_is_asked_of_every_field_if_it_is_wanted(monkeypatch, opinion):
    """Each field of the split is read and, with weights named, judged by their network."""
    monkeypatch.setattr(dataset, "load_field", lambda _root, name, _rule: name)
    monkeypatch.setattr(dataset, "load_backend", lambda weights, _kind: weights.name)
    monkeypatch.setattr(dataset, "without_contradicted", lambda field, by: (field, by))
    found, share = dataset.fields_of.__wrapped__("", "train", opinion)
    names = [name for name, rule in FIELDS.items() if rule.split == "train"]
    assert found == ([(name, opinion) for name in names] if opinion else names)
    assert share.sum() == pytest.approx(1)


def test_bright_galaxies_are_added_to_fields_that_have_galaxies(monkeypatch):
    """Not to the cluster and the nebula, which glow, and two times of five to a blank sky."""
    names = [name for name, rule in FIELDS.items() if rule.split == "train"]
    monkeypatch.setattr(dataset, "fields_of", lambda *_: (names, None))
    monkeypatch.setattr(dataset, "_cutouts_by_class", lambda *_: None)
    drawn = {"bright": [], "glow": []}
    sample = Sample(np.zeros((3, 4, 4)), np.empty((0, 4)), np.empty(0, int))
    for source, found in drawn.items():
        monkeypatch.setattr(
            dataset, f"compose_{source}", lambda field, *_, f=found, **__: f.append(field) or sample
        )
        for number in range(500):
            dataset.make_sample((number, source, "train"), data="", out="", recipe=DatasetRecipe())
    assert 0.33 < drawn["bright"].count(None) / 500 < 0.47
    assert set(drawn["bright"]) - {None} == set(names) - {"2583/2/136", "6073/4/63"}
    assert set(drawn["glow"]) == {"2583/2/136", "6073/4/63"}


def test_clusters_and_star_fields_are_sources_of_their_own(monkeypatch):
    """Crops of the two fields without galaxies, and skies that are all stars."""
    names = [name for name, rule in FIELDS.items() if rule.split == "train"]
    monkeypatch.setattr(dataset, "fields_of", lambda *_: (names, None))
    monkeypatch.setattr(dataset, "_cutouts_by_class", lambda *_: None)
    drawn, sample = [], Sample(np.zeros((3, 4, 4)), np.empty((0, 4)), np.empty(0, int))
    monkeypatch.setattr(
        dataset, "compose_field", lambda field, *_, **__: drawn.append(field) or sample
    )
    for number in range(20):
        dataset.make_sample((number, "cluster", "train"), data="", out="", recipe=DatasetRecipe())
    assert set(drawn) == {"2583/2/136", "6073/4/63"}
    stars = dataset.make_sample((0, "stars", "train"), data="", out="", recipe=DatasetRecipe())
    assert (stars.kinds == STAR).sum() > (stars.kinds == GALAXY).sum()


def test_harsh_samples_are_pictures(monkeypatch):
    """All of them, half of doubled contrast; of fields, model skies and bright galaxies."""
    monkeypatch.setattr(dataset, "fields_of", lambda *_: ([None], [1.0]))
    monkeypatch.setattr(dataset, "_cutouts_by_class", lambda *_: None)
    monkeypatch.setattr(dataset, "_one_of", lambda *_, **__: None)
    planes, stretches, drawn = np.ones((3, 8, 8)), [], []
    to_rgb = network_input.to_rgb

    def look(*_, size, rescaled_share=0.0, source, **how):
        drawn.append(source)
        image = network_input.to_input(planes, np.ones(3), np.random.default_rng(len(drawn)), **how)
        return Sample(image, np.empty((0, 4)), np.empty(0, int))

    def convert(channels, stretch):
        stretches.append(stretch)
        return to_rgb(channels, stretch)

    monkeypatch.setattr(network_input, "to_rgb", convert)
    for source in ("field", "model_sky", "bright"):
        monkeypatch.setattr(dataset, f"compose_{source}", partial(look, source=source))
    for number in range(400):
        dataset.make_sample((number, "harsh", "train"), data="", out="", recipe=DatasetRecipe())
    assert len(stretches) == 400
    doubled = sum(name.endswith("_high") for name in stretches)
    assert 0.4 < doubled / 400 < 0.6
    shares = [drawn.count(source) / 400 for source in ("field", "model_sky", "bright")]
    np.testing.assert_allclose(shares, [0.5, 0.25, 0.25], atol=0.07)


def test_recipe_plan_is_fixed_and_complete():
    """Every sample has its own number, and every source is in both splits."""
    recipe = DatasetRecipe(
        field_samples=50, cutout_samples=25, deep_samples=25, model_samples=25, bright_samples=25
    )
    plan = dataset._plan(recipe)
    assert [number for number, *_ in plan] == list(range(len(plan)))
    assert len(plan) == 50 + 2 + 4 * (25 + 1)
    sources = "field", "cutout", "deep", "model", "bright"
    assert {tuple(job[1:]) for job in plan} == set(product(sources, ("train", "val")))
