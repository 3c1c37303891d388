"""One network of a model: config.json and weights, in float or in eight bits; nothing is ever unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.utils import is_accelerate_available

from ..models.network import Network
from . import eight_bit_weights


def weight_files(folder: Path) -> list[Path]:
    """The files of weights in a network's folder, sorted."""
    return sorted(path for path in folder.glob("*.safetensors") if path.is_file())


def load_network(network: Any, folder: Path, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    """The network of class ``network`` (a diffusers ModelMixin or a Network) from ``folder``, for evaluation, on the
    CPU.

    Raises OSError, SafetensorError, ValueError, KeyError or RuntimeError for files that are missing, damaged, present
    twice or do not fit the configuration. A Network, whose folder has checksums of its own, raises what
    ``Network.from_pretrained`` raises.
    """
    if issubclass(network, Network):
        return network.from_pretrained(folder).to(dtype)
    if (folder / eight_bit_weights.FILE).exists():
        if len(weight_files(folder)) > 1:
            raise ValueError(f"{folder.name} holds weights twice")
        component = network.from_config(network.load_config(folder, local_files_only=True))
        component.load_state_dict(eight_bit_weights.load_eight_bits(folder))
        # not ModelMixin.to, which warns of modules that should stay float32 where there are none
        return torch.nn.Module.to(component, dtype).eval()
    component, report = network.from_pretrained(
        folder,
        use_safetensors=True,
        local_files_only=True,
        torch_dtype=dtype,
        low_cpu_mem_usage=is_accelerate_available(),
        output_loading_info=True,
    )
    # diffusers would continue with random numbers in place of tensors that the file lacks
    wrong = [key for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") for key in report[kind]]
    if wrong or report["error_msgs"]:
        raise ValueError(f"{len(wrong)} tensors of {folder.name} do not fit its configuration")
    return component


def save_network(network: Any, folder: Path, *, eight_bit: bool = False) -> None:
    """Write configuration and weights into ``folder``, the latter as they are or in eight bits."""
    if not eight_bit:
        network.save_pretrained(folder)
        return
    folder.mkdir(parents=True, exist_ok=True)
    network.save_config(folder)
    eight_bit_weights.save_eight_bits(network.state_dict(), folder)
