"""Tracing of the bones' outline in maps of edge strength, in the same way for radiograph and volume.

The joint gap is traced first, from lateral to medial. The edges of femur and tibia are then searched above and below
it, and the sides of the bones in fixed ranges of height.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .boundary_path import best_path, strength_along
from .frame_grid import COUNT, GRID_MM, axis_mm, index_of
from .knee_outline import KneeOutline

_WEAKEST = 0.15  # lowest strength that counts as an edge
_GAP_Z_MM, _GAP_SPREAD_MM = 7.0, 7.0  # usual distance of the joint line below the crop's centre
_GAP_REACH_MM = 34.0  # the gap is traced up to this distance on either side
_EDGE_WITHIN_MM, _EDGE_SPREAD_MM = 8.0, 5.0  # distance of the edges from the middle of the gap
_NOTCH_MM = 9.0  # half width around eminence and notch, which are left out
_CORNER_MM = 2.0  # margin at the bones' corners, where the joint line is not defined
_SIDES_MM = (22.0, 45.0)  # range of distances of the bones' sides from the middle
_SIDE_MM, _SIDE_SPREAD_MM = 36.0, 7.0
_HEIGHTS_MM = {"femur": (-22.0, -5.0), "tibia": (4.0, 16.0)}  # from the joint line; below, the fibula hides the tibia


@dataclass(frozen=True)
class EdgeMaps:
    """Edge strengths in [0, 1] on the grid of frame_grid, all [182, 182].

    ``gap`` is the middle of the joint gap; ``femur`` and ``tibia`` are the edges towards the gap; ``lateral`` and
    ``medial`` are the edges of the sides. ``valid`` [182] bool marks the rows that show the knee.
    """

    gap: np.ndarray
    femur: np.ndarray
    tibia: np.ndarray
    lateral: np.ndarray
    medial: np.ndarray
    valid: np.ndarray


def strength(evidence: np.ndarray, least: float) -> np.ndarray:
    """Scale evidence to a strength in [0, 1]: 1 is its 99.5th percentile, but at least ``least``."""
    white = max(float(np.percentile(evidence, 99.5)), least)
    return np.clip(evidence / white, 0.0, 1.0)


def trace_outline(maps: EdgeMaps) -> KneeOutline:
    """Trace the outline along the strongest edges."""
    across = slice(index_of(-_GAP_REACH_MM), index_of(_GAP_REACH_MM) + 1)
    usual = np.exp(-0.5 * ((axis_mm() - _GAP_Z_MM) / _GAP_SPREAD_MM) ** 2)
    middle = best_path((maps.gap * usual[:, None])[:, across].T)
    joint_z = float(np.median(axis_mm()[0] + middle * GRID_MM))
    curves = {
        f"{bone} {side} side": _side(getattr(maps, side), maps.valid, bone, side, joint_z)
        for bone, side in (("femur", "medial"), ("tibia", "medial"), ("tibia", "lateral"))
    }
    first, last = _extent(curves)
    for bone in ("femur", "tibia"):
        points = _joint_edge(getattr(maps, bone), middle, across, -1 if bone == "femur" else 1)
        x = points[:, 0]
        curves[f"{bone} lateral joint"] = points[(x > first) & (x < -_NOTCH_MM)]
        curves[f"{bone} medial joint"] = points[(x > _NOTCH_MM) & (x < last)]
    return KneeOutline.of(curves)


def _joint_edge(edges: np.ndarray, middle: np.ndarray, across: slice, down: int) -> np.ndarray:
    """Points [N, 2] of the edge above (``down`` -1) or below (1) the middle of the gap."""
    from scipy.ndimage import map_coordinates

    away = np.arange(0.0, _EDGE_WITHIN_MM + 1e-6, GRID_MM)
    rows = np.clip(middle[:, None] + down * away / GRID_MM, 0, COUNT - 1)
    columns = np.broadcast_to(np.arange(across.start, across.stop)[:, None], rows.shape)
    found = map_coordinates(edges, [rows, columns], order=1) * np.exp(-0.5 * (away / _EDGE_SPREAD_MM) ** 2)
    path = best_path(found)
    z = axis_mm()[0] + middle * GRID_MM + down * path * GRID_MM
    return np.stack((axis_mm()[across], z), axis=1)[strength_along(found, path) > _WEAKEST]


def _side(edges: np.ndarray, valid: np.ndarray, bone: str, side: str, joint_z: float) -> np.ndarray:
    """Points [N, 2] of one side of one bone."""
    top, bottom = _HEIGHTS_MM[bone]
    rows = slice(index_of(joint_z + top), index_of(joint_z + bottom) + 1)
    near, far = _SIDES_MM if side == "medial" else (-_SIDES_MM[1], -_SIDES_MM[0])
    columns = slice(index_of(near), index_of(far) + 1)
    x = axis_mm()[columns]
    found = edges[rows, columns] * np.exp(-0.5 * ((np.abs(x) - _SIDE_MM) / _SIDE_SPREAD_MM) ** 2)
    path = best_path(found)
    inside = (path > 0.5) & (path < len(x) - 1.5)  # a position at the limit of the range is not an edge
    good = (strength_along(found, path) > _WEAKEST) & valid[rows] & inside
    return np.stack((x[0] + path * GRID_MM, axis_mm()[rows]), axis=1)[good]


def _extent(sides: dict[str, np.ndarray]) -> tuple[float, float]:
    """Limits of x between which both bones border the gap."""
    lateral, medial = [-_GAP_REACH_MM], [_GAP_REACH_MM]
    for name, points in sides.items():
        if len(points):
            at_joint = points[-6:, 0] if name.startswith("femur") else points[:6, 0]
            (medial if "medial" in name else lateral).append(float(np.median(at_joint)))
    return max(lateral) + _CORNER_MM, min(medial) - _CORNER_MM
