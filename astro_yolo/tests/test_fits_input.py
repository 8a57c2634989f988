"""FITS files and HDUs."""

import bz2
import gzip
import lzma

import numpy as np
import pytest
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning
from astropy.nddata import CCDData, StdDevUncertainty

from astro_yolo._fits_input import read_fits_file, read_hdu, read_hdu_list
from astro_yolo._planes import MappedImage
from astro_yolo.exceptions import ImageError, InputWarning

DATA = np.arange(30 * 40, dtype=np.float32).reshape(30, 40)


def write(path, *units):
    """Write HDUs to a FITS file; the first may be an array for the primary."""
    first = units[0] if isinstance(units[0], fits.PrimaryHDU) else fits.PrimaryHDU(units[0])
    fits.HDUList([first, *units[1:]]).writeto(path)
    return path


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "u4", "i8", "f4", "f8"])
def test_every_bitpix(tmp_path, kind):
    """Every FITS number type, unsigned ones by BZERO included, is read with its values."""
    path = write(tmp_path / "a.fits", (DATA % 200).astype(kind))
    (plane,) = read_fits_file(path)
    np.testing.assert_array_equal(plane.pixels.read(), DATA % 200)


def test_scaled_integers_with_blank(tmp_path):
    """BSCALE, BZERO and BLANK are applied as the standard says (and as astropy does)."""
    unit = fits.PrimaryHDU(np.array([[1, 2], [-5, -30]], dtype=np.int16))
    unit.header.update(BSCALE=0.5, BZERO=10.0, BLANK=-5)
    path = write(tmp_path / "a.fits", unit)
    with fits.open(path) as hdus:
        for planes in (read_fits_file(path), read_hdu_list(hdus)):
            np.testing.assert_array_equal(planes[0].pixels.read(), [[10.5, 11.0], [np.nan, -5.0]])


@pytest.mark.parametrize("kind", ["u2", "u4"])
@pytest.mark.parametrize("compressed", [False, True])
def test_blank_of_unsigned_integers(tmp_path, kind, compressed):
    """BLANK is a stored value, the least of which means 0: in files and open lists alike."""
    make = fits.CompImageHDU if compressed else fits.ImageHDU
    unit = make(np.array([[1, 2], [0, 40_000]], dtype=kind))
    unit.header["BLANK"] = -(2 ** (8 * int(kind[1]) - 1))
    path = write(tmp_path / "a.fits", None, unit)
    with fits.open(path) as hdus:
        for planes in (read_fits_file(path), read_hdu_list(hdus)):
            np.testing.assert_array_equal(planes[0].pixels.read(), [[1, 2], [np.nan, 40_000]])


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "u4"])
@pytest.mark.parametrize("key", ["BLANK", "ZBLANK"])
def test_blank_of_compressed_integers(tmp_path, monkeypatch, kind, key):
    """BLANK, or what stands for it in the table, is NaN: read whole, by windows and open."""
    unsigned = kind in ("u2", "u4")  # stored as signed ones and half their range
    unit = fits.CompImageHDU(np.array([[1, 2, 3, 4], [7, 99, 8, 9]], dtype=kind))
    path = write(tmp_path / "a.fits.fz", None, unit)
    with fits.open(path, mode="update", disable_image_compression=True) as hdus:
        hdus[1].header[key] = 99 - unsigned * 2 ** (8 * int(kind[1]) - 1)
    (whole,) = read_fits_file(path)
    monkeypatch.setattr("astro_yolo._fits_input._BIG", 4)
    (windows,) = read_fits_file(path)
    assert not isinstance(windows.pixels.raw, np.ndarray)
    with fits.open(path) as hdus:
        for plane in (whole, windows, *read_hdu_list(hdus), *read_hdu(hdus[1])):
            np.testing.assert_array_equal(plane.pixels.read((0, 2, 1, 3)), [[2, 3], [np.nan, 8]])


def with_card(path, unit, card):
    """Write an HDU with a card that astropy would refuse, and return the path."""
    unit.header["DUMMY"] = 1
    write(path, None, unit)
    content = path.read_bytes()
    at = content.index(b"DUMMY   = ")
    path.write_bytes(content[:at] + card.ljust(80).encode() + content[at + 80 :])
    return path


@pytest.mark.parametrize("make", [fits.ImageHDU, fits.CompImageHDU])
@pytest.mark.parametrize("key", ["BSCALE", "BZERO"])
@pytest.mark.parametrize("value", ["'1,0'", "'abc'", "1,0", "abc", "T"])
def test_malformed_scaling(tmp_path, make, key, value):
    """BSCALE or BZERO that is no number is an error that names file, card and what it holds."""
    path = with_card(tmp_path / "a.fits", make(DATA.astype("i2")), f"{key:8}= {value}")
    got = {"T": "True"}.get(value, f"'{value.strip(chr(39))}'")
    with pytest.raises(ImageError, match=rf"a.fits\[1\]: {key} must be a number, got {got}"):
        read_fits_file(path)
    if value[0] == "'":  # astropy itself gives up the HDU for the others
        with fits.open(path) as hdus, pytest.raises(ImageError, match=f"{key} must be a number"):
            read_hdu_list(hdus)


@pytest.mark.parametrize("value", ["'abc'", "abc", "1.5", "T"])
def test_malformed_blank(tmp_path, value):
    """BLANK that is no whole number is left out with a warning; compressed, it is an error."""
    path = with_card(tmp_path / "a.fits", fits.ImageHDU(DATA.astype("u2")), f"BLANK   = {value}")
    with pytest.warns(InputWarning, match=r"a.fits\[1\]: BLANK is left out: it must be a whole"):
        (plane,) = read_fits_file(path)
    np.testing.assert_array_equal(plane.pixels.read(), DATA)
    if value == "'abc'":
        with pytest.warns((InputWarning, VerifyWarning)), fits.open(path) as hdus:
            (plane,) = read_hdu_list(hdus)
        np.testing.assert_array_equal(plane.pixels.read(), DATA)
        packed = fits.CompImageHDU(DATA.astype("i2"))
        path = with_card(tmp_path / "b.fits", packed, f"BLANK   = {value}")
        with pytest.raises(ImageError, match=r"b.fits\[1\]: BLANK must be a number, got 'abc'"):
            read_fits_file(path)


def test_cards_without_a_value(tmp_path):
    """BSCALE, BZERO or BLANK without a value is as good as none."""
    for key in ("BSCALE", "BZERO", "BLANK"):
        unit = fits.ImageHDU(DATA.astype("i2"))
        (plane,) = read_fits_file(with_card(tmp_path / f"{key}.fits", unit, f"{key:8}="))
        np.testing.assert_array_equal(plane.pixels.read(), DATA)


def test_malformed_cards(tmp_path):
    """An image is read without cards that break the standard; astropy mends those that it holds."""
    unit = fits.PrimaryHDU(DATA)
    unit.header.update(FILTER="r", SATURATE=6.5e4)
    path = write(tmp_path / "a.fits", unit)
    content = path.read_bytes().replace(b"'r       '", b"r         ")
    path.write_bytes(content.replace(b"65000.0", b"6,5e4  "))
    with pytest.warns(InputWarning, match="a.fits: (FILTER|SATURATE) is left out") as caught:
        (plane,) = read_fits_file(path)
    assert len(caught) == 2  # once for each card
    assert (plane.band, plane.saturation) == (None, None)
    np.testing.assert_array_equal(plane.pixels.read(), DATA)
    with fits.open(path) as hdus, pytest.warns(VerifyWarning):
        (plane,) = read_hdu_list(hdus)
    assert (plane.band, plane.saturation) == ("r", None)


@pytest.mark.parametrize(
    ("ending", "pack"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress),
     (".gz", lambda b: gzip.compress(b[:3000]) + gzip.compress(b[3000:]))],
)  # fmt: skip
def test_packed(tmp_path, ending, pack):
    """Packed files are read by content, and damaged ones are an error naming the file."""
    plain = write(tmp_path / "a.fits", DATA)
    path = tmp_path / f"a.fits{ending}"
    path.write_bytes(pack(plain.read_bytes()))
    (plane,) = read_fits_file(path)
    np.testing.assert_array_equal(plane.pixels.read(), DATA)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ImageError, match=rf"a.fits{ending}: .*damaged or truncated"):
        read_fits_file(path)


@pytest.mark.parametrize("quantised", [False, True])
def test_tile_compressed(tmp_path, quantised):
    """A tile-compressed image is read with its scale, NaN and sky header."""
    data = DATA.copy()
    data[3, 4] = np.nan
    unit = fits.CompImageHDU(
        data if quantised else DATA.astype(np.int16), compression_type="RICE_1"
    )
    unit.header["FILTER"] = "g"
    (plane,) = read_fits_file(write(tmp_path / "a.fits.fz", None, unit))
    assert plane.band == "g"
    values = plane.pixels.read()
    if quantised:
        assert np.isnan(values[3, 4])
        np.testing.assert_allclose(values, data, atol=3)
    else:
        np.testing.assert_array_equal(values, DATA)


def test_large_tile_compressed_is_read_by_windows(tmp_path, monkeypatch):
    """A large compressed image is decoded where it is looked at."""
    monkeypatch.setattr("astro_yolo._fits_input._BIG", 100)
    path = write(tmp_path / "a.fits.fz", None, fits.CompImageHDU(DATA.astype(np.int16)))
    (plane,) = read_fits_file(path)
    assert not isinstance(plane.pixels.raw, np.ndarray)
    np.testing.assert_array_equal(plane.pixels.read((3, 7, 5, 30)), DATA[3:7, 5:30])


def test_large_plain_file_is_mapped_by_windows(tmp_path, monkeypatch):
    """A large plain image, or the planes of a cube, are read from the file where looked at."""
    monkeypatch.setattr("astro_yolo._fits_input._BIG", 100)
    planes = read_fits_file(write(tmp_path / "a.fits", np.stack([DATA, DATA + 1])))
    assert isinstance(planes[1].pixels.raw, MappedImage)
    np.testing.assert_array_equal(planes[1].pixels.read((3, 7, 5, 30)), DATA[3:7, 5:30] + 1)


def test_plain_file_is_memory_mapped(tmp_path):
    """Pixels of a plain file stay on disk."""
    (plane,) = read_fits_file(write(tmp_path / "a.fits", DATA))
    base = plane.pixels.raw
    while isinstance(base.base, np.ndarray):
        base = base.base
    assert isinstance(base, np.memmap)


def test_cube_is_bands(tmp_path):
    """Planes of a cube are bands in file order; leading axes of one are dropped."""
    planes = read_fits_file(write(tmp_path / "a.fits", np.stack([DATA, DATA + 1, DATA + 2])))
    assert [float(p.pixels.read()[0, 0]) for p in planes] == [0, 1, 2]
    data = DATA[np.newaxis].astype("i2")
    for k, unit in enumerate((fits.ImageHDU(data[np.newaxis]), fits.CompImageHDU(data))):
        (plane,) = read_fits_file(write(tmp_path / f"{k}.fits", None, unit))
        np.testing.assert_array_equal(plane.pixels.read(), DATA)


@pytest.mark.parametrize("make", [fits.ImageHDU, fits.CompImageHDU])
def test_stack_of_pan_starrs(tmp_path, monkeypatch, make):
    """BSOFTEN and BOFFSET are undone, whole and by windows, and FPA.ZP is of a count per second."""
    unit = make(DATA.astype(np.int16))  # a magnitude and steps of 0.002
    unit.header.update({"BSCALE": 0.002, "BZERO": 1.0, "BLANK": 7, "BSOFTEN": 50.0, "BOFFSET": 8.0})
    unit.header.update({"HIERARCH FPA.ZP": 25, "HIERARCH FPA.FILTERID": "r.0", "EXPTIME": 100.0})
    path = write(tmp_path / "a.fits", None, unit)
    x = (0.002 * DATA.astype(float) + 1.0) * 0.4
    flux = 8.0 + 50.0 * (10**x - 10**-x)
    flux[0, 7] = np.nan
    (whole,) = read_fits_file(path)
    monkeypatch.setattr("astro_yolo._fits_input._BIG", 100)
    (windows,) = read_fits_file(path)
    with fits.open(path) as hdus:
        for plane in (whole, windows, *read_hdu_list(hdus), *read_hdu(hdus[1])):
            np.testing.assert_allclose(plane.pixels.read(), flux, rtol=1e-5)
            assert (plane.band, plane.zero_point(None)) == ("r", 30.0)


def test_cutout_of_the_legacy_surveys(tmp_path):
    """The planes of a cutout have the names of BAND0 and following, and nanomaggies."""
    unit = fits.PrimaryHDU(np.stack([DATA, DATA + 1]))
    unit.header.update(BANDS="gz", BAND0="g", BAND1="z", SURVEY="LegacySurvey")
    planes = read_fits_file(write(tmp_path / "a.fits", unit))
    assert [(plane.band, plane.zero_point(None)) for plane in planes] == [("g", 22.5), ("z", 22.5)]
    single = fits.PrimaryHDU(DATA, fits.Header([("BANDS", "r"), ("BAND0", "r")]))
    assert read_fits_file(write(tmp_path / "b.fits", single))[0].band == "r"


def test_surface_brightness_without_its_area(tmp_path):
    """MJy/sr have a zero point by the pixels of the WCS where PIXAR_SR is missing."""
    header = fits.Header()
    header.update(BUNIT="MJy/sr", CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CDELT1=-0.6 / 3600,
                  CDELT2=0.6 / 3600, CROTA2=30.0, CRVAL1=10.0, CRVAL2=60.0)  # fmt: skip
    (plane,) = read_fits_file(write(tmp_path / "a.fits", fits.PrimaryHDU(DATA, header)))
    # 0.36 square arcsec are 8.4616e-12 sr, on which 1 MJy/sr is 8.4616 uJy
    assert plane.zero_point(plane.wcs) == pytest.approx(23.90 - 2.5 * np.log10(8.4616), abs=1e-4)


def test_layout_of_an_sdss_frame(tmp_path):
    """The only image is taken beside a 1-D sky vector and tables."""
    table = fits.BinTableHDU.from_columns([fits.Column("A", "E", array=[1.0, 2.0])])
    path = write(tmp_path / "a.fits", DATA, fits.ImageHDU(DATA[0]), table)
    (plane,) = read_fits_file(path)
    assert plane.label == f"{path}[0]"
    np.testing.assert_array_equal(plane.pixels.read(), DATA)


def test_choice_of_hdu(tmp_path):
    """hdu= takes an index, a name or a name with a version, for files and open lists alike."""
    names = [("A", 1), ("A", 2), ("B", 1)]
    units = [fits.ImageHDU(DATA + k, name=n, ver=v) for k, (n, v) in enumerate(names)]
    path = write(tmp_path / "a.fits", None, *units)
    for hdu, first in ((1, 0), ("a", 0), (("A", 2), 1), ("B", 2), (3, 2)):
        (plane,) = read_fits_file(path, hdu)
        assert plane.pixels.read()[0, 0] == first
        with fits.open(path) as hdus:
            (plane,) = read_hdu_list(hdus, hdu)
            assert plane.pixels.read()[0, 0] == first
    message = r"a.fits: holds several images, one must be chosen with hdu=, got 1 A \(30x40\), 2 A"
    with pytest.raises(ImageError, match=message):
        read_fits_file(path)
    with pytest.raises(ImageError, match=r"hdu must be one of the file's \(0 .*, got 9"):
        read_fits_file(path, 9)
    with pytest.raises(ImageError, match=r"hdu must be an image of 2 or 3 dimensions, got 0 "):
        read_fits_file(path, 0)


def test_science_extension(tmp_path):
    """The only SCI extension is taken among weights and errors, with the filter of the primary."""
    primary = fits.PrimaryHDU()
    primary.header["FILTER"] = "F200W"
    units = [fits.ImageHDU(DATA + k, name=n) for k, n in enumerate(["SCI", "ERR", "WHT"])]
    (plane,) = read_fits_file(write(tmp_path / "a.fits", primary, *units))
    assert plane.pixels.read()[0, 0] == 0
    assert plane.band == "F200W"


def test_hdus_in_memory():
    """HDUs made in memory are read; their data are not changed."""
    unit = fits.ImageHDU(DATA.astype(">f4"))
    unit.header.update(SATURATE=1000, BLANK=7)  # of floats, which have NaN, BLANK says nothing
    (plane,) = read_hdu(unit)
    assert plane.saturation == 1000.0
    np.testing.assert_array_equal(plane.pixels.read(), DATA)
    assert unit.data.dtype == ">f4"
    unit.header.update(CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CDELT1=-1e-4, CDELT2=1e-4,
                       CPDIS1="LOOKUP")  # fmt: skip
    with pytest.warns(InputWarning, match="lookup-table distortions left out of its WCS"):
        assert read_hdu(unit)[0].wcs is not None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b[:-2880], "truncated: HDU 0 must reach byte 7680, got a file of 5760"),
        (lambda b: b[:100], "truncated: a header must end with END"),
        (lambda b: b[:4000], "truncated: HDU 0"),
        (lambda b: b.replace(b"-32", b"-17"), "BITPIX must be one of"),
        (lambda b: b.replace(b"-32", b"abc"), "HDU 0: BITPIX must be a whole number, got 'abc'"),
        (lambda b: b.replace(b"  40 ", b" '40'"), "NAXIS1 must be a whole number .*, got '40'"),
        (lambda b: b.replace(b"NAXIS1", b"NAXISX"), "NAXIS1 must be a whole number .*, got None"),
        (lambda b: b.replace(b" 30 ", b"-30 "), "NAXIS2 must be a whole number .*, got -30"),
    ],
)
def test_damaged_file(tmp_path, change, message):
    """A file cut short or with nonsense is an error naming the file and the rule."""
    path = tmp_path / "a.fits"
    content = change(write(tmp_path / "good.fits", DATA).read_bytes())
    path.write_bytes(content)
    with pytest.raises(ImageError, match=f"a.fits.*{message}"):
        read_fits_file(path)


def test_no_image(tmp_path):
    """A file of tables, a spectrum, or nothing is an error that lists what there is."""
    table = fits.BinTableHDU.from_columns([fits.Column("A", "E", array=[1.0])], name="CAT")
    path = write(tmp_path / "a.fits", None, table)
    with pytest.raises(ImageError, match=r"a.fits: must hold an image .* 1 CAT \(no image\)"):
        read_fits_file(path)
    path = write(tmp_path / "b.fits", DATA[0])
    with pytest.raises(ImageError, match=r"b.fits: must hold an image .* 0 \(40\)"):
        read_fits_file(path)
    with pytest.raises(ImageError, match="must be an image HDU with data, got BinTableHDU"):
        read_hdu(table)
    with pytest.raises(ImageError, match=r"^HDUList: must hold an image, got an empty"):
        read_hdu_list(fits.HDUList())


def test_trailing_bytes_are_ignored(tmp_path):
    """Padding after the last HDU does no harm."""
    path = write(tmp_path / "a.fits", DATA)
    path.write_bytes(path.read_bytes() + b"\0" * 2880)
    assert len(read_fits_file(path)) == 1


BAD = np.zeros(DATA.shape, bool)
BAD[3:5, 7] = True


@pytest.mark.parametrize("ending", ["fits", "fits.gz"])
@pytest.mark.parametrize("shape", [(30, 40), (1, 30, 40), (3, 10, 40)])
def test_files_of_ccddata(tmp_path, ending, shape):
    """What CCDData writes is one image with its mask; the uncertainty beside it is none."""
    ccd = CCDData(DATA.reshape(shape), mask=BAD.reshape(shape), unit="adu",
                  uncertainty=StdDevUncertainty(DATA.reshape(shape)))  # fmt: skip
    path = tmp_path / f"a.{ending}"
    ccd.write(path)
    with fits.open(path) as hdus:
        assert [unit.name for unit in hdus] == ["PRIMARY", "MASK", "UNCERT"]
        for planes in (read_fits_file(path), read_hdu_list(hdus), read_fits_file(path, 0)):
            values = np.concatenate([plane.pixels.read() for plane in planes])
            np.testing.assert_array_equal(values, DATA)
            np.testing.assert_array_equal(np.concatenate([plane.bad for plane in planes]), BAD)
        for planes in (read_fits_file(path, "UNCERT"), read_hdu_list(hdus, 2)):
            assert all(plane.bad is None for plane in planes)


def test_masks_of_flags_are_not_used(tmp_path):
    """A mask that may hold flags, beside an extension or of many bits, says nothing of pixels."""
    flags = (DATA > 3).astype(np.int16)
    beside = write(tmp_path / "a.fits", None, fits.ImageHDU(DATA, name="IMAGE"),
                   fits.ImageHDU(flags.astype(np.uint8), name="MASK"))  # fmt: skip
    primary = write(tmp_path / "b.fits", DATA, fits.ImageHDU(flags, name="MASK"))
    small = write(tmp_path / "c.fits", DATA, fits.ImageHDU(np.ones((3, 4), np.uint8), name="MASK"))
    signed = fits.ImageHDU(np.zeros((30, 40), np.int8), name="MASK")
    signed = write(tmp_path / "d.fits", DATA, signed)
    packed = write(tmp_path / "e.fits", DATA, fits.CompImageHDU(flags, name="MASK"))
    for path in (beside, primary, small, signed, packed):
        with fits.open(path) as hdus:
            for planes in (read_fits_file(path), read_hdu_list(hdus)):
                np.testing.assert_array_equal(planes[0].pixels.read(), DATA)
                assert planes[0].bad is None


def test_distortions_are_no_images(tmp_path):
    """Lookup tables of a WCS beside the one image leave it the only one; alone, one is an image."""
    tables = [fits.ImageHDU(np.zeros((4, 4), np.float32), name=name, ver=k)
              for name in ("WCSDVARR", "D2IMARR") for k in (1, 2)]  # fmt: skip
    path = write(tmp_path / "a.fits", DATA, *tables)
    with fits.open(path) as hdus:
        for planes in (read_fits_file(path), read_hdu_list(hdus)):
            np.testing.assert_array_equal(planes[0].pixels.read(), DATA)
    alone = write(tmp_path / "b.fits", None, fits.ImageHDU(DATA, name="MASK"))
    np.testing.assert_array_equal(read_fits_file(alone)[0].pixels.read(), DATA)
    with pytest.raises(ImageError, match="holds several images"):
        read_fits_file(write(tmp_path / "c.fits", None, *tables))
