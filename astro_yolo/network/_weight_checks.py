"""Whether the metadata of a weight file fit this version of the package."""

from astro_yolo.exceptions import WeightsError
from astro_yolo.network.calibration import OUTPUTS, Calibration
from astro_yolo.stretch import NETWORK_STRETCH, STRETCHES

__all__ = ["checked_calibration", "pair", "purity_tables"]


def checked_calibration(path, metadata):
    """Return the calibration of metadata that fit this version; raise where they do not."""
    needed = ("name", "version", "outputs", "stretch", "stride", "license", "thresholds")
    missing = [key for key in needed if key not in metadata]
    if missing:
        _reject(path, f"the metadata must have {', '.join(missing)}")
    if tuple(metadata["outputs"]) != OUTPUTS:
        _reject(path, f"outputs must be {list(OUTPUTS)}, got {metadata['outputs']}")
    if metadata["stretch"] not in (NETWORK_STRETCH, *STRETCHES):
        _reject(
            path,
            f"stretch must be {NETWORK_STRETCH!r}, the input scaling of this version, or one of"
            f" {', '.join(STRETCHES)}, got {metadata['stretch']!r}",
        )
    stride = metadata["stride"]
    if not isinstance(stride, int) or stride < 1:
        _reject(path, f"stride must be a positive integer, got {stride!r}")
    try:
        _check_numbers(metadata)
        return Calibration.from_metadata(metadata.get("calibration", {}))
    except (KeyError, TypeError, ValueError) as error:
        _reject(path, f"thresholds, calibration, zoom, pixel_scale or size: {error!r}")


def _check_numbers(metadata):
    """Raise unless the numbers of the metadata are in their range."""
    default = float(metadata["thresholds"]["default"])
    if not 0 < default < 1:
        msg = f"the default threshold must be in 0..1, got {default}"
        raise ValueError(msg)
    if not 0.01 <= float(metadata.get("zoom", 1)) <= 16:
        msg = f"zoom must be in 0.01..16, got {metadata['zoom']}"
        raise ValueError(msg)
    for table in purity_tables(metadata["thresholds"]).values():
        for row in table:
            pair(row)
    for key in ("pixel_scale", "size"):
        low, high = pair(metadata.get(key)) or (0, 1)
        if not low < high:
            msg = f"{key} must be [low, high], got {metadata[key]}"
            raise ValueError(msg)


def pair(values):
    """Return two floats, or None for None."""
    if values is None:
        return None
    low, high = values
    return float(low), float(high)


def purity_tables(thresholds):
    """Return the [score, purity] pairs by kind of image; those of frames serve where none are."""
    return {"frames": thresholds.get("purity", [])} | thresholds.get("purity_of", {})


def _reject(path, reason):
    """Raise a `WeightsError` about a file."""
    msg = f"{path}: {reason}"
    raise WeightsError(msg)
