"""Show one real galaxy in AstroCV's five filters.

Run from the repository root: ``python benchmarks/stretch_panel.py``. It writes
``docs/_static/stretches.png``. Image credit: Sloan Digital Sky Survey.
"""

import argparse
import os
from pathlib import Path

import cv2
import numpy as np

from astro_yolo.filters import FILTERS
from astro_yolo.image import read_image
from astro_yolo.stretch import to_rgb
from astro_yolo.training.fields import frame_paths

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("ASTRO_YOLO_DATA") or ROOT.parent / "shared" / "data")

FIELD = "1737/5/39"
RA, DEC = 313.1239, -5.7462  # a spiral galaxy of the group of NGC 6976
SIDE = 160  # pixels


def cut(rgb, wcs):
    """Return a square about the galaxy, row 0 at the top."""
    x, y = (round(float(v)) for v in wcs.world_to_pixel_values(RA, DEC))
    half = SIDE // 2
    return rgb[y - half : y + half, x - half : x + half][::-1]


def panel(pictures):
    """Return the pictures side by side with their names."""
    tiles = []
    for name, picture in pictures.items():
        tile = np.ascontiguousarray(picture[..., ::-1])
        cv2.putText(tile, name, (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (0, 0, 0), 4, cv2.LINE_AA)
        cv2.putText(tile, name, (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 255), 1,
                    cv2.LINE_AA)  # fmt: skip
        tiles += [tile, np.full((tile.shape[0], 4, 3), 255, np.uint8)]
    return np.concatenate(tiles[:-1], axis=1)


def main():
    """Write the panel."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "_static" / "stretches.png")
    args = parser.parse_args()
    image = read_image(frame_paths(DATA / "sas", FIELD))
    pictures = {name: cut(to_rgb(image.data[::-1], name), image.wcs) for name in FILTERS}
    levels = {name: np.median(picture[:20, :20]) for name, picture in pictures.items()}
    print("grey level of the sky:", ", ".join(f"{n} {v:.0f}" for n, v in levels.items()))
    cv2.imwrite(str(args.out), panel(pictures), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(f"{args.out.name}: {args.out.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
