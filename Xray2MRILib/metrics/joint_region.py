"""The joint region, found from the reference alone: the rows for RSSIM per slice and one box for the volume.

The joint line is a band between two wide areas of bone. In a water-excited FLASH scan it is bright cartilage between
dark marrow; in most other contrasts it is the reverse. Each slice gives evidence for every row. Dynamic programming
then follows the band through the slices, so that neighbouring slices support a slice with a weak band. The extent of
the femur is measured upwards from the band and that of the tibia downwards, column by column.

Anterior to the tibia, the fat pad below the trochlear cartilage is as dark as marrow and is taken for tibia. A few
anterior slices without tibial plateau therefore count as valid; their rows follow those of the slices behind them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..volume.geometry import OAI_FIELD

_BONE_FROM_MM, _BONE_TO_MM = 4.0, 12.0  # range of distances from the band in which bone is expected
_BAND_HALF_MM = 1.2
_TILT_MM = 3.0  # largest deviation of the joint line from a row within a slice
_NARROWEST_MM = 22.0  # two posterior condyles together
_STEP_COST = 0.6  # per row by which the band moves from one slice to the next, in columns of evidence
_LEAST_EVIDENCE = 0.35  # lowest evidence of a counted column
_GAP_MM = 2.0  # longest gap of another tissue within a bone
_LEAST_BONE_MM = 8.0  # smallest extent of femur above and tibia below the band
_FARTHEST_MM = 25.0  # largest distance of a slice's joint line from the volume's median one
_SIDE_MARGIN_MM = 8.0


@dataclass(frozen=True)
class JointRegion:
    """The joint of one reference volume.

    Attributes
    ----------
    joint_row, femur_row, tibia_row
        [S] float: row of the joint line, of the femur's upper end and of the tibia's lower end; NaN in invalid slices.
    rows
        [S, 2] int: first row and end row of RSSIM's region; 0, 0 in invalid slices.
    valid
        [S] bool: whether the slice shows a joint line between femur and tibia.
    box
        (first row, end row, first column, end column) for the whole volume; None if no slice is valid.
    bright_bone
        True if bone is brighter than the band, i.e. if the contrast differs from the OAI's.
    """

    joint_row: np.ndarray
    femur_row: np.ndarray
    tibia_row: np.ndarray
    rows: np.ndarray
    valid: np.ndarray
    box: tuple[int, int, int, int] | None
    bright_bone: bool


def nominal_box(rows: int = OAI_FIELD.pixels, columns: int = OAI_FIELD.pixels) -> tuple[int, int, int, int]:
    """The box for a reference without a joint line; its rows 102-187 of 256 are those of the published volumes."""
    down, across = rows / OAI_FIELD.pixels, columns / OAI_FIELD.pixels
    return round(102 * down), round(188 * down), round(45 * across), round(211 * across)


def find_joint_region(reference: np.ndarray, pixel_mm: float = OAI_FIELD.pixel_mm) -> JointRegion:
    """Find the joint region of a reference volume [S, H, W] in [0, 1] with square pixels of ``pixel_mm``.

    Raises ValueError for another shape or slices lower than 40 mm.
    """
    reference = np.asarray(reference, np.float32)
    if reference.ndim != 3 or reference.shape[1] * pixel_mm < 40:
        raise ValueError(f"The reference must be [S, H, W] and at least 40 mm high, not {reference.shape}.")
    dark_bone = _search(reference, pixel_mm)
    if dark_bone.valid.mean() > 0.25:
        return dark_bone
    bright_bone = _search(reference, pixel_mm, bright_bone=True)
    return bright_bone if bright_bone.valid.sum() > 2 * dark_bone.valid.sum() else dark_bone


def _search(reference: np.ndarray, pixel_mm: float, bright_bone: bool = False) -> JointRegion:
    from scipy.ndimage import gaussian_filter

    from .leg_mask import leg_mask

    leg = leg_mask(reference)
    smooth = gaussian_filter(reference, (0, 1.0, 1.0))
    bone = leg & _find_bone(smooth, leg, bright_bone)
    columns = _measure_evidence(-smooth if bright_bone else smooth, bone, leg, pixel_mm)
    counted = columns > _LEAST_EVIDENCE
    evidence = gaussian_filter((columns * counted).sum(axis=2), (0.0, 2.0))
    path = _follow_band(evidence, _STEP_COST)
    return _measure_region(path, counted, bone, pixel_mm, bright_bone)


def _find_bone(smooth: np.ndarray, leg: np.ndarray, bright_bone: bool) -> np.ndarray:
    """[S, H, W] bool: darker (or brighter) than Otsu's threshold between marrow and muscle."""
    from skimage.filters import threshold_otsu

    if not leg.any():
        return np.zeros(smooth.shape, bool)
    level = threshold_otsu(smooth[leg])
    return smooth > level if bright_bone else smooth < level


def _measure_evidence(smooth: np.ndarray, bone: np.ndarray, leg: np.ndarray, pixel_mm: float) -> np.ndarray:
    """[S, H, W] in [0, 1]: similarity of each pixel to a bright band with bone above and below."""
    from scipy.ndimage import maximum_filter1d, uniform_filter1d

    length = max(round((_BONE_TO_MM - _BONE_FROM_MM) / pixel_mm), 3)
    away = round((_BONE_FROM_MM + _BONE_TO_MM) / 2 / pixel_mm)
    share = uniform_filter1d(bone.astype(np.float32), length, axis=1, mode="constant")
    level = uniform_filter1d(smooth, length, axis=1, mode="nearest")
    band = maximum_filter1d(smooth, 2 * round(_BAND_HALF_MM / pixel_mm) + 1, axis=1)
    above, below = _shift(share, away), _shift(share, -away)
    around = np.maximum(_shift(level, away), _shift(level, -away))
    spread = max(float(np.percentile(smooth[leg], 90) - np.percentile(smooth[leg], 10)), 1e-3) if leg.any() else 1.0
    contrast = np.clip((band - around) / (0.4 * spread), 0, 1)
    evidence = np.clip(above * 1.5 - 0.5, 0, 1) * np.clip(below * 1.5 - 0.5, 0, 1) * contrast
    return maximum_filter1d(evidence, 2 * round(_TILT_MM / pixel_mm) + 1, axis=1)


def _shift(volume: np.ndarray, rows: int) -> np.ndarray:
    """Shift the volume down by ``rows`` (up if negative) and fill with zeros."""
    moved = np.zeros_like(volume)
    if rows >= 0:
        moved[:, rows:] = volume[:, : volume.shape[1] - rows]
    else:
        moved[:, :rows] = volume[:, -rows:]
    return moved


def _follow_band(evidence: np.ndarray, step_cost: float) -> np.ndarray:
    """[S] int: the row per slice of the best path through [S, H] evidence, minus the cost of its steps."""
    slices, height = evidence.shape
    rows = np.arange(height)
    cost = step_cost * np.abs(rows[:, None] - rows[None])
    best = evidence[0].astype(np.float64)
    came_from = np.zeros((slices, height), np.int64)
    for place in range(1, slices):
        total = best[None] - cost
        came_from[place] = total.argmax(axis=1)
        best = total.max(axis=1) + evidence[place]
    path = np.zeros(slices, np.int64)
    path[-1] = int(best.argmax())
    for place in range(slices - 1, 0, -1):
        path[place - 1] = came_from[place, path[place]]
    return path


def _measure_region(
    path: np.ndarray, counted: np.ndarray, bone: np.ndarray, pixel_mm: float, bright_bone: bool
) -> JointRegion:
    """Measure femur and tibia around the path, decide which slices are valid, and find the box of these slices."""
    slices, height, width = bone.shape
    joint, femur, tibia = (np.full(slices, np.nan) for _ in range(3))
    rows = np.zeros((slices, 2), np.int64)
    away = round(_BONE_FROM_MM / pixel_mm)
    gap = max(round(_GAP_MM / pixel_mm), 1)
    for place, row in enumerate(path):
        columns = np.flatnonzero(counted[place, row])
        if columns.size * pixel_mm < _NARROWEST_MM or not away < row < height - away - 1:
            continue
        up = _run_length(bone[place, : row - away + 1][::-1][:, columns], gap)
        down = _run_length(bone[place, row + away :][:, columns], gap)
        top, bottom = row - away + 1 - np.percentile(up, 90), row + away - 1 + np.percentile(down, 90)
        if min(row - top, bottom - row) * pixel_mm < _LEAST_BONE_MM + _BONE_FROM_MM:
            continue
        joint[place], femur[place], tibia[place] = row, top, bottom
    with np.errstate(invalid="ignore"):
        if np.isfinite(joint).any():
            joint[np.abs(joint - np.nanmedian(joint)) * pixel_mm > _FARTHEST_MM] = np.nan
    valid = _longest_run(np.isfinite(joint))
    joint[~valid] = np.nan
    femur[~valid] = tibia[~valid] = np.nan
    rows[valid, 0] = np.floor(joint - (joint - femur) / 3)[valid]
    rows[valid, 1] = np.ceil(joint + (tibia - joint) / 3)[valid] + 1
    box = None
    if valid.any():
        used = [np.flatnonzero(counted[place, path[place]]) for place in np.flatnonzero(valid)]
        margin = _SIDE_MARGIN_MM / pixel_mm
        left = np.median([np.percentile(columns, 5) for columns in used]) - margin
        right = np.median([np.percentile(columns, 95) for columns in used]) + margin + 1
        first, end = np.median(rows[valid], axis=0)
        box = (max(int(first), 0), min(int(end), height), max(int(left), 0), min(int(right), width))
    return JointRegion(joint, femur, tibia, rows, valid, box, bright_bone)


def _longest_run(found: np.ndarray) -> np.ndarray:
    """[S] bool: the longest run of found slices across gaps of up to two slices; slices in gaps stay invalid."""
    from scipy.ndimage import binary_closing, label

    pieces, count = label(binary_closing(np.pad(found, 2), np.ones(3), iterations=1)[2:-2] | found)
    if count < 2:
        return found
    sizes = np.bincount(pieces[found], minlength=count + 1)
    sizes[0] = 0
    return found & (pieces == sizes.argmax())


def _run_length(bone: np.ndarray, gap: int) -> np.ndarray:
    """[columns] int: bone rows from the first row on in [rows, columns], across gaps of up to ``gap`` rows."""
    missing = (~bone).astype(np.int64)
    # a run ends where more than ``gap`` rows in a row are not bone
    streak = np.zeros(bone.shape[1], np.int64)
    length = np.full(bone.shape[1], bone.shape[0])
    running = np.ones(bone.shape[1], bool)
    for row, absent in enumerate(missing):
        streak = (streak + 1) * absent
        ended = running & (streak > gap)
        length[ended] = row - gap
        running &= ~ended
        if not running.any():
            break
    return length
