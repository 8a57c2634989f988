"""Shapes, fluxes and magnitudes of the galaxies in a table."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from astropy import units as u
from astropy.table import QTable, Table

from astro_yolo._columns import is_result, plain, whole
from astro_yolo._image_units import pixels_of, zero_points_of
from astro_yolo._measure_source import FLAG_BITS, KRON_FACTOR, measure_source
from astro_yolo._shape_of_light import psf_squares
from astro_yolo._sky import pixel_to_sky
from astro_yolo._sphere import tangent_axes, unit_vectors
from astro_yolo._table_grid import check_grid
from astro_yolo.catalog import conform, pixel_boxes
from astro_yolo.exceptions import MeasurementError, warn_user
from astro_yolo.image import read_image
from astro_yolo.injection import moffat_kernel

__all__ = ["MEASURE_FLAGS", "measure"]

#: Bits of the column ``measure_flags``: the image ends in the aperture; it holds masked pixels; a
#: neighbour covered a twentieth of it; too little free sky; no shape settled, the box's was taken;
#: nothing could be measured, as outside of the image or where most of the box is masked.
MEASURE_FLAGS = FLAG_BITS

_DEFAULT_APERTURE = 3.0  # arcsec across, as SDSS's fibres
_DEFAULT_PIXELS = 5.0  # radius without a pixel scale
_PSF_WIDTH = 8.0  # pixels
_FEWEST_STARS = 3
_ON_SKY = ("alpha_centroid", "delta_centroid", "a", "b", "pa")
_IN_MAGNITUDES = ("kron_mag", "kron_mag_err", "aper_mag", "aper_mag_err", "mu")


def measure(table, image, *, zeropoint=None, aperture=None, psf=None, wcs=None, hdu=None):
    """
    Measure the sources of a table in the image they were found in.

    Parameters
    ----------
    table : `~astropy.table.Table` or one row of it
        Result of ``detect``, or any table with ``xmin, ymin, xmax, ymax`` (0-based pixels).
    image : path, dict, list, array or SkyImage
        Anything that `~astro_yolo.read_image` reads, on the pixel grid of the table: of several
        bands all, as given to ``detect``.
    zeropoint : float, dict or sequence of float, optional
        AB magnitude of one unit of the image: for all bands, by band, or in their order. By
        default from units and headers: janskys, nanomaggies, MAGZPT and its like, PHOTFLAM and
        PHOTPLAM, or MJy/sr.
    aperture : `~astropy.units.Quantity` or float, optional
        Radius of the circular aperture: angle, or pixels. By default 1.5 arcsec, or 5 pixels
        where the pixel scale is not known.
    psf : `~astropy.table.Table`, `~astropy.units.Quantity`, float or 2D array, optional
        The PSF of the middle band, to be taken out of ``axis_ratio``, and of nothing else: a table
        of stars with boxes, as ``detect(..., include_stars=True, classes="star")`` gives it; or
        the full width at half maximum, an angle or pixels, of a Moffat profile of
        slope 3; or an image.
    wcs, hdu : optional
        As in `~astro_yolo.read_image`.

    Returns
    -------
    `~astropy.table.QTable`
        The rows of ``table`` in their order, with the columns below added; NaN where something
        could not be measured, see ``measure_flags``. Of a table that was measured before, columns
        that this image no longer gives (magnitudes of its bands without a zero point, places and
        sizes on the sky without sky coordinates) are taken away, with a warning.

    Raises
    ------
    MeasurementError
        If a column, a zero point, the aperture or the PSF is missing or wrong, or the table is not
        on the pixel grid of the image.
    ImageError
        If the image cannot be used.

    Notes
    -----
    The columns, B and C standing for bands:

    * ``x_centroid``, ``y_centroid``: centre of the light, 0-based pixels; ``alpha_centroid``,
      ``delta_centroid``: the same on the sky, ICRS, with sky coordinates only;
    * ``a_pix``, ``b_pix``, ``theta``: rms semi-axes of the light in pixels, and the angle of the
      major axis counter-clockwise from +x;
    * ``a``, ``b``, ``pa``: the same on the sky, in arcsec, and the position angle north through
      east; with sky coordinates only;
    * ``axis_ratio``: minor over major axis, in pixels; without the PSF if ``psf`` was given: then 0
      where the minor axis, NaN where the major axis is not larger than the PSF;
    * ``kron_radius``, ``half_light_radius``: semi-major axis of the Kron aperture (3 first
      moments), and radius of the circle with half of its light; pixels;
    * ``concentration``: 5 log10 of the ratio of the radii with 80 and 20 % of the light;
    * ``kron_fraction``: estimated share of the galaxy's light in the Kron flux, so that
      ``kron_flux_B / kron_fraction`` is the total: that of the Sersic profile, of index 4 at
      most, whose light grows in the aperture as the galaxy's does, less what the profile adds to
      the sky;
    * ``sky_B``, ``kron_flux_B``, ``kron_flux_err_B``, ``aper_flux_B``, ``aper_flux_err_B``: units
      of the image, as summed over the band's own pixels;
    * ``kron_mag_B``, ``kron_mag_err_B``, ``aper_mag_B``, ``aper_mag_err_B``, ``mu_B``: AB
      magnitudes, and mean surface brightness within the half-light radius, where there is a zero
      point;
    * ``color_B_C``: difference of Kron magnitudes of neighbouring bands;
    * ``measure_flags``: sum of `MEASURE_FLAGS`.

    The Kron aperture (Kron 1980, ApJS 43, 305) is the same in all bands, so that colours are of
    the same light. Three first moments hold 98 % of the light of an exponential disc and 95 % of a
    Sersic profile of index 2 (Graham & Driver 2005, PASA 22, 118). Errors are of the sky's noise
    alone. Other sources are replaced by the opposite side of the galaxy.
    """
    image = read_image(image, wcs=wcs, hdu=hdu)
    table = whole(table)
    boxes = _boxes(table)
    check_grid(table, image)
    radius = _aperture_radius(aperture, image)
    zero = zero_points_of(zeropoint, image)
    psf = _psf_squares(psf, image)
    neighbours = _neighbours(boxes)
    found = [
        measure_source(image, box, boxes[near], radius, psf)
        for box, near in zip(boxes, neighbours, strict=True)
    ]
    result, columns = QTable(table, copy=True), _columns(found, image, zero)
    _remove_outdated(result, columns, image.bands)
    for name, (values, unit, ucd, text) in columns.items():
        result[name] = values * u.Unit(unit) if unit else values
        result[name].info.description, result[name].info.meta = text, {"ucd": ucd}
    result.meta["KRONFAC"], result.meta["APERPIX"] = KRON_FACTOR, float(radius)
    failed = sum(source.flags >= FLAG_BITS["failed"] for source in found)
    if failed:
        warn_user(f"{failed} of {len(found)} rows could not be measured: see measure_flags")
    return conform(result) if is_result(result) else plain(result)


def _remove_outdated(table, columns, bands):
    """Take away what an earlier measurement said and this one, with these columns, does not."""
    if "measure_flags" not in table.colnames:
        return
    start = "kron_flux_"
    known = [name.removeprefix(start) for name in table.colnames if name.startswith(start)]
    ours = {f"{kind}_{band}" for kind in _IN_MAGNITUDES for band in bands}
    ours |= set(_ON_SKY if _ON_SKY[0] in table.colnames else ())  # another's "a" alone stays
    ours |= {f"color_{p}_{q}" for p, q in permutations(known, 2) if {p, q} & set(bands)}
    outdated = [name for name in table.colnames if name in ours and name not in columns]
    if outdated:
        warn_user("columns of an earlier measurement that this one cannot give were taken away:"
                  f" {', '.join(outdated)}")
        table.remove_columns(outdated)


def _boxes(table, which="table"):
    """Return the boxes of a table, (N, 4)."""
    try:
        return pixel_boxes(table, which)
    except ValueError as error:
        raise MeasurementError(str(error)) from error


def _aperture_radius(aperture, image):
    """Return the radius of the circular aperture in pixels."""
    if aperture is None:
        if not image.pixel_scale:
            return _DEFAULT_PIXELS
        aperture = _DEFAULT_APERTURE / 2 * u.arcsec
    radius = pixels_of(aperture, "aperture", image)
    if radius > max(np.hypot(*image.shape), _DEFAULT_PIXELS):  # a unit that was mistaken
        msg = f"aperture must be smaller than the image, got {aperture}, {radius:.0f} pixels"
        raise MeasurementError(msg)
    return radius


def _psf_squares(psf, image):
    """Return the mean squares of the PSF's axes with both weights, None where none is given."""
    if psf is None:
        return None
    if isinstance(psf, Table):
        return _squares_of_stars(psf, image)
    if np.ndim(psf) == 0:
        # at a width where pixels do not matter, and scaled
        scale = pixels_of(psf, "psf", image) / _PSF_WIDTH
        return tuple(scale**2 * square for square in psf_squares(moffat_kernel(_PSF_WIDTH)))
    found = psf_squares(np.asarray(psf)) if np.ndim(psf) == 2 else (np.nan, np.nan)
    if not np.isfinite(found).all():
        msg = f"psf must be a width, a table of stars or an image, got an array {np.shape(psf)}"
        raise MeasurementError(msg)
    return found


def _squares_of_stars(stars, image):
    """Return the median squares of the axes of bright, undisturbed stars."""
    boxes = _boxes(stars, "psf")
    check_grid(stars, image, "psf")
    near = _neighbours(boxes)
    found = [measure_source(image, box, boxes[k], _DEFAULT_PIXELS)
             for box, k in zip(boxes, near, strict=True)]  # fmt: skip
    squares = np.array([star.squares for star in found if not star.flags]).reshape(-1, 2)
    squares = squares[np.isfinite(squares).all(axis=1)]
    if len(squares) < _FEWEST_STARS:
        msg = (
            f"psf must be a table with at least {_FEWEST_STARS} stars of a signal-to-noise above "
            f"50 that nothing disturbs, got {len(squares)} of {len(boxes)}"
        )
        raise MeasurementError(msg)
    return tuple(np.median(squares, axis=0))


def _neighbours(boxes):
    """Return, for each box, the indices of the others that reach into its surroundings."""
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = np.max(boxes[:, 2:] - boxes[:, :2], axis=1, initial=1.0) / 2
    found = []
    for k in range(len(boxes)):
        apart = np.abs(middle - middle[k]).max(axis=1)
        near = apart < 3.0 * half[k] + 8 + 1.6 * half
        near[k] = False
        found.append(np.flatnonzero(near))
    return found


@dataclass(frozen=True)
class _Stack:
    """The results of all sources, one array each."""

    shape: np.ndarray  # (N, 5): x, y, a, b, theta
    ratio: np.ndarray
    kron: np.ndarray
    radii: np.ndarray  # (N, 3)
    fraction: np.ndarray
    flags: np.ndarray
    per_band: dict  # name -> (N, bands)

    @classmethod
    def of(cls, found, n_bands):
        """Stack a list of sources."""
        names = ("sky", "kron_flux", "kron_error", "aperture_flux", "aperture_error")
        return cls(
            np.array([[s.ellipse.x, s.ellipse.y, s.ellipse.a, s.ellipse.b, s.ellipse.theta]
                      for s in found]).reshape(-1, 5),
            np.array([s.ratio for s in found], dtype=float),
            np.array([s.kron for s in found], dtype=float),
            np.array([s.radii for s in found]).reshape(-1, 3),
            np.array([s.fraction for s in found], dtype=float),
            np.array([s.flags for s in found], dtype=np.int32),
            {n: np.array([getattr(s, n) for s in found], float).reshape(-1, n_bands)
             for n in names},
        )


def _columns(found, image, zero):
    """Return name -> (values, unit, UCD, description) of the new columns."""
    stack = _Stack.of(found, image.n_bands)
    x, y, a, b, theta = stack.shape.T
    kron = "semi-major axis of the Kron aperture, pixels"
    with np.errstate(invalid="ignore", divide="ignore"):
        concentration = 5 * np.log10(stack.radii[:, 2] / stack.radii[:, 0])
    columns = {
        "x_centroid": (x, "", "pos.cartesian.x", "centre of the light in x; 0-based pixels"),
        "y_centroid": (y, "", "pos.cartesian.y", "centre of the light in y; 0-based pixels"),
        "a_pix": (a, "", "phys.angSize.smajAxis", "rms semi-major axis of the light, pixels"),
        "b_pix": (b, "", "phys.angSize.sminAxis", "rms semi-minor axis of the light, pixels"),
        "theta": (np.degrees(theta), "deg", "pos.posAng", "major axis, from +x to +y"),
        **_on_sky(stack.shape, image.wcs),
        "axis_ratio": (stack.ratio, "", "phys.angSize;arith.ratio", "minor over major axis"),
        "kron_radius": (stack.kron, "", "phys.angSize", kron),
        "half_light_radius": (stack.radii[:, 1], "", "phys.angSize", "half of the light, pixels"),
        "concentration": (concentration, "", "phot", "5 log10(r80 / r20)"),
        "kron_fraction": (stack.fraction, "", "phot.flux;arith.ratio",
                          "share of all light in the Kron flux"),
    }
    for k, band in enumerate(image.bands):
        columns |= _band_columns(stack, k, band, zero[k], image.pixel_scale)
    for k in range(image.n_bands - 1):
        first, second = image.bands[k : k + 2]
        names = f"kron_mag_{first}", f"kron_mag_{second}"
        if all(name in columns for name in names):
            color = columns[names[0]][0] - columns[names[1]][0]
            text = f"Kron magnitude {first} minus {second}"
            columns[f"color_{first}_{second}"] = (color, "mag", "phot.color", text)
    flags = "sum of bits: " + ", ".join(f"{bit} {name}" for name, bit in FLAG_BITS.items())
    columns["measure_flags"] = (stack.flags, "", "meta.code.qual", flags)
    return columns


def _on_sky(shape, wcs):
    """Return centre, semi-axes and position angle on the sky; nothing without sky coordinates."""
    if wcs is None:
        return {}
    x, y = shape.T[:2]
    good = np.isfinite(shape).all(axis=1)
    place = np.full((2, len(shape)), np.nan)
    axes = np.full((len(shape), 2, 2), np.nan)  # both semi-axes: east and north
    if good.any():
        place[:, good] = pixel_to_sky(wcs, x[good], y[good])
        axes[good] = _tangents(wcs, place[:, good], *shape[good][:, [0, 1, 4]].T)
    axes *= 3600 * shape[:, 2:4, None]
    # on pixels that are not square, the axes of an ellipse become radii of it that are no axes
    (east, cross), (_, north) = np.moveaxis(np.swapaxes(axes, 1, 2) @ axes, 0, -1)
    major = np.sqrt((east + north) / 2 + np.hypot((north - east) / 2, cross))
    minor = np.abs(axes[:, 0, 0] * axes[:, 1, 1] - axes[:, 0, 1] * axes[:, 1, 0]) / major
    angle = np.degrees(np.arctan2(2 * cross, north - east) / 2) % 180
    return {
        # not ra_..., dec_...: Astropy could not tell them from ra and dec of the box
        "alpha_centroid": (place[0], "deg", "pos.eq.ra", "right ascension of the light's centre"),
        "delta_centroid": (place[1], "deg", "pos.eq.dec", "declination of the light's centre"),
        "a": (major, "arcsec", "phys.angSize.smajAxis", "rms semi-major axis"),
        "b": (minor, "arcsec", "phys.angSize.sminAxis", "rms semi-minor axis"),
        "pa": (angle, "deg", "pos.posAng", "position angle of the major axis, north through east"),
    }


def _tangents(wcs, place, x, y, theta):
    """Return (N, 2, 2): degrees east and north for a step of one pixel along major, minor axis."""
    cos, sin = np.cos(theta) / 2, np.sin(theta) / 2
    dx, dy = np.stack([cos, -sin]), np.stack([sin, cos])  # half a step along either axis
    ends = pixel_to_sky(wcs, np.stack([x - dx, x + dx]), np.stack([y - dy, y + dy]))
    behind, ahead = unit_vectors(*np.radians(ends))
    east, north = tangent_axes(unit_vectors(*np.radians(place)))
    step = np.degrees(ahead - behind)
    parts = (step * east).sum(axis=-1), (step * north).sum(axis=-1)
    return np.stack(parts, axis=-1).swapaxes(0, 1)


def _band_columns(stack, k, band, zero, pixel_scale):
    """Return the columns of one band."""
    part = {name: values[:, k] for name, values in stack.per_band.items()}
    columns = {f"sky_{band}": (part["sky"], "", "instr.skyLevel", f"{band}: sky, image units")}
    for short, name, text in (("kron", "kron", "Kron"), ("aper", "aperture", "circular")):
        flux, error = part[f"{name}_flux"], part[f"{name}_error"]
        what = f"{band}, {text} aperture"
        columns[f"{short}_flux_{band}"] = (flux, "", "phot.flux", f"{what}: flux, image units")
        columns[f"{short}_flux_err_{band}"] = (error, "", "stat.error;phot.flux", f"{what}: error")
        if np.isfinite(zero):
            magnitude, spread = _magnitudes(flux, error, zero)
            columns[f"{short}_mag_{band}"] = (magnitude, "mag", "phot.mag", f"{what}: AB magnitude")
            columns[f"{short}_mag_err_{band}"] = (
                spread, "mag", "stat.error;phot.mag", f"{what}: error of the magnitude",
            )  # fmt: skip
    if np.isfinite(zero) and pixel_scale:
        with np.errstate(invalid="ignore", divide="ignore"):
            area = 2 * np.pi * (stack.radii[:, 1] * pixel_scale) ** 2
            bright = columns[f"kron_mag_{band}"][0] + 2.5 * np.log10(area)
        text = f"{band}: mean surface brightness within the half-light radius, per arcsec2"
        columns[f"mu_{band}"] = (bright, "mag", "phot.mag.sb", text)
    return columns


def _magnitudes(flux, error, zero):
    """Return AB magnitudes and errors; NaN for a flux that is not positive."""
    with np.errstate(invalid="ignore", divide="ignore"):
        magnitude = np.where(flux > 0, zero - 2.5 * np.log10(np.where(flux > 0, flux, 1)), np.nan)
        return magnitude, np.where(flux > 0, 2.5 / np.log(10) * error / flux, np.nan)
