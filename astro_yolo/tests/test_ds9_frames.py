"""Frames of a real DS9 that show blocks, a mosaic, or colours: regions are where they belong."""

import cv2
import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_allclose, assert_array_equal

from astro_yolo.ds9._grid import image_of
from astro_yolo.ds9.review import Review
from astro_yolo.ds9.reviewing import ReviewLoop
from astro_yolo.exceptions import DS9Error

from .ds9_fixture import ds9  # noqa: F401
from .test_ds9_bridge import EXAMPLE, bridge, edges, sky_image  # noqa: F401
from .test_region_text import example, known_sky
from .wcs_cases import CASES, SHAPE, make_wcs


@pytest.mark.parametrize("blocks", ["2", "2 3"])
@pytest.mark.parametrize("known", [True, False])
def test_pixels_are_not_blocks(bridge, blocks, known):  # noqa: F811
    """Where DS9 shows blocks, pixels and sizes of regions and images stay those of the image."""
    wcs = make_wcs(**CASES["flipped_turned"]) if known else None
    table = known_sky(12, wcs) if known else example(12)
    bridge.show(sky_image(wcs))
    bridge.set(f"block to {blocks}")
    try:
        bridge.push(table, shape="box")
        shown = bridge.read()[0]
        found = bridge.pull()
        assert set(bridge.diff(table)["change"]) == {"kept"}
        bridge.pan_to(400, 250)
        assert bridge.get("block") == blocks
    finally:
        bridge.set("block to 1")
    assert shown.data.shape == SHAPE
    assert_allclose(edges(found), edges(table), atol=1e-3)
    assert_allclose(edges(bridge.pull()), edges(table), atol=1e-3)
    # DS9's own middle may be that of the next block
    assert_allclose([float(v) for v in bridge.get("pan image").split()], [401, 251], atol=3)
    if known:
        assert_allclose(found["width"].value, table["width"].value, rtol=1e-4)


def test_a_review_is_about_pixels(bridge, tmp_path):  # noqa: F811
    """A review that begins in a frame of blocks shows single pixels, with boxes at their places."""
    table = example(3)
    bridge.show(sky_image())
    bridge.set("block to 2")
    try:
        ReviewLoop(bridge, Review(table, tmp_path / "journal"))
        assert bridge.get("block") == "1"
    finally:
        bridge.set("block to 1")
    assert_allclose(edges(bridge.pull()), edges(table), atol=1e-3)


def test_regions_of_a_mosaic(bridge, tmp_path):  # noqa: F811
    """On the second image of a mosaic regions are at their own sky, in pixels of the first."""
    wcs = make_wcs(turn=30)
    table, data = known_sky(12, wcs), sky_image().data
    hdus = [fits.PrimaryHDU()]
    for left in (0, 420):
        header = wcs[:, left : left + 380].to_header()
        hdus.append(fits.ImageHDU(data[:, left : left + 380], header))
    path = tmp_path / "mosaic.fits"
    fits.HDUList(hdus).writeto(path)
    bridge.set(f"mosaicimage wcs {path}")
    bridge.push(table, shape="polygon")
    assert "# tile 2" in bridge.region_text()
    found = bridge.pull()
    assert found["id"].tolist() == table["id"].tolist()
    assert_allclose(edges(found), edges(table), atol=0.01)
    assert_allclose(found["ra"].value, table["ra"].value, atol=1e-6)
    assert set(bridge.diff(table)["change"]) == {"kept"}
    bridge.select([1, 2, 3, 4])
    assert_allclose(edges(bridge.selected()), edges(table)[:4], atol=0.01)


def test_a_picture_and_its_sky(bridge, tmp_path, monkeypatch):  # noqa: F811
    """A JPG or PNG is shown in its own colours, the right way up, with the sky that is given."""
    monkeypatch.setenv("HOME", str(tmp_path))
    rows = np.arange(24 * 30 * 3, dtype=np.uint8).reshape(24, 30, 3)  # top first
    path, wcs = tmp_path / "a picture.png", make_wcs(turn=30)
    assert cv2.imwrite(str(path), rows)
    bridge.show("~/a picture.png", wcs=wcs)
    bridge.set("crosshair 4 3 image")  # pixel (3, 2)
    place = map(float, bridge.get("crosshair wcs icrs").split())
    assert_allclose(list(place), wcs.all_pix2world(3, 2, 0), atol=1e-6)
    for k, hdus in enumerate(bridge.read()):
        assert_array_equal(hdus[0].data, rows[::-1, :, k])
    seen = image_of(bridge.read())  # as `astro-yolo ds9 detect` takes it
    assert (seen.kind, seen.bands) == ("picture", ("blue", "green", "red"))
    assert_array_equal(seen.data, np.moveaxis(rows[::-1], 2, 0))
    bridge.show(rows)  # an array is never flipped, and runs from red to blue
    assert_array_equal(bridge.read()[2][0].data, rows[..., 0])


def test_an_image_is_no_colour_of_another(bridge):  # noqa: F811
    """One image for a frame of colours, of which it would become one, is refused."""
    bridge.show(sky_image())
    number = bridge.show([EXAMPLE / f"example-{band}.fits.fz" for band in "gri"])
    before = [channel[0].data for channel in bridge.read(frame=number)]
    bridge.set("frame 1")
    with pytest.raises(DS9Error, match=f"frame must be one without colours, got {number}"):
        bridge.show(sky_image(), frame=number)
    assert bridge.get("frame") == "1"
    assert_allclose([channel[0].data for channel in bridge.read(frame=number)], before)
