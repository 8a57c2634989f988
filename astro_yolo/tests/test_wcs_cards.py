"""Cards of a WCS that break the standard are put right, left out with a warning, or refused."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs.utils import wcs_to_celestial_frame

from astro_yolo._headers import wcs_from_text
from astro_yolo._wcs_cards import wcs_cards
from astro_yolo.exceptions import InputWarning, WCSError


def text_of(**cards):
    """Return the header of a TAN image of 0.4 arcsec pixels; cards of None are left out."""
    header = fits.Header()
    header.update(
        CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRPIX1=50.0, CRPIX2=40.0, CRVAL1=150.0, CRVAL2=2.0,
        CD1_1=-0.4 / 3600, CD1_2=0.0, CD2_1=0.0, CD2_2=0.4 / 3600,
    )  # fmt: skip
    header.update({key: value for key, value in cards.items() if value is not None})
    for key in [key for key, value in cards.items() if value is None]:
        del header[key]
    return header.tostring()


def read(**cards):
    """Read the WCS, in which no warning is expected."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return wcs_from_text(text_of(**cards), label="a.fits")


def test_cards_under_old_names():
    """RADECSYS and EPOCH have the names of the standard, unless these are there as well."""
    cards = [key.ljust(8) + "= 1".ljust(72) for key in ("RADECSYS", "EPOCH", "CTYPE1", "DATE-OBS")]
    assert [card[:8].strip() for card in wcs_cards("".join(cards))] == [
        "RADESYS", "EQUINOX", "CTYPE1",
    ]  # fmt: skip
    new = ["EQUINOX = 2".ljust(80), "RADESYS = 2".ljust(80)]
    both = wcs_cards("".join([new[0], *cards[:2], new[1]]))
    assert both == new


FRAMES = {
    "icrs": "icrs", "FK5": "fk5", "fk5": "fk5", "J2000": "fk5", "B1950": "fk4", "FK4": "fk4",
    "": "icrs",
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
def test_names_of_frames(name):
    """RADESYS may be in lower case, or the equinox that stands for the frame."""
    assert wcs_to_celestial_frame(read(RADESYS=name)).name == FRAMES[name]


@pytest.mark.parametrize("name", ["GAPPT", "FK5/J2000", "Unknown"])
def test_frame_that_is_none(name):
    """A RADESYS that astropy cannot convert is left out, with a warning that names it."""
    with pytest.warns(InputWarning, match=f"a.fits: RADESYS is left out: .* got '{name}'"):
        wcs = wcs_from_text(text_of(RADESYS=name, EQUINOX=2000.0), label="a.fits")
    assert wcs_to_celestial_frame(wcs).name == "fk5"


EQUINOXES = {
    2000: ("fk5", 2000), "J2000.0": ("fk5", 2000), "2000": ("fk5", 2000), "B1950": ("fk4", 1950),
    1950.0: ("fk4", 1950), 0.0: ("icrs", None),
}  # fmt: skip


@pytest.mark.parametrize("value", EQUINOXES)
@pytest.mark.parametrize("key", ["EQUINOX", "EPOCH"])
def test_equinox(key, value):
    """The equinox may be a text, and 0 is none, with which IRAF says that it is not known."""
    name, year = EQUINOXES[value]
    frame = wcs_to_celestial_frame(read(**{key: value}))
    assert frame.name == name
    assert year is None or frame.equinox.value == year


@pytest.mark.parametrize("value", [-1.0, 99999.0, "today", True])
def test_equinox_that_is_none(value):
    """A year of no catalogue is left out with a warning, not taken for 25 degrees of precession."""
    with pytest.warns(InputWarning, match="a.fits: EQUINOX is left out: it must be a year"):
        wcs = wcs_from_text(text_of(EQUINOX=value), label="a.fits")
    assert wcs_to_celestial_frame(wcs).name == "icrs"


def test_numbers_as_text():
    """A number in quotes counts; wcslib would take 0 for it."""
    wcs = read(CRVAL1="150.0", CRPIX1=" 50.", CD2_2=str(0.4 / 3600))
    np.testing.assert_allclose(wcs.all_pix2world(49, 39, 0), (150, 2), atol=1e-12)


@pytest.mark.parametrize("key", ["CRVAL1", "CRPIX2", "CD1_1"])
def test_text_for_a_number(key):
    """A text that is no number is an error that names file, card and what it holds."""
    with pytest.raises(WCSError, match=f"a.fits: .* got: {key} must be a number, got '12:30:49'"):
        read(**{key: "12:30:49"})


def test_no_scale():
    """Without CDELT, CD or PC there is no WCS, with a warning; wcslib would take a degree."""
    none = dict.fromkeys(("CD1_1", "CD1_2", "CD2_1", "CD2_2"))
    with pytest.warns(InputWarning, match="a.fits: its WCS is left out: it must have CDELT"):
        assert wcs_from_text(text_of(**none), label="a.fits") is None
    assert read(CTYPE1="PIXEL", CTYPE2="PIXEL", **none) is None
