"""Digitally reconstructed radiograph of the simulated knee: attenuation along diverging rays, fixed-flexion pose."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from ..anatomy.deformation import KneeDeformation
from ..anatomy.knee_parameters import KneeParameters
from ..anatomy.pose import rotation
from ..anatomy.radiograph_population import radiograph_population
from ..anatomy.tissue_classes import SPACING_MM
from ..anatomy.tissue_volume import TissueVolume, interpolation, normalised, upsampled_by
from .regional_mineral import drawn_levels, mineral_factor
from .trabecular_lines import lines_at

RADIOGRAPH_MM = 116.0
RADIOGRAPH_PIXELS = 288
DEPTH_MM = (-66.0, 66.0)
STEP_MM = 3 * SPACING_MM


# How much thinner than in the coil the leg is at its outer and inner side, mm: from the knee down, in the calf besides,
# in the thigh. Chosen on brightness profiles along the edges of real joint crops (docs/simulator-realism.md).
_THINNER_MM = {"lateral": (6.0, 4.0, -6.5), "medial": (1.5, 2.3, -4.0)}
_BESIDE_BONE_MM = 37.0  # from there on soft tissue gives way

_NODES = (23, 40, 40)  # at which pose and shape are evaluated; between them they are interpolated

_TOGETHER = 12  # depths sampled at once


def project(
    deformation: KneeDeformation,
    femur: TissueVolume,
    tibia: TissueVolume,
    soft: TissueVolume,
    parameters: KneeParameters,
    *,
    film_mm: float = RADIOGRAPH_MM,
    pixels: int = RADIOGRAPH_PIXELS,
    patella: TissueVolume | None = None,
) -> torch.Tensor:
    """Line integrals [2, pixels, pixels] (bone mineral, everything else), rows superior to inferior.

    Attenuation in 1/mm: ``femur``, ``patella`` and ``tibia`` (with the fibula) hold bone mineral, ``soft`` the rest.
    The patella hangs on its ligament and stays with the tibia when the femur is flexed.

    Everything lies on the deformation's device. The radiograph is ``film_mm`` wide in the plane of the joint
    centre. The source stands ``parameters.source_mm`` behind the joint (PA view), so a ray's lateral distance from the
    axis grows with y by (source + y) / source.
    """
    source = parameters.source_mm
    device = deformation.device
    depths = int((DEPTH_MM[1] - DEPTH_MM[0] + 1e-3) / STEP_MM) + 1
    half = film_mm / 2 * (1 - 1 / pixels)
    coarse_uv = torch.linspace(-half, half, _NODES[1], device=device)
    coarse_y = torch.linspace(DEPTH_MM[0], DEPTH_MM[0] + (depths - 1) * STEP_MM, _NODES[0], device=device)
    grid = torch.stack(torch.meshgrid(coarse_y, coarse_uv, coarse_uv, indexing="ij"), dim=-1)
    spread = (source + grid[..., :1]) / source
    rays = torch.cat((grid[..., :1], grid[..., 1:] * spread), dim=-1)
    # Pose and shape vary slowly, so they are evaluated at the nodes only.
    shaped = deformation.shape(rays @ beam_turn(deformation, parameters).T)
    of_femur, of_tibia, of_soft = deformation.radiograph_pose(shaped)
    mineral = torch.zeros(pixels, pixels, device=device)
    aside = torch.tensor((0.0, *parameters.patella_film_mm), device=device)
    bones = (("femur", femur, of_femur), ("tibia", tibia, of_tibia), ("patella", patella, shaped + aside))
    for part, volume, points in bones:
        if volume is not None:
            integral = _summed(_averaged_in_depth(volume), points, depths, pixels)
            mineral += integral * _lines(part, points, parameters, pixels) * _regions(part, points, parameters, pixels)
    # Soft tissue is smooth on a radiograph: half the resolution will do.
    rest = _summed(soft, standing_contour(of_soft, parameters.contour_mm), depths, pixels // 2)
    rest = F.interpolate(rest[None, None], size=(pixels, pixels), mode="bilinear", align_corners=True)[0, 0]
    uv = torch.linspace(-half, half, pixels, device=device)
    oblique = torch.sqrt(1 + (uv[:, None] ** 2 + uv[None] ** 2) / source**2)
    return torch.stack((mineral, rest)) * STEP_MM * oblique


def beam_turn(deformation: KneeDeformation, parameters: KneeParameters) -> torch.Tensor:
    """Rotation [3, 3] by which rays, as row vectors times its transpose, become points of the knee.

    The central ray runs along this knee's plateau (the aim of the fixed-flexion view), give or take.
    """
    tilt = deformation.plateau_slope_deg + parameters.beam_deg
    turn = rotation((tilt, 0.0, parameters.film_axial_deg))
    return torch.tensor(turn, dtype=torch.float32, device=deformation.device)


def standing_contour(points: torch.Tensor, drawn_mm: tuple[float, ...] = ()) -> torch.Tensor:
    """Template points [..., 3] of the soft tissue of a standing leg; those inside the width of the bones stay.

    ``drawn_mm`` is what this leg is thinner than the mean at each of the places of ``_THINNER_MM``.
    """
    y, z, x = points.unbind(-1)
    beside = torch.sigmoid((x.abs() - _BESIDE_BONE_MM) / 4)
    shares = (torch.sigmoid((z + 32) / 6), torch.sigmoid((z - 14) / 5), torch.sigmoid((-40 - z) / 5))
    thinner = torch.zeros_like(x)
    more = np.reshape(drawn_mm, (2, 3)) if drawn_mm else np.zeros((2, 3))
    sides = (np.array(list(_THINNER_MM.values())) + more).tolist()
    for lateral, medial, share in zip(*sides, shares, strict=True):
        thinner += torch.where(x > 0, medial, lateral) * share
    return torch.stack((y, z, x + torch.sign(x) * thinner * beside), dim=-1)


def _averaged_in_depth(volume: TissueVolume) -> TissueVolume:
    """Means over a step along the rays, so that thin plates between two steps are not missed (rings on condyles)."""
    padded = F.pad(volume.values, (0, 0, 0, 0, 1, 1))
    values = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
    return TissueVolume(values, volume.low_mm, volume.high_mm)


def _lines(part: str, points: torch.Tensor, parameters: KneeParameters, pixels: int) -> torch.Tensor | float:
    """Factor [pixels, pixels] of the trabecular lines at the bone's places in the plane of the joint centre."""
    if parameters.trabeculae <= 0:
        return 1.0
    z, x = _plane_of_bone(points, pixels)
    return 1 + parameters.trabeculae * lines_at(part, z, x, parameters.seed)


def _regions(part: str, points: torch.Tensor, parameters: KneeParameters, pixels: int) -> torch.Tensor | float:
    """Factor [pixels, pixels] of the bone's regional density, likewise."""
    if parameters.regional_mineral is None:
        return 1.0
    mean = radiograph_population().log_mineral[part]
    levels = drawn_levels(part, mean, parameters.seed, parameters.regional_mineral)
    z, x = _plane_of_bone(points, pixels)
    return mineral_factor(part, levels, z * parameters.scale[1], x * parameters.scale[2])


def _plane_of_bone(points: torch.Tensor, pixels: int) -> torch.Tensor:
    """Template's z and x in mm, [2, pixels, pixels], of the plane of the joint centre."""
    middle = points[len(points) // 2, ..., 1:]
    return F.interpolate(middle.movedim(-1, 0)[None], size=(pixels, pixels), mode="bilinear", align_corners=True)[0]


def _summed(volume: TissueVolume, points: torch.Tensor, depths: int, pixels: int) -> torch.Tensor:
    """Sum [pixels, pixels] along the depth axis of ``volume`` at interpolated ``points``; only where the volume is."""
    result = torch.zeros(pixels, pixels, device=points.device)
    reached = volume.reaches(points)
    if not reached.any():
        return result
    parts, matrices = [], []
    for axis, count in enumerate((depths, pixels, pixels)):
        nodes = torch.nonzero(reached.movedim(axis, 0).flatten(1).any(dim=1))
        # one node more on every side, since the volume may end between two nodes
        scale = (count - 1) / (_NODES[axis] - 1)
        first = max(int((int(nodes[0]) - 1) * scale), 0)
        last = min(int((int(nodes[-1]) + 1) * scale) + 1, count)
        parts.append(slice(first, last))
        matrices.append(interpolation(_NODES[axis], count, points.device)[first:last])
    # Points are linear in the matrices, so they can be normalised before they are interpolated.
    places = normalised(points, volume.low_mm, volume.high_mm)
    depth, *plane = matrices
    for at in range(0, len(depth), _TOGETHER):
        grid = upsampled_by(places, depth[at : at + _TOGETHER], *plane)
        result[parts[1], parts[2]] += volume.sample_normalised(grid).sum(dim=0)
    return result
