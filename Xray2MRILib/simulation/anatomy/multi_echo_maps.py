"""Tissue maps of a real knee from a sagittal multi-echo scan: read, oriented, and interpolated between its slices.

The maps are fat and water (signal at echo time zero), fluid, and T2 of water; bones come as a draft. Arrays are turned
to the simulator's axes: y from posterior to anterior, z from superior to inferior, x from lateral to medial.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import InputError
from .signed_distance import signed_distance
from .slice_interpolation import interpolate_slices

MAPS = ("water", "fat", "fluid", "t2_water_x4")
BONES = ("femur", "tibia", "patella", "fibula")  # labels 1 to 4 of the draft
SECTION_MM = 1.0  # distance of the interpolated sections
_REACH_MM = 30.0  # signed distances are clipped there, so that a bone may end between two slices


@dataclass
class MultiEchoMaps:
    """Maps [Y, Z, X] of one knee.

    Attributes
    ----------
    water, fat, fluid
        float32, signal at echo time zero, 0..225.
    t2_ms
        float32, T2 of water.
    bones_mm
        {bone: float32 signed distance}, a draft that leaks.
    spacing_mm
        Along y, z and x.
    """

    water: np.ndarray
    fat: np.ndarray
    fluid: np.ndarray
    t2_ms: np.ndarray
    bones_mm: dict[str, np.ndarray]
    spacing_mm: tuple[float, float, float]


def read_multi_echo(folder: Path) -> MultiEchoMaps:
    """Read ``folder`` (sagittal NRRD files, medial slice first, right knee) and interpolate it (about a minute).

    Raises InputError when a map is missing or not readable.
    """
    import SimpleITK as sitk

    arrays, spacing = {}, (1.0, 1.0, 1.0)
    for name in (*MAPS, "bones_draft_label"):
        try:
            image = sitk.ReadImage(str(folder / f"{name}.nrrd"))
        except RuntimeError as error:
            raise InputError(
                f"The folder {folder.name} has no readable map {name}.nrrd.",
                code="bad-tissue-maps",
                hint="It needs water, fat, fluid, t2_water_x4 and bones_draft_label (docs/image-templates.md).",
            ) from error
        arrays[name] = sitk.GetArrayFromImage(image).astype(np.float32)
        spacing = image.GetSpacing()
    pixel, _, pitch = spacing
    draft = arrays.pop("bones_draft_label")
    drafts = [
        np.stack([np.clip(signed_distance(section == value, pixel), -_REACH_MM, _REACH_MM) for section in draft])
        for value in range(1, len(BONES) + 1)
    ]
    guide = np.clip(arrays["fat"], 0, 160) - 1.3 * np.clip(arrays["water"], 0, 110)
    maps, _ = interpolate_slices([*arrays.values(), *drafts], guide, pitch, SECTION_MM)
    turned = [_turned(m) for m in maps]
    named = dict(zip(MAPS, turned, strict=False))
    return MultiEchoMaps(
        named["water"], named["fat"], named["fluid"], named["t2_water_x4"] / 4,
        dict(zip(BONES, turned[len(MAPS):], strict=True)), (pixel, pixel, SECTION_MM),
    )  # fmt: skip


def _turned(sagittal: np.ndarray) -> np.ndarray:
    """[sections from medial, rows from superior, columns from anterior] to [y, z, x]."""
    return np.ascontiguousarray(sagittal[::-1].transpose(2, 1, 0)[::-1])
