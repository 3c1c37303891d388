"""One network of a model: config.json and weights as float or eight-bit safetensors, never as pickle files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ..models import eight_bit_weights
from ..models.diffusers_parts import is_accelerate_available
from ..models.network import Network


def weight_files(folder: Path) -> list[Path]:
    """The weight files in a network's folder, sorted."""
    return sorted(path for path in folder.glob("*.safetensors") if path.is_file())


def load_network(network: Any, folder: Path, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    """Load a network of class ``network`` (a diffusers ModelMixin or a Network) for evaluation on the CPU.

    Raises OSError, SafetensorError, ValueError, KeyError or RuntimeError for files that are missing, damaged, present
    twice or inconsistent with the configuration. The folder of a Network has its own checksums and raises the errors of
    ``Network.from_pretrained``.
    """
    if issubclass(network, Network):
        return network.from_pretrained(folder).to(dtype)
    if (folder / eight_bit_weights.FILE).exists():
        if len(weight_files(folder)) > 1:
            raise ValueError(f"{folder.name} contains weights twice")
        component = network.from_config(network.load_config(folder, local_files_only=True))
        component.load_state_dict(eight_bit_weights.load_eight_bits(folder))
        # not ModelMixin.to, which warns about modules in float32 although there are none
        return torch.nn.Module.to(component, dtype).eval()
    component, report = network.from_pretrained(
        folder,
        use_safetensors=True,
        local_files_only=True,
        torch_dtype=dtype,
        low_cpu_mem_usage=is_accelerate_available(),
        output_loading_info=True,
    )
    # diffusers would initialise missing tensors randomly and continue
    wrong = [key for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") for key in report[kind]]
    if wrong or report["error_msgs"]:
        raise ValueError(f"{len(wrong)} tensors of {folder.name} do not match its configuration")
    return component


def save_network(network: Any, folder: Path, *, eight_bit: bool = False, coarse: bool = False) -> None:
    """Write configuration and weights into ``folder``, the weights in their own precision or in eight bits."""
    if not eight_bit:
        network.save_pretrained(folder)
        return
    folder.mkdir(parents=True, exist_ok=True)
    network.save_config(folder)
    eight_bit_weights.save_eight_bits(network.state_dict(), folder, coarse=coarse)
