"""Where fat and skin are laid around the fascia of an image-based template."""

from __future__ import annotations

import numpy as np

from .anatomy_template import MAX_OUTSIDE_MM, SPACING_MM
from .template_building import _envelope
from .tissue_codes import CODE

SHELL_MM = 8.0  # of fat lie outside the fascia of the median knee
_SHELL_LIMITS_MM = (4.5, 18.0)
_SMOOTH_VOXELS = 7.0


def fat_shell(code: np.ndarray) -> np.ndarray:
    """Distance outside the fascia in mm, 0 inside, scaled so that the scan's own skin lies at ``SHELL_MM`` everywhere.

    Fat and skin are laid there for each knee: where this person has little of it, everybody gets little.
    """
    from scipy import ndimage

    step = 2 * SPACING_MM
    core = (code > 0) & ~np.isin(code, [CODE["subcutaneous"], CODE["skin"]])
    tendon = ndimage.binary_opening(np.isin(code, [CODE["tendon"], CODE["ligament"]]), iterations=2)
    inner = _envelope(ndimage.binary_opening(core, iterations=3) | tendon)[::2, ::2, ::2]
    inner = ndimage.gaussian_filter(inner.astype(np.float32), 2.0, mode="nearest") > 0.5
    small = code[::2, ::2, ::2]
    distance, nearest = ndimage.distance_transform_edt(~inner, step, return_indices=True)
    body = inner | (small > 0)
    rim = np.nonzero(body & ~ndimage.binary_erosion(body, border_value=1) & ~inner)
    # each place of the skin gives its thickness to the nearest place of the fascia; smooth over some centimetres there,
    # and the same along each normal, so that thicker fat never opens a gap
    foot = tuple(n[rim] for n in nearest)
    weight, total = np.zeros(inner.shape, np.float32), np.zeros(inner.shape, np.float32)
    np.add.at(weight, foot, 1.0)
    np.add.at(total, foot, distance[rim])
    weight = ndimage.gaussian_filter(weight, _SMOOTH_VOXELS, mode="nearest")
    thickness = ndimage.gaussian_filter(total, _SMOOTH_VOXELS, mode="nearest") / np.maximum(weight, 1e-6)
    trust = np.clip(weight / 1e-3, 0, 1)
    thickness = trust * np.clip(thickness, *_SHELL_LIMITS_MM) + (1 - trust) * SHELL_MM
    thickness = ndimage.gaussian_filter(thickness, _SMOOTH_VOXELS / 2, mode="nearest")[tuple(nearest)]
    thickness = ndimage.gaussian_filter(thickness, 1.5, mode="nearest")
    scaled = np.where(inner, 0, distance * SHELL_MM / thickness)
    fine = ndimage.zoom(scaled, [n / m for n, m in zip(code.shape, scaled.shape, strict=True)], order=1)
    return np.where(fine > 0.25, np.clip(fine, 0.01, MAX_OUTSIDE_MM), 0).astype(np.float32)
