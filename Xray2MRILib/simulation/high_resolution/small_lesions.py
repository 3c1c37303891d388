"""Small lesions below a clinical scan's resolution, for counting what a method loses and invents.

Every knee has the same number of places. In half of the knees they hold a lesion; in the others they are empty, so
that a method that draws lesions where there are none is found out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from ..anatomy.anatomy_template import AnatomyTemplate
from ..anatomy.deformation import KneeDeformation
from ..anatomy.tissue_classes import EXTENT_MM, SPACING_MM
from ..anatomy.tissue_codes import CODE
from ..anatomy.tissue_volume import TissueVolume
from ..mr.flash_mri import ScanGeometry, field_axes
from ..mr.property_tables import property_tables
from ..pairs.image_knee import ImageKnee

# Diameter of each kind in mm.
DIAMETER_MM = {"cyst": (1.2, 2.0), "cartilage_defect": (0.6, 1.2), "osteophyte": (1.0, 1.6)}
PLACES_PER_KIND = 2
_BELOW_PLATE_MM = 0.8  # bone between a cyst and the joint
_SURFACE_SHARE = 0.75  # of the cartilage's thickness, from where on a place lies at its surface
_NEAREST_MM = 4.0  # between two places
_FOUND_MM = 0.3  # largest error of a place


@dataclass(frozen=True)
class SmallLesion:
    """A ball of other tissue.

    Attributes
    ----------
    kind
        Key of ``DIAMETER_MM``.
    template_mm
        Its centre in the template, (y, z, x).
    radius_mm
        Half of its diameter.
    voxel
        Its centre in the volume, (slice, row, column), not rounded; None before ``with_places``.
    painted
        Whether the volume holds it.
    """

    kind: str
    template_mm: tuple[float, float, float]
    radius_mm: float
    voxel: tuple[float, float, float] | None = None
    painted: bool = False

    def painted_one(self) -> SmallLesion:
        """The same, painted."""
        return replace(self, painted=True)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able dictionary."""
        return asdict(self)


def draw_small_lesions(template: AnatomyTemplate, seed: int) -> list[SmallLesion]:
    """Places and sizes of one knee's small lesions, at most ``PLACES_PER_KIND`` of a kind."""
    rng = np.random.default_rng([seed, 83])
    found: list[SmallLesion] = []
    for kind, (least, most) in DIAMETER_MM.items():
        for _ in range(PLACES_PER_KIND):
            radius = float(rng.uniform(least, most)) / 2
            centre = _PLACES[kind](template, radius, rng)
            away = [np.linalg.norm(np.subtract(centre, other.template_mm)) for other in found]
            if min(away, default=np.inf) > _NEAREST_MM:
                y, z, x = (float(c) for c in centre)
                found.append(SmallLesion(kind, (y, z, x), radius))
    return found


def _in_bone(template: AnatomyTemplate, radius: float, rng: np.random.Generator) -> np.ndarray:
    """Below the joint surface of tibia or femur."""
    side = ("medial", "lateral")[int(rng.integers(2))]
    (yc, xc), tibia = template.compartment_mm[side], rng.random() < 0.5
    y, x = yc + rng.uniform(-9, 9), xc + rng.uniform(-6, 6)
    j, i = (round((v - EXTENT_MM[axis][0]) / SPACING_MM) for v, axis in ((y, "y"), (x, "x")))
    surface = (template.tibia_roof_mm if tibia else template.femur_floor_mm)[j, i]
    return np.array((y, surface + (1 if tibia else -1) * (radius + _BELOW_PLATE_MM), x))


def _on_cartilage(template: AnatomyTemplate, radius: float, rng: np.random.Generator) -> np.ndarray:
    """On the surface of the cartilage."""
    index, depth, _ = template.regions.cartilage
    surface = index[depth > _SURFACE_SHARE]
    chosen = np.unravel_index(int(surface[rng.integers(len(surface))]), template.tissue.shape)
    return np.array([int(c) * SPACING_MM + low for c, (low, _) in zip(chosen, EXTENT_MM.values(), strict=True)])


def _on_margin(template: AnatomyTemplate, radius: float, rng: np.random.Generator) -> np.ndarray:
    """On a joint margin, half outside the bone."""
    points = np.concatenate([points for _, points in sorted(template.margins_mm.items()) if len(points)])
    return points[rng.integers(len(points))].astype(float)


_PLACES = {"cyst": _in_bone, "cartilage_defect": _on_cartilage, "osteophyte": _on_margin}


def with_places(lesions: list[SmallLesion], deformation: KneeDeformation, geometry: ScanGeometry) -> list[SmallLesion]:
    """The lesions with their ``voxel``; those that the field does not hold are left out."""
    if not lesions:
        return []
    target = torch.tensor([lesion.template_mm for lesion in lesions], device=deformation.device)
    point = target.clone()
    for _ in range(24):  # the inverse of the map from the knee to its template, by fixed-point iteration
        point = point + 0.8 * (target - deformation.open_joint(deformation.shape(point))) * deformation.scale
    missed = (deformation.open_joint(deformation.shape(point)) - target).norm(dim=-1)
    axes = field_axes(deformation.p, geometry=geometry)
    steps = (geometry.pitch_mm, geometry.pixel_mm, geometry.pixel_mm)
    kept = []
    for lesion, where, error in zip(lesions, point.cpu(), missed.cpu(), strict=True):
        voxel = [float((w - axis[0]) / step) for w, axis, step in zip(where, axes, steps, strict=True)]
        inside = all(4 <= v <= len(axis) - 5 for v, axis in zip(voxel, axes, strict=True))
        if inside and float(error) < _FOUND_MM:
            kept.append(replace(lesion, voxel=(voxel[0], voxel[1], voxel[2])))
    return kept


def paint(signal: TissueVolume, lesions: list[SmallLesion], knee: ImageKnee) -> None:
    """Put the lesions into the template's signal, in place; voxels at their surface hold a part of them."""
    tables = property_tables(
        knee.parameters.seed, knee.scan.fat_residue, knee.scan.inflow, marrow_t2star_ms=knee.scan.marrow_t2star_ms
    )
    plain = tables.plain_water + tables.plain_fat
    level = {
        "cyst": float(plain[CODE["fluid"]]),
        "cartilage_defect": float(plain[CODE["fluid"]]),
        "osteophyte": float(plain[CODE["osteophyte"]]),
    }
    for lesion in lesions:
        reach = lesion.radius_mm + SPACING_MM
        box, axes = [], []
        for centre, low, size in zip(lesion.template_mm, signal.low_mm, signal.values.shape, strict=True):
            first = max(int(np.floor((centre - reach - low) / SPACING_MM)), 0)
            last = min(int(np.ceil((centre + reach - low) / SPACING_MM)) + 1, size)
            box.append(slice(first, max(last, first)))
            axes.append(torch.arange(first, max(last, first), device=signal.values.device) * SPACING_MM + low - centre)
        away = (axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[2][None, None] ** 2).sqrt()
        share = (0.5 + (lesion.radius_mm - away) / SPACING_MM).clamp(0, 1)
        part = signal.values[tuple(box)]
        part += share * (level[lesion.kind] - part)
