"""Export a stock network to ONNX in the form that detection takes."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from astro_yolo._files import replacing
from astro_yolo.catalog import CLASSES
from astro_yolo.exceptions import AstroYoloError, require
from astro_yolo.network.calibration import OUTPUTS
from astro_yolo.network.weights import metadata_of, registry_entry
from astro_yolo.stretch import STRETCHES
from astro_yolo.training.export import (
    LICENSE,
    load_fused,
    ready_for_export,
    write_graph,
    write_metadata,
)
from astro_yolo.training.metrics import precision_recall
from astro_yolo.training.score_maps import isotonic_map
from astro_yolo.training.scored import pool_detections

__all__ = ["ExportError", "calibrate_stock", "export_stock", "output_of"]

_LOWEST, _HIGHEST = 0.01, 0.99  # of the default threshold
_FEWEST = 30  # detections that a purity is measured on


class ExportError(AstroYoloError, ValueError):
    """A network cannot be given the form that detection takes."""


def output_of(name):
    """
    Return which of detection's outputs a class of a data set is.

    Parameters
    ----------
    name : str
        Class of a set; case, blanks and hyphens do not count.

    Returns
    -------
    str
        One of `~astro_yolo.network.calibration.OUTPUTS`.

    Raises
    ------
    ExportError
        If it is none of them.

    Examples
    --------
    >>> from astro_yolo.training.export_stock import output_of
    >>> output_of("Edge-on")
    'edge_on'
    """
    plain = str(name).strip().lower().replace("-", "_").replace(" ", "_")
    if plain not in OUTPUTS:
        msg = f"class {name!r} of the network must be one of {', '.join(OUTPUTS)} to be detected"
        raise ExportError(msg)
    return plain


def outputs_of(names):
    """
    Return which of detection's outputs the classes of a data set are.

    Parameters
    ----------
    names : sequence of str
        Classes of a set, as in `output_of`.

    Returns
    -------
    tuple of str

    Raises
    ------
    ExportError
        If one is no output, or two are the same: a network that was taught to tell two spellings
        of one class apart shares its scores out between them, and none of the two is that class.
    """
    first = {}
    for name in names:
        output = output_of(name)
        if output in first:
            msg = f"classes {first[output]!r} and {name!r} must be one class, as both are "
            raise ExportError(f"{msg}{output!r} to detection")
        first[output] = name
    return tuple(first)


def export_stock(
    checkpoint, path, *, stretch, zoom=1.0, name=None, version="1", pixel_scale=None,
    overwrite=False,
):  # fmt: skip
    """
    Export a stock YOLO network, so that ``detect(model=path)`` takes it.

    The graph takes (1, 3, height, width), 0 to 1, both sides multiples of the stride, and
    returns (1, 11, N): centre x, centre y, width, height in edge pixels, then
    the outputs of `~astro_yolo.network.calibration.OUTPUTS` for every cell. A class that the
    network does not know is 0; ``galaxy`` is the largest of its galaxy classes. A network
    that needs no suppression (YOLO26) is exported with its other head, as suppression is
    detection's own.

    Parameters
    ----------
    checkpoint : path-like
        ``best.pt``; a pickle, which runs code: only load what you trust.
    path : path-like
        ONNX file to write.
    stretch : str
        How the pictures it was trained on were made: one of
        `~astro_yolo.stretch.STRETCHES`. Detection makes them the same way.
    zoom : float, optional
        Pixels of the network's input for one of the picture: the image size of the training over
        the longer side of its pictures.
    name, version : str, optional
        Of the weights; by default the name is that of the file.
    pixel_scale : (float, float), optional
        Arcseconds per pixel that it was trained for; outside, detections are flagged.
    overwrite : bool, optional
        Replace an existing file.

    Returns
    -------
    `~pathlib.Path`
        The ONNX file.

    Raises
    ------
    ExportError
        If a class or the stretch is unknown, two classes are the same output, or the file is no
        checkpoint.
    FileExistsError
        If the file exists and ``overwrite`` is False.
    MissingExtraError
        If torch or onnx is not installed.
    """
    from astro_yolo.network.ultralytics_backend import quiet_environment

    if stretch not in STRETCHES:
        msg = f"stretch must be one of {', '.join(STRETCHES)}, got {stretch!r}"
        raise ExportError(msg)
    path = Path(path)
    with replacing(path, overwrite=overwrite) as part, quiet_environment():
        torch = require("torch", extra="train", feature="Exporting a network")
        require("onnx", extra="train", feature="Exporting a network")
        require("ultralytics", extra="train", feature="Exporting a network")
        model = _load(torch, checkpoint)
        names = [model.names[k] for k in range(len(model.names))]
        write_graph(torch, _in_our_form(torch, model, names), part)
        straight = {"x": [0.0, 1.0], "y": [0.0, 1.0]}
        metadata = {
            "name": name or path.stem,
            "version": str(version),
            "outputs": list(OUTPUTS),
            "classes": names,
            "stretch": stretch,
            "normalisation": "8-bit grey levels / 255",
            "zoom": float(zoom),
            "stride": int(np.max(model.stride.numpy())),
            "license": LICENSE,
            "trainer": "ultralytics",
            "date": datetime.now(tz=UTC).date().isoformat(),
            "calibration": {"score": straight, "star": straight},
            "thresholds": {"default": 0.25, "purity": []},
        }
        if pixel_scale is not None:
            metadata["pixel_scale"] = [float(value) for value in pixel_scale]
        write_metadata(part, metadata)
    return path


def _load(torch, checkpoint):
    """Return the network of a checkpoint, ready for export."""
    try:
        return ready_for_export(load_fused(torch, checkpoint))
    except FileNotFoundError:
        raise
    except Exception as error:  # a pickle can fail in any way
        msg = f"checkpoint must be a detection network of ultralytics: {checkpoint}: {error!r}"
        raise ExportError(msg) from error


def _in_our_form(torch, model, names):
    """Return a module that puts the classes of a network where detection expects them."""
    places = [OUTPUTS.index(output) for output in outputs_of(names)]
    galaxies = [k for k, place in enumerate(places) if OUTPUTS[place] != "star"]
    columns = {place: k for k, place in enumerate(places)}

    class InOurForm(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = model

        def forward(self, x):
            raw = self.network(x)
            raw = raw[0] if isinstance(raw, (list, tuple)) else raw
            scores = raw[:, 4:]
            nothing = torch.zeros_like(scores[:, :1])
            rows = [
                nothing if place not in columns else scores[:, columns[place] : columns[place] + 1]
                for place in range(len(OUTPUTS) - 1)
            ]
            galaxy = scores[:, galaxies].amax(dim=1, keepdim=True) if galaxies else nothing
            return torch.cat([raw[:, :4], *rows, galaxy], 1)

    return InOurForm().eval()


def calibrate_stock(path, pictures):
    """
    Measure what the scores of exported weights mean, and store it in the file.

    The score becomes the share of detections that are right, by isotonic regression; the default
    threshold is where F1 is highest; a purity table is added for ``min_purity``. With fewer than
    50 detections the scores stay as they are.

    Parameters
    ----------
    path : path-like
        ONNX file of `export_stock`, changed in one step.
    pictures : sequence of ScoredPicture
        Validation pictures scored with this very file, before calibration.

    Returns
    -------
    dict
        The line of a registry: `~astro_yolo.network.weights.registry_entry`.
    """
    path = Path(path)
    metadata = metadata_of(path)
    pool = pool_detections(pictures)
    judged = ~pool.skip[0]
    raw, right = pool.scores[judged], pool.hits[0, judged]
    knots = isotonic_map(raw, right)
    metadata["calibration"]["score"] = metadata["calibration"]["star"] = knots
    scores = np.interp(raw, knots["x"], knots["y"])
    curve = precision_recall(pictures)
    default = 0.25
    if len(scores) and pool.objects and right.any():
        default = float(np.interp(curve["score"][curve["f1"].argmax()], knots["x"], knots["y"]))
    table = []
    for limit in np.linspace(0.05, 0.95, 37):
        chosen = scores >= limit
        if chosen.sum() >= _FEWEST:
            table.append([round(float(limit), 4), round(float(right[chosen].mean()), 5)])
    default = round(float(np.clip(default, _LOWEST, _HIGHEST)), 5)
    metadata["thresholds"] = {"default": default, "purity": table}
    metadata["validation"] = {"pictures": len(pictures), "objects": int(pool.objects)}
    with replacing(path, overwrite=True) as part:
        part.write_bytes(path.read_bytes())
        write_metadata(part, metadata)
    classes = ", ".join(name for name in metadata["classes"] if output_of(name) in CLASSES)
    return registry_entry(path, f"stock YOLO, stretch {metadata['stretch']}: {classes}")
