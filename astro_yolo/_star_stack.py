"""The point-spread function of an image: from its own stars, or as a caller gives it.

`astro_yolo.network.spread` stacks stars as well, but in network units, in which bright stars are
compressed, and all bands of one channel together. Light that is added to an image needs the
function in flux, band by band, on the grid that the bands were brought to.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import shift as shifted
from scipy.spatial import cKDTree

from astro_yolo._bands import reference
from astro_yolo._image_units import pixels_of
from astro_yolo._shape_of_light import Ellipse, adaptive_ellipse
from astro_yolo._stamp_inputs import as_psf
from astro_yolo.catalog import FLAGS, pixel_boxes
from astro_yolo.exceptions import MeasurementError
from astro_yolo.injection import kernel_fwhm, moffat_kernel

__all__ = ["Kernels", "given_psf", "stacked_psf"]

FEWEST = 6  # stars of a stack

_SURE = 0.6  # probability of a star that is one for sure
_BOX = 2.0  # FWHM along the side of a star's box
_HALF = 4.0  # FWHM from the middle of a stamp to its edge
_SIZES = 6, 60  # pixels, of the same
_RING = 4  # pixels round a stamp that tell its sky
_BRIGHT = 250.0  # flux of a star in the stack, in units of the noise of a pixel
_ODD = 2.5  # times the median distance to the stack: saturated stars and blends
_OFF = 1.0  # pixels that the core of a given image may lie beside its middle
_CORE, _WINGS = 1.5, 2.0  # FWHM: within, stars are compared; beyond, the azimuthal median is taken


@dataclass(frozen=True)
class Kernels:
    """
    The point-spread function of each band.

    Attributes
    ----------
    kernels : (n_bands, k, k) float32 array
        Of unit sum, the centre of a star on the middle pixel.
    fwhm : float
        Full width at half maximum in the reference band, pixels.
    stars : int
        Number of stars in the reference band's; 0 where it was given.
    """

    kernels: np.ndarray
    fwhm: float
    stars: int = 0


def given_psf(psf, image):
    """
    Return the point-spread function that a caller gives.

    Parameters
    ----------
    psf : array, float, `~astropy.units.Quantity`, dict or sequence of these
        For all bands, by band, or in their order: an image of odd size with the centre of a star
        on its middle pixel, or the full width at half maximum, an angle or pixels, of a Moffat
        profile of slope 3.
    image : SkyImage
        Whose bands.

    Returns
    -------
    Kernels

    Raises
    ------
    MeasurementError
        If a band is missing or unknown, or one is neither a width nor such an image.
    """
    parts = [_one_kernel(part, image) for part in _by_band(psf, image)]
    size = max(part.shape[0] for part in parts)
    kernels = np.stack([np.pad(part, (size - len(part)) // 2) for part in parts])
    return Kernels(kernels, kernel_fwhm(kernels[reference(image.bands)]))


def _by_band(psf, image):
    """Return what is given for each band."""
    if isinstance(psf, dict):
        if set(psf) != set(image.bands):
            msg = f"psf must name the bands of the image {image.bands}, got {tuple(psf)}"
            raise MeasurementError(msg)
        return [psf[band] for band in image.bands]
    if not isinstance(psf, list | tuple) and np.ndim(psf) not in {1, 3}:
        return [psf] * image.n_bands
    if len(psf) != image.n_bands:
        msg = f"psf must have one a band ({image.n_bands}), got {len(psf)}"
        raise MeasurementError(msg)
    return list(psf)


def _one_kernel(psf, image):
    """Return the kernel of one band, of unit sum."""
    if np.ndim(psf) == 0:
        return moffat_kernel(pixels_of(psf, "psf", image))
    try:
        kernel = as_psf(psf)
    except ValueError as error:
        raise MeasurementError(str(error)) from error
    total = float(kernel.sum())
    if kernel.ndim != 2 or not total > 0:
        msg = f"psf must be images of positive sum or widths, got {kernel.shape}, sum {total:g}"
        raise MeasurementError(msg)
    core = np.argwhere(kernel > kernel.max() / 2)
    off = core.mean(axis=0) - len(kernel) // 2
    if np.hypot(*off) > _OFF:  # all galaxies would lie beside their places
        msg = (
            "psf must have the centre of a star on its middle pixel, got one that is off by"
            f" {off[1]:+.1f} and {off[0]:+.1f} pixels in x and y"
        )
        raise MeasurementError(msg)
    return kernel / np.float32(total)


def stacked_psf(image, sources):
    """
    Stack the stars of an image, band by band.

    Stars are those of the detector that nothing disturbs: bright, without a neighbour, away from
    borders, masked and saturated pixels. Those that are unlike the others, as saturated ones are
    whose level no header names, are left out. Flux weights them, none more than the sixth; beyond
    two FWHM, where a pixel is mostly noise, the median along circles stands for it.

    Parameters
    ----------
    image : SkyImage
        The image.
    sources : `~astropy.table.Table`
        All that the detector finds in it, stars included.

    Returns
    -------
    Kernels

    Raises
    ------
    MeasurementError
        If a band has fewer than six such stars.
    """
    places, fwhm = _lone_stars(sources)
    half = int(np.clip(np.ceil(_HALF * fwhm), *_SIZES))
    stamps = [_stamp(image, place, half, fwhm) for place in places]
    stamps = [stamp for stamp in stamps if stamp is not None]
    kernels, numbers = [], []
    for k, band in enumerate(image.bands):
        chosen = [(light[k], noise[k]) for light, noise in stamps]
        stars = _bright_ones(chosen, fwhm)
        if len(stars) < FEWEST:
            msg = (
                f"psf must be given: the image has {len(stars)} bright, undisturbed and unsaturated"
                f" stars in the band {band}, and a stack needs {FEWEST}"
            )
            raise MeasurementError(msg)
        stack, number = _stack(stars, fwhm)
        kernels.append(stack)
        numbers.append(number)
    middle = reference(image.bands)
    return Kernels(np.stack(kernels), kernel_fwhm(kernels[middle]), numbers[middle])


def _lone_stars(sources):
    """Return the places of stars without a neighbour, (N, 2), and how wide they seem."""
    boxes = pixel_boxes(sources)
    places = (boxes[:, :2] + boxes[:, 2:]) / 2
    bad = sum(FLAGS[name] for name in ("edge", "masked", "saturated"))
    star = np.asarray(sources["label"]) == "star"
    star &= np.asarray(sources["p_star"]) > _SURE
    star &= (np.asarray(sources["flags"]) & bad) == 0
    if not star.any():
        return np.empty((0, 2)), 1.0
    fwhm = float(np.median((boxes[star, 2:] - boxes[star, :2]).mean(axis=1))) / _BOX
    if len(places) > 1:
        star &= cKDTree(places).query(places, k=2)[0][:, 1] > _HALF * fwhm
    return places[star], fwhm


def _stamp(image, place, half, fwhm):
    """Return the light about a star over its sky and the noise, band by band; None if disturbed."""
    reach, (column, row) = half + _RING, np.round(place).astype(int)
    window = (row - reach, row + reach + 1, column - reach, column + reach + 1)
    if min(window) < 0 or window[1] > image.shape[0] or window[3] > image.shape[1]:
        return None
    data, mask = image.window(*window)
    full = image.saturated_window(*window)
    core = slice(reach - int(fwhm + 1), reach + int(fwhm + 2))
    if mask is not None or (full is not None and full[core, core].any()):
        return None
    ring = np.ones(data.shape[1:], bool)
    ring[_RING:-_RING, _RING:-_RING] = False
    sky = np.median(data[:, ring], axis=1)
    noise = 1.4826 * np.median(np.abs(data[:, ring] - sky[:, None]), axis=1)
    light = (data - sky[:, None, None]).astype(float)
    start = Ellipse(*(place - (column, row) + reach), fwhm / 2.355, fwhm / 2.355, 0.0)
    found = adaptive_ellipse(light[reference(image.bands)], start)
    if found is None:
        return None
    move = (0, reach - found.y, reach - found.x)
    moved = shifted(light, move, order=3, mode="nearest")
    return moved[:, _RING:-_RING, _RING:-_RING], np.maximum(noise, np.finfo(np.float32).tiny)


def _bright_ones(stamps, fwhm):
    """Return stamps of unit flux and the fluxes of the stars that stand out of the noise."""
    if not stamps:
        return []
    near = _radius(stamps[0][0]) < _WINGS * fwhm
    fluxes = [(light, light[near].sum(), noise) for light, noise in stamps]
    return [(light / flux, flux) for light, flux, noise in fluxes if flux > _BRIGHT * noise]


def _stack(stars, fwhm):
    """Return the mean of stars that are like each other, of unit sum, and their number."""
    lights, fluxes = (np.array(part) for part in zip(*stars, strict=True))
    radius = _radius(lights[0])
    core, like = radius < _CORE * fwhm, np.ones(len(lights), bool)
    for _ in range(3):
        middle = np.median(lights[like], axis=0)
        distance = np.sqrt(((lights - middle)[:, core] ** 2).sum(axis=1))
        like = distance <= _ODD * np.median(distance)
    weight = np.minimum(fluxes[like], np.sort(fluxes[like])[-min(FEWEST, like.sum())])
    stack = np.average(lights[like], axis=0, weights=weight)
    # the number of a ring is that of whole pixels: it is as wide as one
    rings = radius.astype(int)
    for ring in np.unique(rings[radius > _WINGS * fwhm]):
        stack[rings == ring] = max(np.median(stack[rings == ring]), 0)
    return (stack / stack.sum()).astype(np.float32), int(like.sum())


def _radius(stamp):
    """Return the distance of each pixel of a square stamp from its middle."""
    offset = np.arange(len(stamp)) - len(stamp) // 2
    return np.hypot(offset, offset[:, None])
