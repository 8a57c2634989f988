"""JPEG, PNG and TIFF pictures as planes, with the sky coordinates of AVM tags or a sidecar file."""

import re
from xml.etree import ElementTree as ET

import cv2
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from astro_yolo._headers import wcs_from_text
from astro_yolo._planes import FileDigest, Pixels, Plane
from astro_yolo.exceptions import ImageError, InputWarning, WCSError, warn_user

_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_SIDECARS = (".wcs", ".hdr", ".fits", ".fit", ".txt")
_WHITE = 65535  # of a picture in floating point, which runs from 0 to 1 in its file
_ASPECT_TOLERANCE = 0.01  # relative; sizes of resized pictures are rounded
_XMP = re.compile(rb"<x:xmpmeta.*?</x:xmpmeta>|<rdf:RDF.*?</rdf:RDF>", re.DOTALL)
_AVM_FRAMES = {
    "ICRS": ("RA--", "DEC-"), "FK5": ("RA--", "DEC-"), "FK4": ("RA--", "DEC-"),
    "GAL": ("GLON", "GLAT"), "ECL": ("ELON", "ELAT"), "SGAL": ("SLON", "SLAT"),
}  # fmt: skip
RGB_BANDS = ("blue", "green", "red")  # short to long wavelength


def is_picture(head):
    """Whether the first bytes of a file are those of a JPEG, PNG or TIFF picture."""
    return head.startswith(_MAGIC)


def is_picture_array(data):
    """Whether an array is a red, green, blue picture, and not several bands."""
    return data.ndim == 3 and data.shape[2] == 3 and data.dtype == np.uint8


def read_picture(path):
    """
    Read a picture file, its first row of data being the bottom row of the picture.

    Parameters
    ----------
    path : `~pathlib.Path`
        JPEG, PNG or TIFF, grey or colour, 8 or 16 bits, with or without transparency; TIFF in
        floating point as well, whose 0 to 1 becomes the range of 16 bits.

    Returns
    -------
    names : tuple of str
        ``("blue", "green", "red")`` or ``("grey",)``.
    planes : list of Plane
        One per name; transparent pixels are bad.

    Raises
    ------
    ImageError
        If the file cannot be decoded.

    Notes
    -----
    The flip makes pixel (0, 0) the bottom left corner, as in DS9 (its image pixel 1, 1) and in AVM.
    """
    content = path.read_bytes()
    colors, bad = _decode(content, path)
    wcs, error = _wcs(content, path, colors.shape[1:])
    names = RGB_BANDS if len(colors) == len(RGB_BANDS) else ("grey",)
    digest = FileDigest(path)
    planes = [
        Plane(Pixels(color), f"{path} ({name})", bad, wcs, digest=digest, wcs_error=error)
        for name, color in zip(names, colors, strict=True)
    ]
    return names, planes


def _decode(content, path):
    """Colours (n, ny, nx) from blue to red with the bottom row first, and where transparent."""
    # Unchanged also means: the camera's orientation tag is ignored, as DS9 and AVM do.
    picture = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if picture is None:
        msg = f"{path}: must be a readable picture, got damaged or truncated data"
        raise ImageError(msg)
    picture = _in_levels(picture[::-1])
    if picture.ndim == 2:
        return picture[np.newaxis], None
    bad = None
    if picture.shape[2] in {2, 4}:
        bad = picture[:, :, -1] == 0
        picture = picture[:, :, :-1]
    colors = np.ascontiguousarray(np.moveaxis(picture, 2, 0))
    return colors, bad if bad is not None and bad.any() else None


def _in_levels(picture):
    """Return a picture in floating point, where it runs to 1, in the levels of 16 bits."""
    if picture.dtype.kind != "f" or np.fmax.reduce(np.abs(picture), axis=None) > 1:
        return picture
    return picture * picture.dtype.type(_WHITE)


def _wcs(content, path, shape):
    """Return the WCS of a picture, or None, and the error of a broken one, or None."""
    try:
        wcs = _sidecar_wcs(path, shape) or _avm_wcs(content, path, shape)
    except WCSError as error:
        return None, error
    if wcs is not None:
        wcs.pixel_shape = shape[::-1]  # a header may be that of another copy of the picture
    return wcs, None


def _sidecar_wcs(path, shape):
    """WCS of the file beside the picture that has its name and the ending of a header file."""
    for ending in _SIDECARS:
        sidecar = path.with_suffix(ending)
        if not sidecar.is_file():
            continue
        text = _header_text(sidecar)
        wcs = None if text is None else wcs_from_text(text, label=str(sidecar))
        if wcs is not None:
            if "strometry.net" in text:
                warn_user(
                    f"{sidecar}: taken to count rows from the bottom of the picture; "
                    "Astrometry.net may count from the top",
                    InputWarning,
                )
            return _resized(wcs, _header_size(text), shape, sidecar)
    return None


def _header_text(sidecar):
    """Cards of the first header with a WCS in a FITS file, or of a file of bare cards or lines."""
    with sidecar.open("rb") as stream:
        head = stream.read(80)
    if head.startswith(b"SIMPLE  =") and b"\n" not in head:
        try:
            with fits.open(sidecar) as hdus:
                headers = [unit.header for unit in hdus if "CTYPE1" in unit.header]
        except (OSError, ValueError, TypeError):
            return None
        return headers[0].tostring(endcard=False, padding=False) if headers else None
    text = sidecar.read_bytes().decode("latin-1")
    cards = (text[at : at + 80] for at in range(0, len(text), 80))
    lines = text.splitlines() if "\n" in text else cards  # as Header.tofile writes them
    return "".join(line[:80].ljust(80) for line in lines if line.strip() != "END")


def _header_size(text):
    """Width and height that a header speaks of: its own image's, or the one it was solved for."""
    header = fits.Header.fromstring(text)
    for keys in (("IMAGEW", "IMAGEH"), ("ZNAXIS1", "ZNAXIS2"), ("NAXIS1", "NAXIS2")):
        if all(header.get(key) for key in keys):
            return tuple(float(header[key]) for key in keys)
    return None


def _avm_wcs(content, path, shape):
    """WCS of the AVM tags in a picture, or None."""
    tags = avm_tags(content)
    if "ReferenceValue" not in tags or "ReferencePixel" not in tags:
        return None
    try:
        wcs = _wcs_of_tags(tags)
        size = [float(v) for v in tags.get("ReferenceDimension", [])[:2]]
    except (KeyError, ValueError, IndexError) as error:
        warn_user(f"{path}: its AVM sky coordinates are ignored, got {error!r}", InputWarning)
        return None
    return _resized(wcs, size or None, shape, path)


def avm_tags(content):
    """
    Collect the ``Spatial`` tags of the Astronomy Visualization Metadata in a picture file.

    Parameters
    ----------
    content : bytes
        The file.

    Returns
    -------
    dict of str to list of str
        Tag name without ``Spatial.``; empty where the file has none.

    Notes
    -----
    AVM 1.1, section on XMP: simple values stand in attributes or elements, lists in ``rdf:Seq``.
    """
    tags = {}
    for packet in _XMP.findall(content):
        # An XMP packet has no document type; one that has could expand without end.
        if b"<!DOCTYPE" in packet or b"<!ENTITY" in packet:
            continue
        try:
            root = ET.fromstring(packet)  # noqa: S314 - entities are excluded above
        except ET.ParseError:
            continue
        for element in root.iter():
            for name, value in [(element.tag, _texts(element)), *element.attrib.items()]:
                key = name.rpartition("}")[2]
                if key.startswith("Spatial.") and value:
                    values = [value] if isinstance(value, str) else value
                    tags[key.removeprefix("Spatial.")] = values
    return tags


def _texts(element):
    """Text of an element or of the items of the list in it."""
    items = [item.text for item in element.iter() if item.text and item.text.strip()]
    return [text.strip() for text in items]


def _wcs_of_tags(tags):
    """WCS of AVM tags; raises KeyError, ValueError or IndexError where they are not complete."""
    longitude, latitude = _AVM_FRAMES[tags.get("CoordinateFrame", ["ICRS"])[0].upper()]
    projection = tags.get("CoordsystemProjection", ["TAN"])[0].upper().rjust(4, "-")
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [longitude + projection, latitude + projection]
    wcs.wcs.crval = [float(v) for v in tags["ReferenceValue"][:2]]
    wcs.wcs.crpix = [float(v) for v in tags["ReferencePixel"][:2]]
    if longitude == "RA--":
        wcs.wcs.radesys = tags.get("CoordinateFrame", ["ICRS"])[0].upper()
    wcs.wcs.cd = _matrix_of_tags(tags)
    wcs.wcs.set()
    return wcs


def _matrix_of_tags(tags):
    """CD matrix in degrees per pixel."""
    if "CDMatrix" in tags:
        return np.reshape([float(v) for v in tags["CDMatrix"]], (2, 2))
    # AVM 1.2: only the size of the scale counts, east is to the left of north by definition.
    scale = abs(float(tags["Scale"][0]))
    angle = np.radians(float(tags.get("Rotation", ["0"])[0]))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return turn @ np.diag([-scale, scale])


def _resized(wcs, size, shape, source):
    """WCS of a picture that was resized since its sky coordinates were written."""
    if size is None or size == [shape[1], shape[0]] or size == (shape[1], shape[0]):
        return wcs
    factor = shape[1] / size[0]
    if abs(shape[0] / size[1] / factor - 1) > _ASPECT_TOLERANCE or wcs.sip is not None:
        warn_user(
            f"{source}: its sky coordinates are ignored, as they are those of a picture of "
            f"{size[0]:.0f} x {size[1]:.0f} pixels and this one has {shape[1]} x {shape[0]}",
            InputWarning,
        )
        return None
    wcs = wcs.deepcopy()
    wcs.wcs.crpix = (wcs.wcs.crpix - 0.5) * factor + 0.5  # edges, not centres, scale
    if wcs.wcs.has_cd():
        wcs.wcs.cd = wcs.wcs.cd / factor
    else:
        wcs.wcs.cdelt = wcs.wcs.cdelt / factor
    wcs.wcs.set()
    return wcs
