"""The trained part of E2 (eq. 15): features to concatenate with the noisy latent, and tokens for cross-attention.

The paper's E2 is a separate encoder of unknown width (A1). The autoencoder's latent alone hardly resolves a joint space
of 3 mm: placed into the field of 160 mm, the crop fills 18 x 18 of its 32 x 32 positions. This network uses the crop at
full resolution and has many channels at each position.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..volume.geometry import OAI_FIELD
from .residual_blocks import ResidualBlock, group_norm


class RadiographFeatures(nn.Module):
    """Radiograph [B, 1, 256, 256] -> features [B, channels, 32, 32] in the MR field, zero outside the crop; tokens.

    Parameters
    ----------
    channels
        Channels of the features.
    token_width, token_grid
        Width of a token, and the rows and columns of crop regions with one token each.
    width
        Channels of the first layer; deeper layers have 2, 4, 6 and 8 times as many.
    span_px, centre
        Edge and centre (row, column) of the crop in the 256 x 256 MR field.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        span_px: float,
        centre: tuple[float, float],
        token_width: int,
        token_grid: int,
    ) -> None:
        super().__init__()
        self.span_px, self.centre, self.token_grid = span_px, centre, token_grid
        self.fine = nn.Sequential(
            _Halving(1, width),
            _Halving(width, 2 * width),
            _residual(2 * width),
            _Halving(2 * width, 4 * width),
            _residual(4 * width),
            _Halving(4 * width, 6 * width),
            _residual(6 * width),
        )
        self.coarse = nn.Sequential(_Halving(6 * width, 8 * width), _residual(8 * width))
        self.from_fine = nn.Conv2d(6 * width, channels, 1)
        self.from_coarse = nn.Conv2d(8 * width, channels, 1)
        self.merge = nn.Sequential(group_norm(channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1))

        self.project = nn.Linear(8 * width, token_width)
        self.norm = nn.LayerNorm(token_width)

    def forward(self, image: Tensor, places: int = 32) -> tuple[Tensor, Tensor]:
        """Features [B, channels, places, places] and tokens [B, token_grid * token_grid, token_width]."""
        fine = self.fine(image)
        coarse = self.coarse(fine)
        regions = functional.adaptive_avg_pool2d(coarse, self.token_grid).flatten(2).transpose(1, 2)
        spread = functional.interpolate(self.from_coarse(coarse), scale_factor=2.0, mode="nearest")
        return self.in_field(self.merge(self.from_fine(fine) + spread), places), self.norm(self.project(regions))

    def in_field(self, features: Tensor, places: int = 32) -> Tensor:
        """Resample crop features [B, C, h, w] bilinearly to the positions of the field [B, C, places, places]."""
        pitch = OAI_FIELD.pixels / places
        position = (torch.arange(places, device=features.device, dtype=torch.float32) + 0.5) * pitch
        row, column = ((position - middle) * 2 / self.span_px for middle in self.centre)
        grid = torch.stack((column.expand(places, -1), row[:, None].expand(-1, places)), dim=-1)
        grid = grid.expand(len(features), -1, -1, -1).to(features.dtype)
        return functional.grid_sample(features, grid, padding_mode="zeros", align_corners=False)


class _Halving(nn.Sequential):
    def __init__(self, entering: int, leaving: int) -> None:
        super().__init__(nn.Conv2d(entering, leaving, 3, stride=2, padding=1), group_norm(leaving), nn.SiLU())


def _residual(channels: int) -> ResidualBlock:
    return ResidualBlock(channels, channels, norm=group_norm, activation=nn.SiLU, bias=True)
