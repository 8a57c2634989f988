"""What the tests of the package share."""

import gc
import os
from pathlib import Path

import pytest
from astropy.config import set_temp_cache, set_temp_config

from astro_yolo import __version__

_HEADER_MODULES = {
    "numpy": "numpy",
    "astropy": "astropy",
    "regions": "regions",
    "photutils": "photutils",
    "onnxruntime": "onnxruntime",
    "opencv": "cv2",
}


def pytest_configure(config):
    """Choose what pytest's header says about versions."""
    from pytest_astropy_header.display import PYTEST_HEADER_MODULES, TESTED_VERSIONS

    config.option.astropy_header = True
    PYTEST_HEADER_MODULES.clear()
    PYTEST_HEADER_MODULES.update(_HEADER_MODULES)
    TESTED_VERSIONS["astro_yolo"] = __version__


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collect without looking for garbage among millions of objects in use; keep those apart."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _private_settings(tmp_path_factory):
    """Keep the tests away from the user's own configuration and cache."""
    folder = tmp_path_factory.mktemp("settings")
    for name in ("config", "cache"):
        (folder / name).mkdir()
    with set_temp_config(folder / "config"), set_temp_cache(folder / "cache"):
        yield


@pytest.fixture(scope="session")
def shared_data(request):
    """Folder of real survey data as `~pathlib.Path`; skips the test where there is none.

    The environment variable ``ASTRO_YOLO_DATA`` names it; otherwise it is looked for beside the
    repository, in ``../shared/data``.
    """
    beside = request.config.rootpath.parent / "shared" / "data"
    folder = Path(os.environ.get("ASTRO_YOLO_DATA") or beside)
    if not folder.is_dir():
        pytest.skip(f"real survey data not found in {folder}: set ASTRO_YOLO_DATA to their folder")
    return folder
