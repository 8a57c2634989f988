"""The AB magnitude of one unit of the pixels, by the definitions of those who wrote the cards."""

import numpy as np
import pytest

from astro_yolo._zero_point import zero_point

UNITS = {
    "Jy": 8.90, "mJy": 16.40, "uJy": 23.90, "nJy": 31.40, "10.0*nanoJansky": 28.90,
    "nanomaggy": 22.5, "nanomaggies": 22.5, "10 nmgy": 20.0, "Jy/beam": None, "furlong": None,
    "nanomaggy/arcsec2": None, "***": None, "maggies": 0.0, "microJy": 23.90,
    "erg/s/cm2/Hz": -48.60, "W/m2/Hz": -56.10, "erg/s/cm2/A": None, "1e-20 erg/s/cm2/Hz": 1.40,
    "Jy/pix": 8.90,
}  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_zero_point_of_a_unit(unit):
    """Janskys and nanomaggies have the zero point of their definition; others have none."""
    assert zero_point({"BUNIT": unit}) == pytest.approx(UNITS[unit])


@pytest.mark.parametrize("unit", ["MJy/sr", "MJy / sr", "MJy sr-1", "MJY/SR", "MJy sr^-1"])
def test_zero_point_of_surface_brightness(unit):
    """MJy/sr in any spelling is 8.90 - 2.5 log10 of the Jy in a pixel; without its area none."""
    # 1e6 Jy/sr on 1e-11 sr are 1e-5 Jy: 12.5 magnitudes
    assert zero_point({"BUNIT": unit, "PIXAR_SR": 1e-11}) == pytest.approx(8.90 + 12.5)
    assert zero_point({"BUNIT": unit}) is None


HUBBLE = {"PHOTFLAM": 1e-20, "PHOTPLAM": 1e4}
PER_SECOND = 50 - 20 - 2.408  # -2.5 log10 PHOTFLAM - 5 log10 PHOTPLAM - 2.408


@pytest.mark.parametrize("unit", ["ELECTRONS", "electron", "COUNTS", "DN", "adu"])
def test_hubble_counts(unit):
    """Counts have the zero point of a rate plus 2.5 log10 EXPTIME, or none without it."""
    found = zero_point({"BUNIT": unit, **HUBBLE}, {"EXPTIME": 1000.0})
    assert found == pytest.approx(PER_SECOND + 7.5)
    for time in ({}, {"EXPTIME": 0.0}, {"EXPTIME": "x"}):
        assert zero_point({"BUNIT": unit, **HUBBLE}, time) is None


@pytest.mark.parametrize(
    "unit", ["ELECTRONS/S", "electron / s", "electron s-1", "counts/sec", "DN/s", "cps", ""]
)
def test_hubble_counts_per_second(unit):
    """Of counts per second the exposure time plays no part, whether it is known or not."""
    for more in ({}, {"EXPTIME": 1000.0}):
        found = zero_point({"BUNIT": unit, **HUBBLE, **more})
        assert found == pytest.approx(PER_SECOND)


def test_hubble_flux_is_no_count():
    """PHOTFLAM, which is about counts, says nothing of pixels in a flux that is not known."""
    assert zero_point({"BUNIT": "erg/s/cm2/A", "EXPTIME": 10.0, **HUBBLE}) is None
    assert zero_point({"BUNIT": "MJy/sr", **HUBBLE}) is None
    for key, value in HUBBLE.items():  # nor does one of the two cards without the other
        assert zero_point({key: value}) is None


def test_surface_brightness_of_a_known_pixel():
    """Without PIXAR_SR the area of a pixel is that of its WCS, as in Spitzer's mosaics."""
    # 206264.806 arcsec are a radian: 1 MJy/sr on 0.6 arcsec squared are 8.4616 uJy
    expected = 23.90 - 2.5 * np.log10(1e12 * (0.6 / 206264.806) ** 2)
    found = zero_point({"BUNIT": "MJy/sr"}, scale=lambda: 0.6)
    assert found == pytest.approx(expected, abs=1e-6)
    assert zero_point({"BUNIT": "MJy/sr"}, scale=lambda: None) is None
    stated = {"BUNIT": "MJy/sr", "PIXAR_SR": 8e-12}  # 5 % from it, as where pixels are distorted
    assert zero_point(stated, scale=lambda: 0.6) == pytest.approx(8.90 - 2.5 * np.log10(8e-6))


def test_surface_brightness_of_binned_pixels():
    """PIXAR_SR does not count in an image that was binned since: its pixels have 4 times that."""
    side = np.degrees(np.sqrt(4e-12)) * 3600
    stated = {"BUNIT": "MJy/sr", "PIXAR_SR": 1e-12}
    assert zero_point(stated, scale=lambda: side) == pytest.approx(8.90 - 2.5 * np.log10(4e-6))


SURVEYS = {
    "HSC coadd": ({"FLUXMAG0": 63095734448.0194}, 27.0),
    "HSC, broken": ({"FLUXMAG0": 0.0}, None),
    "Pan-STARRS stack": ({"FPA.ZP": 25.0, "EXPTIME": 1000.0}, 32.5),
    "Pan-STARRS, one second": ({"FPA.ZP": 25.0, "EXPTIME": 1.0}, 25.0),
    "Pan-STARRS, without its time": ({"FPA.ZP": 25.0}, None),
    "ZTF": ({"MAGZP": 26.2, "INSTRUME": "ZTF/MOSAIC"}, 26.2),
    "2MASS, of Vega's system": ({"MAGZP": 20.9}, None),
    "Legacy Surveys cutout": ({"SURVEY": "LegacySurvey"}, 22.5),
    "KiDS": ({"PHOTZP": 30.0, "PHOTSYS": "AB"}, 30.0),
    "VISTA, ESO": ({"PHOTZP": 23.0, "PHOTSYS": "VEGA"}, None),
    "UKIDSS": ({"MAGZPT": 22.5, "MAGZRR": 0.02}, None),
    "with another system": ({"MAGZERO": 22.5, "MAGSYS": "Vega "}, None),
    "AB flux of an image calibrated to Vega": ({"BUNIT": "uJy", "MAGSYS": "VEGA"}, 23.90),
}  # fmt: skip


@pytest.mark.parametrize("survey", SURVEYS)
def test_zero_points_of_surveys(survey):
    """Each survey's own cards give an AB magnitude; what is of Vega's system gives none."""
    cards, expected = SURVEYS[survey]
    assert zero_point({}, cards) == (None if expected is None else pytest.approx(expected))


def test_unit_that_the_pixels_have_now():
    """Numbers about the unit of BUNIT are brought to that of the pixels, which alone may do."""
    counts = {"BUNIT": "electron", "MAGZERO": 25.0}
    # one unit is 1000 electrons now: 7.5 magnitudes brighter
    assert zero_point(counts, unit="1000 electron") == pytest.approx(17.5)
    assert zero_point({"BUNIT": "electron"}, unit="1000 electron") is None
    assert zero_point(counts, unit="uJy") == pytest.approx(23.90)
    assert zero_point({"BUNIT": "uJy"}, unit="") == pytest.approx(23.90)
