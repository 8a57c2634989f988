"""Small detection sets and stock networks for the tests of training and evaluation."""

import cv2
import numpy as np

NAMES = ("elliptical", "spiral")


def write_set(folder, *, train=8, val=2, size=64, suffix="-L", names=NAMES):
    """Write pictures of a red and a blue blob each, their labels and an ignored corner."""
    rng = np.random.default_rng(0)
    y, x = np.indices((size, size)) + 0.5
    for split, count in (("train", train), ("val", val)):
        for part in ("images", "labels", "ignore"):
            (folder / part / split).mkdir(parents=True)
        for k in range(count):
            picture, lines = rng.integers(0, 20, (size, size, 3)).astype(float), []
            for label in range(2):
                cx, cy = rng.uniform(14, size - 14, 2)
                picture[..., 2 * label] += 220 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 32)
                lines.append(f"{label} {cx / size:.6f} {cy / size:.6f} {16 / size} {16 / size}\n")
            stem = f"{k:03d}{suffix}"
            pixels = np.clip(picture, 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / "images" / split / f"{stem}.png"), pixels[..., ::-1])
            (folder / "labels" / split / f"{stem}.txt").write_text("".join(lines))
            (folder / "ignore" / split / f"{stem}.txt").write_text("0.9 0.9 0.1 0.1\n")
    lines = "".join(f"  {k}: {name}\n" for k, name in enumerate(names))
    (folder / "data.yaml").write_text(f"train: images/train\nval: images/val\nnames:\n{lines}")
    return folder / "data.yaml"


def write_checkpoint(path, model="yolo11n.yaml", names=NAMES):
    """Write the checkpoint of a network that was never trained, but is not silent."""
    import torch

    from astro_yolo.training._stock_trainer import IgnoringModel, quiet_logger

    torch.manual_seed(1)
    with quiet_logger():
        network = IgnoringModel(model, nc=len(names), ch=3, verbose=False).eval()
    head = network.model[-1]
    for branch in (head.cv3, getattr(head, "one2one_cv3", None) or []):
        for layers in branch:
            layers[-1].bias.data = torch.linspace(-2, -1.5, len(names))
            layers[-1].weight.data *= 20
    network.names = dict(enumerate(names))
    torch.save({"ema": network.half(), "epoch": 0}, path)
    return path
