"""Ultralytics' own detection training, made fast on a CPU, safe to kill, and scored by our metrics.

Imports torch and ultralytics: load it only where training was asked for.
"""

import os
import time
from contextlib import contextmanager

import cv2
import numpy as np
import torch
from ultralytics.engine import trainer as engine
from ultralytics.models.yolo.detect import DetectionTrainer, DetectionValidator
from ultralytics.nn.tasks import guess_model_task, yaml_model_load
from ultralytics.utils import LOGGER, ops
from ultralytics.utils.loss import E2ELoss, v8DetectionLoss

from astro_yolo.training._trainer import FastModel
from astro_yolo.training._typed_loss import _known_first, inside_any
from astro_yolo.training.metrics import astrocv_protocol, mean_precision
from astro_yolo.training.picture_sets import SetError, label_path, read_boxes
from astro_yolo.training.scored import ScoredPicture

_MOST = 300  # detections of a picture that the score of an epoch looks at


class IgnoringLoss(v8DetectionLoss):
    """Ultralytics' loss; a label beyond the last class is neither object nor background."""

    def __init__(self, model, *args, **kwargs):
        super().__init__(model, *args, **kwargs)
        self._assign, self._bce = self.assigner, self.bce
        self.assigner, self.bce = self._assign_known, self._class_loss

    def _assign_known(self, scores, boxes, points, labels, targets, mask):
        """Assign cells to objects, and remember those inside an ignored box."""
        kinds = labels.long()
        ignored = (kinds >= self.nc) & mask.bool()
        skip = inside_any(points, targets, ignored.squeeze(-1))
        kinds, targets, known = _known_first(kinds, targets, mask.bool() & ~ignored)
        kinds = kinds.clamp(max=self.nc - 1)  # ignored ones that fill up a picture's row
        result = self._assign(scores, boxes, points, kinds, targets, known.to(mask.dtype))
        self._skip = skip & ~result[3].bool()
        return result

    def _class_loss(self, logits, targets):
        """Return the loss of every cell and class."""
        return self._bce(logits, targets) * ~self._skip.unsqueeze(-1)


class IgnoringModel(FastModel):
    """A stock detection model with `IgnoringLoss`."""

    def init_criterion(self):
        """Return the loss of its head; one without suppression has two."""
        if getattr(self.model[-1], "one2one_cv2", None) is not None:
            return E2ELoss(self, IgnoringLoss)
        return IgnoringLoss(self)


class ScoringValidator(DetectionValidator):
    """Ultralytics' validation, whose result is AstroCV's protocol and COCO's precision."""

    def init_metrics(self, model):
        """Forget the pictures of the last epoch."""
        super().init_metrics(model)
        self.pictures = []

    def update_metrics(self, preds, batch):
        """Keep what was found, in pixels of the picture itself."""
        for k, found in enumerate(preds):
            given = self._prepare_batch(k, batch)
            shape = given["ori_shape"]
            boxes = ops.scale_boxes(
                given["imgsz"], found["bboxes"].clone().float(), shape, given["ratio_pad"]
            )
            truth, kinds = read_boxes(given["im_file"], "labels", shape)
            self.pictures.append(ScoredPicture(
                name=given["im_file"], truth=truth, truth_classes=kinds,
                boxes=boxes.cpu().numpy(), scores=found["conf"].float().cpu().numpy(),
                classes=found["cls"].int().cpu().numpy(),
                ignored=read_boxes(given["im_file"], "ignore", shape)[0],
            ))  # fmt: skip
        super().update_metrics(preds, batch)

    def get_stats(self):
        """Return our numbers; the fitness, which chooses the best epoch, is AP50-95."""
        super().get_stats()
        recall, mean_iou = astrocv_protocol(self.pictures)
        ap50, ap50_95 = mean_precision(self.pictures, self.nc, max_detections=_MOST)
        stats = {"recall": recall, "mean_iou": mean_iou, "ap50": ap50, "ap50_95": ap50_95}
        stats = {name: float(np.nan_to_num(value)) for name, value in stats.items()}
        return {**stats, "fitness": stats["ap50_95"]}


class StockTrainer(DetectionTrainer):
    """Train a stock model; ``threads`` and ``watch`` are set before `train`."""

    threads = None

    def get_model(self, cfg=None, weights=None, verbose=True):  # noqa: FBT002, its signature
        """Return the network, with the weights of a checkpoint if there are any."""
        model = IgnoringModel(cfg, nc=self.data["nc"], ch=self.data["channels"], verbose=verbose)
        if weights:
            model.load(weights)
        return model.made_fast(self.device, self.threads)

    def build_dataset(self, img_path, mode="train", batch=None):
        """Return a data set; for training, ignored regions follow as labels of no class."""
        dataset = super().build_dataset(img_path, mode, batch)
        _check_all_read(dataset)
        if mode == "train":
            for label in dataset.labels:
                _add_ignored(label, self.data["nc"])
        return dataset

    def get_validator(self):
        """Return the validator."""
        return ScoringValidator(
            self.test_loader, save_dir=self.save_dir, args=engine.copy(self.args),
            _callbacks=self.callbacks,
        )  # fmt: skip

    def _setup_train(self):
        """Set up without the check of mixed precision, which downloads a network."""
        with _replaced(engine, "check_amp", lambda _: True):
            super()._setup_train()
        self._began = time.monotonic()

    def save_model(self):
        """Write the row of the epoch and then the checkpoints, each whole or not at all."""
        self.watch(self._row())
        self._began = time.monotonic()
        names = {"last": self.last, "best": self.best}
        parts = {key: path.with_suffix(".part") for key, path in names.items()}
        try:
            self.last, self.best = parts["last"], parts["best"]
            saved = super().save_model()
        finally:
            self.last, self.best = names["last"], names["best"]
        for key in ("best", "last"):  # a kill between them costs one epoch
            if parts[key].exists():
                os.replace(parts[key], names[key])  # noqa: PTH105 - atomic on every platform
        return saved

    def _row(self):
        """Return the numbers of the epoch."""
        losses = {name: float(value) for name, value in self.tloss.items()}
        scores = {name: float(self.metrics[name])
                  for name in ("recall", "mean_iou", "ap50", "ap50_95")}  # fmt: skip
        return {
            "epoch": self.epoch + 1,
            "iteration": (self.epoch + 1) * len(self.train_loader),
            "loss": sum(losses.values()),
            **losses,
            **scores,
            "learning_rate": float(self.optimizer.param_groups[-1]["lr"]),
            "seconds": time.monotonic() - self._began,
        }

    def final_eval(self):
        """Skip the evaluation at the end: it is a step of its own."""


@contextmanager
def _replaced(module, name, value):
    """Put another value under a module's name for a while."""
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


@contextmanager
def quiet_logger():
    """Keep ultralytics' tables and bars off the terminal."""
    level = LOGGER.level
    LOGGER.setLevel("ERROR")
    try:
        yield
    finally:
        LOGGER.setLevel(level)


def _check_all_read(dataset):
    """Raise if ultralytics left out a picture: it does so without a word."""
    read = {str(label_path(label["im_file"], "labels")) for label in dataset.labels}
    left_out = [path for path in dataset.label_files if str(path) not in read]
    if left_out:
        msg = f"{len(left_out)} pictures cannot be read as such, the first is that of {left_out[0]}"
        raise SetError(msg)


def _add_ignored(label, number):
    """Append the ignored regions of a picture to its labels, as a class of their own."""
    path = label_path(label["im_file"], "ignore")
    if not path.is_file():
        return
    # not loadtxt, which warns of the empty file of a picture without such regions
    words = path.read_text(encoding="utf-8").split()
    rows = np.array(words, dtype=np.float32).reshape(-1, 4)
    kinds = np.full((len(rows), 1), number, dtype=label["cls"].dtype)
    label["cls"] = np.concatenate([label["cls"], kinds])
    label["bboxes"] = np.concatenate([label["bboxes"], rows.astype(label["bboxes"].dtype)])


def finished(checkpoint, epochs):
    """Return whether a checkpoint is that of the last epoch."""
    return torch.load(checkpoint, map_location="cpu", weights_only=False)["epoch"] + 1 >= epochs


def task_of(model):
    """Return what the network of a YAML is for, as ultralytics calls it; None if it is none."""
    layers = yaml_model_load(model)
    return guess_model_task(layers) if {"backbone", "head"} <= layers.keys() else None


def keep_opencv_alone():
    """Let OpenCV use one thread: torch has the cores."""
    cv2.setNumThreads(1)
