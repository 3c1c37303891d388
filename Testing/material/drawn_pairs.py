"""Pairs drawn in a moment, for training runs of a few steps."""

from __future__ import annotations

import numpy as np

from Xray2MRILib.simulation.anatomy.knee_parameters import draw
from Xray2MRILib.simulation.pairs.knee_pair import KneePair


def drawn_pair(seed: int) -> KneePair:
    """A pair whose radiograph shows a bright bar where the volume has a dark one, and slices that darken with the
    depth."""
    rng = np.random.default_rng(seed)
    row, width = int(rng.integers(110, 150)), int(rng.integers(40, 90))
    volume = np.full((50, 256, 256), 0.6, np.float32)
    volume[:, row : row + 12, 128 - width : 128 + width] = 0.05
    volume *= np.linspace(1.0, 0.4, 50, dtype=np.float32)[:, None, None]
    bone = rng.random((288, 288), np.float32) * 0.05
    bone[row : row + 20, 144 - width : 144 + width] += 2.0
    soft = np.ones((288, 288), np.float32) + np.linspace(0, 1, 288, dtype=np.float32)
    return KneePair(draw(seed, seed % 5, ("t",), {"t": 72.0}), volume, bone, soft, {"medial": 4.0, "lateral": 5.0})
