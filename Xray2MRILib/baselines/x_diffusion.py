"""X-Diffusion (Bourigault et al. 2024): Zero-123 with the camera's pose replaced by the slice's position.

Four numbers, the slicing axis as one-hot and the position along it, are appended to the CLIP embedding of the
radiograph. A linear layer, 772 to 768 and at first the identity on the embedding, makes one token of both for all
cross-attention. The radiograph's latent is concatenated. The down path has no depth, the up path no guidance.

In the ``paper`` preset the embedding is CLIP's. The smaller presets are too small for a tower of 304 million
parameters; there the mean of four convolutional tokens, which are trained with the U-Net, replaces it.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor, nn

from ..models.conditional_unet import Xray2MRIUNet
from .registry import Method

AXIS = (0.0, 1.0, 0.0)  # sagittal, coronal, axial
SLICES = 50  # N of the published code 2 * index / N - 1


def slice_code(depth: Tensor, slices: int = SLICES) -> Tensor:
    """The 4-vectors [B, 4] of depths u [B] in [-1, 1]: axis, then 2 * index / N - 1, which ends short of 1."""
    index = (depth + 1) / 2 * (slices - 1)
    axis = depth.new_tensor(AXIS).expand(len(depth), -1)
    return torch.cat((axis, (2 * index / slices - 1)[:, None]), dim=1)


class SliceProjection(nn.Linear):
    """Linear layer from an embedding with a slice code, [B, width + 4], to a token [B, width].

    As Zero-123's ``cc_projection`` it starts as the identity on the embedding and zero on the code.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width + 4, width)
        nn.init.zeros_(self.weight)
        nn.init.eye_(self.weight[:, :width])
        nn.init.zeros_(self.bias)


class XDiffusionUNet(Xray2MRIUNet):
    """U-Net that receives the depth only in the token that it shares with the radiograph."""

    _added = (*Xray2MRIUNet._added, "slice_projection.")

    def __init__(self, *sizes: Any, **named_sizes: Any) -> None:
        super().__init__(*sizes, **named_sizes)
        self.slice_projection = SliceProjection(self.config.cross_attention_dim)

    # diffusers reads a network's configuration from this signature
    functools.update_wrapper(__init__, Xray2MRIUNet.__init__)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | int,
        depth: Tensor | None = None,
        conditions: Any = None,
        token: Tensor | None = None,
        *unused: Any,
        **also_unused: Any,
    ) -> Tensor:
        """Predicted noise (or v); ``token`` [B, N, width] is averaged over N; None stands for zeros (dropped)."""
        embedding = sample.new_zeros(len(sample), self.config.cross_attention_dim) if token is None else token.mean(1)
        code = slice_code(depth).to(embedding.dtype)
        return super().forward(
            sample, timestep, token=self.slice_projection(torch.cat((embedding, code), dim=1))[:, None]
        )


def changes(preset: str) -> dict[str, dict[str, Any]]:
    """Radiograph latent concatenated, one token; no depth embedding, no guidance."""
    from ..models.presets import latent_channels

    return {
        "unet": {
            "in_channels": 2 * latent_channels(preset),
            "depth": False,
            "condition_names": (),
            "condition_sizes": (),
        },
        "radiograph_encoder": {
            "token_encoder": "clip" if preset == "paper" else "convolutional",
            "feature_channels": 0,
        },
    }


METHODS = {
    "x-diffusion": Method(
        "X-Diffusion",
        "radiograph latent concatenated, slice code and embedding in one token",
        changes,
        "XDiffusionUNet",
    )
}
