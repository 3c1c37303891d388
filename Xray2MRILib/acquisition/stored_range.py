"""The range in which a volume is stored or shown, and the field of view that was turned when it was prescribed."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812

PUBLISHED_CLIP_SHARE = 0.057  # of the voxels of the published pictures are at their maximum


def clip_level(volume: torch.Tensor, share: float = PUBLISHED_CLIP_SHARE) -> float:
    """The value above which ``share`` of ``volume`` [S, H, W] lies, by every second voxel of each axis."""
    values = volume[::2, ::2, ::2].flatten()
    rank = min(max(round((1 - share) * len(values)), 1), len(values))
    return float(values.kthvalue(rank).values.clamp(min=1e-6))


def to_clip_level(volume: torch.Tensor, share: float = PUBLISHED_CLIP_SHARE) -> torch.Tensor:
    """``volume`` over its clip level, cut to [0, 1]."""
    return (volume / clip_level(volume, share)).clamp(0, 1)


def turned_field(volume: torch.Tensor, degrees: float) -> torch.Tensor:
    """``volume`` [S, H, W] turned in its plane about the centre; what comes from outside the field is 0."""
    if degrees == 0:
        return volume.clone()
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    _, height, width = volume.shape
    matrix = torch.tensor(
        [[cosine, -sine * height / width, 0.0], [sine * width / height, cosine, 0.0]], device=volume.device
    )
    grid = F.affine_grid(matrix[None], [1, 1, height, width], align_corners=False)
    return F.grid_sample(volume[None], grid, mode="bilinear", padding_mode="zeros", align_corners=False)[0]
