"""Weights of a network in eight bits: half the size of half precision, for models in git and for downloads.

Matrices and convolutions are stored as int8 with one scale per output channel (symmetric, ``weight = int8 * scale``);
tensors of one dimension or of a single channel stay float16. Only the file is smaller: networks compute in floating
point. Rounding changes a weight by at most 1/254 of the largest weight of its channel.

Large tensors can be rounded coarser, to 63 values, and stored in six bits each: four weights in three bytes. Volumes of
a trained model then differed from those of its float32 weights by 42 to 48 dB PSNR, those of plain eight bits by 48 to
49 dB, in the mean grey by less than 0.002 both (five radiographs). Files of earlier versions hold the same 63 values in
eight bits and are read as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

FILE = "diffusion_pytorch_model.int8.safetensors"  # diffusers' pattern for a variant
SCALE = ".int8_scale"  # suffix of the scaled tensor's name
SHAPE = ".shape"  # and of the shape of one that is packed in six bits
_LEVELS = 127
_COARSE_LEVELS = 31
_LARGE = 60_000  # weights of a tensor that may be coarse; together they are nine tenths of a network
_SHRUNK = torch.linspace(0.6, 1.0, 12)  # of the largest weight of a channel: scales that are tried


def to_eight_bits(state: Mapping[str, Tensor], *, coarse: bool = False) -> dict[str, Tensor]:
    """The stored form of a state dict: int8 tensors [out, ...], their float32 scales [out], the rest in float16.

    ``coarse`` rounds large tensors to 63 values a channel instead of 255, at the scale of least squared error, and
    packs them: uint8 [bytes], their scales, and their shape.
    """
    stored: dict[str, Tensor] = {}
    for name, tensor in state.items():
        tensor = tensor.detach().cpu()
        if not tensor.is_floating_point():
            stored[name] = tensor.contiguous().clone()
        elif tensor.ndim < 2 or len(tensor) == 1:  # a single scale would be coarse, and the tensor is small
            stored[name] = tensor.half().contiguous().clone()
        else:
            rows = tensor.float().flatten(1)
            if coarse and tensor.numel() > _LARGE:
                whole, stored[name + SCALE] = _coarse(rows)
                stored[name], stored[name + SHAPE] = packed(whole), torch.tensor(tensor.shape)
            else:
                whole, stored[name + SCALE] = _rounded(rows, _LEVELS)
                stored[name] = whole.to(torch.int8).view(tensor.shape).contiguous()
    return stored


def _rounded(rows: Tensor, levels: int, shrunk: float = 1.0) -> tuple[Tensor, Tensor]:
    """Whole numbers of at most ``levels`` and the scale of each row."""
    scale = rows.abs().amax(dim=1) * shrunk / levels
    scale[scale == 0] = 1.0  # a channel of zeros, e.g. in a layer with zero initialisation
    return (rows / scale[:, None]).round().clamp(-levels, levels), scale


def _coarse(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The same at few levels: each row's largest weights may be cut where the others gain by it."""
    whole, scale = _rounded(rows, _COARSE_LEVELS)
    least = (whole * scale[:, None] - rows).square().sum(dim=1)
    for shrunk in _SHRUNK[:-1].tolist():
        other, other_scale = _rounded(rows, _COARSE_LEVELS, shrunk)
        error = (other * other_scale[:, None] - rows).square().sum(dim=1)
        better = error < least
        whole[better], scale[better], least[better] = other[better], other_scale[better], error[better]
    return whole, scale


def packed(whole: Tensor) -> Tensor:
    """Whole numbers from -31 to 31 in six bits each, uint8 [3 N / 4], the last bytes filled up with zeros."""
    six = (whole.flatten().to(torch.int32) + _COARSE_LEVELS + 1).view(-1)
    six = torch.nn.functional.pad(six, (0, -len(six) % 4)).view(-1, 4)
    together = six[:, 0] | six[:, 1] << 6 | six[:, 2] << 12 | six[:, 3] << 18
    return torch.stack([together >> shift & 255 for shift in (0, 8, 16)], dim=1).to(torch.uint8).flatten()


def unpacked(stored: Tensor, shape: Tensor) -> Tensor:
    """Inverse of ``packed``, int8 of this shape. Raises ValueError for what is no packed tensor of this shape."""
    if stored.dtype != torch.uint8 or stored.ndim != 1 or shape.dtype != torch.int64 or shape.ndim != 1:
        raise ValueError("Packed weights must be bytes, and their shape whole numbers.")
    size = shape.tolist()
    count = math.prod(size)
    if min(size, default=0) < 1 or len(stored) != 3 * -(-count // 4):
        raise ValueError(f"{len(stored)} bytes do not hold {count} weights of six bits.")
    three = stored.view(-1, 3).to(torch.int32)
    together = three[:, 0] | three[:, 1] << 8 | three[:, 2] << 16
    six = torch.stack([together >> shift & 63 for shift in (0, 6, 12, 18)], dim=1).flatten()[:count]
    return (six - _COARSE_LEVELS - 1).to(torch.int8).view(size)


def from_eight_bits(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The float32 state dict, inverse of ``to_eight_bits``.

    Raises KeyError for int8 weights without a scale, and ValueError for packed ones of another shape.
    """
    state = {}
    for name, tensor in stored.items():
        if name.endswith((SCALE, SHAPE)):
            continue
        if name + SHAPE in stored:
            tensor = unpacked(tensor, stored[name + SHAPE])
        if tensor.dtype == torch.int8:
            scale = stored[name + SCALE]
            if scale.shape != tensor.shape[:1]:
                raise ValueError(f"The scales of {name} do not fit its channels.")
            tensor = tensor.float() * scale.view(-1, *[1] * (tensor.ndim - 1))
        elif name + SCALE in stored:
            raise ValueError(f"{name} has scales, but neither int8 weights nor packed ones.")
        state[name] = tensor.float() if tensor.is_floating_point() else tensor
    return state


def save_eight_bits(state: Mapping[str, Tensor], folder: Path, *, coarse: bool = False) -> Path:
    """Write ``folder``/FILE as ``to_eight_bits`` has it; returns its path."""
    from safetensors.torch import save_file

    stored = to_eight_bits(state, coarse=coarse)
    save_file(stored, folder / FILE, {"format": "pt", "weights": "int8, or six bits, one scale per output channel"})
    return folder / FILE


def load_eight_bits(folder: Path) -> dict[str, Tensor]:
    """Read the float32 state dict from ``folder``/FILE.

    Raises OSError, SafetensorError, KeyError or ValueError if it is unusable.
    """
    from safetensors.torch import load_file

    return from_eight_bits(load_file(folder / FILE))
