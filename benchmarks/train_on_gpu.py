"""Train a shipped detector on a GPU while the samples are still being made.

Run from the repository root: ``python benchmarks/train_on_gpu.py DATA OUT --seconds 545``. The
recipe is that of ``--name`` in `astro_yolo.training.ship.DETECTORS`. All cores but two make the
samples, in an order of chance, and each batch is drawn from those that there are. They stay in the
memory of the GPU, 30 GB of them. Loss, network and flips are those of `astro_yolo.training.train`,
the schedule is by the clock. ``OUT/last.pt``, written every thousand steps, is a checkpoint for
`astro_yolo.training.export.export_onnx`, with ``start`` and ``kept`` of the recipe, whose file
`astro_yolo.training.ship.train_shipped_on`, where the recipe has more, and
`astro_yolo.training.ship.calibrate` complete.
`python -m astro_yolo.training` needs no GPU and does it all in one go, by the trainer of
ultralytics.
"""

# ruff: noqa: SLF001 - it takes the training of the package apart

import argparse
import math
import mmap
import multiprocessing
import os
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from astro_yolo.training import dataset
from astro_yolo.training.samples import packed
from astro_yolo.training.ship import DEFAULT, DETECTORS

FORK = multiprocessing.get_context("fork")  # the samples' memory and the fields are shared
FIRST = 3000  # samples that the training waits for
WARM_UP = 150  # steps
SAVED_EVERY = 1000  # steps: a lent machine may be gone before the end


def arguments():
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="folder with sas/, galaxy_zoo/ and hst/")
    parser.add_argument("out", help="folder for cutouts.npz and last.pt")
    parser.add_argument("--name", choices=DETECTORS, default=DEFAULT)
    parser.add_argument("--seconds", type=float, default=545, help="for everything")
    parser.add_argument("--workers", type=int, default=max(1, os.cpu_count() - 2))
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--first", type=int, default=FIRST)
    parser.add_argument("--samples", type=int, help="fewer than the recipe's, for a trial")
    parser.add_argument("--device", default="cuda")
    return parser.parse_args()


class Maker:
    """Make samples in processes of their own; ``store`` is memory that they share."""

    def __init__(self, args, recipe):
        self.args, self.recipe = args, recipe
        plan = [job for job in dataset._plan(recipe) if job[2] == "train"]
        order = np.random.default_rng(recipe.seed).permutation(len(plan))
        self.jobs = [(slot, plan[k]) for slot, k in enumerate(order)][: args.samples]
        shape = len(self.jobs), 3, recipe.size, recipe.size
        self.store = np.frombuffer(mmap.mmap(-1, math.prod(shape)), np.uint8).reshape(shape)

    def read(self):
        """Read fields and cutouts once, before the processes part."""
        rules = dataset.rules_of("train")
        jobs = [(self.args.data, name, self.recipe.second_opinion) for name in rules]
        with FORK.Pool(len(rules)) as pool:  # none can part from the threads of a runtime
            found = pool.starmap(dataset._read_field, jobs), dataset._field_shares(rules)
        dataset.fields_of = lambda *_: found
        dataset._cutouts_by_class(self.args.data, self.args.out, "train")
        dataset._other_cutouts(self.args.data, "train")

    def __call__(self, job):
        """Store the image of a sample; return its slot and (N, 5) kinds and boxes."""
        slot, job = job
        sample = dataset.make_sample(
            job, data=self.args.data, out=self.args.out, recipe=self.recipe
        )
        self.store[slot], rows = packed(sample)
        return slot, rows


MAKER = None  # of this run: processes that part from it need not be sent it


def make(job):
    """Make a sample."""
    return MAKER(job)


def alone():
    """Use one thread, as there are as many processes as cores, and let the trainer go first."""
    cv2.setNumThreads(1)
    os.nice(5)


class Pool:
    """The samples that there are, on the device."""

    def __init__(self, maker, results, torch, device):
        self.torch, self.device, self.ready = torch, device, []
        self.images = torch.empty(maker.store.shape, dtype=torch.uint8, device=device)
        self.labels = [None] * len(maker.store)
        self.chance = np.random.default_rng(maker.recipe.seed)
        self.flips = torch.Generator(device).manual_seed(maker.recipe.seed)
        thread = threading.Thread(target=self._receive, args=(maker.store, results), daemon=True)
        thread.start()

    def _receive(self, store, results):
        """Take samples as they come."""
        for slot, rows in results:
            self.images[slot] = self.torch.from_numpy(store[slot]).to(self.device)
            self.labels[slot] = self.torch.from_numpy(rows).to(self.device)
            self.ready.append(slot)

    def wait(self, count):
        """Return when there are so many."""
        while len(self.ready) < count:
            time.sleep(0.2)

    def batch(self, size):
        """Return a batch as ultralytics' loss wants it, flipped and of slightly other strength."""
        from astro_yolo.training import _steps

        torch, some = self.torch, self.chance.integers(0, len(self.ready), size)
        slots = [self.ready[k] for k in some]
        rows = [self.labels[slot] for slot in slots]
        lengths = torch.tensor([len(r) for r in rows], device=self.device)
        index = torch.repeat_interleave(torch.arange(size, device=self.device), lengths)
        rows = torch.cat(rows)
        x = self.images[torch.tensor(slots, device=self.device)].float() / 255
        flips = torch.rand((2, size), generator=self.flips, device=self.device) < 0.5
        by = torch.rand((2, size, 1, 1, 1), generator=self.flips, device=self.device)
        return _steps.as_batch(x, rows, index, flips, by)


def network(torch, pool, recipe, batch):
    """Return the network as it begins, on the device."""
    from astro_yolo.training._steps import begun

    some = pool.images[torch.tensor(pool.ready[:64], device=pool.device)]
    model = begun(recipe, batch, some.float().cpu() / 255)
    model.bfloat16 = True
    return model.to(pool.device, memory_format=torch.channels_last).train()


def train(torch, pool, recipe, args, end):
    """Train until the time is over; write the running mean of the network's weights."""
    from ultralytics.utils.torch_utils import ModelEMA

    from astro_yolo.training._steps import descend, optimiser_of, save, set_rate

    model = network(torch, pool, recipe, args.batch)
    mean, optimiser = ModelEMA(model), optimiser_of(model, recipe.learning_rate)
    begin, step = time.monotonic(), 0
    while time.monotonic() < end:
        past = (time.monotonic() - begin) / (end - begin)
        set_rate(optimiser, recipe.learning_rate, step, past, warm_up=WARM_UP, last=0.01)
        loss = model.loss(pool.batch(args.batch))[0].sum()
        descend(model, optimiser, loss)
        mean.update(model)
        step += 1
        if step % 250 == 0:
            loss = float(loss.detach()) / args.batch
            print(f"{step} steps, {len(pool.ready)} samples, loss {loss:.3f}", flush=True)
        if step % SAVED_EVERY == 0:
            save(mean.ema, args.out)
    print(f"{step} steps of {args.batch}, {len(pool.ready)} samples")
    save(mean.ema, args.out)


def main():
    """Make, train, save."""
    global MAKER  # noqa: PLW0603 - the processes find it there
    args, begin = arguments(), time.monotonic()
    recipe, samples = DETECTORS[args.name].training, DETECTORS[args.name].dataset
    Path(args.out).mkdir(parents=True, exist_ok=True)
    MAKER = Maker(args, samples)
    MAKER.read()
    makers = FORK.Pool(args.workers, initializer=alone)
    results = makers.imap_unordered(make, MAKER.jobs, chunksize=4)

    import torch  # after the processes have parted: none of them may hold the GPU

    torch.manual_seed(recipe.seed)
    torch.backends.cudnn.benchmark = True
    pool = Pool(MAKER, results, torch, torch.device(args.device))
    pool.wait(min(args.first, len(MAKER.jobs)))
    train(torch, pool, recipe, args, begin + args.seconds)
    makers.terminate()


if __name__ == "__main__":
    main()
