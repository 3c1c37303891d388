"""Maps from an output grid back into the template: size, pose, smooth random shape, joint space narrowing, flexion.

Every map is output to template (the inverse of the deformation), which is what resampling needs. All coordinates are
(y, z, x) in mm about the joint centre.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from .anatomy_template import EXTENT_MM, SPACING_MM, AnatomyTemplate
from .knee_parameters import KneeParameters
from .pose import rotation

WARP_SPACING_MM = 9.0


def random_warp(seed: int, deviation_mm: float) -> torch.Tensor:
    """Smooth random displacement on a coarse lattice over the template, [1, 3, Y, Z, X] mm (order y, z, x)."""
    from scipy import ndimage

    rng = np.random.default_rng([seed, 11])
    shape = [int((hi - lo) / WARP_SPACING_MM) + 1 for lo, hi in EXTENT_MM.values()]
    field = rng.standard_normal((3, *shape)).astype(np.float32)
    # Two scales: broad shape (sigma 30 mm) and local shape (sigma 14 mm).
    broad = np.stack([ndimage.gaussian_filter(f, 30 / WARP_SPACING_MM, mode="wrap") for f in field])
    local = np.stack([ndimage.gaussian_filter(f[::-1], 14 / WARP_SPACING_MM, mode="wrap") for f in field])
    warp = broad / broad.std() * deviation_mm + local / local.std() * deviation_mm * 0.45
    return torch.from_numpy(warp.astype(np.float32))[None]


def _normalised(points: torch.Tensor) -> torch.Tensor:
    """mm (y, z, x) to grid_sample's (x, z, y) in [-1, 1] over the template."""
    (y0, y1), (z0, z1), (x0, x1) = EXTENT_MM.values()
    # The last voxel centre may fall short of the extent by less than one voxel.
    y1, z1, x1 = (lo + int((hi - lo) / SPACING_MM + 1e-6) * SPACING_MM for lo, hi in ((y0, y1), (z0, z1), (x0, x1)))
    y, z, x = points.unbind(-1)
    return torch.stack(
        ((x - x0) / (x1 - x0) * 2 - 1, (z - z0) / (z1 - z0) * 2 - 1, (y - y0) / (y1 - y0) * 2 - 1), dim=-1
    )


class KneeDeformation:
    """The deformation of one knee: output points (mm) to template points (mm)."""

    def __init__(self, template: AnatomyTemplate, parameters: KneeParameters) -> None:
        self.p = parameters
        self.slope_deg = template.slope_deg
        self.flexion_axis_mm = template.flexion_axis_mm
        self.warp = random_warp(parameters.seed, parameters.warp_mm)
        self.rotation = torch.tensor(rotation(parameters.rotation_deg), dtype=torch.float32)
        self.scale = torch.tensor(parameters.scale)
        floor, roof = torch.from_numpy(template.femur_floor_mm), torch.from_numpy(template.tibia_roof_mm)
        self.floor, self.roof = floor, roof
        self.shift = self._tibia_shift(template, floor, roof)
        self.surfaces = torch.stack((floor, roof, self.shift))[None]  # [1, 3, Y, X]

    def _tibia_shift(self, template: AnatomyTemplate, floor: torch.Tensor, roof: torch.Tensor) -> torch.Tensor:
        """How far the tibia has moved up at every (y, x), mm: a tilt through the two compartments (joint closing)."""
        (ym, xm), (yl, xl) = template.compartment_mm["medial"], template.compartment_mm["lateral"]
        gap = roof - floor
        at = {"medial": _height_at(gap, ym, xm), "lateral": _height_at(gap, yl, xl)}
        # The template's own joint space becomes the drawn one.
        lost = {side: at[side] - self.p.joint_space_mm[side] / self.p.scale[1] for side in at}
        x = torch.arange(gap.shape[1]) * SPACING_MM + EXTENT_MM["x"][0]
        slope = (lost["medial"] - lost["lateral"]) / (xm - xl)
        shift = lost["lateral"] + slope * (x - xl).clamp(min=-30, max=xm - xl + 30)
        # Never through the femur: at least 0.35 mm stays between the bones.
        return torch.minimum(shift.expand_as(gap), gap - 0.35)

    def joint_space_mm(self, template: AnatomyTemplate) -> dict[str, float]:
        """Bone-to-bone joint space width in the centre of each compartment after closing and scaling, mm."""
        gap = self.roof - self.floor - self.shift
        return {
            side: float(_height_at(gap, *template.compartment_mm[side]) * self.p.scale[1])
            for side in ("medial", "lateral")
        }

    def shape(self, points: torch.Tensor) -> torch.Tensor:
        """Size, pose and random shape: output [..., 3] to the template with its joint closed as this knee's is."""
        q = (points @ self.rotation) / self.scale  # R^T p as a row vector
        y, z, x = q.unbind(-1)
        blend = torch.sigmoid(z / 8)
        x = x / (self.p.femur_width * (1 - blend) + self.p.tibia_width * blend)
        q = torch.stack((y, z, x), dim=-1)
        grid = _normalised(q).reshape(1, -1, 1, 1, 3)
        step = F.grid_sample(self.warp, grid, mode="bilinear", padding_mode="border", align_corners=True)
        return q + step.reshape(3, -1).T.reshape(q.shape)

    def open_joint(self, q: torch.Tensor) -> torch.Tensor:
        """Undo the narrowing: points of the closed joint to points of the template (z changes only)."""
        y, z, x = q.unbind(-1)
        s = self._surfaces_at(y, x)
        floor, gap, shift = s[0], s[1] - s[0], s[2]
        inside = gap / (gap - shift)
        z_open = torch.where(
            z <= floor, z, torch.where(z < floor + gap - shift, floor + (z - floor) * inside, z + shift)
        )
        return torch.stack((y, z_open, x), dim=-1)

    def film_pose(self, q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Template points of the film's pose for femur, tibia and soft tissue.

        On the film the femur is flexed about the condylar axis and the tibia has closed up to it; both move as rigid
        bodies, soft tissue bends smoothly between them.
        """
        y, z, x = q.unbind(-1)
        shift = self._surfaces_at(y, x)[2]
        tibia = torch.stack((y, z + shift, x), dim=-1)
        angle = float(np.radians(self.p.flexion_deg))
        femur = self._turned(y, z, x, torch.tensor(angle))
        soft = self._turned(y, z + shift * (z > 0), x, angle * torch.sigmoid((-8 - z) / 6))
        return femur, tibia, soft

    def _turned(self, y: torch.Tensor, z: torch.Tensor, x: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
        yc, zc = self.flexion_axis_mm
        sine, cosine = torch.sin(angle), torch.cos(angle)
        return torch.stack(
            (cosine * (y - yc) - sine * (z - zc) + yc, sine * (y - yc) + cosine * (z - zc) + zc, x), dim=-1
        )

    def _surfaces_at(self, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        grid = _normalised(torch.stack((y, torch.zeros_like(y), x), dim=-1))[..., [0, 2]].reshape(1, -1, 1, 2)
        values = F.grid_sample(self.surfaces, grid, mode="bilinear", padding_mode="border", align_corners=True)
        return values.reshape(3, *y.shape)


def _height_at(surface: torch.Tensor, y: float, x: float) -> torch.Tensor:
    j = round((y - EXTENT_MM["y"][0]) / SPACING_MM)
    i = round((x - EXTENT_MM["x"][0]) / SPACING_MM)
    return surface[j - 4 : j + 5, i - 4 : i + 5].mean()


def upsampled(coarse: torch.Tensor, shape: tuple[int, int, int]) -> torch.Tensor:
    """Trilinear up-sampling of a coarse point grid [a, b, c, 3] (corners aligned) to [*shape, 3]."""
    field = coarse.permute(3, 0, 1, 2)[None]
    return F.interpolate(field, size=shape, mode="trilinear", align_corners=True)[0].permute(1, 2, 3, 0)


def sample_upsampled(volumes: torch.Tensor, coarse: torch.Tensor, shape: tuple[int, int, int]) -> torch.Tensor:
    """``sample`` at points given on a coarse grid [a, b, c, 3] and up-sampled to ``shape``: [C, *shape]."""
    grid = upsampled(_normalised(coarse), shape)[None]
    return F.grid_sample(volumes[None], grid, mode="bilinear", padding_mode="zeros", align_corners=True)[0]


def sample(volumes: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Trilinear values [C, ...] of template volumes [C, Y, Z, X] at template points [..., 3] mm; 0 outside."""
    grid = _normalised(points)[None]
    return F.grid_sample(volumes[None], grid, mode="bilinear", padding_mode="zeros", align_corners=True)[0]
