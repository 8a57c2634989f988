"""Export a trained checkpoint to ONNX, with everything detection needs in its metadata."""

import hashlib
import json
import warnings
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from astro_yolo.exceptions import require
from astro_yolo.network.calibration import OUTPUTS
from astro_yolo.network.weights import METADATA_KEY
from astro_yolo.stretch import NETWORK_STRETCH

__all__ = ["export_onnx", "write_metadata"]

#: What the trainer stamps on every file it writes.
LICENSE = "AGPL-3.0-only"


def export_onnx(checkpoint, path, *, name, version, start=None, kept=0.0, overwrite=False):
    """
    Export a checkpoint of `astro_yolo.training.train.train` to ONNX.

    The graph takes (1, 3, height, width) in network units, both sides multiples of
    16, and returns (1, 11, N): centre x, centre y, width, height in edge pixels, then the seven
    outputs as probabilities, for every cell. There is no suppression and no limit to N in
    the graph. Scores are not calibrated yet.

    Parameters
    ----------
    checkpoint : path-like
        ``last.pt``; a pickle, which runs code: only load what you trust.
    path : path-like
        ONNX file to write.
    name, version : str
        Name and version of the weights.
    start : path-like, optional
        ONNX file that the training began with.
    kept : float, optional
        Share of it in the mean of its weights and the trained ones, which is exported.
    overwrite : bool, optional
        Replace an existing file.

    Returns
    -------
    pathlib.Path
        The ONNX file.

    Raises
    ------
    FileExistsError
        If the file exists and ``overwrite`` is False.
    ValueError
        If there is no ``start`` to keep a share of.
    astro_yolo.exceptions.WeightsError
        If ``kept`` is not 0 and the layers of ``start`` are others.
    """
    torch = require("torch", extra="train", feature="exporting a network")
    require("onnx", extra="train", feature="exporting a network")
    path = Path(path)
    if path.exists() and not overwrite:
        msg = f"path must not exist unless overwrite=True, got {path}"
        raise FileExistsError(msg)
    if kept and start is None:
        msg = f"start must be given where kept is not 0, got kept={kept}"
        raise ValueError(msg)
    model = _inference_model(torch, checkpoint, start, kept)
    write_graph(torch, model, path)
    write_metadata(path, _first_metadata(model, name, version))
    return path


def write_graph(torch, model, path):
    """Write a network as an ONNX file for inputs of any size."""
    sample = torch.zeros(1, 3, 160, 224)
    axes = {"images": {2: "height", 3: "width"}, "output0": {2: "cells"}}
    with warnings.catch_warnings():
        # torch's older exporter: its newer one needs onnxscript, and fixes the sides
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        torch.onnx.export(
            model,
            (sample,),
            str(path),
            input_names=["images"],
            output_names=["output0"],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )


def _inference_model(torch, checkpoint, start, kept):
    """Return the averaged, fused float32 network of a checkpoint in export mode."""
    from astro_yolo.training._graph import rearrange
    from astro_yolo.training._warm_start import keep

    model = load_fused(torch, checkpoint)
    if kept:
        keep(model, start, kept)
    rearrange(model)
    return ready_for_export(model)


def load_fused(torch, checkpoint):
    """Return the averaged, fused float32 network of a checkpoint, with the head of all cells."""
    saved = torch.load(checkpoint, map_location="cpu", weights_only=False)
    model = (saved.get("ema") or saved["model"]).float().eval()
    if getattr(model.model[-1], "end2end", False):
        model.model[-1].end2end = False  # before fusing, which drops the head that is not used
    return model.fuse(verbose=False)


def ready_for_export(model):
    """Return a network with its head in export mode and weights that bfloat16 holds."""
    head = model.model[-1]
    head.export, head.format, head.dynamic = True, "onnx", True
    for parameter in model.parameters():
        parameter.requires_grad_(False)
        if parameter.ndim == 4:
            # bfloat16 holds these exactly: a runtime that computes in it rounds one thing less
            parameter.copy_(parameter.bfloat16().float())
    return model


def _first_metadata(model, name, version):
    """Return the metadata of fresh weights: identity calibration."""
    straight = {"x": [0.0, 1.0], "y": [0.0, 1.0]}
    return {
        "name": name,
        "version": version,
        "outputs": list(OUTPUTS),
        "stretch": NETWORK_STRETCH,
        "stride": int(np.max(model.stride.numpy())),
        "pixel_scale": [0.2, 0.8],
        "size": [5, 350],
        "license": LICENSE,
        "trainer": "ultralytics",
        "date": datetime.now(tz=UTC).date().isoformat(),
        "calibration": {"score": straight, "star": straight, "temperature": 1.0, "prior": [1] * 5},
        "thresholds": {"default": 0.5, "purity": []},
    }


def write_metadata(path, metadata):
    """
    Store metadata in an ONNX file, replacing what was there.

    Parameters
    ----------
    path : path-like
        ONNX file, changed in place.
    metadata : dict
        JSON-compatible.

    Returns
    -------
    str
        SHA-256 of the file as it is now.
    """
    onnx = require("onnx", extra="train", feature="writing weights")
    graph = onnx.load(str(path))
    del graph.metadata_props[:]
    entries = {
        METADATA_KEY: json.dumps(metadata, sort_keys=True),
        "license": metadata["license"],
        "author": f"astro-yolo developers, trained with {metadata['trainer']}",
    }
    for key, value in entries.items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.save(graph, str(path))
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
