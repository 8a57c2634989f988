"""Tables that are measured: of somebody else, of several images, beside a pole."""

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable, Table, vstack

from astro_yolo import measure, measuring
from astro_yolo._sky import sky_boxes
from astro_yolo.cli import main
from astro_yolo.exceptions import MeasurementError
from astro_yolo.tests.test_measuring import field, table_of
from astro_yolo.tests.wcs_cases import SCALE, make_wcs


def test_columns_of_somebody_else_stay(tmp_path):
    """Whatever their names: a width in pixels, a score in words; on the command line as well."""
    image, boxes, _ = field(1)
    x0, y0, x1, y1 = (boxes[:2] - 0.5).T
    theirs = QTable({"xmin": x0, "ymin": y0, "xmax": x1, "ymax": y1, "width": (x1 - x0) * u.pix,
                     "score": ["high", "low"], "label": [7, 8]})  # fmt: skip
    found = measure(theirs, image)
    assert found["width"].unit == u.pix
    assert found["score"].tolist() == ["high", "low"]
    assert found["label"].tolist() == [7, 8]
    assert (found["kron_flux_band1"] > 0).all()
    theirs.write(tmp_path / "t.ecsv")
    fits.writeto(tmp_path / "i.fits", image)
    paths = [str(tmp_path / name) for name in ("t.ecsv", "i.fits", "out.ecsv")]
    assert main(["measure", *paths[:2], "-o", paths[2]]) == 0
    assert Table.read(paths[2])["label"].tolist() == [7, 8]


def test_rows_of_another_image_are_refused():
    """In a table that was stacked the image of the last is known, and not that of the others."""
    image, boxes, _ = field(1)
    here, there = (make_wcs(ra=ra) for ra in (150.0, 151.0))
    both = vstack([table_of(boxes[:3], there), table_of(boxes[:4], here)],
                  metadata_conflicts="silent")  # fmt: skip
    with pytest.raises(MeasurementError, match="3 rows whose ra and dec are not where their boxes"):
        measure(both, image, wcs=here)
    assert len(measure(both[3:], image, wcs=here)) == 4


@pytest.mark.parametrize("away", [0.0, 0.4, 1.0, 20.0])
def test_shapes_at_a_pole(away):
    """Axes are those in pixels times their side; the angle turns with north."""
    wcs = make_wcs(dec=90.0)
    x, y = wcs.wcs.crpix - 1 + [away, 0]
    found = measuring._on_sky(np.array([[x, y, 6.0, 3.0, 0.5]]), wcs)
    assert found["a"][0][0] == pytest.approx(6 * SCALE, rel=1e-3)
    assert found["b"][0][0] == pytest.approx(3 * SCALE, rel=1e-3)
    if away:
        angle, _ = sky_boxes(wcs, *np.reshape([x, y, 1.0, 1.0], (4, 1))).north(1.0, 1.0)
        assert found["pa"][0][0] == pytest.approx((np.degrees(0.5) - angle[0]) % 180, abs=0.1)
