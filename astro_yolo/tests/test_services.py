"""Catalogue services: real astroquery against stand-ins on this machine, and the real ones."""

import gc
import sys

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import QTable, Table

from astro_yolo import conf, crossmatch, read_image, read_table, write_table
from astro_yolo._service_region import region_of
from astro_yolo.catalog import make_table
from astro_yolo.cli import main
from astro_yolo.exceptions import MatchError, MissingExtraError, ServiceError
from astro_yolo.services import fetch_catalog, is_service

from .catalog_server import redirected, small_services
from .sky_server import small_sdss
from .wcs_cases import make_wcs

# astroquery leaves the connection to Gaia open when an answer is no good.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

STAND_INS = ("gaia", "simbad", "ned", "vizier:VII/118/ngc2000")
CENTER = SkyCoord(359.99, 0.02, unit="deg")
NAME = {"gaia": "source_id", "simbad": "main_id", "ned": "Object Name",
        "vizier:VII/118/ngc2000": "Name"}  # fmt: skip


@pytest.fixture
def services(monkeypatch):
    """Stand-ins with nine objects, 1 arcmin apart northwards of a place west of RA 0."""
    pytest.importorskip("astroquery")
    objects = CENTER.directional_offset_by(0 * u.deg, np.arange(9) * u.arcmin)
    with small_services(objects) as server, redirected(monkeypatch, server.url):
        yield server


@pytest.fixture(scope="module", autouse=True)
def _closed():
    """What is left open is closed here, not in a test of another file."""
    yield
    gc.collect()


@pytest.mark.parametrize("service", STAND_INS)
def test_a_cone_gives_the_objects_in_it(services, service):
    """Of nine objects a minute apart, a cone of 3.5 arcmin holds four; ra and dec come first."""
    table = fetch_catalog(service, CENTER, 3.5 * u.arcmin)
    assert table.colnames[:2] == ["ra", "dec"]
    assert (table["ra"].unit, table["dec"].unit) == (u.deg, u.deg)
    np.testing.assert_allclose(table["dec"].value, 0.02 + np.arange(4) / 60, atol=1e-7)
    assert len(set(table[NAME[service]])) == 4
    assert table.meta["SERVICE"] == service
    assert table.meta["QUERYRAD"] == pytest.approx(3.5 / 60)


@pytest.mark.parametrize("service", STAND_INS)
def test_an_empty_cone_gives_an_empty_table(services, service):
    """Nothing there: no rows, positions in degrees, and a match that has no pairs."""
    table = fetch_catalog(service, SkyCoord(90, 60, unit="deg"), 1 * u.arcmin)
    assert len(table) == 0
    assert table["ra"].unit == table["dec"].unit == u.deg
    found = crossmatch(SkyCoord([90.0], [60.0], unit="deg"), table)
    assert (len(found.matched), len(found.unmatched)) == (0, 1)


@pytest.mark.parametrize("service", STAND_INS)
@pytest.mark.parametrize(
    ("text", "status"),
    [("<html><body>maintenance</body></html>", 200), ("", 200), ("down", 503), ("gone", 404),
     ('<?xml version="1.0"?>\n<VOTABLE><RESOURCE><TABLE>', 200)],
)  # fmt: skip
def test_nonsense_is_an_error_that_names_the_service(services, service, text, status):
    """A page, no text, a failing server or half a table is no catalogue, and the error says why."""
    services.nonsense, services.status = text, status
    words = f"^{service.split(':')[0]}.* gave no catalogue: (?!OK|.*NoneType)."
    with pytest.raises(ServiceError, match=words):
        fetch_catalog(service, CENTER, 1 * u.arcmin)


def test_an_answer_without_positions_is_an_error(services):
    """A table of something else is refused, with the columns that came."""
    services.nonsense = (
        '<?xml version="1.0"?>\n<VOTABLE version="1.3" '
        'xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE type="results"><TABLE>'
        '<FIELD name="flux" datatype="double"/><DATA><TABLEDATA><TR><TD>1</TD></TR></TABLEDATA>'
        "</DATA></TABLE></RESOURCE></VOTABLE>"
    )
    with pytest.raises(ServiceError, match=r"no positions but the columns \['flux'\]"):
        fetch_catalog("ned", CENTER, 1 * u.arcmin)


@pytest.mark.parametrize("service", [*STAND_INS, "sdss"])
def test_a_server_that_cannot_be_reached_is_an_error(monkeypatch, tmp_path, service):
    """Where nobody listens, the error names the service."""
    pytest.importorskip("astroquery")
    from astro_yolo.training import queries

    monkeypatch.setattr(queries, "_TRIES", 1)
    nobody = "http://127.0.0.1:9"
    with (redirected(monkeypatch, nobody), conf.set_temp("cache_dir", str(tmp_path)),
          pytest.raises(ServiceError, match=f"^{service.split(':')[0]}.* gave no catalogue: .")):
        fetch_catalog(service, CENTER, 1 * u.arcmin)


def test_a_field_is_cut_at_its_border(services):
    """Of a cone about an image, what lies beyond its border and the margin is left out."""
    wcs = make_wcs()
    shape = (300, 200)
    wcs.pixel_shape = shape[::-1]
    x, y = [0.0, 199.0, 100.0, 100.0, 100.0], [0.0, 299.0, 150.0, -8.0, 302.0]
    services.objects = wcs.pixel_to_world(x, y).icrs
    image = read_image(np.zeros(shape, np.float32) + 1, wcs=wcs)
    scale = image.pixel_scale
    for region in (wcs, image):
        assert len(fetch_catalog("simbad", region, 2 * scale * u.arcsec)) == 3
        assert len(fetch_catalog("simbad", region, 4 * scale * u.arcsec)) == 4
        assert len(fetch_catalog("simbad", region, 9 * scale * u.arcsec)) == 5


def test_a_table_of_detections_asks_for_its_field(services):
    """A table that knows its image asks for the whole of it; one without, round its rows."""
    wcs = make_wcs()
    wcs.pixel_shape = 400, 400
    boxes = [[10.0, 10, 20, 20], [40, 40, 60, 60]]
    table = make_table(boxes, [0.9, 0.8], np.full((2, 5), 0.2), [0, 0], [0, 0], wcs=wcs)
    services.objects = wcs.pixel_to_world([30.0, 390.0], [30.0, 390.0]).icrs
    assert len(fetch_catalog("ned", table)) == 2
    assert len(fetch_catalog("ned", table["ra", "dec"].copy())) == 2
    rows = QTable({"ra": table["ra"], "dec": table["dec"]})
    assert len(fetch_catalog("ned", rows)) == 1
    assert len(fetch_catalog("ned", SkyCoord(rows["ra"], rows["dec"]))) == 1


def test_proper_motions_serve_the_match(services):
    """Gaia's columns move its stars to the epoch of the image."""
    stars = fetch_catalog("gaia", CENTER, 3.5 * u.arcmin)
    then = SkyCoord(stars["ra"], stars["dec"]).spherical_offsets_by(-12 * u.arcsec, 0 * u.arcsec)
    assert len(crossmatch(then, stars, 1 * u.arcsec).matched) == 0
    # 1 arcsec a year for 12 years; object 0 has no proper motion and stays
    found = crossmatch(then, stars, 1 * u.arcsec, epoch=2004.0).matched
    assert sorted(found["source_id"].tolist()) == [10**18 + k for k in (1, 2, 3)]


@pytest.mark.parametrize("ending", ["ecsv", "fits", "vot", "csv"])
def test_answers_can_be_written_and_read(services, tmp_path, ending):
    """Positions, numbers with gaps and text of an answer survive in a file."""
    table = fetch_catalog("simbad", CENTER, 3.5 * u.arcmin)
    write_table(table, tmp_path / f"t.{ending}")
    again = read_table(tmp_path / f"t.{ending}")
    assert again.colnames == table.colnames
    assert again["main_id"].tolist() == [f"NGC {k}" for k in range(4)]
    np.testing.assert_allclose(again["dec"].value, table["dec"].value)
    assert len(crossmatch(table, again).matched) == 4


def test_the_command_matches_with_a_service(services, tmp_path, capsys):
    """A service's name in place of a file is asked for the table's piece of sky."""
    ours = QTable({"ra": services.objects.ra[2:5], "dec": services.objects.dec[2:5]})
    ours.write(tmp_path / "ours.ecsv")
    command = ["match", str(tmp_path / "ours.ecsv"), "simbad", "-o", str(tmp_path / "m.ecsv"),
               "--save-catalog", str(tmp_path / "s.ecsv")]
    assert main(command) == 0
    text = capsys.readouterr().out
    assert "simbad: 3 objects" in text
    assert read_table(tmp_path / "m.ecsv")["main_id"].tolist() == ["NGC 2", "NGC 3", "NGC 4"]
    assert len(read_table(tmp_path / "s.ecsv")) == 3
    assert main(command) == 1
    assert "exists already" in capsys.readouterr().err
    services.nonsense = "down"
    assert main([*command, "--overwrite"]) == 1
    assert "simbad gave no catalogue" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "ours.ecsv"), str(tmp_path / "s.ecsv")]) == 0


def test_sdss_is_asked_in_sql(shared_data, tmp_path):
    """The primary objects of the real catalogue that lie in the cone come back with magnitudes."""
    pytest.importorskip("astroquery")
    photo = Table.read(shared_data / "sas/dr17/eboss/photoObj/301/94/1/photoObj-000094-1-0012.fits")
    center = SkyCoord(np.median(photo["RA"]), np.median(photo["DEC"]), unit="deg")
    place = SkyCoord(np.array(photo["RA"]), np.array(photo["DEC"]), unit="deg")
    near = (place.separation(center) < 2 * u.arcmin) & (photo["NCHILD"] == 0)
    with small_sdss(shared_data) as server:
        server.connection.execute("UPDATE PhotoObjAll SET mode = 1 WHERE nChild = 0")
        settings = conf.set_temp("skyserver_base_url", server.url)
        with settings, conf.set_temp("cache_dir", str(tmp_path)):
            table = fetch_catalog("sdss", center, 2 * u.arcmin)
            again = fetch_catalog("sdss", SkyCoord(10, 80, unit="deg"), 2 * u.arcmin)
    assert set(table["objID"].tolist()) == {int(text) for text in photo["OBJID"][near]}
    assert (table["modelMag_r"] > 10).sum() > 10
    assert (len(again), again.colnames) == (0, table.colnames)
    write_table(table, tmp_path / "sdss.vot")  # which has no unsigned numbers of 64 bits
    assert read_table(tmp_path / "sdss.vot")["objID"].tolist() == table["objID"].tolist()


def test_sdss_columns_are_in_the_schema():
    """Every column that is asked for is in the schema that astroquery ships."""
    pytest.importorskip("astroquery")
    import json
    from pathlib import Path

    import astroquery.sdss

    from astro_yolo._service_queries import SDSS_COLUMNS

    folder = Path(astroquery.sdss.__file__).parent / "data"
    text = (folder / "PhotoObjAll_dr12.json").read_text(encoding="utf-8")
    names = {row["name"].lower() for row in json.loads(text)[0]["Rows"]}
    assert {name.lower() for name in SDSS_COLUMNS} <= names


@pytest.mark.parametrize(
    ("ra", "dec", "inside", "outside"),
    [(0.0, 0.0, [(359.95, 0), (0.05, 0.05)], [(0.2, 0), (180, 0)]),
     (120.0, 89.99, [(300, 89.95), (0, 90)], [(120, 89.8)]),
     (120.0, -89.99, [(300, -89.95), (0, -90)], [(120, -89.8)]),
     (200.0, 60.0, [(200.19, 60)], [(200.3, 60), (200, 60.2)])],
)  # fmt: skip
def test_the_box_of_sql_holds_the_cone(ra, dec, inside, outside):
    """The condition for SkyServer holds the cone, across RA 0 and at the poles, and little else."""
    import sqlite3

    from astro_yolo._service_queries import _box
    from astro_yolo._service_region import region_of

    condition = _box(region_of(SkyCoord(ra, dec, unit="deg"), 0.1 * u.deg))
    connection = sqlite3.connect(":memory:")
    sql = f"SELECT {condition} FROM (SELECT ? AS ra, ? AS dec) AS p"
    assert [connection.execute(sql, place).fetchone()[0] for place in inside] == [1] * len(inside)
    assert [connection.execute(sql, place).fetchone()[0] for place in outside] == [0] * len(outside)
    connection.close()


@pytest.mark.parametrize(
    ("service", "region", "radius", "message"),
    [
        ("2mass", CENTER, 1 * u.arcmin, "service must be one of sdss, gaia"),
        ("vizier", CENTER, 1 * u.arcmin, "vizier:TABLE, got 'vizier'"),
        ("gaia", CENTER, None, "radius must be given with a single position"),
        ("gaia", CENTER, 3, "radius must be an angle"),
        ("gaia", CENTER, 9 * u.deg, "must lie within 5.0 deg"),
        ("gaia", Table({"x": [1.0]}), None, "region must have columns ra and dec"),
        ("gaia", QTable({"ra": [] * u.deg, "dec": [] * u.deg}), None, "at least one usable"),
        ("gaia", Table({"ra": [1.0], "dec": [1.0]}), None, "have units, got none in ra and dec"),
        ("gaia", "here", None, "region must be a SkyCoord, a Table, or an image"),
        ("gaia", make_wcs(), None, "that knows its size"),
    ],
)
def test_bad_input_is_named(service, region, radius, message):
    """Each wrong argument gets an error before anything is sent."""
    if hasattr(region, "pixel_shape"):
        region.pixel_shape = None
    with pytest.raises(MatchError, match=message):
        fetch_catalog(service, region, radius)


@pytest.mark.parametrize("service", STAND_INS)
def test_without_astroquery_the_extra_is_named(monkeypatch, service):
    """The missing extra is named with the command that installs it."""
    for name in [name for name in sys.modules if name.startswith("astroquery")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "astroquery", None)
    with pytest.raises(MissingExtraError, match=r'pip install "astro-yolo\[catalogs\]"'):
        fetch_catalog(service, CENTER, 1 * u.arcmin)


def test_a_catalogue_of_several_tables_is_refused(monkeypatch):
    """VizieR may hold several tables under one name: those are named, none is taken."""
    module = pytest.importorskip("astroquery.vizier")
    tables = dict.fromkeys(("II/1/stars", "II/1/notes"))
    monkeypatch.setattr(module.VizierClass, "query_region", lambda *_, **__: tables)
    with pytest.raises(ServiceError, match="several tables: name one of II/1/stars, II/1/notes"):
        fetch_catalog("vizier:II/1", CENTER, 1 * u.arcmin)


def test_an_existing_file_is_no_service(tmp_path, monkeypatch):
    """A file that is called like a service is a file."""
    monkeypatch.chdir(tmp_path)
    assert is_service("gaia")
    assert is_service("vizier:II/349/ps1")
    (tmp_path / "gaia").write_text("")
    assert not is_service("gaia")
    assert not is_service("vizier:")


@pytest.mark.remote_data
@pytest.mark.parametrize("service", ["sdss", *STAND_INS])
def test_the_real_service_knows_m51(service, tmp_path):
    """The service itself has an object within a few arcsec of the nucleus of M 51."""
    pytest.importorskip("astroquery")
    place = SkyCoord(202.46957, 47.19526, unit="deg")
    with conf.set_temp("cache_dir", str(tmp_path)):
        table = fetch_catalog(service, place, 3 * u.arcmin)
    distance = SkyCoord(table["ra"], table["dec"]).separation(place)
    assert distance.min() < 60 * u.arcsec


def test_positions_that_are_not_known():
    """NaN is no position: a region of nothing else is refused, among others it is passed over."""
    with pytest.raises(MatchError, match="one usable position"):
        region_of(SkyCoord(np.nan, 10, unit="deg"), 1 * u.arcmin)
    with pytest.raises(MatchError, match="one usable position"):
        region_of(SkyCoord([np.nan], [10], unit="deg"))
    found = region_of(SkyCoord([[10, np.nan], [10, 10]], [[10, 10], [12, 10]], unit="deg"))
    assert found.center.separation(SkyCoord(10, 10 + 2 / 3, unit="deg")) < 1 * u.arcsec
