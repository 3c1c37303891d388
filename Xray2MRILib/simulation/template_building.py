"""From a label map to the smooth, aligned right-knee template: resampling, fascia envelope, joint surfaces, margins."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..errors import InputError
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
from .pose import rotation


def read_label_map(folder: Path) -> tuple[np.ndarray, np.ndarray, dict]:
    """Label map of ``folder`` as ([y, z, x] array posterior/superior/right first, spacing mm, labels.json).

    The file's own direction matrix decides the flips; oblique maps are taken along the nearest axes.
    Raises InputError when labels.nrrd or labels.json is missing or malformed.
    """
    import SimpleITK as sitk

    try:
        description = json.loads((folder / "labels.json").read_text())
        image = sitk.DICOMOrient(sitk.ReadImage(str(folder / "labels.nrrd")), "LPS")
        known = {int(k) for k, v in description["labels"].items() if v["tissue"] in (*TISSUES, "bone")}
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"The label map folder {folder.name} cannot be used: {str(error).splitlines()[0]}.",
            code="bad-label-map",
            hint="It needs labels.nrrd and a labels.json that names each label's structure and tissue.",
        ) from error
    labels = sitk.GetArrayFromImage(image)  # [z superior last, y posterior last, x left last]
    labels = labels[::-1, ::-1, :].transpose(1, 0, 2)
    if description["side"] == "left":
        labels = labels[:, :, ::-1]
    labels = np.where(np.isin(labels, list(known)), labels, 0)
    sx, sy, sz = image.GetSpacing()
    return np.ascontiguousarray(labels), np.array([sy, sz, sx]), description


def build_template(folder: Path) -> AnatomyTemplate:
    """Smooth isotropic template of the label map in ``folder`` (about a minute; keep the result)."""
    from scipy import ndimage

    labels, spacing, description = read_label_map(folder)
    used = np.flatnonzero((labels > 0).any(axis=(0, 2)))
    labels = labels[:, used[0] : used[-1] + 1]
    of = {int(k): v for k, v in description["labels"].items()}
    by_structure = {v["structure"]: k for k, v in of.items()}
    # The origin: centre of the two tibial cartilages.
    cartilage = [np.argwhere(labels == by_structure[f"{c}_tibial_cartilage"]) * spacing for c in ("medial", "lateral")]
    centre = np.mean([c.mean(axis=0) for c in cartilage], axis=0)
    axes = template_axes()
    source_index = [(axis + c) / s for axis, c, s in zip(axes, centre, spacing, strict=True)]
    # Beyond the map's ends along the leg, its last slice is repeated.
    source_index[1] = np.clip(source_index[1], 0, labels.shape[1] - 1)
    tissue = _smooth_labels(labels, source_index, spacing, of)
    tissue, turn = _aligned(tissue, np.concatenate(cartilage) - centre, labels, by_structure["femur"], spacing, centre)
    cartilage = [(c - centre) @ turn for c in cartilage]
    inside = _envelope(tissue > 0)
    tissue[(tissue == 0) & inside] = TISSUE_ID["connective"]
    outside = _distance_coarse(~inside)
    bone_depth = np.zeros(tissue.shape, np.float32)
    for bone in BONES:
        mask = tissue == TISSUE_ID[bone]
        if mask.any():
            bone_depth[mask] = ndimage.distance_transform_edt(mask, SPACING_MM)[mask]
    floor, roof = _joint_surfaces(tissue, axes)
    compartments = {
        c: tuple(float(v) for v in points.mean(axis=0)[[0, 2]])
        for c, points in zip(("medial", "lateral"), cartilage, strict=True)
    }
    plateau = _plateau(tissue, axes)
    margins = _margins(tissue, axes, plateau)
    return AnatomyTemplate(
        description["name"], tissue, bone_depth.astype(np.float16), outside.astype(np.float16), floor, roof, plateau,
        compartments, margins, _slope_deg(np.concatenate(cartilage)),
        _flexion_axis(tissue, axes),
    )  # fmt: skip


def _smooth_labels(labels: np.ndarray, index: list[np.ndarray], spacing: np.ndarray, of: dict) -> np.ndarray:
    """Resample to the template grid by the largest smoothed indicator, which removes the slice steps."""
    from scipy import ndimage

    shape = tuple(len(i) for i in index)
    best = np.full(shape, 0.25, np.float32)
    tissue = np.zeros(shape, np.uint8)
    sigma = 0.55 / spacing
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
        kind = of[int(value)]["tissue"]
        code = TISSUE_ID[of[int(value)]["structure"] if kind == "bone" else kind]
        tissue[window] = np.where(wins, code, tissue[window])
        best[window] = np.where(wins, values, best[window])
    return tissue


def _aligned(
    tissue: np.ndarray, plateau: np.ndarray, labels: np.ndarray, femur: int, spacing: np.ndarray, centre: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Turn the template so that the plateau is level in the coronal plane and the posterior condyles face the film.

    Returns the turned tissue and the rotation R (template point t shows what lay at R t).
    """
    from scipy import ndimage

    points = np.argwhere(labels[::2, :, ::2] == femur) * spacing * (2, 1, 2) - centre
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
    low = np.array([lo for lo, _ in EXTENT_MM.values()])
    offset = (turn @ low - low) / SPACING_MM
    best = np.full(tissue.shape, 0.3, np.float32)
    result = np.zeros_like(tissue)
    for code in np.unique(tissue)[1:]:
        soft = ndimage.affine_transform((tissue == code).astype(np.float32), turn, offset, order=1, mode="nearest")
        soft = ndimage.gaussian_filter(soft, 0.5)
        wins = soft > best
        result[wins] = code
        best[wins] = soft[wins]
    return result, turn


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
    return tuple(float(v) for v in np.mean(centres, axis=0))


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
