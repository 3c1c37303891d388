"""A seed for each slice: from the seed of the volume and the depth, so that no slice's noise depends on the others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

# depths are told apart in these parts of the field; as a power of two that is larger than any number of slices, it puts
# no slice midway between two parts, where rounding could go either way
_PARTS = 2**20
_FACTOR = 2654435761  # odd: different depths of one volume have different seeds
_SEEDS = 2**32  # torch's generator on a CPU takes no more


def slice_seeds(seed: int, depths: Sequence[float] | np.ndarray) -> list[int]:
    """One seed for each depth u in [-1, 1]; the same depth has the same seed in volumes of any number of slices."""
    start = int.from_bytes(hashlib.sha256(str(seed).encode("ascii")).digest()[:4], "big")
    return [(start + round((float(u) + 1) / 2 * _PARTS) * _FACTOR) % _SEEDS for u in depths]
