"""Outlines, lending knees and the maps between them as small files, for shipping and for the user's cache."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np

from ...files.atomic_write import writing_error
from .image_template import ImageTemplate
from .lent_soft_tissue import Donor
from .outline import Outline
from .outline_registration import SoftTissueMap, node_points
from .packed_arrays import packed, unpacked
from .template_geometry import template_geometry
from .template_regions import grid_shape

_QUALITY = 92  # of water and fat: 1 % of pure water in the root mean square
_OUTSIDE_STEP_MM, _OUTSIDE_STRIDE = 0.2, 4
_MAP_STEP_MM = 0.05
_SIDES = ("medial", "lateral")


def save_outline(outline: Outline, path: Path) -> None:
    """Write an outline. Raises ProcessingError when the disk is full."""
    _write(path, name=outline.name, code=packed(outline.code), ends_mm=outline.ends_mm,
           slope_deg=outline.slope_deg, **_compartments(outline.compartment_mm))  # fmt: skip


def load_outline(path: Path) -> Outline:
    """Read what ``save_outline`` wrote."""
    with np.load(path, allow_pickle=False) as data:
        ends = data["ends_mm"]
        return Outline(
            str(data["name"]), unpacked(data["code"], grid_shape()), (float(ends[0]), float(ends[1])),
            _of_compartments(data), float(data["slope_deg"]),
        )  # fmt: skip


def save_donor(donor: Donor, path: Path) -> None:
    """Write a lending knee: codes without loss, densities nearly so. Raises ProcessingError when the disk is full."""
    template = donor.template
    body = template.code > 0
    anatomy = template.anatomy
    water, fat, t2_ms = (np.where(body, values, 0) for values in (template.water, template.fat, template.t2_ms))
    outside = anatomy.outside_mm[::_OUTSIDE_STRIDE, ::_OUTSIDE_STRIDE, ::_OUTSIDE_STRIDE].astype(np.float32)
    steps = np.round(outside / _OUTSIDE_STEP_MM).clip(0, 255).astype(np.uint8)
    named: dict[str, Any] = (
        {} if template.structure is None else {"structure": packed(np.where(body, template.structure, 0))}
    )
    _write(
        path, name=template.name, code=packed(template.code), t2_ms=packed(t2_ms), **named,
        water=packed(water, _QUALITY), fat=packed(fat, _QUALITY),
        outside=packed(steps), bare_cortex=donor.bare_cortex, slope_deg=anatomy.slope_deg,
        **_compartments(anatomy.compartment_mm),
    )  # fmt: skip


def load_donor(path: Path) -> Donor:
    """Read what ``save_donor`` wrote; the geometry is worked out again (some seconds)."""
    shape = grid_shape()
    with np.load(path, allow_pickle=False) as data:
        code, t2_ms, water, fat = (unpacked(data[name], shape) for name in ("code", "t2_ms", "water", "fat"))
        structure = unpacked(data["structure"], shape) if "structure" in data.files else None
        outside = unpacked(data["outside"], tuple(-(-n // _OUTSIDE_STRIDE) for n in shape))
        name, bare, slope = str(data["name"]), bool(data["bare_cortex"]), float(data["slope_deg"])
        compartments = _of_compartments(data)
    distance = _fine(outside.astype(np.float32) * np.float32(_OUTSIDE_STEP_MM), shape)
    # codes say exactly what lies outside the fascia
    distance = np.where(code > 0, 0, np.maximum(distance, 0.01))
    anatomy = template_geometry(name, code, distance, compartments, slope)
    return Donor(ImageTemplate(anatomy, code, water, fat, t2_ms, structure), bare)


def _fine(coarse: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Every ``_OUTSIDE_STRIDE``-th value [Y, Z, X] interpolated to ``shape``."""
    import torch

    result = torch.from_numpy(coarse)
    for axis, count in enumerate(shape):
        place = torch.arange(count) / _OUTSIDE_STRIDE
        below = place.floor().long().clamp(max=result.shape[axis] - 2)
        share = (place - below).clamp(max=1).view([-1 if k == axis else 1 for k in range(3)])
        result = torch.lerp(result.index_select(axis, below), result.index_select(axis, below + 1), share)
    return result.numpy()


def save_map(field: SoftTissueMap, path: Path) -> None:
    """Write a map in steps of 0.05 mm. Raises ProcessingError when the disk is full."""
    away = np.round((field.points_mm - node_points().numpy()) / _MAP_STEP_MM).astype(np.int32)
    first = away
    for axis in (1, 2, 3):  # smooth fields have small differences
        first = np.diff(first, axis=axis, prepend=0)
    _write(path, compressed=True, differences=first.astype(np.int16))


def load_map(path: Path) -> SoftTissueMap:
    """Read what ``save_map`` wrote."""
    with np.load(path, allow_pickle=False) as data:
        away = data["differences"].astype(np.int32)
    for axis in (1, 2, 3):
        away = np.cumsum(away, axis=axis)
    return SoftTissueMap((node_points().numpy() + away * _MAP_STEP_MM).astype(np.float32))


def _compartments(centres: dict[str, tuple[float, float]]) -> dict[str, Any]:
    return {f"compartment_{side}": centres[side] for side in _SIDES}


def _of_compartments(data: Any) -> dict[str, tuple[float, float]]:
    return {side: (float(data[f"compartment_{side}"][0]), float(data[f"compartment_{side}"][1])) for side in _SIDES}


def _write(path: Path, *, compressed: bool = False, **arrays: Any) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        (np.savez_compressed if compressed else np.savez)(temporary, **arrays)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise writing_error(error, path) from error
