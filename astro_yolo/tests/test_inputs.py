"""What may be handed over as an image, and what may not."""

import cv2
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning
from astropy.nddata import CCDData, NDData
from astropy.utils.masked import Masked

from astro_yolo._inputs import load
from astro_yolo.exceptions import BandError, ImageError, InputWarning, WCSError
from astro_yolo.image import read_image
from astro_yolo.tests.test_mapping import make_wcs

DATA = np.arange(30 * 40, dtype=np.float32).reshape(30, 40)
CUBE = np.stack([DATA, DATA + 5, DATA + 9])


def saved(path, **keywords):
    """Write one image to a file."""
    unit = fits.PrimaryHDU(DATA)
    unit.header.update(keywords)
    unit.writeto(path)
    return path


def no_wcs(shape):
    """Make an image without sky coordinates."""
    return np.ones(shape, np.float32)


HERE, THERE = (DATA, make_wcs()), (DATA, make_wcs(crval=(20.0, 2.0)))
ERRORS = {
    "missing band": ({"g": DATA, "r": None}, BandError, "band 'r': is missing, got None"),
    "no band": ({}, BandError, "must hold at least one band, got none"),
    "empty list": ([], BandError, "must hold at least one band, got none"),
    "planes in a band": ({"g": CUBE}, BandError, r"band 'g': must be one plane, got 3 in array"),
    "bands last": (np.zeros((40, 50, 3)), BandError, "bands come first"),
    "elsewhere": ({"g": THERE, "r": HERE}, WCSError, "must overlap on the sky"),
    "some without WCS": ({"g": DATA, "r": HERE}, WCSError, "sky coordinates or none, got none in"),
    "shapes": ([no_wcs((5, 6)), no_wcs((6, 6))], ImageError, r"must have one shape, .* \(5, 6\)"),
    "NaN": (np.full((3, 4), np.nan), ImageError, "array: must have finite pixels, got none"),
    "NaN in a band": ([DATA, DATA * np.nan], ImageError, "must have finite pixels"),
    "one dimension": (DATA[0], ImageError, r"2 dimensions .* got shape \(40,\)"),
    "no dimension": (np.float32(3), ImageError, r"2 dimensions .* got shape \(\)"),
    "no pixels": (np.zeros((0, 4)), ImageError, r"must have pixels, got an empty image"),
    "complex": (DATA + 1j, ImageError, "must be real numbers, got complex"),
    "bool": (DATA > 3, ImageError, "must be real numbers, got bool"),
    "table": (fits.BinTableHDU(), ImageError, "must be an image HDU with data, got BinTableHDU"),
    "empty HDU": (fits.PrimaryHDU(), ImageError, "must be an image HDU with data"),
    "number": (3, TypeError, "image must be a path, an HDUList.*; got int"),
    "None": (None, TypeError, "image must be .*; got NoneType"),
}


@pytest.mark.parametrize(
    ("image", "got"),
    [(DATA, "ndarray"), ({"g": DATA, "r": DATA}, "ndarray"), (HERE, "ndarray"),
     ([HERE, HERE], "ndarray"), (fits.PrimaryHDU(DATA), "PrimaryHDU")],
)  # fmt: skip
def test_an_hdu_is_chosen_of_files(image, got):
    """Where no input has HDUs the choice of one is an error, not unheard."""
    with pytest.raises(ImageError, match=f"hdu must come with a FITS file .* got it with {got}"):
        load(image, 1)


def test_an_hdu_is_not_chosen_of_a_picture(tmp_path):
    """A picture has no HDUs; beside a file that has, bands without them are taken as they are."""
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((8, 9, 3), np.uint8))
    with pytest.raises(ImageError, match=r"a.png: hdu must come with .* got it with a picture"):
        load(tmp_path / "a.png", 1)
    assert load({"g": DATA, "r": saved(tmp_path / "r.fits")}, 0).names == ("g", "r")


@pytest.mark.parametrize("case", ERRORS)
def test_unusable_input(case):
    """What cannot be used is an error that names it and the rule."""
    given, error, message = ERRORS[case]
    with pytest.raises(error, match=message):
        read_image(given)


def test_unusable_files(tmp_path):
    """Files that are missing, empty, folders, cut short or no image are errors naming them."""
    with pytest.raises(FileNotFoundError, match=r"none.fits: no such file"):
        read_image(tmp_path / "none.fits")
    with pytest.raises(ImageError, match="must be an image file, got a directory"):
        read_image(tmp_path)
    (tmp_path / "empty.fits").touch()
    with pytest.raises(ImageError, match=r"empty.fits: must be an image file, got an empty file"):
        read_image(tmp_path / "empty.fits")
    (tmp_path / "text.fits").write_text("not a picture of the sky")
    with pytest.raises(ImageError, match=r"text.fits: must be a FITS, JPEG, PNG or TIFF image"):
        read_image(tmp_path / "text.fits")
    content = saved(tmp_path / "a.fits").read_bytes()
    (tmp_path / "short.fits").write_bytes(content[:5000])
    with pytest.raises(ImageError, match=r"short.fits: truncated"):
        read_image({"g": tmp_path / "a.fits", "r": tmp_path / "short.fits"})


def test_contradicting_filter(tmp_path):
    """A FILTER keyword that contradicts the dict, or a list out of order, is an error."""
    paths = [saved(tmp_path / f"{k}.fits", FILTER=k) for k in "gr"]
    with pytest.raises(BandError, match=r"band 'i': the FILTER keyword of .*r.fits must agree"):
        read_image({"g": paths[0], "i": paths[1]})
    with pytest.raises(BandError, match=r"short to long wavelength, got FILTER 'r' \(.*r.fits\)"):
        read_image(paths[::-1])


@pytest.mark.parametrize(("names", "reference"), [("gri", 1), ("ugriz", 2), ("izy", 1), ("gR", 1)])
def test_reference_band(names, reference):
    """The r band, or else the middle one, is the reference."""
    assert load(dict.fromkeys(names, DATA)).reference == reference


def test_nothing_is_read_yet(tmp_path):
    """Loading opens files without reading their pixels."""
    path = saved(tmp_path / "a.fits")
    field = load(path)
    assert field.title == "a.fits"
    assert isinstance(field.planes[0].pixels.raw.base, np.ndarray)


def broken(tmp_path, kind):
    """Make an input whose sky coordinates have an unknown projection."""
    bad = {"CTYPE1": "RA---XXX", "CTYPE2": "DEC--XXX", "CDELT1": -1e-4, "CDELT2": 1e-4}
    if kind == "picture":
        saved(tmp_path / "a.fits", **bad)
        assert cv2.imwrite(str(tmp_path / "a.png"), DATA.astype(np.uint8))
        return tmp_path / "a.png"
    if kind == "HDU":
        return fits.ImageHDU(DATA, fits.Header(bad))
    if kind == "bands":
        return {band: saved(tmp_path / f"{band}.fits", **bad) for band in "gr"}
    return saved(tmp_path / "a.fits", **bad)


@pytest.mark.parametrize("kind", ["file", "HDU", "picture", "bands"])
def test_wcs_rescues_an_image_whose_own_is_broken(tmp_path, kind):
    """A broken WCS is an error which names wcs=; where that is given, the image is read."""
    image = broken(tmp_path, kind)
    with pytest.raises(WCSError, match=r"must hold a valid WCS, or wcs= be given, got: .*"):
        read_image(image)
    with pytest.warns(InputWarning, match=r"its own WCS is left out, got: ") as caught:
        found = read_image(image, wcs=make_wcs())
    assert len(caught) == (2 if kind == "bands" else 1)
    assert found.shape == DATA.shape
    assert found.pixel_scale == pytest.approx(0.396, rel=1e-5)


def test_wcs_does_not_align_a_band_whose_own_is_broken(tmp_path):
    """Where one band only has a broken WCS, where it lies is not known, and wcs= does not tell."""
    bands = {"g": broken(tmp_path, "file"), "r": HERE}
    with (
        pytest.warns(InputWarning, match=r"a.fits: its own WCS is left out"),
        pytest.raises(WCSError, match=r"sky coordinates or none, got none in .*a.fits"),
    ):
        read_image(bands, wcs=make_wcs())


def test_malformed_cards_of_ccddata():
    """CCDData with a card that breaks the FITS standard is read; astropy mends it and says so."""
    header = fits.Header.fromstring("FILTER  = r".ljust(80) + "SATURATE= 1000.0".ljust(80))
    with pytest.warns(VerifyWarning):
        (plane,) = load(CCDData(DATA, unit="adu", header=header)).planes
    assert (plane.band, plane.saturation) == ("r", 1000.0)


BAD = np.zeros(DATA.shape, bool)
BAD[3:5, 7] = True
COLORS = np.stack([DATA % 256] * 3, axis=-1).astype(np.uint8)
MASKED = {
    "numpy": np.ma.array(DATA, mask=BAD),
    "Masked": Masked(DATA, mask=BAD),
    "Masked Quantity": Masked(DATA * u.nJy, mask=BAD),
    "NDData": NDData(DATA, mask=BAD),
    "NDData of a list": NDData(DATA, mask=BAD.tolist()),
    "NDData of numbers": NDData(DATA, mask=BAD.astype(np.int16) * 4096),
    "NDData of Masked": NDData(Masked(DATA, mask=BAD)),
    "NDData of a masked Quantity": NDData(Masked(DATA * u.nJy, mask=BAD)),
    "CCDData": CCDData(DATA, mask=BAD, unit="adu"),
    "Masked with a WCS": (Masked(DATA, mask=BAD), make_wcs()),
    "band": {"r": Masked(DATA, mask=BAD)},
    "cube": NDData(CUBE, mask=BAD),
    "axis of length 1": Masked(DATA[np.newaxis, np.newaxis], mask=BAD[np.newaxis, np.newaxis]),
    "picture": np.ma.array(COLORS, mask=np.stack([BAD] * 3, axis=-1)),
    "NDData picture": NDData(COLORS, mask=BAD),
}


@pytest.mark.parametrize("kind", MASKED)
def test_masks_of_every_kind(kind):
    """The mask that comes with data is the mask of the image, whoever keeps it and how."""
    found = read_image(MASKED[kind])
    np.testing.assert_array_equal(found.mask, BAD)
    expected = CUBE[2] if kind == "cube" else DATA % 256 if "picture" in kind else DATA
    np.testing.assert_array_equal(found.data[-1][~BAD], expected[~BAD])


def test_mask_for_all_pixels():
    """NDData whose mask is one word is masked in all pixels, or in none."""
    with pytest.raises(ImageError, match="all NaN or masked"):
        read_image(NDData(DATA, mask=True))
    for nothing in (False, None):
        found = read_image(NDData(DATA, mask=nothing))
        assert found.mask is None or not found.mask.any()


def test_masks_of_single_planes():
    """A mask of a cube, or of a picture's colours, is that of each plane."""
    for one in range(3):
        bad = np.zeros(CUBE.shape, bool)
        bad[one] = BAD
        for given in (Masked(CUBE, mask=bad), NDData(CUBE, mask=bad)):
            planes = load(given).planes
            assert [plane.bad.sum() for plane in planes] == [2 * (k == one) for k in range(3)]
        given = np.ma.array(COLORS, mask=np.moveaxis(bad, 0, 2))
        # red stands first in a picture, and last among the bands
        assert [plane.bad.sum() for plane in load(given).planes] == [
            2 * (k == 2 - one) for k in range(3)
        ]


def test_unit_of_the_object_gives_the_zero_point():
    """A zero point is that of the unit in which the pixels are, whatever BUNIT says."""
    def zero_points(image):
        return read_image(image).zero_points

    assert zero_points(DATA * u.nJy) == zero_points(NDData(DATA, unit="nJy")) == (31.4,)
    assert zero_points(DATA) == zero_points(DATA * u.adu) == (None,)
    assert zero_points(CCDData(DATA, unit="adu", meta={"BUNIT": "uJy"})) == (None,)
    assert zero_points(NDData(DATA, meta={"BUNIT": "uJy"})) == (23.9,)
    # 1 MJy/sr on 1e-11 sr is 1e-5 Jy, 12.5 magnitudes; 1 Jy/sr is a millionth, 15 more
    webb = CCDData(DATA, unit="MJy/sr", meta={"BUNIT": "MJy/sr", "PIXAR_SR": 1e-11})
    assert zero_points(webb)[0] == pytest.approx(8.90 + 12.5)
    assert zero_points(webb.convert_unit_to("Jy/sr"))[0] == pytest.approx(8.90 + 12.5 + 15)
    # what the numbers of a header are about is in its own unit
    scaled = CCDData(DATA, unit="uJy", meta={"MAGZERO": 25.0, "BUNIT": "adu"})
    assert zero_points(scaled) == (23.9,)
    counted = CCDData(DATA, unit="adu", meta={"MAGZERO": 25.0, "BUNIT": "10 adu"})
    assert zero_points(counted) == (27.5,)


def test_surface_brightness_and_the_wcs_that_is_given():
    """The area of a pixel is that of the WCS, with the image or beside it; the latter counts."""
    wcs, other, given = make_wcs(), make_wcs(), DATA * u.MJy / u.sr
    wcs.wcs.cd = np.degrees(1e-11**0.5) * np.eye(2)  # 1e-11 sr
    hdu = fits.ImageHDU(DATA, fits.Header({"BUNIT": "MJy/sr"}))
    read = [read_image((given, wcs)), read_image(CCDData(given, wcs=wcs))]
    beside = [given, hdu, CCDData(given), CCDData(given, wcs=other), {"r": given, "g": given}]
    read += [read_image(image, wcs=wcs) for image in beside]
    assert [image.zero_points[0] for image in read] == pytest.approx([8.90 + 12.5] * 7, abs=1e-4)


@pytest.mark.parametrize(
    ("names", "bands", "firsts"),
    [("grz", ("g", "r", "z"), [0, 5, 9]), ("zrg", ("g", "r", "z"), [9, 5, 0]),
     ("rrz", ("band1", "band2", "band3"), [0, 5, 9]),
     ("gr", ("band1", "band2", "band3"), [0, 5, 9]),
     ("RGB", ("blue", "green", "red"), [9, 5, 0])],
)  # fmt: skip
def test_planes_with_names(tmp_path, names, bands, firsts):
    """Planes of a file that have a filter each are bands of its name, sorted by wavelength."""
    unit = fits.PrimaryHDU(CUBE)
    unit.header.update({f"BAND{k}": name for k, name in enumerate(names)})
    if names == "RGB":
        unit.header.update(BAND0="", CTYPE3="RGB")
    unit.writeto(tmp_path / "a.fits")
    for given in (tmp_path / "a.fits", unit, CCDData(CUBE, unit="adu", meta=unit.header)):
        image = read_image(given)
        assert image.bands == bands
        assert [plane[0, 0] for plane in image.data] == firsts


def test_hdu_in_brackets(tmp_path):
    """The syntax of CFITSIO for an HDU is no file, and the error says what stands for it."""
    path = saved(tmp_path / "a.fits")
    with pytest.raises(FileNotFoundError, match=r"a.fits\[1\]: no such file; an HDU is chosen"):
        read_image(f"{path}[1]")
