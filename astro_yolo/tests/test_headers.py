"""WCS and facts from FITS headers."""

import warnings
from contextlib import nullcontext

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from astro_yolo import _headers
from astro_yolo.exceptions import InputWarning, WCSError


def tan_header(**cards):
    """Header of a TAN image: 0.4 arcsec pixels."""
    header = fits.Header()
    header.update(
        CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRPIX1=50.0, CRPIX2=40.0, CRVAL1=150.0, CRVAL2=2.0,
        CD1_1=-0.4 / 3600, CD1_2=0.0, CD2_1=0.0, CD2_2=0.4 / 3600, **cards,
    )  # fmt: skip
    return header


def test_sdss_header_is_quiet():
    """The deprecated RADECSYS and the two-digit year of SDSS frames cause no warning."""
    header = tan_header()
    header["RADECSYS"] = "ICRS"
    header["DATE-OBS"] = "19/09/98"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wcs = _headers.wcs_from_text(header.tostring(), label="x")
    assert wcs.wcs.radesys == "ICRS"
    np.testing.assert_allclose(wcs.all_pix2world(49, 39, 0), (150, 2), atol=1e-12)


def test_no_celestial_axes():
    """A header without celestial axes gives no WCS, whatever else it says."""
    header = fits.Header([("CTYPE1", "LINEAR"), ("CTYPE2", "LINEAR"), ("OBJECT", "x")])
    assert _headers.wcs_from_text(header.tostring(), label="x") is None
    assert _headers.wcs_from_text("", label="x") is None


def test_broken_wcs():
    """A WCS that cannot be inverted is an error that names the file."""
    header = tan_header()
    for key in ("CD1_1", "CD1_2", "CD2_1", "CD2_2"):
        header[key] = 1e-4
    with pytest.raises(WCSError, match=r"a.fits: its header must hold a valid WCS"):
        _headers.wcs_from_text(header.tostring(), label="a.fits")


def test_cube_wcs_is_celestial():
    """Of a cube's WCS the two sky axes are kept."""
    header = tan_header(CTYPE3="FREQ", CRVAL3=1e9, CRPIX3=1.0, CD3_3=1e6, NAXIS=3)
    wcs = _headers.wcs_from_text(header.tostring(), label="x")
    assert wcs.naxis == 2


def test_lookup_tables_need_their_file():
    """Distortion tables that are not at hand are left out with a warning."""
    header = tan_header(CPDIS1="LOOKUP", CPDIS2="LOOKUP")
    with pytest.warns(InputWarning, match=r"a.fits: lookup-table distortions left out"):
        wcs = _headers.wcs_from_text(header.tostring(), label="a.fits")
    np.testing.assert_allclose(wcs.all_pix2world(49, 39, 0), (150, 2), atol=1e-12)


def test_lookup_tables_are_used():
    """Distortion tables of the same file shift positions as they say."""
    header = tan_header(CPDIS1="LOOKUP", CPDIS2="LOOKUP")
    for axis in (1, 2):
        for text in (f"EXTVER: {axis}.0", "NAXES: 2.0", "AXIS.1: 1.0", "AXIS.2: 2.0"):
            header.append(fits.Card.fromstring(f"DP{axis}     = '{text}'"), end=True)
    hdus = fits.HDUList([fits.PrimaryHDU(np.zeros((80, 100)), header)])
    for axis, shift in ((1, 3.0), (2, 0.0)):
        table = fits.ImageHDU(np.full((2, 2), shift, np.float32), name="WCSDVARR", ver=axis)
        table.header.update(
            CRPIX1=1.0, CRPIX2=1.0, CRVAL1=1.0, CRVAL2=1.0, CDELT1=100.0, CDELT2=100.0
        )
        hdus.append(table)
    wcs = _headers.wcs_from_text(
        hdus[0].header.tostring(), label="x", open_tables=lambda: nullcontext(hdus)
    )
    # 3 px more in x before the linear part: the reference pixel is reached 3 px earlier
    np.testing.assert_allclose(wcs.all_pix2world(46, 39, 0), (150, 2), atol=1e-9)


@pytest.mark.parametrize("unit", ["deg", "arcsec"])
def test_pixel_scale(unit):
    """The pixel scale is in arcseconds whatever the header's unit, for turned images too."""
    size = {"deg": 1 / 3600, "arcsec": 1.0}[unit]
    header = tan_header(CUNIT1=unit, CUNIT2=unit)
    for key, value in (("CD1_1", -0.3), ("CD1_2", 0.4), ("CD2_1", 0.4), ("CD2_2", 0.3)):
        header[key] = value * size
    if unit == "arcsec":
        header["CRVAL1"], header["CRVAL2"] = 150 * 3600.0, 2 * 3600.0
    wcs = _headers.wcs_from_text(header.tostring(), label="x")
    assert _headers.pixel_scale(wcs, (80, 100)) == pytest.approx(0.5)
    assert _headers.pixel_scale(None, (80, 100)) is None


def test_pixel_scale_of_any_wcs():
    """A WCS known only through the shared interface has the scale measured at the centre."""
    from astropy.wcs.wcsapi import HighLevelWCSWrapper

    wcs = HighLevelWCSWrapper(WCS(tan_header()))
    assert _headers.pixel_scale(wcs, (80, 100)) == pytest.approx(0.4, rel=1e-6)


def test_pixel_scale_far_from_the_reference():
    """Where a projection stretches the sky, the scale is that of the image's own centre."""
    # plate carree with its reference on the equator: at declination 60 a step in x is half as long
    header = tan_header()
    header.update(CTYPE1="RA---CAR", CTYPE2="DEC--CAR", CRVAL2=0.0, CRPIX2=40.5 - 60 * 9000)
    wcs = _headers.wcs_from_text(header.tostring(), label="x")
    assert _headers.pixel_scale(wcs, (80, 99)) == pytest.approx(0.4 * np.sqrt(0.5), rel=1e-6)
    # the same image as a cutout, turned on its side
    header.update(CTYPE2="RA---CAR", CTYPE1="DEC--CAR", CRVAL1=0.0, CRPIX1=50.5 - 60 * 9000,
                  CRVAL2=150.0, CRPIX2=40.0)  # fmt: skip
    wcs = _headers.wcs_from_text(header.tostring(), label="x")
    assert _headers.pixel_scale(wcs, (79, 100)) == pytest.approx(0.4 * np.sqrt(0.5), rel=1e-6)


def test_pixel_scale_is_that_of_the_header():
    """Cutouts of a frame have its scale, and so has an image whose centre shows no sky."""
    wcs = WCS(tan_header())
    assert _headers.pixel_scale(wcs, (80, 100)) == _headers.pixel_scale(wcs[3000:, 2000:], (9, 9))
    sky = tan_header()
    sky.update(CTYPE1="RA---AIT", CTYPE2="DEC--AIT", CD1_1=-1.0, CD2_2=1.0)
    assert _headers.pixel_scale(WCS(sky), (2000, 2000)) == pytest.approx(3600)


def test_wcs_argument():
    """A header or WCS is taken; anything else, or one without sky axes, is an error."""
    assert isinstance(_headers.as_wcs(tan_header()), WCS)
    assert _headers.as_wcs(None) is None
    with pytest.raises(TypeError, match="wcs must be a WCS or a FITS header, got str"):
        _headers.as_wcs("a.fits")
    with pytest.raises(WCSError, match="wcs must have celestial axes"):
        _headers.as_wcs(WCS(naxis=2))


@pytest.mark.parametrize(
    "card",
    ["FILTER  = r", "FILTER  = 'r", "FILTER  =r", "SATURATE= 6.5e4 ADU", "BUNIT   = adu",
     "MAGZERO = 25,0", "MAGZERO = NaN", "BAND    r"],
)  # fmt: skip
def test_malformed_card(card):
    """A card that breaks the FITS standard is left out with a warning; the others are read."""
    text = card.ljust(80) + "FILTER2 = 'F814W   '".ljust(80)
    key = card[:8].rstrip()
    with pytest.warns(InputWarning, match=f"a.fits: {key} is left out: .* valid FITS card, got"):
        assert _headers.facts(text, "a.fits") == {"FILTER2": "F814W"}


def test_facts():
    """Cards in use are read, the first of two; one without a value and others are not looked at."""
    cards = ["FILTER  = 'g'", "FILTER  = 'r'", "SATURATE=", "OBJECT  = x", "FILTERS = x"]
    text = "".join(card.ljust(80) for card in [*cards, "PHOTFLAM= 1D-20 / HST"])
    assert _headers.facts(text, "a.fits") == {"FILTER": "g", "PHOTFLAM": 1e-20}


def test_filter_and_saturation():
    """The known filter of two wheels is found, in the extension or the primary header."""
    primary = {"FILTER1": "CLEAR1L", "FILTER2": "F814W", "SATURATE": -1}
    assert _headers.filter_name({}, primary) == "F814W"
    assert _headers.filter_name({"FILTER": "r "}, primary) == "r"
    assert _headers.filter_name({"FILTER": "odd"}) == "odd"
    assert _headers.filter_name({}, {}) is None
    assert _headers.saturation_level({"SATLEVEL": 60000}, primary) == 60000.0
    assert _headers.saturation_level({"SATURATE": True}, {"SATURATE": "x"}) is None


UNITS = {
    "Jy": 8.90, "mJy": 16.40, "uJy": 23.90, "nJy": 31.40, "10.0*nanoJansky": 28.90,
    "nanomaggy": 22.5, "nanomaggies": 22.5, "10 nmgy": 20.0, "Jy/beam": None, "furlong": None,
    "nanomaggy/arcsec2": None, "***": None,
}  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_zero_point_of_a_unit(unit):
    """Janskys and nanomaggies have the zero point of their definition; others have none."""
    assert _headers.zero_point({"BUNIT": unit}) == pytest.approx(UNITS[unit])


@pytest.mark.parametrize("unit", ["MJy/sr", "MJy / sr", "MJy sr-1", "MJY/SR", "MJy sr^-1"])
def test_zero_point_of_surface_brightness(unit):
    """MJy/sr in any spelling is 8.90 - 2.5 log10 of the Jy in a pixel; without its area none."""
    # 1e6 Jy/sr on 1e-11 sr are 1e-5 Jy: 12.5 magnitudes
    assert _headers.zero_point({"BUNIT": unit, "PIXAR_SR": 1e-11}) == pytest.approx(8.90 + 12.5)
    assert _headers.zero_point({"BUNIT": unit}) is None


HUBBLE = {"PHOTFLAM": 1e-20, "PHOTPLAM": 1e4}
PER_SECOND = 50 - 20 - 2.408  # -2.5 log10 PHOTFLAM - 5 log10 PHOTPLAM - 2.408


@pytest.mark.parametrize("unit", ["ELECTRONS", "electron", "COUNTS", "DN", "adu"])
def test_hubble_counts(unit):
    """Counts have the zero point of a rate plus 2.5 log10 EXPTIME, or none without it."""
    found = _headers.zero_point({"BUNIT": unit, **HUBBLE}, {"EXPTIME": 1000.0})
    assert found == pytest.approx(PER_SECOND + 7.5)
    for time in ({}, {"EXPTIME": 0.0}, {"EXPTIME": "x"}):
        assert _headers.zero_point({"BUNIT": unit, **HUBBLE}, time) is None


@pytest.mark.parametrize(
    "unit", ["ELECTRONS/S", "electron / s", "electron s-1", "counts/sec", "DN/s", "cps", ""]
)
def test_hubble_counts_per_second(unit):
    """Of counts per second the exposure time plays no part, whether it is known or not."""
    for more in ({}, {"EXPTIME": 1000.0}):
        found = _headers.zero_point({"BUNIT": unit, **HUBBLE, **more})
        assert found == pytest.approx(PER_SECOND)


def test_hubble_flux_is_no_count():
    """PHOTFLAM, which is about counts, says nothing of pixels in a flux that is not known."""
    assert _headers.zero_point({"BUNIT": "erg/s/cm2/A", "EXPTIME": 10.0, **HUBBLE}) is None
    assert _headers.zero_point({"BUNIT": "MJy/sr", **HUBBLE}) is None


def test_facts_of_zero_points():
    """The cards that a zero point needs are read from a header."""
    text = "".join(card.ljust(80) for card in ["BUNIT   = 'ELECTRONS'", "EXPTIME =  1000.0"])
    assert _headers.facts(text, "a.fits") == {"BUNIT": "ELECTRONS", "EXPTIME": 1000.0}
