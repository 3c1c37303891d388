"""Distances between two outlines of a knee, curve by curve, in mm."""

from __future__ import annotations

import numpy as np

from .knee_outline import KneeOutline, runs_down

_OVERHANG_MM = 1.0  # a point farther beyond the end of the other curve has no counterpart
_FARTHEST_MM = 10.0
_FEWEST = 8


def match_points(
    points: np.ndarray, curve: np.ndarray, name: str, normals: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Match points [N, 2] with a curve [M, 2]: signed distances along the normal [N], normals [N, 2], met [N] bool.

    ``met`` is False for points beyond the curve's ends or in its gaps. ``normals`` are those of ``curve_normals``, for
    a curve that is met many times.
    """
    apart = points[:, None] - curve[None]
    nearest = (apart**2).sum(axis=2).argmin(axis=1)
    normal = (curve_normals(curve, name) if normals is None else normals)[nearest]
    apart = points - curve[nearest]
    along = apart[:, 0] * normal[:, 1] - apart[:, 1] * normal[:, 0]
    distance = (apart * normal).sum(axis=1)
    return distance, normal, (np.abs(along) < _OVERHANG_MM) & (np.abs(distance) < 3 * _FARTHEST_MM)


def curve_distances(first: KneeOutline, second: KneeOutline, names: dict[str, int]) -> np.ndarray:
    """Symmetric distances [K] in mm, at most 10, between those of the named curves that both outlines have.

    There is one distance per point with a counterpart; a curve with fewer than 8 such points gives none.
    """
    found = [np.empty(0)]
    for name in names:
        if name not in first.curves or name not in second.curves:
            continue
        there, _, met_there = match_points(first.curves[name], second.curves[name], name)
        back, _, met_back = match_points(second.curves[name], first.curves[name], name)
        distances = np.abs(np.concatenate((there[met_there], back[met_back])))
        if len(distances) >= _FEWEST:
            found.append(np.minimum(distances, _FARTHEST_MM))
    return np.concatenate(found)


def curve_normals(curve: np.ndarray, name: str) -> np.ndarray:
    """[M, 2] unit normals of the smoothed curve, towards +x for sides and +z for the joint line."""
    from scipy.ndimage import uniform_filter1d

    along = 1 if runs_down(name) else 0
    smooth = uniform_filter1d(curve, 5, axis=0, mode="nearest")
    tangent = np.gradient(smooth, axis=0)
    length = np.linalg.norm(tangent, axis=1, keepdims=True)
    standard = np.zeros_like(tangent)
    standard[:, along] = 1.0
    tangent = np.where(length > 1e-6, tangent / np.maximum(length, 1e-6), standard)
    if runs_down(name):
        return np.stack((tangent[:, 1], -tangent[:, 0]), axis=1)
    return np.stack((-tangent[:, 1], tangent[:, 0]), axis=1)
