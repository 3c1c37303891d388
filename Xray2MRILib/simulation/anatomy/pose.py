"""Rotations of (y, z, x) vectors."""

from __future__ import annotations

import numpy as np


def rotation(degrees: tuple[float, float, float]) -> np.ndarray:
    """Rotation about x (tilt), then y (varus), then z (axial), in degrees, acting on (y, z, x) columns, [3, 3]."""
    tilt, varus, axial = np.radians(degrees)
    about_x = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
    about_y = np.array([[1, 0, 0], [0, np.cos(varus), -np.sin(varus)], [0, np.sin(varus), np.cos(varus)]])
    about_z = np.array([[np.cos(axial), 0, -np.sin(axial)], [0, 1, 0], [np.sin(axial), 0, np.cos(axial)]])
    return about_z @ about_y @ about_x
