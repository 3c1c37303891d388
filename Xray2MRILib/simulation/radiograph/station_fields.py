"""Broad unevenness of the radiographs of one kind of station: waves of brightness over the joint crop.

Stations shade their radiographs broadly (heel effect, grid, processing over several scales). What is simulated here
leaves broad differences from the mean of real crops; a few waves take them away. They were fitted to tuning radiographs
(docs/simulator-realism.md), are at least 43 mm long, and change brightness by some hundredths.
"""

from __future__ import annotations

import numpy as np

# Rows: half waves from the upper to the lower end of the crop, 0 to 4; columns: likewise from its left to its right.
Waves = tuple[tuple[float, ...], ...]
SPREAD = 0.01  # of every wave's height from exposure to exposure

OF_BROAD_STATIONS: Waves = (
    (0.000, -0.005, -0.018, -0.005, -0.009),
    (0.001, 0.022, -0.013, 0.001, -0.003),
    (0.001, -0.003, 0.002, -0.001, -0.001),
    (0.006, -0.003, 0.009, -0.001, 0.003),
    (0.003, 0.006, 0.004, 0.007, -0.001),
)
OF_EVEN_STATIONS: Waves = (
    (0.000, -0.025, 0.010, -0.013, -0.024),
    (-0.009, -0.007, 0.019, -0.027, 0.010),
    (-0.019, 0.012, -0.012, 0.005, -0.011),
    (0.001, 0.004, -0.003, 0.006, 0.001),
    (0.002, 0.001, -0.006, 0.001, 0.008),
)
OF_ANY_STATION: Waves = (
    (0.000, -0.015, -0.004, -0.009, -0.017),
    (-0.004, 0.007, 0.003, -0.013, 0.003),
    (-0.009, 0.005, -0.005, 0.002, -0.006),
    (0.004, 0.001, 0.003, 0.003, 0.002),
    (0.002, 0.004, -0.001, 0.004, 0.004),
)


def unevenness(waves: Waves, down: np.ndarray, across: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Factor [H, W] of the brightness of one exposure.

    ``down`` [H] and ``across`` [W] are places on the crop, -1 and 1 at its edges. Each wave's height is drawn about the
    one in ``waves`` with the deviation ``SPREAD``; the mean level stays.
    """
    height = np.array(waves)
    height = height + SPREAD * rng.standard_normal(height.shape)
    height[0, 0] = 0.0
    rows, columns = (
        np.cos(np.pi / 2 * np.arange(count)[:, None] * (place + 1))
        for count, place in zip(height.shape, (down, across), strict=True)
    )
    return (1 + rows.T @ height @ columns).astype(np.float32)
