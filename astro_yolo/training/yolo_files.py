"""The text of YOLO and COCO detection sets, written the same way by whatever makes a set."""

import numpy as np

from astro_yolo.catalog import CLASSES

__all__ = ["MARKER", "box_lines", "coco_annotation", "coco_file", "label_lines", "marker_text"]

#: File that says what is in a set; it is written last, and makes the set whole.
MARKER = "data.yaml"


def box_lines(boxes, shape):
    """
    Return boxes as YOLO writes them.

    Parameters
    ----------
    boxes : (N, 4) array
        xmin, ymin, xmax, ymax in edge pixels.
    shape : (int, int)
        Rows and columns of the picture.

    Returns
    -------
    list of str
        Centre and size of each as shares of the picture.
    """
    x0, y0, x1, y1 = (np.reshape(boxes, (-1, 4)) / ([shape[1], shape[0]] * 2)).T
    columns = np.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], axis=1)
    return [" ".join(f"{value:.7f}" for value in row) for row in columns]


def label_lines(kinds, boxes, shape):
    """
    Return the lines of a label file.

    Parameters
    ----------
    kinds : (N,) int array
        Classes.
    boxes, shape
        As of `box_lines`.

    Returns
    -------
    list of str
    """
    return [f"{kind} {box}" for kind, box in zip(kinds, box_lines(boxes, shape), strict=True)]


def marker_text(splits, names=CLASSES):
    """
    Return what stands in `MARKER`.

    Parameters
    ----------
    splits : iterable of str
        Parts of the set; the pictures of each are in ``images/SPLIT``.
    names : sequence of str, optional
        Classes by number.

    Returns
    -------
    str
    """
    places = "".join(f"{split}: images/{split}\n" for split in splits)
    listed = "".join(f"  {k}: {name}\n" for k, name in enumerate(names))
    return f"{places}names:\n{listed}"


def coco_annotation(image, box, category, crowd):
    """
    Return one annotation of a COCO file, without its number.

    Parameters
    ----------
    image, category : int
        Number of the picture and of the class, which count from 1.
    box : (4,) array
        xmin, ymin, xmax, ymax in edge pixels.
    crowd : int
        1 for a region in which nothing is judged.

    Returns
    -------
    dict
    """
    x0, y0, x1, y1 = (round(float(value), 3) for value in box)
    size = [round(x1 - x0, 3), round(y1 - y0, 3)]
    return {"image_id": image, "category_id": category, "bbox": [x0, y0, *size],
            "area": round(size[0] * size[1], 3), "iscrowd": crowd}  # fmt: skip


def coco_file(images, annotations):
    """
    Return a COCO file; its annotations get their numbers.

    Parameters
    ----------
    images, annotations : list of dict
        Entries of the file.

    Returns
    -------
    dict
    """
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(CLASSES)]
    return {"images": images, "annotations": annotations, "categories": categories}
