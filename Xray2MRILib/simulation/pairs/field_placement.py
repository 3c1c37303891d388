"""Where a knee lies in the field of its scan: a technologist puts the joint into the middle, give or take some mm."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from ..anatomy.anatomy_template import AnatomyTemplate
from ..anatomy.deformation import keeping_width, random_warp
from ..anatomy.knee_parameters import KneeParameters
from ..anatomy.pose import rotation
from ..anatomy.tissue_volume import normalised
from .coronal_shape import coronal_warp

SPREAD = 0.5  # of the joint's place, against that drawn for the radiograph's generation
BEHIND_MM = 26.0  # how much less of a leg of no size would lie behind the joint and in the field
FORWARD_MM = -3.0  # of all slices
ASIDE_MM = -2.5  # the field's middle is nearer to the notch than to the middle between the compartments
_AROUND_MM = 12.0


def field_offset_mm(template: AnatomyTemplate, parameters: KneeParameters) -> tuple[float, float, float]:
    """How far the slices move forwards, and the joint downwards and to the medial side in the field, mm.

    The random shape and the pose of a knee also move its joint; that is taken out, since the field follows the joint.
    """
    drawn = np.array(parameters.field_offset_mm) * SPREAD
    drawn[0] += FORWARD_MM + BEHIND_MM * (1 - parameters.scale[0])
    drawn[2] += ASIDE_MM
    shift = joint_shift_mm(template, parameters)
    # along y it is the slices that move, along z and x the knee
    return float(drawn[0] + shift[0]), float(drawn[1] - shift[1]), float(drawn[2] - shift[2])


def joint_shift_mm(template: AnatomyTemplate, parameters: KneeParameters) -> np.ndarray:
    """How far random shape and pose move the middle between the compartments, (y, z, x) in mm."""
    sides = np.array([(y, 0.0, x) for y, x in template.compartment_mm.values()])
    middle = sides.mean(axis=0)
    steps = np.linspace(-_AROUND_MM, _AROUND_MM, 3)
    near = middle + np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    points = torch.from_numpy(np.concatenate((sides, near)).astype(np.float32))
    displaced = random_warp(parameters.seed, parameters.warp_mm) + torch.from_numpy(coronal_warp(parameters))
    warp = keeping_width(displaced, template)
    grid = normalised(points).view(1, -1, 1, 1, 3)
    found = functional.grid_sample(warp, grid, mode="bilinear", padding_mode="border", align_corners=True)
    moved = middle - found.view(3, -1).mean(dim=1).numpy()
    scale = np.array(parameters.scale)
    return rotation(parameters.rotation_deg) @ (scale * moved) - scale * middle
