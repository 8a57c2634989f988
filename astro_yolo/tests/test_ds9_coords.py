"""In which coordinates a table is pushed, without a DS9."""

import pytest
from astropy import units as u
from astropy.table import vstack

from astro_yolo.ds9 import DS9Bridge, bridge

from .test_region_text import FIELDS, example, known_sky


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
