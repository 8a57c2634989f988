"""Colours of regions: those of the classes, and what DS9 takes for one."""

import re
from collections.abc import Mapping

from astro_yolo.catalog import LABELS
from astro_yolo.exceptions import RegionError

__all__ = ["CLASS_COLORS", "checked_color", "color_of"]

#: Colour of each class in region files and pictures.
CLASS_COLORS = dict(zip(
    LABELS, ("#ff7043", "#40c4ff", "#69f0ae", "#ff4dd2", "#ffe14d", "#ffffff"), strict=True))

_OTHER_COLOR = "#00ff00"  # DS9's own green, for a label that has no colour
# DS9 takes the first word of a name, and what follows for something else
_COLOR = re.compile(r"#[0-9a-f]{3}|#[0-9a-f]{6}|[a-z]\w*", re.IGNORECASE)


def checked_color(color):
    """Return a colour that DS9 takes whole."""
    if not isinstance(color, str) or not _COLOR.fullmatch(color):
        raise RegionError(f"color must be a name in one word or #rrggbb, got {color!r}")
    return color


def color_of(label, color):
    """
    Return the colour of a class.

    Parameters
    ----------
    label : str
        Class.
    color : str, dict or None
        One colour, or colours by label that replace those of `CLASS_COLORS`.

    Returns
    -------
    str

    Raises
    ------
    RegionError
        If it is none that DS9 takes.
    """
    if isinstance(color, Mapping) or color is None:
        return checked_color((CLASS_COLORS | dict(color or {})).get(label, _OTHER_COLOR))
    return checked_color(color)
