"""LDM (Rombach et al. 2022): the same latent diffusion without the radiograph, conditioned on the depth alone.

The paper's baseline "lacks the constraint of the X-ray"; without the depth its slices could not be stacked. It draws
arbitrary knees, so its scores are those that any plausible knee reaches.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..models.conditional_unet import Xray2MRIUNet
from .registry import Method


class LatentDiffusionUNet(Xray2MRIUNet):
    """U-Net of the noisy latent and the depth; it ignores the radiograph."""

    def forward(
        self, sample: Tensor, timestep: Tensor | int, depth: Tensor | None = None, *unused: Any, **also_unused: Any
    ) -> Tensor:
        """Predicted noise (or v) [B, C, h, w] of the first C channels of ``sample`` [B, C + ..., h, w]."""
        return super().forward(sample[:, : self.config.in_channels], timestep, depth)


def changes(preset: str) -> dict[str, dict[str, Any]]:
    """No radiograph at the input, no token, no guidance in the up path."""
    from ..models.presets import latent_channels

    return {
        "unet": {"in_channels": latent_channels(preset), "condition_names": (), "condition_sizes": (), "token": False},
        "radiograph_encoder": {"token_encoder": "none", "feature_channels": 0},
    }


METHODS = {"ldm": Method("LDM", "depth only, no radiograph", changes, "LatentDiffusionUNet")}
