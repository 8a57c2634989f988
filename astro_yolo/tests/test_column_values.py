"""Values, text and types of columns, by what went into them."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Column, MaskedColumn
from astropy.utils.masked import Masked

from astro_yolo._column_values import of_fits, text_of, values_and_mask, widened

GAP = [False, True]


@pytest.mark.parametrize(
    "column",
    [MaskedColumn([1.0, 9.0], mask=GAP, unit="mag"), Masked([1.0, 9.0], mask=GAP) * u.mag,
     Masked([1.0, 9.0], mask=GAP)],
)  # fmt: skip
def test_values_and_mask_of_every_kind(column):
    """Numbers come without their unit, and the mask beside them."""
    values, mask = values_and_mask(column)
    assert type(values) is np.ndarray
    assert (values[0], mask.tolist()) == (1.0, GAP)
    values, mask = values_and_mask([1.0, 2.0] * u.m)
    assert (values.tolist(), mask.tolist()) == ([1, 2], [False, False])


def test_text_of_python():
    """Texts and bytes, masked or None, are text; numbers, lists and arrays of text are not."""
    words = np.array(["NGC 1", "Sérsic 1".encode(), None, "x"], object)
    words = MaskedColumn(words, mask=[0, 0, 0, 1])
    assert text_of(words).tolist() == ["NGC 1", "Sérsic 1", "", ""]
    assert text_of(words[:0]).dtype.kind == "U"
    for other in (np.array(["a", 1], object), np.array([["a"]], object)):
        assert text_of(Column(other)) is None
    assert text_of(Column(["a"])) is None
    assert text_of([1.0] * u.m) is None


def test_types_are_widened_on_demand():
    """A type of the list becomes the other; what the column says of itself stays."""
    column = Column(np.array([200, 7], np.uint16), unit="s", description="time", meta={"ucd": "t"})
    found = widened(column, {"uint16": "i4"})
    assert (found.dtype, found.tolist(), found.unit) == (np.int32, [200, 7], u.s)
    assert (found.info.description, found.info.meta) == ("time", {"ucd": "t"})
    assert widened(column, {"int8": "i2"}) is column


def test_what_fits_would_lose():
    """Small numbers stay numbers, and a truth with a gap is 1, 0 or masked."""
    assert of_fits(Column(np.array([-3, 100], np.int8))).dtype == np.int16
    truth = of_fits(MaskedColumn([True, False, True], mask=[False, False, True]))
    assert (truth.tolist(), truth.fill_value) == ([1, 0, None], 255)
    whole = MaskedColumn([True, False])
    assert of_fits(whole) is whole
