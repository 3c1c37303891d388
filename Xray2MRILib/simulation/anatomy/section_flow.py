"""A scan continued beyond its ends along the leg: its sections flow on as they flowed over the last millimetres.

Between two sections near an end a registration finds how outlines move: muscles thicken, the shaft narrows, vessels
drift. Beyond the end the movement goes on, damped; what is moved are the scan's own last sections in reverse order, so
that no section is repeated and no tissue is made up.
"""

from __future__ import annotations

import math

import numpy as np

from .slice_interpolation import section_displacement

_STRETCH_MM = 12.0  # over which the movement is measured
_DAMPING_MM = 25.0
_SMOOTH_MM = 5.0
_CLOSE_MM = 1.2
_PER_MM = 0.45  # an outline moves at most this much for each mm along the leg


def flow(first: np.ndarray, last: np.ndarray, distance_mm: float, pixel_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Movement [2, H, W] in pixels for each mm from section ``first`` to section ``last``: as found, and smooth.

    A point p of ``last`` shows what ``first`` shows at p - distance * flow(p). The smooth one, limited, tells how
    outlines go on.
    """
    from scipy import ndimage

    found = -section_displacement(last, first, 120) / np.float32(distance_mm)
    near, far = (
        np.stack([ndimage.gaussian_filter(f, sigma / pixel_mm, mode="nearest") for f in found])
        for sigma in (_CLOSE_MM, _SMOOTH_MM)
    )
    limit = _PER_MM / pixel_mm
    return near.astype(np.float32), np.clip(far, -limit, limit).astype(np.float32)


def continued_sections(
    arrays: list[np.ndarray],
    count: int,
    guide: np.ndarray,
    spacing_mm: tuple[float, float],
    *,
    damping_mm: float = _DAMPING_MM,
) -> list[np.ndarray]:
    """``count`` sections that follow the last one of each array [N, H, W].

    Arrays of whole numbers are labels (nearest neighbour), floats are interpolated. ``guide`` [N, H, W] is what the
    registration sees; ``spacing_mm`` is that of sections and of pixels.
    """
    from scipy import ndimage

    pitch, pixel = spacing_mm
    used = max(2, min(len(guide) - 1, round(_STRETCH_MM / pitch)))
    ends = [np.mean(guide[k : k + 3], axis=0) for k in (len(guide) - 1 - used, len(guide) - 3)]
    near, far = flow(ends[0], ends[1], (used - 2) * pitch, pixel)
    rows, columns = np.mgrid[: guide.shape[1], : guide.shape[2]].astype(np.float32)
    results: list[list[np.ndarray]] = [[] for _ in arrays]
    for step in range(1, count + 1):
        reach = step * pitch
        travel = reach if math.isinf(damping_mm) else damping_mm * (1 - math.exp(-reach / damping_mm))
        back = _folded(step, used)
        # first along the smooth flow to the scan's last section, from there to the one whose detail is shown
        there = (rows - travel * far[0], columns - travel * far[1])
        moved = [ndimage.map_coordinates(n, there, order=1, mode="nearest") for n in near]
        where = (there[0] - back * pitch * moved[0], there[1] - back * pitch * moved[1])
        source = len(guide) - 1 - back
        for result, values in zip(results, arrays, strict=True):
            order = 1 if np.issubdtype(values.dtype, np.floating) else 0
            result.append(ndimage.map_coordinates(values[source], where, order=order, mode="constant", cval=0))
    return [np.stack(r).astype(a.dtype) for r, a in zip(results, arrays, strict=True)]


def _folded(step: int, length: int) -> int:
    """``step`` reflected into 0..length."""
    rest = step % (2 * length)
    return rest if rest <= length else 2 * length - rest
