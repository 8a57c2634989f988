"""Run every command of docs/training.rst on a small mirror on this machine, and show the labels.

Run from the repository root: ``python benchmarks/walkthrough.py -o FOLDER`` with a new folder. The
frames are those of two real fields of SDSS; behind the query is the tests' stand-in for SkyServer,
with the real photoObj catalogue of field 94-1-12 and real votes of Galaxy Zoo 2. Five objects in
two pictures teach a network nothing: this shows that the steps fit together, what each takes, and
what the set looks like. It writes ``docs/_static/training-labels.jpg``. Image credit:
Sloan Digital Sky Survey.
"""

import argparse
import datetime as dt
import os
import platform
import shlex
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from stretch_panel import DATA, ROOT

from astro_yolo.cli import main as astro_yolo
from astro_yolo.config import conf
from astro_yolo.tests.sky_server import small_sdss
from astro_yolo.training.picture_sets import read_boxes

ZOO = "zoo2Stripe82Normal"
ASSIGN = "--assign 94/1/12=train --assign 2820/3/122=val"
FRAME = DATA / "sas/dr17/eboss/photoObj/frames/301/2820/3"
COMMANDS = (
    f"sdss query --zoo {ZOO} --select S1 -o fields.ecsv",
    "sdss download fields.ecsv --out frames",
    f"sdss dataset fields.ecsv --frames frames --out T2 --recipe T2 --zoo2 {ZOO} {ASSIGN}",
    "train T2 -o runs/T2 --recipe T2 --epochs 2 --batch 1 --image-size 416 --mosaic 0",
    "evaluate runs/T2/T2.onnx T2 -o evaluations/T2",
    "report evaluations/T2 --run T2=runs/T2 -o report",
    " ".join(["detect", *(f"{FRAME}/frame-{band}-002820-3-0122.fits.bz2" for band in "gri"),
              "--model runs/T2/T2.onnx -o galaxies.ecsv"]),
)  # fmt: skip
OBJECT, IGNORED = (90, 230, 90), (150, 150, 150)
SIDE = 700  # pixels of the figure


def run_all():
    """Run the commands in the current folder, and say what each took."""
    for line in COMMANDS:
        print(f"$ astro-yolo {line.replace(str(FRAME), '.')}", flush=True)
        start = time.perf_counter()
        status = astro_yolo(shlex.split(line))
        print(f"[{time.perf_counter() - start:.1f} s, exit status {status}]", flush=True)
        if status:
            sys.exit(status)


def labels_figure(picture, path):
    """Draw objects and ignored galaxies about the largest object of a picture."""
    rgb = cv2.imread(str(picture))
    boxes, _ = read_boxes(picture, "labels", rgb.shape[:2])
    ignored, _ = read_boxes(picture, "ignore", rgb.shape[:2])
    for found, colour, width in ((ignored, IGNORED, 1), (boxes, OBJECT, 2)):
        for x0, y0, x1, y1 in found.round().astype(int).tolist():
            cv2.rectangle(rgb, (x0, y0), (x1, y1), colour, width)
    x0, y0, x1, y1 = boxes[np.argmax(boxes[:, 2] - boxes[:, 0])]
    middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    low = np.clip(middle - SIDE / 2, 0, np.array(rgb.shape[1::-1]) - SIDE).astype(int)
    cv2.imwrite(str(path), rgb[low[1] : low[1] + SIDE, low[0] : low[0] + SIDE],
                [cv2.IMWRITE_JPEG_QUALITY, 85])  # fmt: skip
    print(f"{path.name}: {len(boxes)} objects, {len(ignored)} ignored, "
          f"{path.stat().st_size // 1000} kB")  # fmt: skip


def main():
    """Run the commands, and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--out", type=Path, required=True, help="folder to make")
    options = parser.parse_args()
    print(f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores at a "
          f"load of {os.getloadavg()[0]:.1f}, Python {platform.python_version()}: "
          f"{' '.join(sys.argv)}")  # fmt: skip
    out = options.out.absolute()
    out.mkdir(parents=True)
    os.chdir(out)
    with (
        small_sdss(DATA, two_fields=True) as server,
        conf.set_temp("sas_base_url", server.url),
        conf.set_temp("skyserver_base_url", server.url),
        conf.set_temp("cache_dir", str(out / "cache")),
    ):
        run_all()
    (picture,) = (out / "T2/images/train").glob("*.jpg")
    labels_figure(picture, ROOT / "docs/_static/training-labels.jpg")


if __name__ == "__main__":
    main()
