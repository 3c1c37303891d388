"""How much mineral bone holds, as a share of the cortex's: cortex, subchondral plate, cancellous bone."""

from __future__ import annotations

import torch

from ..anatomy.tissue_classes import SPACING_MM

SPONGY = {"femur": 0.25, "tibia": 0.20, "patella": 0.18}  # cancellous bone at the joint
SHAFT_SHARE = 1.15  # of that farther away, where the walls are thick
_SHAFT_FROM_MM, _SHAFT_OVER_MM = 6.0, 55.0
_END_CORTEX_MM, _SHAFT_CORTEX_MM = 0.45, 3.3
_PATELLA_CORTEX_MM = 0.15
_PLATE_MM = 0.45  # more cortex on the joint surfaces
# Cancellous bone is denser below the joint surfaces: (by this share, within mm) twice, in the plate and in the condyle.
_SUBCHONDRAL = {"femur": ((0.6, 4.0), (0.5, 14.0)), "tibia": ((1.0, 5.0),), "patella": ()}
SCAR_MM = {"femur": -31.0, "tibia": 17.0, "patella": None}  # rows of the closed growth plates
_SCAR_SOFTNESS_MM = 0.6
_SOFTNESS_MM = 0.25
NEW_BONE = 2.2  # mineral of osteophytes against cancellous bone at the joint: their edges are as dense as the rim's
# Cancellous bone is dense under the cortex and sparse in the core: share at the core, more under the cortex, within mm.
_CORE, _RIND, _RIND_MM = 0.55, 0.65, 9.0


def cortex_mm(part: str, z_mm: torch.Tensor, joint_mm: torch.Tensor, factor: float) -> torch.Tensor:
    """Thickness of the cortex: a thin shell at the joint ends, a plate on the joint surfaces, thick in the shafts."""
    if part == "patella":
        return torch.full_like(z_mm, _PATELLA_CORTEX_MM * factor)
    rise = ((z_mm.abs() - _SHAFT_FROM_MM) / _SHAFT_OVER_MM).clamp(0, 1)
    plate = _PLATE_MM * torch.exp(-((joint_mm / 3.0) ** 2))
    return factor * (_END_CORTEX_MM + (_SHAFT_CORTEX_MM - _END_CORTEX_MM) * rise * rise * (3 - 2 * rise) + plate)


def spongy_share(
    part: str, z_mm: torch.Tensor, joint_mm: torch.Tensor, bone_density: float, scar: float
) -> torch.Tensor:
    """Mineral of cancellous bone: densest below the joint, thin in the shaft, with the line of the growth plate.

    ``scar`` is how much denser than its surroundings that line is.
    """
    along = SHAFT_SHARE + (1 - SHAFT_SHARE) * torch.exp(-((z_mm / 30.0) ** 2))
    dense = torch.ones_like(joint_mm)
    for more, within in _SUBCHONDRAL[part]:
        dense = dense + more * torch.exp(-joint_mm.clamp(min=0) / within)
    row = SCAR_MM[part]
    if row is not None and scar > 0:
        dense = dense + scar * torch.exp(-(((z_mm - row) / _SCAR_SOFTNESS_MM) ** 2))
    return SPONGY[part] * bone_density * along * dense


def core_share(depth_mm: torch.Tensor) -> torch.Tensor:
    """Density of cancellous bone at a depth below the bone's surface, against that of ``spongy_share``."""
    return _CORE + _RIND * torch.exp(-depth_mm.clamp(min=0) / _RIND_MM)


def mineral_share(depth_mm: torch.Tensor, cortex_mm: torch.Tensor, spongy: torch.Tensor) -> torch.Tensor:
    """Share of the cortex's mineral at a depth below the bone's surface; voxels on the surface are partly bone."""
    cortex = torch.sigmoid((cortex_mm - depth_mm) / _SOFTNESS_MM)
    filled = (0.5 + depth_mm / SPACING_MM).clamp(0, 1)
    return filled * (cortex + (1 - cortex) * spongy)
