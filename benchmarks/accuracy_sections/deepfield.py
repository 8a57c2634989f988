"""The eXtreme Deep Field picture seen otherwise: as other people and telescopes would have made it.

Its galaxies of a score of 0.9 or more must be found again when the picture is stretched, rescaled,
turned or compressed, when bright stars with six spikes stand in it, when the light of a cluster
lies over it, and when a lens in front of it draws them into arcs: an isothermal sphere with an
Einstein radius of 110 pixels, whose primary image of a galaxy at a distance b from the middle lies
at b + 110, drawn out by 1 + 110 / b along the circle. Those are looked for that the network finds
in the whole picture, without a closer look; what is found again is told with it and without.
"""

from itertools import pairwise
from unittest.mock import patch

import cv2
import numpy as np

from accuracy_sections.session import rate, text
from accuracy_sections.sheets import DEEP
from astro_yolo.catalog import pixel_boxes
from astro_yolo.training.cutouts import read_picture

__all__ = ["run"]

SURE = 0.9  # score of the galaxies that are looked for
NEAR = 5.0  # pixels of the original
EINSTEIN = 110.0  # pixels
LENSES = ((500, 436), (300, 300), (700, 560), (350, 620), (650, 250))
DRAWN_OUT = (1, 1.4, 2, 4, np.inf)  # borders of the bins of how far images are drawn out
BORDER = 15  # pixels
_STARS, _SEED = 24, 4
_DRAWN = 1  # lens of the picture


def run(session):
    """
    Look for the galaxies of the deep field in all variants.

    Parameters
    ----------
    session : accuracy_sections.session.Session
        The run.

    Returns
    -------
    dict
    """
    picture = read_picture(session.data / DEEP).astype(np.float32)
    tables = _with_and_without(session, _bytes(picture))
    known = tables[1][tables[1]["score"] >= SURE]
    print(f"{'':<22}{'n':>5}  of {len(known)} sure ones found again{'':<6}without a closer look")
    print(f"{'as it is':<22}{len(tables[0]):>5}{'':<34}{len(tables[1]):>5}")
    found = {}
    for name, (image, affine) in _variants(picture).items():
        tables = _with_and_without(session, image)
        shares = [_again(known, table, image.shape, affine) for table in tables]
        found[name] = {
            "number": len(tables[0]), "again": shares[0],
            "number_without": len(tables[1]), "again_without": shares[1],
        }  # fmt: skip
        cells = zip(map(len, tables), map(text, shares), strict=True)
        print(f"{name:<22}" + "  ".join(f"{number:>5}  {share:<30}" for number, share in cells))
    return found | {"lensed": _lensed(session, picture, known)}


def _with_and_without(session, image):
    """Return what is found with a closer look and without one."""
    with_it = session.detector.detect(image, score=session.score)
    with patch("astro_yolo._scan.needs_closer_look", return_value=False):
        return with_it, session.detector.detect(image, score=session.score)


def _again(known, table, shape, affine):
    """Return how many of the known ones within a variant of the picture are found in it."""
    places = np.stack([known["x"], known["y"]], axis=1) @ affine[:, :2].T + affine[:, 2]
    inside = _inside(places, shape)
    scale = np.sqrt(abs(np.linalg.det(affine[:, :2])))
    hit = _distance(places[inside], table) < NEAR * max(1, scale)
    return rate(int(hit.sum()), len(hit))


def _bytes(picture):
    """Return 8-bit values."""
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


def _inside(places, shape):
    """Tell which places are far enough from the border."""
    return ((places > BORDER) & (places < np.array(shape[1::-1]) - 1 - BORDER)).all(axis=1)


def _distance(places, table):
    """Return the distance from each place to the nearest detection, pixels."""
    offsets = places[:, None] - np.stack([table["x"], table["y"]], axis=1)
    return np.hypot(*np.moveaxis(offsets, -1, 0)).min(axis=1, initial=np.inf)


def _variants(picture):
    """Return name -> 8-bit picture, and the 2 x 3 affine from the original's pixels to its own."""
    same = np.eye(2, 3)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 75]
    code = cv2.imencode(".jpg", _bytes(picture), quality)[1]
    made = {
        "twice as bright": _bytes(picture * 2),
        "half as bright": _bytes(picture / 2),
        "gamma 0.6": _bytes(255 * (picture / 255) ** 0.6),
        "gamma 1.6": _bytes(255 * (picture / 255) ** 1.6),
        "grey": _bytes(np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2)),
        "JPEG of quality 75": cv2.imdecode(code, cv2.IMREAD_COLOR),
        "stars with spikes": _bytes(_with_stars(picture)),
        "light of a cluster": _bytes(picture + _glow(picture.shape)),
    }
    found = {name: (image, same) for name, image in made.items()}
    turn = cv2.getRotationMatrix2D(tuple(np.array(picture.shape[1::-1]) / 2), 33, 1)
    size = picture.shape[1::-1]
    found["turned by 33 degrees"] = (
        _bytes(cv2.warpAffine(picture, turn, size, flags=cv2.INTER_CUBIC)), turn,
    )  # fmt: skip
    for zoom, way in ((0.7, cv2.INTER_AREA), (1.5, cv2.INTER_CUBIC), (2.0, cv2.INTER_CUBIC)):
        image = _bytes(cv2.resize(picture, None, fx=zoom, fy=zoom, interpolation=way))
        found[f"{zoom:g} times the size"] = image, np.column_stack(
            [np.eye(2) * zoom, np.full(2, (zoom - 1) / 2)]
        )
    return found


def _glow(shape):
    """Return yellowish light, 90 levels in the middle and 200 pixels wide."""
    y, x = np.indices(shape[:2])
    light = np.exp(-((x - shape[1] / 2) ** 2 + (y - shape[0] / 2) ** 2) / 2 / 200**2)
    return light[..., None] * np.array([90, 75, 55])


def _with_stars(picture):
    """Return a picture with saturated stars, as a telescope with a hexagonal mirror shows them."""
    rng = np.random.default_rng(_SEED)
    size = np.array(picture.shape[1::-1])
    for _ in range(_STARS):
        place = rng.uniform(30, size - 30)
        peak = np.exp(rng.uniform(np.log(150), np.log(30_000)))
        light = _star(picture.shape[:2], place, peak, rng.uniform(2, 3))
        picture = picture + light[..., None] * rng.uniform(0.85, 1, 3)
    return picture


def _star(shape, place, peak, fwhm):
    """Return a star with three long spikes and a short one through its middle."""
    y, x = np.indices(shape)
    x, y = x - place[0], y - place[1]
    light = (1 + (np.hypot(x, y) / fwhm * 1.5) ** 2) ** -1.8
    reach = 15 * (peak / 255) ** 0.45
    for degrees, share in ((37, 1), (97, 1), (157, 1), (7, 0.35)):
        turn = np.deg2rad(degrees)
        along = np.abs(x * np.cos(turn) + y * np.sin(turn))
        across = y * np.cos(turn) - x * np.sin(turn)
        fall = np.exp(-3 * along / reach / share) / (1 + 6 * along / reach / share)
        light += 0.35 * fall * np.exp(-0.5 * (across / (fwhm / 2 + 0.004 * along)) ** 2)
    return peak * light


def _lensed(session, picture, known):
    """Print and return how many primary images of lensed galaxies are found."""
    places = np.stack([known["x"], known["y"]], axis=1)
    drawn_out, hits = [], []
    for k, lens in enumerate(LENSES):
        image = _through_lens(picture, lens, np.random.default_rng(k))
        tables = _with_and_without(session, image)
        distance = np.hypot(*(places - lens).T)
        factor = (distance + EINSTEIN) / distance
        images = lens + (places - lens) * factor[:, None]
        inside = _inside(images, image.shape)
        drawn_out.append(factor[inside])
        hits.append([_covered(images[inside], pixel_boxes(table)) for table in tables])
        if session.out and k == _DRAWN:
            _draw(session.out / "sheet-lensed.jpg", image, tables[0], lens)
    drawn_out, hits = np.concatenate(drawn_out), np.concatenate(hits, axis=1)
    found = {}
    for low, high in pairwise(DRAWN_OUT):
        some = (drawn_out >= low) & (drawn_out < high)
        name = f"drawn out {low:g}-{high:g}"
        shares = [rate(int(hit[some].sum()), int(some.sum())) for hit in hits]
        found[name], found[f"{name}, without"] = shares
        print(f"{'lensed, ' + name:<29}{text(shares[0]):<30}{'':<9}{text(shares[1])}")
    return found


def _through_lens(picture, lens, rng):
    """Return what an isothermal sphere makes of a picture, with noise for what is resampled."""
    y, x = np.indices(picture.shape[:2], dtype=np.float32)
    x, y = x - lens[0], y - lens[1]
    shrink = 1 - EINSTEIN / (np.hypot(x, y) + 1e-3)
    at = [(lens[0] + x * shrink).astype(np.float32), (lens[1] + y * shrink).astype(np.float32)]
    image = cv2.remap(picture, *at, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return _bytes(image + rng.normal(0, 4, image.shape))


def _covered(places, boxes):
    """Tell which places lie in a box."""
    low, high = places[:, None] > boxes[:, :2], places[:, None] < boxes[:, 2:]
    return (low & high).all(axis=2).any(axis=1)


def _draw(path, image, table, lens):
    """Draw the detections round a lens, twice as large."""
    half, big = 230, cv2.resize(image[..., ::-1], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    for box in np.round(2 * (pixel_boxes(table) + 0.5)).astype(int):
        cv2.rectangle(big, tuple(map(int, box[:2])), tuple(map(int, box[2:])), (0, 255, 255), 1)
    x, y = (2 * (center - half) for center in lens)
    part = big[max(0, y) : y + 4 * half, max(0, x) : x + 4 * half]
    cv2.imwrite(str(path), part, [cv2.IMWRITE_JPEG_QUALITY, 80])
