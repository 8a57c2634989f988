"""Train a stock YOLO network on any detection set, with ultralytics (AGPL-3.0, extra ``train``)."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from astro_yolo._files import replacing
from astro_yolo.exceptions import AstroYoloError, require
from astro_yolo.training.picture_sets import check_labels, read_set
from astro_yolo.training.train import common_settings

__all__ = ["RESULTS", "STATES", "StockRecipe", "TrainingError", "train_stock"]

#: File of a run with a row an epoch.
RESULTS = "results.ecsv"

#: Files that say how far a run is.
STATES = _STATE, _DONE = "training.json", "done.json"
_MARKER = "training-data.yaml"  # not data.yaml: the run may lie in the folder of its set


class TrainingError(AstroYoloError, ValueError):
    """A training cannot be run as asked for."""


@dataclass(frozen=True)
class StockRecipe:
    """
    How a stock network is trained.

    Attributes
    ----------
    model : str
        YAML of a network that ultralytics has (``yolo11n.yaml`` to ``yolo11m.yaml``,
        ``yolo26n.yaml`` to ``yolo26m.yaml``, ``yolov3.yaml`` and ``yolov3-tiny.yaml`` as of
        AstroCV's last update, ...) or path of a YAML of your own. Training starts from random
        weights.
    epochs, batch : int
        Passes over the set, and pictures a step.
    image_size : int
        Longer side that pictures are brought to, pixels; the longer side of the pictures
        themselves trains at their own scale. A multiple of 32.
    learning_rate : float
        Of AdamW at its highest.
    patience : int
        Epochs without a better AP50-95 after which training stops.
    mosaic : float
        How often four pictures are joined into one, 0 to 1; never in the last tenth of the epochs.
    scale : float
        Sizes vary by this share.
    seed : int
        Of the random numbers.
    """

    model: str = "yolo11n.yaml"
    epochs: int = 100
    batch: int = 16
    image_size: int = 640
    learning_rate: float = 2e-3
    patience: int = 20
    mosaic: float = 1.0
    scale: float = 0.3
    seed: int = 20261124


def train_stock(
    data, out, recipe=None, *, device="cpu", threads=None, resume=False, progress=False
):
    """
    Train a stock network on a YOLO detection set.

    The set's ``ignore`` files, where it has them, are neither objects nor background. After
    every epoch a row is added to ``results.ecsv`` (see Notes), and ``weights/last.pt`` and
    ``weights/best.pt`` are replaced in one step: the process may be killed at any moment and
    the run resumed. Ultralytics' usage reports and downloads are off.

    Parameters
    ----------
    data : path-like
        ``data.yaml`` or its folder.
    out : path-like
        Folder of the run.
    recipe : StockRecipe, optional
        Network and schedule.
    device : str, optional
        "cpu" (all cores; bfloat16 and channels last where the processor has them), "cuda", or one
        of several as "cuda:1".
    threads : int, optional
        CPU threads; all cores by default.
    resume : bool, optional
        Go on with a run of the same recipe, or return its result if it has ended.
    progress : bool, optional
        Print a line an epoch to standard error.

    Returns
    -------
    `~pathlib.Path`
        ``weights/best.pt``, a pickle that runs code when loaded: for your own use. See
        `~astro_yolo.training.export_stock.export_stock`.

    Raises
    ------
    SetError, TrainingError
        If the set is missing or empty, has a damaged picture or a label that is none of it, the
        recipe has a wrong value, network or device are unknown, or the run to resume was another.
    FileExistsError
        If ``out`` holds a run and ``resume`` is False.
    MissingExtraError
        If ultralytics is not installed.

    Notes
    -----
    Columns: ``epoch``, ``iteration`` (steps so far), ``loss`` and its parts; of the validation
    split ``recall`` and ``mean_iou`` by AstroCV's protocol, ``ap50`` and ``ap50_95`` as
    means over classes; ``learning_rate``, ``seconds``. A resumed run repeats the numbers of an
    unbroken one only nearly, as ultralytics stores averaged weights in half precision.
    """
    recipe, out = recipe or StockRecipe(), Path(out).absolute()
    pictures = read_set(data)
    for split in ("train", "val"):
        check_labels(pictures, split)
    _check(recipe)
    _check_device(device)
    if threads is not None and not threads >= 1:
        msg = f"threads must be 1 or more, got {threads}"
        raise TrainingError(msg)
    last, best = out / "weights" / "last.pt", out / "weights" / "best.pt"
    begun = (out / _STATE).exists()
    if begun and not resume:
        msg = f"out must not hold a run unless resume=True, got {out}"
        raise FileExistsError(msg)
    foreign = [path.name for path in (last, best, out / RESULTS) if path.exists()]
    if foreign and not begun:
        msg = f"out must not hold files of another training, got {', '.join(foreign)} in {out}"
        raise FileExistsError(msg)
    _claim(out, recipe, pictures)
    if (out / _DONE).is_file():
        return best
    trainer_of = _import_trainer()
    with trainer_of.quiet_logger():
        if not (last.exists() and trainer_of.finished(last, recipe.epochs)):
            try:
                _run(trainer_of, recipe, pictures, out, device, threads, show=progress)
            finally:
                if not last.exists():  # it never began
                    (out / _STATE).unlink()
                    (out / RESULTS).unlink(missing_ok=True)  # of an epoch without a checkpoint
    with replacing(out / _DONE, overwrite=True) as part:
        part.write_text(json.dumps({"best": str(best.relative_to(out))}), encoding="utf-8")
    return best


def _check(recipe):
    """Raise unless the numbers of a recipe are in their range."""
    for name, smallest in (("epochs", 1), ("batch", 1), ("image_size", 32), ("patience", 1)):
        if not getattr(recipe, name) >= smallest:
            msg = f"{name} must be at least {smallest}, got {getattr(recipe, name)}"
            raise TrainingError(msg)
    if not 0 < recipe.learning_rate <= 1:
        msg = f"learning_rate must be above 0 and at most 1, got {recipe.learning_rate}"
        raise TrainingError(msg)
    for name, largest in (("mosaic", 1), ("scale", 1), ("seed", 2**32 - 1)):
        if not 0 <= getattr(recipe, name) <= largest:
            msg = f"{name} must be 0 to {largest}, got {getattr(recipe, name)}"
            raise TrainingError(msg)
    if recipe.image_size % 32:
        msg = f"image_size must be a multiple of 32, got {recipe.image_size}"
        raise TrainingError(msg)
    model = str(recipe.model)
    if not model.endswith((".yaml", ".yml")) or "://" in model:
        msg = f"model must be the name or path of a .yaml file, got {model!r}"
        raise TrainingError(msg)


def _check_device(device):
    """Raise unless there is such a device."""
    kind, _, number = str(device).partition(":")
    if kind not in {"cpu", "cuda"} or (number and not (kind == "cuda" and number.isdecimal())):
        msg = f"device must be cpu, cuda or cuda:NUMBER, got {device!r}"
        raise TrainingError(msg)
    if kind == "cuda":
        torch = require("torch", extra="train", feature="Training")
        there = torch.cuda.device_count()
        if int(number or 0) >= there:
            msg = f"device {device!r}: torch {torch.__version__} sees {there} CUDA devices"
            raise TrainingError(msg)


def _claim(out, recipe, pictures):
    """Make the folder of the run, or make sure that it is the same run."""
    made = {key: getattr(pictures, key) for key in ("names", "recipe", "filters", "boxes")}
    state = {"recipe": asdict(recipe), "data": str(pictures.marker), "set": made}
    path = out / _STATE
    if path.is_file():
        before = json.loads(path.read_text(encoding="utf-8"))
        old = before["recipe"]
        other = [key for key, value in state["recipe"].items() if old.get(key) != value]
        other += ["data"] if before["data"] != state["data"] else []
        # a set may have been made anew in its folder; runs of old do not say how theirs was
        made = json.loads(json.dumps(made))
        old = before.get("set", made)
        other += [f"{key} of its set" for key in made if old.get(key) != made[key]]
        if other:
            msg = f"resume: the run in {out} was begun with another {', '.join(other)}"
            raise TrainingError(msg)
        return
    out.mkdir(parents=True, exist_ok=True)
    with replacing(path, overwrite=True) as part:
        part.write_text(json.dumps(state, indent=1), encoding="utf-8")


def _import_trainer():
    """Import torch and ultralytics without letting them look for the network."""
    from astro_yolo.network.ultralytics_backend import quiet_environment

    with quiet_environment():
        require("ultralytics", extra="train", feature="Training")
        from astro_yolo.training import _stock_trainer, _trainer

    _trainer.stay_offline()
    _stock_trainer.keep_opencv_alone()
    return _stock_trainer


def _marker_of(pictures, out):
    """Return the data.yaml to train by: where ultralytics would read the set's own otherwise."""
    import yaml

    splits = ("train", "val")
    data = yaml.safe_load(pictures.marker.read_text(encoding="utf-8"))
    root = Path(str(data.get("path") or pictures.marker.parent))
    places = [p for s in splits for p in ([data[s]] if isinstance(data[s], str) else data[s])]
    if root.is_absolute() and all(_is_own_folder(root / place) for place in places):
        return pictures.marker
    # it takes such a path, and what a text file lists, from the current folder, and follows a link
    # to the labels beside its target: another set may lie there
    for split in splits:
        data[split] = f"training-{split}.txt"
        with replacing(out / data[split], overwrite=True) as part:
            lines = "".join(f"{picture}\n" for picture in pictures.splits[split])
            part.write_text(lines, encoding="utf-8")
    chosen = {"path": str(out), **{key: data[key] for key in (*splits, "names")}}
    with replacing(out / _MARKER, overwrite=True) as part:
        part.write_text(yaml.safe_dump(chosen), encoding="utf-8")
    return out / _MARKER


def _is_own_folder(path):
    """Say whether a path is a folder, and no link to one or through one."""
    return path.is_dir() and path.resolve() == path


def _run(trainer_of, recipe, pictures, out, device, threads, *, show):
    """Train, or go on from the last checkpoint."""
    from astro_yolo.network.ultralytics_backend import quiet_environment

    last = out / "weights" / "last.pt"
    settings = _settings(recipe, _marker_of(pictures, out), out, device)
    if last.exists():
        settings |= {"resume": str(last), "model": str(last)}
    with quiet_environment():
        try:
            if not last.exists() and (task := trainer_of.task_of(recipe.model)) != "detect":
                kind = f"one for {task}" if task else "none"
                msg = f"model must be a detection network, got {recipe.model!r}, which is {kind}"
                raise TrainingError(msg)
            trainer = trainer_of.StockTrainer(overrides=settings)
            trainer.threads = threads
            trainer.watch = _Watch(out / RESULTS, recipe.epochs, show=show)
            trainer.add_callback("on_train_batch_end", trainer.watch.step)
            trainer.train()
        except FileNotFoundError as error:
            if not last.exists() and not Path(recipe.model).exists():
                msg = f"model {recipe.model!r} is neither a file nor a network of ultralytics"
                raise TrainingError(msg) from error
            raise


class _Watch:
    """Adds the row of an epoch to the table of the run, and prints it."""

    def __init__(self, path, epochs, *, show):
        self._path, self._epochs, self._show = path, epochs, show
        self._live = show and sys.stderr.isatty()
        self._steps, self._epoch = 0, -1

    def step(self, trainer):
        """Say on a terminal which step of the epoch was done."""
        if trainer.epoch != self._epoch:
            self._steps, self._epoch = 0, trainer.epoch
        self._steps += 1
        if self._live:
            text = f"epoch {trainer.epoch + 1} of {self._epochs}: step {self._steps} of "
            print(f"\r{text}{len(trainer.train_loader)} ", end="", file=sys.stderr, flush=True)

    def __call__(self, row):
        from astropy.table import Table, vstack

        table = Table(rows=[row])
        if self._path.is_file():
            before = Table.read(self._path, format="ascii.ecsv")
            # an epoch that was cut off between its row and its checkpoint is done again
            table = vstack([before[before["epoch"] < row["epoch"]], table])
        with replacing(self._path, overwrite=True) as part:
            table.write(part, format="ascii.ecsv", delimiter=",")
        if self._show:
            names = ("loss", "recall", "mean_iou", "ap50", "ap50_95")
            numbers = ", ".join(f"{name} {row[name]:.3f}" for name in names)
            text = f"epoch {row['epoch']} of {self._epochs}: {numbers}, {row['seconds']:.0f} s"
            print("\r" * self._live + text, file=sys.stderr, flush=True)


def _settings(recipe, marker, out, device):
    """Return ultralytics' settings for a stock network."""
    return common_settings(marker, out, recipe, device) | {
        "model": recipe.model,
        "warmup_epochs": min(3.0, recipe.epochs / 10),
        "patience": recipe.patience,
        "workers": 0 if device == "cpu" else 8,
        "mosaic": recipe.mosaic,
        "close_mosaic": -(-recipe.epochs // 10) if recipe.mosaic else 0,
        "scale": recipe.scale,
        "hsv_v": 0.1,
    }
