"""Outline of a volume's bones in the projection of the radiograph.

Edges are detected in each slice and averaged over the depths at which the bones are widest or meet in the joint. The
mean is largest where the outline does not move from slice to slice, i.e. at the silhouette.
"""

from __future__ import annotations

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
_LEAST_EDGE, _LEAST_GAP, _LEAST_SIDE = 0.01, 0.05, 0.004


def volume_outline(slices: np.ndarray) -> KneeOutline:
    """Outline of the bones in slices [S, 256, 256] in [0, 1], posterior first, in right-knee space.

    Bone must be dark and the joint gap bright (T1 FLASH with water excitation), with cortex darker than marrow and fat.
    Raises ValueError for slices of another size or for fewer than 8 slices, because none of them would show the joint.
    """
    return trace_outline(volume_edges(slices))


def volume_edges(slices: np.ndarray) -> EdgeMaps:
    """The edges of the bones in the projection of slices; takes and raises what ``volume_outline`` does."""
    from scipy.ndimage import gaussian_filter

    if len(slices) < 8:
        raise ValueError("At least eight slices are needed to project the bones.")
    u = np.linspace(-1, 1, len(slices))
    joint = volume_on_grid(slices[(u >= JOINT_DEPTHS[0]) & (u <= JOINT_DEPTHS[1])])
    sides = np.minimum(volume_on_grid(slices[(u >= SIDE_DEPTHS[0]) & (u <= SIDE_DEPTHS[1])]), _SOFT_ABOVE)
    down = gaussian_filter(joint, (0, 0.6 / GRID_MM, 1.0 / GRID_MM), order=(0, 1, 0), mode="nearest")
    gap = trough_depth(-gaussian_filter(joint, (0, 0.7 / GRID_MM, 1.0 / GRID_MM), mode="nearest"))
    width = 0.8 / GRID_MM
    across = (0, 2.0 / GRID_MM, width)
    cortex = np.maximum(gaussian_filter(sides, across, order=(0, 0, 2), mode="nearest"), 0) * width**2
    right = gaussian_filter(sides, across, order=(0, 0, 1), mode="nearest") * width
    lateral, medial = ((cortex + _STEP_SHARE * np.maximum(sign * right, 0)).mean(axis=0) for sign in (-1, 1))
    return EdgeMaps(
        gap=strength(np.maximum(gap, 0).mean(axis=0), _LEAST_GAP),
        femur=strength(np.maximum(down, 0).mean(axis=0), _LEAST_EDGE),
        tibia=strength(np.maximum(-down, 0).mean(axis=0), _LEAST_EDGE),
        lateral=strength(lateral, _LEAST_SIDE),
        medial=strength(medial, _LEAST_SIDE),
        valid=np.ones(joint.shape[1], bool),
    )
