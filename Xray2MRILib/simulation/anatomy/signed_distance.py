"""Signed distances to a structure, and how they continue beyond the end of a scan.

A scan ends somewhere; the leg does not. Repeating the last section gives cylinders that no leg has. Here each
structure's signed distance continues with the slope that it has over its last millimetres, so that a cone stays a cone.
"""

from __future__ import annotations

import math

import numpy as np

SLOPE_MM = 12.0  # stretch over which the slope at an end is measured


def signed_distance(mask: np.ndarray, spacing_mm: float | tuple[float, ...] = 1.0) -> np.ndarray:
    """Distance in mm to the surface of ``mask``, float32, negative inside; ``inf`` everywhere for an empty mask.

    The surface lies half-way between the voxels inside and outside, so a plane is met exactly.
    """
    from scipy import ndimage

    mask = np.asarray(mask, bool)
    if not mask.any():
        return np.full(mask.shape, np.inf, np.float32)
    half = float(np.min(spacing_mm)) / 2
    outside = ndimage.distance_transform_edt(~mask, spacing_mm)
    inside = ndimage.distance_transform_edt(mask, spacing_mm) if not mask.all() else np.full(mask.shape, np.inf)
    return np.where(mask, half - inside, outside - half).astype(np.float32)


def extend_distance(
    distance: np.ndarray,
    axis: int,
    before: int,
    after: int,
    spacing_mm: float,
    *,
    slope_mm: float = SLOPE_MM,
    damping_mm: float = 200.0,
) -> np.ndarray:
    """``distance`` with ``before`` and ``after`` further sections along ``axis``.

    The slope along the axis is the least-squares line through the last ``slope_mm``, limited to the 1 that a distance
    can have, and fades with exp(-reach / ``damping_mm``). Returns float32.
    """
    moved = np.moveaxis(np.asarray(distance, np.float32), axis, 0)
    parts = [moved]
    if before:
        parts.insert(0, _continued(moved[::-1], before, spacing_mm, slope_mm, damping_mm)[::-1])
    if after:
        parts.append(_continued(moved, after, spacing_mm, slope_mm, damping_mm))
    return np.moveaxis(np.concatenate(parts), 0, axis)


def _continued(sections: np.ndarray, count: int, spacing_mm: float, slope_mm: float, damping_mm: float) -> np.ndarray:
    """``count`` sections that follow the last of ``sections`` [N, ...]."""
    used = min(len(sections), max(2, round(slope_mm / spacing_mm) + 1))
    tail = sections[-used:]
    place = (np.arange(used) - (used - 1) / 2) * spacing_mm
    weight = (place / (place**2).sum()).astype(np.float32)
    slope = np.clip(np.tensordot(weight, tail, axes=1), -1, 1)
    end = tail.mean(axis=0) + slope * float(place[-1])
    reach = np.arange(1, count + 1, dtype=np.float32) * spacing_mm
    travel = reach if math.isinf(damping_mm) else damping_mm * (1 - np.exp(-reach / damping_mm))
    # the fitted line may miss the last section a little; the step fades within a few millimetres
    step = (tail[-1] - end) * np.exp(-reach / 4).reshape(-1, *[1] * end.ndim)
    return (end + step + travel.reshape(-1, *[1] * end.ndim) * slope).astype(np.float32)


def nearest_structure(distances: dict[int, np.ndarray], limit_mm: float = 0.0) -> np.ndarray:
    """Which structure has the smallest distance at each voxel, uint8; 0 where none is below ``limit_mm``."""
    best: np.ndarray | None = None
    code = None
    for value, distance in distances.items():
        if best is None or code is None:
            best = np.full(distance.shape, limit_mm, np.float32)
            code = np.zeros(distance.shape, np.uint8)
        nearer = distance < best
        code[nearer] = value
        best[nearer] = distance[nearer]
    if code is None:
        raise ValueError("nearest_structure needs at least one structure")
    return code
