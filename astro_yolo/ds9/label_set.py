"""What was judged, as a set that the training pipeline and other YOLO and COCO tools read."""

import json
from pathlib import Path

import numpy as np

from astro_yolo._files import replacing
from astro_yolo.catalog import CLASSES, pixel_boxes, write_table
from astro_yolo.ds9.review import ReviewError
from astro_yolo.overlays import write_regions
from astro_yolo.training.picture_sets import SetError, read_set
from astro_yolo.training.yolo_files import (
    MARKER,
    coco_annotation,
    coco_file,
    label_lines,
    marker_text,
)

__all__ = ["check_set", "write_labels", "write_reviewed"]

_SPLITS = ("train", "val")


def write_reviewed(table, stem, *, overwrite=False):
    """
    Write a reviewed table as ECSV and as DS9 regions.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Of `~astro_yolo.ds9.review.Review.result`.
    stem : path-like
        Path without an ending.
    overwrite : bool, optional
        Replace existing files.

    Returns
    -------
    list of `~pathlib.Path`
        ``STEM.ecsv`` and ``STEM.reg``.

    Raises
    ------
    OSError
        If a file exists and ``overwrite`` is False; then none is written.
    """
    paths = [Path(f"{stem}{ending}") for ending in (".ecsv", ".reg")]
    there = [str(path) for path in paths if path.exists()]
    if there and not overwrite:
        msg = f"stem: {', '.join(there)} exists already; overwrite=True replaces it"
        raise FileExistsError(msg)
    write_table(table, paths[0], overwrite=overwrite)
    write_regions(table, paths[1], shape="box", frame="image", overwrite=overwrite)
    return paths


def write_labels(table, image, folder, name, *, split="train", stretch="LH", overwrite=False):
    """
    Add an image and its objects to a YOLO set, beside COCO's form of it.

    The set is one that ``astro-yolo train`` takes: ``images/SPLIT/NAME-STRETCH.png``,
    ``labels/SPLIT/NAME-STRETCH.txt``, ``coco-SPLIT.json`` and ``data.yaml``. Stars are
    left out. Images judged later are added to the same set. Row 0 of a picture is the
    bottom of the image, as in all sets of this package.

    Parameters
    ----------
    table : `~astropy.table.Table`
        What is on the image: ``xmin, ymin, xmax, ymax`` in 0-based pixels, ``label``.
    image : anything that `~astro_yolo.read_image` takes, or SkyImage
        The image that was judged.
    folder : path-like
        The set.
    name : str
        Of the image.
    split : {"train", "val"}, optional
        Part of the set.
    stretch : str, optional
        One of `~astro_yolo.stretch.STRETCHES`. A picture is taken as it is: give the stretch that
        it was made by.
    overwrite : bool, optional
        Replace an image of the same name.

    Returns
    -------
    `~pathlib.Path`
        The picture.

    Raises
    ------
    ReviewError
        If the split is unknown, a label is none of ours, or the set of the folder has other
        classes.
    OSError
        If the picture exists and ``overwrite`` is False, or exists in the other split.
    """
    import cv2

    from astro_yolo._picture import painted
    from astro_yolo.image import read_image
    from astro_yolo.stretch import to_channels

    if split not in _SPLITS:
        msg = f"split must be one of {', '.join(_SPLITS)}, got {split!r}"
        raise ReviewError(msg)
    check_set(folder)
    image = image if hasattr(image, "n_bands") else read_image(image)
    boxes, kinds = _objects(table, image.shape)
    folder = Path(folder)
    picture = folder / "images" / split / f"{name}-{stretch}.png"
    others = [folder / "images" / each / picture.name for each in _SPLITS if each != split]
    if there := next((path for path in others if path.exists()), None):
        msg = f"name: {there} is in another split of the set already"
        raise FileExistsError(msg)
    if picture.exists() and not overwrite:
        msg = f"name: {picture} exists already; overwrite=True replaces it"
        raise FileExistsError(msg)
    for part in ("images", "labels"):
        for each in _SPLITS:
            (folder / part / each).mkdir(parents=True, exist_ok=True)
    channels = [np.nan_to_num(plane) for plane in to_channels(image.data)]
    rgb = painted(channels, image.kind, stretch)
    _, code = cv2.imencode(".png", rgb[..., ::-1])
    lines = "".join(f"{line}\n" for line in label_lines(kinds, boxes, image.shape))
    _write(folder / "labels" / split / f"{picture.stem}.txt", lines)
    with replacing(picture, overwrite=True) as part:
        part.write_bytes(code.tobytes())
    _write(folder / f"coco-{split}.json", _coco(folder, split, picture, boxes, kinds, image.shape))
    if not (folder / MARKER).exists():
        _write(folder / MARKER, marker_text(_SPLITS))
    return picture


def check_set(folder):
    """
    Make sure that a folder is free for `write_labels`, or holds a set of the same classes.

    Parameters
    ----------
    folder : path-like
        Of the set.

    Raises
    ------
    ReviewError
        If the classes or folders of the set there are others, or its files are damaged.
    """
    folder = Path(folder)
    if (folder / MARKER).exists():
        try:
            found = read_set(folder)
        except SetError as error:
            raise ReviewError(f"folder must hold a set of ours or none: {error}") from error
        if found.names != CLASSES:
            msg = f"folder must hold a set of the classes {', '.join(CLASSES)}, or none, and that "
            raise ReviewError(f"{msg}in {folder} has {', '.join(found.names)}")
    for split in _SPLITS:
        _read_coco(folder / f"coco-{split}.json")


def _objects(table, shape):
    """Return boxes in edge pixels, cut at the image, and numbers of the classes."""
    labels = [str(label) for label in table["label"]]
    unknown = sorted(set(labels) - {*CLASSES, "star"})
    if unknown:
        msg = f"label must be one of {', '.join(CLASSES)} or star, got {', '.join(unknown)}"
        raise ReviewError(msg)
    boxes = np.clip(pixel_boxes(table) + 0.5, 0, [shape[1], shape[0]] * 2)
    kept = np.array([label != "star" for label in labels], bool)
    kept &= (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    kinds = [CLASSES.index(label) for label, keep in zip(labels, kept, strict=True) if keep]
    return boxes[kept], kinds


def _coco(folder, split, picture, boxes, kinds, shape):
    """Return COCO's form of the split with this picture in it."""
    place = picture.relative_to(folder).as_posix()
    old = _read_coco(folder / f"coco-{split}.json")
    images = [entry for entry in old.get("images", []) if entry["file_name"] != place]
    kept = {entry["id"] for entry in images}
    notes = [note for note in old.get("annotations", []) if note["image_id"] in kept]
    number = max(kept, default=0) + 1
    images.append({"id": number, "file_name": place, "width": shape[1], "height": shape[0]})
    notes += [coco_annotation(number, box, kind + 1, 0)
              for box, kind in zip(boxes, kinds, strict=True)]  # fmt: skip
    return json.dumps(old | coco_file(images, notes))


def _read_coco(path):
    """Return what a COCO file of our classes holds, nothing if there is none."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        names = [(entry["id"], entry["name"]) for entry in found["categories"]]
    except (LookupError, TypeError, ValueError) as error:
        raise ReviewError(f"{path} must be a COCO file: {error}") from error
    if names != list(enumerate(CLASSES, start=1)):
        msg = f"{path} must have the categories {', '.join(CLASSES)} from 1 on, got {names}"
        raise ReviewError(msg)
    return found


def _write(path, text):
    with replacing(path, overwrite=True) as part:
        part.write_text(text, encoding="utf-8")
