"""Outline of a volume's bones in the projection of the radiograph.

Edges are detected in each slice and averaged over the depths at which the bones are widest or meet in the joint. The
mean is largest where the outline does not move from slice to slice, i.e. at the silhouette.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .frame_grid import GRID_MM, volume_on_grid
from .joint_space import trough_depth
from .knee_outline import KneeOutline
from .outline_tracing import EdgeMaps, strength, trace_outline

# Depths u from -1 (posterior) to 1. In true volumes of simulated pairs the cortex at these depths matches the edge on
# the radiograph; at other depths the bones are narrower.
JOINT_DEPTHS = (-0.31, 0.47)
SIDE_DEPTHS = (-0.03, 0.35)
_SOFT_ABOVE = 0.5  # brighter tissue is clipped to this level, because muscle would dominate the edges of the cortex
_STEP_SHARE = 0.3  # weight of the step from bone to muscle relative to the dark line of cortex
_AT_ONCE = 50  # slices that are filtered together; 500 would take 300 MB
_LEAST_EDGE, _LEAST_GAP, _LEAST_SIDE = 0.01, 0.05, 0.004


def volume_outline(slices: np.ndarray) -> KneeOutline:
    """Outline of the bones in slices [S, 256, 256] in [0, 1], posterior first, in right-knee space.

    Bone must be dark and the joint gap bright (T1 FLASH with water excitation), with cortex darker than marrow and fat.
    Raises ValueError for slices of another size or for fewer than 8 slices, because none of them would show the joint.
    """
    return trace_outline(volume_edges(slices))


def volume_edges(slices: np.ndarray) -> EdgeMaps:
    """The edges of the bones in the projection of slices; takes and raises what ``volume_outline`` does."""
    if len(slices) < 8:
        raise ValueError("At least eight slices are needed to project the bones.")
    u = np.linspace(-1, 1, len(slices))
    gap, down, up = _mean_over_depth(slices[(u >= JOINT_DEPTHS[0]) & (u <= JOINT_DEPTHS[1])], _joint_edges)
    lateral, medial = _mean_over_depth(slices[(u >= SIDE_DEPTHS[0]) & (u <= SIDE_DEPTHS[1])], _side_edges)
    return EdgeMaps(
        gap=strength(gap, _LEAST_GAP),
        femur=strength(down, _LEAST_EDGE),
        tibia=strength(up, _LEAST_EDGE),
        lateral=strength(lateral, _LEAST_SIDE),
        medial=strength(medial, _LEAST_SIDE),
        valid=np.ones(gap.shape[0], bool),
    )


def _joint_edges(joint: np.ndarray) -> tuple[np.ndarray, ...]:
    """Bright troughs, and edges towards bright and towards dark along z, of slices on the grid [S, 182, 182]."""
    from scipy.ndimage import gaussian_filter

    down = gaussian_filter(joint, (0, 0.6 / GRID_MM, 1.0 / GRID_MM), order=(0, 1, 0), mode="nearest")
    gap = trough_depth(-gaussian_filter(joint, (0, 0.7 / GRID_MM, 1.0 / GRID_MM), mode="nearest"))
    return np.maximum(gap, 0), np.maximum(down, 0), np.maximum(-down, 0)


def _side_edges(slices: np.ndarray) -> tuple[np.ndarray, ...]:
    """Cortex and the step beside it, towards lateral and towards medial, of slices on the grid [S, 182, 182]."""
    from scipy.ndimage import gaussian_filter

    sides = np.minimum(slices, _SOFT_ABOVE)
    width = 0.8 / GRID_MM
    across = (0, 2.0 / GRID_MM, width)
    cortex = np.maximum(gaussian_filter(sides, across, order=(0, 0, 2), mode="nearest"), 0) * width**2
    right = gaussian_filter(sides, across, order=(0, 0, 1), mode="nearest") * width
    return tuple(cortex + _STEP_SHARE * np.maximum(sign * right, 0) for sign in (-1, 1))


def _mean_over_depth(
    slices: np.ndarray, edges: Callable[[np.ndarray], tuple[np.ndarray, ...]]
) -> tuple[np.ndarray, ...]:
    """The means over depth of the edges of slices [S, 256, 256], some slices at a time."""
    parts = [slices[first : first + _AT_ONCE] for first in range(0, len(slices), _AT_ONCE)]
    means = [tuple(edge.mean(axis=0) for edge in edges(volume_on_grid(part))) for part in parts]
    if len(means) == 1:
        return means[0]
    weights = [len(part) for part in parts]
    return tuple(np.average(maps, axis=0, weights=weights).astype(np.float32) for maps in zip(*means, strict=True))
