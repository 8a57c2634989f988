"""Sheets of detections to judge by eye, where no catalogue can: one picture each.

The eXtreme Deep Field, 100 detections with a score of at least 0.65 at random; the globular cluster
M2 and the Orion nebula, all of them; and the bright and the large galaxies of the SDSS fields with
the class they were given. Detections stand in the order in which the numbers above them count.
"""

from collections import Counter

import cv2
import numpy as np

from accuracy_sections.session import LOWEST
from astro_yolo.catalog import pixel_boxes
from astro_yolo.stretch import to_channels, to_rgb
from astro_yolo.training.cutouts import read_picture
from astro_yolo.training.fields import FIELDS

__all__ = ["arranged", "contact_sheet", "draw_disagreements", "run", "view"]

DEEP = "hst/hubble_extreme_deep_field.jpg"
NUMBER = 100
DEEP_SCORE = 0.65  # what is faint for SDSS, and scored so, is plain in a deep field
LARGE, BRIGHT = 30.0, 17.5  # pixels: longer side of the box; r of the light in the box
SEED = 2018
_CELL, _COLUMNS = 112, 10  # pixels of a cell, cells of a row
_SMALLEST_VIEW = 44  # pixels of the image in a cell
_QUALITY = 70
_DISAGREEMENTS = 50


def run(session):
    """
    Draw the sheets.

    Parameters
    ----------
    session : accuracy_sections.session.Session
        The run.

    Returns
    -------
    dict
        Number of detections and of those shown, by sheet.
    """
    found = {"xdf": _deep(session)}
    for name in ("2583/2/136", "6073/4/63"):
        frame, table = _field(session, name)
        picture = to_rgb(to_channels(frame.data), "asinh")
        found[name] = _report(session, name.replace("/", "-"), picture, table, len(table))
    return found | {"large": _large(session)}


def _deep(session):
    """Draw detections of the deep field at random; count them by size."""
    picture = read_picture(session.data / DEEP)
    table = session.detector.detect(picture, score=DEEP_SCORE)
    rng = np.random.default_rng(SEED)
    shown = np.sort(rng.permutation(len(table))[:NUMBER])
    side = np.max(_sides(pixel_boxes(table)), axis=1, initial=0)
    bins = np.histogram(side, [0, 8, 15, 30, 60, np.inf])[0].tolist()
    print(f"deep field: {len(table)} detections; sides <8, 8-15, 15-30, 30-60, >60 px: {bins}")
    return _report(session, "xdf", picture, table[shown], len(table)) | {"sizes": bins}


def _large(session):
    """Draw the bright and the large galaxies of all fields."""
    cells, words, total = [], [], 0
    for name, rule in FIELDS.items():
        if not rule.has_galaxies:
            continue
        frame, table = _field(session, name)
        boxes = pixel_boxes(table) + 0.5
        corners = np.round(boxes).astype(int)
        light = [np.nansum(frame.data[1][y0:y1, x0:x1]) for x0, y0, x1, y1 in corners]
        bright = np.array(light) > 10 ** (0.4 * (22.5 - BRIGHT))
        some = bright | (np.max(_sides(boxes), axis=1, initial=0) >= LARGE)
        shown, total = table[some], total + len(table)
        kinds = dict(sorted(Counter(map(str, shown["label"])).items()))
        print(f"{name}: {len(shown)} brighter than {BRIGHT} or larger than {LARGE:g} px: {kinds}")
        picture = to_rgb(to_channels(frame.data), "asinh")
        cells += [_cell(picture, box) for box in boxes[some]]
        words += [f"{row['label'][:9]} {row['score']:.2f}" for row in shown]
    if session.out is not None:
        _write(session, "large", arranged(cells, words))
    return {"shown": len(cells), "total": total}


def _field(session, name):
    """Return an SDSS field, and the detections in it."""
    frame = session.frame(name)
    return frame, session.detector.detect(frame, score=max(session.score, LOWEST))


def _report(session, name, picture, table, total):
    """Write a sheet, unless pictures are not wanted; say what is on it."""
    print(f"{name}: {len(table)} of {total} detections")
    if session.out is not None and len(table):
        _write(session, name, contact_sheet(picture, table))
    return {"shown": len(table), "total": total}


def _write(session, name, sheet):
    """Write a sheet as JPEG, and say where."""
    path = session.out / f"sheet-{name}.jpg"
    cv2.imwrite(str(path), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    print(f"  {path}")


def _sides(boxes):
    """Return (N, 2) widths and heights."""
    return boxes[:, 2:] - boxes[:, :2]


def draw_disagreements(session, rows):
    """
    Draw the held-out cutouts whose class the network is surest of, against Galaxy Zoo's word.

    Parameters
    ----------
    session : accuracy_sections.session.Session
        The run.
    rows : list of dict
        With ``found``, ``path``, ``box`` in edge pixels, ``truth``, ``label``, ``probability``.
    """
    wrong = [row for row in rows if row["found"] and row["truth"] != row["label"]]
    surest = sorted(wrong, key=lambda row: -row["probability"])[:_DISAGREEMENTS]
    print(f"\n{len(wrong)} found have another class than Galaxy Zoo's")
    if session.out is None or not surest:
        return
    cells = [view(read_picture(row["path"]), row["box"], 1.5)[0] for row in surest]
    words = [f"{row['truth'][:6]}>{row['label'][:6]}" for row in surest]
    print("  the surest first, truth > called:")
    _write(session, "types", arranged(cells, words))


def contact_sheet(picture, table):
    """
    Return a picture of many detections, each in a cell of its own with its class and score.

    Parameters
    ----------
    picture : (ny, nx, 3) uint8 array
        Row 0 is that of the table's pixels.
    table : Table
        Detections.

    Returns
    -------
    (ny', nx', 3) uint8 array
    """
    boxes = pixel_boxes(table) + 0.5
    words = [
        f"{k + 1} {str(row['label'])[:9]} {row['score']:.2f}" for k, row in enumerate(table)
    ]
    return arranged([_cell(picture, box) for box in boxes], words)


def arranged(cells, words, columns=_COLUMNS):
    """
    Return cells in rows, words above each.

    Parameters
    ----------
    cells : list of (side, side, 3) uint8 array
        All of one size.
    words : list of str
        One a cell.
    columns : int, optional
        Cells of a row.

    Returns
    -------
    (ny, nx, 3) uint8 array
    """
    rows, side = -(-len(cells) // columns), len(cells[0])
    sheet = np.full((rows * (side + 14), columns * side, 3), 20, np.uint8)
    for k, (cell, text) in enumerate(zip(cells, words, strict=True)):
        y, x = k // columns * (side + 14), k % columns * side
        sheet[y + 14 : y + 14 + side, x : x + side] = cell
        cv2.putText(sheet, text, (x + 2, y + 11), cv2.FONT_HERSHEY_PLAIN, 0.75, (255, 255, 255), 1)
    return sheet


def view(picture, box, reach, side=_CELL, enlarged=cv2.INTER_NEAREST):
    """
    Return what is round a box as a cell, and the zoom.

    Parameters
    ----------
    picture : (ny, nx, 3) uint8 array
        The image.
    box : (4,) array
        Edge pixels.
    reach : float
        What is shown, in longer sides of the box.
    side : int, optional
        Of the cell, pixels.
    enlarged : int, optional
        OpenCV's interpolation where it is enlarged.

    Returns
    -------
    cell : (side, side, 3) uint8 array
    zoom : float
    """
    middle = (box[:2] + box[2:]) / 2
    zoom = side / max(reach * float((box[2:] - box[:2]).max()), _SMALLEST_VIEW)
    # pixel centres lie half a pixel from the edges that boxes count
    move = np.column_stack([np.eye(2) * zoom, side / 2 - zoom * middle + (zoom - 1) / 2])
    way = cv2.INTER_AREA if zoom < 1 else enlarged
    return cv2.warpAffine(picture, move, (side, side), flags=way), zoom


def _cell(picture, box):
    """Return one detection, its box drawn, edges of the cell at 2.2 times the box."""
    cell, zoom = view(picture, box, 2.2)
    middle = (box[:2] + box[2:]) / 2
    low, high = ((edge - middle) * zoom + _CELL / 2 - 0.5 for edge in (box[:2], box[2:]))
    corners = [tuple(np.round(corner).astype(int).tolist()) for corner in (low, high)]
    return cv2.rectangle(cell, *corners, (255, 220, 0), 1)
