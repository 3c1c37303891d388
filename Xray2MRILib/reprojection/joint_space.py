"""Similarity of each pixel to the middle of a dark horizontal band, such as the joint space on a radiograph."""

from __future__ import annotations

import numpy as np

from .frame_grid import GRID_MM

_FROM_MM, _TO_MM = 1.5, 6.0  # range of distances from the middle of the band to its edges above and below


def trough_depth(images: np.ndarray) -> np.ndarray:
    """Depth of the dark band at each pixel of [..., H, W]: the lower maximum of both edges minus the pixel's value."""
    from scipy.ndimage import maximum_filter1d

    near, far = round(_FROM_MM / GRID_MM), round(_TO_MM / GRID_MM)
    count = far - near if (far - near) % 2 else far - near + 1  # odd, so that the filter's window has a middle
    highest = maximum_filter1d(images, count, axis=-2, mode="nearest")
    rows = np.arange(images.shape[-2])
    above, below = (
        np.take(highest, np.clip(rows + step * (near + count // 2), 0, len(rows) - 1), axis=-2) for step in (-1, 1)
    )
    return np.minimum(above, below) - images
