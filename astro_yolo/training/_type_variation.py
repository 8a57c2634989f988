"""Endless variation of stored stamps, for training the network of types.

Each stamp of a batch is seen at a size of its own. All of them stay in arrays of one shape, of
which each fills a corner, so that a GPU does the whole batch at once: resampling is a product with
two matrices.
Imports torch: load it only where training was asked for.
"""

import numpy as np
import torch
from torch.nn import functional

from astro_yolo.network.stamps import REACH, SIZE
from astro_yolo.stretch import NETWORK_SKY
from astro_yolo.training._type_samples import STORED, STORED_REACH
from astro_yolo.training.cutouts import SOFTENING, WEIGHTS

__all__ = ["Variation"]

_SMALLEST = 18  # pixels across the smallest stamps

_MOVED = round(STORED * REACH / STORED_REACH)  # and across the largest, in which nothing is lost

_NOISE = (0.049, 0.030, 0.015)  # of an SDSS frame, nanomaggies


class Variation:
    """
    Turns stored stamps into network input, each time another way.

    Parameters
    ----------
    generator : torch.Generator
        Source of chance, on the device of the stamps.
    """

    def __init__(self, generator):
        self._chance = generator
        self._shrinking, self._sizing = (x.to(generator.device) for x in _matrices())
        self._weights, self._noise = (self._per_band(x) for x in (WEIGHTS, _NOISE))

    def __call__(self, stamps, linear):
        """
        Vary a batch.

        Parameters
        ----------
        stamps : (B, 3, STORED, STORED) uint8 tensor
            Red, green, blue.
        linear : (B,) bool tensor
            Whether SkyServer's stretch can be undone.

        Returns
        -------
        values : (B, 3, SIZE, SIZE) float32 tensor
            Network units.
        mirrored : (B,) bool tensor
            Whether it is a mirror image, in which spirals wind the other way.
        """
        unit, mirrored = self._moved(stamps.float() / 255)
        native = self._native(len(unit))
        undo = linear & (self._uniform((len(unit),), 0, 1) < 0.65)
        values = torch.empty_like(unit)
        for chosen, way in ((undo, self._as_frame), (~undo, self._as_picture)):
            values[chosen] = way(unit[chosen], native[chosen])
        grey = self._uniform((len(unit), 1, 1, 1), 0, 1) < 0.12
        values = torch.where(grey, values.mean(dim=1, keepdim=True), values)
        return _resampled(values, self._sizing[native]).clamp_min_(0), mirrored

    def _uniform(self, shape, low, high):
        """Return uniform random numbers."""
        chance = torch.rand(shape, generator=self._chance, device=self._chance.device)
        return chance * (high - low) + low

    def _log_uniform(self, count, low, high):
        """Return one factor for each stamp."""
        return torch.exp(self._uniform((count, 1, 1, 1), np.log(low), np.log(high)))

    def _normal(self, shape):
        """Return normal random numbers."""
        return torch.randn(shape, generator=self._chance, device=self._chance.device)

    def _per_band(self, values):
        """Return a constant of each band."""
        return torch.tensor(values, device=self._chance.device)[:, None, None]

    def _native(self, count):
        """Return the size at which each stamp is seen, pixels."""
        size = self._log_uniform(count, _SMALLEST, _MOVED + 0.99).flatten()
        return size.long().clamp(_SMALLEST, _MOVED)

    def _moved(self, unit):
        """Turn, mirror, scale and shift, and cut to the reach of a stamp; say what is mirrored."""
        count = len(unit)
        angle = self._uniform((count,), 0, 2 * np.pi)
        mirror = torch.where(self._uniform((count,), 0, 1) < 0.5, -1.0, 1.0)
        zoom = REACH / STORED_REACH * torch.exp(self._uniform((count,), -0.2, 0.25))
        cos, sin = zoom * torch.cos(angle), zoom * torch.sin(angle)
        shift = self._normal((count, 2)) * 0.03
        rows = torch.stack([cos * mirror, -sin, shift[:, 0], sin * mirror, cos, shift[:, 1]], 1)
        shape = (count, 3, _MOVED, _MOVED)
        grid = functional.affine_grid(rows.view(-1, 2, 3), shape, align_corners=False)
        moved = functional.grid_sample(unit, grid, padding_mode="border", align_corners=False)
        return moved, mirror < 0

    def _linearised(self, unit):
        """Undo SkyServer's stretch of (B, 3, ny, nx) pictures in 0..1."""
        total = SOFTENING * unit.sum(dim=1, keepdim=True).clamp(1e-3, 2.9)
        return unit * (torch.sinh(total) / total) / self._weights

    def _as_frame(self, unit, native):
        """Blur, dim and add the noise of a frame, then scale as detection does."""
        count = len(unit)
        light = _resampled(self._linearised(unit), self._shrinking[native])
        light = _resampled(light, _blurring(self._uniform((count, 1, 1), 0.2, 1.1), native))
        light = light - _border(light, native).median(dim=2).values[..., None, None]
        noise = self._noise * torch.exp(self._normal((count, 3, 1, 1)) * 0.2)
        noise = noise * self._log_uniform(count, 0.3, 1.5)
        values = light * self._log_uniform(count, 0.3, 3.0)
        return _to_network(values + self._normal(light.shape) * noise, noise)

    def _as_picture(self, unit, native):
        """Change contrast and grain of a picture, then scale as detection does."""
        count = len(unit)
        unit = _resampled(unit, self._shrinking[native])
        unit = unit.clamp(1e-4, 1) ** self._log_uniform(count, 0.6, 1.5)
        unit = unit + self._normal(unit.shape) * self._uniform((count, 1, 1, 1), 0.001, 0.03)
        border = _border(unit, native)
        sky = border.median(dim=2, keepdim=True).values
        spread = (border - sky).abs().median(dim=2).values[..., None, None]
        return _to_network(unit - sky[..., None], (1.4826 * spread).clamp_min(0.002))


def _matrices():
    """
    Return what brings a moved stamp to n pixels, and n pixels to the size of a stamp.

    The second goes the way of `astro_yolo.network.stamps.cut_stamps`. First index of both: n.
    """
    shrinking = torch.zeros(_MOVED + 1, _MOVED, _MOVED)
    sizing = torch.zeros(_MOVED + 1, SIZE, _MOVED)
    for n in range(_SMALLEST, _MOVED + 1):
        shrinking[n, :n] = _averages(n, _MOVED)
        sizing[n, :, :n] = _averages(SIZE, n) if n > SIZE else _interpolation(SIZE, n)
    return shrinking, sizing


def _averages(out, size):
    """Return (out, size): means over equal parts of a row of pixels."""
    edges = torch.arange(out + 1) * (size / out)
    pixel = torch.arange(size)
    overlap = torch.minimum(edges[1:, None], pixel + 1) - torch.maximum(edges[:-1, None], pixel)
    return overlap.clamp_min(0) * (out / size)


def _interpolation(out, size):
    """Return (out, size): linear interpolation in a row of pixels."""
    single = torch.eye(size)[None]
    return functional.interpolate(single, out, mode="linear", align_corners=False)[0].T


def _resampled(values, matrix):
    """Return (B, 3, n, n) with the same (B, m, n) matrix along rows and columns."""
    matrix = matrix[:, None]
    return matrix @ values @ matrix.mT


def _blurring(width, native):
    """Return the matrices of Gaussians of (B, 1, 1) widths in stamps of (B,) pixels."""
    pixel = torch.arange(_MOVED, device=width.device)
    matrix = torch.exp(-0.5 * ((pixel[:, None] - pixel) / width) ** 2)
    matrix = matrix * (pixel < native[:, None, None])
    return matrix / matrix.sum(dim=2, keepdim=True).clamp_min(1e-6)


def _border(values, native):
    """Return 64 pixels near each edge of stamps that fill (B,) pixels, (B, 3, 256)."""
    k = torch.arange(256, device=values.device)
    side, native = k // 64, native[:, None]
    along = ((k % 64 + 0.5) / 64 * native).long()
    # 37 has no factor in common with 64: every depth comes up all along an edge
    depth = ((k * 37 % 64 + 0.5) / 64 * (native // 16).clamp_min(1)).long()
    across = torch.where(side % 2 == 0, depth, native - 1 - depth)
    y = torch.where(side < 2, across, along)
    x = torch.where(side < 2, along, across)
    place = (y * values.shape[3] + x)[:, None].expand(-1, 3, -1)
    return values.flatten(2).gather(2, place)


def _to_network(values, noise):
    """Scale sky-subtracted values as `astro_yolo.stretch.to_network` does."""
    return NETWORK_SKY + torch.asinh(values / (2 * noise)) / 12
