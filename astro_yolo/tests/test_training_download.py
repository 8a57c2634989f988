"""Many frames from a server that fails in every way: a mirror on this machine."""

import errno
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from astropy.table import Table

from astro_yolo.config import conf
from astro_yolo.exceptions import AstroYoloWarning
from astro_yolo.tests.sky_server import ask_for_time, small_sdss
from astro_yolo.training import download, transfer
from astro_yolo.training.download import download_frames, estimate, plan_frames, read_manifest
from astro_yolo.training.transfer import DownloadError, asked_wait

FIELD = (94, 1, 12)


@pytest.fixture
def mirror(shared_data, monkeypatch):
    """A mirror of the archive with the real frames of field 94-1-12; waits are short."""
    pytest.importorskip("astroquery")
    monkeypatch.setattr(download, "_BACK_OFF", 0.01)
    with small_sdss(shared_data) as server, conf.set_temp("sas_base_url", server.url):
        yield server


def real_bytes(shared_data):
    """Return the g frame of field 94-1-12 as it is on disk."""
    name = "sas/dr17/eboss/photoObj/frames/301/94/1/frame-g-000094-1-0012.fits.bz2"
    return (shared_data / name).read_bytes()


def test_frames_come_once_and_are_listed(mirror, shared_data, tmp_path):
    """Two frames arrive as they are on the server; a second call asks for nothing."""
    rows = download_frames([FIELD, FIELD], tmp_path, bands="gr", rate=100)
    assert [(row.band, row.state) for row in rows] == [("g", "whole"), ("r", "whole")]
    assert (tmp_path / rows[0].path).read_bytes() == real_bytes(shared_data)
    assert rows[0].size == len(real_bytes(shared_data))
    asked = len(mirror.asked)
    assert download_frames([FIELD], tmp_path, bands="gr") == rows
    assert len(mirror.asked) == asked == 2
    table = Table.read(tmp_path / "manifest.ecsv")
    assert table["sha256"].tolist() == [row.sha256 for row in rows]


@pytest.mark.parametrize("trouble", ["503", b"<html><body>Busy</body></html>", "half"])
def test_trouble_is_tried_again(mirror, shared_data, tmp_path, trouble):
    """An error, an error page with status 200 and a file cut short are asked for once more."""
    whole = real_bytes(shared_data)
    mirror.trouble.append(whole[: len(whole) // 2] if trouble == "half" else trouble)
    (row,) = download_frames([FIELD], tmp_path, bands="g", rate=100)
    assert row.state == "whole"
    assert len(mirror.asked) == 2
    assert (tmp_path / row.path).read_bytes() == whole


def test_a_network_that_fails_on_the_way_is_tried_again(
    mirror, shared_data, tmp_path, monkeypatch
):
    """No route to the server in the middle of a frame costs one try, not the whole download."""
    real, failures = transfer._read, [OSError(errno.EHOSTUNREACH, "No route to host")]

    class Cut:
        def read(self, _size):
            raise failures.pop()

    monkeypatch.setattr(transfer, "_read", lambda reply: real(Cut() if failures else reply))
    (row,) = download_frames([FIELD], tmp_path, bands="g", rate=100)
    assert row.state == "whole"
    assert len(mirror.asked) == 2
    assert (tmp_path / row.path).read_bytes() == real_bytes(shared_data)


def test_a_server_that_asks_for_time_gets_it(mirror, tmp_path, monkeypatch):
    """After a 503 with "Retry-After: 1" nothing is asked for one second, by any worker."""
    times = ask_for_time(monkeypatch, 1)
    mirror.trouble.append("503")
    rows = download_frames([FIELD], tmp_path, bands="gr", workers=1, rate=1000)
    assert [row.state for row in rows] == ["whole", "whole"]
    assert len(times) == 3
    assert times[1] - times[0] > 0.95  # the waits of the fixture are a hundredth of that


def test_how_long_a_server_asks_to_wait():
    """A number or a date in seconds, ten minutes at most; 0 for a date gone by, or no such text."""
    now = datetime.now(tz=UTC)
    soon = format_datetime(now + timedelta(seconds=30), usegmt=True)
    assert 27 < asked_wait({"Retry-After": soon}) <= 30
    past = format_datetime(now - timedelta(seconds=30), usegmt=True)
    for text, seconds in (("7", 7), ("86400", 600), (past, 0), ("later", 0), ("-5", 0)):
        assert asked_wait({"Retry-After": text}) == seconds
    assert asked_wait({}) == 0


def test_a_damaged_manifest_is_named(mirror, tmp_path):
    """A manifest that was cut short or emptied is named; without it the frames are checked."""
    (row,) = download_frames([FIELD], tmp_path, bands="g")
    path = tmp_path / "manifest.ecsv"
    text = path.read_text()
    for damaged in ("", text[: len(text) // 2], text.replace("whole,", "whole,x")):
        path.write_text(damaged)
        with pytest.raises(DownloadError, match=r"manifest\.ecsv must be a manifest.* is damaged"):
            download_frames([FIELD], tmp_path, bands="g")
    path.unlink()
    assert download_frames([FIELD], tmp_path, bands="g") == [row]
    assert len(mirror.asked) == 1


def test_what_stays_damaged_is_kept_apart_and_listed(mirror, shared_data, tmp_path):
    """A frame that comes cut short each time is quarantined and named; it is never in its place."""
    half = real_bytes(shared_data)[:500_000]
    mirror.trouble += [half, half]
    with pytest.warns(AstroYoloWarning, match="1 of 1 frames could not be had"):
        (row,) = download_frames([FIELD], tmp_path, bands="g", rate=100, tries=2)
    assert row.state == "damaged"
    assert "500000 bytes" in row.message
    assert not (tmp_path / row.path).exists()
    assert [p.read_bytes() for p in (tmp_path / "quarantine").iterdir()] == [half]
    assert read_manifest(tmp_path) == [row]
    assert download_frames([FIELD], tmp_path, bands="g", rate=100)[0].state == "whole"


def test_a_missing_frame_is_asked_for_once(mirror, tmp_path):
    """A frame that the server does not have is called absent, without a second try."""
    with pytest.warns(AstroYoloWarning, match="could not be had"):
        (row,) = download_frames([(94, 1, 9999)], tmp_path, bands="g", rate=100)
    assert row.state == "absent"
    assert len(mirror.asked) == 1


def test_a_silent_server_and_no_server(mirror, tmp_path, monkeypatch):
    """A time-out and a closed port end in "failed", with the address in the message."""
    monkeypatch.setattr(transfer, "_TIMEOUT", 0.3)
    mirror.trouble.append("time-out")
    with pytest.warns(AstroYoloWarning, match="cannot reach http://127"):
        (row,) = download_frames([FIELD], tmp_path, bands="g", tries=1)
    assert row.state == "failed"
    with (
        conf.set_temp("sas_base_url", "http://127.0.0.1:9"),
        pytest.warns(AstroYoloWarning, match="cannot reach"),
    ):
        (row,) = download_frames([FIELD], tmp_path, bands="g", tries=1)
    assert row.state == "failed"


def test_a_file_damaged_on_disk_is_noticed(mirror, tmp_path):
    """A frame that changed after its download is fetched again."""
    (row,) = download_frames([FIELD], tmp_path, bands="g", rate=100)
    path = tmp_path / row.path
    path.write_bytes(path.read_bytes()[:-1000])
    assert download_frames([FIELD], tmp_path, bands="g", rate=100)[0] == row
    assert path.stat().st_size == row.size


SCRIPT = """
import sys
from astro_yolo.config import conf
from astro_yolo.training.download import download_frames
with conf.set_temp("sas_base_url", sys.argv[1]):
    download_frames([(94, 1, 12)], sys.argv[2], bands="gri", workers=1, rate=100)
"""


def test_a_killed_download_goes_on(mirror, tmp_path):
    """After kill -9 in the middle, a second run fetches only what is missing, and no part stays."""
    mirror.slowness = 1.0
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, mirror.url, str(tmp_path)]
    process = subprocess.Popen(command)
    first = tmp_path / plan_frames([FIELD])[0].path
    until = time.monotonic() + 60
    while not first.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert first.exists()
    mirror.slowness, before = 0.0, len(mirror.asked)
    rows = download_frames([FIELD], tmp_path, rate=100)
    assert {row.state for row in rows} == {"whole"}
    again = mirror.asked[before:]
    assert 1 <= len(again) <= 2
    assert not any("frame-g" in path for path in again)
    assert not list(tmp_path.rglob("*.part"))


def test_the_estimate_and_the_disk(mirror, tmp_path, monkeypatch):
    """The bytes to come are the mean of those that came; a disk without room is refused."""
    rows = plan_frames([FIELD, (94, 1, 13)])
    assert estimate(rows) == pytest.approx(6 * 3.4e6)
    half = [replace(row, state="whole", size=10) for row in rows[:3]] + rows[3:]
    assert estimate(half) == 30
    usage = download.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(DownloadError, match=r"has 0\.00 GB free"):
        download_frames([FIELD], tmp_path)
    assert mirror.asked == []


def test_how_far_the_listing_is(mirror, tmp_path, capsys):
    """With progress, the check of what is there and the list of what is not are counted too."""
    download_frames([FIELD], tmp_path, bands="g", rate=100)
    assert capsys.readouterr().err == ""
    download_frames([FIELD], tmp_path, bands="gr", rate=100, progress=True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "checked frame 2 of 2"
    assert lines[1].startswith("1 of 2 frames to fetch")
    assert lines[2:] == ["listed frame 1 of 1", "frame 1 of 1"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fields": []}, "at least one field"),
        ({"bands": "gx"}, "bands must be among"),
        ({"workers": 0}, "must be positive"),
        ({"rate": float("nan")}, "must be positive, got 4, nan and 3"),
        ({"data_release": 7}, "data_release must be 8 or later"),
    ],
)
def test_bad_input_is_named(mirror, tmp_path, change, message):
    """A wrong argument gets an error that says which it is, before anything is asked."""
    with pytest.raises(ValueError, match=message):
        download_frames(**{"fields": [FIELD], "folder": tmp_path, **change})
    assert mirror.asked == []
