"""Begin a training with the weights of an ONNX file, such as those of the package, and keep some.

An exported network has its normalisations folded into the convolutions before them. Training
wants them back: each is set so that it changes nothing, for the samples that are given.

Imports torch: load it only where training was asked for.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from astro_yolo.exceptions import WeightsError, require

__all__ = ["begin_with", "blend"]


def begin_with(model, path, images):
    """
    Give a network that is about to be trained the weights of an exported one.

    Parameters
    ----------
    model : torch.nn.Module
        An ultralytics detection model of the same layers, changed in place.
    path : path-like
        ONNX file of `astro_yolo.training.export.export_onnx`.
    images : (B, 3, ny, nx) tensor
        Some training images in network units, from which the statistics of the normalisations
        are taken.

    Raises
    ------
    WeightsError
        If the layers of the file are others.
    """
    _, tensors = _read(path)
    stored = {name: torch.from_numpy(values) for name, (_, values) in tensors.items()}
    with torch.no_grad():
        hooks = [_unfold(stored, name, layer, path) for name, layer in _convolutions(model)]
        training = model.training
        model.eval()(images)
        model.train(training)
    for hook in filter(None, hooks):
        hook.remove()


def blend(path, start, share):
    """
    Average the weights of an exported network with those that its training began with.

    What a network learns of new kinds of images costs it a part of what it knew of the old ones;
    the mean of both keeps most of each (Wortsman et al. 2022, CVPR, "Robust fine-tuning of
    zero-shot models").

    Parameters
    ----------
    path : path-like
        ONNX file, changed in place; its metadata stay.
    start : path-like
        ONNX file of the weights it began with.
    share : float
        Weight of the start, 0 to 1.

    Raises
    ------
    WeightsError
        If the layers of the files differ.
    """
    onnx = require("onnx", extra="train", feature="averaging weights")
    network, tensors = _read(path)
    _, before = _read(start)
    shapes = [{name: values.shape for name, (_, values) in t.items()} for t in (tensors, before)]
    if shapes[0] != shapes[1]:
        raise WeightsError(f"{path}: must have the layers of {start} to be averaged with it")
    for name, (tensor, values) in tensors.items():
        if values.dtype == np.float32:
            mean = torch.from_numpy((1 - share) * values + share * before[name][1])
            if mean.ndim == 4:  # kernels that bfloat16 holds, as the export leaves them
                mean = mean.bfloat16().float()
            tensor.CopyFrom(onnx.numpy_helper.from_array(mean.numpy(), name))
    part = Path(path).with_suffix(".part")
    onnx.save(network, str(part))
    part.replace(path)


def _read(path):
    """Return a network of an ONNX file, and name -> (tensor, values) of its weights."""
    onnx = require("onnx", extra="train", feature="reading exported weights")
    network = onnx.load(str(path))
    return network, {
        tensor.name: (tensor, np.array(onnx.numpy_helper.to_array(tensor)))
        for tensor in network.graph.initializer
    }


def _convolutions(model):
    """Return (name in the file, layer) of each convolution that holds weights."""
    joined = [
        (name, layer) for name, layer in model.named_modules()
        if isinstance(getattr(layer, "conv", None), nn.Conv2d)
    ]
    inside = {id(layer.conv) for _, layer in joined}
    plain = [
        (name, layer) for name, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d) and id(layer) not in inside
    ]
    return [(f"{name}.conv", layer) for name, layer in joined] + plain


def _unfold(stored, name, layer, path):
    """Set one convolution; return the hook that sets the normalisation behind it, if any."""
    weight, bias = _values(stored, name)
    conv = getattr(layer, "conv", layer)
    if weight is None or bias is None or weight.shape != conv.weight.shape:
        got = "nothing" if weight is None else tuple(weight.shape)
        msg = f"{path}: {name} must hold {tuple(conv.weight.shape)}, got {got}: another network"
        raise WeightsError(msg)
    conv.weight.copy_(weight)
    if conv is layer:
        conv.bias.copy_(bias)
        return None
    return layer.bn.register_forward_pre_hook(lambda norm, inputs: _let_pass(norm, *inputs, bias))


def _values(stored, name):
    """Return weight and bias of a convolution, joined again where the export cut it."""
    if f"{name}.weight" in stored:
        return stored[f"{name}.weight"], stored.get(f"{name}.bias")
    block = name.removesuffix(".cv1.conv")
    halves = [_half(stored, f"{block}.halves.{k}") for k in (0, 1)]
    if None in halves:
        return None, None
    return tuple(torch.cat(parts) for parts in zip(*halves, strict=True))


def _half(stored, name):
    """Return weight and bias of one half of a block, see `astro_yolo.training._graph`."""
    if f"{name}.0.weight" in stored:
        return stored[f"{name}.0.weight"], stored[f"{name}.0.bias"]
    if f"{name}.full.weight" in stored:
        parts = stored[f"{name}.small.weight"], stored[f"{name}.full.weight"]
        return torch.cat(parts, dim=1), stored[f"{name}.full.bias"]
    return None


def _let_pass(norm, x, bias):
    """Set a normalisation so that it adds the bias to these values and changes nothing else."""
    variance, mean = torch.var_mean(x, dim=(0, 2, 3), correction=0)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_((variance + norm.eps).sqrt())
    norm.bias.copy_(mean + bias)
