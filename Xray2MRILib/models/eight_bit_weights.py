"""Weights of a network in eight bits: half the size of half precision, for models in git and for downloads.

Matrices and convolutions are stored as int8 with one scale per output channel (symmetric, ``weight = int8 * scale``);
tensors of one dimension or of a single channel stay float16. Only the file is smaller: networks compute in floating
point. Rounding changes a weight by at most 1/254 of the largest weight of its channel.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

FILE = "diffusion_pytorch_model.int8.safetensors"  # diffusers' pattern for a variant
SCALE = ".int8_scale"  # suffix of the scaled tensor's name
_LEVELS = 127


def to_eight_bits(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The stored form of a state dict: int8 tensors [out, ...], their float32 scales [out], the rest in float16."""
    stored: dict[str, Tensor] = {}
    for name, tensor in state.items():
        tensor = tensor.detach().cpu()
        if not tensor.is_floating_point():
            stored[name] = tensor.contiguous().clone()
        elif tensor.ndim < 2 or len(tensor) == 1:  # a single scale would be coarse, and the tensor is small
            stored[name] = tensor.half().contiguous().clone()
        else:
            rows = tensor.float().flatten(1)
            scale = rows.abs().amax(dim=1) / _LEVELS
            scale[scale == 0] = 1.0  # a channel of zeros, e.g. in a layer with zero initialisation
            stored[name] = (rows / scale[:, None]).round().to(torch.int8).view(tensor.shape).contiguous()
            stored[name + SCALE] = scale
    return stored


def from_eight_bits(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The float32 state dict, inverse of ``to_eight_bits``. Raises KeyError for int8 weights without a scale."""
    state = {}
    for name, tensor in stored.items():
        if name.endswith(SCALE):
            continue
        if tensor.dtype == torch.int8:
            scale = stored[name + SCALE]
            tensor = tensor.float() * scale.view(-1, *[1] * (tensor.ndim - 1))
        state[name] = tensor.float() if tensor.is_floating_point() else tensor
    return state


def save_eight_bits(state: Mapping[str, Tensor], folder: Path) -> Path:
    """Write ``folder``/FILE; returns its path."""
    from safetensors.torch import save_file

    save_file(to_eight_bits(state), folder / FILE, {"format": "pt", "weights": "int8, one scale per output channel"})
    return folder / FILE


def load_eight_bits(folder: Path) -> dict[str, Tensor]:
    """Read the float32 state dict from ``folder``/FILE. Raises OSError, SafetensorError or KeyError if unusable."""
    from safetensors.torch import load_file

    return from_eight_bits(load_file(folder / FILE))
