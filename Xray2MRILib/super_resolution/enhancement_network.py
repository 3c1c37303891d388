"""The U-Net of super-resolution: one network for every input spacing, as teacher (diffusion) or as student (one pass).

Its pictures hold the thick axis of the volume as rows. Input channels on the fine grid: the interpolated volume at the
slice and at its two neighbours, the logarithm of the bias field and the gradients' displacement; zero means that these
two are not known. The scale along rows and columns and the noise go into the embedding, so that the network knows what
was acquired.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..models.network import Network, register_to_config

CHANNELS = ("previous", "slice", "next", "log_bias", "displacement")
GUIDANCE = slice(3, 5)
SCALARS = 3  # log2 of the scale along rows and along columns, noise
DISPLACEMENT_UNIT_MM = 5.0
_FREQUENCIES = 8
LARGEST_ATTENTION = 32 * 32
_AROUND = 7  # pixels on each side, of a local mean


class EnhancementUNet(Network):
    """Residual [B, 1, H, W] against the interpolated picture, or velocity of the noisy residual.

    Parameters
    ----------
    width
        Channels of the first level.
    multipliers
        Width of each level against the first.
    blocks
        Residual blocks per level and way.
    unshuffle
        Edge of the squares of pixels that become channels first; 2 makes it four times as fast on a processor.
    teacher
        Whether it is a diffusion model: it then takes a noisy residual and its angle.
    attention
        Whether the middle has self-attention where at most 32 x 32 places remain.
    residual_scale
        Standard deviation of the residuals of the training set, in units of the range.
    linear_head
        Whether the output is a linear map of the last features. If not, as in the first version, they are normalised
        before, which hides how strong the contrast at a place is, and the network hardly learns.
    local_contrast
        Whether the three pictures enter as differences from the mean around each place, in units of
        ``residual_scale``, instead of grey values, next to which these differences are small.
    """

    title = "super-resolution network"
    hint = "Choose a folder that xray2mri train super-resolution or super-resolution-student wrote."

    @register_to_config
    def __init__(
        self,
        width: int = 48,
        multipliers: tuple[int, ...] = (1, 2, 2),
        blocks: int = 1,
        unshuffle: int = 2,
        teacher: bool = False,
        attention: bool = False,
        residual_scale: float = 0.05,
        linear_head: bool = False,
        local_contrast: bool = False,
    ) -> None:
        super().__init__()
        widths = [width * m for m in multipliers]
        embedding = 4 * width
        scalars = SCALARS + (2 * _FREQUENCIES if teacher else 0)
        self.embedding = nn.Sequential(
            nn.Linear(scalars, embedding), nn.SiLU(), nn.Linear(embedding, embedding), nn.SiLU()
        )
        channels = (len(CHANNELS) + int(teacher)) * unshuffle**2
        self.stem = nn.Conv2d(channels, width, 3, 1, 1)
        self.down, self.shrink = nn.ModuleList(), nn.ModuleList()
        for level, size in enumerate(widths):
            before = widths[max(level - 1, 0)]
            self.shrink.append(nn.Conv2d(before, size, 3, 2, 1) if level else nn.Identity())
            self.down.append(nn.ModuleList(_Block(size, size, embedding) for _ in range(blocks)))
        self.middle = _Block(widths[-1], widths[-1], embedding)
        self.attention = _Attention(widths[-1]) if attention else None
        self.up, self.grow = nn.ModuleList(), nn.ModuleList()
        for level in reversed(range(len(widths))):
            size = widths[level]
            first = _Block(2 * size, size, embedding)
            self.up.append(nn.ModuleList([first, *(_Block(size, size, embedding) for _ in range(blocks - 1))]))
            self.grow.append(nn.Conv2d(size, widths[level - 1], 3, 1, 1) if level else nn.Identity())
        before_head = () if linear_head else (_ChannelNorm(width), nn.SiLU())
        self.head = nn.Sequential(*before_head, nn.Conv2d(width, unshuffle**2, 3, 1, 1))
        last = self.head[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)
        assert last.bias is not None
        nn.init.zeros_(last.bias)

    @property
    def is_teacher(self) -> bool:
        """Whether it is a diffusion model."""
        return bool(self.config["teacher"])

    @property
    def multiple(self) -> int:
        """What rows and columns of its pictures have to be divisible by."""
        return int(self.config["unshuffle"]) * 2 ** (len(self.config["multipliers"]) - 1)

    def forward(self, pictures: Tensor, scalars: Tensor, noisy: Tensor | None = None,
                angle: Tensor | None = None) -> Tensor:  # fmt: skip
        """[B, 1, H, W] in units of ``residual_scale``; see ``with_features``."""
        return self.with_features(pictures, scalars, noisy, angle)[0]

    def with_features(
        self, pictures: Tensor, scalars: Tensor, noisy: Tensor | None = None, angle: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The output and feature maps by place ("down-0" ..., "middle", "up-0" ...; 0 is the finest level).

        Parameters
        ----------
        pictures
            float32 [B, 5, H, W], see ``CHANNELS``; H and W are multiples of ``multiple``.
        scalars
            float32 [B, 3], see ``scalar_inputs``.
        noisy, angle
            Of a teacher: the noisy residual [B, 1, H, W] and its angle [B] in radians.
        """
        if self.config["local_contrast"]:
            contrast = (pictures[:, :3] - _local_mean(pictures[:, 1:2])) / self.config["residual_scale"]
            pictures = torch.cat((contrast, pictures[:, 3:]), dim=1)
        if self.is_teacher:
            assert noisy is not None
            assert angle is not None
            pictures = torch.cat((noisy, pictures), dim=1)
            scalars = torch.cat((scalars, _angle_features(angle)), dim=1)
        embedding = self.embedding(scalars)
        factor = int(self.config["unshuffle"])
        x = self.stem(functional.pixel_unshuffle(pictures, factor).contiguous(memory_format=torch.channels_last))
        found: dict[str, Tensor] = {}
        skips = []
        for level, (shrink, blocks) in enumerate(zip(self.shrink, self.down, strict=True)):
            x = shrink(x)
            for block in blocks:
                x = block(x, embedding)
            skips.append(x)
            found[f"down-{level}"] = x
        x = self.middle(x, embedding)
        if self.attention is not None and x.shape[-2] * x.shape[-1] <= LARGEST_ATTENTION:
            x = self.attention(x)
        found["middle"] = x
        for index, (blocks, grow) in enumerate(zip(self.up, self.grow, strict=True)):
            level = len(skips) - 1 - index
            x = torch.cat((x, skips[level]), dim=1)
            for block in blocks:
                x = block(x, embedding)
            found[f"up-{level}"] = x
            if level:
                x = grow(functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        return functional.pixel_shuffle(self.head(x), factor), found


def scalar_inputs(row_scale: float, column_scale: float, noise: float, count: int = 1) -> Tensor:
    """float32 [count, 3]: log2 of both scales and the noise in 5 % of the range."""
    values = [math.log2(max(row_scale, 1.0)), math.log2(max(column_scale, 1.0)), noise / 0.05]
    return torch.tensor(values).expand(count, -1)


class _ChannelNorm(nn.Module):
    """Divides by the root mean square over the channels of one place.

    Unlike group normalisation it does not depend on what else the picture shows, so that tiles of any size agree.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-4) * self.weight


class _Block(nn.Module):
    """Two convolutions, each after a normalisation; the embedding scales and shifts between them."""

    def __init__(self, channels_in: int, channels_out: int, embedding: int) -> None:
        super().__init__()
        self.first = nn.Sequential(_ChannelNorm(channels_in), nn.SiLU(), nn.Conv2d(channels_in, channels_out, 3, 1, 1))
        self.modulation = nn.Linear(embedding, 2 * channels_out)
        self.norm = _ChannelNorm(channels_out)
        self.second = nn.Conv2d(channels_out, channels_out, 3, 1, 1)
        self.shortcut: nn.Module = nn.Identity()
        if channels_in != channels_out:
            self.shortcut = nn.Conv2d(channels_in, channels_out, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
        hidden = self.norm(self.first(x)) * (1 + scale) + shift
        return self.shortcut(x) + self.second(functional.silu(hidden))


class _Attention(nn.Module):
    """Self-attention of one head over all places."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = _ChannelNorm(channels)
        self.project = nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        q, k, v = self.project(self.norm(x)).flatten(2).transpose(1, 2).chunk(3, dim=-1)
        mixed = functional.scaled_dot_product_attention(q, k, v)
        return x + self.out(mixed.transpose(1, 2).reshape(b, c, h, w))


def _local_mean(pictures: Tensor) -> Tensor:
    """Mean of pictures [B, 1, H, W] over 15 x 15 pixels around each, edges repeated."""
    padded = functional.pad(pictures, (_AROUND,) * 4, mode="replicate")
    return functional.avg_pool2d(padded, 2 * _AROUND + 1, stride=1)


def _angle_features(angle: Tensor) -> Tensor:
    """Sines and cosines [B, 16] of an angle [B] in 0..pi/2."""
    k: Any = torch.arange(1, _FREQUENCIES + 1, device=angle.device)
    phase = angle[:, None] * k
    return torch.cat((phase.sin(), phase.cos()), dim=1)
