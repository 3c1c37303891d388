"""Whether a volume looks like an MRI of one knee: its field, its values and its outline. It can only warn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_FIELD_MM = (40.0, 330.0)  # smallest and largest edge
_INSIDE_SHARE = (0.08, 0.97)
_SECTION_CM2 = (35.0, 330.0)  # of the leg across its axis, with what the field cuts off
_ONE_BODY_SHARE = 0.7
_STEP_MM = 2.5
_LEAST_CONTRAST = 0.12
_END_SHARE = 0.05  # of the sections at either end


def knee_warnings(volume: np.ndarray, spacing_mm: Sequence[float], leg_axis: int | None = None) -> list[str]:
    """Sentences on what does not fit an MRI of a knee, none if all fits.

    ``volume`` is [S, H, W] with ``spacing_mm`` in this order. ``leg_axis`` is the one along the body, None if unknown.
    """
    from scipy import ndimage

    found = []
    extent = [n * s for n, s in zip(volume.shape, spacing_mm, strict=True)]
    if min(extent) < _FIELD_MM[0] or max(extent) > _FIELD_MM[1]:
        edges = " x ".join(f"{e:.0f}" for e in extent)
        found.append(f"the field of {edges} mm is not that of a knee")
    if float(np.percentile(volume, 2)) < -50:
        found.append("the values are negative as in a CT")
    steps = [max(round(_STEP_MM / s), 1) for s in spacing_mm]
    small = np.asarray(volume[:: steps[0], :: steps[1], :: steps[2]], np.float32)
    small = small - min(float(small.min()), 0.0)
    inside = _filled(small)
    share = float(inside.mean())
    if not _INSIDE_SHARE[0] <= share <= _INSIDE_SHARE[1]:
        found.append(f"{share:.0%} of the field is tissue")
    elif leg_axis is not None:
        found += _outline_warnings(inside, [n * s for n, s in zip(steps, spacing_mm, strict=True)], leg_axis)
    core = ndimage.binary_erosion(inside, iterations=2)
    if core.any() and float(small[core].std()) < _LEAST_CONTRAST * float(small[core].mean()):
        found.append("there is hardly any contrast between tissues")
    return [f"The volume may not be an MRI of a knee: {reason}." for reason in found]


def _filled(small: np.ndarray) -> np.ndarray:
    """Bright voxels with the holes of each slice filled, along each axis: bone is dark."""
    from scipy import ndimage

    bright = ndimage.gaussian_filter(small, 0.7) > 0.1 * max(float(np.percentile(small, 98)), 1e-6)
    filled = bright.copy()
    for axis in range(3):
        moved, into = np.moveaxis(bright, axis, 0), np.moveaxis(filled, axis, 0)
        for k, section in enumerate(moved):
            into[k] |= ndimage.binary_fill_holes(section)
    return filled


def _outline_warnings(inside: np.ndarray, step_mm: Sequence[float], leg_axis: int) -> list[str]:
    from scipy import ndimage

    found = []
    pieces, count = ndimage.label(inside)
    if count > 1 and np.bincount(pieces.ravel())[1:].max() < _ONE_BODY_SHARE * inside.sum():
        found.append("there is more than one body in the field")
    along = np.moveaxis(inside, leg_axis, 0)
    pixel_cm2 = step_mm[0] * step_mm[1] * step_mm[2] / step_mm[leg_axis] / 100
    area = along.sum(axis=(1, 2)) * pixel_cm2
    if not _SECTION_CM2[0] <= float(np.median(area)) <= _SECTION_CM2[1]:
        found.append(f"its section of {np.median(area):.0f} square centimetres is not that of a leg")
    end = max(round(_END_SHARE * len(area)), 1)  # coils see little at the very ends of their field
    if min(area[end], area[-1 - end]) < 0.15 * float(np.median(area)):
        found.append("the body ends within the field, as a head or a foot does")
    return found
