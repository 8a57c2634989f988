"""AstroCV's training sets on disk: YOLO pictures and labels, COCO, and a table of what is in them.

``images/SPLIT/NAME.jpg`` and ``labels/SPLIT/NAME.txt`` are read by stock ultralytics through
``data.yaml``. Galaxies that are real but have no class, or are too small, stand in
``ignore/SPLIT/NAME.txt``, four numbers a line as in the labels, and in ``coco-SPLIT.json`` as crowd
annotations, which COCO's scoring neither rewards nor punishes. As stock training knows no such
thing, ``blank_ignored`` can paint them over with the field's own sky.

Rows of a picture stand as in the frame: row 0 of the frame is the first row of the file, as AstroCV
has it, so ``rowc`` counts along the picture's y.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from astro_yolo._files import replacing
from astro_yolo._sky import pixel_to_sky, separation
from astro_yolo.catalog import CLASSES
from astro_yolo.exceptions import AstroYoloError, warn_user
from astro_yolo.image import read_image
from astro_yolo.stretch import to_rgb
from astro_yolo.training._frame_labels import check_fields, label_frame
from astro_yolo.training._progress import progress_bar
from astro_yolo.training.recipes import find_recipe, select_fields
from astro_yolo.training.sdss import frame_folder, frame_name
from astro_yolo.training.sky_splits import SPLITS, check_apart, check_assign, field_split
from astro_yolo.training.yolo_files import (
    MARKER,
    box_lines,
    coco_annotation,
    coco_file,
    label_lines,
    marker_text,
)

__all__ = ["DatasetError", "SkyField", "export_dataset", "published_table"]

_QUALITY = 97  # of JPEG, AstroCV's
_BANDS = "gri"
_STATE = "recipe.json"


class DatasetError(AstroYoloError, ValueError):
    """A data set cannot be made of what was given."""


@dataclass(frozen=True)
class SkyField:
    """A field of the set: its numbers, its galaxies, and further votes for them if there are."""

    run: int
    camcol: int
    field: int
    catalog: object
    votes: object = None

    @property
    def numbers(self):
        """Return run, camcol, field, as Python's own numbers."""
        return int(self.run), int(self.camcol), int(self.field)

    @property
    def name(self):
        """Return the name of its files."""
        return f"{self.run:06d}-{self.camcol}-{self.field:04d}"


def export_dataset(
    fields, frames, out, recipe, *, rerun=301, data_release=17, assign=None, blank_ignored=False,
    progress=False,
):  # fmt: skip
    """
    Make the training set of a recipe from downloaded frames.

    Bands are aligned on r through their WCS and converted by each of the recipe's filters. A call
    that was interrupted goes on where it stopped; ``data.yaml`` and the tables are written last, so
    that a folder without ``data.yaml`` is not a whole set.

    Parameters
    ----------
    fields : sequence of SkyField
        Fields with their galaxies; the recipe's selection draws from them.
    frames : path-like
        Folder of `~astro_yolo.training.download.download_frames`.
    out : path-like
        Folder to make. It may hold a set of the same recipe, fields and options, whole or not.
    recipe : str or Recipe
        T1 to T6.
    rerun, data_release : int, optional
        Of the frames.
    assign : dict of (int, int, int) to str, optional
        Splits of single fields of the set, instead of those by place on the sky. What they lead to
        is still refused if sky of two splits is nearer than 10 arcmin.
    blank_ignored : bool, optional
        Paint ignored galaxies over with pixels of the field's sky.
    progress : bool, optional
        Say on standard error how far it is.

    Returns
    -------
    `~pathlib.Path`
        ``data.yaml``.

    Raises
    ------
    RecipeError, DatasetError, SplitError, LabelError, VotesError
        If the recipe is unknown, there is no field, no object at all, a frame is missing, the
        folder holds something else, ``assign`` names a field that is not in the set, splits are
        too near to each other, or a catalogue or its votes cannot be used.
    ImageError
        If a frame is damaged or no image, or the bands do not belong together.
    """
    recipe, out, assign = find_recipe(recipe), Path(out), assign or {}
    drawn = set(select_fields([f.numbers for f in fields], recipe.selection))
    fields = [f for f in {f.numbers: f for f in fields}.values() if f.numbers in drawn]
    check_assign(assign, drawn)
    check_fields(fields)
    # before the folder is claimed: a call that is put right may be one for another set
    release = {"rerun": int(rerun), "data_release": int(data_release)}
    frames = [_frame_paths(frames, field.numbers, **release) for field in fields]
    _claim(out, _state(recipe, fields, assign) | release | {"blank_ignored": blank_ignored})
    images, places = [], []
    with progress_bar(len(fields), show=progress, of="field") as step:
        for sky_field, paths in zip(fields, frames, strict=True):
            found = _read_field(paths, sky_field, recipe, assign)
            step()
            if found is None:
                continue
            image, labels, place = found
            places.append(place)
            if assign:
                check_apart(*map(list, zip(*places, strict=True)))
            images += _write_field(
                out, place[1], sky_field.name, image, labels, recipe, blank_ignored
            )
    return _finish(out, recipe, images, len(fields))


def _read_field(paths, sky_field, recipe, assign):
    """Return image, labels and place of a field, or None for one that is not in the set."""
    image = read_image(paths)
    ra, dec, radius = _footprint(image)
    split = assign.get(sky_field.numbers) or field_split(ra, dec, radius)
    if split is None:  # too near to another split
        return None
    labels = label_frame(
        sky_field.catalog, sky_field.votes, image.wcs, image.shape, recipe.selection
    )
    if not len(labels.boxes):  # AstroCV keeps fields with a galaxy
        return None
    return image, labels, (sky_field.name, split, ra, dec, radius)


def _state(recipe, fields, assign):
    """Return what a set is made of, without the frames."""
    text = "\n".join(
        f"{f.numbers} {_fingerprint(f.catalog)} {_fingerprint(f.votes)}"
        for f in sorted(fields, key=lambda f: f.numbers)
    )
    return {
        "recipe": recipe.name,
        "filters": list(recipe.filters),
        "min_side": float(recipe.selection.min_side),
        "box_radii": float(recipe.selection.box_radii),
        "assign": sorted([*map(int, numbers), split] for numbers, split in assign.items()),
        "fields": hashlib.sha256(text.encode()).hexdigest(),
    }


def _claim(out, state):
    """Make the folder, or make sure that it holds the same set."""
    path = out / _STATE
    before = _read_state(path)
    if before == state:
        (out / MARKER).unlink(missing_ok=True)
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        other = [key for key in {**state, **before} if before.get(key) != state.get(key)]
        said = f" (not the same {', '.join(other)})" if before else ""
        msg = f"out: {out} exists and is not this set of recipe {state['recipe']}{said}"
        raise DatasetError(f"{msg}; name another folder")
    out.mkdir(parents=True, exist_ok=True)
    with replacing(path, overwrite=True) as part:
        part.write_text(json.dumps(state, indent=1), encoding="utf-8")


def _read_state(path):
    """Return what was noted of the set in a folder, nothing where it is none of ours."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _fingerprint(table):
    """Return a digest of a table's values and units."""
    if table is None:
        return "-"
    rows = repr([list(map(str, row)) for row in table])
    units = [f"{c.info.name} {c.unit}" for c in table.itercols() if getattr(c, "unit", None)]
    return hashlib.sha256(f"{table.colnames}{units or ''}{rows}".encode()).hexdigest()


def _frame_paths(folder, numbers, *, rerun, data_release):
    """Return the frames of a field by band; reading refuses those that are damaged."""
    run, camcol, number = numbers
    folder = frame_folder(folder, run, camcol, rerun=rerun, data_release=data_release)
    paths = {band: folder / frame_name(run, camcol, number, band) for band in _BANDS}
    for path in paths.values():
        if not path.is_file():
            msg = f"frames must hold the file {path.name}, which is not in {folder}"
            raise DatasetError(msg)
    return paths


def _footprint(image):
    """Return centre (degrees) and distance of the farthest corner (arcmin) of an image."""
    ny, nx = image.shape
    x = np.array([nx / 2, 0, nx, 0, nx]) - 0.5
    y = np.array([ny / 2, 0, 0, ny, ny]) - 0.5
    ra, dec = pixel_to_sky(image.wcs, x, y)
    return ra[0], dec[0], float(separation(ra[0], dec[0], ra, dec).max() / 60)


def _write_field(out, split, name, image, labels, recipe, blank_ignored):
    """Write the labels and pictures of a field that are not there, and return what is in each."""
    ny, nx = image.shape
    todo = []
    for filter_name in recipe.filters:
        stem = f"{name}-{filter_name}"
        todo.append((filter_name, out / "images" / split / f"{stem}.jpg"))
        _write_labels(todo[-1][1], labels, image.shape)  # before a picture, which would be whole
    if not all(path.is_file() for _, path in todo):
        channels = np.stack([np.nan_to_num(plane) for plane in image.data[::-1]])
        if blank_ignored:
            _blank(channels, labels)
        for filter_name, path in todo:
            if not path.is_file():
                _write_picture(path, to_rgb(channels, filter_name))
    return [
        {"path": path.relative_to(out).as_posix(), "split": split, "width": nx, "height": ny,
         "labels": labels}
        for _, path in todo
    ]  # fmt: skip


def _blank(channels, labels):
    """Paint ignored galaxies over with pixels of the sky, but no part of an object."""
    shape = channels.shape[1:]
    ignored, objects = _cover(labels.ignored, shape), _cover(labels.boxes, shape)
    paint = ignored & ~objects
    red = channels[0]
    middle = np.median(red)
    spread = 1.4826 * np.median(np.abs(red - middle))
    sky = np.flatnonzero(~ignored & ~objects & (np.abs(red - middle) < 2 * spread))
    if not len(sky):
        return
    rng = np.random.default_rng(0)
    flat = channels.reshape(3, -1)
    flat[:, paint.ravel()] = flat[:, rng.choice(sky, paint.sum())]


def _cover(boxes, shape):
    """Return which pixels boxes touch."""
    cover = np.zeros(shape, dtype=bool)
    for x0, y0, x1, y1 in boxes:
        cover[int(y0) : int(np.ceil(y1)), int(x0) : int(np.ceil(x1))] = True
    return cover


def _write_labels(picture, labels, shape):
    """
    Write the label file of a picture, and that of what is ignored on it.

    Beside a picture that is there they are left as they are: they may have been edited.
    """
    lines = label_lines(labels.kinds, labels.boxes, shape)
    split, stem = picture.parent.name, picture.stem
    root = picture.parents[2]
    for folder, text in (("labels", lines), ("ignore", box_lines(labels.ignored, shape))):
        path = root / folder / split / f"{stem}.txt"
        if picture.is_file() and path.is_file():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, overwrite=True) as part:
            part.write_text("".join(f"{line}\n" for line in text), encoding="utf-8")


def _write_picture(path, rgb):
    """Write a JPEG in one go."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colours = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY, *colours]
    done, data = cv2.imencode(".jpg", rgb[..., ::-1], options)
    if not done:
        msg = f"{path.name} could not be written as JPEG"
        raise DatasetError(msg)
    with replacing(path, overwrite=True) as part:
        part.write_bytes(data.tobytes())


def _finish(out, recipe, images, number):
    """Write COCO files, tables and data.yaml; the last makes the set whole."""
    if not images:
        (out / _STATE).unlink()  # nothing was written: another call may use the folder
        msg = f"fields must hold an object of recipe {recipe.name}, got none in {number} fields: "
        raise DatasetError(msg + "none has votes and a large enough box, or splits are too near")
    counts = _counts(images)
    for split in SPLITS:
        chosen = [image for image in images if image["split"] == split]
        (out / "images" / split).mkdir(parents=True, exist_ok=True)
        with replacing(out / f"coco-{split}.json", overwrite=True) as part:
            part.write_text(json.dumps(_coco(chosen)), encoding="utf-8")
        if not chosen and split != "test":
            warn_user(f"no field of the set is in the split {split}; assign= can name one")
    with replacing(out / "objects.ecsv", overwrite=True) as part:
        published_table(recipe, counts).write(part, format="ascii.ecsv", delimiter=",")
    selection = recipe.selection
    title = (
        f"# recipe {recipe.name}, filters {' '.join(recipe.filters)}, boxes of "
        f"{selection.box_radii:g} Petrosian radii from {selection.min_side:g} pixels\n"
    )
    with replacing(out / MARKER, overwrite=True) as part:
        part.write_text(title + marker_text(SPLITS), encoding="utf-8")
    return out / MARKER


def _counts(images):
    """Return images and objects per split; an object counts once, in however many filters."""
    counts = {split: {"images": 0, "objects": {}} for split in SPLITS}
    for image in images:
        entry, labels = counts[image["split"]], image["labels"]
        entry["images"] += 1
        entry["objects"] |= dict(zip(labels.ids.tolist(), labels.kinds.tolist(), strict=True))
    return counts


def published_table(recipe, counts):
    """
    Return the objects per class and split, and the published numbers beside them.

    Parameters
    ----------
    recipe : str or Recipe
        T1 to T6.
    counts : dict
        Split to ``images`` (number) and ``objects`` (objID to index of the class).

    Returns
    -------
    `~astropy.table.Table`
        A row a split: ``split, images, objects``, one column a class, ``published_images`` and
        ``published_objects`` (0 for the test split, which the paper does not have).
    """
    from astropy.table import Table

    recipe = find_recipe(recipe)
    selection, rows = recipe.selection, []
    for split in SPLITS:
        kinds = list(counts[split]["objects"].values())
        place = {"train": 0, "val": 1}.get(split)
        # the paper's sets count training pictures; of validation it gives the number of fields
        published = {"train": recipe.images, "val": selection.images[1]}.get(split, 0)
        objects = 0 if place is None else selection.objects[place]
        per_class = [kinds.count(k) for k in range(len(CLASSES))]
        rows.append((split, counts[split]["images"], len(kinds), *per_class, published, objects))
    names = ("split", "images", "objects", *CLASSES, "published_images", "published_objects")
    return Table(rows=rows, names=names)


def _coco(images):
    """Return the COCO form of some pictures; ignored regions are crowds of every class."""
    annotations, entries = [], []
    for number, image in enumerate(images, start=1):
        entries.append(
            {"id": number, "file_name": image["path"], "width": image["width"],
             "height": image["height"]}
        )  # fmt: skip
        labels = image["labels"]
        objects = zip(labels.boxes, labels.kinds, labels.magnitudes, strict=True)
        for box, kind, magnitude in objects:
            annotations.append(coco_annotation(number, box, int(kind) + 1, 0))
            if np.isfinite(magnitude):
                annotations[-1]["magnitude_r"] = round(float(magnitude), 3)
        for box in labels.ignored:
            annotations += [coco_annotation(number, box, k + 1, 1) for k in range(len(CLASSES))]
    return coco_file(entries, annotations)
