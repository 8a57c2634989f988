"""Settings that depend on where the package runs, never on the science.

They are read from ``astro_yolo.cfg`` in the folder that Astropy keeps for this package, and can be
changed for a while with ``with conf.set_temp(...)``. Read them in the body of a function, not as a
default argument: a default is fixed when the function is defined.
"""

from pathlib import Path

from astropy.config import ConfigItem, ConfigNamespace, get_cache_dir

__all__ = ["Conf", "cache_folder", "conf"]

_ROOT = __name__.partition(".")[0]


class _Item(ConfigItem):
    """A setting at the top level of the package's own file, instead of in Astropy's folder."""

    rootname = _ROOT

    def __init__(self, default, description, choices=()):
        super().__init__(default, description, module=_ROOT)
        self._choices = choices  # beside the empty text, which Astropy's own choices cannot be

    def __call__(self):
        """Return the value; where a user's file has it wrong, say so: nobody passed it."""
        try:
            value = super().__call__()
        except TypeError as error:
            msg = f"conf.{self.name} is wrong, perhaps in {_ROOT}.cfg: {error}"
            raise ValueError(msg) from error
        if value and self._choices and value not in self._choices:
            rule = f"must be one of {', '.join(self._choices)} or empty"
            msg = f"conf.{self.name} is wrong, perhaps in {_ROOT}.cfg: it {rule}, got {value!r}"
            raise ValueError(msg)
        return value


class Conf(ConfigNamespace):
    """Settings of `astro_yolo`."""

    rootname = _ROOT

    sas_base_url = _Item(
        "https://data.sdss.org/sas",
        "Address of the SDSS Science Archive Server or of a local mirror with the same folders.",
    )
    skyserver_base_url = _Item(
        "https://skyserver.sdss.org",
        "Address of the SDSS SkyServer, which answers SQL, or of something that answers like it.",
    )
    gaia_tap_url = _Item(
        "https://gea.esac.esa.int/tap-server/tap",
        "Address of the Gaia archive's table access protocol, or of a mirror with the same tables.",
    )
    device = _Item(
        "",
        "Device of the network when none is given, 'cpu' or 'cuda'; empty: the runtime's own.",
        choices=("cpu", "cuda"),
    )
    openvino_precision = _Item(
        ["float32", "bfloat16"],
        "Arithmetic of the OpenVINO backend. bfloat16 takes two fifths less time in the network, on"
        " processors that have it, and moves single outputs by up to 0.12, boxes by 0.43 pixels.",
    )
    cache_dir = _Item(
        "",
        "Folder for downloaded frames; empty: 'astro_yolo' in the user's cache folder.",
    )


conf = Conf()


def cache_folder():
    """Return the folder for downloaded files, as `~pathlib.Path`; it may not exist yet."""
    return Path(conf.cache_dir or get_cache_dir(_ROOT)).expanduser()
