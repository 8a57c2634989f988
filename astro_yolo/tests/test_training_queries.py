"""SkyServer is asked the right questions, and its traps cost nothing but time."""

import json
from pathlib import Path

import numpy as np
import pytest

from astro_yolo.config import conf
from astro_yolo.exceptions import AstroYoloWarning
from astro_yolo.tests.sky_server import ask_for_time, small_sdss
from astro_yolo.training import queries
from astro_yolo.training.galaxy_zoo import classify
from astro_yolo.training.queries import (
    QueryError,
    ask,
    field_catalog,
    field_votes,
    fields_with_galaxies,
)

PER_MINUTE = b"ERROR: Maximum 60 queries allowed per minute. Rejected query: SELECT p.run"
HTML = b"<html><head><title>Busy</title></head><body>The service is down</body></html>"


@pytest.fixture
def sky(shared_data, monkeypatch):
    """The stand-in for SkyServer, asked without the waits that the real one needs."""
    pytest.importorskip("astroquery")
    for name in ("_INTERVAL", "_BACK_OFF", "_LIMIT_WAIT"):
        monkeypatch.setattr(queries, name, 0.01)
    with small_sdss(shared_data) as server, conf.set_temp("skyserver_base_url", server.url):
        yield server


def test_catalogue_of_a_field(sky, tmp_path):
    """Field 94-1-12 has its 318 galaxies brighter than r = 22, of modes 2 and 4."""
    table = field_catalog(94, 1, 12, cache_dir=tmp_path)
    assert set(table["mode"]) == {2, 4}
    assert set(table["type"]) == {3}
    assert (table["cModelMag_r"] < 22).sum() == 318
    assert (table["mode"][table["cModelMag_r"] < 22] == 4).sum() == 43
    assert table["objID"].dtype == np.uint64
    assert table["objID"][0] // 10**9 == 1237645876  # whole: floats end at 2**53
    assert np.isnan(table["p_el"]).all()  # the stand-in has no votes of Galaxy Zoo 1


def test_answers_are_stored(sky, tmp_path):
    """A second question costs no request; ``refresh`` asks again."""
    first = field_catalog(94, 1, 12, cache_dir=tmp_path)
    again = field_catalog(94, 1, 12, cache_dir=tmp_path)
    assert len(sky.asked) == 1
    assert (first["objID"] == again["objID"]).all()
    field_catalog(94, 1, 12, cache_dir=tmp_path, refresh=True)
    assert len(sky.asked) == 2


def test_fields_and_votes(sky, tmp_path):
    """The field is found by its galaxies of Galaxy Zoo 2, and their votes give classes."""
    fields = fields_with_galaxies(zoo="zoo2Stripe82Normal", cache_dir=tmp_path)
    assert [tuple(row) for row in fields] == [(94, 301, 1, 12, 8)]
    votes = field_votes(94, 1, 12, zoo="zoo2Stripe82Normal", cache_dir=tmp_path)
    assert len(votes) == 8
    assert len(set(classify(votes)[0])) > 1
    assert len(fields_with_galaxies(cache_dir=tmp_path)) == 0
    assert len(fields_with_galaxies(zoo="zoo2Stripe82Normal", dec=(5, 9), cache_dir=tmp_path)) == 0


@pytest.mark.parametrize("trouble", [PER_MINUTE, HTML, b"", "502", "503", b"run,rerun\n1,2\n"])
def test_a_passing_trouble_is_outlived(sky, tmp_path, trouble):
    """One error page, refusal or cut reply is not stored; the next try brings the table."""
    sky.trouble.append(trouble)
    assert len(field_catalog(94, 1, 12, cache_dir=tmp_path)) > 318
    assert len(sky.asked) == 2
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (PER_MINUTE, "too many queries a minute: 'ERROR: Maximum 60"),
        (HTML, "not the table that was asked for: '<html><head><title>Busy"),
        ("503", "HTTP 503"),
        ("time-out", "time-out|cannot reach"),
    ],
)
def test_a_lasting_trouble_is_named_and_not_stored(sky, tmp_path, monkeypatch, trouble, words):
    """Four times the same trouble is a clear error, the store stays empty and works later."""
    monkeypatch.setattr(queries, "_TIMEOUT", 0.3)
    sky.trouble += [trouble] * 4
    with pytest.raises(QueryError, match=words):
        field_catalog(94, 1, 12, cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(queries, "_TIMEOUT", 60)
    assert len(field_catalog(94, 1, 12, cache_dir=tmp_path)) > 318


def test_a_server_that_asks_for_time_gets_it(sky, tmp_path, monkeypatch):
    """After a 503 with "Retry-After: 1" the next question leaves a second later."""
    times = ask_for_time(monkeypatch, 1)
    sky.trouble.append("503")
    assert len(field_catalog(94, 1, 12, cache_dir=tmp_path)) > 318
    assert len(times) == 2
    assert times[1] - times[0] > 0.95


def test_wrong_sql_is_not_tried_again(sky, tmp_path):
    """An error in the statement is told at once."""
    with pytest.raises(QueryError, match=r"an error page: .*no such column: nonsense"):
        ask("SELECT nonsense FROM PhotoObjAll", {"nonsense": int}, cache_dir=tmp_path)
    assert len(sky.asked) == 1


def test_a_spoilt_store_is_asked_anew(sky, tmp_path):
    """A stored answer that is no table any more is replaced."""
    field_catalog(94, 1, 12, cache_dir=tmp_path)
    (stored,) = tmp_path.iterdir()
    stored.write_text("<html>")
    assert len(field_catalog(94, 1, 12, cache_dir=tmp_path)) > 318
    assert "objID" in stored.read_text()


def test_a_cut_answer_warns_from_the_store_as_well(sky, tmp_path, monkeypatch):
    """Where there are as many rows as SkyServer gives at most, each call says so."""
    monkeypatch.setattr(queries, "_ROW_LIMIT", 8)
    for _ in range(2):
        with pytest.warns(AstroYoloWarning, match="8 rows, where SkyServer cuts"):
            field_votes(94, 1, 12, zoo="zoo2Stripe82Normal", cache_dir=tmp_path)
    assert len(sky.asked) == 1


def test_columns_are_in_the_schema():
    """Every column of PhotoObjAll that is asked for is in the schema that astroquery ships."""
    sdss = pytest.importorskip("astroquery.sdss")
    path = Path(sdss.__file__).parent / "data" / "PhotoObjAll_dr12.json"
    text = json.dumps(json.loads(path.read_text())).lower()
    missing = [name for name in queries._PHOTO if f'"{name.lower()}"' not in text]
    assert missing == []


def test_unknown_table_is_named():
    """A table of votes that SkyServer does not have is refused before anything is asked."""
    with pytest.raises(ValueError, match="zoo must be one of zooSpec"):
        fields_with_galaxies(zoo="zoo3")
    with pytest.raises(ValueError, match="must be a table of Galaxy Zoo 2, got 'zooSpec'"):
        field_votes(94, 1, 12, zoo="zooSpec")
