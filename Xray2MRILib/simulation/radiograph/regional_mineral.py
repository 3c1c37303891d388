"""Broad differences of bone density within a knee, in the plane of the radiograph.

Bone mineral is not the same in all parts of a bone end: it follows load, alignment and age (medial against lateral
compartment, below the plateau against the metaphysis). A smooth factor for each bone holds the mean of a population of
real radiographs and a part drawn for each knee. It is given in mm of the knee, fixed to the bone.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

WIDTH_MM = 58.0  # half width of the control points' grid
ROWS_MM = {"femur": (-58.0, 5.0), "tibia": (0.0, 58.0), "patella": (-58.0, 5.0)}
_LARGEST = 0.6
_SEED = {"femur": 1, "tibia": 2, "patella": 3}  # each bone of a knee has random numbers of its own


def drawn_levels(part: str, mean: np.ndarray, seed: int, deviation: float) -> np.ndarray:
    """Control points [rows, columns] of one knee, natural logarithm of the factor."""
    drawn = np.random.default_rng([seed, 97, _SEED[part]]).standard_normal(mean.shape).clip(-2.5, 2.5)
    return (mean + deviation * drawn).clip(-_LARGEST, _LARGEST).astype(np.float32)


def mineral_factor(part: str, levels: np.ndarray, z_mm: torch.Tensor, x_mm: torch.Tensor) -> torch.Tensor:
    """Factor of the mineral at places of one bone in mm; beyond the grid its border goes on."""
    low, high = ROWS_MM[part]
    grid = torch.stack((x_mm / WIDTH_MM, 2 * (z_mm - low) / (high - low) - 1), dim=-1)[None]
    control = torch.from_numpy(levels).to(z_mm.device)[None, None]
    fine = F.interpolate(control, scale_factor=8, mode="bicubic", align_corners=True)
    return F.grid_sample(fine, grid, mode="bilinear", padding_mode="border", align_corners=True)[0, 0].exp()
