"""Rearrange a trained network for its runtime; the numbers stay the same.

ONNX Runtime keeps its fast memory layout through convolutions and leaves it to cut a tensor, and
joining large ones costs memory traffic.

Imports torch: load it only where a network is exported.
"""

import torch
from torch import nn


def rearrange(model):
    """
    Rearrange a fused ultralytics detection model in place.

    Blocks of the kind C2f get two convolutions instead of one whose output is cut in two. Where
    such a block follows the join of an enlarged map and another, it convolves the two by
    themselves, the small one before it is enlarged.

    Parameters
    ----------
    model : torch.nn.Module
        The model, in evaluation mode.
    """
    channels = _channels_of_enlarged(model)
    for block in list(model.modules()):
        if all(hasattr(block, name) for name in ("cv1", "cv2", "c", "m")):
            _split_output(block)
    layers = list(model.model)
    for enlarge, join, block in zip(layers, layers[1:], layers[2:], strict=False):
        if enlarge in channels and hasattr(block, "halves"):
            enlarge.forward = join.forward = lambda x: x
            block.halves = nn.ModuleList(
                _JoiningHalf(half, channels[enlarge], enlarge.scale_factor)
                for half in block.halves
            )


def _channels_of_enlarged(model):
    """Return the number of channels that goes through each enlarging layer."""
    channels = {}

    def note(layer, _, out):
        channels[layer] = out.shape[1]

    enlarging = [layer for layer in model.modules() if isinstance(layer, nn.Upsample)]
    hooks = [layer.register_forward_hook(note) for layer in enlarging]
    model(torch.zeros(1, 3, 64, 64))
    for hook in hooks:
        hook.remove()
    return channels


def _split_output(block):
    """Make two convolutions of one whose output is cut in two halves."""
    whole = block.cv1.conv
    block.halves = nn.ModuleList(
        nn.Sequential(_part(whole, slice(k, k + block.c), slice(None)), block.cv1.act)
        for k in (0, block.c)
    )

    def forward(x):
        parts = [half(x) for half in block.halves]
        for layer in block.m:
            parts.append(layer(parts[-1]))
        return block.cv2(torch.cat(parts, 1))

    block.forward = forward


def _part(whole, outputs, inputs, *, bias=True):
    """Return the 1 x 1 convolution of some inputs to some outputs of another."""
    weight = whole.weight[outputs, inputs].detach().clone()
    part = nn.Conv2d(weight.shape[1], weight.shape[0], 1, bias=bias)
    part.weight = nn.Parameter(weight)
    if bias:
        part.bias = nn.Parameter(whole.bias[outputs].detach().clone())
    return part


class _JoiningHalf(nn.Module):
    """A 1 x 1 convolution and activation of a small map, to be enlarged, and a full one."""

    def __init__(self, half, n_small, scale):
        super().__init__()
        whole, self.activation = half
        everything = slice(None)
        self.small = _part(whole, everything, slice(n_small), bias=False)
        self.full = _part(whole, everything, slice(n_small, None))
        self.enlarge = nn.Upsample(scale_factor=scale, mode="nearest")

    def forward(self, maps):
        """Return what the convolution of the joined maps would give."""
        small, full = maps
        return self.activation(self.enlarge(self.small(small)) + self.full(full))
