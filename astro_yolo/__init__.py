"""Find and classify galaxies in astronomical images.

The public names are resolved on first use, so that ``import astro_yolo`` stays cheap: it reads no
image library and no network runtime until one is needed.
"""

from importlib import import_module

try:
    from ._version import version as __version__
except ImportError:  # a source tree that was never built
    __version__ = "0.0.dev0"

__all__ = [
    "CLASSES",
    "Detector",
    "SkyImage",
    "__version__",
    "compare",
    "completeness",
    "conf",
    "crossmatch",
    "decode_flags",
    "detect",
    "fetch_catalog",
    "make_table",
    "measure",
    "read_image",
    "read_regions",
    "read_table",
    "sky",
    "to_regions",
    "write_png",
    "write_regions",
    "write_table",
]

# public name -> the module it lives in
_HOMES = {
    "CLASSES": "catalog",
    "Detector": "detection",
    "SkyImage": "image",
    "compare": "comparison",
    "completeness": "recovery",
    "conf": "config",
    "crossmatch": "matching",
    "decode_flags": "catalog",
    "detect": "detection",
    "fetch_catalog": "services",
    "make_table": "catalog",
    "measure": "measuring",
    "read_image": "image",
    "read_regions": "overlays",
    "read_table": "catalog",
    "sky": "catalog",
    "to_regions": "overlays",
    "write_png": "overlays",
    "write_regions": "overlays",
    "write_table": "catalog",
}


def __getattr__(name):
    """Import the module that holds a public name, when the name is first used (PEP 562)."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__})
