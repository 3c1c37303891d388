"""A scan's tissue continued beyond its field: along the leg by signed distances, sideways by an elliptic outline."""

from __future__ import annotations

import numpy as np

from .signed_distance import extend_distance, nearest_structure, signed_distance
from .tissue_codes import BYTE_VALUES, CODE

_SLAB_MM = 16.0  # of the scan is looked at, at each end
_FIT_MM = 36.0  # of the outline is used for the ellipse


# Thin sheets and strands have no slope that means anything: beyond the scan they count as the fat that holds them.
_CONTINUED = np.arange(BYTE_VALUES, dtype=np.uint8)
for _name in (
    "connective",
    "tendon",
    "nerve",
    "artery",
    "vein",
    "fluid",
    "ligament",
    "synovium",
    "cartilage",
    "meniscus",
):
    _CONTINUED[CODE[_name]] = CODE["fat"]
_CONTINUED[CODE["skin"]] = CODE["subcutaneous"]


def extend_codes(code: np.ndarray, axis: int, before: int, after: int, spacing_mm: tuple[float, ...]) -> np.ndarray:
    """Codes with further sections at both ends of ``axis``.

    There the signed distances of muscle, fat, bones and air continue; the nearest of them wins.
    """
    step = spacing_mm[axis]
    moved = np.moveaxis(code, axis, 0)
    plane_mm = tuple(s for k, s in enumerate(spacing_mm) if k != axis)
    depth = min(len(moved), round(_SLAB_MM / step) + 1)
    ends = []
    for slab, count in ((moved[:depth][::-1], before), (moved[-depth:], after)):
        if not count:
            ends.append(moved[:0])
            continue
        plain = _CONTINUED[slab]
        distances = {}
        for value in np.unique(plain):
            planes = np.stack([np.clip(signed_distance(section == value, plane_mm), -60, 60) for section in plain])
            distances[int(value)] = extend_distance(planes, 0, 0, count, step)[-count:]
        ends.append(nearest_structure(distances, np.inf))
    return np.moveaxis(np.concatenate((ends[0][::-1], moved, ends[1])), 0, axis)


def extend_sides(code: np.ndarray, before: int, after: int, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Codes [Y, Z, X] with further sagittal sections on both sides, closed by an ellipse in every axial section.

    Inside the fascia the structures continue by their signed distances; fat and skin lie around them as thick as at the
    end of the scan.
    """
    body = code > 0
    wide = np.pad(body, ((0, 0), (0, 0), (before, after)))
    for side, count in ((0, before), (1, after)):
        if count:
            outline = body if side else body[:, :, ::-1]
            sections = _elliptic(outline, count, spacing_mm)
            if side:
                wide[:, :, -count:] = sections
            else:
                wide[:, :, :count] = sections[:, :, ::-1]
    inner = np.where(np.isin(code, [CODE["skin"], CODE["subcutaneous"]]), 0, code)
    inner = extend_codes(inner, 2, before, after, spacing_mm)
    new = np.ones(wide.shape[2], bool)
    new[before : before + code.shape[2]] = False
    depth = _depth(wide, spacing_mm)
    result = np.zeros(wide.shape, np.uint8)
    result[:, :, ~new] = code
    shell = np.where(depth < 1.6, CODE["skin"], CODE["subcutaneous"]).astype(np.uint8)
    fleshy = np.where((inner == 0) | (depth < 4.0), shell, inner)
    result[:, :, new] = np.where(wide, fleshy, 0)[:, :, new]
    return result


def _depth(body: np.ndarray, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Distance from the skin's surface in every axial section, mm, 0 outside."""
    from scipy import ndimage

    plane_mm = (spacing_mm[0], spacing_mm[2])
    return np.stack(
        [ndimage.distance_transform_edt(body[:, row], plane_mm) for row in range(body.shape[1])], axis=1
    ).astype(np.float32)


def _elliptic(body: np.ndarray, count: int, spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """``count`` sections [Y, Z, count] beyond the last one along x: half the outline's height squared is a parabola."""
    from scipy import ndimage

    used = min(body.shape[2], round(_FIT_MM / spacing_mm[2]))
    tail = body[:, :, -used:]
    y = np.arange(body.shape[0])
    filled = tail.any(axis=0)
    first = np.where(filled, np.argmax(tail, axis=0), np.nan)
    last = np.where(filled, len(y) - 1 - np.argmax(tail[::-1], axis=0), np.nan)
    half, middle = (last - first + 1) / 2 * spacing_mm[0], (first + last) / 2
    x = (np.arange(used) - used + 1) * spacing_mm[2]
    beyond = np.arange(1, count + 1) * spacing_mm[2]
    rows = body.shape[1]
    coefficients = np.zeros((rows, 5))
    for row in range(rows):
        good = np.isfinite(half[row])
        if good.sum() < 6 or not good[-1]:
            coefficients[row] = (-1.0, 0, 0, len(y) / 2, 0)
            continue
        square = np.polyfit(x[good], half[row, good] ** 2, 2)
        # an outline closes: never convex the wrong way, never opening for ever
        square[0] = np.clip(square[0], -4.0, -0.3)
        linear = np.polyfit(x[good], half[row, good] ** 2 - square[0] * x[good] ** 2, 1)
        centre = np.polyfit(x[good][-12:], middle[row, good][-12:], 1)
        coefficients[row] = (linear[1], linear[0], square[0], centre[1], np.clip(centre[0], -0.5, 0.5))
    coefficients = ndimage.gaussian_filter1d(coefficients, 6.0, axis=0, mode="nearest")
    constant, slope, curve, centre, drift = (c[:, None] for c in coefficients.T)
    radius = np.sqrt(np.maximum(constant + slope * beyond + curve * beyond**2, 0)) / spacing_mm[0]
    # the parabola's values rise again nowhere: once closed, closed
    radius = np.minimum.accumulate(np.where(radius <= 0.5, -1, radius), axis=1)
    return np.abs(y[:, None, None] - (centre + drift * beyond)[None]) < radius[None]


def fill_maps(
    values: np.ndarray, before: tuple[int, ...], after: tuple[int, ...], code: np.ndarray, means: np.ndarray
) -> np.ndarray:
    """A map [Y, Z, X] padded to the shape of ``code``: mirrored where the mirror image has the same tissue.

    Elsewhere each tissue gets its mean, ``means`` [number of codes].
    """
    pad = list(zip(before, after, strict=True))
    inner = tuple(slice(b, b + n) for b, n in zip(before, values.shape, strict=True))
    mirrored = np.pad(values, pad, mode="reflect")
    same = np.pad(code[inner], pad, mode="reflect") == code
    result = np.where(same, mirrored, means[code]).astype(np.float32)
    result[inner] = values
    return result
