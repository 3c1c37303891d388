"""Resumable training state in one safetensors file: network, averaged weights, optimiser, and counters."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from diffusers.training_utils import EMAModel
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from ..errors import InputError


def save_checkpoint(
    path: Path, network: nn.Module, average: EMAModel, optimiser: torch.optim.Optimizer, progress: dict[str, Any]
) -> None:
    """Write all that a resumed run needs; ``progress`` is JSON-able. The file gets its name when it is complete."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"average.{index:04d}": tensor for index, tensor in enumerate(average.shadow_params)}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index:04d}.{name}": torch.as_tensor(value) for name, value in _flat(state).items()}
    temporary = path.with_name(path.name + ".tmp")
    groups = [len(group["params"]) for group in optimiser.param_groups]
    metadata = {
        "progress": json.dumps(progress), "average_steps": str(average.optimization_step), "groups": json.dumps(groups),
    }  # fmt: skip
    save_file({name: host_copy(tensor) for name, tensor in tensors.items()}, temporary, metadata)
    os.replace(temporary, path)


def load_checkpoint(
    path: Path, network: nn.Module, average: EMAModel, optimiser: torch.optim.Optimizer
) -> dict[str, Any]:
    """Restore what ``save_checkpoint`` wrote and return its progress.

    Raises InputError when the file is missing, damaged or belongs to another network.
    """
    try:
        with safe_open(path, "pt") as stream:
            metadata = stream.metadata()
            tensors = {name: stream.get_tensor(name) for name in stream.keys()}
        progress = json.loads(metadata["progress"])
        groups = [len(group["params"]) for group in optimiser.param_groups]
        if json.loads(metadata.get("groups", json.dumps(groups))) != groups:
            raise ValueError("its parameters have other groups of learning rates.")
        network.load_state_dict(_with_prefix(tensors, "network."))
        shadows = _with_prefix(tensors, "average.").values()
        average.shadow_params = [_laid_out(s, old) for s, old in zip(shadows, average.shadow_params, strict=True)]
        average.optimization_step = int(metadata["average_steps"])
        state: dict[int, dict[str, Any]] = {}
        for name, tensor in _with_prefix(tensors, "optimiser.").items():
            index, key, *inner = name.split(".", 2)
            value = tensor.item() if tensor.dtype == torch.int64 and tensor.ndim == 0 else tensor  # a count of steps
            if inner:
                state.setdefault(int(index), {}).setdefault(key, {})[inner[0]] = value
            else:
                state.setdefault(int(index), {})[key] = value
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
        for parameter, known in optimiser.state.items():
            for key, value in known.items():
                if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                    known[key] = _laid_out(value, parameter)
    except (OSError, SafetensorError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"The checkpoint {path.name} cannot be resumed: {str(error).splitlines()[0]}",
            code="bad-checkpoint",
            hint="Start again without resuming, or with the configuration that wrote it.",
        ) from error
    return progress


def _flat(state: dict[str, Any]) -> dict[str, Any]:
    """An optimiser's state of one parameter; what bitsandbytes keeps in an inner table gets ``table.name``."""
    flat: dict[str, Any] = {}
    for name, value in state.items():
        flat |= {f"{name}.{inner}": one for inner, one in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def host_copy(tensor: torch.Tensor) -> torch.Tensor:
    """A copy in main memory: a device has no room for all of them, and safetensors refuses shared storage."""
    tensor = tensor.detach()
    return tensor.cpu().contiguous() if tensor.device.type != "cpu" else tensor.contiguous().clone()


def _laid_out(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The values of ``tensor``, of its own type, on the device and in the memory order of ``like``.

    A fused optimiser goes through a parameter and its moments side by side in memory, so all need the same order;
    files hold the contiguous one, networks may be channels-last.
    """
    return torch.empty_like(like, dtype=tensor.dtype, requires_grad=False).copy_(tensor)


def _with_prefix(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name[len(prefix) :]: tensors[name] for name in sorted(tensors) if name.startswith(prefix)}
