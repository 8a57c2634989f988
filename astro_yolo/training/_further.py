"""The training of `astro_yolo.training.further`: its loss, its batches, its steps.

Imports torch and ultralytics: load it only where training was asked for.
"""

import copy
import time
from dataclasses import replace

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from ultralytics.utils.torch_utils import ModelEMA

from astro_yolo.training._steps import as_batch, begun, descend, optimiser_of, save, set_rate
from astro_yolo.training._typed_loss import N_TYPES

__all__ = ["train_on"]

_CLASSES, _TYPES, _BOXES = 3.0, 0.75, 6.0  # weights of what stays, against the loss of the new
_WARM_UP, _LAST, _SAVED_EVERY = 60, 0.02, 200


def train_on(store, labels, recipe, out, progress):
    """
    Train by the clock; write a checkpoint of the running mean of the weights.

    Parameters
    ----------
    store, labels
        From `astro_yolo.training.further.make_samples`.
    recipe : astro_yolo.training.further.FurtherRecipe
        What is learnt.
    out : pathlib.Path
        Folder for ``last.pt``.
    progress : callable
        Is told in words how far it is.
    """
    torch.manual_seed(recipe.seed)
    batches, half = _Batches(store, labels, recipe), recipe.batch // 2
    model, teacher = _networks(batches, recipe)
    mean, optimiser = ModelEMA(model), optimiser_of(model, recipe.learning_rate)
    begin, step = time.monotonic(), 0
    while (past := (time.monotonic() - begin) / recipe.seconds) < 1:
        set_rate(optimiser, recipe.learning_rate, step, past, warm_up=_WARM_UP, last=_LAST)
        loss = _loss(model, teacher, batches.old(half), batches.new(half))
        descend(model, optimiser, loss)
        mean.update(model)
        step += 1
        if step % _SAVED_EVERY == 0:
            progress(f"{step} steps, loss {float(loss.detach()):.3f}")
            save(mean.ema, out)
    save(mean.ema, out)


class _Batches:
    """Draws images and labels, flipped and of slightly other strength."""

    def __init__(self, store, labels, recipe):
        self._store, self._labels = store, list(map(torch.from_numpy, labels))
        self._new, self._chance = recipe.new_samples, np.random.default_rng(recipe.seed)

    def old(self, size):
        """Return images of the detector's own kind."""
        return self._batch(self._new, len(self._store), size)["img"]

    def new(self, size):
        """Return a batch of new samples as ultralytics' loss wants it."""
        return self._batch(0, self._new, size)

    def _batch(self, low, high, size):
        """Draw a batch from some of the samples."""
        slots = np.sort(self._chance.integers(low, high, size))
        rows = [self._labels[slot] for slot in slots]
        index = torch.repeat_interleave(torch.arange(size), torch.tensor([len(r) for r in rows]))
        images = torch.from_numpy(self._store[slots]).float() / 255
        flips, by = torch.rand(2, size) < 0.5, torch.rand(2, size, 1, 1, 1)
        return as_batch(images, torch.cat(rows), index, flips, by)


def _networks(batches, recipe):
    """Return the network that learns and the one that it learns from; they may begin alike."""
    model = _begun(recipe.start, batches, recipe)
    teacher = _begun(recipe.teacher, batches, recipe) if recipe.teacher else copy.deepcopy(model)
    return model, teacher.requires_grad_(requires_grad=False)


def _begun(start, batches, recipe):
    """Return a network that says exactly what some weights do."""
    model = begun(replace(recipe, start=start), recipe.batch, batches.old(64))
    model = model.made_fast(torch.device("cpu")).train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()
    return model


def _loss(model, teacher, old, new):
    """Return the loss of the new samples and the distance from what is to stay, in the old."""
    with torch.no_grad():
        wanted = teacher(old)
    seen = model(torch.cat([old, new["img"]]))
    loss = model.loss(new, _part(seen, slice(len(old), None)))[0].sum() / len(new["img"])
    return loss + _distance(_part(seen, slice(len(old))), wanted)


def _part(out, some):
    """Return the outputs for some of the images of a batch."""
    return {
        key: [level[some] for level in value] if isinstance(value, list) else value[some]
        for key, value in out.items()
    }


def _distance(seen, wanted):
    """Return how far outputs are from the teacher's: of sources, types and boxes."""
    scores, others = seen["scores"], wanted["scores"]
    share = others[:, N_TYPES:].sigmoid()
    strength = share.amax(dim=1)
    entropies = [
        binary_cross_entropy_with_logits(x[:, N_TYPES:], share, reduction="none").sum()
        for x in (scores, others)
    ]
    apart = others[:, :N_TYPES].log_softmax(1) - scores[:, :N_TYPES].log_softmax(1)
    types = (others[:, :N_TYPES].softmax(1) * apart).sum(dim=1) * strength
    boxes = ((seen["boxes"] - wanted["boxes"]).abs().mean(dim=1) * strength).sum()
    total = _CLASSES * (entropies[0] - entropies[1]) + _TYPES * types.sum() + _BOXES * boxes
    return total / strength.sum().clamp(min=1)
