"""Sky positions, sizes and orientations of boxes, many at a time.

Every function makes one vectorised call of the WCS. Pixels are 0-based, the centre of the first
pixel is (0, 0); the sky is ICRS, in degrees, whatever frame the WCS is in.
"""

import json
from dataclasses import dataclass, fields

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io.fits import Header
from astropy.wcs import WCS
from astropy.wcs.wcsapi import BaseHighLevelWCS, BaseLowLevelWCS, HighLevelWCSWrapper

from astro_yolo._sphere import angles, chord_angle, unit_vectors
from astro_yolo.exceptions import WCSError

__all__ = [
    "SkyBoxes",
    "celestial",
    "field_border",
    "fit_wcs",
    "is_equatorial",
    "north_in_pixels",
    "pixel_to_sky",
    "separation",
    "sky_boxes",
    "sky_to_pixel",
    "wcs_from_text",
    "wcs_to_text",
]

_ARCSEC = 180 * 3600 / np.pi
_SLACK, _SCALES = 0.02, 0.1  # of the span of boxes, and of a size, that a fitted WCS may be off


@dataclass(frozen=True)
class SkyBoxes:
    """
    Boxes of an image as they lie on the sky.

    Parameters
    ----------
    ra, dec : (N,) array
        ICRS position of the centres in degrees.
    width, height : (N,) array
        Great-circle extent along the x and the y axis of the image, in arcsec.
    x_axis, y_axis : (N, 2) array
        East and north component of half the width and half the height, in arcsec.
    """

    ra: np.ndarray
    dec: np.ndarray
    width: np.ndarray
    height: np.ndarray
    x_axis: np.ndarray
    y_axis: np.ndarray

    def take(self, rows):
        """Return some of the boxes; ``rows`` is a bool array or an array of indices."""
        return SkyBoxes(*(getattr(self, item.name)[rows] for item in fields(self)))

    def north(self, width, height):
        """
        Return the direction and the scale of north at the centres.

        Parameters
        ----------
        width, height : (N,) array
            Extents of the boxes in pixels, above zero.

        Returns
        -------
        angle : (N,) array
            Direction of north in degrees, counter-clockwise from the x axis.
        scale : (N,) array
            Arcsec per pixel towards north.
        """
        (a, c), (b, d) = 2 * self.x_axis.T / width, 2 * self.y_axis.T / height
        # The Jacobian [[a, b], [c, d]] turns a pixel step into (east, north); its inverse applied
        # to (0, 1) is the pixel step of one arcsec towards north.
        determinant = a * d - b * c
        step_x, step_y = -b / determinant, a / determinant
        return np.degrees(np.arctan2(step_y, step_x)), 1 / np.hypot(step_x, step_y)

    def points(self, step_x, step_y):
        """
        Return sky positions in and around the boxes, as if the sky were flat there.

        Parameters
        ----------
        step_x, step_y : (K,) array
            Steps from the centre along the axes of the image, in widths and heights.

        Returns
        -------
        ra, dec : (N, K) array
            Degrees.
        """
        axes = [axis.T[..., None] for axis in (self.x_axis, self.y_axis)]
        steps = 2 / _ARCSEC * (step_x * axes[0] + step_y * axes[1])[..., None]
        east, north = (axis[:, None] for axis in _tangent_basis(self.ra, self.dec))
        middle = _unit_vectors(self.ra, self.dec)[:, None]
        return np.degrees(angles(middle + steps[0] * east + steps[1] * north))


def celestial(wcs):
    """
    Return the high-level WCS of the two celestial axes.

    Parameters
    ----------
    wcs : WCS
        `~astropy.wcs.WCS`, or any object of the shared WCS interface (APE 14).

    Returns
    -------
    WCS
        Something with ``pixel_to_world`` from two pixel axes.

    Raises
    ------
    TypeError
        If ``wcs`` is not a WCS.
    WCSError
        If it has no celestial axes, or needs more than two pixel axes.
    """
    if isinstance(wcs, WCS):
        if not wcs.has_celestial:
            raise WCSError(f"wcs must have celestial axes, got {list(wcs.wcs.ctype)}")
        return wcs if wcs.naxis == 2 else wcs.celestial
    if isinstance(wcs, BaseLowLevelWCS) and not isinstance(wcs, BaseHighLevelWCS):
        wcs = HighLevelWCSWrapper(wcs)
    if not isinstance(wcs, BaseHighLevelWCS):
        raise TypeError(f"wcs must be a WCS object, got {type(wcs).__name__}")
    if wcs.low_level_wcs.pixel_n_dim != 2:
        raise WCSError(f"wcs must have two pixel axes, got {wcs.low_level_wcs.pixel_n_dim}")
    return wcs


def is_equatorial(wcs):
    """Say whether the WCS itself is in right ascension and declination."""
    return "pos.eq.ra" in celestial(wcs).low_level_wcs.world_axis_physical_types


def pixel_to_sky(wcs, x, y):
    """
    Return ICRS positions of pixel positions.

    Parameters
    ----------
    wcs : WCS
        See `celestial`.
    x, y : array
        0-based pixel positions.

    Returns
    -------
    ra, dec : array
        Degrees, in the shape of ``x``; NaN where the projection shows no sky.
    """
    world = celestial(wcs).pixel_to_world(np.asarray(x, float), np.asarray(y, float))
    if not isinstance(world, SkyCoord):
        raise WCSError(f"wcs must give sky coordinates alone, got {type(world).__name__}")
    icrs = world.icrs
    return icrs.ra.deg, icrs.dec.deg


def sky_to_pixel(wcs, ra, dec):
    """
    Return pixel positions of ICRS positions; the inverse of `pixel_to_sky`.

    Parameters
    ----------
    wcs : WCS
        See `celestial`.
    ra, dec : array
        Degrees.

    Returns
    -------
    x, y : array
        0-based pixel positions.
    """
    sky = SkyCoord(np.asarray(ra, float), np.asarray(dec, float), unit="deg", frame="icrs")
    x, y = celestial(wcs).world_to_pixel(sky)
    return np.asarray(x, float), np.asarray(y, float)


def field_border(wcs, shape):
    """
    Return sky positions along the border of an image, in order round it.

    Parameters
    ----------
    wcs : WCS
        See `celestial`.
    shape : (int, int)
        Rows and columns.

    Returns
    -------
    ra, dec : (64,) array
        ICRS degrees, on the outer edges of the outer pixels; NaN where there is no sky.
    """
    ny, nx = shape
    share = np.arange(16) / 16  # of a side: distortion bends it
    zero, one = np.zeros(16), np.ones(16)
    x = np.concatenate([share, one, 1 - share, zero]) * nx - 0.5
    y = np.concatenate([zero, share, one, 1 - share]) * ny - 0.5
    return pixel_to_sky(wcs, x, y)


def separation(ra, dec, other_ra, other_dec):
    """
    Return the angles between positions.

    Parameters
    ----------
    ra, dec, other_ra, other_dec : (N,) array
        Degrees.

    Returns
    -------
    (N,) array
        Arcsec; NaN where a position is.
    """
    return chord_angle(_unit_vectors(ra, dec) - _unit_vectors(other_ra, other_dec)) * _ARCSEC


def fit_wcs(boxes, places):
    """
    Return the plain tangential WCS that is nearest to boxes whose places on the sky are known.

    Parameters
    ----------
    boxes, places : (4, N) array
        x, y, width, height in 0-based pixels; ra, dec in degrees, width, height in arcsec.

    Returns
    -------
    `~astropy.wcs.WCS` or None
        None where the boxes do not tell: fewer than three, all on one line, or not of one image.
    """
    rows = np.isfinite(np.sum([*boxes, *places], axis=0))
    (x, y, *sizes), (ra, dec, width, _) = boxes[:, rows], places[:, rows]
    pixels = np.stack([x, y, np.ones_like(x)], axis=1)
    if len(x) < 3 or np.linalg.matrix_rank(pixels) < 3:
        return None
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.radesys = ("RA---TAN", "DEC--TAN"), "ICRS"
    vectors = _unit_vectors(ra, dec)
    wcs.wcs.crval = center = np.degrees(angles(vectors.sum(axis=0)))
    middle = _unit_vectors(*center)
    plane = [vectors @ axis / (vectors @ middle) for axis in _tangent_basis(*center)]
    matrix = np.degrees(np.linalg.lstsq(pixels, np.transpose(plane))[0].T)
    if np.linalg.matrix_rank(matrix[:, :2]) < 2:
        return None
    wcs.wcs.cd = matrix[:, :2]
    wcs.wcs.crpix = 1 - np.linalg.solve(matrix[:, :2], matrix[:, 2])
    found = sky_boxes(wcs, x, y, *sizes)
    scale = np.median(found.width / width)
    off = np.median(separation(found.ra, found.dec, ra, dec) / found.width * sizes[0])
    fits = off < _SLACK * np.hypot(np.ptp(x), np.ptp(y)) and abs(scale - 1) < _SCALES
    return wcs if fits else None


def sky_boxes(wcs, x, y, width, height):
    """
    Return position, extent and orientation of boxes on the sky.

    The WCS is asked for five points a box: the centre and the middle of each side. So an extent
    is the true one along the pixel axes, with distortion and at the pole.

    Parameters
    ----------
    wcs : WCS
        See `celestial`.
    x, y : (N,) array
        0-based pixel centres.
    width, height : (N,) array
        Full extents in pixels.

    Returns
    -------
    `SkyBoxes`
    """
    x, y, width, height = (np.asarray(values, float) for values in (x, y, width, height))
    steps_x, steps_y = np.array([[0, -0.5, 0.5, 0, 0], [0, 0, 0, -0.5, 0.5]])[:, :, None]
    ra, dec = pixel_to_sky(wcs, x + steps_x * width, y + steps_y * height)
    _, left, right, bottom, top = _unit_vectors(ra, dec)
    across, along = right - left, top - bottom
    east, north = _tangent_basis(ra[0], dec[0])
    return SkyBoxes(
        ra[0], dec[0], chord_angle(across) * _ARCSEC, chord_angle(along) * _ARCSEC,
        _half_components(across, east, north), _half_components(along, east, north),
    )


def north_in_pixels(wcs, x, y):
    """
    Return the direction and the scale of north, and the parity, at pixel positions.

    Parameters
    ----------
    wcs : WCS
        See `celestial`.
    x, y : (N,) array
        0-based pixel positions.

    Returns
    -------
    angle : (N,) array
        Direction of north in degrees, counter-clockwise from the x axis.
    scale : (N,) array
        Arcsec per pixel towards north.
    parity : (N,) array
        1 where east is 90 degrees counter-clockwise from north, as on the sky, else -1.
    """
    one = np.ones_like(np.asarray(x, float))
    boxes = sky_boxes(wcs, x, y, one, one)
    (a, c), (b, d) = boxes.x_axis.T, boxes.y_axis.T
    return *boxes.north(one, one), np.sign(b * c - a * d)


def wcs_to_text(wcs):
    """
    Return a FITS WCS as one line of JSON, FITS keyword to value.

    ``WCS(Header(json.loads(text)))`` makes the WCS again.

    Parameters
    ----------
    wcs : WCS
        See `celestial`.

    Returns
    -------
    str or None
        None if header keywords cannot hold this WCS (look-up tables, or not a FITS WCS).
    """
    if not isinstance(wcs, WCS) or not wcs.has_celestial or _needs_tables(wcs):
        return None
    wcs = celestial(wcs)
    header = wcs.to_header(relax=True)
    drop = ("DATE", "MJD", "COMMENT", "HISTORY")
    cards = {key: value for key, value in header.items() if not key.startswith(drop)}
    if wcs.pixel_shape is not None:
        cards["NAXIS1"], cards["NAXIS2"] = (int(n) for n in wcs.pixel_shape)
    return json.dumps(cards, separators=(",", ":"))


def wcs_from_text(text):
    """
    Return the WCS that `wcs_to_text` wrote.

    Parameters
    ----------
    text : str
        JSON of FITS keywords.

    Returns
    -------
    `~astropy.wcs.WCS`
    """
    return WCS(Header(json.loads(text)))


def _needs_tables(wcs):
    tables = (wcs.cpdis1, wcs.cpdis2, wcs.det2im1, wcs.det2im2)
    return any(t is not None for t in tables) or any("-TAB" in c for c in wcs.wcs.ctype)


def _unit_vectors(ra, dec):
    """Return positions in degrees as (..., 3) unit vectors: they know no pole and no 0 h line."""
    return unit_vectors(np.radians(ra), np.radians(dec))


def _tangent_basis(ra, dec):
    """Return the unit vectors towards east and north, (..., 3) each."""
    ra, dec = np.radians(ra), np.radians(dec)
    east = np.stack([-np.sin(ra), np.cos(ra), np.zeros_like(ra)], axis=-1)
    north = np.stack(
        [-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)], axis=-1)
    return east, north


def _half_components(chord, east, north):
    """Return half a chord as its east and north component in arcsec."""
    parts = [np.sum(chord * axis, axis=-1) for axis in (east, north)]
    return np.stack(parts, axis=-1) * (_ARCSEC / 2)
