"""Depth d of eq. 15 as an additive embedding for every down block (A3), smooth for depths between slices (A4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..volume.geometry import OAI_FIELD


def fourier_features(depth: Tensor, frequencies: int, slices: int = OAI_FIELD.num_slices) -> Tensor:
    """Features [B, 2 * frequencies + 1] of depths u [B] in [-1, 1]: sines, cosines and u itself.

    The periods run evenly in their logarithm from two volumes down to four slices of a volume of ``slices``, which is
    0.5 to about 12 cycles over the extent: a shorter period would leave half-way depths far from both neighbours (A4).
    """
    cycles = torch.logspace(
        math.log10(0.5), math.log10((slices - 1) / 4), frequencies, dtype=torch.float32, device=depth.device
    )
    depth = depth.float()[:, None]
    angle = math.pi * depth * cycles  # u spans 2, so one cycle over the extent is an angle of pi * u
    return torch.cat([angle.sin(), angle.cos(), depth], dim=1)


class DepthEmbedding(nn.Module):
    """Depth u [B] -> one vector [B, time_width] per down block, all zero before training.

    Parameters
    ----------
    time_width
        Width of the time embedding to which the vectors are added.
    down_blocks
        Number of down blocks, each with a head of its own.
    frequencies
        Number of Fourier frequencies.
    """

    def __init__(self, time_width: int, down_blocks: int, frequencies: int = 8) -> None:
        super().__init__()
        self.frequencies = frequencies
        self.trunk = nn.Sequential(
            nn.Linear(2 * frequencies + 1, time_width), nn.SiLU(), nn.Linear(time_width, time_width), nn.SiLU()
        )
        self.heads = nn.ModuleList(nn.Linear(time_width, time_width) for _ in range(down_blocks))
        for head in self.heads:
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(self, depth: Tensor) -> list[Tensor]:
        """One embedding [B, time_width] per down block for depths u [B] in [-1, 1]."""
        features = fourier_features(depth, self.frequencies).to(self.trunk[0].weight.dtype)
        hidden = self.trunk(features)
        return [head(hidden) for head in self.heads]
