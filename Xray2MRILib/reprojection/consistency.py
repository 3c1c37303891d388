"""Reprojection consistency: distances between the projected bones of a volume and the bones on the radiograph.

Agreement does not prove that the volume is correct, because it concerns outlines that the radiograph shows anyway.
Disagreement means that the volume does not follow its radiograph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .bone_projection import volume_outline
from .knee_outline import JOINT_LINE, SIDES, KneeOutline
from .outline_distance import curve_distances
from .radiograph_outline import radiograph_outline
from .similarity import Similarity, fit_similarity

PARTS = {"outline": SIDES, "joint_line": JOINT_LINE}
LEAST_SHARE = 0.5  # smallest share of a part that must be found on radiograph and volume
_SAME_RADIOGRAPH_MM = 0.1
_FARTHEST_SHIFT_MM, _FARTHEST_TURN, _SCALES = 15.0, np.radians(12.0), (0.8, 1.25)


def reprojection_consistency(
    slices: np.ndarray, crop: np.ndarray, others: Sequence[KneeOutline] = ()
) -> dict[str, Any]:
    """Compare the bones of a volume with those on a radiograph.

    Parameters
    ----------
    slices
        [S, 256, 256] in [0, 1], posterior first, in right-knee space, in the frame of the radiograph
        (volume.geometry.CROP_FRAME).
    crop
        The prepared joint crop [H, H] or [1, H, H] in [-1, 1] in right-knee space.
    others
        Outlines of other patients' radiographs, compared with the same volume.

    Returns a plain dictionary; distances are medians in mm at the nominal scale:

    ``as_placed``, ``after_fit``
        ``outline_mm`` (sides of femur and tibia) and ``joint_line_mm`` (femur's and tibia's edge of the joint space in
        both compartments), in the common frame and after a similarity fit; None where not found.
    ``fit``
        ``shift_mm`` (x, z), ``turn_deg`` and ``scale`` from the radiograph to the volume, or None.
    ``found``
        Share in [0, 1] of each part that was found on radiograph and volume.
    ``other_films``
        ``count``, and for ``as_placed`` and ``after_fit`` and each part the median over the radiographs (``..._mm``),
        their number (``..._of``) and the number of them with a larger distance than the own one (``..._farther``).
    ``reasons``
        Sentences on failed measurements.

    Raises ValueError for shapes that radiograph_outline or volume_outline refuses.
    """
    crop = np.asarray(crop)
    radiograph = radiograph_outline(crop[0] if crop.ndim == 3 else crop)
    return compare_outlines(radiograph, volume_outline(slices), others)


def compare_outlines(
    radiograph: KneeOutline, volume: KneeOutline, others: Sequence[KneeOutline] = ()
) -> dict[str, Any]:
    """The record of reprojection_consistency from given outlines."""
    reasons = [
        f"Only {outline.share(names):.0%} of the {part.replace('_', ' ')} was found {where}."
        for part, names in PARTS.items()
        for where, outline in (("on the radiograph", radiograph), ("in the volume", volume))
        if outline.share(names) < LEAST_SHARE
    ]
    placed = _measure_distances(radiograph, volume)
    fit, refusal = _fit(radiograph, volume)
    if refusal:
        reasons.append(refusal)
    fitted = _measure_distances(fit.transform(radiograph), volume) if fit else dict.fromkeys(placed)
    record: dict[str, Any] = {
        "as_placed": _round(placed),
        "after_fit": _round(fitted),
        "fit": None
        if fit is None
        else {
            "shift_mm": [round(part, 2) for part in fit.shift_mm],
            "turn_deg": round(float(np.degrees(fit.turn_rad)), 2),
            "scale": round(fit.scale, 4),
        },
        "found": {
            f"{part}_{where}": round(outline.share(names), 3)
            for part, names in PARTS.items()
            for where, outline in (("on_film", radiograph), ("in_volume", volume))
        },
        "reasons": reasons,
    }
    if others:
        record["other_films"] = _compare_with_others(
            placed, fitted, [o for o in others if not _same_radiograph(o, radiograph)], volume
        )
    return record


def _measure_distances(radiograph: KneeOutline, volume: KneeOutline) -> dict[str, float | None]:
    result: dict[str, float | None] = {}
    for part, names in PARTS.items():
        distances = curve_distances(radiograph, volume, names)
        seen = min(radiograph.share(names), volume.share(names)) >= LEAST_SHARE and len(distances) > 0
        result[f"{part}_mm"] = float(np.median(distances)) if seen else None
    return result


def _fit(radiograph: KneeOutline, volume: KneeOutline) -> tuple[Similarity | None, str | None]:
    """The similarity, or the reason for its absence; it needs both the sides and the joint line."""
    if any(outline.share(names) < LEAST_SHARE for outline in (radiograph, volume) for names in PARTS.values()):
        return None, "Too small a part of the outlines was found for a similarity fit."
    try:
        fit = fit_similarity(radiograph, volume)
    except ValueError as error:
        return None, str(error)
    if (
        np.hypot(*fit.shift_mm) > _FARTHEST_SHIFT_MM
        or abs(fit.turn_rad) > _FARTHEST_TURN
        or not _SCALES[0] <= fit.scale <= _SCALES[1]
    ):
        return None, "The similarity fit diverged; distances are not reported."
    return fit, None


def _compare_with_others(
    placed: dict[str, float | None], fitted: dict[str, float | None], others: Sequence[KneeOutline], volume: KneeOutline
) -> dict[str, Any]:
    of_placed, of_fitted = [], []
    for other in others:
        of_placed.append(_measure_distances(other, volume))
        fit, _ = _fit(other, volume)
        of_fitted.append(_measure_distances(fit.transform(other), volume) if fit else dict.fromkeys(placed))
    return {
        "count": len(others),
        "as_placed": _rank(placed, of_placed),
        "after_fit": _rank(fitted, of_fitted),
    }


def _rank(own: dict[str, float | None], others: Sequence[dict[str, float | None]]) -> dict[str, Any]:
    record: dict[str, Any] = {}
    for name, value in own.items():
        measured = [distance for other in others if (distance := other[name]) is not None]
        part = name.removesuffix("_mm")
        record[name] = round(float(np.median(measured)), 2) if measured else None
        record[f"{part}_of"] = len(measured)
        record[f"{part}_farther"] = None if value is None else sum(distance > value for distance in measured)
    return record


def _same_radiograph(first: KneeOutline, second: KneeOutline) -> bool:
    """Whether both outlines come from the same radiograph, which must not count as another patient's."""
    distances = curve_distances(first, second, {**SIDES, **JOINT_LINE})
    return len(distances) > 0 and float(np.median(distances)) < _SAME_RADIOGRAPH_MM


def _round(values: dict[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 2) for name, value in values.items()}
