"""Catalogues that people bring: other units, rows that are there twice, numbers that are none."""

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import MaskedColumn, QTable, Table

from astro_yolo._sky import pixel_to_sky
from astro_yolo.catalog import CLASSES
from astro_yolo.image import read_image
from astro_yolo.tests.wcs_cases import SHAPE, make_wcs
from astro_yolo.training._frame_labels import LabelError, label_frame
from astro_yolo.training.export_sets import DatasetError, SkyField, export_dataset
from astro_yolo.training.galaxy_zoo import GZ1_COLUMNS, GZ2_COLUMNS, VotesError, classify
from astro_yolo.training.recipes import RECIPES

FRAME = "sas/dr17/eboss/photoObj/frames/301/94/1/frame-r-000094-1-0012.fits.bz2"


@pytest.fixture(scope="module")
def frame(shared_data):
    """The image of frame 94-1-12."""
    return read_image(shared_data / FRAME)


@pytest.fixture
def spirals(frame):
    """Three spirals on frame 94-1-12 whose boxes are 47.7 pixels wide; the frame's image."""
    ra, dec = pixel_to_sky(frame.wcs, np.array([500.0, 800, 1100]), np.full(3, 700.0))
    catalog = QTable({"objID": [1, 2, 3], "ra": ra, "dec": dec, "petroRad_r": [9.0] * 3})
    for name in GZ1_COLUMNS:
        catalog[name] = [float(name == "p_cw")] * 3
    return catalog, frame


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


# Columns, rows and Petrosian radii of spirals about an image of 800 by 600 pixels of 0.396 arcsec.
OBJECTS = [(100, 100, 9), (-0.4, 300, 9), (799.4, 599.4, 9), (400, -0.4, 9), (550, 300, 4.2)]
IGNORED = [(-0.6, 200, 9), (799.6, 400, 9), (400, 599.6, 9), (200, -0.6, 9), (500, 300, 4.1)]
NO_SIZE = [(300, 300, 0), (350, 300, np.nan), (400, 300, -9999), (450, 300, 401)]
BEYOND = [(900, 300, 9), (300, 700, 9), (-100, 300, 9), (300, -100, 9), (-100, 30, 9)]


def squares(rows, side=None):
    """Return boxes of 2.1 Petrosian radii, cut at the image."""
    x, y, radius = np.transpose(rows)
    half = (2.1 * radius / 0.396 if side is None else side) / 2
    boxes = np.transpose([x - half, y - half, x + half, y + half]) + 0.5
    return np.clip(boxes, 0, [800, 600, 800, 600])


def test_objects_are_those_whose_centre_is_in_the_image():
    """Those beyond it, too small or of no size are ignored where their squares are to be seen."""
    rows = np.array([*OBJECTS, *IGNORED, *NO_SIZE, *BEYOND], float)
    ra, dec = pixel_to_sky(make_wcs(), *rows[:, :2].T)
    catalog = QTable({"objID": np.arange(len(rows)), "ra": ra, "dec": dec,
                      "petroRad_r": rows[:, 2], "cModelMag_r": np.full(len(rows), 17.5)})
    catalog["cModelMag_r"][1] = -9999
    for name in GZ1_COLUMNS:
        catalog[name] = float(name == "p_cw")
    labels = label_frame(catalog, None, make_wcs(), SHAPE, RECIPES["T1"].selection)
    np.testing.assert_allclose(labels.boxes, squares(OBJECTS), atol=1e-4)
    ignored = np.concatenate([squares(IGNORED), squares(NO_SIZE, 8.0)])
    np.testing.assert_allclose(labels.ignored, ignored, atol=1e-4)
    assert labels.ids.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(labels.magnitudes, [17.5, np.nan, 17.5, 17.5, 17.5])


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


def test_votes_may_be_named_in_any_case(spirals):
    """``P_EL`` and the like, as in the published table of Galaxy Zoo 1, are votes as well."""
    catalog, image = spirals
    for name in GZ1_COLUMNS:
        catalog.rename_column(name, name.upper())
    labels = labels_of(catalog, image)
    assert [CLASSES[kind] for kind in labels.kinds] == ["spiral"] * 3
    assert len(labels.ignored) == 0


@pytest.mark.parametrize(
    ("name", "values", "rule"),
    [
        ("dec", [0.1, 95.0, 0.2], r"dec must be -90 to 90 degrees, got 95"),
        ("ra", ["1", "", "2"], r"ra must be numbers in a unit of angle"),
        ("p_el", ["0.1", "", "0.2"], r"p_el must be numbers: could not convert"),
        ("cModelMag_r", ["17", "null", "18"], r"cModelMag_r must be numbers: could not convert"),
    ],
)
def test_values_that_are_none_are_named(spirals, name, values, rule):
    """A declination past the pole and text that is no number are told with their column."""
    wrong = Table(spirals[0])
    wrong[name] = values
    with pytest.raises(LabelError, match=f"catalog: {rule}"):
        labels_of(wrong, spirals[1])


def test_votes_that_are_no_numbers_are_named():
    """Votes as text count as numbers; a word, or a masked cell of text, is an error of theirs."""
    votes = {name: ["0.0", str(float(name == "p_cw"))] for name in GZ1_COLUMNS}
    votes["p_el"] = ["1.0", "0.0"]
    assert classify(votes)[0].tolist() == ["elliptical", "spiral"]
    for column in (["1.0", "none"], MaskedColumn(["1.0", "0.0"], mask=[0, 1])):
        with pytest.raises(VotesError, match="p_el must hold shares of votes, 0 to 1, got text"):
            classify(votes | {"p_el": column})


@pytest.fixture
def frames(frame, tmp_path):
    """A folder of downloads that holds field 94-1-12; nearly empty, so that it unpacks at once."""
    place = tmp_path / "dr17" / "301" / "94" / "1"
    place.mkdir(parents=True)
    pixels = np.zeros(frame.shape, "f4")
    pixels[700:720] = np.random.default_rng(0).normal(0, 0.02, (20, pixels.shape[1]))
    for band in "gri":
        path = place / f"frame-{band}-000094-1-0012.fits.bz2"
        fits.PrimaryHDU(pixels, frame.wcs.to_header()).writeto(path)
    return tmp_path


@pytest.mark.filterwarnings("ignore:no field of the set is in the split")
def test_a_catalogue_in_other_units_makes_another_set(spirals, frames, tmp_path):
    """The same numbers in arcmin are other boxes: they do not go into the folder of the first."""
    catalog, out = Table(spirals[0]), tmp_path / "set"
    assign = {(94, 1, 12): "train"}
    export_dataset([SkyField(94, 1, 12, catalog)], frames, out, "T1", assign=assign)
    export_dataset([SkyField(94, 1, 12, catalog)], frames, out, "T1", assign=assign)
    catalog["petroRad_r"].unit = u.arcmin
    with pytest.raises(DatasetError, match=r"is not this set of recipe T1 .not the same fi"):
        export_dataset([SkyField(94, 1, 12, catalog)], frames, out, "T1", assign=assign)


def test_a_catalogue_that_is_wrong_is_told_before_the_folder_is_claimed(spirals, frames, tmp_path):
    """The field is named, and the corrected call may use the folder."""
    good, out = Table(spirals[0]), tmp_path / "set"
    bad = good.copy()
    bad["objID"] = ["a", "b", "c"]
    fields = [SkyField(94, 1, 12, bad)]
    with pytest.raises(LabelError, match="field 000094-1-0012: catalog: objID must be whole"):
        export_dataset(fields, frames, out, "T1", assign={(94, 1, 12): "train"})
    assert not out.exists()
    with pytest.raises(LabelError, match="field 000094-1-0012: catalog must be a table, got str"):
        export_dataset([SkyField(94, 1, 12, "galaxies.csv")], frames, out, "T1")
    with pytest.raises(VotesError, match="field 000094-1-0012: votes must have the columns"):
        export_dataset([SkyField(94, 1, 12, good, Table({"objID": [1]}))], frames, out, "T1")
    assert not out.exists()
