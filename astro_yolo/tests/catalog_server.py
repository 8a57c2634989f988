"""Gaia, Simbad, NED and VizieR on this machine: STAND-INS that answer cones in the services' forms.

astroquery and pyvo are the real ones; only the host name of their requests is turned to 127.0.0.1
(`redirected`). The replies have the form of the services' own: protocol steps, columns, units and
types, NED's errors for an empty cone, VizieR's sexagesimal positions beside those in degrees. The
objects are made up, and those that are sent lie in the cone that was asked for.
"""

import contextlib
import http.server
import re
import threading
from urllib.parse import parse_qs, unquote_plus, urlparse

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_CAPABILITIES = _HEAD + """\
<vosi:capabilities xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xmlns:tr="http://www.ivoa.net/xml/TAPRegExt/v1.0"
 xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1">
<capability standardID="ivo://ivoa.net/std/TAP" xsi:type="tr:TableAccess">
<interface role="std" xsi:type="vs:ParamHTTP"><accessURL use="base">https://simbad/</accessURL>
</interface>
<language><name>ADQL</name><version ivo-id="ivo://ivoa.net/std/ADQL#v2.0">2.0</version></language>
<outputFormat><mime>application/x-votable+xml</mime></outputFormat>
<outputLimit><default unit="row">10000</default><hard unit="row">2000000</hard></outputLimit>
</capability></vosi:capabilities>"""
_NED_ERROR = _HEAD + """\
<VOTABLE version="1.1"><RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK"/>
<PARAM name="queryDateTime" datatype="char" arraysize="*" value="2026-11-25T05:08:36PDT"/>
<PARAM name="Error" value=" No object found."/></RESOURCE></VOTABLE>"""

_DOUBLE = 'datatype="double"'
_TEXT = 'datatype="char" arraysize="*"'
#: Fields of each service: name, attributes, and the value of object k at ra, dec.
FIELDS = {
    "gaia": (
        ("source_id", 'datatype="long"', lambda k, ra, dec: 10**18 + k),
        ("ra", f'{_DOUBLE} unit="deg"', lambda k, ra, dec: ra),
        ("dec", f'{_DOUBLE} unit="deg"', lambda k, ra, dec: dec),
        ("pmra", f'{_DOUBLE} unit="mas.yr**-1"', lambda k, ra, dec: 1000.0 if k else ""),
        ("pmdec", f'{_DOUBLE} unit="mas.yr**-1"', lambda k, ra, dec: 0.0 if k else ""),
        ("ref_epoch", f'{_DOUBLE} unit="yr"', lambda k, ra, dec: 2016.0),
        ("in_qso_candidates", 'datatype="boolean"', lambda k, ra, dec: "F"),
    ),
    "simbad": (
        ("main_id", _TEXT, lambda k, ra, dec: f"NGC {k}"),
        ("ra", f'{_DOUBLE} unit="deg"', lambda k, ra, dec: ra),
        ("dec", f'{_DOUBLE} unit="deg"', lambda k, ra, dec: dec),
        ("otype", _TEXT, lambda k, ra, dec: "G"),
        ("rvz_redshift", _DOUBLE, lambda k, ra, dec: 0.1 * k if k else ""),
    ),
    "ned": (
        ("No.", 'datatype="int"', lambda k, ra, dec: k + 1),
        ("Object Name", _TEXT, lambda k, ra, dec: f"NGC {k:04d}"),
        ("RA(deg)", f'{_DOUBLE} unit="degrees"', lambda k, ra, dec: ra),
        ("DEC(deg)", f'{_DOUBLE} unit="degrees"', lambda k, ra, dec: dec),
        ("Type", _TEXT, lambda k, ra, dec: "G"),
        ("Velocity", f'{_DOUBLE} unit="km/sec"', lambda k, ra, dec: 3000.0 * k),
    ),
    "vizier": (
        ("_RAJ2000", f'{_DOUBLE} unit="deg"', lambda k, ra, dec: ra),
        ("_DEJ2000", f'{_DOUBLE} unit="deg"', lambda k, ra, dec: dec),
        ("RAJ2000", 'datatype="char" arraysize="10" unit="&quot;h:m:s&quot;"',
         lambda k, ra, dec: "00 00 00.0"),
        ("Name", _TEXT, lambda k, ra, dec: f"IC {k}"),
    ),
}  # fmt: skip


def votable(service, rows):
    """Return the document of a service with rows of (k, ra, dec)."""
    fields = "".join(f'<FIELD name="{n}" {attributes}/>\n' for n, attributes, _ in FIELDS[service])
    lines = "".join(
        "<TR>" + "".join(f"<TD>{value(*row)}</TD>" for _, _, value in FIELDS[service]) + "</TR>\n"
        for row in rows
    )
    return (
        f'{_HEAD}<VOTABLE version="1.3" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n'
        '<RESOURCE type="results"><INFO name="QUERY_STATUS" value="OK"/>\n'
        f'<TABLE name="VII/118/ngc2000">\n{fields}<DATA><TABLEDATA>\n{lines}'
        "</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    )


class Handler(http.server.BaseHTTPRequestHandler):
    """Answer as the service would whose path is asked for."""

    def do_GET(self):
        self.serve(urlparse(self.path).query)

    def do_POST(self):
        self.serve(self.rfile.read(int(self.headers["Content-Length"])).decode())

    def serve(self, query):
        server, path = self.server, urlparse(self.path).path
        server.asked.append((path, query))
        if server.nonsense is not None:
            self.reply(server.nonsense, server.status)
        elif path.endswith("/async"):
            server.job = query
            place = f"{server.url}{path}/7"
            self.reply("", 303, Location=place)
        elif path.endswith("/phase"):
            self.reply("COMPLETED")
        elif path.endswith("/results/result"):
            self.reply(votable("gaia", self.within(_circle(server.job))))
        elif path.endswith("/capabilities"):
            self.reply(_CAPABILITIES)
        elif path.endswith("/sync"):
            self.reply(votable("simbad", self.within(_circle(query))))
        elif path.endswith("/objsearch"):
            rows = self.within(_ned_cone(query))
            self.reply(votable("ned", rows) if rows else _NED_ERROR)
        elif path.endswith("/votable"):
            self.reply(votable("vizier", self.within(_vizier_cone(query))))
        else:
            self.reply("no such page", 404)

    def within(self, cone):
        """Return number and position of the objects in a cone."""
        ra, dec, radius = cone
        objects = self.server.objects
        near = objects.separation(SkyCoord(ra, dec, unit="deg")) <= radius * u.deg
        return [(int(k), float(objects[k].ra.deg), float(objects[k].dec.deg))
                for k in np.flatnonzero(near)]  # fmt: skip

    def reply(self, text, status=200, **headers):
        body = text.encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": "text/xml",
                            **headers}.items():  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing."""


def _circle(query):
    """Return the cone of a query in ADQL."""
    text = re.search(r"CIRCLE\('ICRS', ([^)]*)\)", unquote_plus(query)).group(1)
    return [float(part) for part in text.split(",")]


def _ned_cone(query):
    """Return the cone of a question to NED: right ascension in hours, degrees, arcmin."""
    values = parse_qs(query)
    ra, dec, radius = (values[name][0] for name in ("lon", "lat", "radius"))
    return 15 * float(ra), float(dec), float(radius) / 60


def _vizier_cone(query):
    """Return the cone of a question to VizieR, whose radius names its unit."""
    text = query  # not quoted: a plus is the sign of the declination
    ra, dec = re.search(r"-c=([\d.]+)([+-][\d.]+)", text).groups()
    unit, radius = re.search(r"-c\.r([dms])=([\d.e-]+)", text).groups()
    return float(ra), float(dec), float(radius) / {"d": 1, "m": 60, "s": 3600}[unit]


@contextlib.contextmanager
def small_services(objects):
    """
    Run the server with objects at a SkyCoord; yield it, with its address as ``url``.

    ``asked`` lists path and query of each request; text in ``nonsense`` is the reply to every
    request, with the ``status``.
    """
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.objects, server.asked, server.nonsense, server.status = objects, [], None, 200
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def redirected(monkeypatch, url):
    """Send every request of the requests library to another host, and Gaia's too."""
    from requests.adapters import HTTPAdapter

    from astro_yolo import conf

    send = HTTPAdapter.send

    def send_here(adapter, request, **options):
        request.url = url + request.path_url
        return send(adapter, request, **options)

    with monkeypatch.context() as patch, conf.set_temp("gaia_tap_url", f"{url}/tap-server/tap"):
        patch.setattr(HTTPAdapter, "send", send_here)
        yield
