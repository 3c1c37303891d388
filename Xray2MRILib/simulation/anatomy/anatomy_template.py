"""The smooth right-knee template, made from a label map of a real knee, that the simulator deforms.

Template axes are (y, z, x) in millimetres about the joint centre: y grows from posterior to anterior (the depth axis of
the paper), z from superior to inferior (image rows), x from the patient's right to left (image columns of a right knee,
so the lateral side has x < 0). A left knee is mirrored on loading (A22).
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ...files.atomic_write import writing_error
from .template_regions import TemplateRegions
from .tissue_classes import BONES, EXTENT_MM, MAX_OUTSIDE_MM, SPACING_MM, TISSUE_ID, TISSUES

__all__ = [
    "BONES", "EXTENT_MM", "MAX_OUTSIDE_MM", "SPACING_MM", "TISSUES", "TISSUE_ID", "AnatomyTemplate", "template_axes",
]  # fmt: skip


@dataclass
class AnatomyTemplate:
    """Isotropic right-knee template, arrays indexed [y, z, x].

    Attributes
    ----------
    tissue
        uint8 [Y, Z, X], values index ``TISSUES``; everything inside the fascia that has no label is ``connective``.
    bone_depth_mm
        float16 [Y, Z, X], distance to the bone surface inside bone, 0 elsewhere.
    outside_mm
        float16 [Y, Z, X], distance outside the fascia envelope, 0 inside; fat and skin are laid there per knee.
    femur_floor_mm, tibia_roof_mm
        float32 [Y, X], smooth heights (z) of the lower femoral and the upper tibial bone surface over the plateau.
    plateau_mm
        Medial-lateral extent (x_lateral, x_medial) of the tibial plateau.
    compartment_mm
        {"medial": (y, x), "lateral": (y, x)}: centres of the tibial cartilage of each compartment.
    margins_mm
        {site: float32 [N, 3]} points (y, z, x) on the joint margins where osteophytes grow.
    slope_deg
        Tilt about x that lays the y axis into the tibial plateau (its posterior slope).
    flexion_axis_mm
        (y, z) of the medial-lateral axis through the centres of the posterior condyles.
    """

    name: str
    tissue: np.ndarray
    bone_depth_mm: np.ndarray
    outside_mm: np.ndarray
    femur_floor_mm: np.ndarray
    tibia_roof_mm: np.ndarray
    plateau_mm: tuple[float, float]
    compartment_mm: dict[str, tuple[float, float]]
    margins_mm: dict[str, np.ndarray]
    slope_deg: float = 0.0
    flexion_axis_mm: tuple[float, float] = (-8.0, -24.0)

    @cached_property
    def regions(self) -> TemplateRegions:
        """Voxel lists and fields of this template, worked out on first use."""
        return TemplateRegions(self)

    @property
    def origin_mm(self) -> tuple[float, float, float]:
        """(y, z, x) of voxel (0, 0, 0)."""
        return EXTENT_MM["y"][0], EXTENT_MM["z"][0], EXTENT_MM["x"][0]

    def save(self, path: Path) -> None:
        """Write as a compressed .npz (arrays only, no pickles). Raises ProcessingError when the disk is full."""
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp.npz")
        margins: dict[str, Any] = {f"margin_{site}": points for site, points in self.margins_mm.items()}
        try:
            np.savez_compressed(
                temporary, name=self.name, tissue=self.tissue, bone_depth_mm=self.bone_depth_mm,
                outside_mm=self.outside_mm, femur_floor_mm=self.femur_floor_mm, tibia_roof_mm=self.tibia_roof_mm,
                plateau_mm=self.plateau_mm, compartment_medial=self.compartment_mm["medial"],
                compartment_lateral=self.compartment_mm["lateral"], slope_deg=self.slope_deg,
                flexion_axis_mm=self.flexion_axis_mm, **margins,
            )  # fmt: skip
            temporary.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise writing_error(error, path) from error

    @classmethod
    def load(cls, path: Path) -> AnatomyTemplate:
        """Read what ``save`` wrote."""
        with np.load(path, allow_pickle=False) as data:
            return cls(
                str(data["name"]), data["tissue"], data["bone_depth_mm"], data["outside_mm"], data["femur_floor_mm"],
                data["tibia_roof_mm"], _pair(data["plateau_mm"]),
                {c: _pair(data[f"compartment_{c}"]) for c in ("medial", "lateral")},
                {key[7:]: data[key] for key in data.files if key.startswith("margin_")},
                float(data["slope_deg"]), _pair(data["flexion_axis_mm"]),
            )  # fmt: skip


def _pair(stored: np.ndarray) -> tuple[float, float]:
    first, second = stored
    return float(first), float(second)


def template_axes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates in mm of the template's voxel centres along y, z and x."""
    y, z, x = (np.arange(lo, hi + 1e-6, SPACING_MM, dtype=np.float32) for lo, hi in EXTENT_MM.values())
    return y, z, x
