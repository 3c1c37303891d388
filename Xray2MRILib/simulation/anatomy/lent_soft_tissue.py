"""Soft tissue of one knee lent to the outline of another: a template with the one's bones and the other's muscles.

The lending knee loses its bones and cartilages (and menisci, where the outline has its own), the gaps close by the
nearest soft tissue, a smooth map without folds carries the rest over, and the outline's structures are painted in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch.nn import functional

from .image_template import ImageTemplate
from .outline import Outline
from .outline_registration import STRIDE, SoftTissueMap
from .painted_densities import cortex_mm, paint_densities
from .signed_distance import signed_distance
from .template_geometry import template_geometry
from .tissue_classes import BONES, EXTENT_MM, SPACING_MM
from .tissue_codes import BONE_CODES, CODE

_TOGETHER = 24  # depths that are carried over at once
_BLEND_MM = 45.0  # over which a shaft changes from the outline's continuation to the lending knee's
_JOINT_GAP_MM, _FAR_SIDE_MM = 6.5, 5.0  # where both bones are this near, their cartilages touch
_JUST_OUTSIDE_MM = 0.01  # the least that half precision keeps apart from 0
_PATELLAR_MM = 6.0  # cartilage this near the patella is the patella's
_SOFT = ("connective", "tendon", "synovium", "fat", "muscle", "ligament", "fluid")


@dataclass
class Donor:
    """A knee that lends its soft tissue.

    Attributes
    ----------
    template
        The whole knee.
    bare_cortex
        Whether its bone codes hold the marrow alone, so that the cortex around them is soft tissue's.
    """

    template: ImageTemplate
    bare_cortex: bool

    @cached_property
    def bones(self) -> np.ndarray:
        """Codes of its bones with their cortex, uint8 [Y, Z, X]."""
        code = self.template.code
        result = np.where(np.isin(code, BONE_CODES), code, 0).astype(np.uint8)
        if not self.bare_cortex:
            return result
        z = EXTENT_MM["z"][0] + SPACING_MM * np.arange(code.shape[1])
        thickness = cortex_mm(z)[None, :, None]
        for bone in BONES:
            box = _box(result == CODE[bone], 6)
            if box is not None:
                near = signed_distance(result[box] == CODE[bone], SPACING_MM) < thickness[:, box[1]]
                part = result[box]
                part[near & (part == 0) & (code[box] > 0)] = CODE[bone]
        return result

    def soft(self, *, menisci: bool, patella: bool) -> list[np.ndarray]:
        """Code, water, fat and T2 with soft tissue in place of bones and cartilages, uint8 [Y, Z, X] each.

        ``menisci`` and ``patella`` tell whether the menisci and the patella's cartilage stay.
        """
        cartilage = self.template.code == CODE["cartilage"]
        box = _box(self.bones == CODE["patella"], round(2 * _PATELLAR_MM / SPACING_MM)) if patella else None
        if box is not None:
            cartilage[box] &= signed_distance(self.bones[box] == CODE["patella"], SPACING_MM) > _PATELLAR_MM
        lost = (self.bones > 0) | cartilage
        if not menisci:
            lost |= self.template.code == CODE["meniscus"]
        return _closed([self.template.code, self.template.water, self.template.fat, self.template.t2_ms], lost)


def _closed(maps: list[np.ndarray], lost: np.ndarray) -> list[np.ndarray]:
    """Maps with the nearest kept value of the body wherever something is ``lost``."""
    from scipy import ndimage

    box = _box(lost, 4)
    maps = [m.copy() for m in maps]
    if box is None:
        return maps
    kept = ~lost[box] & (maps[0][box] > 0)
    near = ndimage.distance_transform_edt(~kept, return_distances=False, return_indices=True)
    gone = lost[box]
    index = tuple(n[gone] for n in near)
    for values in maps:
        part = values[box]
        part[gone] = part[index]
    return maps


def lend(outline: Outline, donor: Donor, field: SoftTissueMap, name: str) -> ImageTemplate:
    """The template ``name`` of ``outline`` with the soft tissue of ``donor`` (some twenty seconds)."""
    soft = donor.soft(menisci=not outline.has("meniscus"), patella=not outline.has("patella"))
    code, bones, structure, water, fat, t2_ms, outside = _carried(soft, donor, field)
    own = _with_lent_shafts(outline, bones)
    for bone in ("fibula", "patella"):
        if not outline.has(bone):
            own[(own == 0) & (bones == CODE[bone])] = CODE[bone]
    _fill_joint_gap(own, code)
    # a bone that comes near the skin pushes it outwards
    outside = np.where(own > 0, 0, np.where(outside > 0, np.maximum(outside, _JUST_OUTSIDE_MM), 0))
    code[outside > 0] = 0
    code[(code == 0) & (outside == 0)] = CODE["fat"]
    code = np.where(own > 0, own, code)
    paint_densities(code, own, water, fat, t2_ms)
    anatomy = template_geometry(name, code, outside, outline.compartment_mm, outline.slope_deg)
    structure[(own > 0) | (code == 0)] = 0
    return ImageTemplate(anatomy, code, water, fat, t2_ms, None if donor.template.structure is None else structure)


def _carried(soft: list[np.ndarray], donor: Donor, field: SoftTissueMap) -> tuple[np.ndarray, ...]:
    """Soft codes, bones, structures, water, fat, T2 (uint8), distance outside the fascia (float32) at the outline."""
    code, water, fat, t2_ms = soft
    shape = code.shape
    structure = np.zeros(shape, np.uint8) if donor.template.structure is None else donor.template.structure
    nearest = torch.from_numpy(np.stack([code, donor.bones, structure])).float()[None]
    smooth = torch.from_numpy(np.stack([water, fat, t2_ms])).float()[None]
    outside = torch.from_numpy(donor.template.anatomy.outside_mm.astype(np.float32))[None, None]
    low = torch.tensor([lo for lo, _ in EXTENT_MM.values()]).view(3, 1, 1, 1)
    span = (torch.tensor(shape).view(3, 1, 1, 1) - 1) * SPACING_MM
    nodes = ((torch.from_numpy(field.points_mm) - low) / span * 2 - 1).flip(0)
    results = [np.empty(shape, np.uint8) for _ in range(6)] + [np.empty(shape, np.float32)]
    planes = _upsampled(nodes, shape[1:])
    last = nodes.shape[1] - 1
    for at in range(0, shape[0], _TOGETHER):
        depth = torch.arange(at, min(at + _TOGETHER, shape[0])) / STRIDE
        below = depth.floor().long().clamp(max=last - 1)
        share = (depth - below).view(1, -1, 1, 1)
        points = torch.lerp(planes[:, below], planes[:, below + 1], share).movedim(0, -1)[None]
        part = slice(at, at + len(depth))
        found = functional.grid_sample(nearest, points, mode="nearest", padding_mode="border", align_corners=True)[0]
        level = functional.grid_sample(smooth, points, padding_mode="border", align_corners=True)[0]
        beyond = functional.grid_sample(outside, points, padding_mode="border", align_corners=True)[0]
        for result, values in zip(results, (*found, *level.round(), *beyond), strict=True):
            result[part] = values.numpy()
    return tuple(results)


def _upsampled(nodes: torch.Tensor, plane: tuple[int, ...]) -> torch.Tensor:
    """Node values [3, Y, Z, X] at every voxel of each plane, [3, Y, Z', X'], linear; the last slope goes on."""
    result = nodes
    for axis, count in zip((2, 3), plane, strict=True):
        place = torch.arange(count) / STRIDE
        below = place.floor().long().clamp(max=result.shape[axis] - 2)
        shape = [1] * 4
        shape[axis] = -1
        result = torch.lerp(
            result.index_select(axis, below), result.index_select(axis, below + 1), (place - below).view(shape)
        )
    return result


def _with_lent_shafts(outline: Outline, bones: np.ndarray) -> np.ndarray:
    """The outline's codes; beyond its ends, its shafts turn into the lending knee's (signed distances, linear)."""
    own = outline.code.copy()
    z = EXTENT_MM["z"][0] + SPACING_MM * np.arange(own.shape[1])
    for names, beyond in (
        (("femur",), outline.ends_mm[0] - z),
        (("tibia", "fibula"), z - outline.ends_mm[1]),
    ):
        for row in np.flatnonzero(beyond > 0):
            share = float(np.clip(beyond[row] / _BLEND_MM, 0, 1))
            section, lent = own[:, row], bones[:, row]
            for name in names:
                mine, theirs = section == CODE[name], lent == CODE[name]
                if not (mine.any() and theirs.any()):
                    continue
                mixed = (1 - share) * signed_distance(mine, SPACING_MM) + share * signed_distance(theirs, SPACING_MM)
                section[mine] = 0
                section[(mixed < 0) & (section == 0)] = CODE[name]
    return own


def _fill_joint_gap(own: np.ndarray, soft: np.ndarray) -> None:
    """Cartilage wherever femur and tibia face each other closely and nothing but loose tissue is between, in place."""
    from scipy import ndimage

    box = _box(own == CODE["cartilage"], 4)
    if box is None:
        return
    local, around = own[box], soft[box]
    femur, tibia = (ndimage.distance_transform_edt(local != CODE[b], SPACING_MM) for b in ("femur", "tibia"))
    between = (femur + tibia < _JOINT_GAP_MM + SPACING_MM) & (np.maximum(femur, tibia) < _FAR_SIDE_MM)
    loose = np.isin(around, [CODE[k] for k in _SOFT])
    local[between & (local == 0) & loose] = CODE["cartilage"]


def _box(mask: np.ndarray, margin: int) -> tuple[slice, ...] | None:
    spans = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    if not len(spans[0]):
        return None
    return tuple(slice(max(int(s[0]) - margin, 0), int(s[-1]) + margin + 1) for s in spans)
