"""Regions of a template: voxel lists and fields for every knee of that template, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from .tissue_classes import BONES, EXTENT_MM, SPACING_MM, TISSUE_ID, WARP_SPACING_MM

if TYPE_CHECKING:
    from .anatomy_template import AnatomyTemplate

SHELL_STEP_MM = 0.2  # resolution of the distance outside the fascia in ``code``
SHELL_CODE = len(TISSUE_ID)  # codes from here on lie outside the fascia
RADIOGRAPH_PARTS = {"femur": ("femur",), "patella": ("patella",), "tibia": ("tibia", "fibula")}
_NEAR_JOINT_MM, _BESIDE_MM = 30.0, 8.0
_RADIOGRAPH_MARGIN = 18  # voxels around the bones on a radiograph, for osteophytes


@dataclass
class BoneVoxels:
    """Voxels of all bones in ascending order.

    Attributes
    ----------
    index
        Flat voxel index, int64 [N].
    y, z, x
        Position in voxels, int16 [N].
    of_tibia
        bool [N], tibia or fibula.
    """

    index: np.ndarray
    y: np.ndarray
    z: np.ndarray
    x: np.ndarray
    of_tibia: np.ndarray


class TemplateRegions:
    """Lazily computed regions of one template, see the properties."""

    def __init__(self, template: AnatomyTemplate) -> None:
        self._tissue = template.tissue
        self._outside = template.outside_mm
        self._compartments = template.compartment_mm
        self.whole = template.tissue.shape == grid_shape()

    @cached_property
    def code(self) -> np.ndarray:
        """uint8 [Y, Z, X]: the tissue inside the fascia, ``SHELL_CODE`` + distance / ``SHELL_STEP_MM`` outside."""
        steps = np.clip(self._outside.astype(np.float32) / SHELL_STEP_MM, 0, 255 - SHELL_CODE).astype(np.uint8)
        return np.where(self._outside > 0, SHELL_CODE + steps, self._tissue).astype(np.uint8)

    @cached_property
    def bones(self) -> BoneVoxels:
        """All bone voxels."""
        low, high = TISSUE_ID["femur"], TISSUE_ID["patella"]
        index = np.flatnonzero((self._tissue >= low) & (self._tissue <= high))
        y, z, x = (a.astype(np.int16) for a in np.unravel_index(index, self._tissue.shape))
        kind = self._tissue.reshape(-1)[index]
        return BoneVoxels(index, y, z, x, (kind == TISSUE_ID["tibia"]) | (kind == TISSUE_ID["fibula"]))

    @cached_property
    def radiograph_boxes(self) -> dict[str, tuple[slice, ...]]:
        """Box around the bones of each part of the radiograph that moves as one, with a margin."""
        boxes: dict[str, tuple[slice, ...]] = {}
        for part, names in RADIOGRAPH_PARTS.items():
            found = np.isin(self._tissue, [TISSUE_ID[n] for n in names])
            if not found.any():
                boxes[part] = (slice(0, 1), slice(0, 1), slice(0, 1))
                continue
            spans = [np.flatnonzero(found.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
            boxes[part] = tuple(slice(max(s[0] - _RADIOGRAPH_MARGIN, 0), s[-1] + _RADIOGRAPH_MARGIN + 1) for s in spans)
        return boxes

    @cached_property
    def cartilage(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Flat index, depth in the layer (0 at the bone, 1 at the joint surface) and medial-or-not of all cartilage."""
        from scipy import ndimage

        cartilage = self._tissue == TISSUE_ID["cartilage"]
        box, tissue = self._box(cartilage, 8)
        if box is None:
            return np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, bool)
        inside = tissue == TISSUE_ID["cartilage"]
        to_bone = np.sort(
            [ndimage.distance_transform_edt(tissue != TISSUE_ID[b])[inside] for b in ("femur", "tibia", "patella")
             if (tissue == TISSUE_ID[b]).any()],
            axis=0,
        )  # fmt: skip
        bone = (tissue >= TISSUE_ID["femur"]) & (tissue <= TISSUE_ID["patella"])
        to_surface = ndimage.distance_transform_edt(inside | bone)[inside]
        # Where two layers touch, the surface is half-way between the bones.
        half = to_bone[:2].sum(axis=0) / 2 if len(to_bone) > 1 else np.full(len(to_surface), np.inf)
        depth = np.clip(to_bone[0] / np.minimum(to_bone[0] + to_surface, half), 0, 1)
        where = np.argwhere(inside) + [s.start for s in box]
        return self._flat(where), depth.astype(np.float32), self._is_medial(where)

    @cached_property
    def meniscus(self) -> tuple[np.ndarray, np.ndarray]:
        """Flat index and medial-or-not of the menisci's bodies: within 14 mm of their compartment along y."""
        where = np.argwhere(self._tissue == TISSUE_ID["meniscus"])
        medial = self._is_medial(where)
        y = where[:, 0] * SPACING_MM + EXTENT_MM["y"][0]
        centre = np.where(medial, self._compartments["medial"][0], self._compartments["lateral"][0])
        body = np.abs(y - centre) < 14
        return self._flat(where[body]), medial[body]

    @cached_property
    def recess(self) -> tuple[np.ndarray, np.ndarray]:
        """Where joint fluid collects: flat index and distance from the femur in mm, nearest first.

        The suprapatellar pouch and the recesses beside the condyles: soft tissue in front of the shaft's rear third,
        12 to 62 mm above the joint.
        """
        from scipy import ndimage

        femur = self._tissue == TISSUE_ID["femur"]
        box, tissue = self._box(femur, 14)
        if box is None:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        distance = ndimage.distance_transform_edt(tissue != TISSUE_ID["femur"], SPACING_MM)
        loose = np.isin(tissue, [TISSUE_ID[t] for t in ("connective", "fat", "muscle", "fluid")])
        where = np.argwhere(loose & (distance < 8.5))
        depth = distance[tuple(where.T)].astype(np.float32)
        where += [s.start for s in box]
        y = where[:, 0] * SPACING_MM + EXTENT_MM["y"][0]
        z = where[:, 1] * SPACING_MM + EXTENT_MM["z"][0]
        kept = (z > -62) & (z < -12) & (y > 4)
        order = np.argsort(depth[kept], kind="stable")
        return self._flat(where[kept])[order], depth[kept][order]

    @cached_property
    def away_from_bone(self) -> np.ndarray:
        """Displacement [3, y, z, x] in mm on the warp's lattice that moves points off the bones by their distance."""
        from scipy import ndimage

        lattice = lattice_points()
        if not self.whole or not len(self.bones.index):
            return np.zeros((3, *lattice.shape[:3]), np.float32)
        stride, step = 4, 4 * SPACING_MM
        coarse = self._tissue[::stride, ::stride, ::stride]
        bone = (coarse >= TISSUE_ID["femur"]) & (coarse <= TISSUE_ID["patella"])
        distance = ndimage.distance_transform_edt(~bone, step)
        smooth = ndimage.gaussian_filter(distance**2 / 2, 9.0 / step, mode="nearest")
        low = np.array([lo for lo, _ in EXTENT_MM.values()])
        index = np.moveaxis((lattice - low) / step, -1, 0)
        return np.stack(
            [ndimage.map_coordinates(g, index, order=1, mode="nearest") for g in np.gradient(smooth, step)]
        ).astype(np.float32)

    @cached_property
    def beside_bones(self) -> np.ndarray:
        """0 above and below any bone near the joint, 1 from ``_BESIDE_MM`` beside all of them on, float32 [Y, X]."""
        from scipy import ndimage

        depths, _, columns = grid_shape()
        if not self.whole:
            return np.zeros((depths, columns), np.float32)
        z = np.arange(self._tissue.shape[1]) * SPACING_MM + EXTENT_MM["z"][0]
        low, high = TISSUE_ID["femur"], TISSUE_ID["patella"]
        near = self._tissue[:, np.abs(z) < _NEAR_JOINT_MM]
        footprint = ((near >= low) & (near <= high)).any(axis=1)
        if not footprint.any():
            return np.zeros(footprint.shape, np.float32)
        away = ndimage.distance_transform_edt(~footprint, SPACING_MM)
        return np.clip((away - 1.0) / _BESIDE_MM, 0, 1).astype(np.float32)

    @cached_property
    def patella_mm(self) -> tuple[float, float, float] | None:
        """Centre (y, z, x) of the patella, None without one."""
        where = self._patella_places
        if not len(where):
            return None
        y, z, x = where.mean(axis=0) + [lo for lo, _ in EXTENT_MM.values()]
        return float(y), float(z), float(x)

    @cached_property
    def patella_size_mm(self) -> tuple[float, float, float] | None:
        """Thickness, height and width (y, z, x) of the patella, None without one."""
        where = self._patella_places
        if not len(where):
            return None
        y, z, x = np.ptp(where, axis=0) + SPACING_MM
        return float(y), float(z), float(x)

    @cached_property
    def _patella_places(self) -> np.ndarray:
        """Every eighth voxel of the patella, [N, 3] mm from the template's corner."""
        return np.argwhere(self._tissue[::2, ::2, ::2] == TISSUE_ID["patella"]) * 2 * SPACING_MM

    def _box(self, mask: np.ndarray, margin: int) -> tuple:
        spans = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
        if not len(spans[0]):
            return None, None
        box = tuple(slice(max(s[0] - margin, 0), s[-1] + margin + 1) for s in spans)
        return box, self._tissue[box]

    def _flat(self, where: np.ndarray) -> np.ndarray:
        return np.ravel_multi_index(tuple(where.T), self._tissue.shape)

    def _is_medial(self, where: np.ndarray) -> np.ndarray:
        middle = (self._compartments["medial"][1] + self._compartments["lateral"][1]) / 2
        return where[:, 2] * SPACING_MM + EXTENT_MM["x"][0] > middle


def grid_shape() -> tuple[int, ...]:
    """Voxels of a template along y, z and x."""
    return tuple(len(np.arange(lo, hi + 1e-6, SPACING_MM)) for lo, hi in EXTENT_MM.values())


def lattice_points() -> np.ndarray:
    """Nodes [y, z, x, 3] in mm of the coarse lattice on which displacements live; corners at the template's corners."""
    axes = [np.linspace(lo, hi, int((hi - lo) / WARP_SPACING_MM) + 1) for lo, hi in EXTENT_MM.values()]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


__all__ = [
    "BONES",
    "RADIOGRAPH_PARTS",
    "SHELL_CODE",
    "SHELL_STEP_MM",
    "BoneVoxels",
    "TemplateRegions",
    "lattice_points",
]
