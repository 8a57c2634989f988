"""Coordinates of a table that is pushed, and images that are shown, without a DS9."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.table import Table, vstack

from astro_yolo.ds9 import DS9Bridge, bridge
from astro_yolo.ds9._fits_bytes import fits_bytes
from astro_yolo.ds9._grid import frame_wcs, same_grid
from astro_yolo.exceptions import DS9Error
from astro_yolo.region_text import at_pixels

from .test_region_text import FIELDS, example, known_sky
from .wcs_cases import SCALE, make_wcs


@pytest.mark.parametrize("known", [True, False])
def test_pixels_only_of_the_image_that_is_shown(monkeypatch, known):
    """Rows of that image go by pixels, stacked, edited and other ones by ra and dec."""
    first, second = FIELDS.values()
    table, other = known_sky(5, first), known_sky(5, second)
    if not known:
        table.meta, other.meta = {}, {}
    connection = object.__new__(DS9Bridge)
    monkeypatch.setattr(bridge, "frame_wcs", lambda _: first)
    assert connection._coords(table) == "image"
    assert connection._coords(other) == "icrs"
    assert connection._coords(vstack([table, other], metadata_conflicts="silent")) == "icrs"
    table["ra"][1] += 1 * u.arcsec
    assert connection._coords(table) == "icrs"
    assert connection._coords(example(5)) == "image"
    monkeypatch.setattr(bridge, "frame_wcs", lambda _: None)
    assert connection._coords(example(5, wcs=first)) == "image"


@pytest.mark.parametrize("ratio", [4, 0.25])
def test_a_tenth_of_the_shorter_side_of_a_pixel_counts(ratio):
    """A row that was moved by 0.15 of it, in oblong pixels, is not where its pixels are."""
    wcs = make_wcs(ratio=ratio)
    table = known_sky(3, wcs)
    assert at_pixels(table, wcs).all()
    table["dec"][1] += 0.15 * SCALE * min(1, ratio) * u.arcsec
    assert at_pixels(table, wcs).tolist() == [True, False, True]


def test_grids_are_compared_where_the_boxes_are():
    """Turned by 0.005 degrees, 0.02 pixels are reached at 229 pixels from the reference pixel."""
    wcs, turned = make_wcs(), make_wcs(turn=0.005)
    assert same_grid(None, None)
    assert not same_grid(wcs, None)
    assert same_grid(wcs, make_wcs())
    assert not same_grid(wcs, turned)  # a corner is 680 away
    near, far = (240, 190, 260, 210), (0, 0, 10, 10)

    def table(*boxes):
        return Table(rows=boxes, names=("xmin", "ymin", "xmax", "ymax"))

    assert same_grid(wcs, turned, table(near))
    assert not same_grid(wcs, turned, table(near, far))
    assert not same_grid(wcs, turned, table(near)[:0])


@pytest.mark.parametrize(("ctype", "known"), [("RA---TAN", True), ("RA---XXX", False), ("", False)])
def test_sky_of_a_frame(recwarn, ctype, known):
    """A frame's header gives its WCS with its size; a broken one, or none, gives none, silently."""
    header = make_wcs().to_header()
    header.update(NAXIS=2, NAXIS1=800, NAXIS2=600, CTYPE1=ctype, CPDIS1="LOOKUP")
    if not ctype:
        del header["CTYPE*"]
    answers = {"frame has fits": "yes", "fits header": header.tostring(sep="\n")}
    found = frame_wcs(SimpleNamespace(get=answers.get))
    assert (found is not None) == known
    assert not known or found.pixel_shape == (800, 600)
    assert frame_wcs(SimpleNamespace(get=lambda _: "no")) is None
    assert not recwarn


PLANE = np.arange(12).reshape(3, 4)


@pytest.mark.parametrize(("kind", "held"), [
    ("?", ">f4"), ("f2", ">f4"), ("g", ">f8"), ("f8", ">f8"), ("i2", ">i2"), ("u2", "u2")])
def test_bytes_of_an_array(kind, held):
    """Any real numbers go to DS9 in a type that FITS has, with the sky that is given."""
    content = fits_bytes(PLANE.astype(kind), wcs=make_wcs())
    with fits.open(io.BytesIO(content)) as hdus:
        np.testing.assert_array_equal(hdus[0].data, PLANE.astype(kind).astype(float))
        assert hdus[0].data.dtype == held
        assert hdus[0].header["CRVAL1"] == 150


def test_bytes_of_hdus_and_ccddata():
    """Of a list the HDU asked for or its first plane is taken, of CCDData its own sky."""
    table = fits.BinTableHDU.from_columns([fits.Column("A", "E", array=[1.0])])
    cube = fits.ImageHDU(np.zeros((2, 3, 4)))
    planes = fits.ImageHDU(PLANE), fits.ImageHDU(PLANE + 1, name="B")
    units = [fits.PrimaryHDU(), cube, table, *planes]
    for hdu, first in ((None, 0), (3, 0), ("B", 1)):
        content = fits_bytes(fits.HDUList(units), hdu)
        assert fits.getdata(io.BytesIO(content))[0, 0] == first
    for given, value in ((make_wcs(), 150), (None, 10)):
        content = fits_bytes(CCDData(PLANE, unit="adu", wcs=given), wcs=_elsewhere())
        assert fits.getheader(io.BytesIO(content))["CRVAL1"] == value
    with pytest.raises(DS9Error, match="hdu must be one of 0 PRIMARY, 1, 2, 3, 4 B, got 'C'"):
        fits_bytes(fits.HDUList(units), "C")
    with pytest.raises(DS9Error, match="must hold an HDU with a plane of two dimensions, got none"):
        fits_bytes(fits.HDUList(units[:3]))
    with pytest.raises(DS9Error, match="a plane of two dimensions, got PrimaryHDU"):
        fits_bytes(units[0])
    with pytest.raises(DS9Error, match="image must be of real numbers, got complex128"):
        fits_bytes(PLANE * 1j)


def _elsewhere():
    """Return the sky coordinates of another image."""
    wcs = make_wcs()
    wcs.wcs.crval = 10, 20
    return wcs
