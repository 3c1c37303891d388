"""CoLa-Diff (Jiang et al. 2023): a gate weights the condition, which enters the input and, by a side path, the middle.

The published network generates one MR contrast from others and from brain structure masks. Here the radiograph's latent
is the condition (masks do not apply). Our latent replaces theirs, whose encoder was not released. The depth enters by
the additive embedding, since the published model has no depth.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ..models.conditional_unet import Xray2MRIUNet
from .registry import Method

EPSILON = 1e-5


class AutoWeightGate(nn.Module):
    """Weights the channels of a condition [B, C, h, w] relative to each other by their spatial L2 norms.

    e = alpha * sqrt(sum over h, w of x^2 + 1e-5); e' = gamma * e / sqrt(mean over channels of e^2 + 1e-5) + beta;
    output = x * (1 + sigmoid(e')). alpha starts at 1, gamma and beta at 0, so every channel starts with the weight 1.5.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, condition: Tensor) -> Tensor:
        """The weighted condition [B, C, h, w]."""
        return condition * self.weights(condition).to(condition.dtype)

    def weights(self, condition: Tensor) -> Tensor:
        """The weights [B, C, 1, 1], between 1 and 2."""
        norm = (condition.float().square().sum(dim=(2, 3), keepdim=True) + EPSILON).sqrt() * self.alpha
        spread = (norm.square().mean(dim=1, keepdim=True) + EPSILON).sqrt()
        return 1 + torch.sigmoid(self.gamma * norm / spread + self.beta)


class SideNetwork(nn.Sequential):
    """Condition [B, C, h, w] -> [B, widths[-1], h / 2^n, w / 2^n], n = len(widths) - 1: added to the middle block's
    input.

    One 3 x 3 convolution per level with SiLU between; the last layer, 1 x 1, starts at zero.
    """

    def __init__(self, channels: int, widths: Sequence[int]) -> None:
        layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 3, padding=1), nn.SiLU()]
        for entering, leaving in pairwise(widths):
            layers += [nn.Conv2d(entering, leaving, 3, stride=2, padding=1), nn.SiLU()]
        last = nn.Conv2d(widths[-1], widths[-1], 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        super().__init__(*layers, last)


class ColaDiffUNet(Xray2MRIUNet):
    """U-Net on noisy latent and gated condition; a side network also leads the condition to the middle block."""

    _added = (*Xray2MRIUNet._added, "gate.", "side_network.")

    def __init__(self, *sizes: Any, **named_sizes: Any) -> None:
        super().__init__(*sizes, **named_sizes)
        channels = self.config.in_channels - self.config.out_channels
        self.gate = AutoWeightGate(channels)
        self.side_network = SideNetwork(channels, self.config.block_out_channels)

    # diffusers reads a network's configuration from this signature
    functools.update_wrapper(__init__, Xray2MRIUNet.__init__)

    def forward(
        self, sample: Tensor, timestep: Tensor | int, depth: Tensor | None = None, *unused: Any, **also_unused: Any
    ) -> Tensor:
        """Predicted noise (or v) [B, C, h, w] of ``sample`` [B, 2 C, h, w]: noisy latent, then radiograph latent."""
        noisy, condition = sample.split((self.config.out_channels, sample.shape[1] - self.config.out_channels), dim=1)
        condition = self.gate(condition)
        return super().forward(
            torch.cat((noisy, condition), dim=1), timestep, depth, to_middle=self.side_network(condition)
        )


def changes(preset: str) -> dict[str, dict[str, Any]]:
    """Radiograph latent as the only condition; no token, no guidance in the up path."""
    from ..models.presets import latent_channels

    return {
        "unet": {
            "in_channels": 2 * latent_channels(preset),
            "condition_names": (),
            "condition_sizes": (),
            "token": False,
        },
        "radiograph_encoder": {"token_encoder": "none", "feature_channels": 0},
    }


METHODS = {
    "cola-diff": Method(
        "CoLa-Diff", "radiograph latent gated, concatenated and added in the middle block", changes, "ColaDiffUNet"
    )
}
