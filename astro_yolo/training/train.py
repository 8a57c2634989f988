"""Train a detector with ultralytics (AGPL-3.0, extra ``train``), from a folder of samples."""

from dataclasses import dataclass
from pathlib import Path

from astro_yolo.exceptions import require
from astro_yolo.network.weights import load_weights

__all__ = ["TrainRecipe", "train"]


@dataclass(frozen=True)
class TrainRecipe:
    """How a network is trained; by default the shipped one, from the one before it."""

    model: str = "yolo_p34_n.yaml"
    # weights to begin with, a name or an ONNX file, of as wide a network or a narrower one; "" for
    # random ones
    start: str = "astro-yolo-n5"
    kept: float = 0.0  # share of the start in the mean of its weights and the trained ones
    epochs: int = 15
    batch: int = 128
    image_size: int = 416
    learning_rate: float = 3e-3
    seed: int = 20261201


def train(data, out, recipe=None, *, device="cpu", threads=None, resume=False):
    """
    Train a network.

    Parameters
    ----------
    data : path-like
        ``data.yaml`` of `astro_yolo.training.dataset.build_dataset`.
    out : path-like
        Folder for the run; ``weights/last.pt`` is written after every epoch.
    recipe : TrainRecipe, optional
        Network and schedule; by default those of the shipped weights.
    device : str, optional
        "cpu" (all cores, bfloat16 where the processor has it) or "cuda".
    threads : int, optional
        CPU threads; all cores by default.
    resume : bool, optional
        Go on from ``weights/last.pt`` of a run that was stopped.

    Returns
    -------
    pathlib.Path
        The checkpoint, a pickle that runs code when loaded: for your own use.

    Raises
    ------
    astro_yolo.exceptions.MissingExtraError
        If ultralytics is not installed.
    FileExistsError
        If ``out`` holds a run and ``resume`` is False.
    """
    require("ultralytics", extra="train", feature="training")
    from astro_yolo.training._trainer import TypedTrainer, stay_offline

    out = Path(out).absolute()
    last = out / "weights" / "last.pt"
    if last.exists() and not resume:
        msg = f"out must not hold a run unless resume=True, got {out}"
        raise FileExistsError(msg)
    stay_offline()
    recipe = recipe or TrainRecipe()
    settings = _settings(Path(data), out, recipe, device)
    if resume and last.exists():
        settings |= {"resume": str(last), "model": str(last)}
    trainer = TypedTrainer(overrides=settings)
    trainer.threads = threads
    trainer.start = load_weights(recipe.start).path if recipe.start else None
    trainer.train()
    return last


def common_settings(data, out, recipe, device):
    """
    Return the settings of ultralytics that all our trainings share.

    Networks begin with random weights; the sky has no up, so pictures are flipped both ways;
    colour is data, so only its strength varies.

    Parameters
    ----------
    data, out : path-like
        ``data.yaml``, and the folder of the run.
    recipe : object
        With ``epochs``, ``batch``, ``image_size``, ``learning_rate`` and ``seed``.
    device : str
        "cpu" or "cuda".

    Returns
    -------
    dict
    """
    return {
        "data": str(data),
        "project": str(out.parent),
        "name": out.name,
        "save_dir": str(out),  # where a checkpoint's run was moved it still names the old folder
        "exist_ok": True,
        "pretrained": False,
        "epochs": recipe.epochs,
        "batch": recipe.batch,
        "nbs": recipe.batch,  # one optimiser step a batch
        "imgsz": recipe.image_size,
        "optimizer": "AdamW",
        "lr0": recipe.learning_rate,
        "lrf": 0.01,
        "cos_lr": True,
        "seed": recipe.seed,
        "device": device,
        "amp": device != "cpu",
        "plots": False,
        "fliplr": 0.5,
        "flipud": 0.5,
        "hsv_h": 0.0,
        "hsv_s": 0.1,
        "erasing": 0.0,
    }


def _settings(data, out, recipe, device):
    """Return the settings of our own network: no mosaic that mixes skies."""
    network = Path(__file__).with_name(recipe.model)
    return common_settings(data, out, recipe, device) | {
        "model": str(network if network.exists() else recipe.model),
        "warmup_epochs": 0.5,
        "weight_decay": 0.0005,
        "workers": 1 if device == "cpu" else 8,
        "val": False,
        "mosaic": 0.0,
        "degrees": 0.0,
        "translate": 0.0,
        "scale": 0.0,
        "hsv_v": 0.08,
        "box": 7.5,
        "cls": 1.0,
    }
