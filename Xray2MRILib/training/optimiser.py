"""The optimiser by its name in a recipe, its groups of parameters, and averages in main memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..errors import InputError

if TYPE_CHECKING:
    from .denoising_loss import Denoiser


def build_optimiser(
    name: str, parameters: Any, *, learning_rate: float, weight_decay: float, cuda: bool
) -> torch.optim.Optimizer:
    """AdamW, or the AdamW of bitsandbytes with moments of eight bits.

    Raises InputError (code ``missing-package``) when bitsandbytes is asked for and not installed.
    """
    rates = {"lr": learning_rate, "weight_decay": weight_decay}
    if name == "adamw":
        return torch.optim.AdamW(parameters, **rates, fused=cuda or None)
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError as error:
        raise InputError(
            "The optimiser adamw-8bit needs the package bitsandbytes, which is not installed.",
            code="missing-package",
            hint="Install bitsandbytes, or let the optimiser be adamw.",
            field="optimiser",
        ) from error
    return AdamW8bit(parameters, **rates)


def rate_groups(network: Denoiser, added_factor: float, pretrained_projection: bool) -> list[dict[str, Any]]:
    """Two groups of parameters: those of the pre-trained base, and the added ones with ``added_factor`` times the rate.

    Added are the U-Net's parts that the stock network lacks (A14) and the trained parts of the radiograph encoder; the
    projection of CLIP's embedding belongs to the base when that came with it. Without frozen parameters.
    """
    added = {id(parameter) for parameter in network.unet.added_parameters()}
    for name, parameter in network.encoder.named_parameters():
        if not (name.startswith("projection.") and pretrained_projection):
            added.add(id(parameter))
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    return [
        {"params": [parameter for parameter in trained if id(parameter) not in added], "rate_factor": 1.0},
        {"params": [parameter for parameter in trained if id(parameter) in added], "rate_factor": added_factor},
    ]


def host_copies(parameters: Iterable[nn.Parameter]) -> list[torch.Tensor]:
    """The parameters in main memory; on a processor the parameters themselves without their graph."""
    return [parameter.detach().to("cpu").requires_grad_(parameter.requires_grad) for parameter in parameters]
