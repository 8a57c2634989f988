"""WCS and facts from FITS headers."""

import warnings
from contextlib import nullcontext

import numpy as np
import pytest
from astropy import log
from astropy.io import fits
from astropy.wcs import WCS

from astro_yolo import _headers
from astro_yolo.exceptions import InputWarning, WCSError


def tan_header(**cards):
    """Header of a TAN image: 0.4 arcsec pixels."""
    header = fits.Header()
    header.update(
        CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRPIX1=50.0, CRPIX2=40.0, CRVAL1=150.0, CRVAL2=2.0,
        CD1_1=-0.4 / 3600, CD1_2=0.0, CD2_1=0.0, CD2_2=0.4 / 3600,
    )  # fmt: skip
    header.update(cards)
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


@pytest.mark.parametrize("axes", [("HPLN", "HPLT"), ("SLON", "SLAT"), ("MALN", "MALT")])
def test_coordinates_without_declination(axes):
    """Coordinates on the Sun or Mars, and supergalactic ones, are left out with a warning."""
    header = tan_header(CTYPE1=f"{axes[0]}-TAN", CTYPE2=f"{axes[1]}-TAN")
    message = f"a.fits: its WCS is left out: it must be in equatorial.*, got .*{axes[0]}-TAN"
    with pytest.warns(InputWarning, match=message):
        assert _headers.wcs_from_text(header.tostring(), label="a.fits") is None


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


SIP = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-4, "B_1_1": 2e-4}


@pytest.mark.parametrize("third", [{}, {"CTYPE3": "RGB"}, {"WCSAXES": 2}, {"WCSAXES": 3}])
def test_distortion_of_a_cube(third):
    """A cube of colours keeps the SIP distortion that its two sky axes have."""
    header = tan_header(NAXIS=3, NAXIS1=100, NAXIS2=80, NAXIS3=3, **SIP, **third)
    header.update(CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP")
    wcs = _headers.wcs_from_text(header.tostring(), label="x")
    # u is 20 and v 10 pixels: f = 1e-4 u u, g = 2e-4 u v
    expected = WCS(tan_header()).all_pix2world(49 + 20.04, 39 + 10.04, 0)
    np.testing.assert_allclose(wcs.all_pix2world(69, 49, 0), expected, atol=1e-9)
    assert wcs.naxis == 2


@pytest.mark.parametrize("third", [{}, {"CTYPE3": "RGB"}, {"WCSAXES": 3}])
def test_polynomial_of_a_cube(third):
    """A cube of colours keeps the polynomials of TPV, as DECam, MegaCam and ZTF have them."""
    cards = {"NAXIS": 3, "NAXIS1": 100, "NAXIS2": 80, "NAXIS3": 3, "PV1_1": 1.01, "PV2_1": 1.02}
    header = tan_header(**cards, **third)
    header.update(CTYPE1="RA---TPV", CTYPE2="DEC--TPV")
    wcs = _headers.wcs_from_text(header.tostring(), label="x")
    # the polynomials are those of xi and eta, which are along x and y here
    expected = WCS(tan_header()).all_pix2world(49 + 20 * 1.01, 39 + 10 * 1.02, 0)
    np.testing.assert_allclose(wcs.all_pix2world(69, 49, 0), expected, atol=1e-9)


def test_distortion_without_celestial_axes():
    """A header of a detector's axes has no WCS, whatever its distortion."""
    header = tan_header(**SIP)
    header.update(CTYPE1="LINEAR", CTYPE2="LINEAR")
    assert _headers.wcs_from_text(header.tostring(), label="x") is None


def test_distortion_that_ctype_leaves_out():
    """SIP terms beside a CTYPE without -SIP are used, as astropy does, with one warning."""
    header = tan_header(**SIP)
    message = "a.fits: the SIP distortion of its WCS is used"
    with log.log_to_list() as told, pytest.warns(InputWarning, match=message) as warned:
        wcs = _headers.wcs_from_text(header.tostring(), label="a.fits")
    assert len(warned) == 1
    assert not told  # astropy has a page to say about it
    assert list(wcs.wcs.ctype) == ["RA---TAN-SIP", "DEC--TAN-SIP"]
    expected = WCS(tan_header()).all_pix2world(49 + 20.04, 39 + 10.04, 0)
    np.testing.assert_allclose(wcs.all_pix2world(69, 49, 0), expected, atol=1e-9)


def test_distortion_of_iraf():
    """TNX, as IRAF fits it, has the polynomials of its WAT cards."""
    # 1, x, x^2, y, xy, y^2, x and y in degrees from the reference point, as terms of order 3
    terms = {"lng": [1e-3, 2e-3, 0.5, 3e-3, 0.3, 0.2], "lat": [-2e-3, 1e-3, 0.1, 4e-3, 0.2, 0.6]}
    header = tan_header()
    header.update(CTYPE1="RA---TNX", CTYPE2="DEC--TNX", CRVAL2=0.0)
    for axis, (name, numbers) in enumerate(terms.items(), start=1):
        text = f'wtype=tnx axtype={name} {name}cor = "3. 3. 3. 2. -0.1 0.1 -0.1 0.1 '
        text += " ".join(f"{number:.8f}" for number in numbers) + ' "'
        for k in range(0, len(text), 68):
            header[f"WAT{axis}_{k // 68 + 1:03d}"] = text[k : k + 68]
    wcs = _headers.wcs_from_text(header.tostring(), label="x")
    x, y = np.array([-0.4, 0.4]) * [30, 20] / 3600
    factors = np.array([1, x, x**2, y, x * y, y**2])
    xi, eta = np.radians([x + factors @ terms["lng"], y + factors @ terms["lat"]])
    # about the equator the gnomonic projection is xi = tan(ra), eta = tan(dec) / cos(ra)
    ra = np.arctan(xi)
    expected = np.degrees([np.radians(150) + ra, np.arctan(eta * np.cos(ra))])
    np.testing.assert_allclose(wcs.all_pix2world(49 + 30, 39 + 20, 0), expected, atol=1e-9)
    # cards of other programs are left alone
    header.update(CTYPE1="RA---TAN", CTYPE2="DEC--TAN")
    plain = _headers.wcs_from_text(header.tostring(), label="x")
    np.testing.assert_allclose(plain.all_pix2world(49, 39, 0), (150, 0), atol=1e-12)


@pytest.mark.parametrize("keys", [("EQUINOX", "EPOCH"), ("EPOCH", "EQUINOX")])
def test_epoch_of_the_observation(keys):
    """EPOCH stands for EQUINOX where that is missing, and is another thing beside it."""
    cards = {"EQUINOX": 2000.0, "EPOCH": 2012.5}
    header = tan_header(**{key: cards[key] for key in keys})
    wcs = _headers.wcs_from_text(header.tostring(), label="x")
    assert (wcs.wcs.equinox, wcs.wcs.radesys) == (2000.0, "FK5")
    alone = _headers.wcs_from_text(tan_header(EPOCH=1950.0).tostring(), label="x")
    assert (alone.wcs.equinox, alone.wcs.radesys) == (1950.0, "FK4")


def test_inherited_wcs():
    """An extension that inherits has the WCS of the primary header where it has none itself."""
    primary, own = tan_header().tostring(), tan_header(CRVAL1=10.0)
    inherits = fits.Header([("INHERIT", True, "of the primary header")])
    wcs, error = _headers.wcs_or_error(inherits.tostring(), primary, label="x")
    assert (wcs.wcs.crval[0], error) == (150.0, None)
    own["INHERIT"] = True
    assert _headers.wcs_or_error(own.tostring(), primary, label="x")[0].wcs.crval[0] == 10.0
    for cards in ([], [("INHERIT", False)]):
        text = fits.Header(cards).tostring()
        assert _headers.wcs_or_error(text, primary, label="x") == (None, None)


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
    with pytest.raises(WCSError, match=r"coordinates that astropy knows, got .*'J2000'"):
        _headers.as_wcs(WCS(tan_header(RADESYS="J2000")))


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
    assert _headers.filter_name({"FPA.FILTERID": "r.00000"}) == "r"
    assert _headers.filter_name({"FILTER": "z DECam SDSS c0004 9260.0 1520.0"}) == "z"
    assert _headers.filter_name({"FILTER": "r.MP9601"}) == "r.MP9601"
    assert _headers.filter_name({"ESO INS FILT1 NAME": "r_SDSS"}) == "r_SDSS"


@pytest.mark.parametrize(
    ("pupil", "name", "expected"),
    [("CLEAR", "F200W", "F200W"), ("F162M", "F150W2", "F162M"), ("F150W", "CLEAR", "F150W"),
     ("CLEARP", "F277W", "F277W")],
)  # fmt: skip
def test_filters_of_webb(pupil, name, expected):
    """Of Webb's two wheels the narrower filter counts, which is in that of the pupil if any is."""
    assert _headers.filter_name({}, {"FILTER": name, "PUPIL": pupil}) == expected


def test_facts_of_zero_points():
    """The cards that a zero point needs are read from a header."""
    text = "".join(card.ljust(80) for card in ["BUNIT   = 'ELECTRONS'", "EXPTIME =  1000.0"])
    assert _headers.facts(text, "a.fits") == {"BUNIT": "ELECTRONS", "EXPTIME": 1000.0}


def test_facts_under_long_keywords():
    """HIERARCH cards, as those of Pan-STARRS, are read like others."""
    cards = ["HIERARCH FPA.ZP = 25.0 / zero", "HIERARCH FPA.FILTERID = 'r.00000'", "HIERARCH X = 1"]
    text = "".join(card.ljust(80) for card in cards)
    assert _headers.facts(text, "a.fits") == {"FPA.ZP": 25.0, "FPA.FILTERID": "r.00000"}


def test_filters_of_planes():
    """BAND0 and following name the planes of a cube, if they name all."""
    cards = {"BANDS": "grz", "BAND0": "g", "BAND1": "r", "BAND2": "z"}
    text = "".join(f"{key:8}= '{value}'".ljust(80) for key, value in cards.items())
    header = _headers.facts(text, "a.fits")
    assert _headers.plane_filters(3, {}, header) == ["g", "r", "z"]
    assert _headers.plane_filters(4, header, {}) == [None] * 4


COLORS = {"CTYPE3": "RGB", "COLORSPC": "RGB", "PROGRAM": "Siril 1.4.4"}


@pytest.mark.parametrize("key", COLORS)
def test_planes_of_colour_pictures(key):
    """A cube of three that a program for pictures wrote holds red, green and blue."""
    header = _headers.facts(f"{key:8}= '{COLORS[key]}'".ljust(80), "a.fits")
    assert _headers.plane_filters(3, header) == ["red", "green", "blue"]
    assert _headers.plane_filters(2, header) == [None] * 2
