"""Symmetric mean distance in mm between the edges of an image and of its reference, truncated at 10 mm."""

from __future__ import annotations

import numpy as np

from ..volume.geometry import OAI_FIELD
from .canny_edges import EdgeMap

FARTHEST_MM = 10.0


def edge_distance_mm(reference: EdgeMap, image: EdgeMap, pixel_mm: float = OAI_FIELD.pixel_mm) -> np.ndarray:
    """[S] mean of the two mean distances, reference to image and image to reference, within the reference's box.

    Each distance is truncated at 10 mm. A slice without edges in the box of image or reference counts as 10 mm, so that
    an empty volume scores worst. Both maps must have the same box.
    """
    if reference.box != image.box:
        raise ValueError(f"The edge maps have different boxes, {reference.box} and {image.box}.")
    values = np.full(len(reference.edges), FARTHEST_MM)
    for place, (truth, found) in enumerate(zip(reference.inside, image.inside, strict=True)):
        if truth.any() and found.any():
            to_image = np.minimum(image.distance_px[place][truth] * pixel_mm, FARTHEST_MM).mean(dtype=np.float64)
            to_truth = np.minimum(reference.distance_px[place][found] * pixel_mm, FARTHEST_MM).mean(dtype=np.float64)
            values[place] = (to_image + to_truth) / 2
    return values
