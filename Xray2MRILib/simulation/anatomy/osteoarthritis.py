"""Osteophytes, sclerosis, cysts, attrition, cartilage loss, extrusion and effusion in one knee's template.

Tissues are uint8 tensors [Y, Z, X] on any device and change in place; everything random comes from the knee's seed.
"""

from __future__ import annotations

import numpy as np
import torch

from .anatomy_template import AnatomyTemplate
from .deformation import attrition_depth
from .joint_rims import joint_rims
from .knee_parameters import KneeParameters
from .template_tensors import on_device
from .tissue_classes import EXTENT_MM, SPACING_MM, TISSUE_ID
from .tissue_codes import BYTE_VALUES

# A lip is made of a root inside the rim, a body and a tip: how far toward the joint and outwards they lie, and their
# size, in shares of the drawn size.
_LIP = ((-0.5, -0.9, 1.8), (0.3, 0.05, 1.0), (0.45, 0.7, 0.5))


def grow_osteophytes(
    template: AnatomyTemplate, parameters: KneeParameters, tissue: torch.Tensor, depth_mm: torch.Tensor
) -> None:
    """Add osteophytes to ``tissue`` and ``depth_mm`` in place.

    Along a random stretch of each joint margin, lips of the drawn size (mm) made of spheroids replace soft tissue;
    depth below their surface goes to ``depth_mm`` so that they get a thin cortex and no cortex remains at their base.
    """
    rng = np.random.default_rng([parameters.seed, 13])
    for site, size in parameters.osteophyte_mm.items():
        points = joint_rims(template)[site]
        if size < 0.5 or len(points) < 4:
            continue
        length = max(4, int(len(points) * rng.uniform(0.35, 0.8)))
        outward = -1.0 if site.endswith("lateral") else 1.0
        # grades are read off radiographs, so the stretch holds the place that a radiograph shows in profile
        widest = int(np.argmax(outward * points[:, 2]))
        first = int(np.clip(widest - round(length * rng.uniform(0.2, 0.8)), 0, len(points) - length))
        toward_joint = 1.0 if site.startswith("femur") else -1.0
        taper = np.sin(np.pi * (np.arange(length) + 0.7) / (length + 0.4))
        radius = size * taper * rng.uniform(0.8, 1.15, length) + 0.6
        grown = [
            (points[first : first + length] + _beside(radius, toward_joint * up, outward * out), radius * share)
            for up, out, share in _LIP
        ]
        centres, radii = (np.concatenate(parts) for parts in zip(*grown, strict=True))
        _spheroids(centres, radii, np.array(template.origin_mm), tissue, depth_mm)


def _beside(radius: np.ndarray, down: float, out: float) -> np.ndarray:
    """Displacements [N, 3] mm along z and x in shares of the radii."""
    return np.stack((0 * radius, down * radius, out * radius), axis=1)


def _spheroids(
    centres: np.ndarray, radii: np.ndarray, origin: np.ndarray, tissue: torch.Tensor, depth_mm: torch.Tensor
) -> None:
    """Spheroids [N, 3] mm with radii [N] mm, flattened along z, all at once: the deepest counts in every voxel."""
    reach = int(np.ceil(radii.max() / SPACING_MM)) + 1
    middle = np.round((centres - origin) / SPACING_MM).astype(int)
    low = np.maximum(middle.min(axis=0) - reach, 0)
    high = np.minimum(middle.max(axis=0) + reach + 1, tissue.shape)
    if (high <= low).any():
        return
    size = high - low
    steps = torch.arange(-reach, reach + 1, device=tissue.device)
    at = [torch.from_numpy(m).to(tissue.device)[:, None] + steps for m in middle.T]
    away = [
        (a * SPACING_MM + float(o) - torch.from_numpy(c).to(tissue.device, torch.float32)[:, None]) ** 2
        for a, o, c in zip(at, origin, centres.T, strict=True)
    ]
    distance = (away[0][:, :, None, None] + 1.35**2 * away[1][:, None, :, None] + away[2][:, None, None]).sqrt()
    depth = torch.from_numpy(radii).to(tissue.device, torch.float32)[:, None, None, None] - distance
    inside = [((a >= int(lo)) & (a < int(hi))) for a, lo, hi in zip(at, low, high, strict=True)]
    kept = inside[0][:, :, None, None] & inside[1][:, None, :, None] & inside[2][:, None, None]
    local = [(a - int(lo)).clamp(0, int(n) - 1) for a, lo, n in zip(at, low, size, strict=True)]
    index = (local[0][:, :, None, None] * int(size[1]) + local[1][:, None, :, None]) * int(size[2])
    index = index + local[2][:, None, None]
    deepest = torch.full((int(size.prod()),), -1.0, device=tissue.device)
    deepest.scatter_reduce_(0, index.flatten(), torch.where(kept, depth, -1.0).flatten(), "amax")
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    deepest = deepest.view(*size.tolist())
    part = tissue[box]
    hard = (part >= TISSUE_ID["femur"]) & (part <= TISSUE_ID["patella"])
    hard |= part == TISSUE_ID["cartilage"]
    part.masked_fill_((deepest > 0) & ~hard, TISSUE_ID["osteophyte"])
    depth_mm[box] = torch.maximum(depth_mm[box], deepest.to(depth_mm.dtype))


def subchondral_thickening(
    template: AnatomyTemplate, parameters: KneeParameters, y: torch.Tensor, z: torch.Tensor, x: torch.Tensor
) -> torch.Tensor:
    """Extra thickness (mm) of the subchondral plate near each compartment, broadcast over y, z, x in mm."""
    extra = torch.zeros(torch.broadcast_shapes(y.shape, z.shape, x.shape), device=y.device)
    for side, size in parameters.sclerosis_mm.items():
        if size <= 0:
            continue
        yc, xc = template.compartment_mm[side]
        extra += size * torch.exp(-(((y - yc) / 16) ** 2) - ((x - xc) / 11) ** 2 - (z / 13) ** 4)
    return extra


def lose_cartilage(template: AnatomyTemplate, parameters: KneeParameters, tissue: torch.Tensor) -> None:
    """Joint fluid in place of the outer layers of cartilage, per compartment, in place."""
    if not parameters.cartilage_left:
        return
    index, depth, medial = on_device(template, tissue.device).cartilage
    left = torch.where(medial, parameters.cartilage_left["medial"], parameters.cartilage_left["lateral"])
    flat = tissue.view(-1)
    flat[index] = flat[index].masked_fill_(depth > left, TISSUE_ID["fluid"])


def extrude_menisci(template: AnatomyTemplate, parameters: KneeParameters, tissue: torch.Tensor) -> None:
    """Move the bodies of the menisci outwards (inwards for negative values), in place; fluid takes their place."""
    flat = tissue.view(-1)
    yields = torch.zeros(BYTE_VALUES, dtype=torch.bool)
    yields[_YIELDING] = True
    yields = yields.to(tissue.device)
    for side, outward in (("medial", 1), ("lateral", -1)):
        steps = round(parameters.extrusion_mm.get(side, 0.0) / SPACING_MM)
        own = on_device(template, tissue.device).meniscus[side]
        if steps == 0 or not len(own):
            continue
        moved = own + outward * steps
        gives_way = yields[flat[moved].long()]
        flat[own] = TISSUE_ID["fluid"]
        flat[moved] = flat[moved].masked_fill_(gives_way, TISSUE_ID["meniscus"])


# What a moved meniscus may push aside.
_YIELDING = [TISSUE_ID[t] for t in ("connective", "muscle", "fat", "tendon", "meniscus", "fluid", "vein", "artery")]


def pour_effusion(template: AnatomyTemplate, parameters: KneeParameters, tissue: torch.Tensor) -> None:
    """Fluid in the suprapatellar pouch and the recesses up to the drawn distance from the femur, in place."""
    tensors = on_device(template, tissue.device)
    count = int(np.searchsorted(tensors.recess_mm, parameters.effusion_mm))
    tissue.view(-1)[tensors.recess[:count]] = TISSUE_ID["fluid"]


def wear_plateau(template: AnatomyTemplate, parameters: KneeParameters, tissue: torch.Tensor) -> None:
    """Attrition: tibial bone above the sunken plateau becomes cartilage, in place."""
    if not any(parameters.attrition_mm.values()):
        return
    sunk = attrition_depth(template, parameters)
    floor = torch.from_numpy(np.where(sunk > 0.15, template.tibia_roof_mm + sunk, -np.inf).astype(np.float32))
    rows = slice(*((np.array((-6.0, 14.0)) - EXTENT_MM["z"][0]) / SPACING_MM).round().astype(int))
    z = torch.arange(rows.start, rows.stop, device=tissue.device) * SPACING_MM + EXTENT_MM["z"][0]
    part = tissue[:, rows]
    worn = z[None, :, None] < floor.to(tissue.device)[:, None]
    part.masked_fill_(worn & (part == TISSUE_ID["tibia"]), TISSUE_ID["cartilage"])


def hollow_cysts(
    template: AnatomyTemplate, parameters: KneeParameters, tissue: torch.Tensor, depth_mm: torch.Tensor
) -> None:
    """Subchondral cysts: balls of fluid in the tibia or the femur with a thin sclerotic rim, in place."""
    rng = np.random.default_rng([parameters.seed, 37])
    origin = np.array(template.origin_mm)
    for side, radius in parameters.cyst_mm.items():
        yc, xc = template.compartment_mm[side]
        in_tibia, dy, dx = rng.random() < 0.65, *rng.uniform((-9, -6), (9, 6))
        if radius <= 0:
            continue
        j, i = round((yc + dy - origin[0]) / SPACING_MM), round((xc + dx - origin[2]) / SPACING_MM)
        surface = template.tibia_roof_mm[j, i] if in_tibia else template.femur_floor_mm[j, i]
        centre = np.array((yc + dy, surface + (1 if in_tibia else -1) * (radius + 1.2), xc + dx))
        box, distance = distances_from(centre, radius + 1.0, origin, tissue)
        part = tissue[box]
        bone = (part >= TISSUE_ID["femur"]) & (part <= TISSUE_ID["patella"])
        part.masked_fill_(bone & (distance < radius), TISSUE_ID["fluid"])
        # a depth of zero is cortex
        depth_mm[box].masked_fill_(bone & (distance >= radius) & (distance < radius + 0.7), 0)


def distances_from(
    centre: np.ndarray, radius: float, origin: np.ndarray, tissue: torch.Tensor
) -> tuple[tuple[slice, ...], torch.Tensor]:
    """The box of voxels within ``radius`` mm of ``centre`` and their distances from it, mm, on the tissue's device."""
    low = np.maximum(np.floor((centre - radius - origin) / SPACING_MM).astype(int), 0)
    high = np.minimum(np.ceil((centre + radius - origin) / SPACING_MM).astype(int) + 1, tissue.shape)
    axes = [
        torch.arange(int(a), int(b), device=tissue.device) * SPACING_MM + float(o - c)
        for a, b, o, c in zip(low, high, origin, centre, strict=True)
    ]
    distance = (axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[2][None, None] ** 2).sqrt()
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True)), distance
