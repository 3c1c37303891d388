"""A label map laid on the template's grid: resampled without slice steps, level plateau, condyles facing the film."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .label_map import LabelMap
from .pose import rotation
from .tissue_classes import EXTENT_MM, SPACING_MM

# The template's origin lies this much in front of the plateau's centre. On real scans the first slice lies 35 mm behind
# that centre.
FIELD_SHIFT_MM = 6.0
# A section is cut aslant when a shaft has less than this share of its area so far inwards; metaphyses taper less.
ASLANT, INWARD_MM = 0.8, 3.0
_SIDES = ("medial", "lateral")


@dataclass
class PlacedLabels:
    """Labels on the template's grid.

    Attributes
    ----------
    labels
        uint8 [Y, Z, X], the map's own label values; 0 beyond the map.
    plateau_mm
        {"medial": [N, 3], "lateral": [N, 3]}: points (y, z, x) of the tibial cartilages, mm about the origin.
    """

    labels: np.ndarray
    plateau_mm: dict[str, np.ndarray]


def placed(found: LabelMap) -> PlacedLabels:
    """``found`` about the centre of its tibial cartilages, turned to the template's pose (half a minute)."""
    labels, spacing = found.labels[:, whole_sections(found)], found.spacing_mm
    cartilage = {s: np.argwhere(labels == found.label_of(f"{s}_tibial_cartilage")) * spacing for s in _SIDES}
    centre = np.mean([c.mean(axis=0) for c in cartilage.values()], axis=0)
    centre[0] += FIELD_SHIFT_MM
    axes = [np.arange(lo, hi + 1e-6, SPACING_MM) for lo, hi in EXTENT_MM.values()]
    resampled = _smooth(labels, [(a + c) / s for a, c, s in zip(axes, centre, spacing, strict=True)], spacing)
    points = {s: c - centre for s, c in cartilage.items()}
    turn = _turn(np.concatenate(list(points.values())), labels, found, centre)
    return PlacedLabels(turned_labels(resampled, turn), {s: p @ turn for s, p in points.items()})


def whole_sections(found: LabelMap) -> slice:
    """Axial sections between the map's ends, without those of oblique maps in which the end cuts a shaft aslant."""
    areas = (found.labels > 0).sum(axis=(0, 2))
    first, last = np.flatnonzero(areas)[[0, -1]]
    for bone, step in (("femur", 1), ("tibia", -1)):
        area = (found.labels == found.label_of(bone)).sum(axis=(0, 2))
        inward = round(INWARD_MM / found.spacing_mm[1]) * step
        end = first if step > 0 else last
        while 0 <= end + inward < len(area) and area[end] < ASLANT * area[end + inward]:
            end += step
        first, last = (end, last) if step > 0 else (first, end)
    return slice(first, last + 1)


def _smooth(labels: np.ndarray, index: list[np.ndarray], spacing_mm: np.ndarray) -> np.ndarray:
    """Resample to the template grid by the largest smoothed indicator, which removes the slice steps."""
    from scipy import ndimage

    shape = tuple(len(i) for i in index)
    best = np.full(shape, 0.25, np.float32)
    result = np.zeros(shape, np.uint8)
    for value, found in enumerate(ndimage.find_objects(labels.astype(np.int32)), start=1):
        if found is None:
            continue
        box = tuple(slice(max(b.start - 4, 0), b.stop + 4) for b in found)
        own = labels[box] == value
        soft = ndimage.gaussian_filter(own.astype(np.float32), 0.55 / spacing_mm, mode="nearest")
        target = [
            np.flatnonzero((i >= b.start) & (i <= b.start + n - 1))
            for i, b, n in zip(index, box, own.shape, strict=True)
        ]
        if not all(len(t) for t in target):
            continue
        grid = np.meshgrid(*[i[t] - b.start for i, t, b in zip(index, target, box, strict=True)], indexing="ij")
        values = ndimage.map_coordinates(soft, grid, order=1, mode="nearest")
        window = np.ix_(*target)
        wins = values > best[window]
        result[window] = np.where(wins, value, result[window])
        best[window] = np.where(wins, values, best[window])
    return result


def _turn(plateau: np.ndarray, labels: np.ndarray, found: LabelMap, centre: np.ndarray) -> np.ndarray:
    """Rotation R (template point t shows what lay at R t): level plateau, both condyles equally far to the rear."""
    femur = found.label_of("femur")
    points = np.argwhere(labels[::2, :, ::2] == femur) * found.spacing_mm * (2, 1, 2) - centre
    condyles = points[(points[:, 1] > -38) & (points[:, 1] < -6)]

    def condyle_line(r: np.ndarray) -> float:
        turned = condyles @ r
        rear = [np.percentile(turned[side, 0], 1) for side in (turned[:, 2] < -8, turned[:, 2] > 8)]
        return float(rear[1] - rear[0])

    def level(r: np.ndarray) -> float:
        turned = plateau @ r
        return float(np.linalg.lstsq(np.c_[turned[:, [0, 2]], np.ones(len(turned))], turned[:, 1], rcond=None)[0][1])

    varus = min(np.arange(-16, 16.1, 0.5), key=lambda a: abs(level(rotation((0, a, 0)))))
    axial = min(np.arange(-24, 24.1, 0.5), key=lambda a: abs(condyle_line(rotation((0, varus, a)))))
    return rotation((0, varus, axial))


def turned_labels(labels: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Labels resampled so that point t shows what lay at turn @ t; each label within its own box only."""
    from scipy import ndimage

    low = np.array([lo for lo, _ in EXTENT_MM.values()])
    offset = (turn @ low - low) / SPACING_MM
    size = np.array(labels.shape)
    best = np.full(labels.shape, 0.3, np.float32)
    result = np.zeros_like(labels)
    for value, found in enumerate(ndimage.find_objects(labels), start=1):
        if found is None:
            continue
        first = np.maximum([s.start - 4 for s in found], 0)
        last = np.minimum([s.stop + 4 for s in found], size)
        # a structure that ends at the box's edge goes on beyond it
        reach = [np.where(first == 0, -60, first), np.where(last == size, size + 60, last)]
        corners = np.array(np.meshgrid(*np.transpose(reach), indexing="ij")).reshape(3, -1)
        back = turn.T @ (corners - offset[:, None])
        start = np.clip(np.floor(back.min(axis=1)).astype(int) - 3, 0, size)
        stop = np.clip(np.ceil(back.max(axis=1)).astype(int) + 4, 0, size)
        part = labels[tuple(slice(a, b) for a, b in zip(first, last, strict=True))] == value
        soft = ndimage.affine_transform(
            part.astype(np.float32), turn, turn @ start + offset - first, tuple(stop - start), order=1, mode="nearest"
        )
        soft = ndimage.gaussian_filter(soft, 0.5)
        window = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        wins = soft > best[window]
        result[window][wins] = value
        best[window][wins] = soft[wins]
    return result
