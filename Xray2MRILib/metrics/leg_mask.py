"""The leg against the air around it, slice by slice."""

from __future__ import annotations

import numpy as np

_AIR_SHARE = 0.12  # of the bright tissue's level; marrow and fat of a water-excited scan lie at 0.15 to 0.3 of it
_SMOOTHING_PX = 2.0


def leg_mask(volume: np.ndarray) -> np.ndarray:
    """[S, H, W] bool: the largest bright piece of each slice with its holes filled.

    ``volume`` is [S, H, W] in [0, 1]. The level is one for the whole volume, 12 % of its 98th percentile, so that the
    dim slices at the end of the slab are judged as the others are.
    """
    from scipy.ndimage import binary_fill_holes, gaussian_filter, label

    smooth = gaussian_filter(np.asarray(volume, np.float32), (0, _SMOOTHING_PX, _SMOOTHING_PX))
    level = max(_AIR_SHARE * float(np.percentile(smooth, 98)), 0.01)
    mask = np.zeros(smooth.shape, bool)
    for place, picture in enumerate(smooth > level):
        pieces, count = label(picture)
        if count:
            largest = 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
            mask[place] = binary_fill_holes(pieces == largest)
    return mask
