"""Whether the sky of an image is as flat as the network takes it to be.

One level and one noise are taken for the whole of a band. Where the sky has a slope or steps, as
between the amplifiers of a raw exposure, what is darker drowns and the noise seems larger.
"""

import numpy as np

from astro_yolo.exceptions import InputWarning, warn_user
from astro_yolo.tiling import even_spans

__all__ = ["sky_variation", "warn_of_uneven_sky"]

_BLOCKS, _SIDE = 8, 32  # blocks along each border, and their longest side in pixels
_FEWEST = 64  # usable pixels of a block
# times the noise: over an SDSS frame a slope of 20 costs more than half of the galaxies
_MOST = 5.0
_BETWEEN = 15, 85  # percentiles: a bright star or a galaxy in a corner does not count


def warn_of_uneven_sky(image):
    """
    Warn where the sky of an image varies so much that galaxies will be missed.

    Parameters
    ----------
    image : SkyImage
        The image; pictures, whose sky somebody has dealt with, are not looked at.
    """
    if image.kind == "picture":
        return
    variation = sky_variation(image)
    worst = int(np.argmax(variation))
    if variation[worst] > _MOST:
        band = f" of band {image.bands[worst]}" if len(variation) > 1 else ""
        warn_user(
            f"the sky{band} in {image.name or 'the image'} is not flat: along the border it varies"
            f" by {variation[worst]:.1f} times its noise, and galaxies are missed where it is"
            " darker; background=128 subtracts a sky that changes slowly, but not a nebula or a"
            " cluster",
            InputWarning,
        )


def sky_variation(image):
    """
    Measure how much the sky varies along the border of an image.

    The middle is left out: a galaxy may fill it.

    Parameters
    ----------
    image : SkyImage
        The image.

    Returns
    -------
    (n_bands,) array
        Distance of the 15th and the 85th percentile of the medians of blocks, in units of the noise
        inside them; 0 where fewer than half of the blocks can be used.
    """
    windows = list(_border(image.shape))
    blocks = [_level_and_noise(*image.window(*window)) for window in windows]
    usable = np.array([block for block in blocks if block is not None])
    if 2 * len(usable) < len(windows):
        return np.zeros(len(image.data))
    level, noise = usable[:, 0], np.median(usable[:, 1], axis=0)
    low, high = np.percentile(level, _BETWEEN, axis=0)
    return np.divide(high - low, noise, out=np.zeros_like(noise), where=noise > 0)


def _border(shape):
    """Yield the windows of the blocks along the border."""
    rows, columns = (_spans(side) for side in shape)
    for j, row in enumerate(rows):
        for k, column in enumerate(columns):
            if j in (0, len(rows) - 1) or k in (0, len(columns) - 1):
                yield (*row, *column)


def _spans(side):
    """Return first pixel and one past the last of the blocks along an axis."""
    return even_spans(side, _BLOCKS, min(_SIDE, max(1, side // _BLOCKS)))


def _level_and_noise(bands, mask):
    """Return the median and the scatter of each band of a block, (2, n), or None if it has few."""
    good = np.isfinite(bands).all(axis=0)
    if mask is not None:
        good &= ~mask
    if good.sum() < _FEWEST:
        return None
    values = bands[:, good]
    level = np.median(values, axis=1)
    return np.stack([level, 1.4826 * np.median(np.abs(values - level[:, None]), axis=1)])
