"""How complete detection is in an image: galaxies are put in, and it is seen which are found."""

import json
import warnings

import numpy as np
from astropy import units as u
from astropy.table import QTable

from astro_yolo import _model_galaxies as models
from astro_yolo._bands import reference
from astro_yolo._completeness_result import Completeness
from astro_yolo._image_units import magnitude_of, pixels_of, zero_points_of
from astro_yolo._limits import Limit
from astro_yolo._progress_bar import progress_bar
from astro_yolo._sky import pixel_to_sky
from astro_yolo._stamp_inputs import as_whole
from astro_yolo._star_stack import given_psf, stacked_psf
from astro_yolo.catalog import conform
from astro_yolo.detection import Detector
from astro_yolo.exceptions import (
    AstroYoloWarning,
    ImageError,
    MeasurementError,
    NoDetectionsWarning,
)
from astro_yolo.image import read_image

__all__ = ["TYPES", "Completeness", "Limit", "completeness"]

#: Types of the galaxies that are put in: exponential discs (Sersic index 1), de Vaucouleurs
#: profiles (index 4), and discs with a bulge and spiral arms.
TYPES = tuple(models.TYPES)

_RADII = 0.5 * u.arcsec, 2.5 * u.arcsec
_RADII_PIXELS = 1.25, 6.25  # without a pixel scale: the same in SDSS's pixels
_LARGEST = 200.0  # pixels, half-light radius: a stamp ends at 400
_SHARE, _FEWEST = 0.1, 10  # put in at a time: a tenth of the galaxies found, or ten
_APART = 4.0, 8.0  # FWHM and largest half-light radii between two galaxies


def completeness(
    image,
    *,
    detector=None,
    magnitudes=(18, 23),
    half_light_radii=None,
    types=TYPES,
    number=500,
    psf=None,
    zeropoint=None,
    colors=None,
    seed=0,
    wcs=None,
    mask=None,
    hdu=None,
    score=None,
    min_purity=None,
    priors=None,
    zoom=None,
    background=None,
    progress=False,
):
    """
    Measure which galaxies are found in an image, by putting some in.

    Model galaxies of known magnitude, size and type are added to the image a few at a time, and
    the detector looks for them.

    Parameters
    ----------
    image : path, `~astropy.io.fits.HDUList`, HDU, `~astropy.nddata.NDData`, array, dict or list
        Anything with flux that `~astro_yolo.read_image` reads, as given to `~astro_yolo.detect`;
        it is not changed.
    detector : Detector, optional
        The network that looks; by default ``Detector()``.
    magnitudes : (float, float), optional
        Brightest and faintest, AB, of all of a galaxy's light in the reference band: r, or else
        the middle one. They are spread evenly.
    half_light_radii : pair of `~astropy.units.Quantity` or float, optional
        Smallest and largest semi-major axis that holds half of the light, before the PSF: angles,
        or pixels. They are spread evenly in the logarithm. By default 0.5 to 2.5 arcsec, or 1.25
        to 6.25 pixels where the pixel scale is not known.
    types : sequence of str, optional
        Of `TYPES`, each as often as it stands there.
    number : int, optional
        How many galaxies are put in.
    psf : array, float, `~astropy.units.Quantity`, dict or sequence of these, optional
        For all bands, by band, or in their order: an image of odd size with a star in the middle of
        its middle pixel, or the full width at half maximum, an angle or pixels, of a Moffat profile
        of slope 3. By default the image's own stars are stacked, band by band.
    zeropoint : float, dict or sequence of float, optional
        As in `~astro_yolo.measure`.
    colors : dict, sequence of float or `~astropy.table.Table`, optional
        Band to its magnitude minus that of the reference band: a number, or as many for each band,
        of which one is drawn; one number a band, 0 for the reference; or a table that
        `~astro_yolo.measure` made. By default the colours of the galaxies that are found in the
        image itself.
    seed : int, optional
        Seed of the random numbers, 0 or more: the same seed gives the same result.
    wcs, mask, hdu : optional
        As in `~astro_yolo.read_image`.
    score, min_purity, priors, zoom, background : optional
        As in `Detector.detect`. A zoom that is not given is that of the image without the galaxies.
    progress : bool, optional
        Whether to show a bar on standard error.

    Returns
    -------
    Completeness

    Raises
    ------
    ImageError
        If the image cannot be used: it is a picture, which holds no flux, or has no usable pixels.
    MeasurementError
        If there is no zero point, too few stars for a PSF or too few galaxies for colours, or one
        of them is wrong.
    ValueError
        If another argument is outside its range.
    TypeError
        If the detector is none, or ``number`` or ``seed`` no number.

    Notes
    -----
    Galaxies are laid at random over all pixels that are usable within one full width at half
    maximum (FWHM) of a star, far from each other and wherever sources of the image happen to be:
    what is lost in blends is part of completeness. At a time, one tenth as many are in the image as
    were found in it, ten at least. Noise is that of the image; the photon noise of the added light
    is left out, which matters only for galaxies far brighter than the limit; so is saturation.
    Values that are rounded, as counts are, stay so. Bands that were resampled get the galaxies on
    the common grid.

    A galaxy is found if a detection with a galaxy's label belongs to it. Detections, stars
    included, are shared out between the galaxies and the sources that are found without them, one
    to one, closest pairs first: a detection goes to what it is nearest to. That of a galaxy lies
    within its half-light radius, or one FWHM if that is more. A detection where a source was before
    is thus no recovery: where a bright star swallows a galaxy, the one detection lies on the star.
    Where the galaxy outshines what was there, the detection lies on the galaxy.

    Examples
    --------
    >>> from astro_yolo import completeness
    >>> result = completeness(["g.fits", "r.fits", "i.fits"])  # doctest: +SKIP
    >>> result.limit(0.5)  # doctest: +SKIP
    """
    frame, zero, radii = _inputs(
        image, zeropoint, half_light_radii, wcs=wcs, mask=mask, hdu=hdu
    )  # fmt: skip
    limits = _pair("magnitudes", magnitudes)
    types = _checked_types(types)
    number = as_whole("number", number, "a whole number, 1 or more", lambda n: n >= 1)
    seed = as_whole("seed", seed, "a whole number, 0 or more", lambda n: n >= 0)
    search = _Search(
        frame, detector, dict(score=score, min_purity=min_purity, priors=priors, zoom=zoom,
                              background=background),
    )  # fmt: skip
    kernels = stacked_psf(frame, search.before) if psf is None else given_psf(psf, frame)
    rng = np.random.default_rng(seed)
    rows = _color_rows(colors, search, frame, zero)
    drawn = models.draw(rng, number, limits, radii, types, rows)
    with progress_bar(number, progress) as bar:
        outcome = search.run(drawn, kernels, zero, rng, bar)
    asked = {"magnitudes": limits, "half_light_radii": radii, "types": types, "number": number,
             "seed": seed, "zeropoint": zero.tolist()}  # fmt: skip
    table = _table(drawn, outcome, frame)
    table.meta.update(_meta(search.before.meta, kernels, frame, asked))
    return Completeness(conform(table))


def _inputs(image, zeropoint, half_light_radii, **keywords):
    """Return the image, its zero points, and the radii in pixels."""
    frame = read_image(image, **keywords)
    if frame.kind == "picture":
        msg = (
            "image must hold flux, as FITS does: a picture (JPG, PNG) holds display values, to"
            f" which no magnitude belongs, got {frame.name}"
        )
        raise ImageError(msg)
    zero = zero_points_of(zeropoint, frame)
    unknown = [band for band, value in zip(frame.bands, zero, strict=True) if np.isnan(value)]
    if unknown:
        msg = (
            "zeropoint must be given, the AB magnitude of one unit: neither a unit nor a header"
            f" tells it for {unknown[0]}"
        )
        raise MeasurementError(msg)
    radii = half_light_radii
    if radii is None:
        radii = _RADII if frame.pixel_scale else _RADII_PIXELS
    return frame, zero, _radii(radii, frame)


def _radii(given, frame):
    """Return the smallest and the largest half-light radius in pixels."""
    try:
        low, high = given
    except (TypeError, ValueError) as error:
        msg = f"half_light_radii must be the smallest and the largest, got {given!r}"
        raise MeasurementError(msg) from error
    low, high = (pixels_of(radius, "half_light_radii", frame) for radius in (low, high))
    if not low <= high <= _LARGEST:
        msg = (
            "half_light_radii must be the smallest and the largest, up to"
            f" {_LARGEST:g} pixels, got {given}, {low:.2f} and {high:.2f} pixels"
        )
        raise MeasurementError(msg)
    return low, high


def _pair(name, given):
    """Return two numbers of which the second is the larger."""
    try:
        low, high = (magnitude_of(value) for value in given)
    except (TypeError, ValueError) as error:
        msg = f"{name} must be the brightest and the faintest in AB magnitudes, got {given!r}"
        raise ValueError(msg) from error
    if not (np.isfinite([low, high]).all() and low < high):
        msg = f"{name} must be the brightest and the faintest, got {low} and {high}"
        raise ValueError(msg)
    return low, high


def _checked_types(types):
    """Return the types as a tuple."""
    types = (types,) if isinstance(types, str) else tuple(types)
    unknown = [str(name) for name in types if name not in TYPES]
    if unknown or not types:
        msg = f"types must be among {', '.join(TYPES)}, got {', '.join(unknown) or 'none'}"
        raise ValueError(msg)
    return types


def _color_rows(colors, search, frame, zero):
    """Return the colours that galaxies are drawn from, (M, n_bands)."""
    middle = reference(frame.bands)
    if colors is None and frame.n_bands == 1:
        return np.zeros((1, 1))
    if colors is None:
        with _quiet(AstroYoloWarning):
            colors = models.measured_colors(search.galaxies(), frame, zero)
    return models.color_rows(colors, frame.bands, middle)


class _Search:
    """A detector and an image: what it finds without galaxies, and which ones it finds."""

    def __init__(self, frame, detector, keywords):
        self.frame, self._detector = frame, detector or Detector()
        if not hasattr(self._detector, "detect"):
            msg = f"detector must be a Detector, got {type(detector).__name__}"
            raise TypeError(msg)
        self._keywords = {**keywords, "include_stars": True}
        with _quiet(NoDetectionsWarning):
            self.before = self._detector.detect(frame, **self._keywords)
        if self._keywords["zoom"] is None:  # a few galaxies more must not change it
            self._keywords["zoom"] = json.loads(self.before.meta["PROV"])["passes"]["zoom"]
        self._steps = models.rounding_steps(frame)

    def galaxies(self):
        """Return the galaxies that are found in the image itself."""
        return self.before[np.asarray(self.before["label"]) != "star"]

    def run(self, drawn, kernels, zero, rng, bar):
        """
        Put all galaxies in, some at a time, and look for them.

        Returns
        -------
        dict
            ``x``, ``y``, ``found``, ``label``, ``score``, ``pass``: arrays, one value a galaxy.
        """
        apart = _APART[0] * kernels.fwhm + _APART[1] * float(drawn["radius"].max())
        room = int(np.prod(self.frame.shape) / (2 * apart) ** 2)
        most = max(1, min(room, max(_FEWEST, int(_SHARE * len(self.galaxies())))))
        parts, done = [], 0
        while done < len(drawn):
            wanted = min(most, len(drawn) - done)
            places = models.places(rng, self.frame, wanted, apart, kernels.fwhm)
            part = drawn[done : done + len(places)]
            stamps = [
                self._stamp(galaxy, place, kernels, zero, rng)
                for galaxy, place in zip(part, places, strict=True)
            ]
            found = self._recovered(part, places, stamps, kernels.fwhm)
            parts.append(found | {"pass": np.full(len(places), len(parts) + 1)})
            done += len(places)
            bar(done)
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _stamp(self, galaxy, place, kernels, zero, rng):
        """Return the picture of a galaxy and the pixel that its middle falls on."""
        pixel = np.round(place).astype(int)
        areas, offset = self.frame.area_ratios, place - pixel
        stamp = models.stamp_of(galaxy, zero, areas, kernels.kernels, offset)
        return models.rounded(stamp, self._steps, rng), *map(int, pixel)

    def _recovered(self, part, places, stamps, fwhm):
        """Return places and outcome of galaxies that are in the image at the same time."""
        with _quiet(AstroYoloWarning):  # the image itself was warned about already
            found = self._detector.detect(
                models.Injected.of(self.frame, stamps), **self._keywords
            )  # fmt: skip
        which = models.belongs_to(
            places, np.maximum(part["radius"], fwhm), _centers(self.before), _centers(found)
        )  # fmt: skip
        hit = which >= 0
        label, score = np.full(len(part), "", "U16"), np.full(len(part), np.nan, np.float32)
        label[hit] = np.asarray(found["label"])[which[hit]]
        score[hit] = np.asarray(found["score"])[which[hit]]
        galaxy = hit & (label != "star")
        return {"x": places[:, 0], "y": places[:, 1], "found": galaxy, "label": label,
                "score": score}  # fmt: skip


def _centers(table):
    """Return x and y of a table, (N, 2)."""
    return np.stack([np.asarray(table[name], dtype=float) for name in ("x", "y")], axis=1)


def _table(drawn, outcome, frame):
    """Return the table of a result."""
    x, y, radius = outcome["x"], outcome["y"], np.asarray(drawn["radius"])
    length = frame.pixel_scale or 1.0
    unit, per = (u.arcsec, "arcsec2") if frame.pixel_scale else (u.pix, "pixel")
    magnitude, ratio = np.asarray(drawn["magnitude"]), np.asarray(drawn["axis_ratio"])
    bright = magnitude + 2.5 * np.log10(2 * np.pi * (radius * length) ** 2 * ratio)
    table = QTable()
    if frame.wcs is not None:
        table["ra"], table["dec"] = (part * u.deg for part in pixel_to_sky(frame.wcs, x, y))
    table["x"], table["y"], table["magnitude"] = x, y, magnitude * u.mag
    for k, band in enumerate(frame.bands):
        table[f"mag_{band}"] = (magnitude + np.asarray(drawn["colors"])[:, k]) * u.mag
    table["half_light_radius"] = radius * length * unit
    table["surface_brightness"] = bright * u.mag
    table["type"], table["axis_ratio"] = np.asarray(drawn["type"]), ratio
    table["theta"] = np.degrees(drawn["theta"]) * u.deg
    for name in ("found", "score", "label", "pass"):
        table[name] = outcome[name]
    _describe(table, frame, per)
    return table


def _describe(table, frame, per):
    """Give the columns their descriptions and UCDs."""
    middle = frame.bands[reference(frame.bands)]
    texts = {
        "magnitude": (f"AB magnitude of all light in {middle}", "phot.mag"),
        "half_light_radius": ("semi-major axis with half of the light, no PSF", "phys.angSize"),
        "surface_brightness": (f"{middle}: mean within it, per {per}, no PSF", "phot.mag.sb"),
        "type": ("type of the galaxy put in", "src.morph.type"),
        "axis_ratio": ("minor over major axis, no PSF", "phys.angSize;arith.ratio"),
        "theta": ("major axis, from +x to +y", "pos.posAng"),
        "found": ("whether it was detected as a galaxy", "meta.code"),
        "pass": ("galaxies of one number were put in together", "meta.id"),
    } | {f"mag_{band}": (f"AB magnitude of all light in {band}", "phot.mag")
         for band in frame.bands}  # fmt: skip
    for name, (text, ucd) in texts.items():
        table[name].info.description, table[name].info.meta = text, {"ucd": ucd}


def _meta(known, kernels, frame, asked):
    """Return the meta of a result: that of detection, and how the galaxies were made."""
    provenance = json.loads(known["PROV"]) | {"completeness": asked}
    return dict(known) | {
        "REFBAND": frame.bands[reference(frame.bands)], "PSFFWHM": round(kernels.fwhm, 3),
        "PSFSTARS": kernels.stars, "SEED": asked["seed"],
        "PROV": json.dumps(provenance, sort_keys=True),
    }  # fmt: skip


def _quiet(category):
    """Return a context without warnings of a kind."""
    return warnings.catch_warnings(action="ignore", category=category)
