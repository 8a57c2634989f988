"""Trained on one stretch, tested on another: AstroCV's robustness study on pictures that are here.

Galaxy Zoo's cutouts are JPEGs that SkyServer has stretched. They are brought back to relative flux
(`~astro_yolo.training.cutouts.linearise`) and then stretched as wanted; `restretch_error` says what
that step costs. Sets are written as those of `~astro_yolo.training.export_sets`: pictures
``NAME-STRETCH.jpg``, labels and what is to be ignored.
"""

import json
from collections import Counter
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from astro_yolo._files import replacing
from astro_yolo.catalog import CLASSES
from astro_yolo.detection import Detector
from astro_yolo.filters import FILTERS
from astro_yolo.stretch import STRETCHES, to_rgb
from astro_yolo.training.cutouts import SOFTENING, WEIGHTS, linearise, read_picture
from astro_yolo.training.deep import deep_planes
from astro_yolo.training.export_stock import outputs_of
from astro_yolo.training.picture_sets import SetError, read_set
from astro_yolo.training.samples import IGNORE, STAR
from astro_yolo.training.scoring import evaluate_set
from astro_yolo.training.summary import headline
from astro_yolo.training.yolo_files import MARKER, box_lines, label_lines, marker_text

__all__ = ["cross_matrix", "cutout_set", "deep_set", "restretch_error", "skyserver_picture"]

_QUALITY = 97  # of JPEG, AstroCV's
_SKYSERVER_QUALITY = 75  # that of the cutouts, by their quantisation tables


def cutout_set(cutouts, out, stretches=FILTERS, *, size=None):
    """
    Make a YOLO set of cutouts, each in some stretches.

    Parameters
    ----------
    cutouts : sequence of Cutout
        Of `~astro_yolo.training.dataset.measure_cutouts` or
        `~astro_yolo.training.other_surveys.read_other_surveys`; its galaxy is the object, its
        neighbours are ignored. One whose stretch cannot be undone is written as it is.
    out : path-like
        Folder to make; ``data.yaml`` is written last.
    stretches : sequence of str, optional
        Of `~astro_yolo.stretch.STRETCHES`.
    size : int, optional
        Longer side of the pictures, pixels: they are made smaller in flux. By default they stay.

    Returns
    -------
    `~pathlib.Path`
        ``data.yaml``.

    Raises
    ------
    SetError
        If there is no cutout with a class, two have one name, a stretch is unknown, or the folder
        is not empty.
    """
    wanted = [c for c in cutouts if c.label in CLASSES and np.isfinite(c.box).all()]
    folder = _claim(out, stretches)
    if not wanted:
        msg = "cutouts must hold one with a class and a box, got none"
        raise SetError(msg)
    (name, number), = Counter(c.path.stem.casefold() for c in wanted).most_common(1)
    if number > 1:
        msg = f"cutouts must be of different names, got {name!r} {number} times"
        raise SetError(msg)
    for cutout in wanted:
        paint, shape, zoom = _painter_of(cutout, size)
        kinds = np.array([CLASSES.index(cutout.label)])
        boxes, ignored = cutout.box[None] * zoom, cutout.others * zoom
        _write(folder, cutout.split, cutout.path.stem, paint, stretches, shape,
               boxes, kinds, ignored)  # fmt: skip
    return _finish(folder, stretches)


def _painter_of(cutout, size):
    """Return what paints a cutout in a stretch, or as it is, the shape, and the zoom to it."""
    picture = read_picture(cutout.path)
    if cutout.linear:
        light, zoom = _shrunk(linearise(picture), size)
        return partial(to_rgb, light), light.shape[1:], zoom
    planes, zoom = _shrunk(np.moveaxis(picture, -1, 0).astype(np.float32), size)
    small = np.moveaxis(planes, 0, -1).round().clip(0, 255).astype(np.uint8)
    return lambda _: small, small.shape[:2], zoom


def deep_set(stamps, out, number, stretches=FILTERS, *, size=416, seed=0):
    """
    Make a YOLO set of Hubble's galaxies on a blank sky.

    Parameters
    ----------
    stamps : list of (ny, nx) array
        From `~astro_yolo.training.deep.read_stamps`.
    out : path-like
        Folder to make.
    number : int
        Skies; all are in the split ``test``. Their galaxies have no class but ``unknown``, their
        stars are left out.
    stretches, size : optional
        As of `cutout_set`.
    seed : int, optional
        Of the random numbers.

    Returns
    -------
    `~pathlib.Path`
        ``data.yaml``.
    """
    folder = _claim(out, stretches)
    for k in range(number):
        planes, _, boxes, kinds = deep_planes(stamps, np.random.default_rng([seed, k]), size)
        galaxy = (kinds != STAR) & (kinds != IGNORE)
        labels = np.full(galaxy.sum(), CLASSES.index("unknown"))
        ignored = boxes[kinds == IGNORE]
        _write(folder, "test", f"{k:04d}", partial(to_rgb, planes[::-1]), stretches,
               planes.shape[1:], boxes[galaxy], labels, ignored)  # fmt: skip
    return _finish(folder, stretches)


def _claim(out, stretches):
    """Return the folder of a new set."""
    unknown = [name for name in stretches if name not in STRETCHES]
    if unknown or not stretches:
        msg = f"stretches must be among {', '.join(STRETCHES)}, got {', '.join(unknown) or 'none'}"
        raise SetError(msg)
    folder = Path(out).absolute()
    if folder.exists() and any(folder.iterdir()):
        msg = f"out: {folder} must be a new or an empty folder"
        raise SetError(msg)
    return folder


def _shrunk(light, size):
    """Return light on fewer pixels, and the pixels of the new for one of the old."""
    zoom = 1.0 if size is None else size / max(light.shape[1:])
    if zoom == 1.0:
        return light, 1.0
    side = round(light.shape[2] * zoom), round(light.shape[1] * zoom)
    planes = [cv2.resize(plane, side, interpolation=cv2.INTER_AREA) for plane in light]
    return np.stack(planes), zoom


def _write(folder, split, name, paint, stretches, shape, boxes, kinds, ignored):
    """Write the pictures of a set, of a shape and as ``paint(stretch)`` gives them, with labels."""
    (boxes, whole), (ignored, seen) = _inside(boxes, shape), _inside(ignored, shape)
    texts = {"labels": label_lines(np.asarray(kinds)[whole], boxes[whole], shape),
             "ignore": box_lines(ignored[seen], shape)}  # fmt: skip
    for kind in ("images", *texts):
        (folder / kind / split).mkdir(parents=True, exist_ok=True)
    for stretch in stretches:
        stem = f"{name}-{stretch}"
        for kind, lines in texts.items():
            text = "".join(f"{line}\n" for line in lines)
            (folder / kind / split / f"{stem}.txt").write_text(text, encoding="utf-8")
        path = folder / "images" / split / f"{stem}.jpg"
        path.write_bytes(_jpeg(paint(stretch), _QUALITY))


def _inside(boxes, shape):
    """Return boxes cut at the picture, and which of them are on it."""
    boxes = np.clip(np.asarray(boxes, dtype=float).reshape(-1, 4), 0, [shape[1], shape[0]] * 2)
    return boxes, (boxes[:, 2:] > boxes[:, :2]).all(axis=1)


def _jpeg(rgb, quality):
    """Return the bytes of a JPEG."""
    return cv2.imencode(".jpg", rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _finish(folder, stretches):
    """Write what makes the set whole."""
    splits = ("train", "val", "test")
    for split in splits:
        (folder / "images" / split).mkdir(parents=True, exist_ok=True)
    with replacing(folder / "recipe.json", overwrite=True) as part:
        part.write_text(json.dumps({"filters": list(stretches)}), encoding="utf-8")
    with replacing(folder / MARKER, overwrite=True) as part:
        part.write_text(marker_text(splits), encoding="utf-8")
    return folder / MARKER


def cross_matrix(models, sets, *, split="val", progress=False):
    """
    Test every network on every set.

    Parameters
    ----------
    models : dict of str to path-like or Detector
        What each was trained on, and its weights.
    sets : dict of str to (path-like, str or None)
        Name of a test; its set and the stretch of the pictures to take (None: all).
    split : str, optional
        Of the sets.
    progress : bool, optional
        Say on standard error what is at work.

    Returns
    -------
    `~astropy.table.Table`
        Columns ``trained``, ``tested``, ``pictures``, ``objects`` and those of
        `~astro_yolo.training.summary.headline`.

    Raises
    ------
    SetError, ExportError, ModelError
        As of `~astro_yolo.training.scoring.evaluate_set`; what any set or network lacks is told
        before the first picture.
    """
    from astropy.table import Table

    for data, stretch in sets.values():
        pictures = read_set(data)
        pictures.pictures(split, stretch)
        outputs_of(pictures.names)
    models = {trained: _checked(model) for trained, model in models.items()}
    rows = []
    for trained, model in models.items():
        for tested, (data, stretch) in sets.items():
            found = evaluate_set(model, data, split=split, stretch=stretch, progress=progress)
            pictures = list(found.pictures)
            numbers = headline(pictures, len(found.names), threshold=found.about["threshold"])
            objects = sum(len(picture.truth) for picture in pictures)
            rows.append({"trained": trained, "tested": tested, "pictures": len(pictures),
                         "objects": objects, **numbers})  # fmt: skip
    return Table(rows=rows)


def _checked(model):
    """Return the detector of a network, after a look at its file."""
    detector = model if isinstance(model, Detector) else Detector(model)
    _ = detector.weights
    return detector


def skyserver_picture(channels):
    """
    Stretch as SkyServer's colour cutouts are: what `~astro_yolo.training.cutouts.linearise` undoes.

    Parameters
    ----------
    channels : (3, ny, nx) array
        i, r, g in nanomaggies.

    Returns
    -------
    (ny, nx, 3) uint8 array
        Red, green, blue.
    """
    weights = np.float32(WEIGHTS)[:, None, None]
    weighted = np.maximum(np.asarray(channels, dtype=np.float32), 0) * weights
    total = weighted.sum(axis=0)
    factor = np.arcsinh(SOFTENING * total) / (SOFTENING * np.maximum(total, 1e-9))
    unit = weighted * factor
    unit = unit / np.maximum(unit.max(axis=0), 1)
    return (np.moveaxis(unit, 0, -1) * 255 + 0.5).astype(np.uint8)


def restretch_error(channels, stretches=FILTERS, *, threshold=0.1):
    """
    Measure what de-stretching a JPEG costs, on a field whose flux is known.

    The field becomes an 8-bit JPEG by SkyServer's stretch, is de-stretched, and stretched anew;
    this is compared with the stretch of the flux itself, over the pixels that hold light.

    Parameters
    ----------
    channels : (3, ny, nx) array
        i, r, g in nanomaggies, sky-subtracted.
    stretches : sequence of str, optional
        Of `~astro_yolo.stretch.STRETCHES`.
    threshold : float, optional
        A pixel holds light where the mean of the channels reaches this, nanomaggies.

    Returns
    -------
    `~astropy.table.Table`
        A row a stretch: ``median`` and ``percentile_95`` of the absolute difference in grey
        levels of 255; the row ``flux`` has relative differences of the flux instead.
    """
    from astropy.table import Table

    channels = np.nan_to_num(np.asarray(channels, dtype=np.float32))
    code = np.frombuffer(_jpeg(skyserver_picture(channels), _SKYSERVER_QUALITY), np.uint8)
    again = linearise(cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1])
    mean = channels.mean(axis=0)
    light = mean >= threshold
    if not light.any():
        msg = f"channels must hold a pixel of at least {threshold} nanomaggies, got none"
        raise SetError(msg)
    rows = [_differences("flux", np.abs(again.mean(axis=0) - mean)[light] / mean[light])]
    for name in stretches:
        pictures = [to_rgb(planes, name).astype(int)[light] for planes in (again, channels)]
        rows.append(_differences(name, np.abs(pictures[0] - pictures[1])))
    return Table(rows=rows)


def _differences(name, values):
    return {"stretch": name, "median": float(np.median(values)),
            "percentile_95": float(np.percentile(values, 95))}  # fmt: skip
