"""Two templates compared value by value, with all that is worked out from them."""

from __future__ import annotations

import numpy as np
import torch

from Xray2MRILib.simulation.anatomy import shape_variation
from Xray2MRILib.simulation.anatomy.bone_fields import bone_fields
from Xray2MRILib.simulation.anatomy.image_template import ImageTemplate

VOXELS = ("code", "water", "fat", "t2_ms", "structure")
FIELDS = ("tissue", "bone_depth_mm", "outside_mm", "femur_floor_mm", "tibia_roof_mm")
FACTS = ("name", "plateau_mm", "compartment_mm", "slope_deg", "flexion_axis_mm")
REGIONS = ("code", "radiograph_boxes", "cartilage", "meniscus", "recess", "away_from_bone",
           "beside_bones", "patella_mm")  # fmt: skip


def check_same(found: ImageTemplate, wanted: ImageTemplate) -> None:
    """Everything that a knee may ask of a template."""
    for name in VOXELS:
        check_equal(getattr(found, name), getattr(wanted, name), name)
    for name in (*FIELDS, *FACTS):
        check_equal(getattr(found.anatomy, name), getattr(wanted.anatomy, name), name)
    assert list(found.anatomy.margins_mm) == list(wanted.anatomy.margins_mm)
    for site, points in wanted.anatomy.margins_mm.items():
        check_equal(found.anatomy.margins_mm[site], points, site)
    for name in REGIONS:
        check_equal(getattr(found.anatomy.regions, name), getattr(wanted.anatomy.regions, name), name)
    for name in ("index", "y", "z", "x", "of_tibia"):
        check_equal(getattr(found.anatomy.regions.bones, name), getattr(wanted.anatomy.regions.bones, name), name)
    for name in ("depth_mm", "joint_mm", "is_patella"):
        assert torch.equal(getattr(bone_fields(found.anatomy), name), getattr(bone_fields(wanted.anatomy), name)), name
    check_equal(shape_variation.template_modes(found.anatomy), shape_variation.template_modes(wanted.anatomy), "modes")


def check_equal(found: object, wanted: object, name: str) -> None:
    if isinstance(wanted, tuple) and wanted and isinstance(wanted[0], np.ndarray):
        for one, other in zip(found, wanted, strict=True):  # type: ignore[call-overload]
            check_equal(one, other, name)
    elif isinstance(wanted, np.ndarray):
        assert isinstance(found, np.ndarray), name
        assert found.dtype == wanted.dtype, name
        assert np.array_equal(found, wanted), name
    else:
        assert found == wanted, name
