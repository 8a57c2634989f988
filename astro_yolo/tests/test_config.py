"""Tests of the settings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import astro_yolo
from astro_yolo.config import Conf, cache_folder, conf


def test_package_offers_its_settings():
    """``astro_yolo.conf`` is the one object that all modules read."""
    assert astro_yolo.conf is conf
    assert isinstance(conf, Conf)


def test_defaults():
    """Frames come from the SDSS archive, the runtime chooses its device."""
    assert conf.sas_base_url == "https://data.sdss.org/sas"
    assert conf.device == ""


def run_with_setting(line, code, tmp_path):
    """Run a line of Python in an interpreter whose user has a line of settings."""
    folder = tmp_path / "astro_yolo"
    folder.mkdir()
    (folder / "astro_yolo.cfg").write_text(f"{line}\n")
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        stdin=subprocess.DEVNULL, env={**os.environ, "XDG_CONFIG_HOME": str(tmp_path)},
    )


def test_settings_come_from_the_packages_own_file(tmp_path):
    """A line in astro_yolo/astro_yolo.cfg of the user's configuration folder is obeyed."""
    code = "import astro_yolo; print(astro_yolo.conf.device)"
    done = run_with_setting('device = "cuda"', code, tmp_path)
    assert done.stdout.strip() == "cuda", done.stderr


@pytest.mark.parametrize("line", ['device = "gpu"', "openvino_precision = bf16"])
def test_wrong_settings_in_the_file_are_named(tmp_path, line):
    """The setting, its file and what was got are told: the user gave no such argument."""
    name, _, value = line.partition(" = ")
    done = run_with_setting(line, f"import astro_yolo; astro_yolo.conf.{name}", tmp_path)
    told = done.stderr.strip().splitlines()[-1]
    assert told.startswith(f"ValueError: conf.{name} is wrong, perhaps in astro_yolo.cfg: ")
    assert value.strip('"') in told


def test_cache_folder_follows_the_setting(tmp_path):
    """The cache folder is what the setting says, when asked for; else Astropy's for the package."""
    with conf.set_temp("cache_dir", str(tmp_path)):
        assert cache_folder() == tmp_path
    assert cache_folder().name == "astro_yolo"
    with conf.set_temp("cache_dir", "~/frames"):
        assert cache_folder() == Path.home() / "frames"
