"""What becomes of columns that are known, and of those of somebody else."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.utils.masked import Masked

from astro_yolo._columns import conform, decode_flags, floats, is_result, plain, whole

HIDDEN = [1.0, 999.0, 3.0]
MASK = [False, True, False]


@pytest.mark.parametrize(
    "column",
    [
        MaskedColumn(HIDDEN, mask=MASK),
        MaskedColumn([1, 999, 3], mask=MASK),
        Masked(HIDDEN, mask=MASK) * u.deg,
        Masked(HIDDEN, mask=MASK),
        Column([1.0, np.nan, 3.0], unit="deg"),
        [1.0, np.nan, 3.0] * u.deg,
    ],
    ids=lambda column: type(column).__name__,
)
def test_masked_numbers_are_nan(column):
    """What is masked is NaN, never the number below the mask, in every kind of column."""
    np.testing.assert_array_equal(floats(column), [1, np.nan, 3])


def test_known_columns_keep_their_gaps():
    """A masked float is NaN, a masked or NaN whole number is masked, a masked text is empty."""
    table = Table({
        "id": MaskedColumn([1, 999, 3], mask=MASK),
        "ra": MaskedColumn(HIDDEN, mask=MASK, unit="deg"),
        "dec": Masked(HIDDEN, mask=MASK) * u.rad,
        "score": MaskedColumn(HIDDEN, mask=MASK),
        "label": MaskedColumn(["a", "hidden", "c"], mask=MASK),
        "flags": [0.0, np.nan, 5.0],
    })
    found = conform(table)
    assert found["id"].tolist() == [1, None, 3]
    assert found["flags"].tolist() == [0, None, 5]
    assert found["flags"].dtype == np.int32
    assert found["label"].tolist() == ["a", "", "c"]
    for name, unit in (("ra", 1), ("dec", np.degrees(1)), ("score", 1)):
        numbers = np.asarray(getattr(found[name], "value", found[name]))
        np.testing.assert_allclose(numbers, [unit, np.nan, 3 * unit])


def test_whole_numbers_stay_whole():
    """An id beyond the precision of a float is itself, beside a gap and without one."""
    large = 2**60 + 1
    whole = conform(Table({"id": [large, 2]}))
    assert not whole.has_masked_columns
    gap = conform(Table({"id": MaskedColumn([large, 2], mask=[False, True])}))
    assert [whole["id"][0], gap["id"][0]] == [large, large]


def test_columns_of_others_stay_what_they_are():
    """Names that we use too get no type or unit of ours; text is text, and gaps stay."""
    table = Table({
        "id": ["SDSS J1", "SDSS J2"], "ra": [1.0, 2.0], "flags": [np.nan, 1e12],
        "score": MaskedColumn([1, 2], mask=[False, True]), "name": np.array([b"a", b"b"]),
    })  # fmt: skip
    found = plain(table)
    assert found["id"].tolist() == ["SDSS J1", "SDSS J2"]
    assert found["ra"].unit is None
    assert found["flags"][1] == 1e12
    assert found["score"].tolist() == [1, None]
    assert found["name"].tolist() == ["a", "b"]


def test_a_result_is_known_by_its_columns():
    """A table with our boxes is ours; a catalogue with some of the names is not."""
    ours = ["id", "ra", "dec", "x", "y", "xmin", "ymin", "xmax", "ymax", "label", "more"]
    assert is_result(QTable({name: [1] for name in ours}))
    for missing in ("id", "xmin", "label"):
        assert not is_result(QTable({name: [1] for name in ours if name != missing}))


def test_a_masked_value_has_no_flags():
    """Where the flags are masked, none is named, whatever is below the mask."""
    assert decode_flags(MaskedColumn([5, 5], mask=[False, True])) == [("edge", "saturated"), ()]
    assert decode_flags(np.ma.masked) == ()


def test_numbers_that_do_not_fit_stay():
    """Another's names, bits beyond ours and fractions are kept as they are, none is changed."""
    found = conform(Table({"id": ["NGC 1", "12"], "flags": [2**40 + 1, 3]}))
    assert found["id"].tolist() == ["NGC 1", "12"]
    assert found["flags"].tolist() == [2**40 + 1, 3]
    found = conform(Table({
        "id": MaskedColumn([1.5, 2.0], mask=[False, True]),
        "flags": MaskedColumn(np.array([2**63 + 5, 7], np.uint64), mask=[False, True]),
    }))  # fmt: skip
    assert found["id"].tolist() == [1.5, None]
    assert found["flags"].tolist() == [2**63 + 5, None]
    found = conform(Table({"id": ["7", "12"], "flags": [3.0, 4.0]}))
    assert (found["id"].tolist(), found["flags"].dtype) == ([7, 12], np.int32)


def test_a_unit_that_cannot_be_ours_is_named():
    """A known column in another kind of unit is an error that names it."""
    with pytest.raises(u.UnitConversionError, match=r"\['width'\] must be in arcsec .* got pix"):
        conform(QTable({"width": [3.0] * u.pix}))


@pytest.mark.parametrize("given", ["galaxies.ecsv", {"id": [1]}, None])
def test_what_is_no_table_is_named(given):
    """A path or dictionary in place of a table is an error that says which argument it was."""
    kind = type(given).__name__
    with pytest.raises(TypeError, match=f"before must be an astropy Table, got {kind}"):
        whole(given, "before")
    table = Table({"id": [3, 4]}, meta={"a": 1})
    assert whole(table) is table
    assert (whole(table[1])["id"].tolist(), whole(table[1]).meta) == ([4], {"a": 1})
