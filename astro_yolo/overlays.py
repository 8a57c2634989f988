"""Detections over an image: region files, region objects, and pictures."""

from pathlib import Path

from astro_yolo._files import replacing
from astro_yolo._picture import plot_overlay, write_png
from astro_yolo.region_parser import parse_regions
from astro_yolo.region_text import CLASS_COLORS, FRAMES, SHAPES, TEXT, format_regions

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


def to_regions(table, *, shape="ellipse", frame=None, wcs=None, color=None, text=TEXT):
    """
    Return the rows of a table as objects of the regions package.

    Parameters
    ----------
    table : `~astropy.table.Table` or one row of it
        A result table.
    shape : {"box", "ellipse", "circle", "polygon"}, optional
        An ellipse is inscribed in the box; a circle has the area of that ellipse.
    frame : {"image", "icrs"}, optional
        Pixel or sky regions; by default sky regions if the table knows the sky coordinates of the
        image. On the sky a box is a polygon, and so is an ellipse where the sky is distorted.
    wcs : WCS, optional
        Sky coordinates of the image; by default those that the table keeps.
    color : str or dict, optional
        One colour, or colours by label.
    text : str, optional
        Format of ``region.meta["text"]``; any column may be named.

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
    table, path, *, shape="ellipse", frame=None, wcs=None, color=None, text=TEXT, overwrite=False
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
        Coordinate system; by default ICRS if the table knows the sky coordinates of the image. In
        ICRS a box is written as the polygon of its corners, which every program draws right.
    wcs : WCS, optional
        Sky coordinates of the image; by default those that the table keeps.
    color : str or dict, optional
        One colour, or colours by label.
    text : str or None, optional
        Format of the label; any column may be named. Braces become parentheses.
    overwrite : bool, optional
        Replace an existing file.

    Raises
    ------
    RegionError
        If ``shape``, ``frame`` or ``text`` is not valid, a pixel column is missing, or ICRS is
        asked for without sky coordinates.
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
        If a shape has numbers that cannot be read.
    OSError
        If the file cannot be read.
    """
    return parse_regions(Path(path).read_text(encoding="utf-8", errors="replace"), wcs=wcs)
