"""Tables sent by SAMP to a client at a hub on this machine."""

import socket
import subprocess
import sys
from contextlib import contextmanager
from threading import Event

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable, Table

from astro_yolo.catalog import make_table
from astro_yolo.cli import main
from astro_yolo.exceptions import MissingExtraError, SampError
from astro_yolo.samp import send_table

from .ds9_fixture import wait_for
from .wcs_cases import make_wcs


def example():
    """Return a result table of two rows."""
    boxes = [[10.0, 10, 20, 20], [40, 40, 60, 60]]
    return make_table(boxes, [0.9, 0.8], np.full((2, 5), 0.2), [0, 0], [0, 0], wcs=make_wcs(),
                      meta={"IMAGE": "frame-r"})  # fmt: skip


@pytest.fixture
def samp(tmp_path, monkeypatch):
    """The library, told to look at a hub's file in a folder of the test's own."""
    library = pytest.importorskip("pyvo.samp", reason="pyvo 1.9 or later is not installed")
    monkeypatch.setenv("SAMP_HUB", f"std-lockurl:{(tmp_path / 'hub').as_uri()}")
    with library.conf.set_temp("use_internet", False):
        yield library


@pytest.fixture
def hub(samp, tmp_path):
    """A hub on the loopback address."""
    server = samp.SAMPHubServer(
        addr="127.0.0.1", web_profile=False, mode="single", lockfile=str(tmp_path / "hub")
    )
    server.start()
    yield server
    server.stop()


@contextmanager
def receiver(samp, name, *, status="samp.ok"):
    """Run a client that loads tables; yield the list of what it got."""
    client, got, done = samp.SAMPIntegratedClient(name=name, addr="127.0.0.1"), [], Event()
    client.connect()

    def load(private_key, sender_id, msg_id, mtype, params, extra):
        got.append((params, Table.read(params["url"].removeprefix("file://"), format="votable")))
        answer = {"samp.status": status, "samp.result": {}}
        if status != "samp.ok":
            answer["samp.error"] = {"samp.errortxt": "no memory"}
        client.reply(msg_id, answer)
        done.set()

    client.bind_receive_call("table.load.votable", load)
    try:
        yield got
    finally:
        client.disconnect()


def test_a_client_gets_the_table(samp, hub):
    """What arrives has the columns, units and numbers of what was sent, under the image's name."""
    table = example()
    with receiver(samp, "topcat") as got:
        assert send_table(table) == ["topcat"]
    ((parameters, arrived),) = got
    assert parameters["name"] == "frame-r"
    assert arrived.colnames == table.colnames
    assert arrived["ra"].unit == u.deg
    np.testing.assert_array_equal(arrived["ra"], table["ra"].value)


def test_one_program_can_be_named(samp, hub):
    """Only the program that is named gets the table, by the start of its name in any case."""
    with receiver(samp, "Aladin") as first, receiver(samp, "SAOImage DS9") as second:
        assert send_table(example(), "aladin", name="mine") == ["Aladin"]
        assert (len(first), len(second)) == (1, 0)
        assert first[0][0]["name"] == "mine"
        with pytest.raises(SampError, match=r"^to must be .*'topcat' is not there, got Aladin, S"):
            send_table(example(), "topcat")
        assert sorted(send_table(example())) == ["Aladin", "SAOImage DS9"]


def test_nothing_listens_here(samp, hub, monkeypatch):
    """Sending opens no port, of any address, and leaves no file behind."""
    bound, bind = [], socket.socket.bind
    with receiver(samp, "topcat") as got:
        monkeypatch.setattr(socket.socket, "bind",
                            lambda self, address: bound.append(address) or bind(self, address))
        send_table(example())
    assert bound == []
    with pytest.raises(FileNotFoundError):
        Table.read(got[0][0]["url"].removeprefix("file://"), format="votable")


def test_a_program_that_fails_is_named(samp, hub):
    """A receiver's own complaint comes back as the error."""
    with receiver(samp, "topcat", status="samp.error"), pytest.raises(
        SampError, match="topcat did not load the table: no memory"
    ):
        send_table(example())


def test_the_others_get_it_all_the_same(samp, hub):
    """One program that fails, whichever was there first, keeps the table from no other."""
    with (
        receiver(samp, "Aladin", status="samp.error"),
        receiver(samp, "topcat") as got,
        receiver(samp, "DS9", status="samp.error"),
        pytest.raises(SampError, match=r"Aladin did not.*; DS9 did not.* \(loaded by topcat\)"),
    ):
        send_table(example())
    assert len(got) == 1


@pytest.mark.parametrize("timeout", [0, -1, float("nan")])
def test_a_time_out_is_one(timeout):
    """A time-out of nothing, for which a hub waits for ever, is refused."""
    with pytest.raises(ValueError, match=f"timeout must be above 0 s, got {timeout}"):
        send_table(example(), timeout=timeout)


@pytest.mark.parametrize(
    ("table", "to", "message"),
    [("a.ecsv", None, "table must be an astropy Table, got str"), (Table(), 3, "to must be .*3")],
)
def test_what_is_sent_is_a_table(table, to, message):
    """A file name for a table, and a number for a program, are told before a hub is asked."""
    with pytest.raises(TypeError, match=message):
        send_table(table, to)


def test_a_hub_that_is_killed(samp, tmp_path):
    """A hub that goes in the middle, without a word, is named as the one that does not answer."""
    code = ("import sys, time; from pyvo import samp; samp.conf.use_internet = False; "
            "samp.SAMPHubServer(addr='127.0.0.1', web_profile=False, lockfile=sys.argv[1]).start();"
            " time.sleep(60)")  # fmt: skip
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "hub")],
                               stdout=subprocess.DEVNULL)  # fmt: skip
    try:
        client = wait_for(lambda: connected(samp))
        client.bind_receive_call("table.load.votable", lambda *_: process.kill())
        with pytest.raises(SampError, match="reader gave no answer to the table"):
            send_table(example(), timeout=5)
    finally:
        process.kill()
        process.wait()


def connected(samp):
    """Return a client once a hub answers."""
    client = samp.SAMPIntegratedClient(name="reader", addr="127.0.0.1")
    try:
        client.connect()
    except (samp.SAMPHubError, OSError):
        return None
    return client


def test_without_a_hub_or_a_receiver(samp, hub):
    """A hub that is not there, or has nobody at it, is an error that says what to do."""
    with pytest.raises(SampError, match="a program that loads tables is not there, got none"):
        send_table(example())
    hub.stop()
    with pytest.raises(SampError, match="start TOPCAT or Aladin"):
        send_table(example())


def test_the_command_sends(samp, hub, tmp_path, capsys):
    """The command says who got the table; without a receiver it ends with status 1."""
    QTable({"ra": [1.0, 2.0] * u.deg, "dec": [0.0, 0.0] * u.deg}).write(tmp_path / "t.ecsv")
    with receiver(samp, "topcat") as got:
        assert main(["send", str(tmp_path / "t.ecsv"), "--to", "top"]) == 0
    assert capsys.readouterr().out == "2 rows sent to topcat\n"
    assert got[0][0]["name"] == "t"
    assert main(["send", str(tmp_path / "t.ecsv")]) == 1
    assert "is not there" in capsys.readouterr().err


def test_without_pyvo_the_extra_is_named(monkeypatch):
    """The missing extra is named with the command that installs it."""
    monkeypatch.setitem(sys.modules, "pyvo.samp", None)
    with pytest.raises(MissingExtraError, match=r'pip install "astro-yolo\[samp\]"'):
        send_table(example())
