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
        If it is no plane of numbers, has no such HDU, or FITS cannot hold the sky coordinates.
    """
    header = _header(wcs)
    if isinstance(image, fits.HDUList):
        image = _first_image(image) if hdu is None else _one_of(image, hdu)
    elif hasattr(image, "uncertainty"):  # NDData, CCDData
        header = header if image.wcs is None else _header(image.wcs)
        image = np.asarray(image.data)
    if hasattr(image, "header"):
        data, header = image.data, image.header
    else:
        data = np.asarray(image)
    if data is None or data.ndim != 2:
        got = f"shape {data.shape}" if getattr(data, "ndim", 0) else type(image).__name__
        raise DS9Error(f"image must be a path or a plane of two dimensions, got {got}")
    if data.dtype.kind not in "biuf":
        raise DS9Error(f"image must be of real numbers, got {data.dtype}")
    # FITS has no truth values, and numbers of 32 and 64 bits alone
    kept = {"b1": np.float32, "f2": np.float32, "f12": float, "f16": float}
    data = data.astype(kept.get(f"{data.dtype.kind}{data.dtype.itemsize}", data.dtype), copy=False)
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(data, header)]).writeto(stream, output_verify="silentfix")
    return stream.getvalue()


def _header(wcs):
    """Return sky coordinates as a FITS header, None where there are none."""
    if wcs is None:
        return None
    if not hasattr(wcs, "to_header"):
        raise DS9Error(f"wcs must be a WCS that FITS can hold, got {type(wcs).__name__}")
    return wcs.to_header(relax=True)


def _one_of(hdus, wanted):
    """Return the HDU of a number or name."""
    try:
        return hdus[wanted]
    except (IndexError, KeyError) as error:
        there = ", ".join(f"{number} {hdu.name}".strip() for number, hdu in enumerate(hdus))
        raise DS9Error(f"hdu must be one of {there}, got {wanted!r}") from error


def _first_image(hdus):
    """Return the first image of a list."""
    for hdu in hdus:
        if hdu.is_image and hdu.data is not None and hdu.data.ndim == 2:
            return hdu
    msg = "image must hold an HDU with a plane of two dimensions, got none"
    raise DS9Error(msg)
