"""Height of the band between femur and tibia in a volume, for the medial and the lateral compartment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..reprojection.knee_outline import KneeOutline

COMPARTMENTS = ("medial", "lateral")
_FEWEST = 8  # places with both edges, 4 mm


def joint_band_mm(outline: KneeOutline) -> dict[str, float | None]:
    """Compartment -> median distance in mm from the femur's to the tibia's edge along the joint line.

    The outline is that of a volume's bones (reprojection.bone_projection.volume_outline). None where too little of
    both edges was found. The scale is nominal: a radiograph has none.
    """
    return {side: _height(outline, side) for side in COMPARTMENTS}


def _height(outline: KneeOutline, side: str) -> float | None:
    edges = [outline.curves.get(f"{bone} {side} joint") for bone in ("femur", "tibia")]
    if any(edge is None or len(edge) < 2 for edge in edges):
        return None
    femur, tibia = (edge[np.argsort(edge[:, 0])] for edge in edges if edge is not None)
    low, high = max(femur[0, 0], tibia[0, 0]), min(femur[-1, 0], tibia[-1, 0])
    places = femur[(femur[:, 0] >= low) & (femur[:, 0] <= high)]
    if len(places) < _FEWEST:
        return None
    heights = np.interp(places[:, 0], tibia[:, 0], tibia[:, 1]) - places[:, 1]
    return round(float(np.median(heights)), 2)
