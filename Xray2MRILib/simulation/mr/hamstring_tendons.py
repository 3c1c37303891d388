"""Tendons of the hamstrings behind and beside the joint, where a scan's muscles end in fat.

Semimembranosus ends at the rear of the medial condyle of the tibia; semitendinosus and gracilis wind around it to the
front of the shaft. A scan of thick slices loses them between fat and fascia, so templates of measured soft tissue get
them when they are prepared for their knees: dark strands from the end of each muscle, inside the fascia, off the bone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..anatomy.anatomical_structures import STRUCTURE
from ..anatomy.drawn_shapes import along, pushed_out, smoothed, tube
from ..anatomy.image_template import ImageTemplate
from ..anatomy.tissue_classes import EXTENT_MM, SPACING_MM
from ..anatomy.tissue_codes import BONE_CODES, CODE
from .property_tables import PLAIN_WATER
from .tissue_properties import ECHO_TIME_MS

_LOW = np.array([lo for lo, _ in EXTENT_MM.values()])
_WIDTH_MM = 76.0  # plateau of the knee that the courses were laid in
_INSIDE_MM = 12.0  # a tendon begins this far inside its muscle
_STRIDE = 3  # voxels between the nodes of the distances that keep tendons off bone and fascia
_CLEAR_MM = 0.7
_OVER = ("fat", "connective", "muscle", "synovium", "tendon")


@dataclass(frozen=True)
class Tendon:
    """From the lower end of ``muscle`` through points (y, z, x) in mm about the joint centre."""

    muscle: str
    radius_mm: float
    course_mm: tuple[tuple[float, float, float], ...]


TENDONS = (
    Tendon("semimembranosus", 2.9, ((-36, -24, 25), (-35, -12, 27), (-31, 0, 29), (-26, 9, 30))),
    Tendon("semitendinosus", 2.0, ((-52, -50, 15), (-50, -34, 23), (-46, -18, 32), (-39, -2, 39), (-31, 14, 42),
                                   (-18, 30, 42), (-4, 44, 36), (8, 56, 27))),
    Tendon("gracilis", 1.7, ((-31, -42, 41), (-31, -22, 45), (-27, -2, 46), (-19, 18, 45), (-7, 34, 40),
                             (8, 48, 29))),
)  # fmt: skip


def draw_hamstring_tendons(
    template: ImageTemplate, box: tuple[slice, ...], code: np.ndarray, water: np.ndarray, fat: np.ndarray
) -> None:
    """Draw the tendons into ``code``, decayed ``water`` and ``fat`` of the template's ``box``, in place.

    Templates that name no muscles are left as they are: their label maps hold these tendons.
    """
    if template.structure is None:
        return
    low, high = template.anatomy.plateau_mm
    size = (high - low) / _WIDTH_MM
    coarse = (slice(None, None, _STRIDE),) * 3
    off_bone = _distance_mm(np.isin(template.code[coarse], BONE_CODES))
    inside = _distance_mm((template.anatomy.outside_mm[coarse] > 0) | (template.code[coarse] == 0))
    density, t2star_ms = PLAIN_WATER["tendon"]
    dark = density * np.exp(-ECHO_TIME_MS / t2star_ms)
    yields = np.isin(code, [CODE[kind] for kind in _OVER])
    for tendon in TENDONS:
        found = np.argwhere(template.structure == STRUCTURE[tendon.muscle]) * SPACING_MM + _LOW
        if not len(found):
            continue
        line = _course(tendon, found, size, off_bone, inside)
        radius = tendon.radius_mm * size * np.clip(0.45 + np.arange(len(line)) / 60, 0, 1)
        filling = tube(line, radius, template.code.shape)
        parts = [
            (slice(max(a.start, b.start) - a.start, max(min(a.stop, b.stop), max(a.start, b.start)) - a.start),
             slice(max(a.start, b.start) - b.start, max(min(a.stop, b.stop), max(a.start, b.start)) - b.start))
            for a, b in zip(filling.box, box, strict=True)
        ]  # fmt: skip
        there, here = (tuple(part[k] for part in parts) for k in (0, 1))
        share = filling.share[there] * yields[here]
        water[here] += share * (dark - water[here])
        fat[here] -= share * fat[here]
        code[here][share >= 0.5] = CODE["tendon"]


def _course(tendon: Tendon, muscle_mm: np.ndarray, size: float, off_bone: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Points along a tendon, from inside its muscle on, off the bone but for its end, and inside the fascia."""
    floor = muscle_mm[:, 1].max()
    begins = [
        muscle_mm[np.abs(muscle_mm[:, 1] - (floor - up)) < 2].mean(axis=0) for up in (_INSIDE_MM, _INSIDE_MM / 2, 1.0)
    ]
    course = np.array(tendon.course_mm, float) * size
    below = course[course[:, 1] > floor + 4]
    line = along(np.concatenate((begins, below)))
    clear = tendon.radius_mm * size + _CLEAR_MM
    free = np.linspace(0, 1, len(line)) < 0.9  # its last part goes to the bone
    for _ in range(3):
        line = _pushed(line, inside, clear)
        line[free] = _pushed(line, off_bone, clear)[free]
        line = smoothed(line, 5.0)
    return line


def _pushed(line_mm: np.ndarray, distance: np.ndarray, least_mm: float) -> np.ndarray:
    """``pushed_out`` on distances that are known at every ``_STRIDE``-th voxel."""
    return pushed_out((line_mm - _LOW) / _STRIDE + _LOW, distance / _STRIDE, least_mm / _STRIDE) * _STRIDE - _LOW * (
        _STRIDE - 1
    )


def _distance_mm(mask: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    return ndimage.distance_transform_edt(~mask, SPACING_MM * _STRIDE).astype(np.float32)
