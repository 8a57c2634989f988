"""No sky is in two splits, nor within 10 arcmin of another split's."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from astro_yolo.training.sky_splits import (
    SplitError,
    _around,
    cell_split,
    check_apart,
    field_split,
)


@pytest.fixture(scope="module")
def fields():
    """Fields of 8.4 arcmin radius strewn over a stretch of sky, and their splits."""
    rng = np.random.default_rng(3)
    ra, dec = rng.uniform(350, 385, 6000) % 360, rng.uniform(-2, 26, 6000)
    return ra, dec, [field_split(*place, 8.4) for place in zip(ra, dec, strict=True)]


def test_fields_of_two_splits_are_ten_arcmin_apart(fields):
    """Of 6000 fields no two of different splits have edges nearer than 10 arcmin."""
    ra, dec, splits = fields
    sky = SkyCoord(ra, dec, unit="deg")
    for one, two in (("train", "val"), ("train", "test"), ("val", "test")):
        first = sky[[s == one for s in splits]]
        second = sky[[s == two for s in splits]]
        assert len(first)
        assert len(second)
        _, distance, _ = first.match_to_catalog_sky(second)
        assert distance.arcmin.min() >= 2 * 8.4 + 10


@pytest.mark.parametrize("dec", [-90.0, -89.8, -30.0, 0.0, 75.0, 90.0])
def test_places_around_a_field(dec):
    """They are on a circle round it, by astropy's angles, at the poles too."""
    ra, dec_around = _around(10.0, dec, np.radians(0.5))
    center, places = SkyCoord(10, dec, unit="deg"), SkyCoord(ra, dec_around, unit="deg")
    np.testing.assert_allclose(center.separation(places).deg, 0.5, rtol=1e-6)
    steps = np.diff(np.unwrap(center.position_angle(places).rad))
    np.testing.assert_allclose(steps, 2 * np.pi / len(ra), rtol=1e-6)


def test_most_fields_are_kept(fields):
    """Fewer than a tenth of the fields lie too near to another split."""
    assert sum(split is None for split in fields[2]) < 600


def test_shares_are_an_eighth_each():
    """Validation and test get about an eighth of the sky each."""
    rng = np.random.default_rng(5)
    dec = np.degrees(np.arcsin(rng.uniform(-1, 1, 50_000)))
    splits = cell_split(rng.uniform(0, 360, 50_000), dec)
    assert splits.count("train") / 50_000 == pytest.approx(0.75, abs=0.04)
    assert splits.count("val") / 50_000 == pytest.approx(0.125, abs=0.03)


def test_the_rule_does_not_change():
    """These cells were given out when the rule was committed; right ascension wraps."""
    assert cell_split([0.1, 360.1], [1.0, 1.0]) == cell_split([0.1, 0.1], [1.0, 1.0])
    got = cell_split([10, 30, 150, 200, 313], [0.5, 0.5, 30, 60, -5])
    assert got == ["val", "train", "val", "train", "train"]


def test_assigned_neighbours_are_refused():
    """Two fields 20 arcmin apart, of 8 arcmin each, may not be in two splits."""
    with pytest.raises(SplitError, match=r"a \(train\) and b \(val\) must be 10 arcmin .* 4"):
        check_apart(["a", "b"], ["train", "val"], [10, 10], [0, 20 / 60], [8, 8])
    check_apart(["a", "b"], ["train", "train"], [10, 10], [0, 20 / 60], [8, 8])
    check_apart(["a", "b"], ["train", "val"], [10, 10], [0, 27 / 60], [8, 8])
    check_apart([], [], [], [], [])


def test_unknown_split_is_named():
    """A split that is none is refused."""
    with pytest.raises(SplitError, match="train, val, test, got 'dev'"):
        check_apart(["a"], ["dev"], [1], [1], [8])


def test_right_ascension_a_hair_below_zero_is_in_the_first_cell():
    """-1e-14 modulo 360 is 360 in floating point, which is 0 on the sky; in every band."""
    for dec in np.arange(-87.0, 88.0, 6.0):
        assert cell_split(-1e-14, dec) == cell_split(0.0, dec)


def test_a_corner_of_a_cell_is_seen():
    """A corner that reaches 4.5 arcmin near lies between directions a few degrees apart."""
    ra, dec, radius = 12.32728, 6.17066, 8.2
    around = np.radians(np.linspace(0, 360, 100_000)), (radius + 4.6) / 60
    dec_there = dec + around[1] * np.sin(around[0])
    ra_there = ra + around[1] * np.cos(around[0]) / np.cos(np.radians(dec))
    assert len({*cell_split(ra_there, dec_there), *cell_split(ra, dec)}) == 2
    assert field_split(ra, dec, radius) is None
