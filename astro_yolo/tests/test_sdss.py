import bz2
import functools
import gc
import http.server
import threading

import pytest
from astropy.io import fits

from astro_yolo.config import conf
from astro_yolo.training.sdss import DownloadError, fetch_frames, frame_name, parse_field


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serve a folder quietly and remember what was asked for."""

    def do_GET(self):
        self.server.asked.append(self.path)
        super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    servers = []

    def start(folder):
        handler = functools.partial(_Handler, directory=str(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.asked = []
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server, f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def mirror(tmp_path, serve):
    """A small mirror with one g frame of field 1-2-3, laid out as the archive server does."""
    pytest.importorskip("astroquery")
    root = tmp_path / "sas"
    folder = root / "dr17/eboss/photoObj/frames/301/1/2"
    folder.mkdir(parents=True)
    hdu = fits.PrimaryHDU([[1.0, 2.0]])
    hdu.header["FILTER"] = "g"
    hdu.writeto(folder / "plain.fits")
    packed = bz2.compress((folder / "plain.fits").read_bytes())
    (folder / "frame-g-000001-2-0003.fits.bz2").write_bytes(packed)
    server, url = serve(root)
    with conf.set_temp("sas_base_url", url):
        yield server, folder


def test_frame_is_fetched_once(mirror, tmp_path):
    """The bytes of the server end up in the cache, and the second call does not ask again."""
    server, folder = mirror
    name = "frame-g-000001-2-0003.fits.bz2"
    for _ in range(2):
        paths = fetch_frames(1, 2, 3, bands="g", cache_dir=tmp_path / "cache")
    assert list(paths) == ["g"]
    assert paths["g"].name == name
    assert paths["g"].read_bytes() == (folder / name).read_bytes()
    assert server.asked == [f"/dr17/eboss/photoObj/frames/301/1/2/{name}"]
    assert [p for p in paths["g"].parent.iterdir() if p != paths["g"]] == []


def test_damaged_cache_is_fetched_anew(mirror, tmp_path):
    """A cut file in the cache is replaced."""
    server, folder = mirror
    path = fetch_frames(1, 2, 3, bands="g", cache_dir=tmp_path / "cache")["g"]
    path.write_bytes(path.read_bytes()[:-20])
    fetch_frames(1, 2, 3, bands="g", cache_dir=tmp_path / "cache")
    assert path.read_bytes() == (folder / path.name).read_bytes()
    assert len(server.asked) == 2


# astropy's get_readable_fileobj leaves the file open when its contents are bad
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("body", [b"", b"<html>Busy</html>", b"cut"])
def test_bad_reply_is_refused_and_not_kept(mirror, tmp_path, body):
    """An error page sent as a file, an empty or a cut file is refused and not cached."""
    _server, folder = mirror
    good = folder / "frame-g-000001-2-0003.fits.bz2"
    whole = good.read_bytes()
    good.write_bytes(whole[: len(whole) // 2] if body == b"cut" else body)
    with pytest.raises(DownloadError, match=r"frame-g-000001-2-0003.*whole bzip2 FITS"):
        fetch_frames(1, 2, 3, bands="g", cache_dir=tmp_path / "cache")
    gc.collect()
    good.write_bytes(whole)
    assert fetch_frames(1, 2, 3, bands="g", cache_dir=tmp_path / "cache")["g"].is_file()


def test_missing_frame_is_named(mirror, tmp_path):
    """A frame that the server does not have is an error that names it."""
    with pytest.raises(DownloadError, match=r"frame-r-000001-2-0003.*no such frame"):
        fetch_frames(1, 2, 3, bands="gr", cache_dir=tmp_path / "cache")


def test_unreachable_server_is_named(tmp_path, serve):
    """A server that does not answer is an error that names the setting."""
    pytest.importorskip("astroquery")
    server, url = serve(tmp_path)
    server.shutdown()
    server.server_close()
    with (
        conf.set_temp("sas_base_url", url),
        pytest.raises(DownloadError, match=r"cannot reach .*sas_base_url"),
    ):
        fetch_frames(1, 2, 3, bands="g", cache_dir=tmp_path / "cache")


def test_unknown_band_is_refused(tmp_path):
    """A band that SDSS does not have is refused before anything is fetched."""
    with pytest.raises(ValueError, match="bands must be among u, g, r, i, z"):
        fetch_frames(1, 2, 3, bands="gy", cache_dir=tmp_path)


@pytest.mark.parametrize("text", ["94/1", "94/1/x", "94/7/12", "", "94/1/12/3"])
def test_parse_field_refuses(text):
    """What is not three whole numbers with a camera column of 1 to 6 is refused."""
    with pytest.raises(ValueError, match=r"RUN/CAMCOL/FIELD|camcol"):
        parse_field(text)


def test_names_follow_the_archive():
    """Field numbers are padded as in the names of the archive."""
    assert frame_name(*parse_field("1737-5-39"), "i") == "frame-i-001737-5-0039.fits.bz2"


def test_real_frames_from_a_local_mirror(shared_data, serve, tmp_path):
    """A frame of a real field comes through astroquery from a mirror on this machine."""
    pytest.importorskip("astroquery")
    _server, url = serve(shared_data / "sas")
    with conf.set_temp("sas_base_url", url):
        paths = fetch_frames(94, 1, 12, bands="r", cache_dir=tmp_path)
    assert fits.getheader(paths["r"])["FILTER"].strip() == "r"
    original = shared_data / "sas/dr17/eboss/photoObj/frames/301/94/1" / paths["r"].name
    assert paths["r"].read_bytes() == original.read_bytes()


@pytest.mark.remote_data
def test_real_server(tmp_path):
    """The archive server itself has field 94-1-12."""
    pytest.importorskip("astroquery")
    paths = fetch_frames(94, 1, 12, bands="r", cache_dir=tmp_path)
    assert fits.getheader(paths["r"])["RUN"] == 94
