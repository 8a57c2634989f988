"""A real DS9: what is pushed is there, and what somebody does there comes back."""

import threading
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.table import MaskedColumn
from numpy.testing import assert_allclose

import astro_yolo
from astro_yolo._sky import wcs_to_text
from astro_yolo.catalog import make_table
from astro_yolo.ds9 import DS9Bridge
from astro_yolo.exceptions import (
    DS9Error,
    DS9NotFoundError,
    InputWarning,
    RegionError,
)

from .ds9_fixture import TITLE, ds9, require_backend  # noqa: F401
from .test_region_text import example
from .wcs_cases import CASES, SHAPE, make_wcs

EXAMPLE = Path(astro_yolo.__file__).parent / "data"
EDGES = ("xmin", "ymin", "xmax", "ymax")


@pytest.fixture(params=["pyds9", "xpa"])
def bridge(request, ds9, monkeypatch):  # noqa: F811
    """A connection by each of the two ways, and no frame left over."""
    require_backend(request.param)
    for name, value in ds9.environment.items():
        monkeypatch.setenv(name, value)
    connection = DS9Bridge(TITLE, backend=request.param, timeout=20)
    connection.set("frame delete all")
    connection.set("single")
    connection.set("frame new")
    return connection


def sky_image(wcs=None, shape=SHAPE):
    header = None if wcs is None else wcs.to_header(relax=True)
    rng = np.random.default_rng(1)
    return fits.PrimaryHDU(rng.normal(size=shape).astype(np.float32), header)


def edges(table):
    return np.stack([np.asarray(getattr(table[n], "value", table[n])) for n in EDGES], axis=1)


def test_the_one_that_runs_is_found(bridge):
    """By title, by address, or without a name; another name is refused with those there are."""
    for name in (None, TITLE, f"DS9:{TITLE}", bridge.address):
        assert DS9Bridge(name, backend=bridge.backend).title == TITLE
    with pytest.raises(DS9NotFoundError, match=rf"no DS9 'other' is running.*{TITLE}"):
        DS9Bridge("other", backend=bridge.backend)
    with pytest.raises(ValueError, match="backend must be one of auto, pyds9, xpa"):
        DS9Bridge(backend="samp")
    with pytest.raises(ValueError, match="timeout must be above 0"):
        DS9Bridge(timeout=0)


def test_refusals_have_the_words_of_ds9(bridge):
    """A command or query that DS9 refuses is a DS9Error with its own message."""
    with pytest.raises(DS9Error, match="refused 'nonsense x': undefined command"):
        bridge.set("nonsense x")
    with pytest.raises(DS9Error, match="refused 'nonsense x': undefined command"):
        bridge.get("nonsense x")
    with pytest.raises(ValueError, match="one line"):
        bridge.set("frame\nnew")


@pytest.mark.parametrize("kind", ["path", "packed", "HDUList", "HDU", "CCDData", "array"])
def test_images_are_shown_as_they_are(bridge, tmp_path, kind):
    """Whatever an image comes in, DS9 has its pixels and its sky; in memory too."""
    wcs = make_wcs(**CASES["flipped_turned"])
    hdu = sky_image(wcs)
    path = tmp_path / "an image.fits"
    hdu.writeto(path)
    if kind == "packed":
        import bz2

        path = tmp_path / "image.fits.bz2"
        path.write_bytes(bz2.compress((tmp_path / "an image.fits").read_bytes()))
    image = {
        "path": path, "packed": str(path), "HDU": hdu,
        "HDUList": fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(hdu.data, hdu.header)]),
        "CCDData": CCDData(hdu.data, wcs=wcs, unit="adu"), "array": hdu.data,
    }[kind]  # fmt: skip
    bridge.show(image, wcs=wcs if kind == "array" else None)
    back = bridge.read()
    assert_allclose(back[0].data, hdu.data)
    bridge.push(example(5))
    found = bridge.pull()
    assert_allclose(found["ra"].value, wcs.wcs_pix2world(found["x"], found["y"], 0)[0], atol=1e-7)


@pytest.mark.parametrize(
    "name", ["a[1].fits", "a[.fits", "a].fits", "a{1}.fits", "a{.fits", "a}.fits", "a;b.fits",
             'a"b c.fits', "a[1] b.fits.gz", "in[0]/{here}/a.fits"],
)  # fmt: skip
def test_names_that_ds9_refuses(bridge, tmp_path, name):
    """Brackets, braces and the like in a path: all planes are shown, HDUs too, and pictures."""
    cube = np.arange(60, dtype=np.float32).reshape(2, 5, 6)
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([fits.PrimaryHDU(cube), fits.ImageHDU(cube[1] + 100, name="SCI")]).writeto(path)
    bridge.show(path)
    assert (bridge.read()[0].data == cube).all()
    for hdu in (1, "SCI"):
        bridge.show(str(path), hdu=hdu)
        assert (bridge.read()[0].data == cube[1] + 100).all()
    bridge.screenshot(path.with_suffix(".png"))
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert sorted(p.suffix for p in path.parent.iterdir()) == sorted([path.suffix, ".png"])


def test_nothing_that_is_shown_is_replaced(bridge):
    """A second image gets a frame of its own; a named frame is replaced."""
    assert bridge.show(sky_image()) == 1
    assert bridge.show(sky_image()) == 2
    assert bridge.frames() == [1, 2]
    assert bridge.show(sky_image(), frame=1) == 1
    assert bridge.frames() == [1, 2]
    with pytest.raises(DS9Error, match=r"image must be a path or a plane.*\(3, 4, 5\)"):
        bridge.show(np.zeros((3, 4, 5)))


def test_three_bands_make_a_colour_frame(bridge):
    """Red, green and blue are the stretched i, r and g; the bands come back blue first."""
    from astro_yolo.image import read_image
    from astro_yolo.stretch import to_rgb

    paths = [EXAMPLE / f"example-{band}.fits.fz" for band in "gri"]
    bridge.show(paths, stretch="lupton")
    channels = bridge.read()
    rgb = to_rgb(read_image(paths).data[::-1], "lupton")
    for k, channel in enumerate(channels):
        assert_allclose(channel[0].data, rgb[..., 2 - k])
    bridge.push(example(5))
    assert len(bridge.pull()) == 5


@pytest.mark.parametrize("shape", ["box", "ellipse", "circle", "polygon"])
def test_what_is_pushed_is_there(bridge, shape):
    """Every region, where it belongs, in every shape; nothing changed says the difference."""
    table = example(40)
    bridge.show(sky_image())
    bridge.push(table, shape=shape)
    found = bridge.pull()
    assert found["id"].tolist() == table["id"].tolist()
    assert found["label"].tolist() == table["label"].tolist()
    assert found["ours"].all()
    if shape != "circle":
        assert_allclose(edges(found), edges(table), atol=1e-3)
    assert set(bridge.diff(table)["change"]) == {"kept"}


def test_a_row_is_pushed(bridge):
    """``table[k]`` is drawn as that row of the table."""
    table = example(4)
    bridge.show(sky_image())
    bridge.push(table[2], shape="box", min_score=0)
    found = bridge.pull()
    assert found["id"].tolist() == [table["id"][2]]
    assert_allclose(edges(found), edges(table)[2:3], atol=1e-3)


def test_theirs_stay(bridge):
    """A push replaces the regions of the push before, and never the user's own."""
    bridge.show(sky_image())
    bridge.set("regions", "image; circle(50,60,7) # color=red text={mine}")
    bridge.push(example(12))
    bridge.push(example(7))
    found = bridge.pull()
    assert found["ours"].tolist().count(True) == 7
    assert found["text"][~found["ours"]].tolist() == ["mine"]
    bridge.push(example(12), replace=False)
    assert len(bridge.pull()) == 20
    bridge.remove()
    assert bridge.pull()["text"].tolist() == ["mine"]
    bridge.push(example(7), min_score=2.0)  # nothing is left to draw
    assert len(bridge.pull()) == 1


def test_edits_come_back(bridge):
    """Moved, resized, relabelled, deleted, drawn, and left alone: each is told from the others."""
    table = example(12)
    bridge.show(sky_image())
    bridge.push(table, shape="box")
    lines = bridge.get("regions -format ds9 -system image -strip no").splitlines()
    by_id = {k: next(line for line in lines if f"ay-id={k}}}" in line) for k in range(1, 13)}
    x, y, width, height = (float(v) for v in by_id[2].split("(")[1].split(")")[0].split(",")[:4])
    bridge.remove([2, 3, 4, 5])
    label = "merger" if table["label"][3] != "merger" else "spiral"
    edited = [
        by_id[2].replace(f"box({by_id[2].split('(')[1].split(')')[0]}",
                         f"box({x + 30},{y - 20},{width},{height},0"),
        by_id[3].replace(f"box({by_id[3].split('(')[1].split(')')[0]}", _larger(by_id[3], 6)),
        by_id[4].replace(f"4 {table['label'][3]}", f"4 {label}"),
        "box(90,80,12,10,0)",
    ]  # fmt: skip
    bridge.set("regions", "\n".join(["image", *edited]))
    change = bridge.diff(table)
    words = dict(zip(change["id"].tolist(), change["change"].tolist(), strict=True))
    assert words == dict.fromkeys(range(1, 13), "kept") | {
        2: "moved", 3: "resized", 4: "relabelled", 5: "deleted", 0: "added"}  # fmt: skip
    moved = change[change["id"] == 2]
    assert_allclose(edges(moved)[0], edges(table)[1] + [30, -20, 30, -20], atol=1e-3)
    assert change["label"][change["id"] == 4].tolist() == [label]
    assert_allclose(edges(change)[-1], [83, 74, 95, 84], atol=1e-3)


def _larger(line, more):
    """Return a box with longer sides as DS9 writes it."""
    x, y, width, height, *_ = (float(v) for v in line.split("(")[1].split(")")[0].split(","))
    return f"box({x},{y},{width + more},{height + more},0"


@pytest.mark.parametrize("case", CASES)
def test_onto_another_image_of_the_place(bridge, case):
    """Regions follow the sky onto a frame with other pixels, and back, to a tenth of a pixel."""
    wcs, other = make_wcs(**CASES[case]), make_wcs(**CASES[case])
    other.wcs.crpix += [7, -4]
    if other.sip is not None:
        other = make_wcs(**CASES[case])
        other.wcs.crval += [0.0005, 0.0003]
    base = example(15)
    table = make_table(edges(base) + 0.5, base["score"], np.full((15, 5), 0.2), np.zeros(15),
                       np.zeros(15, int), wcs=wcs, label=base["label"])  # fmt: skip
    bridge.show(sky_image(other))
    bridge.push(table, shape="box")
    found = bridge.pull()
    places = wcs.pixel_to_world(np.asarray(table["x"]), np.asarray(table["y"]))
    order = np.argsort(found["id"])
    there = np.stack([np.asarray(found["x"]), np.asarray(found["y"])], axis=1)[order]
    assert np.abs(there - np.stack(other.world_to_pixel(places), axis=1)).max() < 0.1
    assert np.abs(there - np.stack([table["x"], table["y"]], axis=1)).max() > 3
    assert set(bridge.diff(table)["change"]) == {"kept"}


def test_frames_are_left_as_they_were(bridge):
    """Work in another frame leaves the current one, and what blinks goes on blinking."""
    bridge.show(sky_image())
    bridge.show(sky_image())
    bridge.blink()
    bridge.push(example(5), frame=1)
    assert bridge.get("blink") == "yes"
    bridge.blink(on=False)
    assert len(bridge.pull(frame=1)) == 5
    assert len(bridge.pull(frame=2)) == 0
    with pytest.raises(DS9Error, match="frame must be one of 1, 2, got 9"):
        bridge.push(example(5), frame=9)
    bridge.tile()
    assert bridge.get("tile") == "yes"
    bridge.tile(on=False)


def test_colours_selection_and_places(bridge):
    """A class changes colour alone; ids are selected; a pixel comes to the middle."""
    table = example(12)
    bridge.show(sky_image())
    bridge.push(table)
    bridge.recolor(table["label"][0], "#123456")
    found = bridge.pull()
    assert (found["color"] == "#123456").tolist() == (table["label"] == table["label"][0]).tolist()
    bridge.select([3, 5])
    assert bridge.selected()["id"].tolist() == [3, 5]
    bridge.pan_to(40, 70, zoom=2)
    assert_allclose([float(v) for v in bridge.get("pan image").split()], [41, 71], atol=0.01)
    with pytest.raises(ValueError, match="color must be a name"):
        bridge.recolor("spiral", "red; quit")


def test_screenshot(bridge, tmp_path):
    """The picture shows the colour of the regions; it replaces nothing by mistake."""
    import cv2

    bridge.show(np.zeros(SHAPE, np.float32))
    bridge.push(example(12), color="#00ff00", text=None)
    bridge.set("zoom to fit")
    path = tmp_path / "shot.png"
    bridge.screenshot(path)
    picture = cv2.imread(str(path))
    assert (picture == [0, 255, 0]).all(axis=-1).sum() > 50
    with pytest.raises(FileExistsError, match="overwrite=True"):
        bridge.screenshot(path)
    with pytest.raises(DS9Error, match=r"path must end with one of \.png"):
        bridge.screenshot(tmp_path / "shot.bmp")


def test_nothing_is_lost_in_an_empty_frame(bridge):
    """DS9 takes regions for an empty frame and loses them: that is refused."""
    with pytest.raises(DS9Error, match="shows no image"):
        bridge.push(example(3))
    bridge.set("frame delete all")
    with pytest.raises(DS9Error, match="DS9 has no frame"):
        bridge.push(example(3))
    with pytest.raises(DS9Error, match="DS9 has no frame"):
        bridge.read()


def test_odd_rows_and_frames(bridge):
    """NaN rows are left out with a warning, braces become brackets, sky needs sky coordinates."""
    table = example(4)
    bridge.show(sky_image())
    table["xmin"][1] = np.nan
    with pytest.warns(InputWarning, match="1 of 4 rows"):
        bridge.push(table)
    assert bridge.pull()["id"].tolist() == [1, 3, 4]
    table = example(2)
    table["note"] = ["a } b", "{"]
    bridge.push(table, text="{id} {note}")
    assert bridge.pull()["text"].tolist() == ["1 a ) b", "2 ("]
    with pytest.raises(RegionError, match="needs the sky coordinates"):
        bridge.push(table, coords="icrs")
    wcs = make_wcs()
    with pytest.raises(DS9Error):
        bridge.push(make_table([[1, 1, 9, 9]], [1], [[0.2] * 5], [0], [0], wcs=wcs), coords="icrs")
    assert bridge.pull()["id"].tolist() == [1, 2]  # a failed push leaves what was there


def test_several_threads(bridge):
    """Calls of four threads at once neither hang nor mix their answers."""
    bridge.show(sky_image())
    bridge.push(example(30))
    counts = []

    def work():
        counts.extend(len(bridge.pull()) for _ in range(15))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert counts == [30] * 60


def tcl(bridge, command):
    """Return the value of a command of Tcl's: DS9 gives it in the words of an error alone."""
    with pytest.raises(DS9Error) as said:
        bridge.set(f"tcl {{error [{command}]}}")
    return str(said.value).partition("': ")[2]


def test_a_failed_show_leaves_no_frame(bridge, tmp_path):
    """An image that cannot be shown leaves frames, and the current one, as they were."""
    bridge.show(sky_image())
    before, now = bridge.frames(), bridge.get("frame")
    for image in (tmp_path / "none.fits", np.ones((2, 5, 5)), tmp_path / "none.fits.bz2"):
        with pytest.raises((DS9Error, OSError)):
            bridge.show(image)
        assert (bridge.frames(), bridge.get("frame")) == (before, now)


def test_a_smallest_score_needs_scores(bridge):
    """A table without scores is refused by name, and a masked score is below every bound."""
    bridge.show(sky_image())
    table = example(3)
    with pytest.raises(RegionError, match="no column score"):
        bridge.push(table["id", "label", "xmin", "ymin", "xmax", "ymax"], min_score=0.5)
    table["score"] = MaskedColumn([0.9, 0.9, 0.4], mask=[False, True, False])
    bridge.push(table, min_score=0.5)
    assert bridge.pull()["id"].tolist() == [1]


def test_differences_without_sky(bridge):
    """In a frame without sky coordinates pixels are compared, whatever the table knows."""
    table = example(3, wcs=make_wcs(**CASES["plain"]))
    table.meta["WCS"] = wcs_to_text(make_wcs(**CASES["plain"]))
    bridge.show(np.zeros(SHAPE, np.float32))
    bridge.push(table, coords="image", shape="box")
    bridge.remove([2])
    assert bridge.diff(table)["change"].tolist() == ["kept", "deleted", "kept"]


def test_a_number_in_their_text(bridge):
    """A region of the user's whose text begins like ours, as "3 spiral arms", is not ours."""
    bridge.show(sky_image())
    bridge.set("regions", "image; circle(50,60,7) # text={3 spiral arms}")
    assert bridge.pull()["ours"].tolist() == [False]
    bridge.push(example(4))
    found = bridge.pull()
    assert found["id"][~found["ours"]].tolist() == [0]
    assert found["ours"].tolist().count(True) == 4
