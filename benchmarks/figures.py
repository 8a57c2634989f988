"""Make the pictures of the README and the documentation from real SDSS fields.

Run from the repository root: ``python benchmarks/figures.py``. Each is a part of a field with
the detections of the default network. Image credit: Sloan Digital Sky Survey.
"""

import argparse
import tempfile
from pathlib import Path

from PIL import Image
from stretch_panel import DATA, ROOT

from astro_yolo import Detector, read_image, write_png
from astro_yolo.training.fields import frame_paths

#: File name -> run, camcol, field, and the rows and columns shown.
PICTURES = {
    "sdss-94-1-12.jpg": (94, 1, 12, (880, 1420), (840, 1640)),  # never trained on
    "sdss-1737-5-39.jpg": (1737, 5, 39, (100, 640), (60, 860)),  # a training field
}


def part_of_field(run, camcol, field, rows, columns):
    """Return a part of a field as a SkyImage with its sky coordinates."""
    whole = read_image(frame_paths(DATA / "sas", f"{run}/{camcol}/{field}"))
    wcs = whole.wcs[slice(*rows), slice(*columns)]
    planes = zip(whole.bands, whole.data, strict=True)
    return read_image({b: (data[slice(*rows), slice(*columns)], wcs) for b, data in planes})


def write_jpeg(image, table, path):
    """Write an overlay as JPEG: sky noise makes a PNG several times larger."""
    with tempfile.TemporaryDirectory() as folder:
        png = Path(folder) / "overlay.png"
        write_png(image, table, png)
        with Image.open(png) as picture:
            picture.convert("RGB").save(path, quality=76, subsampling=0, optimize=True)


def main():
    """Write every picture and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "_static")
    parser.add_argument("--model", default="default")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    detector = Detector(args.model)
    for name, place in PICTURES.items():
        image = part_of_field(*place)
        table = detector.detect(image)
        write_jpeg(image, table, args.out / name)
        print(f"{name}: {len(table)} galaxies, {(args.out / name).stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
