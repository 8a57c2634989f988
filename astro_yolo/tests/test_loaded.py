"""Networks that are loaded once."""

import os
from contextlib import suppress
from dataclasses import replace

from astro_yolo import _loaded, detect
from astro_yolo._loaded import Loaded, loaded_here, spare_here
from astro_yolo.network.weights import load_weights
from astro_yolo.tests.planted import MODEL, plant
from astro_yolo.training.ship import DEEP_NAME


def test_the_oldest_network_makes_room(monkeypatch):
    """A network is loaded again only if as many others as are kept came after it."""
    monkeypatch.setattr(_loaded, "_KEPT", 2)
    loaded, calls = Loaded(), []
    for key in "aababcca":
        assert loaded._once(key, lambda key=key: calls.append(key) or key.upper()) == key.upper()
    assert calls == ["a", "b", "c", "a"]


def test_the_network_for_deep_fields_is_loaded_when_asked():
    """Once, with the runtime of the first; weights without one have none."""
    loaded, weights = Loaded(), load_weights()
    ask = loaded.deep(weights, "onnxruntime", "cpu")
    assert not loaded._networks
    network = ask()
    assert network is ask()
    assert network.weights.sha256 == weights.deep_sha256
    assert network.weights.name == DEEP_NAME
    assert loaded.deep(load_weights("astro-yolo-n1"), "onnxruntime", "cpu") is None


def test_a_forked_process_starts_anew(monkeypatch):
    """It shares neither networks nor locks, which may be held, with the process it came from."""
    mine = loaded_here()
    assert loaded_here() is mine
    parent = os.getpid()
    monkeypatch.setattr("os.getpid", lambda: parent + 1)
    assert loaded_here() is not mine


def test_other_metadata_are_another_network():
    """A .pt file has them in a file of their own, whose change must not go unnoticed."""
    loaded, weights = Loaded(), load_weights("astro-yolo-n1")
    ask = lambda weights: loaded.backend(weights, "onnxruntime", "cpu")  # noqa: E731
    first = ask(weights)
    assert ask(load_weights("astro-yolo-n1")) is first
    other = replace(weights, metadata=weights.metadata | {"zoom": 2.0})
    assert ask(other).weights.zoom == 2.0


def test_spare_networks_are_lent_to_one_at_a_time():
    """The next gets those of the last, also after an error; who asks meanwhile gets its own."""
    with spare_here() as first, spare_here() as second:
        assert first is not second
    with spare_here() as third:
        assert third is first
    with suppress(ZeroDivisionError), spare_here():
        raise ZeroDivisionError
    with spare_here() as last:
        assert last is first


def test_one_shots_share_the_network(monkeypatch):
    """A second call with the same model and runtime loads nothing; one of another does."""
    calls, load = [], _loaded.load_backend
    monkeypatch.setattr(_loaded, "_SPARE", {})
    monkeypatch.setattr(_loaded, "load_backend", lambda *args: calls.append(args) or load(*args))
    image = plant((100, 160), [(50.0, 50.0)])
    for backend in ("onnxruntime", "onnxruntime", "auto"):
        detect(image, model=MODEL, backend=backend, device="cpu", score=0.4)
    assert [choice for _, choice, _ in calls] == ["onnxruntime", "auto"]
