"""Bone-marrow lesions: ill-defined places under the joint surface where water has taken part of the marrow's fat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from .anatomy_template import AnatomyTemplate
from .knee_parameters import KneeParameters
from .osteoarthritis import distances_from
from .template_tensors import on_device
from .tissue_classes import SPACING_MM

MOST_WATER = 0.85  # of the marrow's fat is replaced in a lesion's middle
_SOFT = 1.7  # the lesion has faded out at this many radii


@dataclass
class MarrowLesion:
    """Share of the marrow's fat, 0..1, that water has replaced: float32 [y, z, x] within ``box`` of the template."""

    box: tuple[slice, ...]
    share: torch.Tensor


def marrow_lesions(
    template: AnatomyTemplate, parameters: KneeParameters, device: torch.device | str = "cpu"
) -> list[MarrowLesion]:
    """The lesions of one knee. Their outlines are drawn out and dented by smooth noise, so that none is a ball.

    ``parameters.marrow_lesion_mm`` holds the radius at each site (``femur_medial`` ...), 0 for none.
    """
    found = []
    rng = np.random.default_rng([parameters.seed, 67])
    origin = np.array(template.origin_mm)
    tissue = on_device(template, device).tissue
    for site, radius in sorted(parameters.marrow_lesion_mm.items()):
        bone, side = site.split("_")
        dy, dx = rng.uniform((-11, -6), (11, 6))
        stretch, seed = rng.uniform(0.75, 1.35, 3), int(rng.integers(2**31))
        if radius <= 0:
            continue
        yc, xc = template.compartment_mm[side]
        j, i = round((yc + dy - origin[0]) / SPACING_MM), round((xc + dx - origin[2]) / SPACING_MM)
        surface = template.tibia_roof_mm[j, i] if bone == "tibia" else template.femur_floor_mm[j, i]
        # a third of the radius deep: the lesion reaches the subchondral plate
        centre = np.array((yc + dy, surface + (0.35 if bone == "tibia" else -0.35) * radius, xc + dx))
        box, distance = distances_from(centre, _SOFT * radius * float(stretch.max()), origin, tissue)
        axes = [
            (torch.arange(s.start, s.stop, device=distance.device) * SPACING_MM + float(o - c)) / (radius * float(k))
            for s, o, c, k in zip(box, origin, centre, stretch, strict=True)
        ]
        away = (axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[2][None, None] ** 2).sqrt()
        share = torch.sigmoid((0.9 - away * (1 + 0.28 * _noise(away.shape, seed).to(away.device))) * 3.6)
        found.append(MarrowLesion(box, MOST_WATER * share * (away < _SOFT)))
    return found


def _noise(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    """Smooth noise of unit variance, correlated over about 3 mm, float32 ``shape``."""
    from scipy import ndimage

    values = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape, dtype=np.float32), 2.4)
    return torch.from_numpy(values / max(float(values.std()), 1e-6))


def replace_fat(
    water: torch.Tensor, fat: torch.Tensor, bone: torch.Tensor, lesions: list[MarrowLesion],
    box: tuple[slice, ...], signal: float,
) -> None:  # fmt: skip
    """Water in place of fat within ``bone`` (bool), in place; all lie in ``box`` of the template's grid.

    ``signal`` is what a voxel of the lesion's water alone gives.
    """
    for lesion in lesions:
        low = [max(a.start, b.start) for a, b in zip(lesion.box, box, strict=True)]
        high = [min(a.stop, b.stop) for a, b in zip(lesion.box, box, strict=True)]
        if any(h <= lo for lo, h in zip(low, high, strict=True)):
            continue
        here = tuple(slice(lo - b.start, h - b.start) for lo, h, b in zip(low, high, box, strict=True))
        there = tuple(slice(lo - b.start, h - b.start) for lo, h, b in zip(low, high, lesion.box, strict=True))
        share = lesion.share[there] * bone[here]
        water[here] += share * (signal - water[here])
        fat[here] *= 1 - share
