"""Smooth fields inside a template's bones that mineral follows: depth under the surface, distance from the joint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from .tissue_classes import BONES, EXTENT_MM, SPACING_MM, TISSUE_ID, TISSUES

if TYPE_CHECKING:
    from .anatomy_template import AnatomyTemplate

FAR_MM = 99.0
_SMOOTHED_VOXELS = 1.6  # a mask's own distances have steps that show as rings on a radiograph
_MARGIN = 4
# The rims of label maps are sharp where slices are thick and where cartilage was cut off bone; on a radiograph such a
# corner looks like an osteophyte. Near the joint mineral has no edge sharper than this radius; spines may be sharper.
_ROUNDED_MM = {"femur": 6.0, "tibia": 6.0}
_ROUNDED_ROWS_MM, _ROUNDED_FADE_MM = 24.0, 2.5
_SPINES_MM, _SPINES_FADE_MM = 12.0, 1.6  # from the middle of the plateau
_SPINES_ROUNDED_MM = 2.5


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
        fields = (smooth_depth(template), joint, tissue == TISSUE_ID["patella"])
        kept[key] = BoneFields(*(torch.from_numpy(f).to(device) for f in fields))
    return kept[key]


def smooth_depth(template: AnatomyTemplate) -> np.ndarray:
    """``BoneFields.depth_mm`` as an array, worked out once and kept with the template."""
    kept = template.__dict__.get("_smooth_depth")
    if kept is None:
        kept = template.__dict__["_smooth_depth"] = _smooth_depth(template)
    return kept


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
        bone = TISSUES[value]
        if bone in _ROUNDED_MM:
            signed = _rounded(signed, template, bone, box)
        smooth = ndimage.gaussian_filter(signed, _SMOOTHED_VOXELS, mode="nearest")
        depth[box][mask] = smooth[mask]
    return depth.reshape(-1)[template.regions.bones.index]


def _rounded(signed: np.ndarray, template: AnatomyTemplate, bone: str, box: tuple[slice, ...]) -> np.ndarray:
    """``signed`` depth in mm of a bone in its ``box``, with the edges near the joint rounded by a rolling ball.

    Only what a ball of the radius reaches from inside is kept (morphological opening); nothing is added.
    """
    _, z, x = (
        (np.arange(s.start, s.start + n) * SPACING_MM + EXTENT_MM[axis][0]).astype(np.float32)
        for s, n, axis in zip(box, signed.shape, "yzx", strict=True)
    )
    near = np.flatnonzero(np.abs(z) < _ROUNDED_ROWS_MM + 3 * _ROUNDED_FADE_MM)
    if not len(near):
        return signed
    rows = slice(near[0], near[-1] + 1)
    part = signed[:, rows]
    opened = _opened(part, _ROUNDED_MM[bone])
    share = 1 / (1 + np.exp((np.abs(z[rows]) - _ROUNDED_ROWS_MM) / _ROUNDED_FADE_MM))
    if bone == "tibia":
        middle = np.mean([place[1] for place in template.compartment_mm.values()])
        aside = (1 / (1 + np.exp((_SPINES_MM - np.abs(x - middle)) / _SPINES_FADE_MM))).astype(np.float32)
        opened = aside * opened + (1 - aside) * _opened(part, _SPINES_ROUNDED_MM)
    result = signed.copy()
    result[:, rows] += share[:, None] * (opened - part)
    return result


def _opened(signed: np.ndarray, radius_mm: float) -> np.ndarray:
    """Depth below the surface that a ball of the radius leaves when it rolls along the inside."""
    from scipy import ndimage

    core = signed > radius_mm
    if not core.any():
        return signed
    away, nearest = ndimage.distance_transform_edt(~core, SPACING_MM, return_indices=True)
    return np.minimum(signed, signed[tuple(nearest)] - away).astype(np.float32)
