"""Zero-123's checkpoint (Liu et al. 2023, cvlab-columbia/zero123), the base that the paper begins from.

| prefix in the file | content | goes to |
|---|---|---|
| ``model.diffusion_model.`` | U-Net, 8 channels in | ``unet`` |
| ``first_stage_model.`` | autoencoder | ``autoencoder`` |
| ``cond_stage_model.model.visual.`` | CLIP ViT-L/14 image tower | ``radiograph_encoder`` |
| ``cc_projection.`` | 768 x 772: embedding and pose | ``radiograph_encoder``, without the pose's columns |
| ``alphas_cumprod`` | schedule | compared |
| ``model_ema.``, others | averages, text tower | nothing: a fine-tuning begins from the weights themselves |

The names are mapped by diffusers' own converter.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from .published_weights import PublishedWeights, autoencoder_sizes, other_family, unet_sizes
from .tensor_file import read_tensors

_UNET, _AUTOENCODER = "model.diffusion_model.", "first_stage_model."
_TOWER, _PROJECTION = "cond_stage_model.model.visual.", "cc_projection."


def read_zero123(file: Path) -> PublishedWeights:
    """The weights of a Zero-123 checkpoint. Raises InputError for an unsafe or unreadable file or another model."""
    tensors = read_tensors(file)
    tower = _below(tensors, _TOWER)
    projection = _below(tensors, _PROJECTION)
    if not tower or set(projection) != {"weight", "bias"}:
        raise other_family()
    return PublishedWeights(
        unet=convert_unet(_below(tensors, _UNET)),
        autoencoder=convert_autoencoder(_below(tensors, _AUTOENCODER)),
        tower=tower,
        projection=(projection["weight"], projection["bias"]),
        alphas_cumprod=tensors.get("alphas_cumprod"),
    )


def convert_unet(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """U-Net tensors of the original program, without their prefix, under diffusers' names."""
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    if "input_blocks.0.0.weight" not in tensors:
        raise other_family()
    with_prefix = {f"{_UNET}{name}": tensor for name, tensor in tensors.items()}
    converted = _converted(convert_ldm_unet_checkpoint, with_prefix, {"layers_per_block": 2})
    unet_sizes(converted)
    return converted


def convert_autoencoder(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Autoencoder tensors of the original program, without their prefix, under diffusers' names."""
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    if "encoder.conv_in.weight" not in tensors:
        raise other_family()
    sizes = autoencoder_sizes(tensors)
    with_prefix = {f"{_AUTOENCODER}{name}": tensor for name, tensor in tensors.items()}
    return _converted(convert_ldm_vae_checkpoint, with_prefix, sizes)


def _converted(converter: Any, tensors: dict[str, Tensor], sizes: dict[str, Any]) -> dict[str, Tensor]:
    try:
        return converter(tensors, sizes)
    except (KeyError, IndexError, AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise other_family() from error


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
