"""Where the joint surfaces of a simulated knee lie on its radiograph: the motion of both bones, without any picture."""

from __future__ import annotations

import numpy as np
import torch

from ..anatomy.anatomy_template import AnatomyTemplate
from ..anatomy.deformation import KneeDeformation, attrition_depth
from ..anatomy.tissue_classes import EXTENT_MM, SPACING_MM
from .drr import beam_turn

SIDES = ("medial", "lateral")
BONES = ("femur", "tibia")
DEPTHS_MM = (0.0, 5.0, 10.0)  # from the surface into the bone
ASIDE_MM = tuple(float(x) for x in range(-12, 13, 3))  # about the place where the compartment is narrowest
_ROLLED_MM = 16.0  # in front of that place and behind it, the flexed femur's lowest point is looked for


def joint_surfaces(deformation: KneeDeformation, template: AnatomyTemplate) -> np.ndarray:
    """Places float32 [2 sides, 2 bones, 3 depths, 9, 2] on the radiograph, (down, across) in mm from its centre.

    Sides, bones, depths and distances along the joint are those of SIDES, BONES, DEPTHS_MM and ASIDE_MM. One entry is
    the same piece of bone in every knee of the template, whatever its size, pose and grade; a worn plateau's surface
    is the worn one. The femur's are those that its flexion on the radiograph has rolled lowest.
    """
    floor = torch.from_numpy(template.femur_floor_mm)
    roof = torch.from_numpy(template.tibia_roof_mm)
    worn = roof + torch.from_numpy(attrition_depth(template, deformation.p))
    found = []
    for side in SIDES:
        middle_y, middle_x = deformation.contact_mm[side]
        x = middle_x + torch.tensor(ASIDE_MM)
        y = torch.full_like(x, middle_y)
        femur, tibia = [], []
        rolled = _lowest_when_flexed(deformation, floor, middle_y, x)
        for depth in DEPTHS_MM:
            femur.append(_flexed(deformation, rolled - torch.tensor((0.0, depth, 0.0))))
            surface = _height(roof if depth else worn, y, x) + depth
            shift = deformation.surfaces_at(y, x)[2]
            tibia.append(torch.stack((y, surface - shift, x), dim=-1))
        found.append(torch.stack((torch.stack(femur), torch.stack(tibia))))
    points = torch.stack(found)
    output = deformation.output_of(points.reshape(-1, 3)).reshape(points.shape)
    return on_radiograph(output, deformation).numpy().astype(np.float32)


def on_radiograph(points: torch.Tensor, deformation: KneeDeformation) -> torch.Tensor:
    """Points [..., 3] (y, z, x) of the deformed knee in mm -> (down, across) in mm in the plane of the joint centre."""
    rays = points @ beam_turn(deformation, deformation.p)
    source = deformation.p.source_mm
    return rays[..., 1:] * source / (source + rays[..., :1])


def _lowest_when_flexed(deformation: KneeDeformation, floor: torch.Tensor, y: float, x: torch.Tensor) -> torch.Tensor:
    """Points [N, 3] of the template's femur at ``x`` [N] that are lowest once it is flexed."""
    along = y + torch.arange(-_ROLLED_MM, _ROLLED_MM + 1e-3, 1.0)
    ys, xs = torch.meshgrid(along, x, indexing="ij")
    points = torch.stack((ys, _height(floor, ys, xs), xs), dim=-1)
    lowest = _flexed(deformation, points)[..., 1].argmax(dim=0)
    return points[lowest, torch.arange(len(x))]


def _flexed(deformation: KneeDeformation, points: torch.Tensor) -> torch.Tensor:
    """Points of the template's femur where the radiograph shows them: ``radiograph_pose`` turns the other way."""
    angle = -torch.deg2rad(torch.tensor(deformation.p.flexion_deg))
    y, z, x = points.unbind(-1)
    return deformation.flexed(y, z, x, angle)


def _height(surface: torch.Tensor, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """A surface's height in mm at (y, x), bilinear."""
    places = []
    for coordinate, axis, count in ((y, "y", surface.shape[0]), (x, "x", surface.shape[1])):
        places.append(((coordinate - EXTENT_MM[axis][0]) / SPACING_MM).clamp(0, count - 1.001))
    low = [place.floor().long() for place in places]
    (v, u), (j, i) = ((p - q for p, q in zip(places, low, strict=True)), low)
    upper = surface[j, i] * (1 - u) + surface[j, i + 1] * u
    lower = surface[j + 1, i] * (1 - u) + surface[j + 1, i + 1] * u
    return upper * (1 - v) + lower * v
