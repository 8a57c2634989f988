"""What other programs find in the r frame of field 94-1-12, and how extended they say it is."""

import bz2
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import truth_94_1_12 as field
from astropy.io import fits

__all__ = ["Sources", "find_sources", "sextractor", "sextractor_settings"]

_SATURATED = 40.0  # nanomaggies per pixel: only stars reach it
_NAMES = ("source-extractor", "sex", "sextractor")
_COLUMNS = (
    "X_IMAGE", "Y_IMAGE", "MAG_AUTO", "FLUX_AUTO", "FLUX_RADIUS", "CLASS_STAR", "FLAGS",
)
_FOR_PSF = (
    "VIGNET(35,35)", "X_IMAGE", "Y_IMAGE", "FLUX_RADIUS", "SNR_WIN", "FLUX_APER(1)",
    "FLUXERR_APER(1)", "ELONGATION", "FLAGS",
)


@dataclass(frozen=True)
class Sources:
    """
    What a program found: (N,) pixels, magnitudes, and a number that is larger for galaxies.

    ``usual`` is where the number is commonly cut.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    magnitude: np.ndarray
    extent: np.ndarray
    usual: float

    def places(self, cut):
        """Return (n, 2) pixels of those called galaxies at a cut in ``extent``."""
        return np.stack([self.x, self.y], axis=1)[self.extent >= cut]

    def cuts(self, number=1000):
        """Return cuts from the loosest to the strictest."""
        finite = self.extent[np.isfinite(self.extent)]
        return np.unique(np.quantile(finite, np.linspace(0, 1, number)))


def find_sources(data, image):
    """
    Run SEP and, where they are installed, source-extractor and psfex.

    Parameters
    ----------
    data : path-like
        Folder of real data.
    image : (ny, nx) float32 array
        The r frame.

    Returns
    -------
    list of Sources
        One for each way of telling galaxies from stars.
    """
    found = [_sep(image)]
    program = sextractor()
    if program is None:
        print("source-extractor is not installed: left out")
        return found
    with tempfile.TemporaryDirectory() as folder:
        return found + _source_extractor(program, Path(folder), field.frame_paths(data)["r"], data)


def sextractor():
    """Return the path of source-extractor, or None where it is not installed."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


def _sep(image):
    """Find sources with SEP (Barbary 2016); extent is the half-light radius over a star's."""
    import sep

    background = sep.Background(image)
    plane = image - background.back()
    found = sep.extract(plane, 1.5, err=background.globalrms, minarea=5, deblend_cont=0.005)
    x, y = found["x"], found["y"]
    theta = np.clip(found["theta"], -np.pi / 2, np.pi / 2)
    kron, _ = sep.kron_radius(plane, x, y, found["a"], found["b"], theta, 6.0)
    kron = np.clip(np.nan_to_num(kron, nan=3.5), 1.5, 10)
    flux, _, _ = sep.sum_ellipse(plane, x, y, found["a"], found["b"], theta, 2.5 * kron, subpix=1)
    half, _ = sep.flux_radius(plane, x, y, 6 * found["a"], 0.5, normflux=flux, subpix=5)
    extent = half / _stellar_radius(half, flux)
    extent[found["peak"] >= _SATURATED] = -np.inf
    magnitude = field.ZERO_POINT - 2.5 * np.log10(np.maximum(flux, 1e-9))
    return Sources(f"SEP {version('sep')}, half-light radius", x, y, magnitude, extent, 1.18)


def _stellar_radius(half, flux):
    """Return the half-light radius of stars: the densest place among the bright sources."""
    bright = np.sort(half[(flux > 10) & (flux < 1000) & (half > 0.5)])  # r 15 to 20
    width = len(bright) // 4
    start = np.argmin(bright[width:] - bright[:-width])
    return float(np.median(bright[start : start + width]))


def _source_extractor(program, folder, frame, data):
    """Run source-extractor (Bertin & Arnouts 1996), with a model of the PSF if psfex is there."""
    plain = folder / "r.fits"
    plain.write_bytes(bz2.decompress(Path(frame).read_bytes()))
    rows = fits.getdata(Path(data) / field.CATALOGUE)
    seeing = float(np.median(rows["PSF_FWHM"][:, 2]))
    columns, psf = list(_COLUMNS), None
    if shutil.which("psfex"):
        _extract(program, folder, plain, seeing, _FOR_PSF, "psf.cat")
        command = ["psfex", "psf.cat", "-CHECKPLOT_TYPE", "NONE", "-CHECKIMAGE_TYPE", "NONE"]
        command += ["-WRITE_XML", "N", "-VERBOSE_TYPE", "QUIET", "-SAMPLE_FWHMRANGE", "2.0,6.0"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        psf, columns = "psf.psf", [*columns, "SPREAD_MODEL", "SPREADERR_MODEL"]
    else:
        print("psfex is not installed: SPREAD_MODEL is left out")
    table = _extract(program, folder, plain, seeing, columns, "out.cat", psf)
    words = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    number = words.stdout.partition("version ")[2].split()[0]
    kinds = {"1 - CLASS_STAR": (1 - table["CLASS_STAR"], 0.5)}
    if psf:
        kinds["SPREAD_MODEL"] = (table["SPREAD_MODEL"], 0.003)
    saturated = table["FLAGS"] & 4 > 0
    places = table["X_IMAGE"] - 1.0, table["Y_IMAGE"] - 1.0
    return [
        Sources(f"SExtractor {number}, {kind}", *places, table["MAG_AUTO"],
                np.where(saturated, -np.inf, extent), usual)
        for kind, (extent, usual) in kinds.items()
    ]


def _extract(program, folder, frame, seeing, columns, catalogue, psf=None):
    """Run source-extractor with its default settings; return the table of sources."""
    share = sextractor_settings(program)
    (folder / "columns.param").write_text("\n".join(columns) + "\n")
    settings = {
        "PARAMETERS_NAME": "columns.param", "FILTER_NAME": share / "default.conv",
        "STARNNW_NAME": share / "default.nnw", "CATALOG_NAME": catalogue,
        "CATALOG_TYPE": "FITS_LDAC", "MAG_ZEROPOINT": field.ZERO_POINT, "PIXEL_SCALE": 0.396,
        "SEEING_FWHM": seeing, "SATUR_LEVEL": _SATURATED, "SATUR_KEY": "NONE",
        "GAIN_KEY": "NONE", "PHOT_APERTURES": 10, "VERBOSE_TYPE": "QUIET",
    }
    if psf:
        settings["PSF_NAME"] = psf
    command = [program, str(frame), "-c", str(share / "default.sex")]
    for name, value in settings.items():
        command += [f"-{name}", str(value)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return fits.getdata(folder / catalogue, 2)


def sextractor_settings(program):
    """Return the folder of the default files that come with source-extractor."""
    for prefix in (Path(program).resolve().parents[1], Path("/usr")):
        for name in ("source-extractor", "sextractor"):
            if (prefix / "share" / name / "default.nnw").is_file():
                return prefix / "share" / name
    raise SystemExit(f"default.nnw of {program} not found: is source-extractor installed whole?")
