"""Smooth fields inside a template's bones that mineral follows: depth under the surface, distance from the joint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from .tissue_classes import BONES, EXTENT_MM, SPACING_MM, TISSUE_ID

if TYPE_CHECKING:
    from .anatomy_template import AnatomyTemplate

FAR_MM = 99.0
_SMOOTHED_VOXELS = 1.0  # a mask's own distances have steps that show as rings on a radiograph
_MARGIN = 4


@dataclass(frozen=True)
class BoneFields:
    """One value for every bone voxel, in the order of ``TemplateRegions.bones``.

    Attributes
    ----------
    depth_mm
        float32 [N], distance from the bone's smoothed surface, about zero on it.
    joint_mm
        float32 [N], along the leg from the joint surface of femur or tibia; ``FAR_MM`` in patella and fibula.
    is_patella
        bool [N].
    """

    depth_mm: torch.Tensor
    joint_mm: torch.Tensor
    is_patella: torch.Tensor


def bone_fields(template: AnatomyTemplate, device: torch.device | str = "cpu") -> BoneFields:
    """The fields of ``template`` on ``device``, worked out once and kept with the template."""
    kept: dict[str, BoneFields] = template.__dict__.setdefault("_bone_fields", {})
    key = str(torch.device(device))
    if key not in kept:
        bones = template.regions.bones
        tissue = template.tissue.reshape(-1)[bones.index]
        joint = np.full(len(bones.index), FAR_MM, np.float32)
        z = bones.z * np.float32(SPACING_MM) + np.float32(EXTENT_MM["z"][0])
        for bone, surface, sign in (("femur", template.femur_floor_mm, -1), ("tibia", template.tibia_roof_mm, 1)):
            own = tissue == TISSUE_ID[bone]
            joint[own] = sign * (z[own] - surface[bones.y[own], bones.x[own]])
        fields = (_smooth_depth(template), joint, tissue == TISSUE_ID["patella"])
        kept[key] = BoneFields(*(torch.from_numpy(f).to(device) for f in fields))
    return kept[key]


def _smooth_depth(template: AnatomyTemplate) -> np.ndarray:
    from scipy import ndimage

    depth = np.zeros(template.tissue.shape, np.float32)
    labels = np.where(np.isin(template.tissue, [TISSUE_ID[b] for b in BONES]), template.tissue, 0)
    for value, found in enumerate(ndimage.find_objects(labels), start=1):
        if found is None:
            continue
        box = tuple(slice(max(s.start - _MARGIN, 0), s.stop + _MARGIN) for s in found)
        mask = template.tissue[box] == value
        inside = ndimage.distance_transform_edt(mask, SPACING_MM)
        outside = ndimage.distance_transform_edt(~mask, SPACING_MM)
        # distances count from the centres of the nearest voxels of the other kind; the surface lies half-way
        signed = (inside - outside - np.where(mask, SPACING_MM / 2, -SPACING_MM / 2)).astype(np.float32)
        smooth = ndimage.gaussian_filter(signed, _SMOOTHED_VOXELS, mode="nearest")
        depth[box][mask] = smooth[mask]
    return depth.reshape(-1)[template.regions.bones.index]
