"""Real survey fields as training ground: sources, their types, and the field's own PSF."""

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from astro_yolo.boxes import longer_side
from astro_yolo.image import read_image
from astro_yolo.injection import kernel_fwhm, moffat_kernel
from astro_yolo.stretch import background_noise
from astro_yolo.training.giants import label_giants
from astro_yolo.training.labels import Sources, ellipse_box, find_sources, star_galaxy
from astro_yolo.training.sdss import frame_name, parse_field

__all__ = [
    "FAINTEST_GALAXY",
    "FAINTEST_STAR",
    "FIELDS",
    "Field",
    "FieldRule",
    "frame_paths",
    "load_field",
]

_PSF_HALF = 15  # pixels; beyond it an SDSS star fainter than r = 17 is below the noise
_CORE = 5.0  # pixels: as far out as a star is a good picture of the PSF
_BRIGHT = 500.0  # flux in units of the noise of a pixel: fainter stars are poor pictures of the PSF


@dataclass(frozen=True)
class FieldRule:
    """How a field takes part: its split, and where its extended sources are not galaxies."""

    split: str
    no_galaxies: bool = False
    cluster: tuple = ()  # ra, dec, radius in pixels of a globular cluster
    unclear: tuple = ()  # the same of a place where nothing is to be learnt: ghosts, blends

    @property
    def has_galaxies(self):
        """Whether what is extended in the field is a galaxy: no cluster and no nebula is there."""
        return not (self.no_galaxies or self.cluster)


#: SDSS run/camcol/field to its part. 94/1/12 is never trained on.
FIELDS = {
    "94/1/12": FieldRule("test"),
    "1035/6/17": FieldRule("train", unclear=(7.95558, 16.02161, 250.0)),  # a bright star's ghost
    "1737/5/39": FieldRule("train", unclear=(313.11634, -5.72573, 75.0)),  # a chain of galaxies
    "2820/3/122": FieldRule("val"),
    "4510/4/30": FieldRule("train"),
    "7264/3/111": FieldRule("train"),
    "2583/2/136": FieldRule("train", cluster=(323.36258, -0.82325, 360.0)),
    "6073/4/63": FieldRule("train", no_galaxies=True),
}

#: r magnitude in 5 pixels up to which galaxies are labelled.
FAINTEST_GALAXY = 20.8

#: The same of stars: past it a good part of what looks like one is a galaxy.
FAINTEST_STAR = 20.0
_SATURATED = 35.0  # nanomaggies: peak above which a source is a bright star or its halo


@dataclass(frozen=True)
class Field:
    """
    A field ready to cut samples from.

    ``planes`` is (3, ny, nx) float32, g, r, i, sky-subtracted; ``noise`` one number a
    band; ``kind`` is 1 galaxy, 0 star, -1 to be ignored, -2 background (artefact);
    ``psf`` holds one kernel a band, ``stars`` (K, 3, ny, nx) bright stars of unit flux, each as
    the PSF is where it stands.
    """

    planes: np.ndarray
    noise: np.ndarray
    sources: Sources
    boxes: np.ndarray
    kind: np.ndarray
    psf: tuple
    fwhm: float
    stars: np.ndarray | None = field(default=None, repr=False)


def frame_paths(root, name):
    """Return the g, r, i frames of a field under a mirror of the SDSS archive."""
    run, camcol, number = parse_field(name)
    folder = Path(root) / f"dr17/eboss/photoObj/frames/301/{run}/{camcol}"
    return {band: folder / frame_name(run, camcol, number, band) for band in "gri"}


def load_field(root, name, rule):
    """
    Read a field and label its sources.

    Parameters
    ----------
    root : path-like
        Mirror of the SDSS Science Archive Server.
    name : str
        "run/camcol/field".
    rule : FieldRule
        Its part in training.

    Returns
    -------
    Field
    """
    image = read_image(frame_paths(root, name))
    levels = [background_noise(plane, image.mask) for plane in image.data]
    planes = np.stack(
        [np.nan_to_num(p - level[0]) for p, level in zip(image.data, levels, strict=True)]
    ).astype(np.float32)
    noise = np.array([level[1] for level in levels], dtype=np.float32)
    detection = (planes / noise[:, None, None]).sum(axis=0) / np.sqrt(3)
    sources, segments = find_sources(detection, planes[1])
    kind, _ = star_galaxy(sources, saturation=_SATURATED * np.sqrt(3) / noise.mean())
    kind = _apply_rules(kind, sources, segments, noise, rule, image.wcs)
    boxes = sources.boxes()
    kind[_inside_giants(boxes, sources) & (kind == 1)] = -1
    if rule.has_galaxies:
        limit = _SATURATED * np.sqrt(3) / noise.mean()
        boxes, kind = label_giants(detection, sources, boxes, kind, saturation=limit)
    if rule.unclear:
        kind[_near(sources, rule.unclear, image.wcs)] = -1
    stamps = _star_stamps(planes, sources, kind, noise[1])
    psf = _stacked(stamps)
    fwhm = kernel_fwhm(psf[1])
    stars = kind == 0
    boxes[stars] = ellipse_box(sources.x[stars], sources.y[stars], fwhm, 1.0, 0.0)
    return Field(planes, noise, sources, boxes, kind, psf, fwhm, _clean(stamps, psf))


def _apply_rules(kind, sources, segments, noise, rule, wcs):
    """Ignore what is too faint to type; call spikes, halos and nebulae background."""
    kind = kind.copy()
    magnitude = 22.5 - 2.5 * np.log10(np.maximum(sources.aperture_flux, 1e-3))
    kind[(magnitude > FAINTEST_GALAXY) & (kind >= 0)] = -1
    kind[(magnitude > FAINTEST_STAR) & (kind == 0)] = -1
    kind[_beside_bright_stars(sources, segments, noise) & (kind != 0)] = -2
    if rule.no_galaxies:
        kind[kind != 0] = -2
    if rule.cluster:
        inside = _near(sources, rule.cluster, wcs)
        kind[inside & (kind != 0)] = -2
        kind[~inside & (kind == 1)] = -1
    return kind


def _near(sources, circle, wcs):
    """Return which sources lie in a circle of (ra, dec, radius in pixels)."""
    ra, dec, radius = circle
    x, y = wcs.all_world2pix([[ra, dec]], 0)[0]
    return np.hypot(sources.x - x, sources.y - y) < radius


def _beside_bright_stars(sources, segments, noise):
    """Mark sources within the light of a saturated star: its spikes, halo and ghosts."""
    bright = np.flatnonzero(sources.peak > _SATURATED * np.sqrt(3) / noise.mean())
    area = np.bincount(segments.ravel(), minlength=len(sources) + 1)[1:]
    beside = np.zeros(len(sources), dtype=bool)
    for k in bright:
        reach = 1.6 * np.sqrt(area[k] / np.pi)
        near = np.hypot(sources.x - sources.x[k], sources.y - sources.y[k]) < reach
        near &= sources.aperture_flux < 0.1 * sources.aperture_flux[k]
        beside |= near
    beside[bright] = False
    return beside


def _inside_giants(boxes, sources, side=60):
    """Mark sources centred in the box of a large brighter one: its knots, or its victims."""
    inside = np.zeros(len(boxes), dtype=bool)
    for k in np.flatnonzero(longer_side(boxes) > side):
        x0, y0, x1, y1 = boxes[k]
        within = (sources.x > x0) & (sources.x < x1) & (sources.y > y0) & (sources.y < y1)
        brighter = within & (sources.aperture_flux > sources.aperture_flux[k])
        inside |= within & (np.arange(len(boxes)) != k)
        inside[k] = brighter.any()
    return inside


def _star_stamps(planes, sources, kind, noise):
    """Return recentred stamps of the brightest good stars, unit flux in each band, (K, 3, n, n)."""
    good = (kind == 0) & (sources.peak < 1500) & (sources.aperture_flux > _BRIGHT * noise)
    good &= sources.flag == 0
    order = np.flatnonzero(good)[np.argsort(-sources.aperture_flux[good])][:40]
    found = [[_recentred(p, sources.x[k], sources.y[k]) for p in planes] for k in order]
    size = 2 * _PSF_HALF + 1
    whole = [stamps for stamps in found if all(stamp is not None for stamp in stamps)]
    return np.array(whole, dtype=np.float32).reshape(-1, len(planes), size, size)


def _stacked(stamps):
    """Return the median star of each band as its PSF, its wings those of its radial profile."""
    if len(stamps) < 5:
        return (moffat_kernel(3.2)[4:-4, 4:-4],) * stamps.shape[1]
    return tuple(_with_wings(stack, _round(stack)) for stack in np.median(stamps, axis=0))


def _round(stamp):
    """Return the radial profile of a stamp as a stamp, fading to nothing at its edge."""
    radius = _radii()
    ring = np.round(radius).astype(int)
    profile = np.bincount(ring.ravel(), stamp.ravel()) / np.bincount(ring.ravel())
    wings = np.interp(radius, np.arange(len(profile)), np.maximum(profile, 0))
    return wings * np.clip((_PSF_HALF - radius) / 4, 0, 1)


def _with_wings(stamp, wings):
    """
    Return a stamp whose outer parts are those of another, of unit flux.

    Far out a single star is noise, and noise without what is negative would be a halo: enough to
    make a galaxy of it.
    """
    own = np.clip((_CORE + 1.5 - _radii()) / 3, 0, 1)
    joined = np.maximum(own * stamp + (1 - own) * wings, 0)
    return (joined / joined.sum()).astype(np.float32)


def _radii():
    """Return the distance of each pixel of a stamp from its middle."""
    y, x = np.indices((2 * _PSF_HALF + 1,) * 2) - _PSF_HALF
    return np.hypot(x, y)


def _clean(stamps, psf):
    """Return the stars that have no neighbour, those most like the PSF, with the PSF's wings."""
    if not len(stamps):
        return stamps
    stamps = np.array(
        [[_with_wings(*pair) for pair in zip(star, psf, strict=True)] for star in stamps]
    )
    unlike = np.abs(stamps - np.stack(psf)).sum(axis=(1, 2, 3))
    return stamps[unlike <= np.percentile(unlike, 80)]


def _recentred(plane, x, y):
    """Return the unit-flux stamp of a star moved on to the middle pixel, or None at an edge."""
    size = 2 * _PSF_HALF + 1
    if not (_PSF_HALF + 2 < x < plane.shape[1] - _PSF_HALF - 3):
        return None
    if not (_PSF_HALF + 2 < y < plane.shape[0] - _PSF_HALF - 3):
        return None
    move = np.array([[1, 0, x - _PSF_HALF], [0, 1, y - _PSF_HALF]])
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    stamp = cv2.warpAffine(plane, move, (size, size), flags=flags)
    total = stamp[_PSF_HALF - 8 : _PSF_HALF + 9, _PSF_HALF - 8 : _PSF_HALF + 9].sum()
    return stamp / total if total > 0 else None
