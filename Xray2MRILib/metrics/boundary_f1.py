"""Boundary F1: the harmonic mean of precision and recall of edges within two pixels."""

from __future__ import annotations

import numpy as np

from .canny_edges import EdgeMap

TOLERANCE_PX = 2.0


def boundary_f1(reference: EdgeMap, image: EdgeMap) -> np.ndarray:
    """[S] F1 in [0, 1] within the reference's box; 0 for slices where reference or image has no edges in the box.

    Precision is the share of image edges within 2 pixels of a reference edge; recall is the reverse.
    """
    if reference.box != image.box:
        raise ValueError(f"The edge maps have different boxes, {reference.box} and {image.box}.")
    values = np.zeros(len(reference.edges))
    for place, (truth, found) in enumerate(zip(reference.inside, image.inside, strict=True)):
        if truth.any() and found.any():
            precision = np.mean(reference.distance_px[place][found] <= TOLERANCE_PX)
            recall = np.mean(image.distance_px[place][truth] <= TOLERANCE_PX)
            if precision + recall > 0:
                values[place] = 2 * precision * recall / (precision + recall)
    return values
