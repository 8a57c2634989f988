"""Field 94-1-12 as small images with finer pixels, as other telescopes make them.

Run from the repository root: ``python benchmarks/enlarged.py``; ten minutes. The planes of the
field, and its 8-bit pictures in AstroCV's conversions, are cut into pieces of 340 by 390 pixels
that overlap; each is enlarged, so that its stars are up to 12 pixels wide. Each piece is looked at
as ``detect`` does by default, made smaller where its stars ask for it, and as it is, with
``zoom=1``; the pieces are put together again. Prints the number of detections, how many galaxies
are found and how many detections are right, by the rules of ``truth_94_1_12.py``, and how many
stars brighter than r = 20 are called galaxies.
"""

import argparse
import warnings

import cv2
import numpy as np
import truth_94_1_12 as field

from astro_yolo import Detector, read_image
from astro_yolo.stretch import to_rgb
from astro_yolo.tiling import plan

INPUTS = "planes", "L", "LH", "S", "SH", "Q"
FACTORS = 1.0, 1.5, 2.0, 3.0
CORE, MARGIN, STEP = 350, 20, 10  # pixels of the field: of a piece, round it, and their multiple


def places_in(detector, image, factor, zoom):
    """Return (N, 2) x and y of the galaxies in an (ny, nx, 3) image in enlarged pieces."""
    found = [np.empty((0, 2))]
    for tile in plan(image.shape[:2], CORE, MARGIN, stride=STEP):
        piece = cv2.resize(
            image[tile.window], None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC
        )
        planes = piece if piece.dtype == np.uint8 else list(np.moveaxis(piece, -1, 0))
        table = detector.detect(planes, zoom=zoom)
        places = (np.stack([table["x"], table["y"]], axis=1) + 0.5) / factor - 0.5
        places += [tile.x0, tile.y0]
        kept = (places >= [tile.cx0, tile.cy0]) & (places < [tile.cx1, tile.cy1])
        found.append(places[kept.all(axis=1)])
    return np.concatenate(found)


def row_of(places, truth):
    """Return a line of numbers."""
    matched = field.match(*places.T, truth)
    recalls, precisions = (
        "  ".join(f"{part:3d}/{whole:<3d}" for part, whole in (of(0, 20), of(0, 21)))
        for of in (matched.recall, matched.precision)
    )
    return (f"{len(places):5d}   {recalls}   {precisions}   "
            f"{matched.stars_taken}/{matched.bright_stars}")


def main():
    """Print a line for each input, factor and way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="default", help="name or file of weights")
    detector = Detector(parser.parse_args().model, backend="onnxruntime")
    warnings.simplefilter("ignore")
    data = field.data_folder()
    truth, bands = field.load_truth(data), read_image(field.frame_paths(data)).data
    print("                             n   found r<20, <21    right r<20, <21   stars")
    for name in INPUTS:
        image = np.dstack(list(bands)) if name == "planes" else to_rgb(bands[::-1], name)
        for factor in FACTORS:
            for way, zoom in (("default", None), ("zoom=1", 1)):
                line = row_of(places_in(detector, image, factor, zoom), truth)
                print(f"{name:<6} x{factor:<4g} {way:<10}{line}", flush=True)


if __name__ == "__main__":
    main()
