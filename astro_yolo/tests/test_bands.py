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
    with pytest.raises(BandError, match=r"short to long wavelength, got FILTER 'r' \(b\) before"):
        _bands.check_ascending(["g", "r", "g"], ["a", "b", "c"])


def test_red():
    """The reference band is recognised by its token, not by any r in its name."""
    assert _bands.is_red("SDSS r")
    assert _bands.is_red("R")
    assert not _bands.is_red("infrared")
