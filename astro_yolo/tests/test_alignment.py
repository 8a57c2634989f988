"""A band resampled onto the grid of another."""

import numpy as np
import pytest

from astro_yolo._alignment import AlignedBand, nonfinite
from astro_yolo._mapping import AffineMapping, GridMapping, fit_mapping
from astro_yolo._planes import Pixels, Plane
from astro_yolo.tests.test_mapping import SHAPE, make_wcs


def planted(shape, x, y, sigma=1.5):
    """Image of round Gaussian stars at 0-based positions."""
    rows, columns = np.indices(shape)
    squares = ((columns - a) ** 2 + (rows - b) ** 2 for a, b in zip(x, y, strict=True))
    return sum(np.exp(-square / (2 * sigma**2)) for square in squares).astype(np.float32)


def centroid(image, x, y, half=8):
    """First moments in a box round a whole pixel."""
    rows, columns = np.mgrid[y - half : y + half + 1, x - half : x + half + 1]
    light = image[rows, columns]
    return (light * columns).sum() / light.sum(), (light * rows).sum() / light.sum()


X, Y = np.array([60, 200, 330]), np.array([50, 150, 240])


@pytest.mark.parametrize(
    "options",
    [
        {"crpix": (203.25, 145.5)},
        {"angle": 0.6, "crpix": (230.0, 190.0)},
        {"parity": -1},
        {"angle": np.pi, "parity": -1},
        {"scale": 0.396 / 3600 / 1.2, "crpix": (220.0, 180.0)},
        {"scale": 0.396 / 3600 * 1.3},
        {"sip": 2e-5},
        {"sip": 2e-5, "angle": 0.3, "crpix": (230.0, 190.0)},
    ],
    ids=str,
)
def test_stars_land_where_the_sky_says(options):
    """Stars planted in a turned, flipped, scaled or distorted band line up with the reference."""
    reference, band = make_wcs(), make_wcs(**options)
    positions = band.all_world2pix(*reference.all_pix2world(X, Y, 0), 0)
    shape = (400, 500)
    plane = Plane(Pixels(planted(shape, *positions)), "b")
    mapping = fit_mapping(reference, band, SHAPE, plane)
    assert isinstance(mapping, GridMapping if "sip" in options else AffineMapping)
    values, _ = AlignedBand(plane, SHAPE, mapping).read()
    values = np.nan_to_num(values)
    for x, y in zip(X, Y, strict=True):
        np.testing.assert_allclose(centroid(values, x, y), (x, y), atol=0.03)


def rounding_of_positions(image):
    """Return the error from OpenCV's rounding of positions to 1/32 pixel, along both axes."""
    return sum(np.nanmax(np.abs(np.diff(image, axis=axis))) for axis in (0, 1)) / 32


@pytest.mark.parametrize("sip", [0.0, 2e-5])
def test_windows_are_parts_of_the_whole(sip):
    """Reading by windows gives the pixels of the whole image, across strips as well."""
    rng = np.random.default_rng(1)
    shape = (1500, 300)
    image = rng.normal(size=shape).astype(np.float32)
    image[700:703, 100:140] = np.nan
    reference, band = make_wcs(), make_wcs(crpix=(205.3, 140.2), angle=0.01, sip=sip)
    plane = Plane(Pixels(image), "b")
    aligned = AlignedBand(plane, shape, fit_mapping(reference, band, shape, plane))
    whole, bad = aligned.read()
    assert whole.shape == shape
    for window in ((0, 64, 0, 300), (690, 720, 90, 150), (1010, 1060, 3, 200), (1499, 1500, 0, 1)):
        y0, y1, x0, x1 = window
        part, part_bad = aligned.read(window)
        np.testing.assert_allclose(part, whole[y0:y1, x0:x1], atol=rounding_of_positions(image))
        differ = np.isfinite(part) != np.isfinite(whole[y0:y1, x0:x1])
        assert differ.mean() < 0.01
        assert (part_bad is None) == (not np.isnan(part).any())
    x, y = reference.all_world2pix(*band.all_pix2world(120, 701, 0), 0)
    assert bad[round(float(y)), round(float(x))]
    np.testing.assert_array_equal(np.asarray(aligned), whole)
    np.testing.assert_array_equal(aligned[2:4, 5:9].shape, (2, 4))


@pytest.mark.parametrize("sip", [0.0, 2e-5])
def test_long_bands_are_read_in_pieces(monkeypatch, sip):
    """A band longer than OpenCV takes has the pixels that it has in one piece."""
    shape = (300, 400)
    image = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    reference, band = make_wcs(), make_wcs(crpix=(205.3, 140.2), angle=0.01, sip=sip)
    plane = Plane(Pixels(image), "b")
    aligned = AlignedBand(plane, shape, fit_mapping(reference, band, shape, plane))
    whole, _ = aligned.read()
    monkeypatch.setattr("astro_yolo._alignment._LONGEST", 128)
    pieces, _ = aligned.read()
    assert np.isfinite(whole).mean() > 0.9
    np.testing.assert_allclose(pieces, whole, atol=rounding_of_positions(image))


def test_whole_shift_is_exact_and_the_rest_is_bad():
    """A shift by whole pixels keeps every value; what lies outside the band is bad."""
    image = np.arange(12, dtype=np.float32).reshape(3, 4)
    mapping = AffineMapping(np.array([[1.0, 0, 1], [0, 1, -1]]))
    values, bad = AlignedBand(Plane(Pixels(image), "b"), (3, 4), mapping).read()
    nan = np.nan
    # the last column inside, 3 and 7, may count as edge: its interpolation looks one pixel further
    expected = [[nan] * 3, [1, 2, 3], [5, 6, 7]]
    np.testing.assert_array_equal(values[:, :2], np.array(expected)[:, :2])
    assert bad[0].all()
    assert bad[:, 3].all()
    np.testing.assert_array_equal(bad, np.isnan(values))


def test_mask_of_the_band_moves_with_it():
    """A band's own mask is carried to the reference grid; its values do not leak."""
    image = np.ones((6, 6), np.float32)
    image[2, 3] = 1e6
    own = image > 1
    plane = Plane(Pixels(image), "b", bad=own)
    mapping = AffineMapping(np.array([[1.0, 0, 0.5], [0, 1, 0]]))
    values, bad = AlignedBand(plane, (6, 6), mapping).read()
    assert bad[2, 2]
    assert bad[2, 3]
    assert np.nanmax(values) == 1
    assert image[2, 3] == 1e6  # inputs are never modified
    same, bad = AlignedBand(plane, (6, 6)).read()
    np.testing.assert_array_equal(bad, own)
    assert np.isnan(AlignedBand(plane, (6, 6))[0:6, 0:6][2, 3])
    assert same[2, 3] == 1e6


def test_saturation_moves_with_the_band():
    """Any part of a saturated pixel saturates the resampled one."""
    image = np.zeros((5, 5), np.float32)
    image[2, 2] = 60000
    plane = Plane(Pixels(image), "b", saturation=50000.0)
    mapping = AffineMapping(np.array([[1.0, 0, 0.5], [0, 1, 0]]))
    found = AlignedBand(plane, (5, 5), mapping).read_saturated()
    assert sorted(map(tuple, np.argwhere(found))) == [(2, 1), (2, 2)]
    assert AlignedBand(plane, (5, 5)).read_saturated().sum() == 1
    assert AlignedBand(Plane(Pixels(image), "b"), (5, 5)).read_saturated() is None


@pytest.mark.parametrize("shift", [(500, 0), (9, 0), (0, 9), (-13, 0), (0, -13)])
def test_window_outside_the_band(shift):
    """A window that the band does not reach is bad all over, far away or by a margin just so."""
    mapping = AffineMapping(np.array([[1.0, 0, shift[0]], [0, 1, shift[1]]]))
    values, bad = AlignedBand(Plane(Pixels(np.zeros((5, 5), "f4")), "b"), (9, 9), mapping).read()
    assert np.isnan(values).all()
    assert bad.all()


def test_finer_band_is_averaged():
    """A band with much smaller pixels is averaged, so that noise falls and no light is skipped."""
    noise = np.random.default_rng(2).normal(size=(400, 400)).astype(np.float32)
    mapping = AffineMapping(np.array([[4.0, 0, 1.5], [0, 4, 1.5]]))
    values, _ = AlignedBand(Plane(Pixels(noise), "b"), (90, 90), mapping).read()
    assert np.nanstd(values) < 0.35  # 0.25 by averaging 4 x 4 pixels, 1 by picking one


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[1, 2]], None),
        ([[1, np.nan]], [[0, 1]]),
        ([[np.inf, -np.inf]], [[1, 1]]),
        ([[3e38, 3e38]], None),
    ],
)
def test_nonfinite(values, expected):
    """NaN and infinite pixels are found; large finite ones whose sum overflows are not."""
    found = nonfinite(np.array(values, np.float32))
    assert (found is None) if expected is None else (found == np.array(expected, bool)).all()
