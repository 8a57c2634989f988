"""Networks in memory: a detector's own, and those that a process keeps for what comes next.

A pool of processes sends a detector with every image, and a loop may call `astro_yolo.detect` for
each. Loaded for each anew, the networks would take as long as many images do.
"""

import os
from contextlib import contextmanager
from functools import partial
from threading import Lock

from astro_yolo.config import conf
from astro_yolo.network.backends import load_backend
from astro_yolo.network.types import TypeClassifier
from astro_yolo.network.weights import load_weights

__all__ = ["Loaded", "loaded_here", "spare_here"]

_KEPT = 6  # networks; a detector has three


class Loaded:
    """
    Networks that are loaded once.

    Attributes
    ----------
    lock : `threading.Lock`
        To be held by who uses a network.
    """

    def __init__(self):
        self.lock = Lock()
        self._networks = {}

    def backend(self, weights, choice, device):
        """Return what `~astro_yolo.network.backends.load_backend` returns for the arguments."""
        # the checksum of a .pt file does not tell of the metadata beside it
        name = weights.sha256 + str(weights.metadata)
        return self._backend(name, lambda: weights, choice, device)

    def classifier(self, weights):
        """Return the network of types that goes with the weights."""
        return self._once(weights.types_sha256, lambda: TypeClassifier(weights.types))

    def deep(self, weights, choice, device):
        """Return what returns the weights' network for deep fields; None where they have none."""
        if weights.deep is None:
            return None
        read = partial(load_weights, weights.deep)  # the file only where it is not loaded yet
        return partial(self._backend, weights.deep_sha256, read, choice, device)

    def _backend(self, name, read, choice, device):
        """Return the network of a name in a runtime; ``read`` returns its weights."""
        key = name, choice, device, conf.openvino_precision
        return self._once(key, lambda: load_backend(read(), choice, device))

    def _once(self, key, load):
        """Return the network of a key; the oldest one makes room for it."""
        if key not in self._networks:
            network = load()
            if len(self._networks) >= _KEPT:
                del self._networks[next(iter(self._networks))]
            self._networks[key] = network
        return self._networks[key]


_LOADED, _SPARE = {}, {}


def loaded_here():
    """Return the networks that detectors from other processes share; a forked process has none."""
    return _LOADED.setdefault(os.getpid(), Loaded())


@contextmanager
def spare_here():
    """
    Lend the networks of the last that had them in this process, for one at a time.

    Who finds none, as others run at the same time, gets empty ones and need not wait.
    """
    here = os.getpid()
    loaded = _SPARE.pop(here, None) or Loaded()
    try:
        yield loaded
    finally:
        _SPARE[here] = loaded
