"""Galaxies and stars of known truth, and how to add them to real images.

Stamps are odd-sized squares, centred on their middle pixel, that already carry
the point-spread function; `add_stamp` lays them into an image.
"""

import cv2
import numpy as np
from scipy.special import gammaincinv

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
    """
    half = max(3, int(np.ceil(6 * fwhm))) if half is None else half
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    radius2 = (along / (1 + stretch)) ** 2 + (across * (1 + stretch)) ** 2
    alpha = fwhm / (2 * np.sqrt(2 ** (1 / beta) - 1))
    kernel = (1 + radius2 / alpha**2) ** -beta
    return (kernel / kernel.sum()).astype(np.float32)


def kernel_fwhm(kernel):
    """
    Measure how wide a point-spread function is.

    Parameters
    ----------
    kernel : (ny, nx) float32 array
        Its picture.

    Returns
    -------
    float
        Diameter in pixels of the circle with the area above half of the maximum.
    """
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
        Sersic index: 1 for an exponential disc, 4 for de Vaucouleurs.
    axis_ratio : float
        Minor over major axis, 0 to 1.
    theta : float
        Angle of the major axis, radians counter-clockwise from +x.
    psf : (k, k) or (n_bands, k, k) array
        Symmetric point-spread function with sum 1 and odd size.
    offset : (float, float), optional
        x and y of the centre from the middle pixel.

    Returns
    -------
    (size, size) or (n_bands, size, size) float32 array
        Sum ``flux``.
    """
    reach = 10 if index > 2 else 5
    steepness = float(gammaincinv(2 * index, 0.5))
    radius, ratio, power = float(half_light_radius), float(axis_ratio), float(1 / index)

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
        Number of arms.
    pitch : float, optional
        Pitch angle of the arms, radians.
    bulge : float, optional
        Share of the light in the bulge.
    handedness : {1, -1}, optional
        Sense of winding.

    Returns
    -------
    (size, size) or (n_bands, size, size) float32 array
        Sum ``flux``.
    """
    radius, ratio, tangent = float(half_light_radius), float(axis_ratio), float(np.tan(pitch))
    arms, handedness = float(arms), float(handedness)

    def profile(major, minor):
        minor = minor / ratio
        along = np.hypot(major, minor) / radius
        winding = np.log(along + 0.05) / tangent
        phase = arms * (np.arctan2(minor, major) * handedness - winding)
        contrast = 0.75 * np.clip(2 * along - 0.5, 0, 1)  # no arms inside the bulge
        return np.exp(-1.678 * along) * (1 + contrast * (2 * np.cos(phase / 2) ** 8 - 0.55))

    flux = np.asarray(flux, dtype=float)
    disc = _render(profile, flux * (1 - bulge), 5 * half_light_radius, theta, psf, offset)
    core = sersic_stamp(flux * bulge, half_light_radius / 5, 2, 0.9, theta, psf=psf, offset=offset)
    # the core reaches one radius, the disc 5: it always fits inside
    margin = (disc.shape[-1] - core.shape[-1]) // 2
    disc[..., margin : margin + core.shape[-1], margin : margin + core.shape[-1]] += core
    return disc


def _render(profile, flux, reach, theta, psf, offset):
    """Sample ``profile(major, minor)`` finely, convolve with the PSF, normalise."""
    over = 5 if reach < 40 else 3 if reach < 120 else 1
    half = int(np.ceil(min(reach, 400))) + np.shape(psf)[-1] // 2
    image = _sampled(profile, half, over, theta, offset)
    if over == 1:  # a cusp is steep within a pixel, however large the galaxy
        middle = slice(half - _STEEP, half + _STEEP + 1)
        image[middle, middle] = _sampled(profile, _STEEP, 5, theta, offset)
    return _observe(image, flux, psf)


def _sampled(profile, half, over, theta, offset):
    """Average ``profile(major, minor)`` over pixels, from samples that divide each so often."""
    size = 2 * half + 1
    fine = (np.arange(size * over) + 0.5) / over - 0.5 - half
    x, y = fine[None, :] - offset[0], fine[:, None] - offset[1]
    # powers of these take half as long; NumPy's own scalars would make doubles of them again
    x, y = x.astype(np.float32), y.astype(np.float32)
    cos, sin = float(np.cos(theta)), float(np.sin(theta))
    image = profile(x * cos + y * sin, y * cos - x * sin).astype(np.float32)
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)


def _observe(image, flux, psf):
    """Convolve with the PSF and set the flux; for several bands at once if there are several."""
    if np.ndim(psf) == 3:
        return np.stack([_observe(image, f, p) for f, p in zip(flux, psf, strict=True)])
    # the kernel is small: filtering in place beats transforms up to about 31 pixels
    seen = np.maximum(cv2.filter2D(image, -1, psf, borderType=cv2.BORDER_CONSTANT), 0)
    return seen * np.float32(flux / seen.sum())


def add_stamp(plane, stamp, x, y):
    """
    Add a stamp to an image in place.

    Parameters
    ----------
    plane : (ny, nx) array
        Changed in place.
    stamp : (k, k) array
        Odd-sized; its middle pixel falls on (x, y).
    x, y : int
        0-based pixel, centre of the first pixel (0, 0); parts outside are dropped.
    """
    half_y, half_x = stamp.shape[0] // 2, stamp.shape[1] // 2
    top, left = y - half_y, x - half_x
    y0, y1 = max(top, 0), min(top + stamp.shape[0], plane.shape[0])
    x0, x1 = max(left, 0), min(left + stamp.shape[1], plane.shape[1])
    if y0 < y1 and x0 < x1:
        plane[y0:y1, x0:x1] += stamp[y0 - top : y1 - top, x0 - left : x1 - left]
