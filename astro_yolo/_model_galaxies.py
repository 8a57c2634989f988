"""Model galaxies for completeness: drawn, laid into an image, and looked for in a table."""

from dataclasses import dataclass, fields

import numpy as np
from astropy import units as u
from astropy.table import QTable, Table
from scipy.spatial import cKDTree

from astro_yolo._rounding import middle_samples, unrounded
from astro_yolo.exceptions import ImageError, MeasurementError
from astro_yolo.image import SkyImage
from astro_yolo.injection import add_stamp, sersic_stamp, spiral_stamp

__all__ = [
    "TYPES", "Injected", "belongs_to", "color_rows", "draw", "measured_colors", "places",
    "rounded", "rounding_steps", "stamp_of",
]  # fmt: skip

#: Types of galaxies, and the axis ratios that each is drawn between.
TYPES = {"exponential": (0.2, 1.0), "de_vaucouleurs": (0.5, 1.0), "spiral": (0.4, 1.0)}

_SURE_COLOR = 0.2  # mag, error of a magnitude that a colour is made of
_FEWEST_COLORS = 5  # galaxies whose colours stand for all
_TRIES = 200  # places looked at for each galaxy
_MORE = 100  # times as many for the first: a mask may leave little


def draw(rng, number, magnitudes, radii, types, colors):
    """
    Draw galaxies.

    Parameters
    ----------
    rng : `~numpy.random.Generator`
        Source of chance.
    number : int
        How many.
    magnitudes, radii : (float, float)
        Limits, of the reference band and in pixels.
    types : sequence of str
        Of `TYPES`.
    colors : (M, n_bands) array
        Magnitudes of the bands minus that of the reference band, of which each takes a row.

    Returns
    -------
    `~astropy.table.Table`
        ``magnitude``, ``radius``, ``type``, ``axis_ratio``, ``theta`` (radians), ``colors`` (one
        a band), and what spirals have: ``arms``, ``pitch``, ``bulge``, ``handedness``.
    """
    kind = rng.choice(list(types), number)
    low, high = np.array([TYPES[name] for name in kind]).T
    return Table({
        "magnitude": rng.uniform(*magnitudes, number),
        "radius": np.exp(rng.uniform(*np.log(radii), number)),
        "type": kind,
        "axis_ratio": rng.uniform(low, high),
        "theta": rng.uniform(0, np.pi, number),
        "colors": colors[rng.integers(len(colors), size=number)],
        "arms": rng.integers(2, 4, number),
        "pitch": rng.uniform(0.2, 0.5, number),
        "bulge": rng.uniform(0.05, 0.4, number),
        "handedness": rng.choice([-1, 1], number),
    })


def stamp_of(galaxy, zero, areas, psf, offset):
    """
    Make the picture of a galaxy in all bands.

    Parameters
    ----------
    galaxy : row
        Of `draw`.
    zero, areas : (n_bands,) arrays
        AB magnitude of one unit, and `~astro_yolo.SkyImage.area_ratios`.
    psf : (n_bands, k, k) array
        One kernel a band.
    offset : (float, float)
        x and y of the centre from the middle pixel.

    Returns
    -------
    (n_bands, size, size) float32 array
        Units of the image; over a band's own pixels, it sums to the galaxy's flux.
    """
    flux = 10 ** (-0.4 * (galaxy["magnitude"] + galaxy["colors"] - zero)) / areas
    shape = {"psf": psf, "offset": offset}
    extent = galaxy["radius"], galaxy["axis_ratio"], galaxy["theta"]
    if galaxy["type"] == "spiral":
        shape |= {name: galaxy[name] for name in ("arms", "pitch", "bulge", "handedness")}
        return spiral_stamp(flux, *extent, **shape)
    index = 4 if galaxy["type"] == "de_vaucouleurs" else 1
    return sersic_stamp(flux, extent[0], index, *extent[1:], **shape)


def measured_colors(table, image, zero):
    """
    Return the colours of the galaxies of a table, as the image shows them.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Galaxies found in the image.
    image : SkyImage
        The image.
    zero : (n_bands,) array
        AB magnitude of one unit.

    Returns
    -------
    `~astropy.table.QTable`
        As of `~astro_yolo.measure`, rows with an error below 0.2 mag in every band.
    """
    from astro_yolo.measuring import measure

    if not len(table):
        return QTable()
    found = measure(table, image, zeropoint=list(zero))
    good = np.ones(len(found), bool)
    for band in image.bands:
        good &= np.asarray(found[f"kron_mag_err_{band}"].value) < _SURE_COLOR
    return found[good]


def color_rows(colors, bands, middle):
    """
    Return colours as a caller gives them.

    Parameters
    ----------
    colors : dict, sequence of float or `~astropy.table.Table`
        Band to its magnitude minus that of the reference band: a number, or as many for each band;
        one number a band, 0 for the reference; or a table with Kron magnitudes.
    bands : tuple of str
        Of the image.
    middle : int
        Index of the reference band.

    Returns
    -------
    (M, n_bands) array

    Raises
    ------
    MeasurementError
        If a band is missing or unknown, or there are no finite numbers.
    """
    if isinstance(colors, Table):
        return _colors_of_table(colors, bands, middle)
    parts = [_number(part) for part in _by_band(colors, bands, middle)]
    try:
        parts = [np.atleast_1d(np.asarray(part, dtype=float)) for part in parts]
        rows = np.stack(np.broadcast_arrays(*parts), axis=1)
    except (TypeError, ValueError) as error:
        msg = f"colors must be numbers, of each band one or as many as of the others, got {colors}"
        raise MeasurementError(msg) from error
    if rows.ndim != 2 or not len(rows) or not np.isfinite(rows).all():
        msg = f"colors must be finite magnitudes, got {colors}"
        raise MeasurementError(msg)
    return rows


def _by_band(colors, bands, middle):
    """Return what is given for each band, 0 for the reference band."""
    others = tuple(band for band in bands if band != bands[middle])
    if isinstance(colors, dict) and set(colors) == set(others):
        return [colors.get(band, 0.0) for band in bands]
    several = isinstance(colors, list | tuple) or np.ndim(colors) == 1
    if several and len(colors) == len(bands) and _number(colors[middle]) == 0:
        return list(colors)
    msg = (
        f"colors must be a dict of the bands {others}, or one number for each of {bands} with 0"
        f" for {bands[middle]}, got {colors!r}"
    )
    raise MeasurementError(msg)


def _number(color):
    """Return a colour, or several, without the unit of magnitudes."""
    if not isinstance(color, u.Quantity):
        return color
    try:
        return color.to_value(u.mag)
    except u.UnitConversionError as error:
        msg = f"colors must be magnitudes, got {color}"
        raise MeasurementError(msg) from error


def _colors_of_table(table, bands, middle):
    """Return the colours that a measured table holds."""
    names = [f"kron_mag_{band}" for band in bands]
    rows = np.empty((0, len(bands)))
    if set(names) <= set(table.colnames):
        values = [np.ma.filled(np.ma.asarray(getattr(table[n], "value", table[n])), np.nan)
                  for n in names]  # fmt: skip
        rows = np.stack(values, axis=1).astype(float)
        rows = rows - rows[:, [middle]]
        rows = rows[np.isfinite(rows).all(axis=1)]
    if len(rows) < _FEWEST_COLORS:
        msg = (
            f"colors must be given, as in {{{bands[0]!r}: 0.8}}: only {len(rows)} galaxies with"
            f" {', '.join(names)} tell them, and it takes {_FEWEST_COLORS}"
        )
        raise MeasurementError(msg)
    return rows


def places(rng, image, number, apart, core):
    """
    Draw places in an image.

    Parameters
    ----------
    rng : `~numpy.random.Generator`
        Source of chance.
    image : SkyImage
        The image.
    number : int
        Most that are wanted.
    apart : float
        Least distance between two, pixels.
    core : float
        Radius in pixels within which all pixels must be there and usable.

    Returns
    -------
    (N, 2) array
        x, y; one at least.

    Raises
    ------
    ImageError
        If there is none.
    """
    reach, found = int(np.ceil(core)), np.empty((0, 2))
    room = np.array(image.shape[::-1]) - 1 - 2 * reach
    enough = _TRIES * number
    for tried in range(_MORE * enough if (room >= 0).all() else 0):
        if len(found) == number or (len(found) and tried > enough):
            break
        place = reach + rng.uniform(0, 1, 2) * room
        if len(found) and np.hypot(*(found - place).T).min() < apart:
            continue
        if _usable(image, place, reach, core):
            found = np.vstack([found, place])
    if not len(found):
        msg = (
            f"image must have usable pixels about a star's width of {core:.1f} pixels apart from"
            f" its border, got none in {image.name}"
        )
        raise ImageError(msg)
    return found


def _usable(image, place, reach, core):
    """Say whether all pixels near a place are usable in all bands."""
    column, row = np.round(place).astype(int)
    y0, x0 = max(row - reach, 0), max(column - reach, 0)
    data, mask = image.window(
        y0, min(row + reach + 1, image.shape[0]), x0, min(column + reach + 1, image.shape[1])
    )
    y, x = np.indices(data.shape[1:])
    near = np.hypot(x + x0 - place[0], y + y0 - place[1]) <= core
    bad = ~np.isfinite(data).all(axis=0)
    return not (bad if mask is None else bad | mask)[near].any()


def rounding_steps(image):
    """
    Return the step that the values of each band are rounded to, as counts are.

    Parameters
    ----------
    image : SkyImage
        The image, of which the middle is looked at.

    Returns
    -------
    (n_bands,) array
        0 where values are not rounded.
    """
    values = middle_samples(image)
    return np.array([unrounded(part)[1] if len(part) > 1 else 0.0 for part in values])


def rounded(stamp, steps, rng):
    """
    Return a picture in whole steps of the image that it is laid into.

    What was there before was rounded by up to half a step, nobody knows how much; so chance
    decides whether the new light reaches the next step.
    """
    for plane, step in zip(stamp, steps, strict=True):
        if step:
            plane[:] = step * np.floor(plane / step + rng.random(plane.shape))
    return stamp


@dataclass(frozen=True, eq=False)
class Injected(SkyImage):
    """
    An image with galaxies added as it is read: the image itself stays as it is.

    Parameters
    ----------
    base : SkyImage
        The image.
    stamps : tuple
        (stamp, x, y) of each galaxy, as `~astro_yolo.injection.add_stamp` takes them.
    """

    base: SkyImage = None
    stamps: tuple = ()

    @classmethod
    def of(cls, image, stamps):
        """Return an image with these galaxies."""
        own = {item.name: getattr(image, item.name) for item in fields(SkyImage)}
        return cls(**own, base=image, stamps=tuple(stamps))

    @property
    def is_lazy(self):
        """True: pixels come by `window`."""
        return True

    def window(self, y0, y1, x0, x1):
        """Return bands and mask of a window, see `astro_yolo.image.SkyImage.window`."""
        data, mask = self.base.window(y0, y1, x0, x1)
        for stamp, x, y in self.stamps:
            add_stamp(data, stamp, x - x0, y - y0)
        return data, mask

    def saturated_window(self, y0, y1, x0, x1):
        """Return the saturated pixels of a window of the image itself."""
        return self.base.saturated_window(y0, y1, x0, x1)


def belongs_to(galaxies, reach, before, found):
    """
    Say which detection belongs to which injected galaxy.

    Closest pairs come first, one to one: a detection goes to what is nearest to it, be that
    a galaxy or a source that was there before, which wins a tie.

    Parameters
    ----------
    galaxies, before, found : (N, 2), (M, 2), (K, 2) arrays
        Places of the injected galaxies, of the sources found without them, and with them; pixels.
    reach : (N,) array
        How far from a galaxy its detection may lie.

    Returns
    -------
    (N,) int array
        Index of the detection, -1 for none.
    """
    result = np.full(len(galaxies), -1)
    if not len(galaxies) or not len(found):
        return result
    detections = cKDTree(found).query_ball_point(galaxies, reach)
    pairs, limit = [], {}
    for k, near in enumerate(detections):
        for d in near:
            pairs.append((np.hypot(*(found[d] - galaxies[k])), 1, d, k))
            limit[d] = max(limit.get(d, 0.0), reach[k])
    if len(before):
        tree = cKDTree(before)
        for d, most in limit.items():
            near = tree.query_ball_point(found[d], most)
            pairs += [(np.hypot(*(found[d] - before[k])), 0, d, k) for k in near]
    taken = set()
    for _, injected, d, k in sorted(pairs):
        if not {("found", d), (injected, k)} & taken:
            taken |= {("found", d), (injected, k)}
            if injected:
                result[k] = d
    return result
