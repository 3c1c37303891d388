"""The weights of a published latent diffusion model under the names that this program uses, and their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..errors import InputError
from ..volume.geometry import OAI_FIELD

GROUPS, HEADS = 32, 8  # of the family of Stable Diffusion 1 and Zero-123; no tensor tells them
LATENT_SCALE = 0.18215
_MULTIPLES = (1, 2, 4, 4)


@dataclass
class PublishedWeights:
    """Tensors by the names of this program's networks.

    Attributes
    ----------
    unet
        As in diffusers' UNet2DConditionModel.
    autoencoder
        As in diffusers' AutoencoderKL.
    tower
        As in ``models.clip_tower``; None when the source has no image tower.
    projection
        Weight [768, 768 or more] and bias of the layer behind the tower; None when there is none.
    alphas_cumprod
        The source's own schedule [1000], None when it states none.
    """

    unet: Mapping[str, Tensor]
    autoencoder: Mapping[str, Tensor]
    tower: Mapping[str, Tensor] | None = None
    projection: tuple[Tensor, Tensor] | None = None
    alphas_cumprod: Tensor | None = None


def unet_sizes(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Constructor entries of the U-Net, read from the shapes of its tensors. Raises InputError for another family."""
    try:
        width, entering = weights["conv_in.weight"].shape[:2]
        out = weights["conv_out.weight"].shape[0]
        context = weights["down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"].shape[1]
    except (KeyError, IndexError) as error:
        raise other_family() from error
    if width % GROUPS or out != 4 or entering not in (4, 8):
        raise other_family()
    return {
        "in_channels": 8,
        "out_channels": 4,
        "block_out_channels": [width * multiple for multiple in _MULTIPLES],
        "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
        "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
        "layers_per_block": 2,
        "attention_heads": HEADS,
        "cross_attention_dim": context,
        "norm_num_groups": GROUPS,
    }


def autoencoder_sizes(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Constructor entries of the autoencoder, read from the shapes of its tensors. Raises InputError."""
    try:
        width = weights["encoder.conv_in.weight"].shape[0]
    except (KeyError, IndexError) as error:
        raise other_family() from error
    if width % GROUPS:
        raise other_family()
    return {
        "in_channels": 3,
        "out_channels": 3,
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "block_out_channels": [width * multiple for multiple in _MULTIPLES],
        "layers_per_block": 2,
        "latent_channels": 4,
        "norm_num_groups": GROUPS,
        "sample_size": OAI_FIELD.pixels,
        "scaling_factor": LATENT_SCALE,
    }


def tower_sizes(weights: Mapping[str, Tensor]) -> dict[str, int]:
    """Constructor entries of the radiograph encoder for CLIP's tower. Raises InputError for another tower."""
    try:
        width, embedding = weights["conv1.weight"].shape[0], weights["proj"].shape[1]
    except (KeyError, IndexError) as error:
        raise other_family() from error
    layers = {name.split(".")[2] for name in weights if name.startswith("transformer.resblocks.")}
    return {"clip_width": width, "clip_layers": len(layers), "clip_embedding": embedding}


def other_family() -> InputError:
    """The refusal of weights of another architecture."""
    return InputError(
        "The weights are not those of a model of Stable Diffusion 1's architecture, such as Zero-123.",
        code="other-weights",
        hint="Give Zero-123's checkpoint, or a folder of its family.",
    )
