"""Train the network for deep fields: one that sees what the shipped detector does, and more.

Run from the repository root: ``python benchmarks/train_deep.py DATA OUT``; an hour and a half on
two CPU cores, ``--seconds`` of it for the training. Half of the samples are those of
`astro_yolo.training.crowded`, hundreds of galaxies or stars, whose truth is known. The other half
are those of the shipped detector, and there the network learns to say what that one says, so that
it forgets nothing of it (Li & Hoiem 2018, IEEE TPAMI 40, 2935, "Learning without Forgetting").
Writes ``OUT/astro-yolo-deep-1.onnx``; ``--start`` is the detector that it begins with.
"""

# ruff: noqa: SLF001 - it takes the training of the package apart

import argparse
import copy
import math
import os
import time
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from train_on_gpu import as_batch, begun, descend, optimiser_of, save

from astro_yolo.network.weights import load_weights, metadata_of
from astro_yolo.training import crowded, dataset
from astro_yolo.training.deep import read_stamps
from astro_yolo.training.export import export_onnx, write_metadata
from astro_yolo.training.ship import DEEP_NAME, DEEP_VERSION, NAME
from astro_yolo.training.train import TrainRecipe

KINDS = "full", "full", "full", "stars"  # of the new samples, in turn
OLD = {"field": 0.45, "cutout": 0.28, "deep": 0.05, "model": 0.22}  # of the detector's
SEED, BATCH, RATE, WARM_UP, SAVED_EVERY = 77, 32, 6e-4, 60, 200
CLASSES, TYPES, BOXES = 3.0, 0.75, 6.0  # weights of what is to stay, against the loss of the new


def arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder with sas/, galaxy_zoo/ and hst/")
    parser.add_argument("out", help="folder for samples and weights")
    parser.add_argument("--start", default=NAME, help="name or file of weights (%(default)s)")
    parser.add_argument("--samples", type=int, default=8000, help="new ones, and as many old ones")
    parser.add_argument("--seconds", type=float, default=3600, help="for the training")
    return parser.parse_args()


class Maker:
    """Makes samples in processes of their own."""

    def __init__(self, args):
        self.data, self.out, self.new = args.data, args.out, args.samples

    def __call__(self, number):
        """Return the number of a sample, its image in 8 bits, and its (N, 5) kinds and boxes."""
        cv2.setNumThreads(1)
        rng = np.random.default_rng([SEED, number])
        sample = self._new(number, rng) if number < self.new else self._old(number, rng)
        rows = np.column_stack([sample.kinds, dataset._shares_of(sample)])
        return number, dataset._bytes_of(sample), rows.astype(np.float32)

    def _new(self, number, rng):
        """Return a sample of hundreds of galaxies, or of stars."""
        if KINDS[number % len(KINDS)] == "stars":
            return crowded.compose_star_field(rng)
        stamps = read_stamps(str(Path(self.data) / "hst" / "stamps_f814w"), "train")
        return crowded.compose_full_field(stamps, rng)

    def _old(self, number, rng):
        """Return a sample as the detector's training has them."""
        job = number, str(rng.choice(list(OLD), p=list(OLD.values()))), "train"
        recipe = dataset.DatasetRecipe(seed=SEED)
        return dataset._make_sample(job, data=self.data, out=self.out, recipe=recipe)


def make_samples(args):
    """Return the images of all samples, a file that is read as needed, and their labels."""
    path, count = Path(args.out) / "samples.npy", 2 * args.samples
    shape = count, 3, dataset.DatasetRecipe.size, dataset.DatasetRecipe.size
    store = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    labels = [None] * count
    with get_context("spawn").Pool(os.cpu_count()) as pool:
        dataset.measure_cutouts(args.data, Path(args.out) / "cutouts.npz")
        order = np.random.default_rng(SEED).permutation(count).tolist()
        for k, (number, image, rows) in enumerate(pool.imap_unordered(Maker(args), order, 8)):
            store[number], labels[number] = image, rows
            if k % 1000 == 0:
                print(f"{k} samples", flush=True)
    return store, labels


class Batches:
    """Draws images and labels, flipped and of slightly other strength."""

    def __init__(self, torch, store, labels):
        self.torch, self.store = torch, store
        self.labels, self.new = list(map(torch.from_numpy, labels)), len(store) // 2
        self.chance = np.random.default_rng(SEED)

    def old(self, size):
        """Return images of the detector's own kind."""
        return self._batch(self.new, len(self.store), size)["img"]

    def labelled(self, size):
        """Return a batch of new samples as ultralytics' loss wants it."""
        return self._batch(0, self.new, size)

    def _batch(self, low, high, size):
        """Draw a batch from some of the samples."""
        torch, slots = self.torch, np.sort(self.chance.integers(low, high, size))
        rows = [self.labels[slot] for slot in slots]
        index = torch.repeat_interleave(torch.arange(size), torch.tensor([len(r) for r in rows]))
        images = torch.from_numpy(self.store[slots]).float() / 255
        flips, by = torch.rand(2, size) < 0.5, torch.rand(2, size, 1, 1, 1)
        return as_batch(torch, images, torch.cat(rows), index, flips, by)


def networks(torch, batches, recipe):
    """Return the network that learns and the one that it learns from, alike at first."""
    model = begun(recipe, BATCH, torch.cat([batches.old(32), batches.old(32)]))
    model = model.made_fast(torch.device("cpu")).train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()  # it begins as exactly what the detector is
    return model, copy.deepcopy(model).requires_grad_(requires_grad=False)


def distance(torch, seen, wanted):
    """Return how far outputs are from the teacher's: galaxy and star, types, boxes."""
    cross = torch.nn.functional.binary_cross_entropy_with_logits
    scores, others = seen["scores"], wanted["scores"]
    share = others[:, 5:].sigmoid()
    weight = share.amax(dim=1)
    found = sum(
        sign * cross(x[:, 5:], share, reduction="none").sum()
        for sign, x in ((1, scores), (-1, others))
    )
    apart = others[:, :5].log_softmax(1) - scores[:, :5].log_softmax(1)
    types = ((others[:, :5].softmax(1) * apart).sum(dim=1) * weight).sum()
    boxes = ((seen["boxes"] - wanted["boxes"]).abs().mean(dim=1) * weight).sum()
    return (CLASSES * found + TYPES * types + BOXES * boxes) / weight.sum().clamp(min=1)


def part(out, some):
    """Return the outputs for some of the images of a batch."""
    return {
        key: [level[some] for level in value] if isinstance(value, list) else value[some]
        for key, value in out.items()
    }


def train(torch, batches, recipe, seconds, out):
    """Train by the clock; ``out`` gets a checkpoint of the running mean of the weights."""
    from ultralytics.utils.torch_utils import ModelEMA

    model, teacher = networks(torch, batches, recipe)
    mean, optimiser, half = ModelEMA(model), optimiser_of(torch, model, RATE), BATCH // 2
    criterion, begin, step = model.init_criterion(), time.monotonic(), 0
    while (past := (time.monotonic() - begin) / seconds) < 1:
        rate = min(1, (step + 1) / WARM_UP) * (0.02 + 0.98 * (1 + math.cos(math.pi * past)) / 2)
        for group in optimiser.param_groups:
            group["lr"] = RATE * rate
        old, new = batches.old(half), batches.labelled(half)
        with torch.no_grad():
            wanted = teacher(old)
        seen = model(torch.cat([old, new["img"]]))
        loss = criterion(part(seen, slice(half, None)), new)[0].sum() / half
        loss = loss + distance(torch, part(seen, slice(half)), wanted)
        descend(torch, model, optimiser, loss)
        mean.update(model)
        step += 1
        if step % SAVED_EVERY == 0:
            print(f"{step} steps, loss {float(loss.detach()):.3f}", flush=True)
            save(torch, mean.ema, out)
    save(torch, mean.ema, out)


def main():
    """Make, train, export."""
    args = arguments()
    Path(args.out).mkdir(parents=True, exist_ok=True)
    store, labels = make_samples(args)
    import torch

    torch.manual_seed(SEED)
    recipe = TrainRecipe(start=args.start)
    train(torch, Batches(torch, store, labels), recipe, args.seconds, args.out)
    path = Path(args.out) / f"{DEEP_NAME}.onnx"
    export_onnx(
        Path(args.out) / "last.pt", path, name=DEEP_NAME, version=DEEP_VERSION, overwrite=True
    )
    # its outputs mean what those of the detector mean, whose calibration holds for both
    others = metadata_of(load_weights(args.start).path)
    keep = {key: others[key] for key in ("calibration", "thresholds")}
    write_metadata(path, metadata_of(path) | keep)


if __name__ == "__main__":
    main()
