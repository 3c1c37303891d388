"""Depth grids: the depths that two volumes share, and the order in which depths are computed (A4)."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

SAME_DEPTH = 1e-6  # in u; the densest grid, 500 slices, has a step of 0.004


def shared_depths(
    old: Sequence[float] | np.ndarray, new: Sequence[float] | np.ndarray, tolerance: float = SAME_DEPTH
) -> dict[int, int]:
    """Index in ``new`` -> index in ``old`` for every depth u that both sorted grids contain."""
    old_depths, new_depths = np.asarray(old, np.float64), np.asarray(new, np.float64)
    nearest = np.abs(new_depths[:, None] - old_depths[None, :]).argmin(axis=1)
    return {
        index: int(place)
        for index, place in enumerate(nearest)
        if abs(new_depths[index] - old_depths[place]) <= tolerance
    }


def coarse_first(indices: Sequence[int]) -> list[int]:
    """The indices reordered: both ends first, then the middle, then the middles of the halves, and so on.

    A viewer shows the whole extent after the first batch and fills the gaps afterwards.
    """
    if len(indices) < 3:
        return list(indices)
    order = [indices[0], indices[-1]]
    intervals = deque([(0, len(indices) - 1)])
    while intervals:
        low, high = intervals.popleft()
        if high - low < 2:
            continue
        middle = (low + high) // 2
        order.append(indices[middle])
        intervals += [(low, middle), (middle, high)]
    return order
