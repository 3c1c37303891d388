"""Bones, cartilages and menisci of the multi-echo knee: its own draft, mended by a label map that is registered to it.

The multi-echo scan shows the marrow well, but its draft of the bones leaks where marrow and other fat touch, and its
thick slices lose thin cartilage. A label map of another knee, registered bone by bone, gives both back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .bone_registration import Grid, carried, mended, register_bone
from .label_map import LabelMap
from .multi_echo_maps import MultiEchoMaps
from .signed_distance import signed_distance

# Rows of the multi-echo knee, mm below its joint, in which both knees show the bone.
ROWS_MM = {"femur": (-60.0, 12.0), "tibia": (-8.0, 40.0), "patella": (-80.0, 20.0)}
ATTACHED = {
    "femur": ("femoral_cartilage",),
    "tibia": ("medial_tibial_cartilage", "lateral_tibial_cartilage", "medial_meniscus", "lateral_meniscus"),
    "patella": ("patellar_cartilage",),
}
_FIRST_TOLERANCE_MM, _TOLERANCE_MM = 2.5, 1.8
_FAR_MM = 20.0


REGISTERED = "registered_parts.npz"
_STORED_STEPS = 10.0  # per mm, in one byte: distances are kept to within 12.7 mm of a surface


@dataclass
class JointParts:
    """Signed distances [Y, Z, X] in mm on the grid of the multi-echo maps: bones, and what is attached to them."""

    bones_mm: dict[str, np.ndarray]
    soft_mm: dict[str, np.ndarray]


def registered_parts(
    maps: MultiEchoMaps, labels: LabelMap, joint_voxel: tuple[float, float, float]
) -> dict[str, np.ndarray]:
    """Bones, cartilages and menisci of ``labels`` laid over ``maps``: signed distances in mm, step 1.25 mm (minutes).

    ``joint_voxel`` is the centre of the tibial plateau in voxels of the maps.
    """
    coarse, _ = _grids(maps, joint_voxel)
    label_grid, distances = _label_distances(labels)
    found = {}
    for bone, rows in ROWS_MM.items():
        small = _resampled(maps.bones_mm[bone], maps, coarse, joint_voxel)
        moving = distances[bone]
        # first without demons: a leak must not pull the registered bone along
        affine = register_bone(small, moving, coarse, label_grid, rows, demons_rounds=0)
        prior = carried(moving, label_grid, coarse, affine, _FAR_MM)
        target = mended(small, prior, np.abs(prior) < _FAR_MM, _FIRST_TOLERANCE_MM)
        transform = register_bone(target, moving, coarse, label_grid, rows)
        for part in (bone, *ATTACHED[bone]):
            found[part] = carried(distances[part], label_grid, coarse, transform, _FAR_MM)
    return found


def save_registered(parts: dict[str, np.ndarray], path: Path) -> None:
    """Write what ``registered_parts`` found, one byte a voxel."""
    limit = 127 / _STORED_STEPS
    np.savez_compressed(
        path, **{n: np.round(np.clip(d, -limit, limit) * _STORED_STEPS).astype(np.int8) for n, d in parts.items()}
    )


def load_registered(path: Path) -> dict[str, np.ndarray]:
    """Read what ``save_registered`` wrote, mm."""
    with np.load(path, allow_pickle=False) as data:
        return {name: data[name].astype(np.float32) / _STORED_STEPS for name in data.files}


def joint_parts(
    maps: MultiEchoMaps, registered: dict[str, np.ndarray], joint_voxel: tuple[float, float, float]
) -> JointParts:
    """The bones' draft held to the registered outlines, and cartilages and menisci, on the grid of the maps."""
    coarse, fine = _grids(maps, joint_voxel)
    z = fine.axes()[1]
    bones = dict(maps.bones_mm)
    for bone, rows in ROWS_MM.items():
        prior = _to_fine(registered[bone], coarse, fine, maps)
        known = ((z > rows[0]) & (z < rows[1] - 2))[None, :, None]
        bones[bone] = mended(maps.bones_mm[bone], prior, known, _TOLERANCE_MM)
    soft = {part: _to_fine(registered[part], coarse, fine, maps) for parts in ATTACHED.values() for part in parts}
    return JointParts(bones, soft)


def _grids(maps: MultiEchoMaps, joint_voxel: tuple[float, float, float]) -> tuple[Grid, Grid]:
    low = tuple(-j * s for j, s in zip(joint_voxel, maps.spacing_mm, strict=True))
    extent = [(n - 1) * s for n, s in zip(maps.water.shape, maps.spacing_mm, strict=True)]
    return Grid(low, tuple(int(e / 1.25) + 1 for e in extent)), Grid(low, maps.water.shape, maps.spacing_mm[0])


def _resampled(
    values: np.ndarray, maps: MultiEchoMaps, grid: Grid, joint_voxel: tuple[float, float, float]
) -> np.ndarray:
    from scipy import ndimage

    index = [(a / s + j).astype(np.float32) for a, s, j in zip(grid.axes(), maps.spacing_mm, joint_voxel, strict=True)]
    return ndimage.map_coordinates(values, np.meshgrid(*index, indexing="ij"), order=1, mode="nearest")


def _to_fine(values: np.ndarray, coarse: Grid, fine: Grid, maps: MultiEchoMaps) -> np.ndarray:
    """Values of the coarse grid at the voxels of the maps."""
    from scipy import ndimage

    index = [
        np.arange(n, dtype=np.float32) * s / coarse.step_mm for n, s in zip(fine.shape, maps.spacing_mm, strict=True)
    ]
    return ndimage.map_coordinates(values, np.meshgrid(*index, indexing="ij"), order=1, mode="nearest")


def _label_distances(labels: LabelMap) -> tuple[Grid, dict[str, np.ndarray]]:
    """Signed distances of all structures of a label map about the centre of its tibial cartilages, step 1.25 mm."""
    from scipy import ndimage

    stride = [max(1, int(0.75 / s)) for s in labels.spacing_mm]
    small = labels.labels[:: stride[0], :: stride[1], :: stride[2]]
    spacing = labels.spacing_mm * stride
    sides = [labels.label_of(f"{side}_tibial_cartilage") for side in ("medial", "lateral")]
    centre = np.mean([np.argwhere(small == value).mean(axis=0) for value in sides], axis=0) * spacing
    shape = tuple(int((n - 1) * s / 1.25) + 1 for n, s in zip(small.shape, spacing, strict=True))
    index = np.meshgrid(*[np.arange(n) * 1.25 / s for n, s in zip(shape, spacing, strict=True)], indexing="ij")
    distances = {
        name: ndimage.map_coordinates(
            np.clip(signed_distance(small == value, tuple(spacing)), -_FAR_MM, _FAR_MM), index, order=1, mode="nearest"
        )
        for value, name in labels.structures.items()
    }
    return Grid(tuple(float(-c) for c in centre), shape), distances
