"""The rims of femur and tibia, where osteophytes grow: the corner of the bone next to the joint, not its widest row.

A template's margins are the widest places near the joint. Where a condyle flares, they lie up to a centimetre away from
the joint surface; lips that grow there hang below the joint line, which no radiograph shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .tissue_classes import EXTENT_MM, SPACING_MM, TISSUE_ID

if TYPE_CHECKING:
    from .anatomy_template import AnatomyTemplate

_REACH_MM = 11.0  # from a margin towards the joint
_NARROWER_MM = 2.0  # the rim is the row nearest to the joint that is hardly narrower than the margin


def joint_rims(template: AnatomyTemplate) -> dict[str, np.ndarray]:
    """{site: float32 [N, 3]} points (y, z, x) in mm, one for each of ``template.margins_mm``; kept."""
    kept: dict[str, np.ndarray] | None = template.__dict__.get("_joint_rims")
    if kept is None:
        kept = {site: _rim(template, site, points) for site, points in template.margins_mm.items()}
        template.__dict__["_joint_rims"] = kept
    return kept


def _rim(template: AnatomyTemplate, site: str, points: np.ndarray) -> np.ndarray:
    bone, side = site.split("_")
    outward = 1 if side == "medial" else -1
    toward_joint = 1 if bone == "femur" else -1
    low = np.array([lo for lo, _ in EXTENT_MM.values()])
    x = low[2] + SPACING_MM * np.arange(template.tissue.shape[2])
    steps = toward_joint * np.arange(round(_REACH_MM / SPACING_MM) + 1)
    result = points.astype(np.float32).copy()
    for number, point in enumerate(points):
        j, k = (round((float(point[axis]) - low[axis]) / SPACING_MM) for axis in (0, 1))
        rows = k + steps
        rows = rows[(rows >= 0) & (rows < template.tissue.shape[1])]
        section = template.tissue[j, rows] == TISSUE_ID[bone]
        edge = np.where(section.any(axis=1), (outward * np.where(section, x, -outward * np.inf)).max(axis=1), -np.inf)
        wide = np.flatnonzero(edge >= outward * float(point[2]) - _NARROWER_MM)
        if len(wide):
            row = int(wide[-1])
            result[number, 1] = low[1] + SPACING_MM * rows[row]
            result[number, 2] = outward * edge[row]
    return result


__all__ = ["joint_rims"]
