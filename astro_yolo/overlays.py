"""Detections over an image: region files, region objects, and pictures."""

from pathlib import Path

from astro_yolo._files import replacing
from astro_yolo._picture import plot_overlay, write_png
from astro_yolo.exceptions import RegionError
from astro_yolo.region_parser import parse_regions
from astro_yolo.region_text import CLASS_COLORS, FRAMES, SHAPES, format_regions

__all__ = [
    "CLASS_COLORS",
    "FRAMES",
    "SHAPES",
    "plot_overlay",
    "read_regions",
    "to_regions",
    "write_png",
    "write_regions",
]

# How files begin that are taken for region files by mistake.
_OTHERS = {b"SIMPLE  =": "a FITS file", b"# %ECSV": "an ECSV table", b"<?xml": "an XML file",
           b"<VOTABLE": "a VOTable", b"PAR1": "a Parquet table", b"\x1f\x8b": "a packed file",
           b"id,": "a CSV table"}


def to_regions(table, *, shape="ellipse", frame=None, wcs=None, color=None, text="auto"):
    """
    Return the rows of a table as objects of the regions package.

    Parameters
    ----------
    table : `~astropy.table.Table` or one row of it
        A result table.
    shape : {"box", "ellipse", "circle", "polygon"}, optional
        An ellipse is inscribed in the box; a circle has the area of that ellipse.
    frame : {"image", "icrs"}, optional
        Pixel or sky regions; by default sky regions if the table has sky columns or knows the sky
        coordinates of the image. On the sky a box is a polygon, and so is an ellipse where the sky
        is distorted.
    wcs : WCS, optional
        Sky coordinates of the image; by default those that the table keeps.
    color : str or dict, optional
        One colour, or colours by label.
    text : str, optional
        Format of ``region.meta["text"]``; any column may be named. By default, "auto", what is
        known of ``"{id} {label} {score:.2f}"``.

    Returns
    -------
    `~regions.Regions`
        One region per row in row order, with colour, text and tags. Pixels are 0-based.

    Raises
    ------
    RegionError
        As `write_regions`.
    """
    from regions import Regions

    content = format_regions(table, shape=shape, frame=frame, wcs=wcs, color=color, text=text,
                             decimals=12)
    return Regions.parse(content, format="ds9")


def write_regions(
    table, path, *, shape="ellipse", frame=None, wcs=None, color=None, text="auto", overwrite=False
):
    """
    Write a table as a DS9 region file.

    Parameters
    ----------
    table : `~astropy.table.Table` or one row of it
        A result table; without rows the file has a header alone.
    path : str or path-like
        File to write.
    shape : {"box", "ellipse", "circle", "polygon"}, optional
        An ellipse is inscribed in the box; a circle has the area of that ellipse.
    frame : {"image", "icrs"}, optional
        Coordinate system; by default ICRS if the table has sky columns or knows the sky
        coordinates of the image. In ICRS a box is written as the polygon of its corners, which
        every program draws right, and a row is where its ``ra`` and ``dec`` say: tables of several
        images may be stacked.
    wcs : WCS, optional
        Sky coordinates of the image; by default those that the table keeps.
    color : str or dict, optional
        One colour, or colours by label.
    text : str or None, optional
        Format of the label; any column may be named. By default, "auto", what is known of
        ``"{id} {label} {score:.2f}"``. Braces become parentheses.
    overwrite : bool, optional
        Replace an existing file.

    Raises
    ------
    RegionError
        If ``shape``, ``frame``, ``color`` or ``text`` is not valid, a pixel column is missing,
        ICRS is asked for without sky coordinates, or pixels where rows are of several images.
    OSError
        If the file exists and ``overwrite`` is false, or it cannot be written.
    """
    content = format_regions(table, shape=shape, frame=frame, wcs=wcs, color=color, text=text)
    with replacing(path, overwrite=overwrite) as temporary:
        temporary.write_text(content, encoding="utf-8")


def read_regions(path, wcs=None):
    """
    Read a DS9 region file as a table: what `write_regions` or DS9 wrote, edited or not.

    Parameters
    ----------
    path : str or path-like
        File to read.
    wcs : WCS, optional
        Sky coordinates of the image, needed for pixels of sky regions.

    Returns
    -------
    `~astropy.table.QTable`
        One row per shape, with the columns of `~astro_yolo.region_parser.parse_regions`.

    Raises
    ------
    RegionError
        If a shape has numbers that cannot be read, or the file is no text of regions but a table
        or an image.
    OSError
        If the file cannot be read.
    """
    content = Path(path).read_bytes()
    if kind := _other_kind(content):
        raise RegionError(f"path must be a DS9 region file, got {kind}: {path}")
    return parse_regions(content.decode("utf-8", errors="replace"), wcs=wcs)


def _other_kind(content):
    """Return what a file is that begins as no region file does, or None."""
    for start, kind in _OTHERS.items():
        if content.startswith(start):
            return kind
    return "one that is no text" if b"\0" in content else None
