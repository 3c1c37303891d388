"""Folders in diffusers' layout: Zero-123 as others have converted it, and models of Stable Diffusion 1's family."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from .published_weights import HEADS, PublishedWeights, other_family
from .tensor_file import read_tensors

_STEMS = ("diffusion_pytorch_model", "pytorch_model", "model")
_ENDINGS = (".safetensors", ".fp16.safetensors", ".bin", ".fp16.bin")
_PROJECTION_FOLDERS = ("cc_projection", "clip_camera_projection")


def read_diffusers_folder(folder: Path, *, image_tower: bool = False) -> PublishedWeights:
    """The weights of a pipeline's folder with ``unet`` and ``vae``, perhaps ``image_encoder`` and a projection.

    ``image_tower`` demands these two, as Zero-123 has them. Raises InputError for a folder of another kind.
    """
    unet = read_network_tensors(folder / "unet")
    heads = _config(folder / "unet").get("attention_head_dim", HEADS)
    if heads != HEADS:
        raise other_family()
    tower = projection = None
    if (folder / "image_encoder").is_dir():
        tower = convert_clip_tower(read_network_tensors(folder / "image_encoder"))
    for name in _PROJECTION_FOLDERS:
        if (folder / name).is_dir():
            layer = {key.rpartition(".")[2]: tensor for key, tensor in read_network_tensors(folder / name).items()}
            if set(layer) != {"weight", "bias"}:
                raise other_family()
            projection = (layer["weight"], layer["bias"])
    if image_tower and (tower is None or projection is None):
        raise InputError(
            f"The folder {folder.name} has no image tower with its projection, as Zero-123 has them.",
            code="other-weights",
            hint="Give Zero-123's folder or checkpoint, or import it as a diffusers folder.",
        )
    return PublishedWeights(
        unet=unet,
        autoencoder=current_attention_names(read_network_tensors(folder / "vae")),
        tower=tower,
        projection=projection,
        alphas_cumprod=_schedule(folder / "scheduler"),
    )


def network_file(folder: Path) -> Path | None:
    """The weight file of a network's folder, safetensors first; None when there is none."""
    files = (folder / f"{stem}{ending}" for stem in _STEMS for ending in _ENDINGS)
    return next((file for file in files if file.is_file()), None)


def read_network_tensors(folder: Path) -> dict[str, Tensor]:
    """The tensors of one network's folder, from safetensors or by the restricted reader. Raises InputError."""
    file = network_file(folder)
    if file is None:
        raise InputError(
            f"The folder {folder.parent.name}/{folder.name} has no weights in one file.",
            code="no-weights",
            hint="Give a folder in the layout of diffusers.",
        )
    return {name: tensor.float() for name, tensor in read_tensors(file).items()}


def current_attention_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Autoencoder tensors under the names of today's diffusers, which older folders do not use for attention."""
    renamed = {}
    for name, tensor in tensors.items():
        for old, new in (
            (".query.", ".to_q."),
            (".key.", ".to_k."),
            (".value.", ".to_v."),
            (".proj_attn.", ".to_out.0."),
        ):
            name = name.replace(old, new)
        if ".attentions." in name and ".to_" in name and tensor.ndim == 4:
            tensor = tensor[:, :, 0, 0]
        renamed[name] = tensor
    return renamed


def convert_clip_tower(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """CLIP's image tower from the names of transformers to those of open_clip. Raises InputError for another tower."""
    outer = {
        "class_embedding": "vision_model.embeddings.class_embedding",
        "conv1.weight": "vision_model.embeddings.patch_embedding.weight",
        "positional_embedding": "vision_model.embeddings.position_embedding.weight",
    } | {
        f"{new}.{kind}": f"vision_model.{old}.{kind}"
        for new, old in (("ln_pre", "pre_layrnorm"), ("ln_post", "post_layernorm"))
        for kind in ("weight", "bias")
    }
    inner = {
        "attn.out_proj": "self_attn.out_proj", "ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1",
        "mlp.c_proj": "mlp.fc2",
    }  # fmt: skip
    try:
        converted = {new: tensors[old] for new, old in outer.items()} | {"proj": tensors["visual_projection.weight"].T}
        layers = {name.split(".")[3] for name in tensors if name.startswith("vision_model.encoder.layers.")}
        for layer in layers:
            before, after = f"vision_model.encoder.layers.{layer}.", f"transformer.resblocks.{layer}."
            for kind in ("weight", "bias"):
                parts = [tensors[f"{before}self_attn.{part}_proj.{kind}"] for part in "qkv"]
                converted[f"{after}attn.in_proj_{kind}"] = torch.cat(parts)
                converted |= {f"{after}{new}.{kind}": tensors[f"{before}{old}.{kind}"] for new, old in inner.items()}
    except (KeyError, IndexError) as error:
        raise other_family() from error
    return converted


def _schedule(folder: Path) -> Tensor | None:
    """alpha-bar of a scheduler's folder, None without one. Raises InputError for another kind of prediction."""
    config = _config(folder)
    if not config:
        return None
    if config.get("prediction_type", "epsilon") != "epsilon":
        raise InputError(
            f"The model in {folder.parent.name} does not predict the noise.",
            code="other-weights",
            hint="Give a model that was trained to predict the noise, as Zero-123 was.",
        )
    from ..models.diffusers_parts import DDIMScheduler

    names = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule")
    return DDIMScheduler(**{name: config[name] for name in names if name in config}).alphas_cumprod


def _config(folder: Path) -> dict[str, Any]:
    for name in ("config.json", "scheduler_config.json"):
        try:
            found = json.loads((folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return {}
