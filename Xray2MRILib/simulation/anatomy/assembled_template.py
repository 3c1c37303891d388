"""An image template with all that is worked out from it for its knees, as plain arrays that processes can share."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...files.array_cache import digest_of, versions_of
from .anatomy_template import AnatomyTemplate
from .bone_fields import smooth_depth
from .image_template import ImageTemplate, first_generation
from .shape_variation import template_modes
from .template_regions import TemplateRegions

_VOXELS = ("code", "water", "fat", "t2_ms", "structure")
_ANATOMY = ("outside_mm", "femur_floor_mm", "tibia_roof_mm")
_REGIONS = ("cartilage", "meniscus", "recess")  # each a tuple of arrays
_FIELDS = ("away_from_bone", "beside_bones")


def code_digest() -> str:
    """Digits that change with any source file that templates are made by, and with the packages that compute."""
    return digest_of(sorted(Path(__file__).parent.glob("*.py")), versions_of("numpy", "scipy", "torch", "pillow"))


def to_arrays(template: ImageTemplate) -> dict[str, np.ndarray]:
    """The template, its regions, the depths in its bones and its shape modes, without what is quick to work out."""
    anatomy, regions = template.anatomy, template.anatomy.regions
    arrays = {name: getattr(template, name) for name in _VOXELS if getattr(template, name) is not None}
    arrays |= {name: getattr(anatomy, name) for name in _ANATOMY}
    arrays |= {f"margin_{site}": points for site, points in anatomy.margins_mm.items()}
    if not np.array_equal(anatomy.tissue, first_generation(template.code)):
        arrays["tissue"] = anatomy.tissue
    inside = anatomy.bone_depth_mm.reshape(-1)[regions.bones.index]
    if np.count_nonzero(inside) == np.count_nonzero(anatomy.bone_depth_mm):
        arrays["bone_depth"] = inside
    else:
        arrays["bone_depth_mm"] = anatomy.bone_depth_mm
    for name in _REGIONS:
        arrays |= {f"{name}_{k}": part for k, part in enumerate(getattr(regions, name))}
    arrays |= {name: getattr(regions, name) for name in _FIELDS}
    arrays["smooth_depth"], arrays["modes_mm"] = smooth_depth(anatomy), template_modes(anatomy)
    facts = {
        "name": anatomy.name, "plateau_mm": anatomy.plateau_mm, "compartment_mm": anatomy.compartment_mm,
        "slope_deg": anatomy.slope_deg, "flexion_axis_mm": anatomy.flexion_axis_mm, "patella_mm": regions.patella_mm,
        "sites": list(anatomy.margins_mm),
    }  # fmt: skip
    arrays["facts"] = np.frombuffer(json.dumps(facts).encode(), np.uint8)
    return arrays


def from_arrays(arrays: Mapping[str, np.ndarray]) -> ImageTemplate:
    """The template of ``to_arrays``, value by value the same."""
    facts: dict[str, Any] = json.loads(bytes(arrays["facts"]))
    code = arrays["code"]
    tissue = arrays["tissue"] if "tissue" in arrays else first_generation(code)
    anatomy = AnatomyTemplate(
        name=facts["name"], tissue=tissue, bone_depth_mm=np.zeros(0, np.float16),
        **{name: arrays[name] for name in _ANATOMY},
        plateau_mm=_pair(facts["plateau_mm"]),
        compartment_mm={side: _pair(place) for side, place in facts["compartment_mm"].items()},
        margins_mm={site: arrays[f"margin_{site}"] for site in facts["sites"]},
        slope_deg=facts["slope_deg"], flexion_axis_mm=_pair(facts["flexion_axis_mm"]),
    )  # fmt: skip
    regions = anatomy.regions
    if "bone_depth" in arrays:
        depth = np.zeros(code.shape, np.float16)
        depth.reshape(-1)[regions.bones.index] = arrays["bone_depth"]
    else:
        depth = arrays["bone_depth_mm"]
    anatomy.bone_depth_mm = depth
    _restore(regions, arrays, facts)
    anatomy.__dict__["_smooth_depth"], anatomy.__dict__["_modes_mm"] = arrays["smooth_depth"], arrays["modes_mm"]
    return ImageTemplate(anatomy, *(arrays.get(name) for name in _VOXELS))  # type: ignore[arg-type]


def _restore(regions: TemplateRegions, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Set the regions that are kept, as if they had been asked for before."""
    for name in _REGIONS:
        parts: list[np.ndarray] = []
        while f"{name}_{len(parts)}" in arrays:
            parts.append(arrays[f"{name}_{len(parts)}"])
        regions.__dict__[name] = tuple(parts)
    for name in _FIELDS:
        regions.__dict__[name] = arrays[name]
    regions.__dict__["patella_mm"] = None if facts["patella_mm"] is None else tuple(facts["patella_mm"])


def _pair(values: list[float]) -> tuple[float, float]:
    first, second = values
    return float(first), float(second)
