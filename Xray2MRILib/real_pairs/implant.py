"""Is there metal in the joint? A knee with an implant has no joint space to learn from.

Metal stops the rays: on the radiograph it is a large area at the top of the range with a sharp edge. Bone can reach the
top of the range too, where pictures were equalised, but falls off gradually. Measured on 397 real joint crops without
an implant: of those with a bright area of more than 4 % none dropped by more than 10 % of the range beside it (the area
reached 29 %); implants drawn into 19 real radiographs covered 14 % and dropped by 25 to 52 %.
"""

from __future__ import annotations

import numpy as np

_TOP = 0.06  # of the range: what counts as the top
_LEAST_AREA, _LEAST_DROP = 0.04, 0.17
_BESIDE_PX = (5, 7)  # distance from the area at which the fall is read, in pixels of a crop of 256
_BORDER_PX = 4


def shows_implant(crop: np.ndarray) -> bool:
    """Whether a joint crop [256, 256] with bright bone, in any unit, shows an implant."""
    area, drop = bright_area(crop)
    return area > _LEAST_AREA and drop > _LEAST_DROP


def bright_area(crop: np.ndarray) -> tuple[float, float]:
    """Share of the crop that its largest area at the top of the range covers, and the fall beside it as a share of the
    range (0 to 1)."""
    from scipy import ndimage

    low, top = float(np.percentile(crop, 1)), float(np.max(crop))
    if not top > low:
        return 0.0, 0.0
    labels, count = ndimage.label(ndimage.binary_opening(crop > top - _TOP * (top - low), iterations=2))
    if not count:
        return 0.0, 0.0
    area = ndimage.binary_fill_holes(labels == 1 + int(np.bincount(labels.ravel())[1:].argmax()))
    near, far = _BESIDE_PX
    ring = ndimage.binary_dilation(area, iterations=far) & ~ndimage.binary_dilation(area, iterations=near)
    ring[:_BORDER_PX] = ring[-_BORDER_PX:] = ring[:, :_BORDER_PX] = ring[:, -_BORDER_PX:] = False
    drop = float(np.median(top - crop[ring])) / (top - low) if ring.any() else 0.0
    return float(area.mean()), drop
