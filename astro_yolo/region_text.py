"""Detections as DS9 region text.

The text is written by hand and all at once, because 20 000 region objects take seconds. DS9 and
FITS count pixels from 1, so image positions are the table's plus one.

On the sky DS9 turns and scales boxes, ellipses and circles with one rotation and one scale for the
whole frame (those of north at the centre of the image; measured with DS9 8.4.1), whereas the
regions package takes the local ones, and those of galactic north for a galactic image. The two
agree where the image is a plain undistorted one. Polygons are exact in both, everywhere. So in
ICRS a box is written as the polygon of its corners, and an ellipse or circle as such only where a
reader of either kind is right to a tenth of a pixel, elsewhere (distortion, pole, galactic images,
pixels that are not square) as a polygon of 32 corners.

A row of a sky file is where its ``ra`` and ``dec`` say. Those of an image are where its WCS has
the pixels, and that tells how they lie there; the rows of a stacked table come from several
images, and that of one alone is known. How another one lies is then fitted to its rows.
"""

from string import Formatter

import numpy as np
from astropy.table import Column

from astro_yolo._columns import sky_places, strays, whole
from astro_yolo._region_colors import CLASS_COLORS, color_of
from astro_yolo._sky import (
    SkyBoxes,
    fit_wcs,
    is_equatorial,
    pixel_to_sky,
    separation,
    sky_boxes,
)
from astro_yolo.catalog import BOX_COLUMNS, pixel_boxes, table_wcs
from astro_yolo.exceptions import InputWarning, RegionError, warn_user

__all__ = ["CLASS_COLORS", "CLEAN", "FRAMES", "SHAPES", "at_pixels", "format_regions"]

#: Shapes that a detection can be drawn as.
SHAPES = ("box", "ellipse", "circle", "polygon")

#: Coordinate systems of a region file.
FRAMES = ("image", "icrs")

_AUTO = {"id": "", "label": "", "score": ".2f"}  # text by default: unique, as the id is in it

_HEADER = "# Region file format: DS9 version 4.1\n"
_TOLERANCE = 0.1  # pixels that a sky ellipse may be off before it becomes a polygon
_TURN = np.linspace(0, 2 * np.pi, 32, endpoint=False)  # holds the four extremes of an ellipse
_CORNERS = (np.array([-0.5, 0.5, 0.5, -0.5]), np.array([-0.5, -0.5, 0.5, 0.5]))
_SEPARATOR = "\0"
_LINE_ENDS = (*range(0x0A, 0x0E), *range(0x1C, 0x1F), 0x85, 0x2028, 0x2029)  # of str.splitlines
#: What DS9 cannot hold in a text or tag, which has no escape for braces, and what stands for it.
CLEAN = str.maketrans({"{": "(", "}": ")"} | dict.fromkeys(map(chr, _LINE_ENDS), " "))


def format_regions(
    table, *, shape="ellipse", frame=None, wcs=None, color=None, text="auto", tags=("astro_yolo",),
    decimals=None,
):
    """
    Return a table as the text of a DS9 region file.

    Parameters
    ----------
    table : `~astropy.table.Table` or one row of it
        Table with ``xmin, ymin, xmax, ymax`` (0-based pixels), and ``id`` and ``label`` if known.
        On the sky a row is drawn at its ``ra`` and ``dec``, with its ``width`` and ``height``,
        where these are not what the WCS says: rows of several images, or an edited position.
    shape : {"box", "ellipse", "circle", "polygon"}, optional
        An ellipse is inscribed in the box; a circle has the area of that ellipse; a polygon has
        the corners of the box.
    frame : {"image", "icrs"}, optional
        Coordinate system; by default ICRS if the table has sky columns or the sky coordinates of
        the image are known. In ICRS a box is written as the polygon of its corners, and an ellipse
        or circle as a polygon where DS9 would draw it more than 0.1 pixel off (see the text of
        this module).
    wcs : WCS, optional
        Sky coordinates of the image; by default those that the table keeps. Without any the sky
        columns tell them, from three rows on.
    color : str or dict, optional
        One colour, or colours by label that replace those of `CLASS_COLORS`.
    text : str or None, optional
        Format of the text beside a region; any column may be named. By default, "auto", what is
        known of ``"{id} {label} {score:.2f}"``. Braces in a value become
        parentheses, since DS9 cannot hold them. A text that differs in every row (one with
        ``{id}``) lets other programs tell the rows apart.
    tags : sequence of str, optional
        Tags (DS9 groups) of every region, beside its label and ``ay-id=`` with its id.
    decimals : int, optional
        Digits after the point; by default 4 for pixels, 8 for degrees and 5 for arcsec.

    Returns
    -------
    str
        One line per region in row order, after a header and the line of the coordinate system.
        Rows without a finite position or a size above zero are left out, with a warning.

    Raises
    ------
    RegionError
        If ``shape``, ``frame``, ``color`` or ``text`` is not valid, a pixel column is missing,
        ICRS is asked for without sky coordinates, or pixels where rows are of several images.
    """
    if shape not in SHAPES:
        raise RegionError(f"shape must be one of {', '.join(SHAPES)}, got {shape!r}")
    table = whole(table)
    wcs = table_wcs(table) if wcs is None else wcs
    boxes = _extents(table)
    frame = choose_frame(frame, wcs, table)
    if frame == "image":
        shapes = _image_shapes(shape, *boxes, decimals)
    else:
        shapes = _sky_shapes(shape, boxes, table, wcs, decimals)
    good = np.array([s != "" and "nan" not in s for s in shapes], bool)  # NaN: no box, or no sky
    if not good.all():
        warn_user(f"{np.sum(~good)} of {len(table)} rows have no finite region: left out",
                  InputWarning)
    marks = _marks(table, color, text, tags)
    lines = [s + m for s, m, ok in zip(shapes, marks, good.tolist(), strict=True) if ok]
    return "\n".join([_HEADER + frame, *lines, ""])


def choose_frame(frame, wcs, table):
    """Return the coordinate system to write, checked against what is known."""
    placed = np.isfinite(sky_places(table).sum(axis=0))
    on_sky = wcs is not None or (placed.any() if len(table) else "ra" in table.colnames)
    if frame is None:
        return "icrs" if on_sky else "image"
    if frame not in FRAMES:
        raise RegionError(f"frame must be one of {', '.join(FRAMES)}, got {frame!r}")
    if frame == "icrs" and not on_sky:
        raise RegionError("frame 'icrs' needs the sky coordinates of the image: give wcs=")
    if frame == "image" and wcs is not None and not (same := at_pixels(table, wcs)).all():
        raise RegionError(f"frame 'image': the rows are of several images or were changed, as ra"
                          f" and dec of {np.sum(~same)} of {len(table)} are not where the WCS has"
                          " their pixels; frame 'icrs' draws them there")
    return frame


def at_pixels(table, wcs):
    """
    Say which rows are at one place by their sky columns and by their pixels.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Table with ``xmin, ymin, xmax, ymax``.
    wcs : WCS
        Sky coordinates of an image.

    Returns
    -------
    (N,) array of bool
        True to a tenth of a pixel, and where a row lacks one of the two.
    """
    boxes, places, same = _extents(table), sky_places(table), np.ones(len(table), bool)
    rows = np.isfinite(boxes[0] + places[0] + places[1])
    if rows.any():
        boxes, places = boxes[:, rows], places[:, rows]
        same[rows] = _pixels_away(sky_boxes(wcs, *boxes), boxes, places) <= _TOLERANCE
    return same


def _pixels_away(on_sky, boxes, places):
    """Return by how many pixels boxes are off their places; NaN where one has no sky."""
    pixel = np.minimum(on_sky.width / boxes[2], on_sky.height / boxes[3])
    return separation(on_sky.ra, on_sky.dec, *places[:2]) / pixel


def _extents(table):
    """Return centre and size of the boxes of a table, (4, N); NaN where there is none."""
    missing = [name for name in BOX_COLUMNS if name not in table.colnames]
    if missing:
        raise RegionError(f"table must have the columns xmin, ymin, xmax, ymax; {missing} missing")
    xmin, ymin, xmax, ymax = pixel_boxes(table).T
    boxes = np.stack([(xmin + xmax) / 2, (ymin + ymax) / 2, xmax - xmin, ymax - ymin])
    good = np.isfinite(boxes.sum(axis=0)) & (boxes[2:] > 0).all(axis=0)
    return np.where(good, boxes, np.nan)


def _fill(template, numbers):
    """Return one filled-in template per row of numbers: one formatting for all of them."""
    rows = np.asarray(numbers)
    return (f"{template}\n" * len(rows) % tuple(rows.ravel().tolist())).split("\n")[:-1]


def _image_shapes(shape, x, y, width, height, decimals):
    """Return shapes in image coordinates, which count from 1."""
    number = f"%.{4 if decimals is None else decimals}f"
    x, y = x + 1, y + 1
    if shape == "polygon":
        return _polygons(*_vertices(shape, x, y, width, height), number)
    if shape == "box":
        return _fill(f"box({number},{number},{number},{number},0)", np.c_[x, y, width, height])
    if shape == "circle":
        radius = np.sqrt(width * height) / 2
        return _fill(f"circle({number},{number},{number})", np.c_[x, y, radius])
    return _fill(f"ellipse({number},{number},{number},{number},0)",
                 np.c_[x, y, width / 2, height / 2])


def _sky_shapes(shape, boxes, table, wcs, decimals):
    """Return shapes in ICRS, image by image."""
    places = sky_places(table)
    if shape == "circle":
        boxes[2:], places[2:] = (np.sqrt(v[2] * v[3]) for v in (boxes, places))
    shapes, guessed = np.full(len(table), "", dtype=object), 0
    for rows, its_wcs, known in _images(table, boxes, places, wcs):
        shapes[rows] = _shapes_of_image(shape, boxes[:, rows], places[:, rows], its_wcs, decimals)
        guessed += 0 if known or shape == "circle" else np.sum(rows)
    if guessed:
        how = "north were up" if wcs is None else "they were of the image of the WCS"
        warn_user(f"{guessed} of {len(table)} rows are drawn at their ra and dec, turned as if"
                  f" {how}: they are too few to tell how their own image lies", InputWarning)
    return shapes


def _images(table, boxes, places, wcs):
    """Return the rows of each image, its WCS, and whether that is more than a guess."""
    pixels, placed = np.isfinite(boxes[0]), np.isfinite(places[0] + places[1])
    away = pixels if wcs is None else pixels & ~at_pixels(table, wcs)
    images = [(pixels & ~away, wcs, True), (placed & ~pixels, None, False)]
    for rows, most in strays(table, away):
        fitted = fit_wcs(boxes[:, rows], places[:, rows]) if most else None
        images.append((rows, wcs if fitted is None else fitted, fitted is not None or not most))
    return [image for image in images if image[0].any()]


def _placed(boxes, places, wcs):
    """Return the boxes of an image on the sky, and which of them are elsewhere than it says."""
    ra, dec, width, height = places
    if wcs is None:  # north is up
        none = np.zeros_like(ra)
        axes = np.stack([-width / 2, none], axis=1), np.stack([none, height / 2], axis=1)
        return SkyBoxes(ra, dec, width, height, *axes), np.ones(len(ra), bool)
    found = sky_boxes(wcs, *boxes)
    off = _pixels_away(found, boxes, places) > _TOLERANCE
    width = np.where(off & np.isfinite(width), width, found.width)
    height = np.where(off & np.isfinite(height), height, found.height)
    return SkyBoxes(
        np.where(off, ra, found.ra), np.where(off, dec, found.dec), width, height,
        found.x_axis * (width / found.width)[:, None],
        found.y_axis * (height / found.height)[:, None],
    ), off


def _shapes_of_image(shape, boxes, places, wcs, decimals):
    """Return shapes in ICRS: polygons, and ellipses where those are right."""
    position = f"%.{8 if decimals is None else decimals}f"
    on_sky, off = _placed(boxes, places, wcs)
    if shape in ("box", "polygon"):
        return _sky_polygons(shape, boxes, on_sky, off, wcs, position)
    length = f"%.{5 if decimals is None else decimals}f"
    shapes = np.array(_sky_ellipses(shape, on_sky, position, length), object)
    if wcs is None:
        return shapes
    bent = _misfit(on_sky, *boxes, wcs) > _TOLERANCE
    bent |= not is_equatorial(wcs)
    if bent.any():
        some = boxes[:, bent], on_sky.take(bent), off[bent]
        shapes[bent] = _sky_polygons(shape, *some, wcs, position)
    return shapes


def _sky_ellipses(shape, on_sky, position, length):
    """Return ellipses or circles with local size and angle."""
    if shape == "circle":
        radius = (on_sky.width + on_sky.height) / 4
        return _fill(f'circle({position},{position},{length}")',
                     np.c_[on_sky.ra, on_sky.dec, radius])
    # Angle 0 is west-east, and the angle grows from west over north: position angle plus 90.
    east, north = on_sky.x_axis.T
    angle = (np.degrees(np.arctan2(east, north)) + 90) % 180
    return _fill(
        f'ellipse({position},{position},{length}",{length}",{length})',
        np.c_[on_sky.ra, on_sky.dec, on_sky.width / 2, on_sky.height / 2, angle],
    )


def _misfit(on_sky, x, y, width, height, wcs):
    """Return by how many pixels a reader with one rotation and scale per frame is off."""
    shape = getattr(wcs, "pixel_shape", None)
    center = (np.array(shape) - 1) / 2 if shape else np.array([np.median(x), np.median(y)])
    one = np.ones(1)
    (frame_north,), (frame_scale,) = sky_boxes(wcs, *center[:, None], one, one).north(one, one)
    north, _ = on_sky.north(width, height)
    size = np.maximum(np.abs(on_sky.width / frame_scale - width),
                      np.abs(on_sky.height / frame_scale - height)) / 2
    turn = np.abs(width - height) / 2 * np.abs(np.sin(np.radians(north - frame_north)))
    lengths = np.linalg.norm(on_sky.x_axis, axis=1) * np.linalg.norm(on_sky.y_axis, axis=1)
    skew = np.abs(np.sum(on_sky.x_axis * on_sky.y_axis, axis=1)) / lengths
    return size + turn + skew * np.maximum(width, height) / 2


def _steps(shape):
    """Return the steps from a centre to the points of a shape, in widths and heights."""
    round_ = shape in ("ellipse", "circle")
    return (np.cos(_TURN) / 2, np.sin(_TURN) / 2) if round_ else _CORNERS


def _vertices(shape, x, y, width, height):
    """Return the pixel corners of boxes, or points on ellipses, as (N, corners) arrays."""
    step_x, step_y = _steps(shape)
    return x[:, None] + width[:, None] * step_x, y[:, None] + height[:, None] * step_y


def _sky_polygons(shape, boxes, on_sky, off, wcs, position):
    """Return polygons, of rows at their own place by that and of others by the WCS."""
    ra, dec = on_sky.points(*_steps(shape))
    if not off.all():
        ra[~off], dec[~off] = pixel_to_sky(wcs, *_vertices(shape, *boxes[:, ~off]))
    return _polygons(ra, dec, position)


def _polygons(first, second, number):
    pairs = np.stack([first, second], axis=-1).reshape(len(first), 2 * first.shape[1])
    return _fill(f"polygon({','.join([number] * pairs.shape[1])})", pairs)


def _marks(table, color, text, tags):
    """Return the properties of each region, from the comment sign on."""
    n_rows = len(table)
    labels = table["label"].tolist() if "label" in table.colnames else [""] * n_rows
    labels = ["" if label is None else str(label) for label in labels]  # numbers are classes too
    ids = table["id"].tolist() if "id" in table.colnames else [None] * n_rows
    common = "".join(f" tag={{{tag.translate(CLEAN)}}}" for tag in tags)
    start = {label: _start(label, color, common) for label in set(labels)}
    texts = _texts(table, text)
    return [start[label] + said + (f" tag={{ay-id={number}}}" if number else "")
            for label, said, number in zip(labels, texts, ids, strict=True)]


def _start(label, color, common):
    """Return the properties that all rows of a label share."""
    tag = f" tag={{{label.translate(CLEAN)}}}" if label else ""
    return f" # color={color_of(label, color)}{tag}{common}"


def _texts(table, text):
    """Return the text property of each row, empty for no text."""
    if not text:
        return [""] * len(table)
    auto = text == "auto"
    template, names = ("", []) if auto else _positional(text, table.colnames)
    rows = zip(*(_values(table[n]) for n in names), strict=True) if names else [()] * len(table)
    try:
        said = _auto_texts(table) if auto else [template.format(*row) for row in rows]
    except (TypeError, ValueError) as error:  # the first of them where a number is masked
        raise RegionError(f"text must be a format of columns, got {text!r}: {error}") from error
    return _braced(said)


def _auto_texts(table):
    """Return what is known of the default text; id 0 is a region of somebody else."""
    words = []
    for name in (name for name in _AUTO if name in table.colnames):
        unknown = (None, "", 0) if name == "id" else (None, "")
        words.append(["" if value in unknown else format(value, _AUTO[name])
                      for value in _values(table[name])])
    return [" ".join(filter(None, row)) for row in zip(*words, strict=True)] or [""] * len(table)


def _braced(said):
    """Return texts as properties, nothing for an empty one."""
    # Cleaned in one piece: ten times faster than row by row.
    said = _SEPARATOR.join(said).translate(CLEAN).split(_SEPARATOR) if said else []
    return [f" text={{{words}}}" if words else "" for words in said]


def _values(column):
    """Return the values of a column; a column's own ``tolist`` makes text of FITS's bytes."""
    return (column if isinstance(column, Column) else getattr(column, "value", column)).tolist()


def _positional(text, known):
    """Return a format with numbers in place of names, and the names in that order."""
    pieces, names = [], []
    try:
        fields = list(Formatter().parse(text))
    except ValueError as error:
        raise RegionError(f"text must be a format of columns, got {text!r}: {error}") from error
    for literal, name, spec, conversion in fields:
        pieces.append(literal.replace("{", "{{").replace("}", "}}"))
        if name is None:
            continue
        if name not in known:
            raise RegionError(f"text must name columns of the table, got {{{name}}} in {text!r}")
        names.append(name)
        pieces.append(f"{{{f'!{conversion}' if conversion else ''}{f':{spec}' if spec else ''}}}")
    return "".join(pieces), names
