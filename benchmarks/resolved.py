"""Nearby spirals, resolved into knots and arms, laid into fields that took no part in the training.

Run from the repository root: ``python benchmarks/resolved.py [model ...]``; about three minutes a
network. Four spirals with scale lengths h of 14, 25, 45 and 80 pixels, inclined at random, stand in
SDSS fields 2820-3-122 and 94-1-12, twice, and large ones of 110, 150 and 190 pixels one at a time.
Their discs have a central surface brightness of r = 20.2 to 21.2 mag/arcsec^2 and texture; a tenth
of their light is in knots on the arms, as wide as the PSF or a little more, whose fluxes of 0.6 to
30 nanomaggies follow a power law of index -2, as those of star clusters and H II regions do. Light
has the noise of its photons. Each field is seen as three planes and as 8-bit pictures, these at the
zoom that those of the field itself get. The spirals are others than those of the training,
`astro_yolo.training.resolved`.

Prints how many spirals have a galaxy's box of IoU 0.5 at least with that of 3.8 h (1.05 Petrosian
radii of an exponential disc); how many other galaxies lie within those ellipses where the field
itself has none (a knot, a part of an arm), and elsewhere; and how many of the field's own galaxies
are kept, within them and up to twice as far.
"""

import argparse
import json
import warnings
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import truth_94_1_12 as field

from astro_yolo import Detector
from astro_yolo.boxes import iou
from astro_yolo.catalog import pixel_boxes
from astro_yolo.injection import add_stamp, sersic_stamp, spiral_stamp
from astro_yolo.stretch import to_rgb
from astro_yolo.training.fields import FIELDS, load_field
from astro_yolo.training.labels import ellipse_box
from astro_yolo.training.recipes import PIXEL_SCALE

NAMES, SEEDS = ("2820/3/122", "94/1/12"), (1, 2)
INPUTS = "planes", "L", "LH", "S", "SH", "Q"
SCALES, LARGE = (14, 25, 45, 80), (110, 150, 190)  # pixels
EXTENT = 3.8  # scale lengths: where the box ends
BRIGHTNESS = 20.2, 21.2  # r mag/arcsec^2 in the middle of a disc seen face on
COLOURS = np.array([0.55, 1.0, 1.35])  # g, r, i fluxes over that in r: of a disc,
BLUE, PINK = np.array([1.0, 1.0, 1.05]), np.array([0.75, 1.0, 0.6])  # of clusters, of H II regions
IN_KNOTS, FAINTEST, BRIGHTEST = 0.1, 0.6, 30.0  # share of the light; nanomaggies in r
IN_BULGE = 0.1  # of the ellipse
PHOTONS = 1000.0  # a nanomaggie
NEAR = 5  # pixels


class Spiral(NamedTuple):
    """Where a spiral is, its scale length, axis ratio and position angle from +x in radians."""

    x: float
    y: float
    scale: float
    ratio: float
    theta: float

    def box(self):
        """Return the box of its ellipse, edge pixels."""
        half = EXTENT * self.scale
        return ellipse_box(self.x, self.y, half, self.ratio, self.theta)

    def reach(self, x, y):
        """Return how far places are from its centre, 1 at the edge of its ellipse."""
        dx, dy = x - self.x, y - self.y
        u = dx * np.cos(self.theta) + dy * np.sin(self.theta)
        v = (dy * np.cos(self.theta) - dx * np.sin(self.theta)) / self.ratio
        return np.hypot(u, v) / (EXTENT * self.scale)


def texture(rng, size):
    """Return a positive field of mean 1 with structure of all sizes."""
    waves = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    waves[0, 0] = 1
    noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(size, size))) * waves**-1.1).real
    light = np.exp(0.35 * (noise - noise.mean()) / noise.std())
    return (light / light.mean()).astype(np.float32)


def add_knots(planes, sky, rng, spiral, stamps, flux):
    """Add the knots, where a spiral is brighter than the same disc without arms."""
    arms, smooth = stamps
    excess = smooth * np.clip(arms / np.maximum(smooth, 1e-9) - 1, 0, 1)
    rows, columns = np.indices(excess.shape) - excess.shape[0] // 2
    reach = spiral.reach(columns + spiral.x, rows + spiral.y)
    excess[(reach < IN_BULGE) | (reach > 1)] = 0  # discs end
    chance = np.cumsum(excess / excess.sum(), dtype=float)
    left, chance = IN_KNOTS * flux, chance / chance[-1]
    while left > 0:
        knot = FAINTEST / rng.uniform(FAINTEST / BRIGHTEST, 1)
        place = np.searchsorted(chance, rng.random(), side="right")
        colour = PINK if rng.random() < 0.4 else BLUE
        at = np.array([columns.ravel()[place], rows.ravel()[place]]) + rng.uniform(-0.5, 0.5, 2)
        at += spiral.x, spiral.y
        pixel = np.round(at).astype(int)
        size = rng.uniform(0.1, 0.8) * sky.fwhm / 2  # half-light radius before the PSF
        stamp = sersic_stamp(
            knot * colour, size, 0.5, 1.0, 0.0, psf=sky.psf, offset=tuple(at - pixel)
        )
        add_stamp(planes, stamp, *pixel)
        left -= knot


def disc_of(flux, spiral, psf, **shape):
    """Return the light of a disc; of a large one at half the size, as stamps end at 400 pixels."""
    shrink = 2 if spiral.scale > max(SCALES) else 1
    radius = 1.678 * spiral.scale / shrink
    stamp = spiral_stamp(flux * COLOURS, radius, spiral.ratio, spiral.theta, psf=psf, **shape)
    side = shrink * (stamp.shape[-1] - 1) + 1
    enlarge = shrink * np.eye(2, 3)
    planes = [cv2.warpAffine(s, enlarge, (side, side), flags=cv2.INTER_CUBIC) for s in stamp]
    return np.stack(planes) / shrink**2


def add_spiral(planes, sky, rng, spiral):
    """Add a spiral with its knots, and the noise of its own light."""
    brightness = 10 ** (0.4 * (22.5 - rng.uniform(*BRIGHTNESS))) * PIXEL_SCALE**2
    flux = 2 * np.pi * spiral.scale**2 * spiral.ratio * brightness
    arms, winding = int(rng.integers(2, 5)), int(rng.choice([-1, 1]))
    shape = dict(pitch=rng.uniform(0.2, 0.5), handedness=winding, bulge=rng.uniform(0.05, 0.25))
    stamp = disc_of(flux, spiral, sky.psf, arms=arms, **shape)
    smooth = disc_of(flux, spiral, sky.psf, arms=0, **shape)
    stamp *= texture(rng, stamp.shape[-1])
    light = np.zeros_like(planes)
    add_stamp(light, stamp, round(spiral.x), round(spiral.y))
    add_knots(light, sky, rng, spiral, (stamp[1], smooth[1]), flux)
    planes += light + rng.normal(0, np.sqrt(np.maximum(light, 0) / PHOTONS))


def make_sky(sky, seed, scales):
    """Return the planes of a field with one spiral or four, and these."""
    rng, planes = np.random.default_rng(seed), sky.planes.copy()
    ny, nx = planes.shape[1:]
    spirals, n = [], int(len(scales) ** 0.5)
    for k, scale in enumerate(rng.permutation(scales)):
        middle = (k % n + 0.5) * nx / n, (k // n + 0.5) * ny / n
        x, y = np.round(middle + rng.uniform(-60, 60, 2))
        spirals.append(Spiral(x, y, scale, rng.uniform(0.4, 0.95), rng.uniform(0, np.pi)))
        add_spiral(planes, sky, rng, spirals[-1])
    return planes, spirals


def seen(detector, planes, kind, zoom=None):
    """Return the table of the galaxies of a field, planes of which have pixels of SDSS."""
    image = list(planes) if kind == "planes" else to_rgb(planes[::-1], kind)
    return detector.detect(image, zoom=1.0 if kind == "planes" else zoom)


def zoom_of(table):
    """Return by how much the image of a table was enlarged."""
    return json.loads(table.meta["PROV"])["passes"]["zoom"]


def judge(table, before, spirals):
    """Return counts: spirals found, false ones within and elsewhere, neighbours and those kept."""
    x, y = np.asarray(table["x"]), np.asarray(table["y"])
    old = np.stack([before["x"], before["y"]], axis=1)
    reach = np.min([spiral.reach(x, y) for spiral in spirals], axis=0)
    old_reach = np.min([spiral.reach(*old.T) for spiral in spirals], axis=0)
    distance = np.hypot(*(np.stack([x, y], axis=1)[:, None] - old).transpose(2, 0, 1))
    overlap = iou(pixel_boxes(table) + 0.5, np.array([spiral.box() for spiral in spirals]))
    new = (distance.min(axis=1) > NEAR) & (overlap.max(axis=1) < 0.5)
    kept = distance.min(axis=0) < NEAR
    near = (old_reach > 1) & (old_reach < 2)
    return np.array([
        (overlap.max(axis=0) >= 0.5).sum(), (new & (reach < 1)).sum(), (new & (reach >= 1)).sum(),
        kept[old_reach < 1].sum(), (old_reach < 1).sum(), kept[near].sum(), near.sum(),
    ])  # fmt: skip


def row_of(kind, counts, number):
    """Return a line of the table."""
    found, within, elsewhere, *own = counts
    kept = f"{own[0]:>5} of {own[1]:<5} {own[2]:>5} of {own[3]}"
    return f"{kind:<14} {found:>3} of {number:<2} {within:>8} {elsewhere:>9}  {kept}"


def draw(planes, table, spirals, path):
    """Write a picture of the field with the galaxies' boxes and the spirals' own."""
    picture = np.ascontiguousarray(to_rgb(planes[::-1], "L")[..., ::-1])
    for boxes, colour in (
        (np.array([spiral.box() for spiral in spirals]), (0, 255, 0)),
        (pixel_boxes(table) + 0.5, (0, 255, 255)),
    ):
        for x0, y0, x1, y1 in np.round(boxes).astype(int).tolist():
            cv2.rectangle(picture, (x0, y0), (x1, y1), colour, 1)
    cv2.imwrite(str(path), picture[::-1])


def main():
    """Print a table for each network."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=["default"], help="names or files of weights")
    parser.add_argument("--draw", type=Path, help="folder for a picture of each sky as planes")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    root = Path(field.data_folder()) / "sas"
    skies = [load_field(root, name, FIELDS[name]) for name in NAMES]
    made = {
        "small": [(k, *make_sky(sky, n, SCALES)) for k, sky in enumerate(skies) for n in SEEDS],
        "large": [(k, *make_sky(sky, h, (h,))) for k, sky in enumerate(skies) for h in LARGE],
    }
    print("                spirals    within elsewhere  own within    own near")
    for model in asked.models:
        detector = Detector(model, backend="onnxruntime")
        print(model)
        for kind in INPUTS:
            before = [seen(detector, sky.planes, kind) for sky in skies]
            for size, some in made.items():
                counts, number = np.zeros(7, int), sum(len(spirals) for *_, spirals in some)
                for n, (k, planes, spirals) in enumerate(some):
                    table = seen(detector, planes, kind, zoom_of(before[k]))
                    counts += judge(table, before[k], spirals)
                    if asked.draw and kind == "planes":
                        draw(planes, table, spirals, asked.draw / f"resolved-{size}-{n}.png")
                print(row_of(f"{kind}, {size}", counts, number), flush=True)


if __name__ == "__main__":
    main()
