"""Outline of the bones on a radiograph: edges between bright bone and soft tissue or joint space."""

from __future__ import annotations

import numpy as np

from .frame_grid import GRID_MM, radiograph_on_grid
from .joint_space import trough_depth
from .knee_outline import KneeOutline
from .outline_tracing import EdgeMaps, strength, trace_outline

_LOCAL_MM = 9.0  # sigma of the local mean and contrast, which remove exposure and tone curve
_ACROSS_MM, _ALONG_MM = 0.7, 1.5  # smoothing across and along an edge
_LEAST_EDGE, _LEAST_GAP = 0.1, 0.3  # in local standard deviations: per grid step, and depth of the gap


def radiograph_outline(crop: np.ndarray) -> KneeOutline:
    """Outline on a prepared joint crop [H, H] in [-1, 1] with bright bone, in right-knee space.

    Padded rows, which repeat the edge of the radiograph, are left out. Raises ValueError for a crop that is not square.
    """
    from scipy.ndimage import gaussian_filter

    image = radiograph_on_grid(crop)
    local = _normalise_locally(image)
    across, along = _ACROSS_MM / GRID_MM, _ALONG_MM / GRID_MM
    down = gaussian_filter(local, (across, along), order=(1, 0), mode="nearest")
    right = gaussian_filter(local, (along, across), order=(0, 1), mode="nearest")
    gap = trough_depth(gaussian_filter(local, (across, along), mode="nearest"))
    maps = EdgeMaps(
        gap=strength(gap, _LEAST_GAP),
        femur=strength(-down, _LEAST_EDGE),
        tibia=strength(down, _LEAST_EDGE),
        lateral=strength(right, _LEAST_EDGE),
        medial=strength(-right, _LEAST_EDGE),
        valid=~_find_repeated_rows(image),
    )
    return trace_outline(maps)


def _normalise_locally(image: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    sigma = _LOCAL_MM / GRID_MM
    mean = gaussian_filter(image, sigma, mode="nearest")
    variance = gaussian_filter(image * image, sigma, mode="nearest") - mean * mean
    return (image - mean) / (np.sqrt(np.maximum(variance, 0)) + 0.05)


def _find_repeated_rows(image: np.ndarray) -> np.ndarray:
    """[H] bool: rows equal to a neighbouring row, i.e. padding beyond the edge of the radiograph."""
    same = np.abs(np.diff(image, axis=0)).max(axis=1) < 1e-3
    return np.append(same, False) | np.append(False, same)
