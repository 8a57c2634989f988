"""Square pictures of the same size of galaxies of any size, for the network that tells types."""

import cv2
import numpy as np

from astro_yolo.stretch import NETWORK_SKY

__all__ = ["REACH", "SIZE", "cut_stamps"]

#: Side of the stamps that networks are trained on now, pixels.
SIZE = 64

#: Side of the sky in a stamp over the longer side of the box.
REACH = 1.4


def cut_stamps(planes, boxes, size=SIZE):
    """
    Cut out galaxies and bring them to one size.

    Parameters
    ----------
    planes : (3, ny, nx) float32 array or list of three (ny, nx) arrays
        Image in network units, see `astro_yolo.stretch.to_network`.
    boxes : (N, 4) array
        Edge pixels.
    size : int, optional
        Side of a stamp, pixels.

    Returns
    -------
    (N, 3, size, size) float32 array
        `REACH` times the longer side of the box across; sky beyond the image.
    """
    image = [np.ascontiguousarray(plane) for plane in planes]
    out = np.empty((len(boxes), 3, size, size), dtype=np.float32)
    for stamp, box in zip(out, boxes, strict=True):
        _cut(image, box, stamp)
    return out


def _cut(planes, box, out):
    """Fill ``out`` with one stamp of the three planes."""
    side = max(3, round(REACH * max(box[2] - box[0], box[3] - box[1])))
    low = np.round((box[:2] + box[2:] - side) / 2).astype(int)
    shape = np.array(planes[0].shape[::-1])
    start, stop = np.clip([low, low + side], 0, shape)
    before, after = start - low, low + side - stop
    size = out.shape[-1]
    way = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    for plane, target in zip(planes, out, strict=True):
        part = plane[start[1] : stop[1], start[0] : stop[0]]
        if before.any() or after.any():
            margins = before[1], after[1], before[0], after[0]
            part = cv2.copyMakeBorder(part, *margins, cv2.BORDER_CONSTANT, value=NETWORK_SKY)
        target[:] = cv2.resize(part, (size, size), interpolation=way)
