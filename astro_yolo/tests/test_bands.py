"""Band names."""

import pytest

from astro_yolo import _bands
from astro_yolo.exceptions import BandError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("g", 475),
        ("SDSS-g", 475),
        ("sdssr", 622),
        ("r.MP9601", 622),
        ("HSC-G", 475),
        ("r DECam SDSS c0002 6415.0 1480.0", 622),
        ("gp", 475),
        ("V", 550),
        ("F814W", 814),
        ("f606w", 606),
        ("F160W", 1600),
        ("F090W", 900),
        ("F200W", 2000),
        ("F444W", 4440),
        ("F770W", 7700),
        ("F775W", 775),
        ("Ks", 2150),
        ("H-alpha", 656),
        ("H_alpha", 656),
        ("HSC-R2", 640),
        ("HSC-I2", 795),
        ("W2", 4600),
        ("H2", None),
        ("W-J-V", 550),
        ("W-S-G+", 475),
        ("H", 1640),
        ("k", 2190),
        ("NIR_J", 1240),
        ("", None),
        (None, None),
        ("CLEAR", None),
        ("banana", None),
    ],
)
def test_wavelength(name, expected):
    """The wavelength in nm follows from any usual spelling; HST and JWST count differently."""
    assert _bands.wavelength(name) == expected


# Pivot wavelengths in nm of the instruments' handbooks, rounded.
PIVOTS = {
    "F122M": 127, "F170W": 183, "F185W": 198, "F218W": 220, "F250W": 272, "F255W": 260,
    "F300W": 299, "F300X": 282, "F336W": 335, "F380W": 398, "F125LP": 144, "F165LP": 176,
    "F222M": 2218, "F240M": 2396, "F140M": 1404, "F250M": 2503, "F300M": 2996, "F380M": 3825,
    "F335M": 3365, "F850LP": 905, "F160W": 1537, "F062": 620,
}  # fmt: skip


@pytest.mark.parametrize("name", PIVOTS)
def test_filters_of_space_telescopes(name):
    """A filter of Hubble, Webb or Roman is within a fifth of its pivot wavelength."""
    assert _bands.wavelength(name) == pytest.approx(PIVOTS[name], rel=0.2)


def test_order_by_wavelength():
    """Known names sort from short to long; one unknown name keeps the given order."""
    assert _bands.order(["i", "g", "r"]) == [1, 2, 0]
    assert _bands.order(["F814W", "F435W", "F160W"]) == [1, 0, 2]
    assert _bands.order(["i", "mine", "r"]) == [0, 1, 2]
    assert _bands.order(["Red", "Green", "Blue", "Ha"]) == [2, 1, 0, 3]
    assert _bands.order([]) == []


@pytest.mark.parametrize(
    ("name", "keyword"),
    [("r", "r SDSS"), ("r", "F606W"), ("mine", "g"), ("g", None), ("g", "B"), ("i", "I")],
)
def test_agreement_accepted(name, keyword):
    """Names of one wavelength agree across systems, and unknown ones contradict nothing."""
    _bands.check_agreement(name, keyword, "file")


@pytest.mark.parametrize(("name", "keyword"), [("r", "g"), ("z", "y"), ("F814W", "F606W")])
def test_agreement_refused(name, keyword):
    """A FILTER of another wavelength is an error that names the file and both bands."""
    with pytest.raises(BandError, match=f"band '{name}'.*FILTER keyword of my.fits.*'{keyword}'"):
        _bands.check_agreement(name, keyword, "my.fits")


def test_list_order():
    """A list must ascend where wavelengths are known."""
    _bands.check_ascending(["g", None, "r"], ["a", "b", "c"])
    _bands.check_ascending(["F300W", "F450W", "F606W", "F814W"], "abcd")  # the Hubble Deep Field
    with pytest.raises(BandError, match=r"short to long wavelength, got FILTER 'r' \(b\) before"):
        _bands.check_ascending(["g", "r", "g"], ["a", "b", "c"])


def test_red():
    """The reference band is recognised by its token, not by any r in its name."""
    assert _bands.is_red("SDSS r")
    assert _bands.is_red("R")
    assert not _bands.is_red("infrared")
