"""Depth grids: what two of them share, and the coarse-first order."""

from __future__ import annotations

import numpy as np
import pytest

from Xray2MRILib.diffusion.depth_grid import coarse_first, shared_depths
from Xray2MRILib.volume.geometry import depth_positions


def test_doubling_shares_every_old_depth():
    shared = shared_depths(depth_positions(50), depth_positions(99))
    assert shared == {2 * index: index for index in range(50)}


@pytest.mark.parametrize(("old", "new", "count"), [(50, 100, 2), (50, 50, 50), (99, 50, 50), (30, 59, 30), (2, 500, 2)])
def test_number_of_shared_depths(old, new, count):
    assert len(shared_depths(depth_positions(old), depth_positions(new))) == count


@pytest.mark.parametrize("count", [1, 2, 3, 4, 50, 99, 500])
def test_every_index_comes_once(count):
    assert sorted(coarse_first(range(count))) == list(range(count))


def test_the_first_tenth_covers_the_extent():
    order = coarse_first(range(50))
    assert order[:3] == [0, 49, 24]
    gaps = np.diff(sorted(order[:9]))
    assert gaps.max() <= 7


def test_any_subset_keeps_its_members():
    assert coarse_first([3, 8, 9, 20, 31])[:3] == [3, 31, 9]
