"""Errors and warnings of the package.

What to raise when: an input picture that cannot be used is an `ImageError` (`BandError` when the
bands contradict each other, `WCSError` when the sky coordinates do); trouble with a network is a
`ModelError` (`WeightsError` when the weight file itself is at fault); a region file or a shape name
is a `RegionError`; trouble with DS9 is a `DS9Error`, with a catalogue service a `ServiceError`,
with sending tables a `SampError`; an optional dependency that is not installed is a
`MissingExtraError`. Every error is also the builtin that a caller would expect, and says which
argument broke which rule and what was got. A wrong *kind* of argument is a plain `TypeError`.
"""

import sys
import warnings
from importlib import import_module

from astropy.utils.exceptions import AstropyUserWarning

__all__ = [
    "AstroYoloError",
    "AstroYoloWarning",
    "BandError",
    "DS9AmbiguousError",
    "DS9Error",
    "DS9NotFoundError",
    "DS9TimeoutError",
    "ImageError",
    "InputWarning",
    "MatchError",
    "MeasurementError",
    "MissingExtraError",
    "ModelError",
    "NoDetectionsWarning",
    "RegionError",
    "SampError",
    "ServiceError",
    "WCSError",
    "WeightsError",
    "require",
    "warn_user",
]

_PACKAGE = __name__.partition(".")[0]


class AstroYoloError(Exception):
    """Base of every error that this package defines."""


class ImageError(AstroYoloError, ValueError):
    """An input image is unreadable, empty or unfit for detection."""


class BandError(ImageError):
    """The bands of one field are too few, too many or in a contradicting order."""


class WCSError(ImageError):
    """The sky coordinates are missing where needed, or do not fit the image."""


class ModelError(AstroYoloError, RuntimeError):
    """A network or the runtime under it cannot do what was asked."""


class WeightsError(ModelError):
    """A weight file is unknown, damaged, or made for another version."""


class RegionError(AstroYoloError, ValueError):
    """A region shape, frame or region file is not valid."""


class MatchError(AstroYoloError, ValueError):
    """Tables cannot be matched: positions, units or a radius are missing or wrong."""


class ServiceError(AstroYoloError, OSError):
    """A catalogue service cannot be reached, or answers with something that is no catalogue."""


class SampError(AstroYoloError, ConnectionError):
    """There is no SAMP hub, or a program at it did not take what was sent."""


class MeasurementError(AstroYoloError, ValueError):
    """A table cannot be measured: columns, zero points or an aperture are missing or wrong."""


class DS9Error(AstroYoloError, RuntimeError):
    """DS9 refused a command, or did something else than was asked."""


class DS9NotFoundError(DS9Error, ConnectionError):
    """There is no running DS9 of this name, or it has gone."""


class DS9AmbiguousError(DS9Error, ValueError):
    """Several running DS9s fit, and one must be named."""


class DS9TimeoutError(DS9Error, TimeoutError):
    """DS9 runs and does not answer: it is busy, stopped, or waits at a dialog."""


class MissingExtraError(AstroYoloError, ImportError):
    """A feature needs an optional dependency that is not installed."""


class AstroYoloWarning(AstropyUserWarning):
    """Base of every warning that this package gives."""


class NoDetectionsWarning(AstroYoloWarning):
    """Nothing was found: the result table has no rows."""


class InputWarning(AstroYoloWarning):
    """An input was usable only after something in it was ignored or changed."""


def warn_user(message, category=AstroYoloWarning):
    """Warn about something that the caller of the package can act on.

    The warning points at the first line outside the package, where the call came from, instead of
    at the package's own code.

    Parameters
    ----------
    message : str
        What was changed or dropped, and why.
    category : type, optional
        A subclass of `AstroYoloWarning`.
    """
    warnings.warn(message, category, stacklevel=_user_stacklevel())


def _user_stacklevel():
    """Count the frames from `warn_user` up to the first one outside the package."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        level, frame = level + 1, frame.f_back
    return level


def _is_ours(module_name):
    """Say whether a module belongs to the package; its tests stand for a user's code."""
    inside = f"{module_name}.".startswith(f"{_PACKAGE}.")
    return inside and not module_name.startswith(f"{_PACKAGE}.tests")


def require(module, *, extra, feature):
    """Import an optional dependency, or say how to install it.

    Parameters
    ----------
    module : str
        Dotted name of the module to import.
    extra : str
        The extra of this package that brings the module.
    feature : str
        What the module is needed for, as the subject of a sentence: "Training a network".

    Returns
    -------
    module : module
        The imported module.

    Raises
    ------
    MissingExtraError
        If the module, or one that it imports itself, is not installed. A module that is installed
        but broken raises its own `ImportError`.

    Examples
    --------
    >>> from astro_yolo.exceptions import require
    >>> require("json", extra="all", feature="Reading JSON").__name__
    'json'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        msg = (
            f"{feature} needs the module {error.name!r}, which is not installed: "
            f'pip install "astro-yolo[{extra}]"'
        )
        raise MissingExtraError(msg, name=error.name) from error
