"""The deep fascia around the leg and the iliotibial band in it, drawn at the border between muscle and skin's fat."""

from __future__ import annotations

import numpy as np

from .anatomical_structures import STRUCTURE
from .anatomy_template import template_axes
from .drawn_shapes import Canvas, Filling, Material
from .tissue_classes import SPACING_MM
from .tissue_codes import BONE_CODES, CODE

FASCIA = Material("connective", 46.0, 60.0, 12.0)
BAND = Material("tendon", 118.0, 10.0, 5.5)
_FASCIA_MM = 0.9
_BAND_MM = (0.2, 2.5)
# Course of the iliotibial band: z, then y of its middle and half its width, mm. It ends on Gerdy's tubercle.
_BAND_COURSE = ((-112.0, 4.0, 17.0), (-70.0, 6.0, 15.0), (-35.0, 9.0, 11.0), (-8.0, 13.0, 9.0), (10.0, 17.0, 7.0))


def depth_inside(outside_mm: np.ndarray) -> np.ndarray:
    """Distance inside the fascia, mm, 0 outside, float32 [Y, Z, X], up to about 6 mm."""
    from scipy import ndimage

    inside = outside_mm == 0
    near = inside & ndimage.binary_dilation(~inside, iterations=9)
    depth = np.where(inside, 6.0, 0.0).astype(np.float32)
    box = ndimage.find_objects(near.astype(np.uint8))
    if not box:
        return depth
    part = tuple(slice(max(s.start - 2, 0), s.stop + 2) for s in box[0])
    found = ndimage.distance_transform_edt(inside[part], SPACING_MM) - SPACING_MM / 2
    depth[part] = np.where(inside[part], np.minimum(found, 6.0), 0)
    return depth


def draw_fascia(canvas: Canvas, depth_mm: np.ndarray) -> None:
    """Fascia and iliotibial band, in place; ``depth_mm`` is that of ``depth_inside``."""
    y, z, x = template_axes()
    solid = np.isin(canvas.code, [*BONE_CODES, CODE["cartilage"], CODE["meniscus"], CODE["artery"], CODE["vein"], 0])
    over = ~solid
    whole = tuple(slice(0, n) for n in depth_mm.shape)
    plain = np.isin(canvas.code, [CODE[n] for n in ("muscle", "fat", "connective", "synovium")])
    share = np.clip((_FASCIA_MM - depth_mm) / SPACING_MM + 0.5, 0, 1) * (depth_mm > 0) * plain
    canvas.paint(Filling(whole, (0.85 * share).astype(np.float32)), FASCIA)
    free = (depth_mm > 0) & (depth_mm < _FASCIA_MM) & plain & (canvas.structure == 0)
    canvas.structure[free] = STRUCTURE["fascia"]
    heights, middles, halves = np.array(_BAND_COURSE).T
    middle, half = np.interp(z, heights, middles), np.interp(z, heights, halves)
    aside = np.abs(y[:, None] - middle[None]) - half[None]
    window = np.clip(0.5 - aside / 2.0, 0, 1) * (z < heights[-1] + 2)[None]
    band = np.clip((depth_mm - _BAND_MM[0]) / SPACING_MM + 0.5, 0, 1)
    band *= np.clip((_BAND_MM[1] - depth_mm) / SPACING_MM + 0.5, 0, 1)
    band *= window[:, :, None] * (x < -24)[None, None] * over
    canvas.paint(Filling(whole, (0.9 * band).astype(np.float32)), BAND, STRUCTURE["iliotibial band"])
