"""Where the pixels of one band lie on another."""

import numpy as np
import pytest
from astropy.wcs import WCS

from astro_yolo import _mapping
from astro_yolo._planes import Pixels, Plane
from astro_yolo.exceptions import InputWarning, WCSError

SCALE = 0.396 / 3600
SHAPE = (300, 400)


def make_wcs(crpix=(200.0, 150.0), crval=(150.0, 2.0), angle=0.0, parity=1, scale=SCALE, sip=0.0):
    """TAN (or TAN-SIP) WCS; crpix 1-based."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crpix, wcs.wcs.crval = crpix, crval
    c, s = np.cos(angle), np.sin(angle)
    wcs.wcs.cd = np.array([[c, -s], [s, c]]) @ np.diag([-scale * parity, scale])
    if sip:
        from astropy.wcs import Sip

        a = np.zeros((3, 3))
        a[2, 0] = sip
        wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
        wcs.sip = Sip(a, np.zeros((3, 3)), None, None, crpix)
    wcs.wcs.set()
    return wcs


def plane(shape=SHAPE):
    """Make an empty band."""
    return Plane(Pixels(np.zeros(shape, np.float32)), "b.fits")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # band pixel of reference pixel (10, 20), by hand: 0-based centre is (199, 149)
        ({"crpix": (203.25, 145.5)}, (13.25, 15.5)),
        ({"parity": -1}, (199 - (10 - 199), 20)),
        ({"angle": np.pi / 2}, (199 - (20 - 149), 149 + (10 - 199))),
        ({"scale": SCALE * 2}, (199 + (10 - 199) / 2, 149 + (20 - 149) / 2)),
    ],
)
def test_affine_equals_arithmetic(options, expected):
    """Shifts, turns, flips and scales between two TAN grids come out as by hand."""
    mapping = _mapping.fit_mapping(make_wcs(), make_wcs(**options), SHAPE, plane())
    assert isinstance(mapping, _mapping.AffineMapping)
    np.testing.assert_allclose(mapping(10.0, 20.0), expected, atol=1e-3)


def test_one_grid_needs_no_mapping():
    """Equal WCSs and shapes mean nothing to resample; another shape does."""
    assert _mapping.fit_mapping(make_wcs(), make_wcs(), SHAPE, plane()) is None
    assert _mapping.fit_mapping(make_wcs(), make_wcs(), SHAPE, plane((299, 400))) is not None


def test_other_tangent_points_within_residual():
    """Two tangent points 0.05 deg apart stay within the affine's tolerance."""
    band = make_wcs(crval=(150.05, 2.0), crpix=(200 - 0.05 * np.cos(np.radians(2)) / SCALE, 150))
    mapping = _mapping.fit_mapping(make_wcs(), band, SHAPE, plane())
    assert isinstance(mapping, _mapping.AffineMapping)
    x, y = np.array([0.0, 399, 0, 399]), np.array([0.0, 0, 299, 299])
    exact = band.all_world2pix(*make_wcs().all_pix2world(x, y, 0), 0)
    np.testing.assert_allclose(mapping(x, y), exact, atol=0.01)


def test_distortion_falls_back_to_the_grid():
    """A distorted band is mapped through its WCS, exact at nodes and in between."""
    reference, band = make_wcs(), make_wcs(sip=2e-5)
    mapping = _mapping.fit_mapping(reference, band, SHAPE, plane())
    assert isinstance(mapping, _mapping.GridMapping)
    assert mapping.step == pytest.approx(1.0, abs=0.02)
    # sampling the band's own x coordinate gives the mapped x at every pixel
    ramp = np.tile(np.arange(400, dtype=np.float32), (300, 1))
    window = (37, 250, 20, 370)
    sampled = mapping.sample(ramp, np.zeros(2), window)
    x, y = np.meshgrid(np.arange(20, 370), np.arange(37, 250))
    exact = band.all_world2pix(*reference.all_pix2world(x, y, 0), 0)[0]
    np.testing.assert_allclose(sampled, exact, atol=0.02)


def test_frames_differ():
    """Galactic and equatorial grids are brought together through the sky."""
    galactic = WCS(naxis=2)
    galactic.wcs.ctype = ["GLON-TAN", "GLAT-TAN"]
    sky = make_wcs().pixel_to_world(199, 149).galactic
    galactic.wcs.crval = sky.l.deg, sky.b.deg
    galactic.wcs.crpix = 200, 150
    galactic.wcs.cdelt = -SCALE, SCALE
    mapping = _mapping.fit_mapping(make_wcs(), galactic, SHAPE, plane())
    point = galactic.world_to_pixel(make_wcs().pixel_to_world(250, 180))
    np.testing.assert_allclose(mapping(250.0, 180.0), point, atol=0.01)


@pytest.mark.parametrize("crval", [(151.0, 2.0), (330.0, -2.0)])
@pytest.mark.parametrize("sip", [0.0, 1e-4])
def test_elsewhere_on_the_sky(crval, sip):
    """Bands that do not overlap are an error naming the file, also on the far side of the sky."""
    with pytest.raises(WCSError, match=r"b.fits: bands must overlap on the sky"):
        _mapping.fit_mapping(make_wcs(), make_wcs(crval=crval, sip=sip), SHAPE, plane())


def test_little_overlap_warns():
    """A band that covers a small part is used, and the user told."""
    with pytest.warns(InputWarning, match=r"b.fits covers only 25% of the reference"):
        _mapping.fit_mapping(make_wcs(), make_wcs(crpix=(500.0, 150.0)), SHAPE, plane())
