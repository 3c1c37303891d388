"""A knee drawn by hand: its outline is known, and radiograph and volume show the same one."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from Xray2MRILib.simulation.mr.flash_mri import PIXEL_MM, SIZE
from Xray2MRILib.volume.geometry import CROP_FRAME

GAP_MM = 5.0
JOINT_Z_MM = 7.0


def bones(x: np.ndarray, z: np.ndarray, lower: float = 0.0, wider: float = 0.0) -> np.ndarray:
    """Bool: femur or tibia at places (x, z) in mm; ``lower`` mm farther down, ``wider`` mm on either side."""
    z = z - JOINT_Z_MM - lower
    line = 2.0 * np.cos(np.abs(x) / 9.0)  # condyles and plateau, alike
    half = 36.0 + wider + 1.5 * np.sin(z / 7.0)
    return (np.abs(x) < half) & (np.abs(z - line) > GAP_MM / 2)


def radiograph(size: int = 256, **changes: float) -> np.ndarray:
    """The joint crop [size, size] in [-1, 1], bright bone, with a little noise: equal rows count as beyond the
    radiograph."""
    axis = ((np.arange(size) + 0.5) / size - 0.5) * CROP_FRAME.span_mm
    x, z = np.meshgrid(axis, axis)
    picture = 1.4 * gaussian_filter(bones(x, z, **changes).astype(np.float32), 1.5) - 0.7
    return (picture + np.random.default_rng(1).normal(0, 0.02, picture.shape)).astype(np.float32)


def volume(slices: int = 50, **changes: float) -> np.ndarray:
    """[slices, 256, 256]: the same at every depth; dark marrow, black cortex, bright gap, grey surroundings."""
    rows = (np.arange(SIZE) + 0.5 - CROP_FRAME.centre[0]) * PIXEL_MM
    columns = (np.arange(SIZE) + 0.5 - CROP_FRAME.centre[1]) * PIXEL_MM
    x, z = np.meshgrid(columns, rows)
    bone = bones(x, z, **changes)
    in_gap = (np.abs(z - JOINT_Z_MM - changes.get("lower", 0.0)) < 8) & (np.abs(x) < 36)
    picture = np.where(bone, 0.2, np.where(in_gap, 0.8, 0.45))
    picture = gaussian_filter(picture.astype(np.float32), 0.8)
    return np.repeat(picture[None], slices, axis=0)
