"""Stamps of classified galaxies, and their endless variation for training.

Imports torch: load it only where training was asked for.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional

from astro_yolo.catalog import CLASSES
from astro_yolo.network.stamps import REACH, SIZE
from astro_yolo.stretch import NETWORK_SKY
from astro_yolo.training.cutouts import Cutout, measure_cutout, read_picture, split_of
from astro_yolo.training.other_surveys import read_other_surveys

__all__ = ["StampSet", "Variation", "other_galaxies", "read_undecided", "stamp_set"]

_STORED = 128  # pixels across a stored stamp
_STORED_REACH = 2.2  # its sky over the longer side of the box: room for turning and shifting

_MOVED = 81  # pixels across the reach of a stamp at the scale it is stored in

_SOFTENING = 1.6  # SkyServer's stretch, as in cutouts.py
_WEIGHTS = torch.tensor([5.0, 6.5, 9.0])[:, None, None]  # i, r, g, per nanomaggy
_NOISE = torch.tensor([0.049, 0.030, 0.015])[:, None, None]  # of an SDSS frame, nanomaggies


@dataclass(frozen=True)
class StampSet:
    """Stamps (N, 3, 128, 128) uint8, red, green, blue; classes (N,); whether SkyServer's (N,)."""

    stamps: torch.Tensor
    labels: torch.Tensor
    linear: torch.Tensor

    def __len__(self):
        """Return the number of stamps."""
        return len(self.labels)


def stamp_set(cutouts):
    """
    Cut the stamps of classified galaxies.

    Parameters
    ----------
    cutouts : sequence of Cutout
        Those whose label is one of `astro_yolo.catalog.CLASSES` are used.

    Returns
    -------
    StampSet
    """
    cutouts = [cutout for cutout in cutouts if cutout.label in CLASSES]
    stamps = np.stack([_stamp(read_picture(c.path), c.box) for c in cutouts])
    return StampSet(
        torch.from_numpy(stamps),
        torch.tensor([CLASSES.index(c.label) for c in cutouts]),
        torch.tensor([c.linear for c in cutouts]),
    )


def _stamp(picture, box):
    """Return the stamp of one picture, its surroundings continued by the sky's level."""
    side = _STORED_REACH * max(box[2] - box[0], box[3] - box[1])
    zoom = _STORED / side
    x, y = (box[:2] + box[2:]) / 2
    move = np.array([[zoom, 0, 0], [0, zoom, 0]])
    move[:, 2] = _STORED / 2 - zoom * np.array([x, y]) + (zoom - 1) / 2
    sky = np.median(picture[::4, ::4].reshape(-1, 3), axis=0)
    if zoom < 0.8:  # averages where linear interpolation would skip pixels
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 / zoom)
    stamp = cv2.warpAffine(
        picture, move, (_STORED, _STORED), flags=cv2.INTER_LINEAR, borderValue=sky.tolist()
    )
    return np.moveaxis(stamp, -1, 0)


def read_undecided(folder):
    """
    Return the galaxies that Galaxy Zoo's volunteers could not decide on, as class "unknown".

    Parameters
    ----------
    folder : path-like
        Folder with ``gz1_labels.csv`` and ``gz1_cutouts``.

    Returns
    -------
    list of Cutout
    """
    folder, found = Path(folder), []
    with (folder / "gz1_labels.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["gz1_class"] == "dont_know"]
    for number in (int(row["dr7_objid"]) for row in rows):
        path = folder / "gz1_cutouts" / f"{number}.jpeg"
        box, _, others = measure_cutout(read_picture(path), "unknown")
        if box is not None:
            found.append(Cutout(path, "unknown", box, split_of(number), others))
    return found


def other_galaxies(folder):
    """Return the cutouts of other telescopes whose galaxy has a type."""
    return [cutout for cutout in read_other_surveys(folder) if cutout.label in CLASSES]


class Variation:
    """
    Turns stored stamps into network input, each time another way.

    Parameters
    ----------
    generator : torch.Generator
        Source of chance.
    """

    def __init__(self, generator):
        self._chance = generator

    def __call__(self, stamps, linear):
        """
        Vary a batch.

        Parameters
        ----------
        stamps : (B, 3, 128, 128) uint8 tensor
            Red, green, blue.
        linear : (B,) bool tensor
            Whether SkyServer's stretch can be undone.

        Returns
        -------
        (B, 3, SIZE, SIZE) float32 tensor
            Network units.
        """
        unit = self._moved(stamps.float() / 255)
        native = int(np.exp(self._uniform((), np.log(18), np.log(_MOVED))))
        undo = linear & (self._uniform((len(unit),), 0, 1) < 0.65)
        values = torch.empty(len(unit), 3, native, native)
        for chosen, way in ((undo, self._as_frame), (~undo, self._as_picture)):
            light = _linearise(unit[chosen]) if way == self._as_frame else unit[chosen]
            values[chosen] = way(functional.interpolate(light, (native, native), mode="area"))
        grey = self._uniform((len(unit), 1, 1, 1), 0, 1) < 0.12
        values = torch.where(grey, values.mean(dim=1, keepdim=True), values)
        return _resized(values).clamp_min_(0)

    def _uniform(self, shape, low, high):
        """Return uniform random numbers."""
        return torch.rand(shape, generator=self._chance) * (high - low) + low

    def _normal(self, shape):
        """Return normal random numbers."""
        return torch.randn(shape, generator=self._chance)

    def _moved(self, unit):
        """Turn, mirror, scale and shift, and cut to the reach of a stamp."""
        count = len(unit)
        angle = self._uniform((count,), 0, 2 * np.pi)
        mirror = torch.sign(self._uniform((count,), -1, 1))
        zoom = REACH / _STORED_REACH * torch.exp(self._uniform((count,), -0.2, 0.25))
        cos, sin = zoom * torch.cos(angle), zoom * torch.sin(angle)
        shift = self._normal((count, 2)) * 0.03
        rows = torch.stack([cos * mirror, -sin, shift[:, 0], sin * mirror, cos, shift[:, 1]], 1)
        shape = (count, 3, _MOVED, _MOVED)
        grid = functional.affine_grid(rows.view(-1, 2, 3), shape, align_corners=False)
        return functional.grid_sample(unit, grid, padding_mode="border", align_corners=False)

    def _as_frame(self, light):
        """Blur, dim and add the noise of a frame, then scale as detection does."""
        count = len(light)
        light = _blurred(light, float(self._uniform((), 0.2, 1.1)))
        light = light - _border(light).median(dim=2).values[..., None, None]
        bright = torch.exp(self._uniform((count, 1, 1, 1), np.log(0.3), np.log(3.0)))
        noise = _NOISE * torch.exp(self._normal((count, 3, 1, 1)) * 0.2)
        noise = noise * torch.exp(self._uniform((count, 1, 1, 1), np.log(0.3), np.log(1.5)))
        values = light * bright + self._normal(light.shape) * noise
        return _to_network(values, noise)

    def _as_picture(self, unit):
        """Change contrast and grain of a picture, then scale as detection does."""
        count = len(unit)
        power = torch.exp(self._uniform((count, 1, 1, 1), np.log(0.6), np.log(1.5)))
        unit = unit.clamp(1e-4, 1) ** power
        unit = unit + self._normal(unit.shape) * self._uniform((count, 1, 1, 1), 0.001, 0.03)
        border = _border(unit)
        sky = border.median(dim=2).values[..., None, None]
        spread = (border - sky.flatten(2)).abs().median(dim=2).values[..., None, None]
        return _to_network(unit - sky, (1.4826 * spread).clamp_min(0.002))


def _linearise(unit):
    """Undo SkyServer's stretch of (B, 3, ny, nx) pictures in 0..1."""
    total = unit.sum(dim=1, keepdim=True).clamp(1e-3, 2.9)
    return unit * (torch.sinh(_SOFTENING * total) / (_SOFTENING * total)) / _WEIGHTS


def _to_network(values, noise):
    """Scale sky-subtracted values as `astro_yolo.stretch.to_network` does."""
    return NETWORK_SKY + torch.asinh(values / (2 * noise)) / 12


def _border(values):
    """Return the outermost pixels of (B, 3, n, n), (B, 3, M)."""
    width = max(1, values.shape[-1] // 16)
    top, bottom = values[..., :width, :], values[..., -width:, :]
    left, right = values[..., :, :width], values[..., :, -width:]
    return torch.cat([part.flatten(2) for part in (top, bottom, left, right)], dim=2)


def _blurred(values, width):
    """Convolve (B, 3, n, n) with a Gaussian."""
    reach = max(1, int(np.ceil(2.5 * width)))
    x = torch.arange(-reach, reach + 1, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (x / width) ** 2)
    kernel = (kernel / kernel.sum()).repeat(3, 1)
    values = functional.conv2d(values, kernel[:, None, None, :], padding=(0, reach), groups=3)
    return functional.conv2d(values, kernel[:, None, :, None], padding=(reach, 0), groups=3)


def _resized(values):
    """Bring (B, 3, n, n) to the size of a stamp the way `cut_stamps` does."""
    if values.shape[-1] > SIZE:
        return functional.interpolate(values, (SIZE, SIZE), mode="area")
    return functional.interpolate(values, (SIZE, SIZE), mode="bilinear", align_corners=False)
