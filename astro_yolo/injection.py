"""Galaxies and stars of known truth, and how to add them to real images.

Stamps are odd-sized squares, centred on their middle pixel, that already carry
the point-spread function; `add_stamp` lays them into an image.
"""

import cv2
import numpy as np
from scipy.special import gammaincinv

from astro_yolo._stamp_inputs import as_fluxes, as_kernel, as_number, as_psf, as_whole

__all__ = ["add_stamp", "kernel_fwhm", "moffat_kernel", "sersic_stamp", "spiral_stamp"]

_STEEP = 25  # pixels round the centre of a large galaxy that are sampled finely


def moffat_kernel(fwhm, *, beta=3.0, half=None, stretch=0.0, angle=0.0):
    """
    Make a Moffat point-spread function (Moffat 1969, A&A 3, 455).

    Parameters
    ----------
    fwhm : float
        Full width at half maximum, pixels.
    beta : float, optional
        Slope of the wings; 3 is typical of SDSS.
    half : int, optional
        Pixels from the middle to the edge; by default six FWHM.
    stretch, angle : float, optional
        How much longer it is along ``angle`` (radians counter-clockwise from +x), and shorter
        across; by default it is round.

    Returns
    -------
    (size, size) float32 array
        Sum 1, odd-sized.

    Raises
    ------
    TypeError
        If an argument but ``angle`` has a unit, or is no number.
    ValueError
        If an argument is outside of its range.
    """
    fwhm = as_number("fwhm", fwhm, "more than 0 pixels", lambda width: width > 0)
    beta = as_number("beta", beta, "above 0", lambda slope: slope > 0)
    stretch = as_number("stretch", stretch, "above -1", lambda more: more > -1)
    half = max(3, int(np.ceil(6 * fwhm))) if half is None else half
    half = as_whole("half", half, "a whole number of pixels, 0 or more", lambda reach: reach >= 0)
    cos, sin = _turn("angle", angle)
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    along, across = x * cos + y * sin, y * cos - x * sin
    radius2 = (along / (1 + stretch)) ** 2 + (across * (1 + stretch)) ** 2
    alpha = fwhm / (2 * np.sqrt(2 ** (1 / beta) - 1))
    kernel = (1 + radius2 / alpha**2) ** -beta
    return (kernel / kernel.sum()).astype(np.float32)


def _turn(name, angle):
    """Return cosine and sine of an angle in radians, or of a Quantity of any unit."""
    cos, sin = float(np.cos(angle)), float(np.sin(angle))
    as_number(name, cos, "the finite angle of an axis", lambda _: True)
    return cos, sin


def kernel_fwhm(kernel):
    """
    Measure how wide a point-spread function is.

    Parameters
    ----------
    kernel : (ny, nx) array
        Its picture.

    Returns
    -------
    float
        Diameter in pixels of the circle with the area above half of the maximum; 0 without light.

    Raises
    ------
    ValueError
        If it is no picture of one plane.
    """
    kernel = as_kernel("kernel", kernel)
    if kernel.ndim != 2:
        msg = f"kernel must be (ny, nx), got shape {kernel.shape}"
        raise ValueError(msg)
    fine = cv2.resize(kernel, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
    return float(2 * np.sqrt((fine > fine.max() / 2).sum() / np.pi) / 8)


def sersic_stamp(flux, half_light_radius, index, axis_ratio, theta, *, psf, offset=(0.0, 0.0)):
    """
    Make a Sersic galaxy (Sersic 1963; Graham & Driver 2005, PASA 22, 118) seen through a PSF.

    Parameters
    ----------
    flux : float or sequence of floats
        Total flux, in the units of the image; one a band if ``psf`` holds several.
    half_light_radius : float
        Semi-major axis that holds half of the light of the whole profile, pixels, before the PSF.
        The stamp ends at 10 such radii, at 5 for an index up to 2, and at 400 pixels, and all of
        the flux is in it: at index 4 half of it lies within 0.95 radii.
    index : float
        Sersic index, 0.1 to 20: 1 for an exponential disc, 4 for de Vaucouleurs.
    axis_ratio : float
        Minor over major axis, above 0 and up to 1.
    theta : float
        Angle of the major axis, radians counter-clockwise from +x.
    psf : (k, k) or (n_bands, k, k) array
        Point-spread function of odd size, the centre of a star on its middle pixel. Its sum does
        not matter.
    offset : (float, float), optional
        x and y of the centre from the middle pixel.

    Returns
    -------
    (size, size) or (n_bands, size, size) float32 array
        Sum ``flux``.

    Raises
    ------
    TypeError
        If an argument but ``theta`` has a unit, or is no number.
    ValueError
        If an argument is outside of its range.
    """
    index = as_number("index", index, "0.1 to 20", lambda n: 0.1 <= n <= 20)
    radius, ratio = _extent(half_light_radius, axis_ratio)
    reach = 10 if index > 2 else 5
    steepness, power = float(gammaincinv(2 * index, 0.5)), 1 / index

    def profile(major, minor):
        # a sample on the very centre of a cusp would stand for its whole pixel: 0.06
        # pixels is the mean distance from the middle of a fine pixel
        along = np.sqrt(major**2 + (minor / ratio) ** 2 + 0.06**2) / radius
        return np.exp(-steepness * (along**power - 1))

    return _render(profile, flux, reach * radius, theta, psf, offset)


def spiral_stamp(
    flux,
    half_light_radius,
    axis_ratio,
    theta,
    *,
    psf,
    arms=2,
    pitch=0.35,
    bulge=0.2,
    handedness=1,
    offset=(0.0, 0.0),
):
    """
    Make a disc with logarithmic spiral arms and a round bulge, seen through a PSF.

    Parameters
    ----------
    flux, half_light_radius, axis_ratio, theta, psf, offset
        As for `sersic_stamp`; the radius is that of the disc.
    arms : int, optional
        Number of arms; 0 for a smooth disc.
    pitch : float, optional
        Pitch angle of the arms, radians, above 0 and below pi / 2.
    bulge : float, optional
        Share of the light in the bulge, 0 to 1.
    handedness : {1, -1}, optional
        Sense of winding: outwards the arms turn counter-clockwise, from +x to +y, for 1.

    Returns
    -------
    (size, size) or (n_bands, size, size) float32 array
        Sum ``flux``.

    Raises
    ------
    TypeError, ValueError
        As for `sersic_stamp`.
    """
    radius, ratio = _extent(half_light_radius, axis_ratio)
    tangent = as_number("pitch", np.tan(pitch), "an angle of 0 to pi / 2", lambda tan: tan > 0)
    bulge = as_number("bulge", bulge, "0 to 1", lambda share: 0 <= share <= 1)
    arms = float(as_whole("arms", arms, "a whole number, 0 or more", lambda n: n >= 0))
    handedness = as_number("handedness", handedness, "1 or -1", lambda sense: abs(sense) == 1)
    psf = as_psf(psf)
    flux = as_fluxes(flux, psf)

    def profile(major, minor):
        minor = minor / ratio
        along = np.hypot(major, minor) / radius
        winding = np.log(along + 0.05) / tangent
        phase = arms * (np.arctan2(minor, major) * handedness - winding)
        contrast = 0.75 * np.clip(2 * along - 0.5, 0, 1)  # no arms inside the bulge
        return np.exp(-1.678 * along) * (1 + contrast * (2 * np.cos(phase / 2) ** 8 - 0.55))

    disc = _render(profile, flux * (1 - bulge), 5 * radius, theta, psf, offset)
    core = sersic_stamp(flux * bulge, radius / 5, 2, 0.9, theta, psf=psf, offset=offset)
    # the core reaches one radius, the disc 5: it always fits inside
    margin = (disc.shape[-1] - core.shape[-1]) // 2
    disc[..., margin : margin + core.shape[-1], margin : margin + core.shape[-1]] += core
    return disc


def _extent(half_light_radius, axis_ratio):
    """Return the half-light radius and axis ratio of a galaxy as plain numbers."""
    rule = "more than 0 pixels"
    radius = as_number("half_light_radius", half_light_radius, rule, lambda r: r > 0)
    ratio = as_number("axis_ratio", axis_ratio, "above 0 and up to 1", lambda q: 0 < q <= 1)
    return radius, ratio


def _render(profile, flux, reach, theta, psf, offset):
    """Sample ``profile(major, minor)`` finely, convolve with the PSF, normalise."""
    psf = as_psf(psf)
    flux, offset = as_fluxes(flux, psf), _as_offset(offset, reach)
    over = 5 if reach < 40 else 3 if reach < 120 else 1
    half = int(np.ceil(min(reach, 400))) + psf.shape[-1] // 2
    image = _sampled(profile, half, over, theta, offset)
    if over == 1:  # a cusp is steep within a pixel, however large the galaxy
        middle = slice(half - _STEEP, half + _STEEP + 1)
        image[middle, middle] = _sampled(profile, _STEEP, 5, theta, offset)
    return _observe(image, flux, psf)


def _as_offset(offset, reach):
    """Return x and y of the centre as plain numbers; beyond the stamp there is no light."""
    try:
        x, y = offset
    except (TypeError, ValueError) as error:
        msg = f"offset must be x and y, got {offset!r}"
        raise ValueError(msg) from error
    most = max(1, min(reach, 400))
    rule = f"within {most:g} pixels of the middle of the stamp"
    return tuple(as_number("offset", o, rule, lambda n: abs(n) <= most) for o in (x, y))


def _sampled(profile, half, over, theta, offset):
    """Average ``profile(major, minor)`` over pixels, from samples that divide each so often."""
    size = 2 * half + 1
    fine = (np.arange(size * over) + 0.5) / over - 0.5 - half
    x, y = fine[None, :] - offset[0], fine[:, None] - offset[1]
    # powers of these take half as long; NumPy's own scalars would make doubles of them again
    x, y = x.astype(np.float32), y.astype(np.float32)
    cos, sin = _turn("theta", theta)
    image = profile(x * cos + y * sin, y * cos - x * sin).astype(np.float32)
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)


def _observe(image, flux, psf):
    """Convolve with the PSF and set the flux; for several bands at once if there are several."""
    if psf.ndim == 3:
        return np.stack([_observe(image, f, p) for f, p in zip(flux, psf, strict=True)])
    # OpenCV correlates: turned by half a turn, the kernel is convolved. The kernel is small:
    # filtering in place beats transforms up to about 31 pixels
    turned = np.ascontiguousarray(psf[::-1, ::-1])
    seen = np.maximum(cv2.filter2D(image, -1, turned, borderType=cv2.BORDER_CONSTANT), 0)
    total = float(seen.sum())
    if not 0 < total < np.inf:
        msg = f"half_light_radius and psf must leave light in the stamp, got a sum of {total:g}"
        raise ValueError(msg)
    return seen * np.float32(flux / total)


def add_stamp(plane, stamp, x, y):
    """
    Add a stamp to an image in place.

    Parameters
    ----------
    plane : (ny, nx) or (n_bands, ny, nx) array
        Of floats, changed in place.
    stamp : (k, k) or (n_bands, k, k) array
        Its pixel (k // 2, k // 2) falls on (x, y): the middle one, if the stamp is odd-sized.
    x, y : int
        0-based pixel, centre of the first pixel (0, 0); parts outside are dropped.

    Raises
    ------
    TypeError
        If the plane is no array that can hold the numbers of the stamp.
    ValueError
        If the stamp has other bands than the plane, or the pixel is not whole.

    Examples
    --------
    A galaxy of r = 19 at a place between pixels, in an image in nanomaggies:

    >>> import numpy as np
    >>> from astro_yolo.injection import add_stamp, moffat_kernel, sersic_stamp
    >>> plane, x, y = np.zeros((100, 120), np.float32), 60.3, 40.8
    >>> column, row = round(x), round(y)
    >>> flux, offset = 10 ** (-0.4 * (19 - 22.5)), (x - column, y - row)
    >>> stamp = sersic_stamp(flux, 4, 1, 0.6, np.pi / 6, psf=moffat_kernel(3.3), offset=offset)
    >>> add_stamp(plane, stamp, column, row)
    >>> print(f"{plane.sum():.2f}")
    25.12
    """
    stamp = np.asanyarray(stamp)
    _check_fit(plane, stamp)
    rule = "a whole pixel (what is left is an offset of the stamp)"
    x, y = as_whole("x", x, rule), as_whole("y", y, rule)
    (high, wide), (ny, nx) = stamp.shape[-2:], plane.shape[-2:]
    top, left = y - high // 2, x - wide // 2
    y0, y1 = max(top, 0), min(top + high, ny)
    x0, x1 = max(left, 0), min(left + wide, nx)
    if y0 < y1 and x0 < x1:
        plane[..., y0:y1, x0:x1] += stamp[..., y0 - top : y1 - top, x0 - left : x1 - left]


def _check_fit(plane, stamp):
    """Raise unless a plane can hold a stamp."""
    if not isinstance(plane, np.ndarray):
        msg = f"plane must be an array, which is changed in place, got {type(plane).__name__}"
        raise TypeError(msg)
    units = [getattr(array, "unit", None) for array in (plane, stamp)]
    if units.count(None) == 1:
        msg = f"plane and stamp must both have a unit or none, got {units[0]} and {units[1]}"
        raise TypeError(msg)
    if not np.can_cast(stamp.dtype, plane.dtype, "same_kind"):
        msg = f"plane must hold floats as the stamp does, got {plane.dtype}: plane.astype(float)"
        raise TypeError(msg)
    if plane.ndim < 2 or plane.ndim != stamp.ndim or plane.shape[:-2] != stamp.shape[:-2]:
        msg = f"stamp must have the bands of plane {plane.shape}, got shape {stamp.shape}"
        raise ValueError(msg)
