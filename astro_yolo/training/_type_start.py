"""Begin the training of a network of types with the weights of an exported one.

Imports torch: load it only where training was asked for.
"""

import torch
from torch import nn

from astro_yolo.exceptions import WeightsError
from astro_yolo.training._warm_start import let_pass, read_weights

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
    stored, nodes = read_weights(path)
    parts = [
        [stored.get(name) for name in (*node.input[1:], None, None)[:2]]
        for node in nodes if node.op_type == "Conv"
    ]  # fmt: skip
    convs, norms = (
        [layer for layer in model.body.modules() if isinstance(layer, kind)]
        for kind in (nn.Conv2d, nn.BatchNorm2d)
    )
    last = [stored.get(f"head.{name}") for name in ("weight", "bias")]
    _check(path, [*convs, model.head], [weight for weight, _ in (*parts, last)])
    with torch.no_grad():
        model.head.weight.copy_(last[0])
        model.head.bias.copy_(last[1])
        for conv, (weight, _) in zip(convs, parts, strict=True):
            conv.weight.copy_(weight)
    biases = [(norm, ..., bias) for norm, (_, bias) in zip(norms, parts, strict=True)]
    let_pass(model, biases, stamps)


def _check(path, layers, stored):
    """Refuse a file of other layers."""
    wanted = [tuple(layer.weight.shape) for layer in layers]
    got = [None if weight is None else tuple(weight.shape) for weight in stored]
    if got != wanted:
        raise WeightsError(f"{path}: the layers must be {wanted}, got {got}: another network")
