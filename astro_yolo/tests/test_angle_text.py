"""Angles as text, by the definition of hours, minutes and seconds."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import MaskedColumn

from astro_yolo._angle_text import is_sexagesimal, radians_of, words_of


@pytest.mark.parametrize(
    ("word", "degrees"),
    [("10:00:42.5", 15 * (10 + 42.5 / 3600)), ("10 00 42.5", 15 * (10 + 42.5 / 3600)),
     ("2d30m", 2.5), ("150.25", 150.25), ("2.5e-05", 2.5e-05), ("-1E1", -10), ("+3", 3)],
)  # fmt: skip
def test_one_angle(word, degrees):
    """Minutes and seconds are of hours here, numbers are degrees, with an exponent too."""
    (found,) = np.degrees(radians_of([word], None, u.hourangle))
    assert found == pytest.approx(degrees, rel=1e-12)


def test_text_that_says_nothing_is_nan():
    """What is empty, masked, infinite or says that there is nothing is no number."""
    words = words_of(MaskedColumn(["1.5", "", "n/a", "NaN", "7", "inf", " -- "],
                                  mask=[0, 0, 0, 0, 1, 0, 0]))  # fmt: skip
    assert words == ["1.5", "", "n/a", "NaN", "", "inf", "--"]
    found = radians_of(words, u.deg, u.deg)
    assert np.flatnonzero(np.isfinite(found)).tolist() == [0]
    assert words_of(np.array([1.5])) is None
    assert len(radians_of([], None, u.deg)) == 0


def test_a_word_that_is_no_angle_is_named():
    """The error shows the text as it stands in the table."""
    with pytest.raises(ValueError, match="parsing angle 'east'"):
        radians_of(["1.5", "east"], None, u.deg)
    assert not is_sexagesimal("1.5")
    assert is_sexagesimal("1d")
