"""Begin a training with the weights of an ONNX file, such as those of the package, and keep some.

An exported network has its normalisations folded into the convolutions before them. Training
wants them back: each is set so that it changes nothing, for the samples that are given.

Imports torch: load it only where training was asked for.
"""

from functools import partial

import numpy as np
import torch
from torch import nn

from astro_yolo.exceptions import WeightsError, require
from astro_yolo.training._widen import channel_places

__all__ = ["begin_with", "keep", "let_pass", "read_weights"]


def begin_with(model, path, images):
    """
    Give a network that is about to be trained the weights of an exported one.

    A wider network begins as exactly what the narrower one is: the channels that are new begin by
    chance, and the old ones do not hear them yet (after Chen, Goodfellow & Shlens 2016, ICLR,
    "Net2Net").

    Parameters
    ----------
    model : torch.nn.Module
        An ultralytics detection model of the same layers, as wide or wider, changed in place.
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
    parts = _start_of(model, path)
    with torch.no_grad():
        for conv, norm, out, rows, bias in parts:
            conv.weight[out] = rows
            if norm is None:
                conv.bias[out] = bias
    norms = [(norm, out, bias) for _, norm, out, _, bias in parts if norm is not None]
    let_pass(model, norms, images)


def keep(model, path, share):
    """
    Average the weights of a trained network with those that its training began with.

    What a network learns of new kinds of images costs it a part of what it knew of the old ones;
    the mean of both keeps most of each (Wortsman et al. 2022, CVPR, "Robust fine-tuning of
    zero-shot models").

    Parameters
    ----------
    model : torch.nn.Module
        The trained network, its normalisations folded in, changed in place.
    path : path-like
        ONNX file that it began with. Channels that it did not have stay, and are heard less by the
        others.
    share : float
        Weight of the start, 0 to 1.

    Raises
    ------
    WeightsError
        If the layers of the file are others.
    """
    with torch.no_grad():
        for conv, _, out, rows, bias in _start_of(model, path):
            conv.weight[out] = conv.weight[out].lerp(rows, share)
            conv.bias[out] = conv.bias[out].lerp(bias, share)


def read_weights(path):
    """
    Read the weights in an ONNX file.

    Parameters
    ----------
    path : path-like
        Written by torch's exporter.

    Returns
    -------
    weights : dict
        Name to tensor.
    nodes : sequence
        The graph's, in their order.
    """
    onnx = require("onnx", extra="train", feature="reading exported weights")
    graph = onnx.load(str(path)).graph
    weights = {
        tensor.name: torch.from_numpy(np.array(onnx.numpy_helper.to_array(tensor)))
        for tensor in graph.initializer
    }
    for node in graph.node:  # the exporter stores what is the same once
        if node.op_type == "Identity" and node.input[0] in weights:
            weights[node.output[0]] = weights[node.input[0]]
    return weights, graph.node


def _convolutions(model):
    """Return (name in the file, convolution, the normalisation behind it or None) of each."""
    joined = [
        (f"{name}.conv", layer.conv, getattr(layer, "bn", None))
        for name, layer in model.named_modules()
        if isinstance(getattr(layer, "conv", None), nn.Conv2d)
    ]
    inside = {id(conv) for _, conv, _ in joined}
    plain = [
        (name, layer, None) for name, layer in model.named_modules()
        if isinstance(layer, nn.Conv2d) and id(layer) not in inside
    ]
    return joined + plain


def _start_of(model, path):
    """
    Return what is stored for each convolution of a network.

    The convolution, the normalisation behind it or None, which of its outputs are stored, their
    weights, which do not hear the channels that are not stored, and their biases.
    """
    (stored, _), layers = read_weights(path), _convolutions(model)
    values = {name: _values(stored, name) for name, *_ in layers}
    for name, conv, _ in layers:
        _check(path, name, tuple(conv.weight.shape), *values[name])
    try:
        places = channel_places(model, {k: weight.shape[:2] for k, (weight, _) in values.items()})
    except ValueError as error:
        raise WeightsError(f"{path}: another network: {error}") from error
    parts = []
    for name, conv, norm in layers:
        (weight, bias), (out, into) = values[name], places[name]
        rows = torch.zeros_like(conv.weight[out])
        rows[:, into] = weight
        parts.append((conv, norm, out, rows, bias))
    return parts


def _check(path, name, wanted, weight, bias):
    """Refuse what is not stored, or of another kernel."""
    if weight is None or bias is None or weight.shape[2:] != wanted[2:]:
        got = "nothing" if weight is None else tuple(weight.shape)
        raise WeightsError(f"{path}: {name} must hold {wanted}, got {got}: another network")


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


def let_pass(model, norms, samples):
    """
    Set normalisations so that each adds a bias and changes nothing else.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place.
    norms : list of (torch.nn.BatchNorm2d, index, tensor)
        Of it: normalisations, channels, and the biases of these.
    samples : tensor
        What the statistics are taken from.
    """
    hooks = [
        norm.register_forward_pre_hook(partial(_set, out=out, bias=bias))
        for norm, out, bias in norms
    ]
    training = model.training
    with torch.no_grad():
        model.eval()(samples)
    model.train(training)
    for hook in hooks:
        hook.remove()


def _set(norm, inputs, *, out, bias):
    """Set a normalisation for what comes to it."""
    variance, mean = torch.var_mean(*inputs, dim=(0, 2, 3), correction=0)
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight[out] = (variance + norm.eps).sqrt()[out]
    norm.bias[out] = mean[out] + bias
