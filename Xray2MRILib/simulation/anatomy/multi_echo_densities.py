"""Proton densities of the multi-echo knee: without the coil's profile, with calm marrow."""

from __future__ import annotations

import numpy as np

from .multi_echo_joint import JointParts
from .multi_echo_maps import MultiEchoMaps
from .tissue_codes import CODE

MUSCLE_WATER = 158.0  # stored proton density of muscle: 0.79 of 200
SUBCUTANEOUS_FAT = 180.0  # and of subcutaneous fat: 0.90
_BIAS_MM = 22.0
MARROW_WATER, MARROW_FAT = 9.0, 120.0  # median of every bone
_CALM_SIGMA = (1.6, 1.6, 2.5)
_SMEARED = 12.0  # water that marrow may have above its median


def flattened(maps: MultiEchoMaps, code: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Water and fat without the receive coil's profile: muscle has the same water everywhere."""
    from scipy import ndimage

    muscle = ndimage.binary_erosion(code == CODE["muscle"], iterations=1)
    sigma = [_BIAS_MM / s / 4 for s in maps.spacing_mm]
    small = slice(None, None, 4)
    weight = ndimage.zoom(muscle.astype(np.float32)[small, small], (1, 1, 0.25), order=1)
    value = ndimage.zoom((maps.water * muscle)[small, small], (1, 1, 0.25), order=1)
    level = np.median(maps.water[muscle])
    top = ndimage.gaussian_filter(value, sigma, mode="nearest") + 0.02 * level
    field = top / (ndimage.gaussian_filter(weight, sigma, mode="nearest") + 0.02)
    index = np.meshgrid(
        *[np.linspace(0, m - 1, n) for m, n in zip(field.shape, maps.water.shape, strict=True)], indexing="ij"
    )
    gain = MUSCLE_WATER / np.maximum(ndimage.map_coordinates(field, index, order=1), level * 0.3)
    fat = maps.fat * gain
    fat *= SUBCUTANEOUS_FAT / np.percentile(fat[code == CODE["subcutaneous"]], 75)
    return (maps.water * gain).astype(np.float32), fat.astype(np.float32)


def calm_marrow(water: np.ndarray, fat: np.ndarray, parts: JointParts) -> tuple[np.ndarray, np.ndarray]:
    """Bones filled with marrow of one median, without the scan's noise and without what thick slices smeared into them.

    Interpolation between slices has drawn the noise out to streaks, so deep marrow is smooth. Within half a voxel of a
    bone's surface nothing changes.
    """
    from scipy import ndimage

    water, fat = water.astype(np.float32), fat.astype(np.float32)
    for distance in parts.bones_mm.values():
        inside = distance < -0.3
        deep = distance < -3.0
        if not deep.any():
            continue
        level = (float(np.median(water[deep])), float(np.median(fat[deep])))
        water[inside] = np.minimum(water[inside], level[0] + _SMEARED)
        fat[inside] = np.maximum(fat[inside], 0.75 * level[1])
        weight = ndimage.gaussian_filter(inside.astype(np.float32), _CALM_SIGMA)
        share = np.clip((-distance - 1.0) / 2.0, 0, 1)
        for values, middle, wanted in ((water, level[0], MARROW_WATER), (fat, level[1], MARROW_FAT)):
            smooth = ndimage.gaussian_filter(values * inside, _CALM_SIGMA) / np.maximum(weight, 1e-3)
            calm = share * smooth + (1 - share) * values
            values[inside] = np.maximum(calm + wanted - middle, 0)[inside]
    return water, fat
