"""Canny edges of the slices, with sigma 3 and the default thresholds of scikit-image as for the paper's RSSIM."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

SIGMA_PX = 3.0


def canny_edges(volume: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """[S, H, W] bool edges of a volume [S, H, W] in [0, 1], slice by slice.

    ``mask`` (same shape) is False where the volume has no voxels; its border gives no edges. Edges are detected in
    whole slices, because a weak edge is kept if it is connected to a strong one anywhere in the slice.
    """
    from skimage.feature import canny

    volume = np.asarray(volume)
    edges = np.zeros(volume.shape, bool)
    for place, image in enumerate(volume):
        covered = None if mask is None or mask[place].all() else mask[place]
        if image.max() > image.min() and (covered is None or covered.any()):
            edges[place] = canny(image.astype(np.float64), sigma=SIGMA_PX, mask=covered)
    return edges


@dataclass
class EdgeMap:
    """The edges of one volume around a box, with the distance of every pixel to the nearest edge.

    Attributes
    ----------
    edges
        [S, H, W] bool.
    box
        (first row, end row, first column, end column) of the evaluated edges. Distances to edges up to ``reach`` pixels
        outside it also count, so that a small shift across the border does not lose an edge.
    reach
        Upper limit of the distances in pixels.
    """

    edges: np.ndarray
    box: tuple[int, int, int, int]
    reach: int = 16

    @cached_property
    def inside(self) -> np.ndarray:
        """[S, h, w] bool: the edges within the box."""
        top, bottom, left, right = self.box
        return self.edges[:, top:bottom, left:right]

    @cached_property
    def distance_px(self) -> np.ndarray:
        """[S, h, w] float32: distance in pixels from each pixel of the box to the nearest edge, at most ``reach``."""
        from scipy.ndimage import distance_transform_edt

        top, bottom, left, right = self.box
        first, start = max(top - self.reach, 0), max(left - self.reach, 0)
        around = self.edges[:, first : bottom + self.reach, start : right + self.reach]
        distance = np.full(self.inside.shape, float(self.reach), np.float32)
        for place, edges in enumerate(around):
            if edges.any():
                whole = distance_transform_edt(~edges)[top - first :, left - start :]
                distance[place] = np.minimum(whole[: bottom - top, : right - left], self.reach)
        return distance
