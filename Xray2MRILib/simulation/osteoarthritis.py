"""Osteophytes and subchondral sclerosis, laid into the template of one knee."""

from __future__ import annotations

import numpy as np

from .anatomy_template import SPACING_MM, TISSUE_ID, AnatomyTemplate
from .knee_parameters import KneeParameters


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
    local = tissue[box]
    bone = (local >= TISSUE_ID["femur"]) & (local <= TISSUE_ID["patella"])
    grown = (depth > 0) & ~bone & (local != TISSUE_ID["cartilage"]) & (local != TISSUE_ID["osteophyte"])
    local[grown] = TISSUE_ID["osteophyte"]
    depth_mm[box] = np.maximum(depth_mm[box], depth)


def subchondral_thickening(
    template: AnatomyTemplate, parameters: KneeParameters, y: np.ndarray, z: np.ndarray, x: np.ndarray
) -> np.ndarray:
    """Extra thickness (mm) of the subchondral plate near each compartment, broadcast over y, z, x grids."""
    extra = 0.0
    for side, size in parameters.sclerosis_mm.items():
        if size <= 0:
            continue
        yc, xc = template.compartment_mm[side]
        extra = extra + size * np.exp(-(((y - yc) / 16) ** 2) - ((x - xc) / 11) ** 2 - (z / 13) ** 4)
    return extra
