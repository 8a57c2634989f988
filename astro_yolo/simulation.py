"""A simulated SDSS-like field of known truth, for the embedded example and for tests.

Nothing in it was observed: galaxies are Sersic profiles and spiral discs, stars
are Moffat profiles, and the noise is drawn. Scale, orientation, units, depth and
seeing are those of an SDSS frame, so that the code that reads real frames reads
this one too.
"""

from numbers import Integral
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable
from astropy.wcs import WCS

from astro_yolo._simulated_sources import BANDS, SHIFT, draw_galaxies, draw_stars
from astro_yolo._stamp_inputs import as_number, as_whole
from astro_yolo.injection import add_stamp, moffat_kernel

__all__ = ["BANDS", "EXAMPLE_SEED", "SKY_NOISE", "simulate_field", "write_example"]

#: Noise of the sky per pixel, nanomaggies; between those of the SDSS frames
#: 94-1-12 (0.022, 0.031, 0.055) and 2820-3-122 (0.017, 0.027, 0.042).
SKY_NOISE = {"g": 0.019, "r": 0.028, "i": 0.047}

#: Seed of the example files that come with the package.
EXAMPLE_SEED = 20260

_PIXEL = 0.396  # arcsec, SDSS
_PER_ELECTRON = {"g": 0.00095, "r": 0.0010, "i": 0.0014}  # nanomaggies: NMGY / gain
_SATURATION = 180.0  # nanomaggies per pixel; the brightest of real frames are 110 to 370
_EXAMPLE_AREA = 512 * 640  # pixels, for which the numbers of sources are given


def simulate_field(shape=(512, 640), *, seed, seeing=1.3):
    """
    Simulate one field in g, r and i.

    Parameters
    ----------
    shape : (int, int), optional
        Rows and columns of each band; at least 200 each. The number of
        sources scales with the area: 36 galaxies, two of which merge, and 25 stars
        at the default.
    seed : int
        Seed of the random numbers, 0 or more: the same seed gives the same field.
    seeing : float or `~astropy.units.Quantity`, optional
        Full width at half maximum of the point-spread function, arcsec. Stars are moved between
        pixels by linear interpolation, which makes them wider: by up to 9 % at 1.3 arcsec, by up
        to 4 % at 2.

    Returns
    -------
    hdus : dict of str to `~astropy.io.fits.PrimaryHDU`
        One image in nanomaggies per band of `BANDS`, float32, 0.396 arcsec per pixel,
        TAN projection with declination along x and right ascension along y, as in
        SDSS frames. The bands are shifted against each other by a few pixels; their
        WCS say by how much.
    truth : `~astropy.table.QTable`
        One row per star and galaxy, the two that merge as one: 60 rows at the default
        shape. ``label`` (class or ``star``), ``x, y`` (0-based pixels of the r band, centre of
        the first pixel 0), ``xmin, ymin, xmax, ymax`` (same frame; ellipse of
        1.05 Petrosian radii for galaxies, 2 FWHM for stars), ``ra, dec``, ``mag_r``
        (AB, total), ``petrosian_radius`` (arcsec), ``saturated``.

    Raises
    ------
    TypeError
        If the seed is no whole number, or the seeing no angle.
    ValueError
        If the field is too small to place the sources, or an argument is outside of its range.
    """
    shape, seed, seeing = _checked(shape, seed, seeing)
    rng = np.random.default_rng(seed)
    psf = moffat_kernel(seeing / _PIXEL)
    share = shape[0] * shape[1] / _EXAMPLE_AREA
    sources = draw_galaxies(rng, shape, psf, share)
    sources += draw_stars(rng, shape, psf, share, sources)
    wcs = {band: _sdss_wcs(shape, SHIFT[band]) for band in BANDS}
    hdus = {
        band: fits.PrimaryHDU(_observe(rng, shape, sources, band), _header(wcs[band], band, seed))
        for band in BANDS
    }
    return hdus, _truth_table(sources, wcs["r"])


def _checked(shape, seed, seeing):
    """Return the shape, the seed and the seeing in arcsec as plain numbers."""
    if np.shape(shape) != (2,) or min(shape) < 200:
        got = tuple(shape) if np.ndim(shape) else shape
        msg = f"shape must be at least 200 pixels each way, rows and columns, got {got}"
        raise ValueError(msg)
    shape = tuple(as_whole("shape", side, "of whole pixels") for side in shape)
    if not isinstance(seed, Integral) or seed < 0:  # it is written into the headers
        msg = f"seed must be a whole number, 0 or more, got {seed!r}"
        raise (ValueError if isinstance(seed, Integral) else TypeError)(msg)
    try:
        seeing = u.Quantity(seeing, u.arcsec).value
    except (TypeError, u.UnitConversionError) as error:
        msg = f"seeing must be an angle, or a number of arcsec, got {seeing!r}"
        raise TypeError(msg) from error
    seeing = as_number("seeing", seeing, "more than 0 arcsec", lambda width: width > 0)
    return shape, int(seed), seeing


def write_example(folder):
    """
    Write the example files that come with the package.

    The noise survives the compression: pixels are quantised at a twelfth of
    it, with subtractive dithering of fixed seed.

    Parameters
    ----------
    folder : str or `~pathlib.Path`
        Existing folder; files of the same names are replaced.

    Returns
    -------
    list of `~pathlib.Path`
        ``example-g.fits.fz``, ``example-r.fits.fz``, ``example-i.fits.fz``.
    """
    hdus, _truth = simulate_field(seed=EXAMPLE_SEED)
    paths = []
    for number, band in enumerate(BANDS, start=1):
        packed = fits.CompImageHDU(
            hdus[band].data,
            hdus[band].header,
            compression_type="RICE_1",
            quantize_level=12,
            quantize_method=1,  # subtractive dithering
            dither_seed=number,
        )
        path = Path(folder) / f"example-{band}.fits.fz"
        fits.HDUList([fits.PrimaryHDU(), packed]).writeto(path, overwrite=True)
        paths.append(path)
    return paths


def _sdss_wcs(shape, shift):
    """Return a TAN WCS with north along +x and east along +y, as SDSS frames near the equator."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [180.0, 0.5]
    wcs.wcs.crpix = [shape[1] / 2 + 1 + shift[0], shape[0] / 2 + 1 + shift[1]]
    angle = np.radians(0.4)  # real scans are tilted a little
    step = _PIXEL / 3600
    wcs.wcs.cd = step * np.array(
        [[np.sin(angle), np.cos(angle)], [np.cos(angle), -np.sin(angle)]]
    )
    wcs.wcs.cunit = ["deg", "deg"]
    wcs.wcs.radesys = "ICRS"
    return wcs


def _header(wcs, band, seed):
    """Return the header of one band, with the keywords of an SDSS frame that matter."""
    header = wcs.to_header()
    for old in ("LATPOLE", "LONPOLE", "MJDREF", "DATE-OBS"):
        header.remove(old, ignore_missing=True)
    header["ORIGIN"] = ("SIMULATED", "astro_yolo.simulation: not an observation")
    header["FILTER"] = (band, "SDSS band that is imitated")
    header["BUNIT"] = ("nanomaggy", "1 nanomaggy = 3.631e-6 Jy")
    header["SATURATE"] = (_SATURATION, "saturation level, nanomaggies")
    header["SIMSEED"] = (seed, "seed of simulate_field")
    return header


def _observe(rng, shape, sources, band):
    """Add up the sources of a band, add noise, saturate."""
    plane = np.zeros(shape, dtype=np.float64)
    for source in sources:
        add_stamp(plane, *source.stamps[band])
    bleed = plane > 4 * _SATURATION
    variance = SKY_NOISE[band] ** 2 + plane * _PER_ELECTRON[band]
    plane += rng.standard_normal(shape) * np.sqrt(variance)
    _bleed_columns(plane, bleed)
    return np.minimum(plane, _SATURATION).astype(np.float32)


def _bleed_columns(plane, bleed):
    """Fill the columns of a saturated core, as charge runs along the columns of a CCD."""
    for column in np.unique(np.nonzero(bleed)[1]):
        rows = np.nonzero(bleed[:, column])[0]
        middle, reach = int(rows.mean()), 4 * rows.size
        low, high = max(0, middle - reach), middle + reach + 1
        plane[low:high, column] = np.maximum(plane[low:high, column], _SATURATION)


def _truth_table(sources, wcs):
    """Return the truth, mergers as one row."""
    rows = [s for k, s in enumerate(sources) if s.group < 0 or sources[k - 1].group != s.group]
    boxes = np.array([s.box for s in rows])
    table = QTable()
    table["label"] = [s.label for s in rows]
    middles = np.array([_middle(s) for s in rows])
    table["x"], table["y"] = middles.T
    for name, values in zip(("xmin", "ymin", "xmax", "ymax"), boxes.T, strict=True):
        table[name] = values
    ra, dec = wcs.all_pix2world(*middles.T, 0)
    table["ra"], table["dec"] = ra * u.deg, dec * u.deg
    table["mag_r"] = [_total_magnitude(s, sources) for s in rows] * u.mag
    table["petrosian_radius"] = [s.petrosian for s in rows] * u.Quantity(_PIXEL, u.arcsec)
    table["saturated"] = [s.stamps["r"][0].max() > _SATURATION for s in rows]
    return table


def _middle(source):
    """Return the place of a source; that of a merger is the middle of its box."""
    if source.group < 0:
        return source.x, source.y
    return (source.box[0] + source.box[2]) / 2, (source.box[1] + source.box[3]) / 2


def _total_magnitude(source, sources):
    """Return the r magnitude of a source, of a merger that of all its parts."""
    if source.group < 0:
        return source.mag_r
    parts = [s.mag_r for s in sources if s.group == source.group]
    return -2.5 * np.log10(np.sum(10 ** (-0.4 * np.array(parts))))
