"""Where the pixels of one band lie on another: an affine where it is exact, else a WCS grid."""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from astropy.wcs import WCS
from astropy.wcs.utils import pixel_to_pixel

from astro_yolo.exceptions import InputWarning, WCSError, warn_user

_FIT_NODES = 9  # per axis: three of 81 points fix the six numbers, the others judge them
_MAX_RESIDUAL = 0.1  # px; above it the affine is refused
_WHOLE = 1e-3  # px; closer to whole pixels than this, a mapping moves pixels without mixing them
_GRID_STEP = 16  # px between WCS nodes; the curvature of real distortions leaves < 0.01 px between
_COVER_NODES = 65  # per axis, to measure how much of the reference a band covers
_LEADS_BACK = 0.1  # px; how well an inverted distortion must lead back to where it came from
_SPARSE = 0.5  # covered fraction below which the user is told
FAR = -1e6  # px: a place outside every image, for positions that have no counterpart


@dataclass(frozen=True, eq=False)
class AffineMapping:
    """Reference pixel to band pixel by a 2x3 matrix, both counted from the centre of the first."""

    matrix: np.ndarray

    def __call__(self, x, y):
        """Map arrays of reference pixels; returns band ``x, y``."""
        m = self.matrix
        return m[0, 0] * x + m[0, 1] * y + m[0, 2], m[1, 0] * x + m[1, 1] * y + m[1, 2]

    @cached_property
    def step(self):
        """Band pixels per reference pixel."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix[:, :2]))))

    def sample(self, block, origin, window):
        """Sample ``block``, whose first pixel is band pixel ``origin``, over a reference window."""
        y0, y1, x0, x1 = window
        matrix = self.matrix.copy()
        matrix[:, 2] = np.array(self(x0, y0)) - origin
        return cv2.warpAffine(
            block,
            matrix,
            (x1 - x0, y1 - y0),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=float("nan"),
        )

    def nodes(self, window):
        """Return band positions of the window's corners."""
        y0, y1, x0, x1 = window
        return self(np.array([x0, x1 - 1, x0, x1 - 1.0]), np.array([y0, y0, y1 - 1, y1 - 1.0]))


@dataclass(frozen=True, eq=False)
class GridMapping:
    """Reference pixel to band pixel through both WCSs at nodes, linear in between."""

    reference: object
    band: object
    step: float

    def __call__(self, x, y):
        """Map arrays of reference pixels; returns band ``x, y``, far outside where undefined."""
        return tuple(np.nan_to_num(v, nan=FAR) for v in convert(self.reference, self.band, x, y))

    def nodes(self, window):
        """Return band positions at the grid nodes of the window."""
        y0, y1, x0, x1 = window
        x, y = np.meshgrid(_node_positions(x0, x1), _node_positions(y0, y1))
        return self(x, y)

    def sample(self, block, origin, window):
        """Sample ``block``, whose first pixel is band pixel ``origin``, over a reference window."""
        y0, y1, x0, x1 = window
        across, down = _interpolation(x0, x1), _interpolation(y0, y1)
        limits = np.array(block.shape[::-1]) + 8.0
        maps = [
            np.clip(down @ (node - start) @ across.T, -8.0, limit).astype(np.float32)
            for node, start, limit in zip(self.nodes(window), origin, limits, strict=True)
        ]
        return cv2.remap(
            block,
            *maps,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=float("nan"),
        )


def _node_positions(start, stop):
    """Nodes that enclose pixels start..stop-1."""
    return start + _GRID_STEP * np.arange(-(-(stop - start) // _GRID_STEP) + 1, dtype=float)


def _interpolation(start, stop):
    """Return the (pixels, nodes) matrix of linear weights."""
    pixel = np.arange(stop - start)
    node, fraction = pixel // _GRID_STEP, pixel % _GRID_STEP / _GRID_STEP
    weights = np.zeros((pixel.size, _node_positions(start, stop).size))
    weights[pixel, node] = 1 - fraction
    weights[pixel, node + 1] = fraction
    return weights


def convert(reference, band, x, y):
    """
    Carry pixel positions from one WCS to another.

    Parameters
    ----------
    reference, band : object
        Celestial WCSs (APE 14).
    x, y : `~numpy.ndarray`
        Pixels of ``reference``, centre of the first = 0.

    Returns
    -------
    x, y : `~numpy.ndarray`
        Pixels of ``band``; NaN where the band's WCS has no such place.
    """
    if not _same_frame(reference, band):
        return pixel_to_pixel(reference, band, x, y)
    sky = np.array(reference.all_pix2world(x, y, 0))
    found = np.array(band.wcs_world2pix(*sky, 0))
    seen = np.isfinite(found).all(axis=0)
    if not band.has_distortion or not seen.any():
        return tuple(found)
    with np.errstate(all="ignore"):  # the search diverges where the polynomial means nothing
        exact = np.array(band.all_world2pix(*sky[:, seen], 0, quiet=True))
        back = np.array(band.all_pix2world(*exact, 0))
    # Far outside its image a distortion polynomial is no longer one-to-one, and its inverse may
    # land anywhere, even inside: only positions that lead back to where they came from count.
    off = np.hypot(*((back - sky[:, seen] + 180) % 360 - 180))
    side = np.sqrt(abs(np.linalg.det(band.pixel_scale_matrix)))
    found[:, seen] = np.where(off < _LEADS_BACK * side, exact, np.nan)
    return tuple(found)


def _same_frame(a, b):
    """Whether two FITS WCSs give the same sky coordinates in the same order."""
    if not (isinstance(a, WCS) and isinstance(b, WCS)):
        return False
    facts = [
        (w.wcs.radesys, tuple(c[:4] for c in w.wcs.ctype), str(w.wcs.equinox)) for w in (a, b)
    ]
    return facts[0] == facts[1]


def fit_mapping(reference, band, shape, plane):
    """
    Find how a reference grid lies on a band.

    Parameters
    ----------
    reference, band : object
        Celestial WCSs of the reference and of the band.
    shape : tuple of int
        Rows and columns of the reference.
    plane : Plane
        The band.

    Returns
    -------
    AffineMapping, GridMapping or None
        `None` where the two grids are one.

    Raises
    ------
    WCSError
        If the band does not overlap the reference on the sky.
    """
    x, y = _lattice(shape, _FIT_NODES)
    x_band, y_band = convert(reference, band, x, y)
    matrix, residual = _fit_affine(x, y, x_band, y_band)
    if residual <= _MAX_RESIDUAL:
        mapping = _whole(AffineMapping(matrix), x, y)
        if shape == plane.shape and (mapping.matrix == np.eye(2, 3)).all():
            return None
    else:
        mapping = GridMapping(reference, band, _median_step(reference, band, shape))
    _check_cover(mapping, shape, plane)
    return mapping


def _lattice(shape, nodes):
    """Evenly spaced pixels, corners included, as two flat arrays."""
    rows, columns = (np.linspace(0, n - 1, nodes) for n in shape)
    x, y = np.meshgrid(columns, rows)
    return x.ravel(), y.ravel()


def _fit_affine(x, y, x_band, y_band):
    """Least-squares 2x3 matrix and its largest residual in pixels (inf where a point is lost)."""
    target = np.stack([x_band, y_band], axis=1)
    if not np.isfinite(target).all():
        return None, np.inf
    # Centred coordinates keep the normal equations well conditioned at any image size.
    center = np.array([x.mean(), y.mean()])
    design = np.stack([x - center[0], y - center[1], np.ones_like(x)], axis=1)
    solution = np.linalg.lstsq(design, target, rcond=None)[0]
    residual = np.hypot(*(design @ solution - target).T).max()
    matrix = solution.T.copy()
    matrix[:, 2] -= matrix[:, :2] @ center
    return matrix, residual


def _whole(mapping, x, y):
    """Snap a mapping that is one of whole pixels: rounding noise would cost a row at the edge."""
    whole = AffineMapping(np.round(mapping.matrix))
    difference = np.hypot(*(v - u for v, u in zip(mapping(x, y), whole(x, y), strict=True)))
    return whole if difference.max() < _WHOLE else mapping


def _median_step(reference, band, shape):
    """Band pixels per reference pixel, in the middle of what is defined."""
    x, y = _lattice(shape, _FIT_NODES)
    here = np.array(convert(reference, band, x, y))
    right = np.array(convert(reference, band, x + 1, y)) - here
    up = np.array(convert(reference, band, x, y + 1)) - here
    area = np.abs(right[0] * up[1] - right[1] * up[0])
    return float(np.sqrt(np.median(area[np.isfinite(area)]))) if np.isfinite(area).any() else 1.0


def _check_cover(mapping, shape, plane):
    """Refuse a band that lies elsewhere on the sky, and tell about one that covers little."""
    x, y = mapping(*_lattice(shape, _COVER_NODES))
    ny, nx = plane.shape
    covered = np.mean((x >= -0.5) & (x <= nx - 0.5) & (y >= -0.5) & (y <= ny - 0.5))
    if covered == 0:
        msg = f"{plane.label}: bands must overlap on the sky, but its WCS puts it elsewhere"
        raise WCSError(msg)
    if covered < _SPARSE:
        warn_user(f"{plane.label} covers only {covered:.0%} of the reference band", InputWarning)
