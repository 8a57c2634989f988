"""Send tables to TOPCAT, Aladin, DS9 and other programs by SAMP, the messages of the VO.

A hub must run; TOPCAT and Aladin bring one. Nothing listens here: the table goes through a file
that is gone when the receivers have read it.
"""

import tempfile
from contextlib import contextmanager, suppress
from math import ceil
from pathlib import Path
from xmlrpc.client import Error as XmlRpcError

from astropy.table import Table

from astro_yolo.catalog import write_table
from astro_yolo.exceptions import SampError, require

__all__ = ["send_table"]

_LOAD = "table.load.votable"
_TIMEOUT = 30  # seconds for one program to read the table


def send_table(table, to=None, *, name=None, timeout=_TIMEOUT):
    """
    Send a table to the programs that are connected to the SAMP hub.

    Parameters
    ----------
    table : `~astropy.table.Table`
        Result table, or any that VOTable can hold.
    to : str, optional
        Name of a program or the start of it, in any case: "topcat", "aladin", "ds9". By default all
        that load tables.
    name : str, optional
        What the receiver calls the table; by default its IMAGE, or "astro-yolo".
    timeout : float, optional
        Seconds that each program gets; SAMP counts whole ones.

    Returns
    -------
    list of str
        Names of the programs that loaded the table.

    Raises
    ------
    TypeError
        If what is sent is no table, or ``to`` no text.
    ValueError
        If the time-out is not above zero.
    SampError
        If there is no hub, no such program, or one does not load the table; the others get it all
        the same, and are named.
    MissingExtraError
        If pyvo is not installed.

    Examples
    --------
    >>> from astro_yolo.samp import send_table
    >>> send_table(table, "topcat")  # doctest: +SKIP
    ['topcat']
    """
    if not isinstance(table, Table):
        msg = f"table must be an astropy Table, got {type(table).__name__}: read a file first"
        raise TypeError(msg)
    if not isinstance(to, str | None):
        msg = f"to must be the name of a program, got {to!r}"
        raise TypeError(msg)
    if not timeout > 0:  # the hub would wait for ever
        msg = f"timeout must be above 0 s, got {timeout}"
        raise ValueError(msg)
    samp = require("pyvo.samp", extra="samp", feature="Sending tables by SAMP")
    name = name or str(table.meta.get("IMAGE") or "astro-yolo")
    with tempfile.TemporaryDirectory(prefix="astro-yolo-") as folder:
        path = Path(folder) / "table.vot"
        write_table(table, path)
        with _client(samp) as client:
            receivers = _receivers(client, to)
            failures = [_load(client, identifier, program, path, name, timeout)
                        for identifier, program in receivers.items()]  # fmt: skip
    return _loaded(list(zip(receivers.values(), failures, strict=True)))


@contextmanager
def _client(samp):
    """Give a client of the hub that opens no port, and looks for no internet."""
    # a client that can be called listens on all of the machine's addresses
    with samp.conf.set_temp("use_internet", False):
        client = samp.SAMPIntegratedClient(
            name="astro-yolo", description="Galaxy detector", callable=False, addr="127.0.0.1"
        )
        try:
            client.connect()
        except (samp.SAMPHubError, XmlRpcError, OSError) as error:
            msg = f"no SAMP hub answers ({error}): start TOPCAT or Aladin, which bring one"
            raise SampError(msg) from error
        try:
            yield client
        except SampError:  # an OSError too
            raise
        except (XmlRpcError, OSError) as error:
            msg = f"the SAMP hub does not answer any more: {error}"
            raise SampError(msg) from error
        finally:
            gone = samp.SAMPHubError, samp.SAMPClientError, XmlRpcError, OSError
            with suppress(*gone):
                client.disconnect()


def _receivers(client, to):
    """Return identifier -> name of the programs that load tables, or of the one that is wanted."""
    known = {
        identifier: str(client.get_metadata(identifier).get("samp.name", identifier))
        for identifier in client.get_subscribed_clients(_LOAD)
    }
    found = {
        identifier: program
        for identifier, program in known.items()
        if to is None or program.lower().startswith(to.lower())
    }
    if not found:
        wanted = "a program that loads tables" if to is None else repr(to)
        there = ", ".join(sorted(known.values())) or "none that loads tables"
        msg = f"to must be a program at the SAMP hub: {wanted} is not there, got {there}"
        raise SampError(msg)
    return found


def _load(client, identifier, program, path, name, timeout):
    """Have one program load the table, wait until it has, and say what failed, if anything."""
    parameters = {"url": path.as_uri(), "table-id": f"astro-yolo-{name}", "name": name}
    try:
        answer = client.ecall_and_wait(identifier, _LOAD, str(ceil(timeout)), **parameters)
    except (XmlRpcError, OSError) as error:
        return f"{program} gave no answer to the table within {timeout} s: {error}"
    if answer.get("samp.status") != "samp.ok":
        reason = answer.get("samp.error", {}).get("samp.errortxt", "no reason given")
        return f"{program} did not load the table: {reason}"
    return ""


def _loaded(outcomes):
    """Return the programs without a failure, if that is all."""
    programs = [program for program, failure in outcomes if not failure]
    failures = [failure for _, failure in outcomes if failure]
    if failures:
        others = f" (loaded by {', '.join(programs)})" if programs else ""
        raise SampError("; ".join(failures) + others)
    return programs
