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
