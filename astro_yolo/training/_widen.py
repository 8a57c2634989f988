"""Where the channels of a network stand in a wider one of the same layers.

They are the first of each layer, and of each part where a layer's maps are cut in parts or joined.

Imports torch and ultralytics: load it only where training was asked for.
"""

import numpy as np
from torch import nn
from ultralytics.nn.modules import C3, SPPF, C2f, Concat, Detect

__all__ = ["channel_places"]

_COLOURS = [(3, 3)]


def channel_places(model, shapes):
    """
    Return where the channels of a network stand in one of the same layers, as wide or wider.

    Parameters
    ----------
    model : torch.nn.Module
        The wider one, an ultralytics detection model.
    shapes : dict
        Name of each convolution to its numbers of outputs and inputs in the narrower one.

    Returns
    -------
    dict
        Name to two arrays, the places of the outputs and of the inputs.

    Raises
    ------
    ValueError
        If the narrower network is wider somewhere, or has other layers.
    """
    places, parts = {}, []  # parts of each layer's maps: their channels in both networks
    for k, layer in enumerate(model.model):
        sources = [parts[j] for j in np.atleast_1d(layer.f)] if parts else [_COLOURS]
        joined = [part for source in sources for part in source]
        if isinstance(layer, (Concat, nn.Upsample)):
            parts.append(joined)
            continue
        blocks = dict(layer.named_modules())
        for name, conv in blocks.items():
            if isinstance(conv, nn.Conv2d):
                whole = f"model.{k}.{name}"
                ways = _ways(layer, blocks, name, joined)
                sizes = zip(shapes[whole], conv.weight.shape[:2], strict=True)
                places[whole] = tuple(
                    _places(*size, way) for size, way in zip(sizes, ways, strict=True)
                )
        if not isinstance(layer, Detect):
            last = "conv" if "conv" in blocks else "cv2.conv"
            parts.append([(shapes[f"model.{k}.{last}"][0], blocks[last].out_channels)])
    return places


def _ways(layer, blocks, name, joined):
    """Return the parts of a convolution's outputs and inputs: how many like ones, or which."""
    *path, role = name.split(".")[:-1] or [""]
    block = blocks[".".join(path)]
    if isinstance(block, C2f) and role == "cv1":
        return 2, joined if block is layer else 1
    if isinstance(block, C2f) and role == "cv2":
        return 1, 2 + len(block.m)
    if isinstance(block, C3) and role == "cv3":
        return 1, 2
    if isinstance(block, SPPF) and role == "cv2":
        return 1, 1 + block.n
    return 1, 1


def _places(old, new, parts):
    """Return where ``old`` channels stand among ``new`` ones."""
    if isinstance(parts, int):
        parts = [(old // parts, new // parts)] * parts
    starts = np.cumsum([0, *(wide for _, wide in parts)])
    places = [start + np.arange(n) for start, (n, _) in zip(starts[:-1], parts, strict=True)]
    if any(n > wide for n, wide in parts) or (old, new) != (sum(map(len, places)), starts[-1]):
        msg = f"{old} channels do not fit into {new}"
        raise ValueError(msg)
    return np.concatenate(places)
