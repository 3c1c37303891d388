"""The simulator's tissues and the grid of its templates."""

from __future__ import annotations

from ...volume.geometry import OAI_FIELD

# Tissues that the signal and attenuation tables know; the order is the label value in the template.
TISSUES = (
    "outside", "connective", "muscle", "fat", "tendon", "nerve", "artery", "vein", "meniscus", "cartilage",
    "femur", "tibia", "fibula", "patella", "fluid", "osteophyte",
)  # fmt: skip
TISSUE_ID = {name: index for index, name in enumerate(TISSUES)}
BONES = ("femur", "tibia", "fibula", "patella")

SPACING_MM = OAI_FIELD.pixel_mm
EXTENT_MM = {"y": (-68.0, 74.0), "z": (-112.0, 84.0), "x": (-92.0, 92.0)}
WARP_SPACING_MM = 9.0  # of the lattice that smooth displacements are given on
MAX_OUTSIDE_MM = 45.0
