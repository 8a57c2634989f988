"""Catalogues that people bring: other units, rows that are there twice, numbers that are none."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable, Table

from astro_yolo._sky import pixel_to_sky
from astro_yolo.catalog import CLASSES
from astro_yolo.image import read_image
from astro_yolo.training._frame_labels import LabelError, label_frame
from astro_yolo.training.galaxy_zoo import GZ1_COLUMNS, GZ2_COLUMNS
from astro_yolo.training.recipes import RECIPES

FRAME = "sas/dr17/eboss/photoObj/frames/301/94/1/frame-r-000094-1-0012.fits.bz2"


@pytest.fixture
def spirals(shared_data):
    """Three spirals on frame 94-1-12 whose boxes are 47.7 pixels wide; the frame's image."""
    image = read_image(shared_data / FRAME)
    ra, dec = pixel_to_sky(image.wcs, np.array([500.0, 800, 1100]), np.full(3, 700.0))
    catalog = QTable({"objID": [1, 2, 3], "ra": ra, "dec": dec, "petroRad_r": [9.0] * 3})
    for name in GZ1_COLUMNS:
        catalog[name] = [float(name == "p_cw")] * 3
    return catalog, image


def labels_of(catalog, image, votes=None):
    """Return the labels of a catalogue by the rules of S1."""
    return label_frame(catalog, votes, image.wcs, image.shape, RECIPES["T1"].selection)


def test_columns_may_have_any_unit_of_angle(spirals):
    """Hours, radians and arcmin give the boxes of degrees and arcsec; pixels are refused."""
    catalog, image = spirals
    given = {name: catalog[name].copy() for name in ("ra", "dec", "petroRad_r")}
    catalog["ra"] = given["ra"] / 15 * u.hourangle
    catalog["dec"] = np.radians(given["dec"]) * u.rad
    catalog["petroRad_r"] = given["petroRad_r"] / 60 * u.arcmin
    side = 2.1 * 9 / 0.396
    for x, box in zip((500, 800, 1100), labels_of(catalog, image).boxes, strict=True):
        middle = np.array([x, 700, x, 700]) + 0.5
        np.testing.assert_allclose(box, middle + side / 2 * np.array([-1, -1, 1, 1]), atol=1e-3)
    catalog["petroRad_r"] = given["petroRad_r"] / 0.396 * u.pix
    with pytest.raises(LabelError, match=r"petroRad_r must be numbers in a unit of angle.*'pix'"):
        labels_of(catalog, image)


def test_a_galaxy_of_several_rows_counts_once(spirals):
    """The row with votes counts, and no other row makes an ignored region of the same galaxy."""
    catalog, image = spirals
    rows = catalog[[0, 0, 1, 2]]
    for name in GZ1_COLUMNS:
        rows[name][0] = np.nan
    votes = Table({"objID": [1]})
    for key, name in GZ2_COLUMNS.items():
        votes[f"{name}_debiased"] = [float(key in {"smooth", "not_odd"})]
    for more, first in ((None, "spiral"), (votes, "elliptical")):
        labels = labels_of(rows, image, more)
        assert labels.ids.tolist() == [1, 2, 3]
        assert [CLASSES[kind] for kind in labels.kinds] == [first, "spiral", "spiral"]
        assert len(labels.ignored) == 0


def test_numbers_that_cannot_tell_galaxies_apart_are_refused(spirals):
    """An objID that is masked, lost digits as a float, or stands for two places is an error."""
    catalog, image = spirals
    for ids, rule in (
        (np.ma.MaskedArray([1, 2, 3], [False, True, False]), "that of row 1 is masked"),
        (1237657071160000001 + np.arange(3.0), "got floats, which lose digits"),
        ([1, 1, 3], "those of 1 lie apart"),
        (["a", "b", "c"], "objID must be whole numbers: invalid literal"),
    ):
        wrong = Table(catalog)
        wrong["objID"] = ids
        with pytest.raises(LabelError, match=rule):
            labels_of(wrong, image)
