"""A template's voxels on the device where knees are simulated; made once for each template and device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from .anatomy_template import AnatomyTemplate


class TemplateTensors:
    """What every knee of a template needs of it, on one device.

    Attributes
    ----------
    code
        uint8 [Y, Z, X], see ``TemplateRegions.code``.
    bone_depth_mm
        float16 [Y, Z, X].
    cartilage
        Flat voxel index int64 [N], depth in the layer float32 [N], medial or not bool [N].
    meniscus
        {side: flat voxel index int64 [N]} of the menisci's bodies.
    recess
        Flat voxel index int64 [N], nearest to the femur first.
    recess_mm
        float32 [N], their distance from it; on the processor.
    bone_index, bone_y, bone_z, bone_x, bone_of_tibia
        Bone voxels, see ``BoneVoxels``.
    """

    def __init__(self, template: AnatomyTemplate, device: torch.device) -> None:
        regions = template.regions

        def moved(values: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(np.ascontiguousarray(values)).to(device)

        self.code = moved(regions.code)
        self.tissue = moved(template.tissue)
        self.bone_depth_mm = moved(template.bone_depth_mm)
        self.cartilage = tuple(moved(part) for part in regions.cartilage)
        index, medial = regions.meniscus
        self.meniscus = {"medial": moved(index[medial]), "lateral": moved(index[~medial])}
        recess, self.recess_mm = regions.recess
        self.recess = moved(recess)
        bones = regions.bones
        self.bone_index = moved(bones.index)
        self.bone_y, self.bone_z, self.bone_x = (moved(a.astype(np.int64)) for a in (bones.y, bones.z, bones.x))
        self.bone_of_tibia = moved(bones.of_tibia)


def on_device(template: AnatomyTemplate, device: torch.device | str) -> TemplateTensors:
    """The tensors of ``template`` on ``device``, kept with the template."""
    kept: dict[str, TemplateTensors] = template.__dict__.setdefault("_tensors", {})
    key = str(torch.device(device))
    if key not in kept:
        kept[key] = TemplateTensors(template, torch.device(device))
    return kept[key]
