"""Begin the training of a network of types with the weights of an exported one.

Imports torch: load it only where training was asked for.
"""

import torch
from torch import nn

from astro_yolo.exceptions import WeightsError, require
from astro_yolo.training._warm_start import let_pass

__all__ = ["begin_with_types"]


def begin_with_types(model, path, stamps):
    """
    Give a network of types the weights of an exported one, so that it begins as that is.

    Parameters
    ----------
    model : astro_yolo.training._type_network.TypeNetwork
        Changed in place.
    path : path-like
        ONNX file of `astro_yolo.training._type_network.export_types`.
    stamps : (B, 3, SIZE, SIZE) tensor
        From which the statistics of the normalisations are taken: in the file they are folded into
        the convolutions before them.

    Raises
    ------
    WeightsError
        If the layers of the file are others.
    """
    rows, biases, ends = _stored(path)
    convs, norms = (
        [layer for layer in model.body.modules() if isinstance(layer, kind)]
        for kind in (nn.Conv2d, nn.BatchNorm2d)
    )
    _check(path, [*convs, model.head], [*rows, ends["weight"]])
    with torch.no_grad():
        for name, value in ends.items():
            getattr(model.head, name).copy_(value)
        for conv, weight in zip(convs, rows, strict=True):
            conv.weight.copy_(weight)
        hooks = [_passing(norm, bias) for norm, bias in zip(norms, biases, strict=True)]
        training = model.training
        model.eval()(stamps)
        model.train(training)
    for hook in hooks:
        hook.remove()


def _stored(path):
    """Return weights and biases of the convolutions in a file, and those of its last layer."""
    onnx = require("onnx", extra="train", feature="reading exported weights")
    graph = onnx.load(str(path)).graph
    stored = {
        tensor.name: torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy())
        for tensor in graph.initializer
    }
    for node in graph.node:  # the exporter stores what is the same once
        if node.op_type == "Identity" and node.input[0] in stored:
            stored[node.output[0]] = stored[node.input[0]]
    convs = [node for node in graph.node if node.op_type == "Conv"]
    rows, biases = (
        [stored.get(node.input[place]) if place < len(node.input) else None for node in convs]
        for place in (1, 2)
    )
    return rows, biases, {name: stored.get(f"head.{name}") for name in ("weight", "bias")}


def _check(path, layers, stored):
    """Refuse a file of other layers."""
    wanted = [tuple(layer.weight.shape) for layer in layers]
    got = [None if weight is None else tuple(weight.shape) for weight in stored]
    if got != wanted:
        raise WeightsError(f"{path}: the layers must be {wanted}, got {got}: another network")


def _passing(norm, bias):
    """Return the hook that lets a normalisation add a bias and change nothing else."""
    return norm.register_forward_pre_hook(
        lambda norm, inputs: let_pass(norm, *inputs, slice(None), bias)
    )
