"""Reading images of any kind."""

import bz2
import gzip
import hashlib
import json
import warnings

import cv2
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import CCDData, NDData
from astropy.wcs import WCS
from astropy.wcs.wcsapi import HighLevelWCSWrapper

from astro_yolo.exceptions import ImageError, InputWarning
from astro_yolo.image import SkyImage, read_image
from astro_yolo.tests.test_alignment import X, Y, centroid, planted
from astro_yolo.tests.test_mapping import SHAPE, make_wcs

DATA = np.arange(30 * 40, dtype=np.float32).reshape(30, 40)
CUBE = np.stack([DATA, DATA + 5, DATA + 9])
HEADER = make_wcs().to_header()
ONE = (DATA,)


def saved(path, data=DATA, header=HEADER, **keywords):
    """Write one image to a file."""
    unit = fits.PrimaryHDU(data, header)
    unit.header.update(keywords)
    unit.writeto(path)
    return path


def packed(path, pack):
    """Write a packed file."""
    plain = saved(path.with_suffix(".plain"))
    path.write_bytes(pack(plain.read_bytes()))
    return path


def multi(path):
    """Write a file with two images."""
    units = [fits.PrimaryHDU(), fits.ImageHDU(DATA, HEADER), fits.ImageHDU(DATA + 1)]
    fits.HDUList(units).writeto(path)
    return path


def tile_compressed(path):
    """Write a losslessly compressed image."""
    unit = fits.CompImageHDU(DATA.astype(np.int16), HEADER)
    fits.HDUList([fits.PrimaryHDU(), unit]).writeto(path)
    return path


# kind: (make the input in a folder, extra keywords, planes expected, has its own WCS)
KINDS = {
    "path": (lambda d: saved(d / "a.fits"), {}, ONE, True),
    "str": (lambda d: str(saved(d / "a.fits")), {}, ONE, True),
    "gz": (lambda d: packed(d / "a.fits.gz", gzip.compress), {}, ONE, True),
    "bz2": (lambda d: packed(d / "a.fits.bz2", bz2.compress), {}, ONE, True),
    "fz": (lambda d: tile_compressed(d / "a.fits.fz"), {}, ONE, True),
    "MEF": (lambda d: multi(d / "a.fits"), {"hdu": 1}, ONE, True),
    "FITS cube": (lambda d: saved(d / "a.fits", CUBE), {}, CUBE, True),
    "HDUList": (lambda _: fits.HDUList([fits.PrimaryHDU(DATA, HEADER)]), {}, ONE, True),
    "PrimaryHDU": (lambda _: fits.PrimaryHDU(DATA, HEADER), {}, ONE, True),
    "ImageHDU": (lambda _: fits.ImageHDU(DATA, HEADER), {}, ONE, True),
    "CompImageHDU": (lambda _: fits.CompImageHDU(DATA.astype("i2"), HEADER), {}, ONE, True),
    "CCDData": (lambda _: CCDData(DATA, unit="adu", wcs=WCS(HEADER)), {}, ONE, True),
    "NDData": (lambda _: NDData(DATA, wcs=WCS(HEADER)), {}, ONE, True),
    "NDData cube": (lambda _: NDData(CUBE), {}, CUBE, False),
    "array": (lambda _: DATA, {}, ONE, False),
    "array with wcs": (lambda _: DATA, {"wcs": WCS(HEADER)}, ONE, True),
    "array with header": (lambda _: DATA, {"wcs": HEADER}, ONE, True),
    "array with APE 14": (lambda _: DATA, {"wcs": HighLevelWCSWrapper(make_wcs())}, ONE, True),
    "big-endian": (lambda _: DATA.astype(">f8"), {}, ONE, False),
    "integers": (lambda _: DATA.astype(np.uint16), {}, ONE, False),
    "not contiguous": (lambda _: np.asfortranarray(DATA), {}, ONE, False),
    "bands first": (lambda _: CUBE, {}, CUBE, False),
    "one band first": (lambda _: CUBE[:1], {}, ONE, False),
    "Quantity": (lambda _: DATA * u.nJy, {}, ONE, False),
    "masked array": (lambda _: np.ma.array(DATA), {}, ONE, False),
    "pair": (lambda _: (DATA, WCS(HEADER)), {}, ONE, True),
    "pair with header": (lambda _: (DATA, HEADER), {}, ONE, True),
    "dict": (lambda _: {"i": CUBE[2], "g": CUBE[0], "r": CUBE[1]}, {}, CUBE, False),
    "dict of one": (lambda _: {"r": DATA}, {}, ONE, False),
    "list": (lambda _: list(CUBE), {}, CUBE, False),
    "tuple": (lambda _: tuple(CUBE), {}, CUBE, False),
    "list of pairs": (lambda _: [(plane, HEADER) for plane in CUBE], {}, CUBE, True),
    "dict of kinds": (
        lambda d: {
            "g": saved(d / "g.fits", CUBE[0]),
            "r": fits.PrimaryHDU(CUBE[1], HEADER),
            "i": CCDData(CUBE[2], unit="adu", wcs=WCS(HEADER)),
        },
        {},
        CUBE,
        True,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(tmp_path, kind):
    """Every kind of input gives the same pixels, as native float32, with its sky coordinates."""
    make, keywords, expected, has_wcs = KINDS[kind]
    image = read_image(make(tmp_path), **keywords)
    assert isinstance(image, SkyImage)
    assert image.n_bands == len(image.bands) == len(expected)
    assert image.shape == (30, 40)
    for found, plane in zip(image.data, expected, strict=True):
        assert found.dtype == np.float32
        assert found.dtype.isnative
        np.testing.assert_array_equal(found, plane)
    assert image.mask is None
    assert image.saturated is None
    assert (image.wcs is not None) == has_wcs
    if has_wcs:
        assert image.pixel_scale == pytest.approx(0.396, rel=1e-5)
        sky = image.wcs.pixel_to_world(199, 149)
        np.testing.assert_allclose((sky.ra.deg, sky.dec.deg), (150, 2), atol=1e-9)
    sums = json.loads(json.dumps(dict(image.checksums)))
    assert set(sums) == set(image.bands)
    assert all(len(value) == 64 for value in sums.values())


def test_rgb_array_is_a_picture_taken_as_given():
    """A uint8 (ny, nx, 3) array is red, green, blue, and is not flipped."""
    rgb = np.zeros((4, 5, 3), np.uint8)
    rgb[0, 1] = (10, 20, 30)
    image = read_image(rgb)
    assert image.kind == "picture"
    assert image.bands == ("blue", "green", "red")
    assert [float(plane[0, 1]) for plane in image.data] == [30, 20, 10]


def test_picture_file_is_flipped(tmp_path):
    """Row 0 of a picture file is its bottom row, with given sky coordinates and the file's name."""
    grey = np.arange(20, dtype=np.uint8).reshape(4, 5)
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), grey)
    image = read_image(path, wcs=make_wcs())
    np.testing.assert_array_equal(image.data[0], grey[::-1])
    assert (image.kind, image.name, image.bands) == ("picture", "a.png", ("grey",))
    assert image.pixel_scale == pytest.approx(0.396)


def test_names_kind_and_checksums(tmp_path):
    """The result says what was read: filter, file name, and the SHA-256 of the file or array."""
    path = saved(tmp_path / "a.fits", FILTER="r")
    image = read_image(path)
    assert (image.bands, image.name, image.kind) == (("r",), "a.fits", "fits")
    assert image.checksums["r"] == hashlib.sha256(path.read_bytes()).hexdigest()
    image = read_image(DATA)
    assert (image.bands, image.name, image.kind) == (("band1",), "array", "array")
    assert image.checksums["band1"] == hashlib.sha256(DATA.tobytes()).hexdigest()


def test_bands_are_sorted_and_listed_by_filter(tmp_path):
    """A dict is sorted by wavelength, a list named by its FILTER keywords."""
    paths = [saved(tmp_path / f"{k}.fits", FILTER=k) for k in "gri"]
    assert read_image(dict(zip("irg", reversed(paths), strict=True))).bands == ("g", "r", "i")
    image = read_image(paths)
    assert (image.bands, image.name) == (("g", "r", "i"), "r.fits")
    assert read_image({"x": DATA, "a": DATA}).bands == ("x", "a")


def test_input_is_not_modified():
    """Neither data nor mask of the input change, and float32 data are not copied."""
    data, mask = DATA.copy(), np.zeros(DATA.shape, bool)
    data[3, 4] = np.nan
    mask[5, 6] = True
    image = read_image(data, mask=mask)
    assert np.argwhere(image.mask).tolist() == [[3, 4], [5, 6]]
    assert mask.sum() == 1
    assert image.data[0] is data or np.shares_memory(image.data[0], data)


def test_everything_bad_is_in_the_mask(tmp_path):
    """NaN, infinity, BLANK, masked arrays, NDData masks and the caller's mask all count."""
    data = DATA.copy()
    data[0, 0], data[1, 1] = np.nan, -np.inf
    own = np.zeros(DATA.shape, bool)
    own[2, 2] = True
    caller = np.zeros(DATA.shape, bool)
    caller[3, 3] = True
    expected = [[0, 0], [1, 1], [2, 2], [3, 3]]
    for given in (np.ma.array(data, mask=own), NDData(data, mask=own)):
        assert np.argwhere(read_image(given, mask=caller).mask).tolist() == expected
    unit = fits.PrimaryHDU(np.array([[1, 2], [-5, 4]], dtype=np.int16))
    unit.header["BLANK"] = -5
    unit.writeto(tmp_path / "a.fits")
    assert np.argwhere(read_image(tmp_path / "a.fits").mask).tolist() == [[1, 0]]
    assert np.argwhere(read_image(unit).mask).tolist() == [[1, 0]]


def test_bad_in_any_band():
    """A pixel that is bad in one band is bad."""
    cube = CUBE.copy()
    cube[2, 7, 8] = np.nan
    assert np.argwhere(read_image(cube).mask).tolist() == [[7, 8]]


def test_saturation_keyword():
    """Pixels from SATURATE on are saturated; without the keyword nothing is claimed."""
    unit = fits.PrimaryHDU(DATA)
    assert read_image(unit).saturated is None
    unit.header["SATURATE"] = 1198.0
    image = read_image(unit)
    assert np.argwhere(image.saturated).tolist() == [[29, 38], [29, 39]]
    assert image.saturated_window(29, 30, 37, 40).tolist() == [[False, True, True]]


@pytest.mark.parametrize("options", [{}, {"angle": 0.4}, {"parity": -1}, {"sip": 2e-5}], ids=str)
def test_bands_are_aligned_to_r(options):
    """Bands on other grids are brought to the r band; what they do not cover is bad."""
    reference, band = make_wcs(), make_wcs(crpix=(195.6, 158.3), **options)
    positions = band.all_world2pix(*reference.all_pix2world(X, Y, 0), 0)
    given = {"g": (planted(SHAPE, *positions), band), "r": (planted(SHAPE, X, Y), reference)}
    image = read_image(given)
    assert image.bands == ("g", "r")
    assert image.wcs.to_header() == reference.to_header()
    assert image.mask.any()
    np.testing.assert_array_equal(image.mask, ~np.isfinite(image.data[0]))
    inside = ~image.mask[Y, X]
    assert inside.sum() >= 2
    for x, y in zip(X[inside], Y[inside], strict=True):
        np.testing.assert_allclose(centroid(np.nan_to_num(image.data[0]), x, y), (x, y), atol=0.03)


def test_reference_is_the_middle_band_without_r():
    """Without an r band the middle one gives the grid."""
    wcs = [make_wcs(crpix=(200.0 + k, 150.0)) for k in range(3)]
    image = read_image({b: (np.ones(SHAPE, "f4"), w) for b, w in zip("izy", wcs, strict=True)})
    assert image.wcs.to_header() == wcs[1].to_header()


def test_given_wcs_stands_above_that_of_the_input():
    """wcs= replaces the sky coordinates of the result, not those that align the bands."""
    reference, band = make_wcs(), make_wcs(crpix=(203.0, 150.0))
    given = {"g": (np.ones(SHAPE, "f4"), band), "r": (np.ones(SHAPE, "f4"), reference)}
    better = make_wcs(crval=(10.0, 5.0))
    image = read_image(given, wcs=better)
    assert image.wcs.to_header() == better.to_header()
    # g lies 3 pixels to the right of r: all columns of r but the last three are covered
    assert np.flatnonzero(image.mask.all(axis=0)).tolist()[-3:] == [397, 398, 399]
    assert not image.mask[:-1, :396].any()


def test_windows_in_memory():
    """Windows are copies with the mask cut alike; None says that all is usable."""
    data = DATA.copy()
    data[2, 3] = np.nan
    image = read_image(data)
    window, mask = image.window(2, 4, 3, 6)
    np.testing.assert_array_equal(window, data[np.newaxis, 2:4, 3:6])
    assert mask.tolist() == [[True, False, False], [False, False, False]]
    assert image.window(5, 8, 0, 4)[1] is None
    for bad in ((0, 31, 0, 4), (-1, 3, 0, 4), (3, 3, 0, 4)):
        with pytest.raises(ValueError, match="window must lie inside the image"):
            image.window(*bad)


@pytest.fixture
def _everything_is_large(monkeypatch):
    """Treat any image as one too large for memory."""
    monkeypatch.setattr("astro_yolo.image._MEMORY_PIXELS", 100)


@pytest.mark.usefixtures("_everything_is_large")
@pytest.mark.parametrize("sip", [0.0, 2e-5])
def test_large_images_are_read_by_windows(tmp_path, monkeypatch, sip):
    """A large image stays on disk, and its windows equal those of the image in memory."""
    rng = np.random.default_rng(3)
    planes = {b: rng.normal(size=SHAPE).astype(np.float32) for b in "gr"}
    planes["r"][100, 120] = np.nan
    grids = {"g": make_wcs(crpix=(203.4, 146.7), sip=sip), "r": make_wcs()}
    paths = {
        b: saved(tmp_path / f"{b}.fits", planes[b], grids[b].to_header(relax=True), SATURATE=3.0)
        for b in "gr"
    }
    large = read_image(paths)
    assert large.is_lazy
    assert large.shape == SHAPE
    monkeypatch.undo()
    small = read_image(paths)
    assert not small.is_lazy
    for window in ((90, 140, 100, 164), (0, 30, 0, 30), (270, 300, 350, 400)):
        y0, y1, x0, x1 = window
        data, mask = large.window(*window)
        expected, expected_mask = small.window(*window)
        # grid nodes differ by window, and OpenCV rounds positions to 1/32 pixel
        steepest = max(np.nanmax(np.abs(np.diff(planes["g"], axis=axis))) for axis in (0, 1))
        np.testing.assert_allclose(data, expected, atol=2 * steepest / 32)
        assert (mask is None) == (expected_mask is None)
        assert mask is None or (mask != expected_mask).sum() <= 2
        saturated = large.saturated_window(*window)
        assert (saturated != small.saturated_window(*window)).sum() <= 2
        np.testing.assert_array_equal(large.data[1][y0:y1, x0:x1], small.data[1][y0:y1, x0:x1])


@pytest.mark.usefixtures("_everything_is_large")
def test_large_image_of_nan():
    """A large image of nothing but NaN is an error as well; one finite pixel is enough."""
    data = np.full((700, 50), np.nan, np.float32)
    with pytest.raises(ImageError, match="array: must have finite pixels, got none"):
        read_image(data)
    data[650, 33] = 1
    assert read_image(data).is_lazy


def test_everything_masked():
    """Bands that leave no common usable pixel are an error."""
    with pytest.raises(ImageError, match="must have usable pixels, got all 30 x 40 masked"):
        read_image(DATA, mask=np.ones(DATA.shape))


def test_arguments():
    """Masks of another shape and things that are no WCS are errors naming the argument."""
    with pytest.raises(ImageError, match=r"mask must have the shape .* \(30, 40\), got \(3, 3\)"):
        read_image(DATA, mask=np.zeros((3, 3)))
    with pytest.raises(TypeError, match="wcs must be a WCS or a FITS header, got str"):
        read_image(DATA, wcs="a.fits")
    with pytest.raises(ImageError, match=r"the mask of array must have its shape"):
        read_image(NDData(DATA, mask=np.zeros((3, 3), bool)))


def real_field(shared_data, name):
    """Paths of the three bands of a real SDSS field."""
    run, camcol, field = name
    folder = shared_data / "sas/dr17/eboss/photoObj/frames/301" / str(run) / str(camcol)
    return {b: folder / f"frame-{b}-{run:06d}-{camcol}-{field:04d}.fits.bz2" for b in "gri"}


def test_real_sdss_field(shared_data):
    """Bright stars of a real field agree between the aligned bands to 0.3 px; no warning is given.

    The frames themselves are offset by up to 14 rows.
    """
    sep = pytest.importorskip("sep")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = read_image(real_field(shared_data, (94, 1, 12)))
    assert image.bands == ("g", "r", "i")
    assert image.shape == (1489, 2048)
    assert image.pixel_scale == pytest.approx(0.396, abs=0.001)
    assert 0.005 < image.mask.mean() < 0.02  # 14 of 1489 rows and an edge
    found = []
    for plane in image.data:
        sky = sep.Background(np.nan_to_num(plane))
        light = np.nan_to_num(plane) - sky.back()
        stars = sep.extract(light, 20, err=sky.globalrms)
        stars = stars[(stars["npix"] > 8) & (stars["npix"] < 150) & (stars["a"] < 1.3 * stars["b"])]
        x, y, _ = sep.winpos(light, stars["x"], stars["y"], np.full(len(stars), 1.5))
        found.append(np.stack([x, y], axis=1))
    for other in (found[0], found[2]):
        distance = np.hypot(*(other[:, np.newaxis] - found[1]).transpose(2, 0, 1)).min(axis=0)
        matched = distance[distance < 3]
        assert len(matched) > 30
        assert np.median(matched) < 0.3


def test_real_sdss_grids(shared_data):
    """The affine between real frames equals their WCSs to 0.01 px."""
    from astro_yolo._fits_input import read_fits_file
    from astro_yolo._mapping import AffineMapping, fit_mapping

    paths = real_field(shared_data, (94, 1, 12))
    g, r = (read_fits_file(paths[b])[0] for b in "gr")
    mapping = fit_mapping(r.wcs, g.wcs, r.shape, g)
    assert isinstance(mapping, AffineMapping)
    rng = np.random.default_rng(4)
    x, y = rng.uniform(0, 2047, 50), rng.uniform(0, 1488, 50)
    exact = g.wcs.all_world2pix(*r.wcs.all_pix2world(x, y, 0), 0)
    np.testing.assert_allclose(mapping(x, y), exact, atol=0.01)
    assert abs(mapping(1000.0, 700.0)[1] - 700) > 3


def test_little_overlap_warns():
    """A band that covers a small part of the reference is used, with a warning."""
    flat = np.ones(SHAPE, np.float32)
    pair = {"g": (flat, make_wcs(crpix=(500.0, 150.0))), "r": (flat, make_wcs())}
    with pytest.warns(InputWarning, match="array covers only 25% of the reference band"):
        image = read_image(pair)
    assert 0.7 < image.mask.mean() < 0.8


def test_an_image_read_before_is_returned_as_it_is():
    """A SkyImage goes through unchanged; a keyword that would change it is refused."""
    image = read_image(np.ones((4, 5)))
    assert read_image(image) is image
    with pytest.raises(ValueError, match="mask must be given where the image is read"):
        read_image(image, mask=np.zeros((4, 5), bool))
