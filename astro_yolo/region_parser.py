"""DS9 region text as a table.

Reads what DS9 8 writes and what `~astro_yolo.region_text.format_regions` writes: boxes, ellipses,
circles and polygons in image, physical, FK4, FK5, ICRS or galactic coordinates. Other shapes are
left out with a warning.
"""

import re
from dataclasses import dataclass, field
from math import isfinite

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table

from astro_yolo._sky import north_in_pixels, sky_boxes, sky_to_pixel, wcs_to_text
from astro_yolo._sphere import angles, unit_vectors
from astro_yolo.catalog import LABELS, conform
from astro_yolo.exceptions import InputWarning, RegionError, warn_user

__all__ = ["OTHER_TILE", "parse_regions"]

# DS9's coordinate systems; None is pixels.
_FRAMES = {
    "image": None, "physical": None, "fk4": "fk4", "b1950": "fk4", "fk5": "fk5", "j2000": "fk5",
    "icrs": "icrs", "galactic": "galactic",
}
_OTHER_FRAMES = ("ecliptic", "linear", "amplifier", "detector", "wcs")
_SHAPES = {"box": "box", "rotbox": "box", "ellipse": "ellipse", "circle": "circle",
           "polygon": "polygon"}
_N_NUMBERS = {"box": (4, 5), "ellipse": (4, 5), "circle": (3,)}
_ARCSEC = {'"': 1.0, "'": 60.0, "d": 3600.0, "r": np.degrees(3600.0)}
_COMMAND = re.compile(r"\s*([+-]?)\s*([A-Za-z]\w*)\s*(.*?)\s*$", re.DOTALL)
_LINE_END = re.compile(r"\r\n|\r|\n")  # a text may hold what else ends a line for Python
#: What DS9 writes before regions in the pixels of another image of a mosaic than its first.
OTHER_TILE = re.compile(r"^# tile (?!1\s)\d", re.MULTILINE)
_WORD = re.compile(r"[^,\s()|]+")
# DS9 puts a text in braces even if it has some itself: it ends where another property begins
_PROPERTY = re.compile(r"(\w+)\s*=\s*(\{.*?\}(?=\s*$|\s+(?:\w+\s*=|background|source))"
                       r"|\{[^}]*\}|\"[^\"]*\"|'[^']*'|\S+)")
_SEXAGESIMAL = re.compile(r"([+-]?)(\d+)[:hd](\d+)[:m](\d+\.?\d*)s?$")
_OUR_ID = re.compile(r"ay-id=(\d+)$")
_OUR_TEXT = re.compile(r"(\d+)\s")


@dataclass
class _Shape:
    """One region as it stands in the text: sizes are (value, in pixels?) pairs."""

    kind: str
    frame: str | None
    included: bool
    points: list
    sizes: list = field(default_factory=list)
    angle: float = 0.0
    color: str = ""
    text: str = ""
    tags: tuple = ()


def parse_regions(text, *, wcs=None):
    """
    Return the shapes of DS9 region text as a table.

    Parameters
    ----------
    text : str
        Content of a region file.
    wcs : WCS, optional
        Sky coordinates of the image: they turn sky regions into pixels, and add the sky columns.

    Returns
    -------
    `~astropy.table.QTable`
        One row per shape. ``id``: from the tag that this package writes, 0 for others; from
        the text where no region has such a tag.
        ``label``: the class named in the text, else in a tag, else empty. ``x, y, xmin, ymin,
        xmax, ymax``: the bounding box in 0-based pixels, NaN for a sky region without ``wcs``.
        ``ra, dec, width, height``: of that box with ``wcs``; without, of the sky regions by
        themselves (polygons have no width and height), if there are any. ``shape``, ``angle``
        (degrees, counter-clockwise from the x axis), ``text``, ``color`` and ``included`` (false
        for an excluding region) as in the file.

    Raises
    ------
    RegionError
        If a shape has numbers that cannot be read.
    """
    shapes = list(_shapes(text))
    boxes, angles = _pixel_boxes(shapes, wcs)
    columns = {"id": _ids(shapes)}
    sky = _sky_columns(shapes, boxes, wcs)
    columns |= {name: sky[name] for name in ("ra", "dec") if name in sky}
    columns |= {"x": (boxes[:, 0] + boxes[:, 2]) / 2, "y": (boxes[:, 1] + boxes[:, 3]) / 2}
    columns |= dict(zip(("xmin", "ymin", "xmax", "ymax"), boxes.T, strict=True))
    columns |= {name: sky[name] for name in ("width", "height") if name in sky}
    columns |= {"label": _text_column(_label(shape) for shape in shapes),
                "shape": _text_column(shape.kind for shape in shapes), "angle": angles,
                "text": _text_column(shape.text for shape in shapes),
                "color": _text_column(shape.color for shape in shapes),
                "included": np.array([shape.included for shape in shapes], bool)}
    known = wcs_to_text(wcs) if wcs is not None else None
    table = Table(columns, meta={} if known is None else {"WCS": known})
    table["angle"].info.unit = "deg"
    return conform(table)


def _text_column(values):
    return np.array(list(values), dtype=str)


# --- text to shapes ---------------------------------------------------------------------------


def _shapes(text):
    """Yield the shapes of the text, and warn about what was not understood."""
    frame, common, skipped, assumed = "physical", {}, [], 0
    for number, line in enumerate(_LINE_END.split(text), 1):
        body, _, remark = line.partition("#")
        for command in body.split(";"):
            match = _COMMAND.match(command)
            if not match:
                continue
            sign, word, rest = match.groups()
            name = word.lower()
            if name == "global":
                # not cut at "#", which begins a colour here
                common = dict(_PROPERTY.findall(line.partition(word)[2]))
            elif name in _FRAMES or name.startswith(_OTHER_FRAMES):
                frame = name
            elif (
                name in _SHAPES and frame in _FRAMES
                # the words between the brackets, which DS9 lets one leave out
                and _is_plain(_SHAPES[name], words := _WORD.findall(rest))
            ):
                assumed += frame == "physical"
                yield _shape(_SHAPES[name], frame, sign, words, common, remark, number)
            else:
                skipped.append(name)
    if skipped:
        warn_user(f"regions left out: {len(skipped)} of kind {sorted(set(skipped))}", InputWarning)
    if assumed:
        warn_user(f"{assumed} regions are in physical coordinates: read as image coordinates, "
                  "which differ where the image has LTM and LTV keywords", InputWarning)
    if OTHER_TILE.search(text):  # DS9 writes it before pixels alone
        warn_user("some regions are in pixels of other images of a mosaic than its first, and read "
                  "as pixels of that: let DS9 write wcs coordinates", InputWarning)


def _is_plain(kind, words):
    """Say whether a shape has the numbers of one outline: annuli have more."""
    count = len(words)
    return count in _N_NUMBERS[kind] if kind in _N_NUMBERS else count >= 6 and count % 2 == 0


def _shape(kind, frame, sign, words, common, remark, number):
    """Return one shape with its properties."""
    sky = _FRAMES[frame] is not None
    n_points = len(words) if kind == "polygon" else 2
    try:
        points = [_position(word, sky=sky, hours=sky and frame != "galactic" and i % 2 == 0)
                  for i, word in enumerate(words[:n_points])]
        sizes = [_size(word, sky=sky) for word in words[n_points : n_points + 2]]
        angle = float(words[4].rstrip("d")) if len(words) == 5 and kind != "polygon" else 0.0
        numbers = [*points, *(size for size, _ in sizes), angle]
        if not all(map(isfinite, numbers)):
            raise ValueError("a number is not finite")  # noqa: TRY301
        if sky and any(abs(latitude) > 90 for latitude in points[1::2]):
            raise ValueError("a latitude is beyond 90 degrees")  # noqa: TRY301
    except ValueError as error:
        raise RegionError(f"text: line {number} has a {kind} that cannot be read: {error}"
                          ) from error
    own = _PROPERTY.findall(remark)
    properties = common | dict(own)
    return _Shape(
        kind, _FRAMES[frame], sign != "-" and properties.get("include", "1") != "0", points,
        sizes, angle, _bare(properties.get("color", "")), _bare(properties.get("text", "")),
        tuple(_bare(value) for key, value in own if key == "tag"),
    )


def _bare(value):
    """Return the value of a property without its quotes or braces."""
    return value[1:-1] if value[:1] in "{\"'" and len(value) > 1 else value


def _position(word, *, sky, hours):
    """Return degrees, or 0-based pixels."""
    if not sky:
        return float(word) - 1
    match = _SEXAGESIMAL.match(word)
    if not match:
        return np.degrees(float(word[:-1])) if word.endswith("r") else float(word.rstrip("d"))
    sign, whole, minutes, seconds = match.groups()
    value = float(whole) + float(minutes) / 60 + float(seconds) / 3600
    return (-value if sign == "-" else value) * (15 if hours and "d" not in word else 1)


def _size(word, *, sky):
    """Return a length, and whether it is in pixels rather than arcsec."""
    if word[-1] in _ARCSEC:
        return float(word[:-1]) * _ARCSEC[word[-1]], False
    if word[-1] in "ip":
        return float(word[:-1]), True
    return (float(word) * 3600, False) if sky else (float(word), True)


def _ids(shapes):
    """Return the row numbers that this package wrote, 0 for others."""
    tags = [next(filter(None, map(_OUR_ID.match, shape.tags)), None) for shape in shapes]
    if any(tags):  # a text that begins with a number is somebody else's then
        return [int(match[1]) if match else 0 for match in tags]
    texts = [_OUR_TEXT.match(shape.text) if _label(shape) else None for shape in shapes]
    return [int(match[1]) if match else 0 for match in texts]


def _label(shape):
    """Return the class: text comes before tags, since it is what one edits in DS9."""
    words = [*shape.text.split(), *shape.tags]
    return next((word for word in words if word in LABELS), "")


# --- shapes to boxes --------------------------------------------------------------------------


def _pixel_boxes(shapes, wcs):
    """Return bounding boxes, (N, 4) with NaN where not known, and angles in pixels."""
    boxes, angles = np.full((len(shapes), 4), np.nan), np.zeros(len(shapes))
    points = _pixel_points(shapes, wcs)
    for i, (shape, (x, y)) in enumerate(zip(shapes, points, strict=True)):
        if shape.kind == "polygon":
            boxes[i] = x.min(), y.min(), x.max(), y.max()
    plain = [i for i, shape in enumerate(shapes) if shape.kind != "polygon"]
    if plain:
        x, y = np.array([(points[i][0][0], points[i][1][0]) for i in plain]).T
        half_x, half_y, angles[plain] = _halves([shapes[i] for i in plain], x, y, wcs)
        boxes[plain] = np.stack([x - half_x, y - half_y, x + half_x, y + half_y], axis=1)
    return boxes, angles


def _pixel_points(shapes, wcs):
    """Return the x and y of the points of each shape, with one WCS call per frame."""
    def to_pixel(lon, lat):
        return (lon * np.nan, lat * np.nan) if wcs is None else sky_to_pixel(wcs, lon, lat)
    return _converted(shapes, to_pixel)


def _converted(shapes, convert):
    """Return the points of each shape, the sky ones after ``convert(ra, dec)``."""
    points = [np.reshape(shape.points, (-1, 2)).T for shape in shapes]
    for frame in {shape.frame for shape in shapes} - {None}:
        rows = [i for i, shape in enumerate(shapes) if shape.frame == frame]
        joined = np.concatenate([points[i] for i in rows], axis=1)
        sky = SkyCoord(*joined, unit="deg", frame=frame).icrs
        joined = np.array(convert(sky.ra.deg, sky.dec.deg))
        ends = np.cumsum([points[i].shape[1] for i in rows])[:-1]
        for i, part in zip(rows, np.split(joined, ends, axis=1), strict=True):
            points[i] = part
    return points


def _extents(shapes):
    """Return the two full sizes of boxes, ellipses and circles, and which are in pixels."""
    factor = np.array([1 if shape.kind == "box" else 2 for shape in shapes], float)
    first = np.array([shape.sizes[0] for shape in shapes], float)
    second = np.array([shape.sizes[-1] for shape in shapes], float)
    return factor * first[:, 0], factor * second[:, 0], first[:, 1] > 0, second[:, 1] > 0


def _halves(shapes, x, y, wcs):
    """Return half the bounding box of each shape, and its angle in pixels."""
    width, height, width_known, height_known = _extents(shapes)
    angle = np.array([shape.angle for shape in shapes], float)
    on_sky = np.array([shape.frame is not None for shape in shapes])
    needed = on_sky | ~width_known | ~height_known
    north, scale, parity = np.full((3, len(x)), np.nan)
    if wcs is not None and needed.any():
        found = north_in_pixels(wcs, x[needed], y[needed])
        north[needed], scale[needed], parity[needed] = found
    width = np.where(width_known, width, width / scale)
    height = np.where(height_known, height, height / scale)
    # Angle 0 is west-east on the sky; it grows from west over north in the frame of the shape.
    position_angle = angle - 90 + _frame_turns(shapes)
    angle = np.where(on_sky, north + parity * position_angle, angle)
    return *_bounds(shapes, width / 2, height / 2, np.radians(angle)), angle


def _frame_turns(shapes):
    """Return the position angle in ICRS of north in the frame of each shape, in degrees."""
    turns = np.zeros(len(shapes))
    for frame in {shape.frame for shape in shapes} - {None, "icrs"}:
        rows = [i for i, shape in enumerate(shapes) if shape.frame == frame]
        lon, lat = np.array([shapes[i].points for i in rows]).T
        here = SkyCoord(lon, lat, unit="deg", frame=frame)
        there = here.directional_offset_by(0 * u.deg, 1 * u.arcmin)
        turns[rows] = here.icrs.position_angle(there.icrs).deg
    return turns


def _bounds(shapes, a, b, angle):
    """Return half the bounding box of turned boxes and ellipses."""
    cos, sin = np.cos(angle), np.sin(angle)
    angular = np.array([shape.kind == "box" for shape in shapes])
    half_x = np.where(angular, abs(a * cos) + abs(b * sin), np.hypot(a * cos, b * sin))
    half_y = np.where(angular, abs(a * sin) + abs(b * cos), np.hypot(a * sin, b * cos))
    return half_x, half_y


def _sky_columns(shapes, boxes, wcs):
    """Return the sky columns: of the pixel boxes, or of sky regions by themselves."""
    if wcs is not None:
        x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
        found = sky_boxes(wcs, x, y, boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
        return {name: getattr(found, name) for name in ("ra", "dec", "width", "height")}
    return _own_sky_columns(shapes) if any(shape.frame for shape in shapes) else {}


def _middle(ra, dec):
    """Return the middle of the corners of a polygon, also across 0 h and a pole; degrees."""
    middle = unit_vectors(np.radians(ra - ra[0]), np.radians(dec)).mean(axis=0)
    east, north = np.degrees(angles(middle))
    # rounded: 0 h must not come out as 360 degrees
    return np.round(ra[0] + east, 12) % 360, north


def _own_sky_columns(shapes):
    """Return what sky regions say of themselves; NaN for the others."""
    columns = {name: np.full(len(shapes), np.nan) for name in ("ra", "dec", "width", "height")}
    for i, (ra, dec) in enumerate(_converted(shapes, lambda ra, dec: (ra, dec))):
        if shapes[i].frame is None:
            continue
        columns["ra"][i], columns["dec"][i] = _middle(ra, dec)
        if shapes[i].kind != "polygon":
            width, height, *in_pixels = _extents([shapes[i]])
            sizes = np.where(np.ravel(in_pixels), np.nan, np.ravel([width, height]))
            columns["width"][i], columns["height"][i] = sizes
    return columns
