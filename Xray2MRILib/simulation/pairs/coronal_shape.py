"""A smooth warp of each knee in the coronal plane, drawn from a population of real radiographs.

Five outlines make five clusters. Each is drawn towards what many real radiographs show, and every knee gets a warp of
its own besides. The same warp deforms volume and radiograph, at all depths alike, so pairs stay true.
"""

from __future__ import annotations

import numpy as np

from ..anatomy.knee_parameters import KneeParameters
from ..anatomy.radiograph_population import radiograph_population
from ..anatomy.template_regions import lattice_points

REACH_MM = 60.0  # control points lie on a square of this half edge about the joint centre
_JOINT_MM = 10.0  # about the joint line, displacements along the leg are those on it
_FADE_MM = 30.0  # beyond it the displacement fades over this distance


def coronal_warp(parameters: KneeParameters) -> np.ndarray:
    """Displacement [3, Y, Z, X] in mm (y, z, x) on the warp's lattice of one knee, from the knee to its template.

    The share ``coronal_share`` of what its outline lacks, and a random part of ``coronal_mm`` standard deviation at
    the control points. Zero for knees without these parameters.
    """
    control = control_points(parameters)
    points = lattice_points()
    if not control.any():
        return np.zeros((3, *points.shape[:-1]), np.float32)
    _, height, width = parameters.scale
    z, x = points[0, :, 0, 1] * height, points[0, 0, :, 2] * width
    down, aside = (_interpolated(part, z, x) for part in control)
    # between the bones everything moves alike, so that the joint space stays as it is drawn
    joint = np.exp(-((z / _JOINT_MM) ** 2))[:, None]
    down = (1 - joint) * down + joint * _interpolated(control[0], np.zeros(1), x)
    plane = [part * np.outer(_fade(z), _fade(x)) / size for part, size in ((down, height), (aside, width))]
    warp = np.stack([np.zeros_like(plane[0]), *plane])[:, None]
    return np.broadcast_to(warp, (3, *points.shape[:-1])).astype(np.float32)


def control_points(parameters: KneeParameters) -> np.ndarray:
    """Displacements float32 [2, N, N] (z, x) in mm at the knee's control points."""
    means = radiograph_population().towards_mm
    shape = next(iter(means.values())).shape
    mean = means.get(parameters.template.split("+")[0])
    control = np.zeros(shape) if mean is None else parameters.coronal_share * mean
    if parameters.coronal_mm > 0:
        drawn = np.random.default_rng([parameters.seed, 89]).standard_normal(shape).clip(-2.5, 2.5)
        control = control + parameters.coronal_mm * drawn
    return control.astype(np.float32)


def _interpolated(control: np.ndarray, z: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Cubic spline through the control points at rows ``z`` and columns ``x`` in mm; border values go on outside."""
    from scipy.interpolate import RectBivariateSpline

    axis = np.linspace(-REACH_MM, REACH_MM, len(control))
    inside = (np.clip(a, -REACH_MM, REACH_MM) for a in (z, x))
    return RectBivariateSpline(axis, axis, control)(*inside)


def _fade(along_mm: np.ndarray) -> np.ndarray:
    return np.exp(-((np.maximum(np.abs(along_mm) - REACH_MM, 0) / _FADE_MM) ** 2))
