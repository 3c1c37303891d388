"""How much each place looks like the middle of a dark band that lies across."""

from __future__ import annotations

import numpy as np

from .frame_grid import GRID_MM

_FROM_MM, _TO_MM = 1.5, 6.0  # distance of the band's banks above and below its middle


def trough_depth(pictures: np.ndarray) -> np.ndarray:
    """By how much each place of [..., H, W] lies below the lower of its two banks; negative where it does not."""
    from scipy.ndimage import maximum_filter1d

    near, far = round(_FROM_MM / GRID_MM), round(_TO_MM / GRID_MM)
    count = far - near if (far - near) % 2 else far - near + 1  # odd, so that the filter's window has a middle
    highest = maximum_filter1d(pictures, count, axis=-2, mode="nearest")
    rows = np.arange(pictures.shape[-2])
    above, below = (
        np.take(highest, np.clip(rows + step * (near + count // 2), 0, len(rows) - 1), axis=-2) for step in (-1, 1)
    )
    return np.minimum(above, below) - pictures
