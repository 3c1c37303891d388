"""Regional SSIM of the paper: SSIM of edge maps from the femur's lower third to the tibia's upper third.

The paper defines it in one sentence. Edges are Canny edges with sigma 3, as numbers 0 and 1; the rows come from the
reference alone (joint_region.py). Sparse edge maps agree wherever both are empty, so that AN EMPTY VOLUME WINS. Always
show it together with the blank control and with the metrics of edge_distance.py and boundary_f1.py.
"""

from __future__ import annotations

import numpy as np

from .ssim import slice_ssim


def rssim(reference_edges: np.ndarray, image_edges: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """[S] RSSIM of each slice from two edge volumes [S, H, W] bool and the rows [S, 2] of joint_region.JointRegion.

    NaN, never 0 or 1, for a slice without region (rows 0, 0) or without reference edges in the region.
    """
    values = np.full(len(rows), np.nan)
    for place, (first, end) in enumerate(rows):
        truth, found = (edges[place, first:end].astype(np.float64) for edges in (reference_edges, image_edges))
        if truth.any():
            values[place] = slice_ssim(truth, found)
    return values
