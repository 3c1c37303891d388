"""Warm start: begin a training with an earlier network's tensors wherever they fit; pad a wider first layer."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from ..errors import InputError
from ..files.resources import resource_path
from ..models import eight_bit_weights
from .wider_latents import widened_autoencoder, widened_unet

WEIGHTS = "diffusion_pytorch_model.safetensors"
FIRST_LAYER = "conv_in.weight"


def model_part(named: str | Path, part: str) -> Path:
    """The folder of one network of the model that a recipe names; ``compact`` is the shipped model."""
    return (resource_path("models/compact") if str(named) == "compact" else Path(named)) / part


def autoencoder_folder(named: str | Path) -> Path:
    """The folder of the autoencoder that a recipe names; ``compact`` is that of the shipped model."""
    return model_part("compact", "autoencoder") if str(named) == "compact" else Path(named)


def holds_clip_tower(model: str | Path) -> bool:
    """Whether the radiograph encoder of a model has CLIP's image tower among its weights."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(model_part(model, "radiograph_encoder") / WEIGHTS, "pt") as stream:
            return any(name.startswith("clip_visual.") for name in stream.keys())
    except (OSError, SafetensorError):
        return False


def load_matching_weights(network: nn.Module, folder: Path) -> int:
    """Copy every tensor of the network in ``folder`` that has the same name and shape; returns how many.

    A first layer with more input channels than the earlier one gets the earlier weights for the earlier channels and
    zeros for the others, as in Zero-123: at step 0 the new channels change nothing. Where the latents got more
    channels, ``wider_latents`` fills the layers that depend on them. Raises InputError when the folder holds no
    weights.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    own = network.state_dict()
    try:
        small = (folder / eight_bit_weights.FILE).exists()
        earlier = eight_bit_weights.load_eight_bits(folder) if small else load_file(folder / WEIGHTS)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(
            f"The folder {folder.parent.name}/{folder.name} holds no weights to begin from.",
            code="bad-recipe",
            field="initial",
            hint="Let 'initial' name a model folder or the output of an earlier training, compact, or null.",
        ) from error
    fitting = {}
    for name, tensor in earlier.items():
        if name not in own:
            continue
        if own[name].shape == tensor.shape:
            fitting[name] = tensor.to(own[name].dtype)
        elif name == FIRST_LAYER and _is_widened(own[name], tensor):
            fitting[name] = own[name].new_zeros(own[name].shape)
            fitting[name][:, : tensor.shape[1]] = tensor
    for widened in (widened_autoencoder, widened_unet):
        fitting |= {name: tensor.to(own[name].dtype) for name, tensor in widened(own, earlier).items()}
    network.load_state_dict(fitting, strict=False)
    return len(fitting)


def _is_widened(own: Tensor, earlier: Tensor) -> bool:
    """Whether two convolution weights [out, in, k, k] differ only in that ``own`` has more input channels."""
    return own.shape[1] > earlier.shape[1] and own.shape[:1] + own.shape[2:] == earlier.shape[:1] + earlier.shape[2:]
