"""Builds the smooth, aligned right-knee template from a label map: resampling, fascia, joint surfaces, margins."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .anatomy_template import (
    BONES,
    EXTENT_MM,
    MAX_OUTSIDE_MM,
    SPACING_MM,
    TISSUE_ID,
    TISSUES,
    AnatomyTemplate,
    template_axes,
)
from .label_map import LabelMap, read_label_map
from .pose import rotation
from .soft_tissue_transfer import carry_soft_tissue

TEMPLATE_VERSION = 2  # raise it whenever the same label map would give another template


def build_template(folder: Path, atlas: AnatomyTemplate | None = None) -> AnatomyTemplate:
    """Smooth isotropic template of the label map in ``folder`` (about a minute; keep the result).

    With an ``atlas``, soft tissue and bones that the map lacks are carried over from it.
    Raises InputError as ``read_label_map`` does.
    """
    from scipy import ndimage

    found = read_label_map(folder)
    labels, spacing = found.labels[:, _whole_sections(found)], found.spacing_mm
    # The origin: centre of the two tibial cartilages.
    cartilage = [
        np.argwhere(labels == found.label_of(f"{c}_tibial_cartilage")) * spacing for c in ("medial", "lateral")
    ]
    centre = np.mean([c.mean(axis=0) for c in cartilage], axis=0)
    axes = template_axes()
    source_index = [(axis + c) / s for axis, c, s in zip(axes, centre, spacing, strict=True)]
    # Beyond the map's ends along the leg, its last slice is repeated.
    source_index[1] = np.clip(source_index[1], 0, labels.shape[1] - 1)
    tissue = _smooth_labels(labels, source_index, found)
    tissue, turn = _aligned(tissue, np.concatenate(cartilage) - centre, labels, found, centre)
    cartilage = [(c - centre) @ turn for c in cartilage]
    if atlas is not None:
        ends = (-centre[1], labels.shape[1] * spacing[1] - centre[1])
        tissue = carry_soft_tissue(tissue, np.where(atlas.outside_mm > 0, 0, atlas.tissue), ends)
    inside = _envelope(tissue > 0)
    tissue[(tissue == 0) & inside] = TISSUE_ID["connective"]
    outside = _distance_coarse(~inside)
    bone_depth = np.zeros(tissue.shape, np.float32)
    for code, box in enumerate(ndimage.find_objects(tissue), start=1):
        if box is not None and TISSUES[code] in BONES:
            # one more voxel on every side, except where the bone runs out of the template
            box = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in box)
            mask = tissue[box] == code
            bone_depth[box][mask] = ndimage.distance_transform_edt(mask, SPACING_MM)[mask]
    floor, roof = _joint_surfaces(tissue, axes)
    compartments = {
        c: (float(y), float(x))
        for c, (y, _, x) in zip(("medial", "lateral"), (points.mean(axis=0) for points in cartilage), strict=True)
    }
    plateau = _plateau(tissue, axes)
    margins = _margins(tissue, axes, plateau)
    return AnatomyTemplate(
        found.name, tissue, bone_depth.astype(np.float16), outside.astype(np.float16), floor, roof, plateau,
        compartments, margins, _slope_deg(np.concatenate(cartilage)),
        _flexion_axis(tissue, axes),
    )  # fmt: skip


def _whole_sections(found: LabelMap) -> slice:
    """Axial sections between the map's ends, without those of oblique maps in which the end cuts a shaft aslant."""
    areas = (found.labels > 0).sum(axis=(0, 2))
    first, last = np.flatnonzero(areas)[[0, -1]]
    for bone, step in (("femur", 1), ("tibia", -1)):
        area = (found.labels == found.label_of(bone)).sum(axis=(0, 2))
        inward = round(8 / found.spacing_mm[1]) * step
        end = first if step > 0 else last
        while 0 <= end + inward < len(area) and area[end] < 0.75 * area[end + inward]:
            end += step
        first, last = (end, last) if step > 0 else (first, end)
    return slice(first, last + 1)


def _smooth_labels(labels: np.ndarray, index: list[np.ndarray], found: LabelMap) -> np.ndarray:
    """Resample to the template grid by the largest smoothed indicator, which removes the slice steps."""
    from scipy import ndimage

    shape = tuple(len(i) for i in index)
    best = np.full(shape, 0.25, np.float32)
    tissue = np.zeros(shape, np.uint8)
    sigma = 0.55 / found.spacing_mm
    for value in np.unique(labels):
        if value == 0:
            continue
        box = ndimage.find_objects((labels == value).astype(np.uint8))[0]
        box = tuple(slice(max(b.start - 4, 0), b.stop + 4) for b in box)
        soft = ndimage.gaussian_filter((labels[box] == value).astype(np.float32), sigma, mode="nearest")
        target = [np.flatnonzero((i >= b.start) & (i <= b.stop - 1)) for i, b in zip(index, box, strict=True)]
        grid = np.meshgrid(
            *[i[t] - b.start for i, t, b in zip(index, target, box, strict=True)], indexing="ij", sparse=False
        )
        values = ndimage.map_coordinates(soft, grid, order=1, mode="nearest")
        window = np.ix_(*target)
        wins = values > best[window]
        kind = found.tissues[int(value)]
        code = TISSUE_ID[found.structures[int(value)] if kind == "bone" else kind]
        tissue[window] = np.where(wins, code, tissue[window])
        best[window] = np.where(wins, values, best[window])
    return tissue


def _aligned(
    tissue: np.ndarray, plateau: np.ndarray, labels: np.ndarray, found: LabelMap, centre: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Turn the template so that the plateau is level in the coronal plane and the posterior condyles face the
    radiograph.

    Returns the turned tissue and the rotation R (template point t shows what lay at R t).
    """
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
    turn = rotation((0, varus, axial))
    return _rotate(tissue, turn), turn


def _rotate(tissue: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Tissue resampled so that point t shows what lay at turn @ t; each class within its own box only."""
    from scipy import ndimage

    low = np.array([lo for lo, _ in EXTENT_MM.values()])
    offset = (turn @ low - low) / SPACING_MM
    size = np.array(tissue.shape)
    best = np.full(tissue.shape, 0.3, np.float32)
    result = np.zeros_like(tissue)
    for code, found in enumerate(ndimage.find_objects(tissue), start=1):
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
        part = tissue[tuple(slice(a, b) for a, b in zip(first, last, strict=True))] == code
        soft = ndimage.affine_transform(
            part.astype(np.float32), turn, turn @ start + offset - first, tuple(stop - start), order=1, mode="nearest"
        )
        soft = ndimage.gaussian_filter(soft, 0.5)
        window = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
        wins = soft > best[window]
        result[window][wins] = code
        best[window][wins] = soft[wins]
    return result


def _flexion_axis(tissue: np.ndarray, axes: tuple) -> tuple[float, float]:
    """Centre of the circle that fits the rear and the underside of the condyles in sagittal sections, (y, z) mm."""
    y, z, x = axes
    rows = (z > -45) & (z < 8)
    centres = []
    for offset in (-24, -20, 20, 24):
        section = tissue[:, rows, int(np.argmin(np.abs(x - offset)))] == TISSUE_ID["femur"]
        rear = y[np.argmax(section.any(axis=1))]
        bottom = z[rows][len(z[rows]) - 1 - np.argmax(section.any(axis=0)[::-1])]
        # The rearmost point lies level with the centre; the lowest one is a radius below it.
        level = z[rows][np.flatnonzero(section[np.argmax(section.any(axis=1)) + 2])].mean()
        centres.append((rear + (bottom - level), level))
    centre_y, centre_z = np.mean(centres, axis=0)
    return float(centre_y), float(centre_z)


def _slope_deg(plateau: np.ndarray) -> float:
    design = np.c_[plateau[:, [0, 2]], np.ones(len(plateau))]
    rise = np.linalg.lstsq(design, plateau[:, 1], rcond=None)[0][0]
    return float(np.degrees(np.arctan(rise)))


def _envelope(mask: np.ndarray) -> np.ndarray:
    """Fascia envelope: the union of structures closed over 14 mm, hole-free in every axial section."""
    from scipy import ndimage

    coarse = mask[::4, ::4, ::4]  # 2.5 mm
    pad = np.pad(coarse, 8, mode="edge")
    closed = ndimage.distance_transform_edt(~pad) <= 6
    closed = ndimage.distance_transform_edt(closed) > 5.6
    closed = closed[8:-8, 8:-8, 8:-8] | coarse
    closed = np.stack([ndimage.binary_fill_holes(closed[:, k]) for k in range(closed.shape[1])], axis=1)
    soft = ndimage.gaussian_filter(closed.astype(np.float32), (1.2, 2.0, 1.2), mode="nearest")
    fine = _upsample(soft, mask.shape)
    return (fine > 0.5) | mask


def _upsample(coarse: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    from scipy import ndimage

    index = np.meshgrid(*[np.arange(n, dtype=np.float32) / 4 for n in shape], indexing="ij", sparse=False)
    return ndimage.map_coordinates(coarse, index, order=1, mode="nearest")


def _distance_coarse(mask: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    coarse = mask[::2, ::2, ::2]
    distance = ndimage.distance_transform_edt(coarse, 2 * SPACING_MM).astype(np.float32)
    distance = ndimage.gaussian_filter(distance, 1.0)
    fine = ndimage.zoom(distance, [n / c for n, c in zip(mask.shape, coarse.shape, strict=True)], order=1)
    return np.where(mask, np.clip(fine, 0.01, MAX_OUTSIDE_MM), 0)


def _joint_surfaces(tissue: np.ndarray, axes: tuple) -> tuple[np.ndarray, np.ndarray]:
    """Heights of the lower femoral and the upper tibial bone surface, smooth and extended over the whole plane."""
    from scipy import ndimage

    z = axes[1]
    near = (z > -22) & (z < 22)
    femur = tissue[:, near] == TISSUE_ID["femur"]
    tibia = tissue[:, near] == TISSUE_ID["tibia"]
    zn = z[near]
    floor = np.where(femur.any(axis=1), zn[len(zn) - 1 - np.argmax(femur[:, ::-1], axis=1)], np.nan)
    roof = np.where(tibia.any(axis=1), zn[np.argmax(tibia, axis=1)], np.nan)
    # Only where both bones face each other across a narrow gap does "joint space" mean something.
    facing = np.isfinite(floor) & np.isfinite(roof) & (roof - floor < 9) & (roof - floor > 0.5)
    facing = ndimage.binary_opening(facing, iterations=3)
    mid = _extend(np.where(facing, (floor + roof) / 2, 0), facing)
    gap = _extend(np.where(facing, roof - floor, 0), facing)
    return (mid - gap / 2).astype(np.float32), (mid + gap / 2).astype(np.float32)


def _extend(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Normalised Gaussian smoothing: keeps known heights, fades into their wide average elsewhere."""
    from scipy import ndimage

    result = np.full(values.shape, values[valid].mean(), np.float64)
    for sigma in (40, 16, 6, 2.5):
        weight = ndimage.gaussian_filter(valid.astype(np.float64), sigma)
        smooth = ndimage.gaussian_filter(values * valid, sigma) / np.maximum(weight, 1e-9)
        trust = np.clip(weight * 4, 0, 1)
        result = trust * smooth + (1 - trust) * result
    return result


def _plateau(tissue: np.ndarray, axes: tuple) -> tuple[float, float]:
    """Medial-lateral extent of the tibial plateau: its widest row within 15 mm below the joint."""
    _, z, x = axes
    rows = (z > 2) & (z < 16)
    profile = (tissue[:, rows] == TISSUE_ID["tibia"]).any(axis=0)
    widths = [(x[p].min(), x[p].max()) if p.any() else (0.0, 0.0) for p in profile]
    lo, hi = max(widths, key=lambda w: w[1] - w[0])
    return float(lo), float(hi)


def _margins(tissue: np.ndarray, axes: tuple, plateau: tuple[float, float]) -> dict[str, np.ndarray]:
    """Points on the medial and lateral rims of both bones next to the joint line, one per coronal section."""
    y, z, x = axes
    margins: dict[str, np.ndarray] = {}
    for bone, rows in (("tibia", (2.0, 10.0)), ("femur", (-14.0, -4.0))):
        window = (z >= rows[0]) & (z <= rows[1])
        mask = tissue[:, window] == TISSUE_ID[bone]
        for side, sign in (("lateral", -1), ("medial", 1)):
            points = []
            for j in range(0, len(y), 3):
                if mask[j].sum() < 40:
                    continue
                zi, xi = np.nonzero(mask[j])
                edge = xi.min() if sign < 0 else xi.max()
                if abs(x[edge]) < 0.28 * (plateau[1] - plateau[0]):
                    continue
                points.append((y[j], z[window][zi[xi == edge]].mean(), x[edge]))
            margins[f"{bone}_{side}"] = np.array(points, np.float32).reshape(-1, 3)
    return margins
