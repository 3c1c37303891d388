"""Checkpoints of the layout of Zero-123 and Stable Diffusion, small, with the names of the original program.

The names are written from that program's structure (its lists of blocks), in the direction opposite to the converter
that is tested: from diffusers' names to the original ones.
"""

from __future__ import annotations

import pickle
import re
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

LAYERS = 2  # residual blocks per level
LEVELS = 4

_RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
           "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}  # fmt: skip
_OUTER = {"time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
          "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2"}  # fmt: skip
_VAE_RESNET = {"conv_shortcut": "nin_shortcut"}
_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def original_unet_name(name: str) -> str:
    """The name that a tensor of UNet2DConditionModel has in the original U-Net."""
    stem, kind = name.rsplit(".", 1)
    if stem in _OUTER:
        return f"{_OUTER[stem]}.{kind}"
    if match := re.fullmatch(r"down_blocks\.(\d)\.(resnets|attentions|downsamplers)\.(\d)\.(.+)", stem):
        block, part, layer, rest = int(match[1]), match[2], int(match[3]), match[4]
        if part == "downsamplers":
            return f"input_blocks.{(LAYERS + 1) * (block + 1)}.0.op.{kind}"
        place = 1 + (LAYERS + 1) * block + layer  # the first one is conv_in, each level ends with its downsampling
        return f"input_blocks.{place}.{_part(part, rest)}.{kind}"
    if match := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d)\.(.+)", stem):
        place = 2 * int(match[2]) if match[1] == "resnets" else 1
        return f"middle_block.{place}.{_part(match[1], match[3])[2:]}.{kind}"
    match = re.fullmatch(r"up_blocks\.(\d)\.(resnets|attentions|upsamplers)\.(\d)\.(.+)", stem)
    assert match, name
    block, part, layer, rest = int(match[1]), match[2], int(match[3]), match[4]
    if part == "upsamplers":
        after = 1 if block == 0 else 2  # the coarsest level has no attention before it
        return f"output_blocks.{(LAYERS + 1) * block + LAYERS}.{after}.conv.{kind}"
    return f"output_blocks.{(LAYERS + 1) * block + layer}.{_part(part, rest)}.{kind}"


def _part(part: str, rest: str) -> str:
    return f"0.{_RESNET[rest]}" if part == "resnets" else f"1.{rest}"


def original_autoencoder_name(name: str) -> str:
    """The name that a tensor of AutoencoderKL has in the original autoencoder."""
    stem, kind = name.rsplit(".", 1)
    half, _, rest = stem.partition(".")
    if half in ("quant_conv", "post_quant_conv") or rest in ("conv_in", "conv_out"):
        return name
    if rest == "conv_norm_out":
        return f"{half}.norm_out.{kind}"
    if match := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d)\.(.+)", rest):
        if match[1] == "attentions":
            return f"{half}.mid.attn_1.{_VAE_ATTENTION[match[3]]}.{kind}"
        return f"{half}.mid.block_{int(match[2]) + 1}.{_VAE_RESNET.get(match[3], match[3])}.{kind}"
    match = re.fullmatch(r"(down|up)_blocks\.(\d)\.(resnets|downsamplers|upsamplers)\.(\d)\.(.+)", rest)
    assert match, name
    # the original counts the decoder's levels from the finest one
    level = int(match[2]) if match[1] == "down" else LEVELS - 1 - int(match[2])
    if match[3] == "resnets":
        return f"{half}.{match[1]}.{level}.block.{match[4]}.{_VAE_RESNET.get(match[5], match[5])}.{kind}"
    return f"{half}.{match[1]}.{level}.{match[3][:-2]}.conv.{kind}"


def original_autoencoder(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The original program's tensors; its attention is made of 1 x 1 convolutions."""
    renamed = {}
    for name, tensor in state.items():
        new = original_autoencoder_name(name)
        convolution = ".attn_1." in new and tensor.ndim == 2
        renamed[new] = tensor[:, :, None, None].clone() if convolution else tensor
    return renamed


def zero123_state(
    unet: dict[str, Tensor], autoencoder: dict[str, Tensor], tower: dict[str, Tensor], projection: Tensor, bias: Tensor
) -> dict[str, Tensor]:
    """``state_dict`` of a checkpoint: all that Zero-123's holds, averages and leftovers of the text tower included."""
    betas = torch.linspace(0.00085**0.5, 0.0120**0.5, 1000, dtype=torch.float64) ** 2
    model = {f"model.diffusion_model.{original_unet_name(name)}": tensor for name, tensor in unet.items()}
    return {
        "betas": betas.float(),
        "alphas_cumprod": torch.cumprod(1 - betas, 0).float(),
        **model,
        **{f"model_ema.{name[6:].replace('.', '')}": tensor + 1 for name, tensor in model.items()},
        "model_ema.decay": torch.tensor(0.9999),
        "model_ema.num_updates": torch.tensor(105000),
        **{f"first_stage_model.{name}": tensor for name, tensor in original_autoencoder(autoencoder).items()},
        **{f"cond_stage_model.model.visual.{name}": tensor for name, tensor in tower.items()},
        "cond_stage_model.model.logit_scale": torch.tensor(4.6),
        "cond_stage_model.model.positional_embedding": torch.zeros(77, 8),
        "cc_projection.weight": projection,
        "cc_projection.bias": bias,
    }


def write_lightning_checkpoint(file: Path, state: dict[str, Tensor], **more: Any) -> None:
    """A file as Lightning 1.4 wrote it: a class as a key, an optimiser, learning rates as numpy scalars."""
    names = "pytorch_lightning.callbacks.model_checkpoint"
    parts = names.split(".")
    modules = {".".join(parts[: k + 1]): types.ModuleType(".".join(parts[: k + 1])) for k in range(len(parts))}
    kind = type("ModelCheckpoint", (), {"__module__": names, "__qualname__": "ModelCheckpoint"})
    modules[names].ModelCheckpoint = kind  # type: ignore[attr-defined]
    absent = {name: sys.modules.get(name) for name in modules}
    sys.modules |= modules
    try:
        content = {
            "epoch": 165, "global_step": 105000, "pytorch-lightning_version": "1.4.2", "state_dict": state,
            "callbacks": {kind: {"best_model_score": None, "best_model_path": "/somewhere/last.ckpt"}},
            "optimizer_states": [{
                "state": {0: {"step": 105000, "exp_avg": torch.zeros(3), "exp_avg_sq": torch.zeros(3)}},
                "param_groups": [{"lr": np.float64(1e-4), "betas": (0.9, 0.999), "params": [0]}],
            }],
            "lr_schedulers": [{"base_lrs": [np.float64(1e-4)], "_last_lr": [np.float64(1e-4)], "last_epoch": 105000}],
            **more,
        }  # fmt: skip
        torch.save(content, file)
    finally:
        for name, module in absent.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


class Bomb:
    """An object whose reading by pickle would create a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.file,)


def write_plain_pickle(file: Path, content: Any) -> None:
    """A file of pickle itself."""
    file.write_bytes(pickle.dumps(content))
