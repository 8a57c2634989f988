"""Who is right where the network and Galaxy Zoo give a galaxy another class: judged blind, by eye.

The held-out cutouts on which both disagree stand on sheets among as many on which they agree, in an
order of chance and without a class. Beside the sheets lies ``blind.txt``, a line for each in their
order: whoever judges adds a letter to every line, E, S, D, M or U (elliptical, spiral, disc seen
edge-on, merger, cannot say), and learns then with whom that is. ``blind_classes.txt`` holds such
letters, judged with astro-yolo-n7 and astro-yolo-types-3.

Usage: python benchmarks/blind_classes.py (--out DIR | --answers FILE) [--model NAME]
"""

import argparse
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
from accuracy_sections.cutouts import judged
from accuracy_sections.session import Session, rate, text
from accuracy_sections.sheets import arranged, view

from astro_yolo.training.cutouts import read_picture
from astro_yolo.training.ship import held_out_cutouts

LETTERS = {"E": "elliptical", "S": "spiral", "D": "edge_on", "M": "merger", "U": "unknown"}
SEED = 2018
_CELL, _COLUMNS, _NUMBER = 224, 6, 24  # pixels of a cell, cells of a row, of a sheet
_REACH = 1.6  # times the longer side of the box


def main():
    """Draw the sheets, or count the answers."""
    options = _options()
    print(f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {' '.join(sys.argv)}")
    session = Session.start(options)
    parts = held_out_cutouts(session.data, session.cache / "cutouts.npz")
    rows = [row for part in parts for row in judged(session, part) if row["found"]]
    apart = np.array([row["truth"] != row["label"] for row in rows])
    print(f"{len(rows)} found, {apart.sum()} with another class")
    if options.answers:
        _report(rows, apart, _letters(options.answers))
    else:
        _draw([rows[k] for k in _some(apart)], options.out)


def _options():
    """Return the arguments, with what else a session asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    either = parser.add_mutually_exclusive_group(required=True)
    either.add_argument("--out", type=Path, help="folder for the sheets")
    either.add_argument("--answers", type=Path, help="blind.txt with letters")
    parser.add_argument("--model", default="default")
    parser.add_argument("--cache", type=Path, default=Path(".accuracy"))
    others = {"types": None, "score": None, "backend": "onnxruntime", "no_pictures": False}
    return parser.parse_args(namespace=argparse.Namespace(**others))


def _letters(path):
    """Return cutout -> class of a file of answers."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {stem: LETTERS[letter] for stem, letter in map(str.split, lines)}


def _some(apart):
    """Return which cutouts the sheets show: all on which both disagree, and as many others."""
    rng = np.random.default_rng(SEED)
    alike = rng.choice(np.flatnonzero(~apart), apart.sum(), replace=False)
    return rng.permutation([*np.flatnonzero(apart), *alike])


def _draw(rows, out):
    """Write the file for the answers, unless there is one, and the sheets."""
    with (out / "blind.txt").open("x", encoding="utf-8") as file:
        file.writelines(f"{row['path'].stem} \n" for row in rows)
    cells = [
        view(read_picture(row["path"]), row["box"], _REACH, _CELL, cv2.INTER_CUBIC)[0]
        for row in rows
    ]
    numbers = [str(k) for k in range(1, len(rows) + 1)]
    for first in range(0, len(rows), _NUMBER):
        some = slice(first, first + _NUMBER)
        path = out / f"blind-{first // _NUMBER + 1:02d}.png"
        cv2.imwrite(str(path), arranged(cells[some], numbers[some], _COLUMNS)[..., ::-1])
        print(path)


def _report(rows, apart, answers):
    """Print how often the answers are the class of either, or of both."""
    for name, some in (("disagree", apart), ("agree", ~apart)):
        pairs = [(rows[k], answers.get(rows[k]["path"].stem)) for k in np.flatnonzero(some)]
        pairs = [(row, answer) for row, answer in pairs if answer]
        print(f"{some.sum()} on which they {name}, {len(pairs)} judged by eye")
        for who, key in (("Galaxy Zoo", "truth"), ("the network", "label")):
            print(f"  as {who:<12}{text(rate(sum(r[key] == a for r, a in pairs), len(pairs)))}")


if __name__ == "__main__":
    main()
