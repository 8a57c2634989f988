"""What a training set of 20 000 SDSS fields costs: measured here where it can be, else counted.

Run from the repository root: ``python benchmarks/training_cost.py``. Lines that start with
"measured" were: the sizes of real frames and pictures, processor seconds (not those that other
work took) and steps of training. Lines that start with "counted" are arithmetic on them, on the
rates that the package keeps to, and on floating-point operations that torch counts; hours on a GPU
are these over a rate that is assumed, as there is no GPU here.
"""

import argparse
import datetime as dt
import os
import platform
import sys
import time

import cv2
import numpy as np
from stretch_panel import DATA, FIELD

from astro_yolo.filters import FILTERS
from astro_yolo.image import read_image
from astro_yolo.stretch import to_rgb
from astro_yolo.training import stock
from astro_yolo.training.fields import frame_paths
from astro_yolo.training.queries import _INTERVAL

RATE = 4.0  # frames a second, the default of the download
BANDS = 3
NETWORKS = (("yolo11n", 1024), ("yolo11m", 1024), ("yolo26n", 1024), ("yolov3", 608))
TRIED = ("yolo11n", 320, 4)  # on this processor: network, size, batch
CLASSES = 5


def jpeg_size(rgb):
    """Return the bytes of a picture as the training sets store it."""
    options = [cv2.IMWRITE_JPEG_QUALITY, 97, cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
               cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]  # fmt: skip
    return len(cv2.imencode(".jpg", rgb[..., ::-1], options)[1])


def data_costs(fields):
    """Print what queries, frames and pictures cost."""
    frames = [path.stat().st_size for path in (DATA / "sas").rglob("frame-*.bz2")]
    mean = np.mean(frames)
    print(f"measured  frame      {mean / 1e6:6.2f} MB, the mean of {len(frames)}")
    size = fields * BANDS * mean / 1e9
    print(f"counted   frames     {size:6.0f} GB, {fields * BANDS / RATE / 3600:.1f} h at {RATE:g} "
          "a second")  # fmt: skip
    print(f"counted   questions  {fields * _INTERVAL / 3600:6.1f} h, one a field, {_INTERVAL} s "
          "apart; as much again with --zoo2")  # fmt: skip
    paths = frame_paths(DATA / "sas", FIELD)
    read_image(paths)  # the first one imports what the others find there
    start = time.process_time()
    image = read_image(paths)
    report("read, align", fields, time.process_time() - start)
    seconds, size = 0.0, 0
    for name in FILTERS:
        to_rgb(image.data[::-1], name)
        start = time.process_time()
        written = jpeg_size(to_rgb(image.data[::-1], name))
        took = time.process_time() - start
        report(name, fields, took, written)
        seconds, size = seconds + took, size + written
    report("all five", fields, seconds, size)


def report(name, fields, seconds, size=0):
    """Print the cost of a step for one field and for all."""
    text = f"measured  {name:11}{seconds:6.2f} s of one core"
    text += f", {size / 1e6:.2f} MB" if size else ""
    text += f" a field: {seconds * fields / 3600:.0f} core hours"
    print(text + (f", {size * fields / 1e9:.0f} GB" if size else ""))


def training_costs(fields, epochs, rate):
    """Print what training costs, for a picture that is seen and in all."""
    trainer = stock._import_trainer()  # noqa: SLF001 - without the network, as training does
    seen = fields * epochs
    with trainer.quiet_logger():
        name, size, batch = TRIED
        took = step_seconds(trainer, name, size, batch) / batch
        core = count(trainer, name, size)[0] / took
        print(f"measured  {name} at {size}, one core: {took:.2f} s a picture, "
              f"{core / 1e9:.0f} Gflop/s")  # fmt: skip
        for name, size in NETWORKS:
            work, kept = count(trainer, name, size)
            print(f"counted   {name} at {size}: {work / 1e9:.0f} Gflop forth and back, "
                  f"{kept / 1e9:.2f} GB kept for the way back in 16 bits, a picture; "
                  f"{seen / 1e6:g} million: {work * seen / rate / 1e12 / 3600:.1f} h at {rate:g} "
                  f"Tflop/s, {work * seen / core / 3600:.0f} h of such a core")  # fmt: skip


def count(trainer, name, size):
    """Return the operations of a picture in training, and the bytes it keeps in 16 bits."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    network = trainer.IgnoringModel(f"{name}.yaml", nc=CLASSES, ch=3, verbose=False).train()
    network, kept, held = network.to("meta"), {}, []

    def keep(value):
        if isinstance(value, torch.Tensor) and value.dim() == 4 and value.shape[0] == 1:
            kept[id(value)] = value.numel() * 2
            held.append(value)  # so that no other gets its number
        return value

    picture = torch.empty(1, 3, size, size, device="meta")
    with (
        FlopCounterMode(display=False) as counter,
        torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value),
    ):
        results = network(picture)
        sum(value.sum() for value in tensors(results)).backward()
    return counter.get_total_flops(), sum(kept.values())


def tensors(value):
    """Return the tensors of a nested output."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [tensor for item in value for tensor in tensors(item)]
    return [value] if value.is_floating_point() and value.requires_grad else []


def step_seconds(trainer, name, size, batch):
    """Return processor seconds of a step of training on this machine."""
    import torch

    network = trainer.IgnoringModel(f"{name}.yaml", nc=CLASSES, ch=3, verbose=False).train()
    network = network.made_fast(torch.device("cpu"), 1)
    pictures, took = torch.rand(batch, 3, size, size), []
    for _ in range(3):
        start = time.process_time()
        sum(value.sum() for value in tensors(network(pictures))).backward()
        took.append(time.process_time() - start)
    return min(took)


def main():
    """Print the costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fields", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--tflops", type=float, default=10.0,
                        help="what a GPU is assumed to keep up in training")  # fmt: skip
    options = parser.parse_args()
    print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores at a "
          f"load of {os.getloadavg()[0]:.1f}, Python {platform.python_version()}: "
          f"{' '.join(sys.argv)}")  # fmt: skip
    data_costs(options.fields)
    training_costs(options.fields, options.epochs, options.tflops)


if __name__ == "__main__":
    main()
