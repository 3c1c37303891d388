"""The residual block of the classifiers, the knee detector and the trained features of E2 (He et al. 2016)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

# normalisation layer for a number of channels
Norm = Callable[[int], nn.Module]
group_norm: Norm = partial(nn.GroupNorm, 8)

# names of the layers in weights of version 0.1 of classifiers and detector -> present names
_FORMER_NAMES = {
    "first.0.": "body.0.", "first.1.": "body.1.", "second.0.": "body.3.", "second.1.": "body.4.",
    "first.": "body.0.", "first_norm.": "body.1.", "second.": "body.3.", "second_norm.": "body.4.",
}  # fmt: skip


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions, each normalised, and a shortcut around them; [B, in, h, w] -> [B, out, h', w'].

    The shortcut is the identity if the shapes agree, otherwise average pooling and a 1 x 1 convolution.

    Parameters
    ----------
    channels_in, channels_out
        Channels at both ends.
    stride
        Stride of the first convolution: 2 halves h and w.
    norm, activation
        Layers after the convolutions, e.g. ``group_norm`` (8 groups) and nn.SiLU.
    bias
        Whether the convolutions add a bias.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int = 1,
        *,
        norm: Norm = nn.BatchNorm2d,
        activation: Callable[[], nn.Module] = nn.ReLU,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=bias), norm(channels_out), activation(),
            nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=bias), norm(channels_out),
        )  # fmt: skip
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels_in != channels_out:
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride), nn.Conv2d(channels_in, channels_out, 1, bias=bias), norm(channels_out)
            )
        self.activation = activation()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """The block's features [B, out, h', w']."""
        return self.activation(self.body(features) + self.shortcut(features))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *others: Any) -> None:
        """Load weights and checkpoints of version 0.1 too, in which the layers of the body have other names."""
        for name in [name for name in state_dict if name.startswith(prefix)]:
            layer = name[len(prefix) :]
            former = next((former for former in _FORMER_NAMES if layer.startswith(former)), None)
            if former:
                state_dict[prefix + _FORMER_NAMES[former] + layer[len(former) :]] = state_dict.pop(name)
        super()._load_from_state_dict(state_dict, prefix, *others)


def residual_stage(channels_in: int, channels_out: int, blocks: int, stride: int) -> nn.Sequential:
    """``blocks`` residual blocks with batch norm, the first with ``stride``."""
    return nn.Sequential(
        ResidualBlock(channels_in, channels_out, stride),
        *(ResidualBlock(channels_out, channels_out) for _ in range(blocks - 1)),
    )
