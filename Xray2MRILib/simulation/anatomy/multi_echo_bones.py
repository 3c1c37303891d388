"""The multi-echo knee's bones mended further: ends of the scan, sections without marrow, the notch, the joint gap."""

from __future__ import annotations

import numpy as np

from .multi_echo_joint import JointParts
from .multi_echo_maps import MultiEchoMaps
from .signed_distance import extend_distance, signed_distance
from .tissue_codes import CODE

_EMPTY_MM = 6.0  # rows at both ends of the picture that the scanner's filter has darkened
_DRAFT_ENDS_MM = 12.0  # before those rows the draft of the shafts ends
_JOINT_GAP_MM = 6.5  # femur and tibia are no farther apart where their cartilages touch
_HALF_MUSCLE, _CARVED_MM = 42.0, 4.5
_BITE_MM = 3.0


def without_empty_rows(maps: MultiEchoMaps, parts: JointParts) -> tuple[MultiEchoMaps, JointParts]:
    """Maps and parts without the rows that the scanner's filter has darkened; the joint stays where it was."""
    count = removed_rows(maps)
    rows = slice(count, maps.water.shape[1] - count)
    water, fat, fluid, t2_ms = (m[:, rows] for m in (maps.water, maps.fat, maps.fluid, maps.t2_ms))
    bones = {bone: d[:, rows] for bone, d in parts.bones_mm.items()}
    soft = {part: d[:, rows] for part, d in parts.soft_mm.items()}
    return MultiEchoMaps(water, fat, fluid, t2_ms, bones, maps.spacing_mm), JointParts(bones, soft)


def removed_rows(maps: MultiEchoMaps) -> int:
    """How many rows ``without_empty_rows`` takes away at either end."""
    return round(_EMPTY_MM / maps.spacing_mm[1])


def trimmed(distance: np.ndarray, fat: np.ndarray) -> np.ndarray:
    """A bone's signed distance without the outermost sagittal sections in which it holds no marrow."""
    from scipy import ndimage

    inside = distance < -1.5
    area = inside.sum(axis=(0, 1))
    level = np.where(area > 0, (fat * inside).sum(axis=(0, 1)) / np.maximum(area, 1), 0)
    typical = np.median(level[area > 0.3 * area.max()])
    filled = np.flatnonzero((level > 0.72 * typical) & (area > 12))
    result = distance.copy()
    x = np.arange(distance.shape[2])
    away = np.maximum(filled[0] - x, x - filled[-1]).clip(0)
    result += (1.5 * away).astype(np.float32)
    return ndimage.gaussian_filter1d(result, 1.2, axis=2, mode="nearest")


def carved(distance: np.ndarray, maps: MultiEchoMaps) -> np.ndarray:
    """A bone's signed distance without what holds water instead of marrow near its surface: notch, cartilage, muscle.

    The registered outline is another knee's; the edge of this one lies where water has half of muscle's signal, or
    where the fat ends.
    """
    from scipy import ndimage

    water = ndimage.gaussian_filter(maps.water, (0.8, 0.8, 0.8))
    fat = ndimage.gaussian_filter(maps.fat, (0.8, 0.8, 0.8))
    marrow = float(np.median(fat[distance < -_CARVED_MM]))
    wet = ((water > _HALF_MUSCLE) & (fat < 1.3 * water)) | ((water > _HALF_MUSCLE / 2) & (fat < 0.7 * marrow))
    wet &= distance > -_CARVED_MM
    mask = ndimage.binary_opening((distance < 0) & ~wet, iterations=1)
    labels, count = ndimage.label(mask)
    if count > 1:
        mask = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    # bites narrower than twice this are noise; the notch is wider
    wide = ndimage.distance_transform_edt(~mask, maps.spacing_mm) < _BITE_MM
    mask = (ndimage.distance_transform_edt(wide, maps.spacing_mm) > _BITE_MM) & (distance < 0.5)
    found = signed_distance(mask, maps.spacing_mm)
    # where nothing was carved, the smooth distance of before is the better one
    changed = ndimage.gaussian_filter(((distance < 0) & ~mask).astype(np.float32), 2.5) > 0.02
    return np.where(changed, ndimage.gaussian_filter(found, 1.3), distance).astype(np.float32)


def continued(bone: str, distance: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """A shaft whose draft ends before the picture does, continued to its end by its axial sections.

    The given distance sees the draft's end; that of each axial section by itself does not.
    """
    if bone == "patella":
        return distance
    moved = distance if bone == "femur" else distance[:, ::-1]
    count, used = round(_DRAFT_ENDS_MM / spacing_mm[1]), round(16.0 / spacing_mm[1])
    plane_mm = (spacing_mm[0], spacing_mm[2])
    sections = [np.clip(signed_distance(moved[:, row] < 0, plane_mm), -30, 30) for row in range(count, count + used)]
    ends = extend_distance(np.stack(sections, axis=1), 1, count, 0, spacing_mm[1])[:, :count]
    whole = np.concatenate((ends, moved[:, count:]), axis=1)
    return whole if bone == "femur" else whole[:, ::-1]


def close_joint_gap(code: np.ndarray, parts: JointParts) -> None:
    """Cartilage wherever femur and tibia face each other closely and there is no meniscus, in place."""
    femur, tibia = parts.bones_mm["femur"], parts.bones_mm["tibia"]
    between = (femur > 0) & (tibia > 0) & (femur + tibia < _JOINT_GAP_MM) & (np.maximum(femur, tibia) < 5.0)
    kinds = ("connective", "tendon", "synovium", "fat", "muscle", "ligament")
    code[between & np.isin(code, [CODE[k] for k in kinds])] = CODE["cartilage"]
