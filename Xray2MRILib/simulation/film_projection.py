"""The radiograph of the same knee: attenuation along diverging rays in the fixed-flexion pose."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812

from .deformation import KneeDeformation, sample_upsampled
from .knee_parameters import KneeParameters
from .pose import rotation

FILM_MM = 116.0
FILM_PIXELS = 288
DEPTH_MM = (-66.0, 66.0)
STEP_MM = 1.7


def project(
    deformation: KneeDeformation,
    attenuation: torch.Tensor,
    parameters: KneeParameters,
    *,
    film_mm: float = FILM_MM,
    pixels: int = FILM_PIXELS,
) -> torch.Tensor:
    """Line integrals [2, pixels, pixels] (bone mineral, everything else), rows superior to inferior.

    ``attenuation`` [3, Y, Z, X] in 1/mm holds the mineral of femur and patella, of tibia and fibula, and the rest.

    The film is ``film_mm`` wide in the plane of the joint centre. The source stands ``parameters.source_mm`` behind the
    joint (PA view), so a ray's lateral distance from the axis grows with y by (source + y) / source.
    """
    source = parameters.source_mm
    y = torch.arange(DEPTH_MM[0], DEPTH_MM[1] + 1e-3, STEP_MM)
    half = film_mm / 2 * (1 - 1 / pixels)
    coarse_uv = torch.linspace(-half, half, 40)
    coarse_y = torch.linspace(float(y[0]), float(y[-1]), 23)
    grid = torch.stack(torch.meshgrid(coarse_y, coarse_uv, coarse_uv, indexing="ij"), dim=-1)
    spread = (source + grid[..., :1]) / source
    rays = torch.cat((grid[..., :1], grid[..., 1:] * spread), dim=-1)
    # The central ray runs along the plateau's posterior slope (the aim of the fixed-flexion view), give or take.
    tilt = deformation.slope_deg + parameters.beam_deg
    turn = torch.tensor(rotation((tilt, 0.0, parameters.film_axial_deg)), dtype=torch.float32)
    posed = rays @ turn.T
    # Pose and shape vary slowly, so they are evaluated on the coarse grid only.
    femur, tibia, soft_points = deformation.film_pose(deformation.shape(posed))
    shape = (len(y), pixels, pixels)
    mineral = sample_upsampled(attenuation[0:1], femur, shape)[0].sum(dim=0)
    mineral += sample_upsampled(attenuation[1:2], tibia, shape)[0].sum(dim=0)
    # Soft tissue is smooth on a film: half the resolution will do.
    soft = sample_upsampled(attenuation[2:3], soft_points, (len(y), pixels // 2, pixels // 2)).sum(dim=1)
    soft = F.interpolate(soft[None], size=(pixels, pixels), mode="bilinear", align_corners=True)[0, 0]
    total = torch.stack((mineral, soft))
    uv = torch.linspace(-half, half, pixels)
    oblique = torch.sqrt(1 + (uv[:, None] ** 2 + uv[None] ** 2) / source**2)
    return total * STEP_MM * oblique
