"""A picture of an image with its detections drawn on it."""

from pathlib import Path

import numpy as np

from astro_yolo._columns import floats, whole
from astro_yolo._files import replacing
from astro_yolo._region_colors import color_of
from astro_yolo._sky import celestial
from astro_yolo.catalog import LABELS, pixel_boxes, table_wcs
from astro_yolo.filters import white_of
from astro_yolo.stretch import to_channels, to_rgb

__all__ = ["painted", "plot_overlay", "write_png"]

_DPI = 100
_STRIP = 1 << 22  # pixels of a band read at a time
_SIDES = (800, 1600)  # smallest and largest longer side of the image on the page, in pixels
_MARGINS = (125, 30, 65, 65)  # left, right, bottom, top of the image on the page, in pixels
_GAP = 5  # pixels between a legend and the edge of the page
_AXIS_LABELS = {"pos.eq.ra": "RA", "pos.eq.dec": "Dec", "pos.galactic.lon": "Galactic longitude",
                "pos.galactic.lat": "Galactic latitude"}


def write_png(image, table, path, *, stretch="asinh", min_score=None, title=None, wcs=None,
              overwrite=False):
    """
    Write a picture of an image with its detections.

    Parameters
    ----------
    image, table, stretch, min_score, title, wcs
        As `plot_overlay`.
    path : str or path-like
        PNG file to write.
    overwrite : bool, optional
        Replace an existing file.

    Raises
    ------
    OSError
        If the file exists and ``overwrite`` is false, or it cannot be written.
    ValueError
        If the name of the file says that it is of another kind, or as in `plot_overlay`.
    """
    if Path(path).suffix.lower() not in {"", ".png"}:
        raise ValueError(f"path must end in .png, got {path}")
    with replacing(path, overwrite=overwrite) as temporary:
        figure = plot_overlay(image, table, stretch=stretch, min_score=min_score, title=title,
                              wcs=wcs)
        figure.savefig(temporary, format="png", dpi=_DPI, pil_kwargs={"compress_level": 3})


def plot_overlay(image, table, *, stretch="asinh", min_score=None, title=None, wcs=None):
    """
    Draw an image and its detections.

    Parameters
    ----------
    image : path, HDUList, HDU, NDData, SkyImage, array, dict or list
        Anything that `~astro_yolo.image.read_image` reads; of arrays only a (ny, nx, 3) picture of
        type uint8. Row 0 is the bottom.
    table : `~astropy.table.Table` or one row of it
        Result table; boxes are coloured by label.
    stretch : str, optional
        One of `~astro_yolo.stretch.STRETCHES`; a picture is shown as it is.
    min_score : float, optional
        Draw only rows with at least this score.
    title : str, optional
        Text above the image.
    wcs : WCS, optional
        Sky coordinates for the axes; by default those of ``image``, else those of ``table``.
        Without any the axes are 0-based pixels.

    Returns
    -------
    `matplotlib.figure.Figure`
        With an Agg canvas: it can be saved, and needs no screen. An image is drawn about pixel by
        pixel, up to 1600 pixels on its longer side.

    Raises
    ------
    ValueError
        If the image is none of these, the table has no boxes, or the stretch is not known.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from astro_yolo.image import read_image  # it needs cv2

    table = whole(table)
    image = image if isinstance(image, np.ndarray) else read_image(image)
    rgb, (ny, nx) = _rgb(image, stretch)
    if wcs is None:
        wcs = getattr(image, "wcs", None)
    wcs = table_wcs(table) if wcs is None else wcs
    zoom = np.clip(max(nx, ny), *_SIDES) / max(nx, ny)
    figure, place = _page(Figure, nx * zoom, ny * zoom)
    FigureCanvasAgg(figure)
    axes = _axes(figure, place, wcs)
    axes.imshow(rgb, origin="lower", extent=(-0.5, nx - 0.5, -0.5, ny - 0.5), aspect="auto",
                interpolation="nearest" if zoom > 1 else "antialiased")
    _draw_boxes(axes, _chosen(table, min_score), zoom)
    axes.set_xlim(-0.5, nx - 0.5)
    axes.set_ylim(-0.5, ny - 0.5)
    if title:
        _write_title(axes, title)
    return figure


def _rgb(image, stretch):
    """Return the (ny, nx, 3) picture to show, and the shape of the image it stands for."""
    from astro_yolo._picture_input import is_picture_array  # it needs cv2

    if not hasattr(image, "bands"):
        picture = np.asarray(image)
        if not is_picture_array(picture):
            got = f"{picture.dtype} of shape {picture.shape}"
            raise ValueError(f"image must be a SkyImage or a uint8 (ny, nx, 3) array, got {got}")
        return picture, picture.shape[:2]
    factor = max(1, max(image.shape) // _SIDES[1])
    channels = to_channels(np.stack([_binned(band, factor) for band in image.data]))
    mask = None if image.mask is None else _binned(image.mask, factor) > 0
    return painted(channels, image.kind, stretch, mask=mask), image.shape


def painted(channels, kind, stretch, mask=None):
    """
    Return the picture that shows an image: of a picture itself, whatever the stretch.

    Parameters
    ----------
    channels, stretch, mask
        As of `~astro_yolo.stretch.to_rgb`.
    kind : str
        ``kind`` of the `~astro_yolo.image.SkyImage`.

    Returns
    -------
    (ny, nx, 3) uint8 array
    """
    return _shown(channels) if kind == "picture" else to_rgb(channels, stretch, mask=mask)


def _shown(channels):
    """Return display values of 8 or 16 bits as the picture that they came from."""
    values = np.nan_to_num(np.stack(channels))
    return np.moveaxis(np.clip(values * (255 / white_of(values)), 0, 255).astype(np.uint8), 0, -1)


def _binned(band, factor):
    """Return a band smaller by a whole factor: means of blocks, read a strip at a time."""
    ny, nx = band.shape
    if factor == 1:
        return np.asarray(band[0:ny, 0:nx], np.float32)
    import cv2

    step = factor * max(1, _STRIP // (nx * factor))
    strips = (np.asarray(band[y : min(y + step, ny), 0:nx], np.float32)
              for y in range(0, ny, step))
    width = -(-nx // factor)
    return np.concatenate([
        cv2.resize(strip, (width, -(-len(strip) // factor)), interpolation=cv2.INTER_AREA)
        for strip in strips
    ])


def _page(new_figure, width, height):
    """Return a figure with room for the axes, and their place in it as fractions."""
    left, right, bottom, top = _MARGINS
    full_width, full_height = max(width + left + right, 640), height + bottom + top
    figure = new_figure(figsize=(full_width / _DPI, full_height / _DPI), dpi=_DPI)
    place = (left / full_width, bottom / full_height, width / full_width, height / full_height)
    return figure, place


def _axes(figure, place, wcs):
    """Return axes in sky coordinates, or in pixels if there are none."""
    if wcs is None:
        axes = figure.add_axes(place)
        axes.set_xlabel("x (pixel)")
        axes.set_ylabel("y (pixel)")
        return axes
    from astropy.visualization.wcsaxes import WCSAxes

    wcs = celestial(wcs)
    axes = WCSAxes(figure, place, wcs=wcs)
    figure.add_axes(axes)
    for coordinate, kind in zip(axes.coords, wcs.low_level_wcs.world_axis_physical_types,
                                strict=True):
        coordinate.set_axislabel(_AXIS_LABELS.get(kind, kind), fontsize=12)
        coordinate.set_ticks(color="white", size=5)
    return axes


def _write_title(axes, title):
    """Write the title above the left end of the image, and above the legend if both do not fit."""
    text = axes.text(0, 1.005, title, transform=axes.transAxes, va="bottom", fontsize=13,
                     parse_math=False)  # "$" may stand in the name of a file
    if (legend := axes.get_legend()) is None:
        return
    over = _extent(legend)
    if _extent(text).x1 > over.x0 - 10:
        text.set_y(1.005 + over.height * 1.2 / _extent(axes).height)


def _chosen(table, min_score):
    if min_score is None or "score" not in table.colnames:
        return table
    return table[floats(table["score"]) >= min_score]


def _draw_boxes(axes, table, zoom):
    """Draw the boxes, one collection per class, and the legend."""
    from matplotlib.collections import PolyCollection

    named = table["label"] if "label" in table.colnames else np.full(len(table), "")
    labels = np.asarray(named).astype(str) if len(table) else np.array([], str)
    corners = _corners(table)
    width = _line_width(corners, zoom)
    drawn = []
    for label in [name for name in (*LABELS, *sorted(set(labels) - set(LABELS)))
                  if name in labels]:
        mine = labels == label
        drawn.append(PolyCollection(
            corners[mine], facecolors="none", edgecolors=color_of(label, None),
            linewidths=width, label=f"{label or 'unlabelled'} ({mine.sum()})"))
        axes.add_collection(drawn[-1], autolim=False)
    if drawn:
        _legend(axes, drawn)


def _corners(table):
    """Return the corners of the boxes, (N, 4, 2), in pixels."""
    xmin, ymin, xmax, ymax = pixel_boxes(table).T
    x, y = np.stack([xmin, xmax, xmax, xmin]), np.stack([ymin, ymin, ymax, ymax])
    return np.moveaxis(np.stack([x, y], axis=-1), 0, 1)


def _line_width(corners, zoom):
    """Return a width in points: thinner where half the boxes are small on the page."""
    if not len(corners):
        return 1.0
    sides = (corners[:, 2] - corners[:, 0]).mean(axis=1) * zoom
    return float(np.clip(np.nanmedian(sides) / 16, 0.6, 1.4))


def _legend(axes, drawn):
    """Put the legend over the image, on the dark ground that its colours need."""
    from matplotlib.patches import Patch

    handles = [Patch(facecolor="none", edgecolor=item.get_edgecolor()[0], linewidth=1.5,
                     label=item.get_label()) for item in drawn]
    legend = _new_legend(axes, handles, len(handles))
    if _extent(legend).width > legend.figure.bbox.width - 2 * _GAP:
        legend = _new_legend(axes, handles, -(-len(handles) // 2))
    extent = _extent(legend)
    if extent.x0 < _GAP:  # an image narrower than its legend: this one begins where the page does
        right = axes.transAxes.inverted().transform((_GAP + extent.width, 0))[0]
        legend.set_bbox_to_anchor((right, 1.005), transform=axes.transAxes)


def _new_legend(axes, handles, columns):
    """Add a legend with so many columns, which replaces another one."""
    legend = axes.legend(
        handles=handles, loc="lower right", bbox_to_anchor=(1, 1.005), borderaxespad=0,
        ncols=columns, fontsize=10, facecolor="#202020", framealpha=1, edgecolor="none",
        handlelength=1.2, columnspacing=1.2)
    for text in legend.get_texts():
        text.set_color("white")
    return legend


def _extent(artist):
    """Return the place of text or a legend on the page, in pixels."""
    return artist.get_window_extent(artist.figure.canvas.get_renderer())
