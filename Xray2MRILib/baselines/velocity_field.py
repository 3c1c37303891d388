"""Deformation of a radiograph by a stationary velocity field: exponential, look-up, folding and roughness.

The flow of a stationary velocity v for the time g, exp(g v), is a one-parameter group: exp((g + h) v) = exp(g v) after
exp(h v), exp(0) is the identity, and with enough squarings nothing folds (Arsigny et al., MICCAI 2006).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SQUARINGS = 7


def exponential(velocity: Tensor, squarings: int = SQUARINGS) -> Tensor:
    """Displacement [B, 2, h, w] in pixels (columns, rows) of the flow of ``velocity`` for the time 1.

    Scaling and squaring: the velocity over 2 ** ``squarings`` is composed with itself ``squarings`` times.
    """
    displacement = velocity / 2**squarings
    for _ in range(squarings):
        displacement = displacement + warp(displacement, displacement)
    return displacement


def warp(picture: Tensor, displacement: Tensor) -> Tensor:
    """Bilinear look-up of a picture [B, C, h, w] at every pixel plus its displacement [B, 2, h, w] (columns, rows).

    Edge values go on beyond the picture.
    """
    height, width = picture.shape[-2:]
    rows, columns = torch.meshgrid(
        torch.arange(height, device=picture.device), torch.arange(width, device=picture.device), indexing="ij"
    )
    x, y = columns + displacement[:, 0], rows + displacement[:, 1]
    grid = torch.stack((2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1), dim=-1)
    return functional.grid_sample(picture, grid, mode="bilinear", padding_mode="border", align_corners=True)


def resized(displacement: Tensor, size: tuple[int, int]) -> Tensor:
    """The displacement [B, 2, h, w] on a grid of ``size`` (rows, columns), in that grid's pixels."""
    height, width = displacement.shape[-2:]
    scale = displacement.new_tensor((size[1] / width, size[0] / height))[:, None, None]
    return functional.interpolate(displacement, size, mode="bilinear", align_corners=False) * scale


def jacobian_determinant(displacement: Tensor) -> Tensor:
    """Determinant [B, h - 1, w - 1] of the map pixel -> pixel + displacement; 1 is the identity, below 0 it folds."""
    along = displacement.diff(dim=-1)[..., :-1, :]
    down = displacement.diff(dim=-2)[..., :, :-1]
    return (1 + along[:, 0]) * (1 + down[:, 1]) - along[:, 1] * down[:, 0]


def roughness(field: Tensor) -> Tensor:
    """Mean squared difference of neighbouring vectors of a field [B, 2, h, w], rows and columns averaged."""
    return (field.diff(dim=-1).square().mean() + field.diff(dim=-2).square().mean()) / 2
