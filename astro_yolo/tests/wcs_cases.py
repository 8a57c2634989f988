"""Sky coordinates of every awkward kind, 800 by 600 pixels of 0.396 arcsec."""

import numpy as np
from astropy.wcs import WCS

SHAPE = (600, 800)
SCALE = 0.396  # arcsec per pixel


def make_wcs(*, turn=0.0, flip=False, ra=150.0, dec=20.0, ratio=1.0, sip=0.0, frame="icrs"):
    """Return a tangential WCS whose reference pixel is off the middle of the image.

    ``turn`` degrees of rotation, mirrored if ``flip``, pixels ``ratio`` times as high as wide,
    ``sip`` the size of second-order distortion terms.
    """
    wcs = WCS(naxis=2)
    wcs.wcs.crpix = 251.0, 201.0
    wcs.wcs.crval = ra, dec
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    axes = np.array([[SCALE if flip else -SCALE, 0], [0, SCALE]]) @ [[cos, -sin], [sin, cos]]
    wcs.wcs.cd = axes * [1, ratio] / 3600
    names = ("GLON-TAN", "GLAT-TAN") if frame == "galactic" else ("RA---TAN", "DEC--TAN")
    wcs.wcs.ctype = names
    if frame != "galactic":
        wcs.wcs.radesys = frame.upper()
    wcs.pixel_shape = SHAPE[::-1]
    return _with_sip(wcs, sip) if sip else wcs


def _with_sip(wcs, size):
    header = wcs.to_header()
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN-SIP", "DEC--TAN-SIP"
    header["A_ORDER"] = header["B_ORDER"] = 2
    header["A_2_0"], header["A_0_2"], header["B_1_1"] = size, -size / 2, size
    distorted = WCS(header)
    distorted.pixel_shape = SHAPE[::-1]
    return distorted


CASES = {
    "plain": {},
    "turned": {"turn": 30.0},
    "flipped": {"flip": True},
    "flipped_turned": {"flip": True, "turn": 30.0},
    "north_along_x": {"turn": 90.0},
    "sip": {"sip": 5e-5},
    "pole": {"dec": 89.97},
    "oblong_pixels": {"ratio": 2.0},
    "fk5": {"frame": "fk5", "turn": 10.0},
    "galactic": {"frame": "galactic", "turn": 10.0},
}
