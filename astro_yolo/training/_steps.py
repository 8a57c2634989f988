"""A training by the clock, without a trainer of ultralytics: its beginning, batches, and steps.

Imports torch and ultralytics: load it only where training was asked for.
"""

import copy
import math
from pathlib import Path
from types import SimpleNamespace

import torch

from astro_yolo.network.calibration import OUTPUTS
from astro_yolo.network.weights import load_weights
from astro_yolo.training import _trainer
from astro_yolo.training._warm_start import begin_with

__all__ = ["as_batch", "begun", "descend", "optimiser_of", "save", "set_rate"]


def begun(recipe, batch, images):
    """
    Return a network with the weights that it begins with.

    Parameters
    ----------
    recipe : object
        With ``model``, ``start`` and ``image_size`` of `astro_yolo.training.train.TrainRecipe`.
    batch : int
        Images a step.
    images : (B, 3, ny, nx) tensor
        Some of the samples, see `astro_yolo.training._warm_start.begin_with`.

    Returns
    -------
    astro_yolo.training._trainer.TypedModel
    """
    layers = Path(_trainer.__file__).with_name(recipe.model)
    model = _trainer.TypedModel(str(layers), nc=len(OUTPUTS), ch=3, verbose=False)
    model.names = dict(enumerate(OUTPUTS))
    model.args = SimpleNamespace(box=7.5, cls=1.0, dfl=1.5, batch=batch, imgsz=recipe.image_size)
    begin_with(model, load_weights(recipe.start).path, images)
    return model


def as_batch(images, rows, index, flips, by):
    """
    Return images and their objects as ultralytics' loss wants them.

    Parameters
    ----------
    images : (N, 3, ny, nx) tensor
        Network units.
    rows : (M, 5) tensor
        Kinds and boxes of the objects of all of them.
    index : (M,) tensor
        The image of each.
    flips : (2, N) bool tensor
        Which images are flipped across and down.
    by : (2, N, 1, 1, 1) tensor
        0 to 1: changes their saturation by up to 10 % and their brightness by up to 8 %.

    Returns
    -------
    dict
    """
    boxes = rows[:, 1:].clone()
    for axis, column, flipped in zip((3, 2), (0, 1), flips, strict=True):
        images = torch.where(flipped[:, None, None, None], images.flip(axis), images)
        place = boxes[:, column]
        boxes[:, column] = torch.where(flipped[index], 1 - place, place)
    top, by = images.amax(dim=1, keepdim=True), 2 * by - 1
    images = ((top - (top - images) * (1 + 0.1 * by[0])) * (1 + 0.08 * by[1])).clamp(0, 1)
    return {"img": images, "cls": rows[:, :1], "bboxes": boxes, "batch_idx": index.float()}


def optimiser_of(model, rate):
    """Return AdamW; biases and normalisations do not decay."""
    plain, decaying = [], []
    for module in model.modules():
        for name, weight in module.named_parameters(recurse=False):
            free = name == "bias" or isinstance(module, torch.nn.BatchNorm2d)
            (plain if free else decaying).append(weight)
    groups = [{"params": plain, "weight_decay": 0.0}, {"params": decaying, "weight_decay": 5e-4}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.937, 0.999))


def set_rate(optimiser, rate, step, past, *, warm_up, last):
    """Let the learning rate rise in the first steps, and fall as a cosine to a share of it."""
    share = last + (1 - last) * (1 + math.cos(math.pi * min(past, 1))) / 2
    for group in optimiser.param_groups:
        group["lr"] = rate * share * min(1, (step + 1) / warm_up)


def descend(model, optimiser, loss):
    """Take a step down."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
    optimiser.step()


def save(model, out):
    """Write a checkpoint in one go."""
    model = copy.deepcopy(model).cpu()
    model.criterion = None
    part = Path(out) / "last.part"
    torch.save({"ema": model, "model": None}, part)
    part.replace(part.with_suffix(".pt"))
