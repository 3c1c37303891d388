"""Bones, cartilages and menisci of the multi-echo knee: its own draft, mended by a label map that is registered to it.

The multi-echo scan shows the marrow well, but its draft of the bones leaks where marrow and other fat touch, and its
thick slices lose thin cartilage. A label map of another knee, registered bone by bone, gives both back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...files.resources import resource_path
from .bone_registration import Grid, carried, mended, register_bone
from .label_map import LabelMap, read_label_map
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
# Menisci of 102 healthy knees stand out by 1.2 (men) and 1.8 mm (women) on average (BMC Musculoskelet Disord 12:248).
_STAND_OUT_MM = 1.5
_RIM_MM, _SMOOTHED_MM = 8.0, 3.0  # of the tibia below the menisci; along the sections


REGISTERED = "registered_parts.npz"
JOINT_LABELS = "dess_knee"  # the label map whose joint is laid over maps without a file of registered parts
_STORED_STEPS = 10.0  # per mm, in one byte: distances are kept to within 12.7 mm of a surface


@dataclass
class JointParts:
    """Signed distances [Y, Z, X] in mm on the grid of the multi-echo maps: bones, and what is attached to them."""

    bones_mm: dict[str, np.ndarray]
    soft_mm: dict[str, np.ndarray]


def registered_parts(
    maps: MultiEchoMaps, labels: LabelMap, joint_voxel: tuple[float, float, float]
) -> dict[str, np.ndarray]:
    """Bones, cartilages and menisci of ``labels`` laid over ``maps``: signed distances in mm, step 1.25 mm (2 min).

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
    steps: dict[str, Any] = {name: _in_steps(distance) for name, distance in parts.items()}
    np.savez_compressed(path, **steps)


def load_registered(path: Path) -> dict[str, np.ndarray]:
    """Read what ``save_registered`` wrote, mm."""
    with np.load(path, allow_pickle=False) as data:
        return {name: _in_mm(data[name]) for name in data.files}


def registered_joint(
    folder: Path, maps: MultiEchoMaps, joint_voxel: tuple[float, float, float]
) -> dict[str, np.ndarray]:
    """What was saved in ``folder``, else the joint of the DESS knee laid over ``maps``, rounded alike, mm."""
    if (folder / REGISTERED).exists():
        return load_registered(folder / REGISTERED)
    found = registered_parts(maps, read_label_map(resource_path(f"anatomy/{JOINT_LABELS}")), joint_voxel)
    return {name: _in_mm(_in_steps(distance)) for name, distance in found.items()}


def _in_steps(distance: np.ndarray) -> np.ndarray:
    limit = 127 / _STORED_STEPS
    return np.round(np.clip(distance, -limit, limit) * _STORED_STEPS).astype(np.int8)


def _in_mm(steps: np.ndarray) -> np.ndarray:
    return steps.astype(np.float32) / _STORED_STEPS


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


def seated_menisci(parts: JointParts, spacing_mm: tuple[float, float, float]) -> dict[str, np.ndarray]:
    """The soft parts with menisci that stand out of the tibia by ``_STAND_OUT_MM`` at most.

    The menisci come with the registered tibia, which is wider than the one the scan shows. Every coronal section of a
    meniscus is moved inwards as a whole; how far changes smoothly from section to section.
    """
    from scipy import ndimage

    soft = dict(parts.soft_mm)
    sides = {side: soft[f"{side}_meniscus"] for side in ("medial", "lateral")}
    middle = {side: float(np.argwhere(d < 0)[:, 2].mean()) for side, d in sides.items()}
    for side, distance in sides.items():
        outward = 1 if middle[side] == max(middle.values()) else -1
        across = distance[:, :, ::outward]
        tibia = parts.bones_mm["tibia"][:, :, ::outward]
        rows = np.flatnonzero((across < 0).any(axis=(0, 2)))
        below = slice(rows[-1], rows[-1] + round(_RIM_MM / spacing_mm[1]))
        edge, rim = _outermost(across), _outermost(tibia[:, below])
        sections = np.flatnonzero((edge >= 0) & (rim >= 0))
        excess = np.zeros(len(edge))
        excess[sections] = np.clip(edge[sections] - rim[sections] - _STAND_OUT_MM / spacing_mm[2], 0, None)
        excess = np.interp(np.arange(len(edge)), sections, excess[sections])
        excess = ndimage.gaussian_filter1d(excess, _SMOOTHED_MM / spacing_mm[0], mode="nearest")
        moved = np.stack(
            [ndimage.shift(d, (0, -by), order=1, mode="nearest") for d, by in zip(across, excess, strict=True)]
        )
        soft[f"{side}_meniscus"] = moved[:, :, ::outward]
    return soft


def _outermost(distance: np.ndarray) -> np.ndarray:
    """Last column inside of every section of a signed distance [Y, Z, X], -1 for none."""
    columns = np.any(distance < 0, axis=1)
    last = columns.shape[1] - 1 - np.argmax(columns[:, ::-1], axis=1)
    return np.where(columns.any(axis=1), last, -1)


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
