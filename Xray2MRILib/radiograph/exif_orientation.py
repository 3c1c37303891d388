"""The orientation tag of TIFF and Exif: how rows and columns are stored (TIFF 6.0, page 36)."""

from __future__ import annotations

import numpy as np


def upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    """A picture [H, W] or [H, W, C] as it is to be shown; ``orientation`` is 1 (as stored) to 8."""
    turned = stored
    if orientation >= 5:  # rows of the file are columns of the picture
        turned = np.swapaxes(turned, 0, 1)
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    if orientation in (3, 4, 7, 8):
        turned = turned[::-1]
    return np.ascontiguousarray(turned)
