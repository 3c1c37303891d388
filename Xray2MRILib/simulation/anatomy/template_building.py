"""What a template's codes say about its joint: flexion axis, slope, joint surfaces, plateau, margins, fascia."""

from __future__ import annotations

import numpy as np

from .anatomy_template import MAX_OUTSIDE_MM, SPACING_MM, TISSUE_ID


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
