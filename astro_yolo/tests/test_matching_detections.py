"""Matching tables of detections: whose image, radius and motion a pair has."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, QTable
from astropy.utils.masked import Masked

from astro_yolo import crossmatch
from astro_yolo.catalog import make_table
from astro_yolo.tests.wcs_cases import make_wcs


def detections(size, name):
    """Return two detections of an image whose pixels have ``size`` times the side of another."""
    wcs = make_wcs()
    wcs.wcs.cd = wcs.wcs.cd * size
    boxes = [[90.0, 90, 110, 110], [140, 140, 160, 160]]
    return make_table(boxes, [0.9, 0.8], np.full((2, 5), 0.2), np.zeros(2), np.zeros(2, int),
                      wcs=wcs, meta={"IMAGE": name, "BANDS": "r"})  # fmt: skip


def test_a_pair_keeps_the_image_of_its_own_boxes():
    """Of two tables of detections the boxes of the first keep their names, and so its image."""
    ours, theirs = detections(2, "a.fits"), detections(1, "b.fits")
    theirs.meta["SEEING"] = 1.2
    found = crossmatch(ours, theirs, 1 * u.arcmin).matched
    assert found.meta == {**theirs.meta, **ours.meta}
    assert found.meta["IMAGE"] == "a.fits"
    ours.meta.clear()  # as after CSV: nobody knows on which image its boxes are
    found = crossmatch(ours, theirs, 1 * u.arcmin).matched
    assert not {"IMAGE", "BANDS", "WCS"} & set(found.meta)
    assert found.meta["SEEING"] == 1.2
    catalog = QTable({"ra": theirs["ra"], "dec": theirs["dec"]})
    assert crossmatch(catalog, theirs, 1 * u.arcmin).matched.meta == theirs.meta


def test_a_masked_radius_rejects_its_row():
    """Whether the radii are a column's name, a masked column or a masked quantity."""
    table = QTable({"ra": [10, 20] * u.deg, "dec": [0, 0] * u.deg})
    table["r"] = Masked([1.0, 2000.0] * u.arcsec, mask=[False, True])
    catalog = QTable({"ra": [10, 20.1] * u.deg, "dec": [0, 0] * u.deg})
    column = MaskedColumn([1.0, 2000.0], mask=[False, True], unit="arcsec")
    for radius in ("r", table["r"], column):
        found = crossmatch(table, catalog, radius)
        assert (len(found.matched), len(found.unmatched), len(found.rejected)) == (1, 0, 1)


def test_a_partners_motion_does_not_move_a_detection():
    """Matched again at the epoch of the image, the detections stay where the image has them."""
    ours = detections(1, "a.fits")
    gaia = QTable({"ra": ours["ra"], "dec": ours["dec"], "pmra": [1000.0, 1000] * u.mas / u.yr,
                   "pmdec": [0.0, 0] * u.mas / u.yr, "ref_epoch": [2004.7, 2004.7]})  # fmt: skip
    matched = crossmatch(ours, gaia, 1 * u.arcsec, epoch=2004.7).matched
    matched["ref_epoch"] = 2016.0
    place = SkyCoord(ours["ra"], ours["dec"])
    assert len(crossmatch(matched, place, 1 * u.arcsec, epoch=2004.7).matched) == 2
    back = crossmatch(gaia, ours, 1 * u.arcsec).matched  # there the motion is of its own place
    back["ref_epoch"] = 2016.0
    assert len(crossmatch(back, place, 1 * u.arcsec, epoch=2004.7).matched) == 0


def test_many_sources_at_one_place_have_a_chance():
    """Probabilities are numbers from 0 to 1 where the density is without bound."""
    catalog = QTable({"ra": [10.0] * 30 * u.deg, "dec": [0.0] * 30 * u.deg})
    found = crossmatch(catalog[:1], catalog, 2 * u.arcsec)
    assert found.matched["p_chance"].tolist() == [0.0]
    assert found.expected_by_chance == pytest.approx(1)
