"""Model galaxies and stars of known truth, with the colours and sizes that the sky has.

What they are laid into has ``psf`` (one kernel a band), ``noise`` (one number a band) and ``fwhm``
of a star in pixels: a `~astro_yolo.training.fields.Field`, or a sky of
`astro_yolo.training.model_sky`.
"""

import cv2
import numpy as np

from astro_yolo.injection import add_stamp, sersic_stamp, spiral_stamp
from astro_yolo.training.labels import BOX_RADII, ellipse_box, petrosian_radius
from astro_yolo.training.recipes import PIXEL_SCALE
from astro_yolo.training.samples import EDGE_ON, GALAXY, IGNORE, OBJECTS, SMALL, STAR, UNKNOWN

__all__ = [
    "FAINTEST",
    "SDSS_NOISE",
    "add_sersic",
    "add_star",
    "add_stars",
    "blank_sky",
    "draw_companion",
    "draw_magnitudes",
    "lay",
    "signal_to_noise",
    "with_photon_noise",
]

#: Magnitude of what is added to real fields; beyond it nothing is seen.
FAINTEST = 22.3
#: Of a pixel of an SDSS frame in g, r, i, nanomaggies.
SDSS_NOISE = np.array([0.016, 0.025, 0.035], np.float32)
_ZERO_POINT = 22.5  # SDSS frames are in nanomaggies

# fainter objects are ignored. The same for stars and galaxies: else what is hardly seen would be
# called what was labelled deeper
_FAINTEST_SIGNAL = 6.5


def draw_magnitudes(rng, bright, faint, slope=0.35, number=None):
    """
    Draw magnitudes from power-law counts.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    bright, faint : float
        Limits.
    slope : float, optional
        Growth of the counts in dex a magnitude: 0.6 is Euclidean; 0.35 keeps bright ones.
    number : int, optional
        How many; by default one, as a float.

    Returns
    -------
    float or (number,) array
    """
    low, high = 10 ** (slope * bright), 10 ** (slope * faint)
    return np.log10(rng.uniform(low, high, number)) / slope


def _fluxes(r_magnitude, g_r, r_i):
    """Return g, r, i fluxes in nanomaggies."""
    magnitudes = np.array([r_magnitude + g_r, r_magnitude, r_magnitude - r_i])
    return 10 ** (0.4 * (_ZERO_POINT - magnitudes))


def _place(rng, planes):
    """Draw x and y of a new object, which may lie a little outside."""
    return rng.uniform(-2, np.array(planes[0].shape[::-1]) + 2)


def _split(place):
    """Return the pixel of a place, and the place's offset from its middle."""
    pixel = np.round(place).astype(int)
    return pixel, place - pixel


def add_sersic(planes, field, rng, magnitude=None, *, size=None, place=None):
    """
    Add a model galaxy.

    Parameters
    ----------
    planes : (3, ny, nx) float32 array
        g, r, i in nanomaggies, changed in place.
    field : astro_yolo.training.fields.Field
        Whose PSF and noise the galaxy gets.
    rng : numpy.random.Generator
        Source of chance.
    magnitude : float, optional
        In r; by default drawn.
    size : float, optional
        Half-light radius in arcsec; by default drawn from those of its magnitude.
    place : (2,) array, optional
        x and y, 0-based pixels; by default drawn.

    Returns
    -------
    box : (4,) array
        Edge pixels.
    kind : int
        Place in `~astro_yolo.training.samples.OBJECTS`; ignored if too faint to see.
    """
    if magnitude is None:  # flatter than the sky's counts: of bright ones a field has few to learn
        magnitude = draw_magnitudes(rng, 16.5, FAINTEST, slope=0.3)
    if size is None:  # the fainter, the more galaxies are hardly wider than a star
        scatter = 0.17 + 0.025 * max(magnitude - 18, 0)
        size = 10 ** rng.normal(0.18 - 0.09 * (magnitude - 19), scatter)  # arcsec, at r = 19
    radius = np.clip(size / PIXEL_SCALE, 0.5, 40)
    early = rng.random() < 0.4
    colour = _galaxy_colours(magnitude, early, rng)
    index = rng.uniform(2.5, 5) if early else rng.uniform(0.6, 1.8)
    ratio = rng.uniform(0.45, 1) if early else rng.uniform(0.12, 1)
    theta = rng.uniform(0, np.pi)
    pixel, offset = _split(_place(rng, planes) if place is None else place)
    arms = not early and ratio > 0.4 and radius > 4 and rng.random() < 0.7
    shape = dict(axis_ratio=ratio, theta=theta, offset=offset)
    if arms:
        shape |= dict(
            arms=int(rng.integers(2, 4)), pitch=rng.uniform(0.2, 0.5), bulge=rng.uniform(0.05, 0.4),
            handedness=rng.choice([-1, 1]),
        )
    fluxes, psf = _fluxes(magnitude, *colour), np.stack(field.psf)
    if arms:
        stamps = spiral_stamp(fluxes, radius, psf=psf, **shape)
    else:
        stamps = sersic_stamp(fluxes, radius, index, psf=psf, **shape)
    lay(planes, stamps, pixel, rng)
    box = _box_of_stamp(stamps[1], pixel, offset, ratio, theta, field.fwhm, radius)
    return box, _kind_of_model(stamps, box, index, ratio, arms, field)


def _galaxy_colours(magnitude, early, rng):
    """
    Return g-r and r-i of a galaxy at the redshift of its magnitude.

    The fainter, the farther and the redder: early types follow SDSS's luminous red galaxies, whose
    4000 A break leaves g near z = 0.4 (Eisenstein et al. 2001, AJ 122, 2267), roughly. Galaxies of
    the training fields at r = 20 to 20.8 have a median g-r of 1.1.
    """
    z = 10 ** rng.normal(0.15 * (magnitude - 17.5) - 1, 0.15)
    if early:
        g_r = min(0.72 + 2.5 * z, 1.7)
        r_i = min(0.38 + 0.3 * z + 2.3 * max(z - 0.36, 0), 1.1)
        return rng.normal(g_r, 0.12), rng.normal(r_i, 0.06)
    return rng.normal(min(0.42 + 1.1 * z, 1.1), 0.2), rng.normal(min(0.18 + 0.45 * z, 0.6), 0.1)


def _star_colours(magnitude, rng):
    """Return g-r and r-i on the stellar locus; the fainter, the more stars are M dwarfs."""
    if rng.random() < np.clip(0.25 + 0.06 * (magnitude - 17), 0.2, 0.6):
        return rng.normal(1.45, 0.08), rng.uniform(0.5, 1.6)
    g_r = rng.uniform(0.2, 1.35)
    return g_r, rng.normal(0.4 * g_r, 0.04)


def _box_of_stamp(stamp, pixel, offset, ratio, theta, fwhm, radius):
    """Return the box of a model, its axis ratio rounded by the PSF."""
    petrosian = petrosian_radius(stamp)
    blur = (0.6 * fwhm) ** 2
    seen = np.sqrt(((ratio * radius) ** 2 + blur) / (radius**2 + blur))
    x, y = pixel + offset
    return ellipse_box(x, y, BOX_RADII * petrosian, seen, theta)


def _kind_of_model(stamps, box, index, ratio, arms, field):
    """Return the kind of a model galaxy: ignored if too faint to see, else by its size."""
    if signal_to_noise(stamps, field) < _FAINTEST_SIGNAL:
        return IGNORE
    side = max(box[2] - box[0], box[3] - box[1])
    if side < SMALL:
        return UNKNOWN
    if index < 2 and ratio < 0.25:
        return EDGE_ON
    if arms and side > 40:
        return OBJECTS.index("spiral")
    if index > 3 and side > 22:
        return OBJECTS.index("elliptical")
    return GALAXY


def blank_sky(noise, rng, shape):
    """
    Return planes of nothing but noise.

    Parameters
    ----------
    noise : (3,) array
        Of a pixel of each band.
    rng : numpy.random.Generator
        Source of chance.
    shape : (int, int)
        Rows and columns.

    Returns
    -------
    (3, ny, nx) float32 array
    """
    return rng.normal(0, 1, (3, *shape)).astype(np.float32) * noise[:, None, None]


def signal_to_noise(stamps, field):
    """
    Return the matched-filter signal-to-noise over the three bands (sky-limited).

    Parameters
    ----------
    stamps : sequence of three (k, k) arrays
        Light of the source.
    field : object
        With ``noise``, one number a band.

    Returns
    -------
    float
    """
    return float(
        np.sqrt(sum((s**2).sum() / n**2 for s, n in zip(stamps, field.noise, strict=True)))
    )


def lay(planes, stamps, pixel, rng):
    """
    Add the stamps of three bands with the photon noise of the source itself.

    Parameters
    ----------
    planes : (3, ny, nx) array
        g, r, i in nanomaggies, changed in place.
    stamps : sequence of three (k, k) arrays
        Odd-sized.
    pixel : (2,) int array
        x and y of the middle of the stamps.
    rng : numpy.random.Generator
        Source of chance.
    """
    for plane, stamp in zip(planes, stamps, strict=True):
        add_stamp(plane, with_photon_noise(stamp, rng).astype(np.float32), *pixel)


def with_photon_noise(light, rng):
    """Return light, nanomaggies, with the noise of its photons."""
    # an SDSS frame has roughly 200 electrons a nanomaggy
    return light + rng.normal(0, 1, light.shape) * np.sqrt(np.maximum(light, 0) / 200)


def add_stars(planes, field, rng):
    """
    Add a star, one time in twenty-five with a second one beside it: two are not a galaxy.

    Parameters
    ----------
    planes, field, rng
        As of `add_sersic`.

    Returns
    -------
    list of (box, kind)
        One or two, as of `add_sersic`.
    """
    magnitude = draw_magnitudes(rng, 16.0, FAINTEST, slope=0.15)
    place = _place(rng, planes)
    added = [add_star(planes, field, rng, magnitude, place=place)]
    if rng.random() < 1 / 25:
        beside, fainter = draw_companion(rng, place, magnitude, field.fwhm)
        added.append(add_star(planes, field, rng, fainter, place=beside))
    return added


def draw_companion(rng, place, magnitude, fwhm):
    """
    Draw a star beside another.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    place : (2,) array
        x and y of the other.
    magnitude : float
        Of the other.
    fwhm : float
        Of the point-spread function, in pixels.

    Returns
    -------
    place : (2,) array
        Within two FWHM.
    magnitude : float
        Up to 1.5 magnitudes fainter.
    """
    angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0.7, 2) * fwhm
    beside = place + distance * np.array([np.cos(angle), np.sin(angle)])
    return beside, magnitude + rng.uniform(0, 1.5)


def add_star(planes, field, rng, magnitude, psf=None, *, place):
    """
    Add a star with the colours of the stellar locus.

    Parameters
    ----------
    planes, field, rng, magnitude
        As of `add_sersic`.
    psf : sequence of three (n, n) arrays, optional
        One kernel a band; by default those of the field.
    place : (2,) array
        x and y, 0-based pixels.

    Returns
    -------
    box, kind
        As of `add_sersic`.
    """
    pixel, offset = _split(place)
    move = np.array([[1, 0, offset[0]], [0, 1, offset[1]]])
    fluxes = _fluxes(magnitude, *_star_colours(magnitude, rng))
    stamps = [
        cv2.warpAffine(flux * kernel, move, kernel.shape[::-1], flags=cv2.INTER_CUBIC)
        for flux, kernel in zip(fluxes, field.psf if psf is None else psf, strict=True)
    ]
    lay(planes, stamps, pixel, rng)
    kind = STAR if signal_to_noise(stamps, field) >= _FAINTEST_SIGNAL else IGNORE
    return ellipse_box(*place, field.fwhm, 1.0, 0.0), kind
