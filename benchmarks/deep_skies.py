"""Find the galaxies of made-up deep fields, with a closer look by the network for them and without.

Run from the repository root: ``python benchmarks/deep_skies.py``; ten seconds. Skies of 700 pixels
a side are filled with Hubble galaxies that no training saw and models, as
`astro_yolo.training.crowded` draws them, and with stars of spikes; each is seen as three planes, as
one band and as a picture. Prints for each the share of detections that are within a galaxy, the
stars taken for galaxies, and the shares of the galaxies found whose signal-to-noise in three bands
is 10 to 20, 20 to 50 and more.
"""

# ruff: noqa: SLF001 - it takes the samples of the package apart

import warnings
from unittest.mock import patch

import numpy as np
import truth_94_1_12 as field

from astro_yolo import Detector
from astro_yolo.stretch import to_rgb
from astro_yolo.training import crowded
from astro_yolo.training._deep_objects import add_spiked_star, grain
from astro_yolo.training.deep import read_stamps
from astro_yolo.training.model_objects import SDSS_NOISE

SIDE, BORDER, NEAR = 700, 8, 4.0  # pixels
# galaxies, scale of the stamps, width of a star (sigma, pixels), stars
SKIES = (180, 0.4, 1.0, 3), (540, 0.3, 1.2, 3), (1200, 0.25, 1.5, 6), (360, 0.4, 1.2, 120)
BINS = (10, 20), (20, 50), (50, np.inf)  # signal-to-noise


def make_sky(stamps, number, zoom, width, stars):
    """Return planes, boxes and signal-to-noise of the galaxies, and places of the stars."""
    rng, signals = np.random.default_rng(number + stars), []
    planes = np.zeros((3, SIDE, SIDE), np.float32)
    places = [add_spiked_star(planes, SDSS_NOISE, width, rng)[0] for _ in range(stars)]

    def bands(stamp, noise, colour, signal, made=crowded.bands_of):
        signals.append(signal)
        return made(stamp, noise, colour, signal)

    with patch.object(crowded, "bands_of", bands):
        boxes = [
            crowded._add_galaxy(planes, SDSS_NOISE, stamps, (width, zoom), None, rng)[0]
            for _ in range(number)
        ]
    planes += grain(planes.shape, rng) * SDSS_NOISE[:, None, None]
    return planes, np.array(boxes), np.array(signals), middles(np.array(places))


def middles(boxes):
    """Return the middles of boxes."""
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def judge(table, boxes, signals, stars):
    """Return number, purity, stars taken for galaxies, and completeness in the bins."""
    found = np.stack([table["x"], table["y"]], axis=1) + 0.5
    places, sides = middles(boxes), boxes[:, 2] - boxes[:, 0]
    distance = np.hypot(*np.moveaxis(found[:, None] - places, -1, 0))
    real = (distance < NEAR + sides / 4).any(axis=1)
    near_star = np.hypot(*np.moveaxis(found[:, None] - stars, -1, 0)).min(axis=1) < NEAR
    inside = ((places > BORDER) & (places < SIDE - BORDER)).all(axis=1)
    hit = (distance < NEAR).any(axis=0)
    shares = [hit[inside & (signals >= low) & (signals < high)].mean() for low, high in BINS]
    return len(table), real.mean(), int((near_star & ~real).sum()), *shares


def main():
    """Print a row for each sky and kind of image."""
    warnings.simplefilter("ignore")
    stamps = read_stamps(str(field.data_folder() / "hst" / "stamps_f814w"), "val")
    detector = Detector(backend="onnxruntime")
    print("galaxies stars kind     with a closer look" + " " * 26 + "without")
    for number, zoom, width, stars in SKIES:
        planes, *truth = make_sky(stamps, number, zoom, width, stars)
        images = {"frame": list(planes), "band": planes[1]}
        images |= {name: to_rgb(planes[::-1], name) for name in ("asinh", "lupton")}
        for kind, image in images.items():
            with_it = judge(detector.detect(image), *truth)
            with patch("astro_yolo._scan.needs_closer_look", return_value=False):
                without = judge(detector.detect(image), *truth)
            row = "{:>5} {:.3f} {:>3}  {:.2f} {:.2f} {:.2f}"
            cells = [row.format(*values) for values in (with_it, without)]
            print(f"{number:>8} {stars:>5} {kind:<8} " + " " * 4 + (" " * 15).join(cells))


if __name__ == "__main__":
    main()
