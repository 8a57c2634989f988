"""Contact sheets of the best, the worst, the missed and the spurious."""

from functools import lru_cache

import cv2
import numpy as np

from astro_yolo.catalog import BOX_COLUMNS
from astro_yolo.training.scored import judge_objects

_TILE, _COLUMNS, _CAPTION = 150, 6, 18
_TRUE, _FOUND = (90, 220, 90), (230, 90, 230)  # red, green, blue
_SHOWN = 12
_ROOM = 2.2  # of the longer side


def galleries(evaluation):
    """
    Return rows and sheet of each kind.

    Returns
    -------
    dict of str to (list of dict, bytes or None)
        ``best``, ``worst``, ``missed``, ``spurious``; the sheet is a PNG.
    """
    found, missed, spurious = _sorted_out(evaluation)
    kinds = {
        "best": sorted(found, key=lambda row: (-row["right"], -row["iou"])),
        "worst": sorted(found, key=lambda row: (row["iou"], -row["score"])),
        "missed": sorted(missed, key=lambda row: -_side(row["truth"])),
        "spurious": sorted(spurious, key=lambda row: -row["score"]),
    }
    return {kind: (_flat(rows[:_SHOWN]), _sheet(rows[:_SHOWN])) for kind, rows in kinds.items()}


def _sorted_out(evaluation):
    """Return what was found, missed and made up, at the default score."""
    names = evaluation.names
    found, missed, spurious = [], [], []
    for picture in evaluation.pictures:
        pairs, overlaps, rest = judge_objects(picture, min_score=evaluation.about["threshold"])
        for k, place in enumerate(pairs):
            row = {"picture": picture.name, "class": names[picture.truth_classes[k]],
                   "truth": picture.truth[k]}  # fmt: skip
            if place < 0:
                missed.append(row)
                continue
            called = names[picture.classes[place]]
            row |= {"called": called, "score": picture.scores[place], "iou": overlaps[k],
                    "found": picture.boxes[place], "right": called == row["class"]}  # fmt: skip
            found.append(row)
        spurious += [
            {"picture": picture.name, "called": names[picture.classes[k]],
             "score": picture.scores[k], "found": picture.boxes[k]} for k in rest
        ]  # fmt: skip
    return found, missed, spurious


def _side(box):
    return float(max(box[2] - box[0], box[3] - box[1]))


def _flat(rows):
    """Return rows with the numbers of a box in columns of their own."""
    flat = []
    for row in rows:
        box = row.get("truth", row.get("found"))
        plain = {key: value for key, value in row.items()
                 if key not in {"truth", "found", "right"}}  # fmt: skip
        sides = zip(BOX_COLUMNS, box, strict=True)
        flat.append(plain | {name: round(float(value), 2) for name, value in sides})
    return flat


def _sheet(rows):
    """Return a PNG of tiles, or None of nothing."""
    tiles = [tile for tile in map(_tile, rows) if tile is not None]
    if not tiles:
        return None
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % min(_COLUMNS, len(tiles)))
    width = min(_COLUMNS, len(tiles))
    lines = [np.concatenate(tiles[k : k + width], axis=1) for k in range(0, len(tiles), width)]
    sheet = np.concatenate(lines)
    return cv2.imencode(".png", sheet[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes()


@lru_cache(maxsize=4)
def _read(path):
    picture = cv2.imread(path, cv2.IMREAD_COLOR)
    return None if picture is None else picture[..., ::-1]


def _tile(row):
    """Return the surroundings of an object with its boxes and a line of text."""
    picture = _read(row["picture"])
    if picture is None:
        return None
    boxes = [row[key] for key in ("truth", "found") if key in row]
    middle = (boxes[0][:2] + boxes[0][2:]) / 2
    half = max(12.0, _ROOM * _side(boxes[0]) / 2)
    zoom = _TILE / (2 * half)
    # edges lie half a pixel before centres, in the picture and in the tile
    move = np.array([[zoom, 0, zoom * (half - middle[0] + 0.5) - 0.5],
                     [0, zoom, zoom * (half - middle[1] + 0.5) - 0.5]])  # fmt: skip
    tile = cv2.warpAffine(np.ascontiguousarray(picture), move, (_TILE, _TILE),
                          flags=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)  # fmt: skip
    for key, colour in (("truth", _TRUE), ("found", _FOUND)):
        if key in row:
            corners = ((row[key].reshape(2, 2) - middle + half) * zoom).round().astype(int)
            cv2.rectangle(tile, *(tuple(map(int, c)) for c in corners), colour, 1)
    return np.concatenate([tile, _caption(row)])


def _caption(row):
    """Return a line of text as wide as a tile."""
    line = np.full((_CAPTION, _TILE, 3), 255, np.uint8)
    words = [row[key] for key in ("class", "called") if key in row]
    words = words[:1] if len(set(words)) == 1 else words
    text = " > ".join(words)
    text += "".join(f" {row[key]:.2f}" for key in ("score", "iou") if key in row)
    cv2.putText(line, text, (2, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (0, 0, 0), 1, cv2.LINE_AA)
    return line
