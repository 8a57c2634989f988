"""The input of networks that were trained on stretched 8-bit pictures, as AstroCV's were."""

import cv2
import numpy as np

from astro_yolo.filters import white_of
from astro_yolo.stretch import to_channels, to_rgb

__all__ = ["to_picture"]


def to_picture(bands, mask, *, stretch, zoom=1.0, finished=False):
    """
    Stretch bands to the picture that a network was trained on.

    Parameters
    ----------
    bands : sequence of (ny, nx) arrays
        Planes from short to long wavelength; AstroCV's stretches expect nanomaggies.
    mask : (ny, nx) bool array or None
        True for bad pixels, which become 0.
    stretch : str
        One of `~astro_yolo.stretch.STRETCHES`.
    zoom : float, optional
        Pixels of the network's input for one of the image.
    finished : bool, optional
        The bands are those of a picture that somebody has stretched already: they are taken as
        they are, with 255, or 65535 in 16 bits, as white.

    Returns
    -------
    (3, ny', nx') float32 array
        Red, green and blue, 0 to 1 in whole grey levels.
    """
    channels = [np.nan_to_num(np.asarray(c, dtype=np.float32)) for c in to_channels(bands)]
    if mask is not None:
        channels = [np.where(mask, np.float32(0), channel) for channel in channels]
    if finished:
        stacked = np.stack(channels, axis=-1)
        rgb = (np.clip(stacked / white_of(channels), 0, 1) * 255 + 0.5).astype(np.uint8)
    else:
        rgb = to_rgb(channels, stretch)
    ny, nx = rgb.shape[:2]
    size = max(1, round(nx * zoom)), max(1, round(ny * zoom))
    if size != (nx, ny):
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR)  # as training does
    return np.ascontiguousarray(np.moveaxis(rgb, -1, 0), dtype=np.float32) / np.float32(255)
