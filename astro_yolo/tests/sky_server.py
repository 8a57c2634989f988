"""A small SDSS on this machine: a STAND-IN for SkyServer beside a mirror of the archive's files.

The files are real. The catalogue is the real photoObj file of field 94-1-12, and the votes are the
real Galaxy Zoo 2 ones of Stripe 82, joined to it by position within 2 arcsec; both lie in an SQLite
database that is asked the very statements that the package sends. Tables of which there are no data
here (zooSpec, zooNoSpec, ...) are there and empty. It answers in SkyServer's form, and can be told
to misbehave in the ways SkyServer is known to.

There is no catalogue of a second field here. Where two are needed, what SEP measures on frame
2820-3-122 stands in for one, with the real votes of Galaxy Zoo 2 joined to it.
"""

import contextlib
import csv
import functools
import http.server
import io
import sqlite3
import threading
import time
from urllib.parse import parse_qs, urlparse

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.table import Table

from astro_yolo.image import read_image
from astro_yolo.training.galaxy_zoo import GZ1_COLUMNS, GZ2_COLUMNS
from astro_yolo.training.labels import find_sources, star_galaxy
from astro_yolo.training.queries import ZOO_TABLES

# column of PhotoObjAll -> column of the photoObj file, and the band of a vector
PHOTO = {
    "objID": "OBJID", "ra": "RA", "dec": "DEC", "run": "RUN", "rerun": "RERUN",
    "camcol": "CAMCOL", "field": "FIELD", "obj": "ID", "rowc_r": ("ROWC", 2),
    "colc_r": ("COLC", 2), "petroRad_r": ("PETROTHETA", 2),
    "petroRadErr_r": ("PETROTHETAERR", 2), "petroR50_r": ("PETROTH50", 2),
    "petroR90_r": ("PETROTH90", 2), "petroMag_r": ("PETROMAG", 2),
    "cModelMag_r": ("CMODELMAG", 2), "extinction_r": ("EXTINCTION", 2), "deVAB_r": ("AB_DEV", 2),
    "deVPhi_r": ("PHI_DEV_DEG", 2), "expAB_r": ("AB_EXP", 2), "expPhi_r": ("PHI_EXP_DEG", 2),
    "fracDeV_r": ("FRACDEV", 2), "type": "OBJC_TYPE", "mode": "MODE", "clean": "CLEAN",
    "flags_r": ("FLAGS", 2), "nChild": "NCHILD", "parentID": "PARENTID",
    **{f"modelMag_{band}": ("MODELMAG", k) for k, band in enumerate("ugriz")},
}  # fmt: skip


def database(data, *, two_fields=False):
    """Return an SQLite connection with the tables of SkyServer that the package asks."""
    photo = Table.read(data / "sas/dr17/eboss/photoObj/301/94/1/photoObj-000094-1-0012.fits")
    photo = Table(photo, masked=True)
    for name in ("OBJID", "PARENTID", "RERUN"):  # text in the file, numbers in SkyServer
        photo[name] = [int(text or 0) for text in photo[name].filled("").tolist()]
    votes = Table.read(data / "galaxy_zoo" / "gz2_stripe82_table5.fits.gz")
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    values = [
        photo[of] if isinstance(of, str) else photo[of[0]][:, of[1]] for of in PHOTO.values()
    ]
    fill(connection, "PhotoObjAll", PHOTO, zip(*(v.tolist() for v in values), strict=True))
    answers = [f"{name}_debiased" for name in GZ2_COLUMNS.values()]
    for name, key in ZOO_TABLES.items():
        columns = [key, *answers] if name.startswith("zoo2") else [
            key, *GZ1_COLUMNS, "p_el_debiased", "p_cs_debiased"
        ]  # fmt: skip
        rows = stripe_82_rows(photo, votes, answers) if name == "zoo2Stripe82Normal" else []
        fill(connection, name, columns, rows)
    if two_fields:
        add_second_field(connection, data, votes, answers)
    return connection


def add_second_field(connection, data, votes, answers):
    """Put the sources of field 2820-3-122 into the tables, and the votes for them."""
    frames = data / "sas/dr17/eboss/photoObj/frames/301/2820/3"
    image = read_image(frames / "frame-r-002820-3-0122.fits.bz2")
    plane = image.data[0]
    noise = 1.4826 * np.median(np.abs(plane - np.median(plane)))
    found, _ = find_sources(plane / noise, plane)
    sky = image.wcs.pixel_to_world(found.x, found.y)
    light = np.maximum(found.aperture_flux, 1e-3)
    columns = {
        "objID": 10**18 + np.arange(len(found.x)), "ra": sky.ra.deg, "dec": sky.dec.deg,
        "rowc_r": found.y + 0.5, "colc_r": found.x + 0.5, "petroRad_r": 0.396 * found.petrosian,
        "petroR50_r": 0.396 * found.half_light, "cModelMag_r": 22.5 - 2.5 * np.log10(light),
        "type": np.where(star_galaxy(found)[0] == 0, 6, 3),
    }  # fmt: skip
    same = {"run": 2820, "rerun": 301, "camcol": 3, "field": 122, "mode": 1, "clean": 1}
    for row in zip(*(values.tolist() for values in columns.values()), strict=True):
        known = same | dict(zip(columns, row, strict=True))
        insert(connection, "PhotoObjAll", [known.get(name, 0) for name in PHOTO])
    voted = SkyCoord(np.array(votes["ra"]), np.array(votes["dec"]), unit="deg")
    nearest, distance, _ = voted.match_to_catalog_sky(sky)
    for k in np.flatnonzero(distance.arcsec < 2):
        shares = [float(votes[name][k]) for name in answers]
        insert(connection, "zoo2Stripe82Normal", [int(columns["objID"][nearest[k]]), *shares])


def insert(connection, name, row):
    """Put one row into a table."""
    connection.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", row)


def fill(connection, name, columns, rows):
    """Make a table and put rows into it."""
    connection.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
    marks = ", ".join("?" * len(columns))
    connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)


def stripe_82_rows(photo, votes, answers):
    """Return objID and answers of the galaxies of the field that Galaxy Zoo 2 has."""
    galaxies = photo[(photo["OBJC_TYPE"] == 3) & (photo["NCHILD"] == 0) & (photo["MODE"] != 3)]
    sky = SkyCoord(galaxies["RA"], galaxies["DEC"], unit="deg")
    voted = SkyCoord(np.array(votes["ra"]), np.array(votes["dec"]), unit="deg")
    nearest, distance, _ = voted.match_to_catalog_sky(sky)
    for row in np.flatnonzero(distance.arcsec < 2):
        numbers = [float(votes[row][name]) for name in answers]
        yield int(galaxies["OBJID"][nearest[row]]), *numbers


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serve files, answer SQL, and misbehave when the server's ``trouble`` says so."""

    def do_GET(self):
        server = self.server
        server.asked.append(self.path)
        trouble = server.trouble.pop(0) if server.trouble else None
        if trouble == "time-out":
            time.sleep(server.delay)
            return
        if trouble in {"502", "503"}:
            self.send_error(int(trouble))
            return
        if isinstance(trouble, bytes):
            self.reply(trouble)
            return
        place = urlparse(self.path)
        if "cmd" not in parse_qs(place.query):
            time.sleep(server.delay if trouble == "slow" else server.slowness)
            super().do_GET()
            return
        self.reply(self.answer(parse_qs(place.query)["cmd"][0]))

    def answer(self, sql):
        """Return the answer to a statement as SkyServer writes it."""
        try:
            with self.server.lock:
                cursor = self.server.connection.execute(sql)
                rows = cursor.fetchall()
        except sqlite3.Error as error:
            return f"<html><body>SQL Error: {error}</body></html>".encode()
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([column[0] for column in cursor.description])
        writer.writerows([["null" if v is None else v for v in row] for row in rows])
        return f"#Table1\n{text.getvalue()}".encode()

    def reply(self, body):
        """Send a body as a success, whatever it holds."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing."""


def ask_for_time(monkeypatch, seconds):
    """Let replies carry a Retry-After; return the list that the time of each is added to."""

    def end_headers(self):
        self.send_header("Retry-After", str(seconds))
        times.append(time.monotonic())
        http.server.SimpleHTTPRequestHandler.end_headers(self)

    times = []
    monkeypatch.setattr(Handler, "end_headers", end_headers)
    return times


@contextlib.contextmanager
def small_sdss(data, root=None, *, two_fields=False):
    """
    Run the server; yield it, with its address as ``url``.

    ``asked`` lists the paths it was asked for; whatever is appended to ``trouble`` befalls the next
    request: "502", "503", "time-out", or bytes that are sent as a success. ``slowness`` is in
    seconds a file.
    """
    connection = database(data, two_fields=two_fields)
    handler = functools.partial(Handler, directory=str(root or data / "sas"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.asked, server.trouble, server.slowness, server.delay = [], [], 0.0, 1.0
    server.lock, server.connection = threading.Lock(), connection
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        server.connection.close()
