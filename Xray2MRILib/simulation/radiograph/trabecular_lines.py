"""Trabecular lines as a radiograph shows them: a fine pattern along the leg, fixed to each bone.

Some fifty layers of trabeculae lie behind one another in a knee. What is left of them on a radiograph is a weak random
pattern, drawn out along the primary compressive trabeculae. It is given in the plane of the radiograph, in coordinates
of the bone, since single trabeculae (0.15 mm) are finer than the template's voxels.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

PIXEL_MM = 0.25
PIXELS = 640  # 160 mm, then the pattern repeats
# (sigma along the leg, sigma across in mm, share): compressive trabeculae, their bundles, struts across them
_LAYERS = ((2.0, 0.22, 1.0), (4.0, 0.6, 0.5), (0.25, 1.2, 0.4), (2.5, 2.5, 0.3))
_FAN_FROM_MM, _FAN_PER_MM = 10.0, {"femur": 0.009, "tibia": 0.011, "patella": 0.0}


@lru_cache(maxsize=1)
def pattern() -> np.ndarray:
    """Periodic pattern [z, x] of unit variance, float32."""
    from scipy import ndimage

    total = np.zeros((PIXELS, PIXELS), np.float32)
    for number, (along, across, share) in enumerate(_LAYERS):
        white = np.random.default_rng([83, number]).standard_normal((PIXELS, PIXELS)).astype(np.float32)
        layer = ndimage.gaussian_filter(white, (along / PIXEL_MM, across / PIXEL_MM), mode="wrap")
        total += share * layer / layer.std()
    return ((total - total.mean()) / total.std()).astype(np.float32)


def lines_at(part: str, z_mm: torch.Tensor, x_mm: torch.Tensor, seed: int) -> torch.Tensor:
    """The pattern [...] of one knee at places of one bone, unit variance; it fans out towards the joint."""
    rng = np.random.default_rng([seed, 71, len(part)])
    dz, dx = (float(v) for v in rng.uniform(0, PIXELS * PIXEL_MM, 2))
    x_fan = x_mm * (1 + _FAN_PER_MM[part] * (z_mm.abs() - _FAN_FROM_MM).clamp(min=0))
    block = torch.from_numpy(np.pad(pattern(), ((0, 1), (0, 1)), mode="wrap")).to(z_mm.device)
    row = torch.remainder((z_mm + dz) / PIXEL_MM, PIXELS)
    column = torch.remainder((x_fan + dx) / PIXEL_MM, PIXELS)
    grid = torch.stack((column, row), dim=-1) * (2 / PIXELS) - 1
    flat = grid.reshape(1, 1, -1, 2)
    return F.grid_sample(block[None, None], flat, mode="bilinear", align_corners=True).reshape(z_mm.shape)
