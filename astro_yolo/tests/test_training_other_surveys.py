"""Cutouts of other telescopes."""

import cv2
import numpy as np
import pytest

from astro_yolo.training.other_surveys import NOT_A_GALAXY, read_other_surveys, split_of_name

pytest.importorskip("sep", reason="needs the train extra")


@pytest.fixture
def folder(tmp_path):
    """Two pictures with a galaxy in the middle, one of an empty sky."""
    rng = np.random.default_rng(1)
    rows, columns = np.indices((200, 200)) - 100
    light = 150 * np.exp(-np.hypot(columns, rows / 0.6) / 12)
    sky = rng.normal(10, 2, (200, 200))
    (tmp_path / "other_surveys").mkdir()
    for name, plane in (("a.png", sky + light), ("b.png", sky + light), ("c.png", sky)):
        picture = np.repeat(np.clip(plane, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
        cv2.imwrite(str(tmp_path / "other_surveys" / name), picture)
    lines = ["file,survey,question,answer,coarse_class", "a.png,x,q,a,edge-on",
             "b.png,x,q,a,star_artifact", "c.png,x,q,a,spiral"]
    (tmp_path / "other_surveys_labels.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_classes_and_boxes(folder):
    """A galaxy has its class and a box on it; a star or artefact none; an empty one is left out."""
    galaxy, artefact = read_other_surveys(folder)
    assert (galaxy.label, artefact.label) == ("edge_on", NOT_A_GALAXY)
    assert (galaxy.linear, artefact.linear) == (False, False)
    centre = (galaxy.box[:2] + galaxy.box[2:]) / 2
    np.testing.assert_allclose(centre, 100.5, atol=1)
    assert np.isnan(artefact.box).all()


def test_the_split_is_fixed():
    """About a fifth of many names is held out, the same ones for ever (MD5 of the name)."""
    names = [f"decals-{k}.jpg" for k in range(1000)]
    held_out = [name for name in names if split_of_name(name) == "val"]
    assert 150 < len(held_out) < 250
    # printf decals-0.jpg | md5sum begins with 64, 100
    assert split_of_name("decals-0.jpg") == "val"
