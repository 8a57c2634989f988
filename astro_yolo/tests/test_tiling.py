"""Tests of the tile plans."""

import numpy as np
import pytest

from astro_yolo import tiling

SHAPES = [(1489, 2048), (5000, 3000), (1537, 1536), (20000, 20000), (37, 12000), (4100, 4100)]


@pytest.mark.parametrize("shape", SHAPES)
def test_cores_partition_the_image(shape):
    """Every pixel lies in exactly one core, and every core in its own window."""
    owners = np.zeros(tuple(-(-side // 4) for side in shape), dtype=np.int8)  # every fourth pixel
    for tile in tiling.plan(shape):
        owners[-(-tile.cy0 // 4) : -(-tile.cy1 // 4), -(-tile.cx0 // 4) : -(-tile.cx1 // 4)] += 1
        assert 0 <= tile.y0 <= tile.cy0 < tile.cy1 <= tile.y1 <= shape[0]
        assert 0 <= tile.x0 <= tile.cx0 < tile.cx1 <= tile.x1 <= shape[1]
    assert (owners == 1).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_tiles_share_grid_and_size(shape):
    """Windows start on the network's grid, have their margins, and pad to one size."""
    plan = tiling.plan(shape)
    assert all(tile.y0 % 16 == 0 and tile.x0 % 16 == 0 for tile in plan)
    assert len({tuple(-(-side // 16) for side in tile.shape) for tile in plan}) == 1
    assert max(plan[0].shape) <= 192 + 1536 + 192
    for tile in plan:
        assert tile.cx0 - tile.x0 >= min(192, tile.cx0)
        assert tile.x1 - tile.cx1 >= min(192, shape[1] - tile.cx1)
        assert tile.cy0 - tile.y0 >= min(192, tile.cy0)
        assert tile.y1 - tile.cy1 >= min(192, shape[0] - tile.cy1)


def test_small_image_is_one_tile():
    """An image within one core is one tile without margin."""
    (tile,) = tiling.plan((100, 50))
    assert tile == tiling.Tile(0, 100, 0, 50, 0, 100, 0, 50)
    assert tile.window == (slice(0, 100), slice(0, 50))


@pytest.mark.parametrize(("name", "value"), [("core", 100), ("core", 0), ("margin", 5)])
def test_plan_refuses_what_is_off_the_grid(name, value):
    """A core or margin off the network's grid is refused by name."""
    with pytest.raises(ValueError, match=f"{name} must be a multiple of the stride"):
        tiling.plan((5000, 5000), **{name: value})
    assert len(tiling.plan((32, 48), core=16, margin=0)) == 6


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((1489, 2048), []), ((5000, 5000), [2]), ((20000, 20000), [2, 4, 8]), ((6000, 6000), [2, 4]),
     ((1000, 20000), [2]), ((20000, 1000), [2]), ((2500, 2600), []), ((2500, 2601), [2])],
)
def test_pyramid_factors(shape, expected):
    """Binning doubles until the image fits in one pass of 6.5 million pixels."""
    assert tiling.pyramid_factors(shape) == expected


@pytest.mark.parametrize("one_pass", [0, -1, np.nan])
def test_no_binning_fits_in_nothing(one_pass):
    """A pass of no pixels is an error, and not a search without an end."""
    with pytest.raises(ValueError, match=r"one_pass .* must be at least 1, got"):
        tiling.pyramid_factors((100, 100), one_pass)


def test_owned_goes_by_the_center():
    """Of two neighbouring tiles, the one whose core holds the centre keeps the box."""
    left, right = tiling.plan((100, 3000))
    edge = left.cx1
    boxes = np.array([[edge - 40, 10, edge - 10, 30], [edge - 10, 10, edge + 60, 30]], dtype=float)
    assert tiling.owned(boxes, left).tolist() == [True, False]
    assert tiling.owned(boxes, right).tolist() == [False, True]
    low, high = tiling.plan((3000, 100))
    assert tiling.owned(boxes[:, [1, 0, 3, 2]], low).tolist() == [True, False]
    assert tiling.owned(boxes[:, [1, 0, 3, 2]], high).tolist() == [False, True]


def test_nobody_loses_a_box_on_the_line():
    """A box centred within the grace of the line belongs to both: none is lost to rounding."""
    left, right = tiling.plan((100, 3000))
    box = np.array([[left.cx1 - 9.5, 10, left.cx1 + 10, 30]])
    assert tiling.owned(box, left)[0]
    assert tiling.owned(box, right)[0]
    for tile in tiling.plan((3000, 100)):
        assert tiling.owned(box[:, [1, 0, 3, 2]], tile)[0]


def test_crosses_core_edge():
    """Only a box with the line between two cores strictly inside counts; the border does not."""
    plan = tiling.plan((100, 3000))
    edge = plan[0].cx1
    boxes = np.array([[edge - 5, 0, edge + 5, 9], [edge, 0, edge + 5, 9], [edge - 5, 0, edge, 9],
                      [0, 0, 9, 100], [2990, 0, 3010, 9], [0, 90, 9, 110]])  # fmt: skip
    expected = [True, False, False, False, False, False]
    assert tiling.crosses_core_edge(boxes, plan, (100, 3000)).tolist() == expected
    boxes, turned = boxes[:, [1, 0, 3, 2]], tiling.plan((3000, 100))
    assert tiling.crosses_core_edge(boxes, turned, (3000, 100)).tolist() == expected
    assert tiling.crosses_core_edge(np.empty((0, 4)), plan, (100, 3000)).shape == (0,)


def test_bin_mean():
    """Blocks are averaged, rows and columns left over are dropped."""
    plane = np.arange(35, dtype=">f4").reshape(5, 7)
    expected = [[(0 + 1 + 7 + 8) / 4, 6, 8], [18, 20, 22]]
    assert tiling.bin_mean(plane, 2).tolist() == expected


def test_bin_mean_leaves_bad_pixels_out():
    """A bad pixel does not count; a block with more than half bad is NaN."""
    plane = np.ones((4, 4))
    plane[0, 0] = np.nan
    plane[0, 2] = np.inf
    mask = np.zeros((4, 4), dtype=bool)
    mask[2:, 2:] = True
    plane[2:, 2:] = 1000
    binned = tiling.bin_mean(plane, 2, mask)
    np.testing.assert_array_equal(binned, [[1, 1], [1, np.nan]])
    assert binned.dtype == np.float32


def test_spans():
    """A range is cut into parts of the length wanted and a rest, or is one part."""
    assert tiling.spans(3, 10, 3) == [(3, 6), (6, 9), (9, 10)]
    assert tiling.spans(3, 9, 3) == [(3, 6), (6, 9)]
    assert tiling.spans(3, 9, 100) == [(3, 9)]


@pytest.mark.parametrize(
    ("shape", "factors"),
    [((423, 423), []), ((799, 799), []), ((800, 200), [2]), ((1489, 2048), [2, 4])],
)
def test_giant_factors(shape, factors):
    """Copies are binned by two as long as their longer side has 400 pixels."""
    assert tiling.giant_factors(shape) == factors
