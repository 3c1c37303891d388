"""Densities of what is painted into a lent template: marrow within its cortex, cartilage, menisci."""

from __future__ import annotations

import numpy as np

from .tissue_classes import EXTENT_MM, SPACING_MM
from .tissue_codes import BONE_CODES, CODE

# Stored proton densities (200 is pure water or pure fat), as in the multi-echo template.
MARROW_WATER, MARROW_FAT, MARROW_T2_MS = 11.0, 118.0, 33.0
CARTILAGE = (114.0, 6.0, 33.0)  # water, fat, T2 in ms
MENISCUS = (118.0, 5.0, 10.0)
CORTEX = (10.0, 14.0, 4.0)
_EDGE_VOXELS = 0.6  # partial volume at a painted edge


def cortex_mm(z_mm: np.ndarray) -> np.ndarray:
    """Thickness of the dark cortex along the leg: half a millimetre at the joint ends, 3 mm in the shafts."""
    rise = np.clip((np.abs(z_mm) - 32) / 45, 0, 1)
    return (0.5 + 2.5 * rise * rise * (3 - 2 * rise)).astype(np.float32)


def paint_densities(
    code: np.ndarray, painted: np.ndarray, water: np.ndarray, fat: np.ndarray, t2_ms: np.ndarray
) -> None:
    """Set ``water``, ``fat`` and ``t2_ms`` [Y, Z, X] wherever ``painted`` is not 0, with soft edges, in place."""
    from scipy import ndimage

    found = ndimage.find_objects((painted > 0).astype(np.uint8))
    if not found:
        return
    box = tuple(slice(max(s.start - 3, 0), s.stop + 3) for s in found[0])
    local = painted[box]
    values = np.zeros((3, *local.shape), np.float32)
    for kind, levels in (("cartilage", CARTILAGE), ("meniscus", MENISCUS)):
        values[:, local == CODE[kind]] = np.array(levels, np.float32)[:, None]
    z = EXTENT_MM["z"][0] + SPACING_MM * np.arange(code.shape[1])[box[1]]
    marrow = np.array((MARROW_WATER, MARROW_FAT, MARROW_T2_MS), np.float32)[:, None]
    cortex = np.array(CORTEX, np.float32)[:, None]
    for value in BONE_CODES:  # one by one, since two bones may touch
        bone = local == value
        depth = ndimage.distance_transform_edt(bone, SPACING_MM).astype(np.float32)
        share = np.clip((depth - cortex_mm(z)[None, :, None]) / SPACING_MM + 0.5, 0, 1)[bone]
        values[:, bone] = cortex + share * (marrow - cortex)
    inside = local > 0
    weight = ndimage.gaussian_filter(inside.astype(np.float32), _EDGE_VOXELS)
    edge = (weight > 0.02) & (weight < 0.98)
    for channel, stored in enumerate((water, fat, t2_ms)):
        part = stored[box]
        mixed = np.where(inside, values[channel], part)
        if stored is not t2_ms:
            mixed = np.where(edge, ndimage.gaussian_filter(mixed, _EDGE_VOXELS), mixed)
        part[:] = np.clip(np.round(mixed), 0, 255).astype(np.uint8)
