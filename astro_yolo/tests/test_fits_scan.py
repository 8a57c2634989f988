"""Which HDU of a file of several is the image, as pipelines and surveys name what they write."""

import numpy as np
import pytest
from astropy.io import fits

from astro_yolo._fits_input import read_fits_file, read_hdu_list
from astro_yolo.exceptions import ImageError

DATA = np.arange(12.0, dtype=np.float32).reshape(3, 4)


def write(path, names, *, keyword="EXTNAME", compressed=False, primary=None):
    """Write images of these names, the n-th DATA + n; in the primary HDU or behind an empty one."""
    units = [fits.PrimaryHDU(primary)]
    make = fits.CompImageHDU if compressed else fits.ImageHDU
    for k, name in enumerate(names):
        kind = np.int32 if name in {"MASK", "MSK", "DQ", "CTX"} else np.float32
        units.append(make((DATA + k).astype(kind)))
        units[-1].header[keyword] = name
    units.append(fits.BinTableHDU.from_columns([fits.Column("A", "E", array=[1.0])], name="PSF"))
    fits.HDUList(units).writeto(path)
    return path


LAYOUTS = {
    "LSST and HSC": ["IMAGE", "MASK", "VARIANCE"],
    "Hubble, drizzled": ["SCI", "WHT", "CTX"],
    "Webb": ["SCI", "ERR", "CON", "WHT", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT"],
    "DES": ["SCI", "MSK", "WGT"],
    "Gemini": ["SCI", "VAR", "DQ"],
    "ESO": ["DATA", "STAT"],
    "Herschel": ["image", "coverage", "stDev"],
    "lower case": ["image", "weight"],
    "in another order": ["rms", "weight", "coverage", "r", "mask"],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compressed", [False, True])
def test_image_among_masks_and_weights(tmp_path, layout, compressed):
    """The image is taken among its mask, errors and weights: in files and open lists alike."""
    names = LAYOUTS[layout]
    path = write(tmp_path / "a.fits", names, compressed=compressed)
    number = names.index("r") if "r" in names else 0
    with fits.open(path) as hdus:
        for planes in (read_fits_file(path), read_hdu_list(hdus)):
            assert planes[0].label.endswith(f"[{number + 1}]")
            np.testing.assert_array_equal(planes[0].pixels.read(), DATA + number)


def test_image_in_the_primary_hdu(tmp_path):
    """A weight map behind an image without a name leaves it the image."""
    path = write(tmp_path / "a.fits", ["WEIGHT"], primary=DATA)
    np.testing.assert_array_equal(read_fits_file(path)[0].pixels.read(), DATA)


def test_names_of_older_files(tmp_path):
    """HDUs without EXTNAME go by EXTTYPE, with which older pipelines of HSC name theirs."""
    path = write(tmp_path / "a.fits", ["IMAGE", "MASK", "VARIANCE"], keyword="EXTTYPE")
    with fits.open(path) as hdus:
        for planes in (read_fits_file(path), read_hdu_list(hdus)):
            np.testing.assert_array_equal(planes[0].pixels.read(), DATA)
        np.testing.assert_array_equal(read_hdu_list(hdus, "variance")[0].pixels.read(), DATA + 2)


def test_several_images(tmp_path):
    """Two chips with their errors are two images, which the error names and nothing else."""
    path = write(tmp_path / "a.fits", ["SCI", "ERR", "DQ", "SCI", "ERR", "DQ"])
    message = r"chosen with hdu=, got 1 SCI \(3x4\), 4 SCI \(3x4\)$"
    with fits.open(path) as hdus:
        for read, source in ((read_fits_file, path), (read_hdu_list, hdus)):
            with pytest.raises(ImageError, match=message):
                read(source)
    with pytest.raises(ImageError, match=r"got 1 ERR \(3x4\), 2 WHT \(3x4\)$"):
        read_fits_file(write(tmp_path / "b.fits", ["ERR", "WHT"]))
