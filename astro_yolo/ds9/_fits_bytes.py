"""Images as DS9 takes them from memory: the bytes of a FITS file, and a name for them."""

import io

import numpy as np
from astropy.io import fits

from astro_yolo.exceptions import DS9Error

__all__ = ["fits_bytes", "is_plain", "plain_name"]

# DS9 takes a command for a list of Tcl's, brackets for an HDU, and has no quotes that help
_SPECIAL = '[]{};"\n'
_CLEAN = str.maketrans(dict.fromkeys(f"{_SPECIAL} ", "_"))


def is_plain(path):
    """Say whether DS9 takes a path as it stands, within braces."""
    return not set(_SPECIAL) & set(str(path))


def plain_name(name):
    """Return the name of a file as one word that DS9 takes."""
    return str(name).translate(_CLEAN)


def fits_bytes(image, hdu=None, wcs=None):
    """
    Return an image as the bytes of a FITS file.

    Parameters
    ----------
    image : HDUList, HDU, CCDData, NDData or (ny, nx) array
        The image.
    hdu : int or str, optional
        Which HDU of a list; by default its first image.
    wcs : WCS, optional
        Sky coordinates of an array.

    Returns
    -------
    bytes

    Raises
    ------
    DS9Error
        If it is no plane of two dimensions.
    """
    header = None if wcs is None else wcs.to_header(relax=True)
    if isinstance(image, fits.HDUList):
        image = image[_first_image(image) if hdu is None else hdu]
    elif hasattr(image, "uncertainty"):  # NDData, CCDData
        header = image.wcs.to_header(relax=True) if image.wcs is not None else header
        image = np.asarray(image.data)
    if hasattr(image, "header"):
        data, header = image.data, image.header
    else:
        data = np.asarray(image)
    if data is None or data.ndim != 2:
        shape = None if data is None else data.shape
        msg = f"image must be a path or a plane of two dimensions, got shape {shape}"
        raise DS9Error(msg)
    if data.dtype.kind == "b" or (data.dtype.kind, data.dtype.itemsize) == ("f", 2):
        data = data.astype(np.float32)
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(data, header)]).writeto(stream, output_verify="silentfix")
    return stream.getvalue()


def _first_image(hdus):
    """Return the number of the first image of a list."""
    for number, hdu in enumerate(hdus):
        if hdu.is_image and hdu.data is not None and hdu.data.ndim == 2:
            return number
    msg = "image must hold an HDU with a plane of two dimensions, got none"
    raise DS9Error(msg)
