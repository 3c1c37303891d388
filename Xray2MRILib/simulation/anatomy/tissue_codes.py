"""Tissue codes of the second-generation templates: those of the first, and four that it lacks."""

from __future__ import annotations

from .tissue_classes import BONES, TISSUES

CODES = (*TISSUES, "ligament", "synovium", "subcutaneous", "skin")
CODE = {name: index for index, name in enumerate(CODES)}
BYTE_VALUES = 256  # codes and T2 are stored as bytes
BONE_CODES = tuple(CODE[name] for name in BONES)
# What a code is for the parts of the simulator that know the sixteen tissues only.
FIRST_GENERATION = {"ligament": "tendon", "synovium": "connective", "subcutaneous": "fat", "skin": "connective"}
