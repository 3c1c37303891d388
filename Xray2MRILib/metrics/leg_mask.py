"""Mask of the leg without the surrounding air, slice by slice."""

from __future__ import annotations

import numpy as np

_AIR_SHARE = 0.12  # of the bright tissue's level; marrow and fat of a water-excited scan have 0.15 to 0.3 of it
_SMOOTHING_PX = 2.0


def leg_mask(volume: np.ndarray) -> np.ndarray:
    """[S, H, W] bool: the largest bright component of each slice with its holes filled.

    ``volume`` is [S, H, W] in [0, 1]. The threshold is 12 % of the volume's 98th percentile. It is the same for all
    slices, including the dim ones at the ends of the slab.
    """
    from scipy.ndimage import binary_fill_holes, gaussian_filter, label

    smooth = gaussian_filter(np.asarray(volume, np.float32), (0, _SMOOTHING_PX, _SMOOTHING_PX))
    level = max(_AIR_SHARE * float(np.percentile(smooth, 98)), 0.01)
    mask = np.zeros(smooth.shape, bool)
    for place, bright in enumerate(smooth > level):
        pieces, count = label(bright)
        if count:
            largest = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
            mask[place] = binary_fill_holes(pieces == largest)
    return mask
