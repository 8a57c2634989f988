"""Tests of errors and warnings."""

import warnings

import pytest
from astropy.utils.exceptions import AstropyUserWarning

from astro_yolo import exceptions
from astro_yolo.exceptions import (
    AstroYoloError,
    AstroYoloWarning,
    InputWarning,
    MissingExtraError,
    NoDetectionsWarning,
    require,
    warn_user,
)


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("ImageError", ValueError),
        ("BandError", ValueError),
        ("WCSError", ValueError),
        ("ModelError", RuntimeError),
        ("WeightsError", RuntimeError),
        ("RegionError", ValueError),
        ("MissingExtraError", ImportError),
    ],
)
def test_errors_are_caught_both_ways(name, builtin):
    """Every error can be caught as the package's own and as the builtin that one expects."""
    error = getattr(exceptions, name)
    assert issubclass(error, AstroYoloError)
    assert issubclass(error, builtin)


@pytest.mark.parametrize("category", [AstroYoloWarning, NoDetectionsWarning, InputWarning])
def test_warnings_are_astropy_warnings(category):
    """Code that filters Astropy's warnings also filters ours."""
    assert issubclass(category, AstropyUserWarning)


def test_warning_points_at_the_caller():
    """A warning names the line outside the package from where the package was called."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_user("the mask was ignored", InputWarning)
    assert [w.category for w in caught] == [InputWarning]
    assert caught[0].filename == __file__
    assert str(caught[0].message) == "the mask was ignored"


def test_warning_skips_the_package():
    """A warning from deep inside the package still points outside of it."""
    inner = {"__name__": "astro_yolo.detection", "warn_user": warn_user}
    exec(compile("def work():\n    warn_user('deep')\ndef run():\n    work()", "inner.py", "exec"),
         inner)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        inner["run"]()
    assert caught[0].filename == __file__


def test_a_similar_name_is_outside():
    """A package whose name only begins like ours counts as a user's code."""
    other = {"__name__": "astro_yolo_plus.run", "warn_user": warn_user}
    exec(compile("def run():\n    warn_user('near')", "other.py", "exec"), other)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        other["run"]()
    assert caught[0].filename == "other.py"


def test_require_returns_the_module():
    """An installed module, also a dotted one, is imported and handed back."""
    assert require("os.path", extra="all", feature="Nothing").join("a", "b")


def test_require_says_what_to_install():
    """A missing module gives an error with the feature, the module and the command."""
    expected = (
        r"^Training a network needs the module 'no_such_module_x', which is not installed: "
        r'pip install "astro-yolo\[train\]"$'
    )
    with pytest.raises(MissingExtraError, match=expected) as caught:
        require("no_such_module_x", extra="train", feature="Training a network")
    assert caught.value.name == "no_such_module_x"


def test_require_does_not_hide_a_broken_module(tmp_path, monkeypatch):
    """A module that is installed but fails to import raises its own error."""
    (tmp_path / "broken_module_x.py").write_text("raise ImportError('libGL is missing')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match="libGL is missing") as caught:
        require("broken_module_x", extra="train", feature="Training a network")
    assert not isinstance(caught.value, MissingExtraError)
