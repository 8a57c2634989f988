"""Galaxy Zoo cutouts: labels, split, linearisation and boxes."""

import numpy as np
import pytest

from astro_yolo.exceptions import ImageError
from astro_yolo.training.cutouts import (
    _central,
    linearise,
    measure_cutout,
    read_labels,
    read_picture,
    split_of,
)


def picture_of(galaxies, size=423, seed=4):
    """Return a colour picture of exponential discs (x, y, scale length, axis ratio) on noise."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((size, size))
    light = rng.normal(6, 2, (size, size))
    for gx, gy, scale, ratio in galaxies:
        radius = np.hypot(x - gx, (y - gy) / ratio) / scale
        light += 150 * np.exp(-radius)
    return np.repeat(np.clip(light, 0, 255)[..., None], 3, axis=2).astype(np.uint8)


def test_labels_join_the_senses_of_winding_and_leave_doubt_out(tmp_path):
    """Both windings are spirals; "dont_know" is not a class."""
    path = tmp_path / "labels.csv"
    path.write_text("dr7_objid,gz1_class\n1,spiral_cw\n2,spiral_acw\n3,dont_know\n4,merger\n")
    assert read_labels(path) == [(1, "spiral"), (2, "spiral"), (4, "merger")]


def test_what_is_no_cutout_is_named(tmp_path):
    """A picture that is missing or damaged, and labels under other names."""
    (tmp_path / "1.jpeg").write_text("no picture")
    for name in ("1.jpeg", "2.jpeg"):
        with pytest.raises(ImageError, match=f"{name} must be a picture, and cannot be read"):
            read_picture(tmp_path / name)
    (tmp_path / "labels.csv").write_text("objid,gz1_class\n1,merger\n")
    with pytest.raises(ValueError, match=r"labels.csv must have the columns dr7_objid and gz1_"):
        read_labels(tmp_path / "labels.csv")


def test_split_goes_by_run():
    """All cutouts of one SDSS run are on one side; about a fifth of the runs is held out."""
    base = 587722952767439450
    assert split_of(base) == split_of(base ^ 0xFFFF)
    runs = [split_of(run << 32) for run in range(94, 8162)]
    assert runs.count("val") / len(runs) == pytest.approx(0.2, abs=0.02)


def test_linearise_undoes_the_asinh():
    """A picture made with the forward formula comes back within the 8-bit steps."""
    flux = np.array([0.02, 0.05, 0.1])  # i = r = g, nanomaggies a pixel
    weighted = flux[:, None] * np.array([5, 6.5, 9])
    total = weighted.sum(axis=1, keepdims=True)
    picture = 255 * weighted * np.arcsinh(1.6 * total) / (1.6 * total)
    got = linearise(np.round(picture)[None].astype(np.uint8))
    np.testing.assert_allclose(got[:, 0], np.tile(flux, (3, 1)), rtol=0.03)


def test_middle_galaxy_is_boxed_and_neighbours_are_listed():
    """The box is centred on the middle galaxy and flat as it is; the neighbour is another box."""
    pytest.importorskip("sep", reason="needs the train extra")
    picture = picture_of([(211, 211, 14, 0.4), (60, 330, 8, 1)])
    box, others = measure_cutout(picture, "edge_on")
    x0, y0, x1, y1 = box
    np.testing.assert_allclose([(x0 + x1) / 2, (y0 + y1) / 2], 211.5, atol=1)
    assert (y1 - y0) / (x1 - x0) == pytest.approx(0.45, abs=0.1)
    assert any((o[0] < 60 < o[2]) and (o[1] < 330 < o[3]) for o in others)


def test_a_merger_is_one_box_round_both_nuclei():
    """Two nuclei in one envelope get one box, about as far out as those of each alone."""
    pytest.importorskip("sep", reason="needs the train extra")
    nuclei = (196, 209, 9, 1), (226, 213, 9, 1)
    box, others = measure_cutout(picture_of(nuclei), "merger")
    alone = [measure_cutout(picture_of([nucleus]), "spiral")[0] for nucleus in nuclei]
    wanted = np.concatenate([np.min(alone, axis=0)[:2], np.max(alone, axis=0)[2:]])
    np.testing.assert_allclose(box, wanted, atol=12)
    assert not len(others)


@pytest.mark.parametrize("neighbour", [(300, 211, 9, 1), (238, 211, 3, 1)])
def test_a_merger_ends_where_the_boxes_of_its_galaxies_do(neighbour):
    """A galaxy that it does not touch, and a faint one that it does, are no part of a merger."""
    pytest.importorskip("sep", reason="needs the train extra")
    alone = measure_cutout(picture_of([(211, 211, 9, 1)]), "merger")[0]
    box, others = measure_cutout(picture_of([(211, 211, 9, 1), neighbour]), "merger")
    np.testing.assert_allclose(box, alone, atol=4)
    assert any(other[0] < neighbour[0] < other[2] for other in others)


def test_the_source_in_the_middle():
    """It is the one on the middle, else the nearest within 15 pixels of it, else none."""
    found = np.array([(58.0, 45.0), (90.0, 52.0)], dtype=[("x", float), ("y", float)])
    segments = np.zeros((100, 100), int)
    assert _central(found, segments) == 0
    assert _central(found[1:], segments) is None
    assert _central(found[:0], segments) is None
    for number in (1, 2):
        segments[48:52, 48:52] = number
        assert _central(found[::-1], segments) == number - 1


def test_an_empty_cutout_has_no_box():
    """Where nothing lies in the middle there is no box, and no error."""
    pytest.importorskip("sep", reason="needs the train extra")
    box, others = measure_cutout(picture_of([(60, 60, 6, 1)]), "spiral")
    assert box is None
    assert others.shape == (0, 4)
