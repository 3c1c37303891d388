"""Osteophytes, sclerosis, cysts, attrition, cartilage loss, extrusion and effusion in one knee's template."""

from __future__ import annotations

import numpy as np

from .anatomy_template import AnatomyTemplate
from .deformation import attrition_depth
from .knee_parameters import KneeParameters
from .tissue_classes import EXTENT_MM, SPACING_MM, TISSUE_ID


def grow_osteophytes(
    template: AnatomyTemplate, parameters: KneeParameters, tissue: np.ndarray, depth_mm: np.ndarray
) -> None:
    """Add osteophytes to ``tissue`` and ``depth_mm`` in place.

    Along a random stretch of each joint margin, spheroids of the drawn size (mm) replace soft tissue; depth below their
    surface goes to ``depth_mm`` so that they get a thin cortex and no cortex remains at their base.
    """
    rng = np.random.default_rng([parameters.seed, 13])
    origin = np.array(template.origin_mm)
    for site, size in parameters.osteophyte_mm.items():
        points = template.margins_mm[site]
        if size < 0.5 or len(points) < 4:
            continue
        length = max(4, int(len(points) * rng.uniform(0.35, 0.8)))
        first = int(rng.integers(0, len(points) - length + 1))
        outward = -1.0 if site.endswith("lateral") else 1.0
        for k, point in enumerate(points[first : first + length]):
            taper = np.sin(np.pi * (k + 0.7) / (length + 0.4))
            radius = size * taper * rng.uniform(0.8, 1.15) + 0.6
            toward_joint = 1.0 if site.startswith("femur") else -1.0
            centre = point + np.array([0, toward_joint * 0.35 * radius, outward * 0.15 * radius])
            _sphere(centre, radius, origin, tissue, depth_mm)


def _sphere(centre: np.ndarray, radius: float, origin: np.ndarray, tissue: np.ndarray, depth_mm: np.ndarray) -> None:
    low = np.maximum(np.floor((centre - radius - origin) / SPACING_MM).astype(int), 0)
    high = np.minimum(np.ceil((centre + radius - origin) / SPACING_MM).astype(int) + 1, tissue.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    axes = [np.arange(a, b) * SPACING_MM + o - c for a, b, o, c in zip(low, high, origin, centre, strict=True)]
    distance = np.sqrt(axes[0][:, None, None] ** 2 + (1.35 * axes[1][None, :, None]) ** 2 + axes[2][None, None] ** 2)
    depth = radius - distance
    if depth.size == 0:
        return
    local = tissue[box]
    bone = (local >= TISSUE_ID["femur"]) & (local <= TISSUE_ID["patella"])
    grown = (depth > 0) & ~bone & (local != TISSUE_ID["cartilage"]) & (local != TISSUE_ID["osteophyte"])
    local[grown] = TISSUE_ID["osteophyte"]
    depth_mm[box] = np.maximum(depth_mm[box], depth)


def subchondral_thickening(
    template: AnatomyTemplate, parameters: KneeParameters, y: np.ndarray, z: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """Extra thickness (mm) of the subchondral plate near each compartment, broadcast over y, z, x grids."""
    extra = np.zeros(np.broadcast_shapes(y.shape, z.shape, x.shape), np.float32)
    for side, size in parameters.sclerosis_mm.items():
        if size <= 0:
            continue
        yc, xc = template.compartment_mm[side]
        extra += size * np.exp(-(((y - yc) / 16) ** 2) - ((x - xc) / 11) ** 2 - (z / 13) ** 4)
    return extra


def lose_cartilage(template: AnatomyTemplate, parameters: KneeParameters, tissue: np.ndarray) -> None:
    """Joint fluid in place of the outer layers of cartilage, per compartment, in place."""
    if not parameters.cartilage_left:
        return
    index, depth, medial = template.regions.cartilage
    left = np.where(medial, parameters.cartilage_left["medial"], parameters.cartilage_left["lateral"])
    tissue.reshape(-1)[index[depth > left]] = TISSUE_ID["fluid"]


def extrude_menisci(template: AnatomyTemplate, parameters: KneeParameters, tissue: np.ndarray) -> None:
    """Move the bodies of the menisci outwards (inwards for negative values), in place; fluid takes their place."""
    index, medial = template.regions.meniscus
    flat = tissue.reshape(-1)
    for side, outward in (("medial", 1), ("lateral", -1)):
        steps = round(parameters.extrusion_mm.get(side, 0.0) / SPACING_MM)
        own = index[medial == (side == "medial")]
        if steps == 0 or not len(own):
            continue
        moved = own + outward * steps
        moved = moved[np.isin(flat[moved], _YIELDING)]
        flat[own] = TISSUE_ID["fluid"]
        flat[moved] = TISSUE_ID["meniscus"]


# What a moved meniscus may push aside.
_YIELDING = [TISSUE_ID[t] for t in ("connective", "muscle", "fat", "tendon", "meniscus", "fluid", "vein", "artery")]


def pour_effusion(template: AnatomyTemplate, parameters: KneeParameters, tissue: np.ndarray) -> None:
    """Fluid in the suprapatellar pouch and the recesses up to the drawn distance from the femur, in place."""
    index, distance = template.regions.recess
    count = int(np.searchsorted(distance, parameters.effusion_mm))
    tissue.reshape(-1)[index[:count]] = TISSUE_ID["fluid"]


def wear_plateau(template: AnatomyTemplate, parameters: KneeParameters, tissue: np.ndarray) -> None:
    """Attrition: tibial bone above the sunken plateau becomes cartilage, in place."""
    if not any(parameters.attrition_mm.values()):
        return
    sunk = attrition_depth(template, parameters)
    roof = template.tibia_roof_mm
    rows = slice(*((np.array((-6.0, 14.0)) - EXTENT_MM["z"][0]) / SPACING_MM).round().astype(int))
    z = np.arange(rows.start, rows.stop) * SPACING_MM + EXTENT_MM["z"][0]
    worn = (z[None, :, None] < (roof + sunk)[:, None]) & (sunk > 0.15)[:, None]
    part = tissue[:, rows]
    part[worn & (part == TISSUE_ID["tibia"])] = TISSUE_ID["cartilage"]


def hollow_cysts(
    template: AnatomyTemplate, parameters: KneeParameters, tissue: np.ndarray, depth_mm: np.ndarray
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
        box, distance = _distances(centre, radius + 1.0, origin, tissue.shape)
        local = tissue[box]
        bone = (local >= TISSUE_ID["femur"]) & (local <= TISSUE_ID["patella"])
        local[bone & (distance < radius)] = TISSUE_ID["fluid"]
        # a depth of zero is cortex
        depth_mm[box][bone & (distance >= radius) & (distance < radius + 0.7)] = 0


def _distances(
    centre: np.ndarray, radius: float, origin: np.ndarray, shape: tuple[int, ...]
) -> tuple[tuple[slice, ...], np.ndarray]:
    """The box of voxels within ``radius`` mm of ``centre`` and their distances from it, mm."""
    low = np.maximum(np.floor((centre - radius - origin) / SPACING_MM).astype(int), 0)
    high = np.minimum(np.ceil((centre + radius - origin) / SPACING_MM).astype(int) + 1, shape)
    axes = [np.arange(a, b) * SPACING_MM + o - c for a, b, o, c in zip(low, high, origin, centre, strict=True)]
    distance = np.sqrt(axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[2][None, None] ** 2)
    return tuple(slice(a, b) for a, b in zip(low, high, strict=True)), distance
