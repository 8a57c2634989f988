"""Stretches: pixel values to a picture for people, or to the input of the network.

One library serves training, detection and display, so that the network always
sees at prediction what it saw in training.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from astro_yolo._display_curves import CURVES, OF_SKY
from astro_yolo.filters import FILTERS, apply_filter, finite, scale_channels

__all__ = [
    "NETWORK_SKY",
    "NETWORK_STRETCH",
    "STRETCHES",
    "background_noise",
    "from_network",
    "levels_of",
    "rise_above_median",
    "sampled",
    "to_channels",
    "to_network",
    "to_rgb",
]

#: Name of the network's input scaling; stored in the weights and checked on loading.
NETWORK_STRETCH = "asinh-noise-1"

#: Network value of the sky, which leaves room for negative noise below it.
NETWORK_SKY = 0.125

_GAIN = 1 / 12  # asinh units to network units: 36 000 sigma reach 1
_SOFT = 2.0  # in units of the noise; below it the scale is linear
# what becomes the network's 0, by a hair more lest it round to less; and a square that is finite
_RANGE = np.float32(-0.999999 * np.sinh(NETWORK_SKY / _GAIN)), np.float32(1e18)


def to_channels(bands):
    """
    Arrange bands into red, green and blue planes.

    Parameters
    ----------
    bands : sequence of (ny, nx) arrays or (n_bands, ny, nx) array
        Planes from short to long wavelength.

    Returns
    -------
    list of (ny, nx) arrays
        Red, green and blue. One band fills all three; of two bands, the mean
        stands in the middle; of more than three, three wavelength groups are
        averaged.

    Raises
    ------
    ValueError
        If there is no band.
    """
    planes = list(bands)
    if not planes:
        msg = "bands must hold at least one plane, got none"
        raise ValueError(msg)
    if len(planes) == 1:
        return [planes[0]] * 3
    if len(planes) == 2:
        blue, red = planes
        return [red, _mean([blue, red]), blue]
    if len(planes) > 3:
        groups = np.array_split(np.arange(len(planes)), 3)
        planes = [_mean([planes[i] for i in group]) for group in groups]
    return planes[::-1]


def _mean(planes):
    """Return the mean of planes; the sum of whole numbers may be too large for their type."""
    first, *others = (
        plane if plane.dtype.kind == "f" else plane.astype(float)
        for plane in map(np.asanyarray, planes)
    )
    return sum(others, first) / len(planes)


def background_noise(plane, mask=None, *, max_samples=20_000):
    """
    Estimate the sky level and the noise of one plane.

    The median and the scaled median absolute deviation of a regular subsample,
    clipped at 3 sigma until they settle, so that sources do not count.

    Parameters
    ----------
    plane : (ny, nx) array
        Pixel values; anything not finite is left out.
    mask : (ny, nx) bool array, optional
        True for pixels to leave out.
    max_samples : int, optional
        Number of pixels to look at.

    Returns
    -------
    background, noise : float
        In the units of ``plane``. The noise is never zero: where more than half
        of the pixels are equal, as in a picture with a black sky, it is between
        the smallest step between values and what a sixth of them rise above
        the median.
    """
    values = sampled(plane, mask, max_samples)
    return _clipped_levels(values) if values.size else (0.0, 1.0)


def sampled(plane, mask, max_samples):
    """
    Return the usable values of a regular subsample of a plane.

    Parameters
    ----------
    plane, mask, max_samples
        As of `background_noise`.

    Returns
    -------
    (N,) float32 array
    """
    step = max(1, int(np.sqrt(plane.size / max_samples)))
    # odd strides for the columns avoid locking on to patterns of even period
    sample = np.asarray(plane[::step, :: step | 1], dtype=np.float32)
    good = np.isfinite(sample)
    if mask is not None:
        good &= ~mask[::step, :: step | 1]
    return sample[good]


def _clipped_levels(values):
    """Return the clipped median and scaled MAD of a 1-D sample."""
    kept = values
    for _ in range(4):
        centre = np.median(kept)
        noise = 1.4826 * np.median(np.abs(kept - centre))
        if noise == 0:
            break
        keep = np.abs(kept - centre) < 3 * noise
        if keep.all():
            break
        kept = kept[keep]
    step = _smallest_step(values, centre)
    if noise <= step:
        noise = _noise_above_black(values, step)
    return float(centre), float(noise)


def _noise_above_black(values, step):
    """
    Return the noise of which only what rises above the median shows, at least one step.

    How far below it would fall nobody knows: the mean, in the logarithm, of a step and of what a
    sixth of the values rise.
    """
    return np.sqrt(step * max(step, rise_above_median(values)))


def rise_above_median(values):
    """
    Return by how much a sixth of some values are above their median: 1 sigma of a Gaussian.

    Parameters
    ----------
    values : array
        Finite values.

    Returns
    -------
    float
    """
    middle, high = np.percentile(values, [50, 84.13])
    return float(high - middle)


def _smallest_step(values, centre):
    """Return the smallest distance to another value: the floor of the noise."""
    distance = np.abs(values - centre)
    distance = distance[distance > 0]
    return float(distance.min()) if distance.size else 1.0


def levels_of(channels, mask=None, *, floor=0.0):
    """
    Return the (background, noise) pairs of the planes in ``channels``.

    Parameters
    ----------
    channels : sequence of (ny, nx) arrays
        Usually the three planes of `to_channels`; a plane that stands in several
        places is measured once.
    mask : (ny, nx) bool array, optional
        True for pixels to leave out.
    floor : float, optional
        The least that the noise can be.

    Returns
    -------
    list of (float, float)
        Background and noise of each plane.
    """
    channels = list(channels)  # iterating an array makes new planes, with new ids
    unique = {id(plane): plane for plane in channels}
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda plane: background_noise(plane, mask), unique.values())
        levels = dict(zip(unique, found, strict=True))
    levels = {key: (background, max(noise, floor)) for key, (background, noise) in levels.items()}
    return [levels[id(plane)] for plane in channels]


def to_network(bands, mask=None, *, levels=None, out=None):
    """
    Scale bands to the input of the network.

    Each channel becomes ``1/8 + arcsinh((d - background) / (2 noise)) / 12``: free of
    units and of the sky level, linear in the noise, logarithmic above it, and
    without an upper limit at which a star and a galaxy core would look alike.

    Parameters
    ----------
    bands : sequence of (ny, nx) arrays or (n_bands, ny, nx) array
        Planes from short to long wavelength.
    mask : (ny, nx) bool array, optional
        True for bad pixels, which get the value of the sky; so does anything
        that is not finite.
    levels : list of (float, float), optional
        (background, noise) of the three channels, measured elsewhere: all
        tiles of an image share those of the image.
    out : (3, ny', nx') float32 array, optional
        Filled in its first ny rows and nx columns and returned; it may be larger
        than the image, to hold the padding.

    Returns
    -------
    (3, ny, nx) float32 array
        Red, green and blue (long to short wavelength), at least 0.
    """
    channels = to_channels(bands)
    ny, nx = channels[0].shape
    if levels is None:
        levels = levels_of(channels, mask)
    if out is None:
        out = np.empty((3, ny, nx), dtype=np.float32)
    view = out[:, :ny, :nx]
    first = {}
    with ThreadPoolExecutor() as pool:
        jobs = []
        for k, (plane, level) in enumerate(zip(channels, levels, strict=True)):
            if first.setdefault(id(plane), k) == k:
                jobs.append(pool.submit(_scale_plane, plane, mask, level, view[k]))
        for job in jobs:
            job.result()
    for k, plane in enumerate(channels):
        if first[id(plane)] != k:
            view[k] = view[first[id(plane)]]
    return out


def from_network(values):
    """
    Undo `to_network`.

    Parameters
    ----------
    values : array
        In network units.

    Returns
    -------
    array
        In units of the noise over the background.
    """
    return np.float32(_SOFT) * np.sinh((values - np.float32(NETWORK_SKY)) / np.float32(_GAIN))


def _scale_plane(plane, mask, level, out):
    """Write the network values of one plane into ``out``, a strip at a time."""
    background, noise = level
    scale = np.float32(1 / (_SOFT * noise))
    strip = max(1, 131_072 // plane.shape[1])  # stays in the processor's cache
    spare = np.empty((strip, plane.shape[1]), dtype=np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        for y in range(0, plane.shape[0], strip):
            part = out[y : y + strip]
            np.subtract(plane[y : y + strip], np.float32(background), out=part, casting="unsafe")
            part *= scale
            if not np.isfinite(part.sum()):
                part[~np.isfinite(part)] = 0
            np.clip(part, *_RANGE, out=part)
            _arcsinh(part, spare[: len(part)])
            part *= np.float32(_GAIN)
            part += np.float32(NETWORK_SKY)
    if mask is not None:
        out[mask] = NETWORK_SKY


def _arcsinh(values, spare):
    """
    Replace float32 values by their arcsinh, with a spare array of the same shape.

    By the logarithm, which NumPy vectorises on every processor and arcsinh only on some. Within
    `_RANGE` it is right to 1e-6, the rounding of float32.
    """
    np.multiply(values, values, out=spare)
    spare += 1
    np.sqrt(spare, out=spare)
    values += spare
    np.log(values, out=values)


def to_rgb(
    channels, stretch="lupton", *, levels=None, mask=None, per_channel=False, as_float=False
):
    """
    Make a colour picture.

    Parameters
    ----------
    channels : sequence of three (ny, nx) arrays
        Red, green, blue; for SDSS i, r, g in nanomaggies.
    stretch : str, optional
        One of `STRETCHES`. ``L``, ``LH``, ``S``, ``SH`` and ``Q`` are AstroCV's conversions as
        published, see `astro_yolo.filters.apply_filter`. The others are for looking at, and vary
        training pictures: ``lupton`` is `astropy.visualization.make_lupton_rgb` with a linear part
        of 0.5 nanomaggies, which shows sky noise; ``lupton_high`` doubles its contrast and
        brightness; ``sinh``, ``sinh_high`` and ``sqrt`` are scaled to each channel's own range;
        ``asinh``, ``log``, ``linear`` and ``zscale`` start from each channel's own sky and noise,
        for data in any unit.
    levels : list of (float, float), optional
        (background, noise) of the channels, for the stretches that use them.
    mask : (ny, nx) bool array, optional
        True for pixels that say nothing about sky, noise and range, as those without data; they
        are shown all the same. Those that are not finite say nothing either, and are shown as 0.
        AstroCV's conversions count both, as published.
    per_channel : bool, optional
        Scale each channel by itself first, see `astro_yolo.filters.scale_channels`.
    as_float : bool, optional
        Return 0 to 1 instead of 8 bits.

    Returns
    -------
    (ny, nx, 3) uint8 or float32 array
        Same row order as the input: row 0 is not flipped.

    Raises
    ------
    ValueError
        If the stretch is unknown or there are not three channels.
    """
    if stretch not in STRETCHES:
        msg = f"stretch must be one of {', '.join(STRETCHES)}, got {stretch!r}"
        raise ValueError(msg)
    if len(channels) != 3:
        msg = f"channels must hold three planes, got {len(channels)}"
        raise ValueError(msg)
    given = np.stack([np.asarray(c, dtype=np.float32) for c in channels])
    planes = finite(given)
    if per_channel:
        planes = scale_channels(planes)
    if stretch in FILTERS:
        unit = apply_filter(planes, stretch)
    else:
        counted = _without(planes, _blank(given, mask))
        if levels is None and stretch in OF_SKY:
            levels = levels_of(list(counted))
        unit = np.clip(CURVES[stretch](planes, counted, levels), 0, 1)
    unit = np.moveaxis(unit, 0, -1)
    if as_float:
        return np.ascontiguousarray(unit, dtype=np.float32)
    # the half makes an exact n / 255 come back as n
    return (unit * 255 + 0.5).astype(np.uint8)


def _blank(planes, mask):
    """Return which pixels of each plane say nothing; none of a plane of which all would."""
    blank = ~np.isfinite(planes)
    if mask is not None:
        blank |= mask
    return blank & ~blank.all(axis=(1, 2), keepdims=True)


def _without(planes, blank):
    """Return the planes with NaN for blank pixels; the very planes where there are none."""
    return np.where(blank, np.float32(np.nan), planes) if blank.any() else planes


#: Names of the picture stretches; AstroCV's published ones stand last.
STRETCHES = (*CURVES, *FILTERS)
