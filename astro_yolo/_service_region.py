"""Which piece of sky a catalogue service is asked for: a cone, and what of it is kept."""

from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

from astro_yolo import _sphere as sphere
from astro_yolo._angle_text import one_angle
from astro_yolo._headers import pixel_scale
from astro_yolo._match_inputs import as_table, positions_of, without_unit
from astro_yolo._sky import field_border, sky_to_pixel
from astro_yolo.catalog import table_wcs
from astro_yolo.exceptions import MatchError

__all__ = ["Region", "region_of"]

_MARGIN = 5 * u.arcsec  # beyond the border or the outermost row
_LARGEST = 5 * u.deg


@dataclass(frozen=True)
class Region:
    """
    A cone, and the field in it.

    Attributes
    ----------
    center : `~astropy.coordinates.SkyCoord`
        ICRS.
    radius : `~astropy.units.Quantity`
        Angle.
    wcs, shape : optional
        Of the field: sky coordinates, and rows and columns; None where the cone is all.
    margin : float
        Pixels beyond the border of the field.
    """

    center: SkyCoord
    radius: u.Quantity
    wcs: object = None
    shape: tuple = ()
    margin: float = 0.0

    def holds(self, ra, dec):
        """
        Say which positions lie inside.

        Parameters
        ----------
        ra, dec : (N,) array
            ICRS degrees; NaN is nowhere.

        Returns
        -------
        (N,) bool array
        """
        known = np.isfinite(ra) & np.isfinite(dec)
        inside = known.copy()
        place = SkyCoord(np.where(known, ra, 0), np.where(known, dec, 0), unit="deg")
        # a service may round: a source on the rim stays
        inside &= place.separation(self.center) <= self.radius * (1 + 1e-6)
        if self.wcs is None or not inside.any():
            return inside
        x, y = sky_to_pixel(self.wcs, ra[inside], dec[inside])
        (ny, nx), edge = self.shape, 0.5 + self.margin
        inside[inside] = (x >= -edge) & (x <= nx - 1 + edge) & (y >= -edge) & (y <= ny - 1 + edge)
        return inside


def region_of(region, radius=None):
    """
    Return the piece of sky that an argument stands for.

    Parameters
    ----------
    region : `~astropy.coordinates.SkyCoord`, `~astropy.table.Table`, SkyImage or WCS
        See `astro_yolo.services.fetch_catalog`.
    radius : `~astropy.units.Quantity`, optional
        Of the cone about one position; about anything else how far to look beyond it.

    Returns
    -------
    Region

    Raises
    ------
    MatchError
        If it is none of these, has no position, or is larger than 5 degrees.
    """
    radius = None if radius is None else one_angle(radius, "radius", "2 * u.arcmin")
    if isinstance(region, SkyCoord) and region.isscalar:
        if radius is None:
            raise MatchError("radius must be given with a single position, got None")
        if not np.isfinite([region.icrs.ra.deg, region.icrs.dec.deg]).all():
            raise MatchError("region must have at least one usable position, got NaN")
        return _within_reason(Region(region.icrs, radius))
    margin = _MARGIN if radius is None else radius
    if isinstance(region, Table):
        return _of_table(region, margin)
    if isinstance(region, SkyCoord):
        place = region.icrs.ravel()
        vectors = sphere.unit_vectors(place.ra.radian, place.dec.radian)
        return _about(vectors[np.isfinite(vectors).all(axis=-1)], margin)
    return _of_field(*_wcs_and_shape(region), margin)


def _of_table(table, margin):
    """Return the field that a table was detected in if it knows it, else a cone about its rows."""
    wcs = table_wcs(table)
    if wcs is not None and wcs.pixel_shape is not None:
        return _of_field(wcs, wcs.pixel_shape[::-1], margin)
    table = as_table(table, "region")  # our own, read from CSV by another, has lost its units
    bare = without_unit(table)
    if bare:
        raise MatchError(f"region must have units, got none in {' and '.join(bare)}: set them")
    positions = positions_of(table, "region")
    return _about(positions.vectors[positions.good], margin)


def _wcs_and_shape(region):
    """Return the WCS, and rows and columns, of an image or a WCS."""
    wcs = getattr(region, "wcs", None) if hasattr(region, "bands") else region
    shape = region.shape if hasattr(region, "bands") else getattr(region, "array_shape", None)
    if not hasattr(wcs, "pixel_to_world") or shape is None:
        msg = (
            "region must be a SkyCoord, a Table, or an image or WCS that knows its size, "
            f"got {type(region).__name__}"
        )
        raise MatchError(msg)
    return wcs, tuple(shape)


def _of_field(wcs, shape, margin):
    """Return the cone about a field."""
    ra, dec = field_border(wcs, shape)
    seen = np.isfinite(ra)
    cone = _about(sphere.unit_vectors(np.radians(ra[seen]), np.radians(dec[seen])), margin)
    beyond = margin.to_value(u.arcsec) / pixel_scale(wcs, shape)
    return Region(cone.center, cone.radius, wcs, shape, beyond)


def _about(vectors, margin):
    """Return the cone about the mean of positions that holds them all."""
    if not len(vectors):
        raise MatchError("region must have at least one usable position, got none")
    mean = vectors.mean(axis=0)
    mean /= np.linalg.norm(mean)
    radius = sphere.separation(vectors, mean).max() * u.rad + margin
    center = SkyCoord(*sphere.angles(mean), unit="rad")
    return _within_reason(Region(center, radius.to(u.deg)))


def _within_reason(region):
    """Refuse a cone that no service answers whole."""
    if region.radius > _LARGEST:
        msg = (
            f"region must lie within {_LARGEST} of its centre, got a radius of {region.radius:.3g}:"
            " ask for each field by itself"
        )
        raise MatchError(msg)
    return region
