"""The memory that a training needs by the number of its parameters, told and compared before it starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ..device import free_memory_bytes
from ..errors import ProcessingError

_MOMENTS = {"adamw": 8, "adamw-8bit": 2}  # bytes per parameter of both moments of AdamW


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes for weights, gradients, moments and averages; activations and encoded knees come on top.

    Attributes
    ----------
    trained, frozen
        Number of parameters of either kind on the device.
    device_bytes
        On the device of each process.
    host_bytes
        In main memory of each process, for averages that lie there.
    """

    trained: int
    frozen: int
    device_bytes: int
    host_bytes: int

    def sentence(self) -> str:
        """The estimate as one line for the terminal."""
        host = f" and {_size(self.host_bytes)} of main memory" if self.host_bytes else ""
        return (
            f"{self.trained / 1e6:.1f} M trained and {self.frozen / 1e6:.1f} M frozen parameters need about "
            f"{_size(self.device_bytes)}{host} per process, besides activations and encoded knees"
        )


def estimate_memory(parts: Mapping[str, Any], *, optimiser: str, ema_on_host: bool, processes: int) -> MemoryEstimate:
    """The estimate for networks of ``build_components``, which may lie on the meta device.

    Each trained parameter takes 4 bytes for itself, its gradient and its average, and the moments'; with several
    processes 4 more for the gradients on their way. CLIP's tower is on the device only while radiographs are encoded.
    """
    encoder = dict(parts["radiograph_encoder"].named_parameters())
    trained = _count(parts["unet"].parameters())
    trained += _count(tensor for name, tensor in encoder.items() if not name.startswith("clip_visual."))
    frozen = _count(parts["autoencoder"].parameters())
    per_parameter = 4 + 4 + _MOMENTS[optimiser] + (0 if ema_on_host else 4) + (4 if processes > 1 else 0)
    return MemoryEstimate(trained, frozen, trained * per_parameter + 4 * frozen, 4 * trained if ema_on_host else 0)


def check_memory(estimate: MemoryEstimate, device: torch.device, processes: int) -> None:
    """Refuse a training whose weights alone do not fit. Raises ProcessingError (code ``not-enough-memory``)."""
    for needed, place in ((estimate.device_bytes, str(device)), (estimate.host_bytes, "cpu")):
        count = 1 if place.startswith("cuda") else processes  # which share main memory
        free = free_memory_bytes(place)
        if free is not None and needed * count > free:
            raise ProcessingError(
                f"The training needs at least {_size(needed * count)} of memory for its weights, gradients, moments "
                f"and averages, and {_size(free)} are free on {place}.",
                code="not-enough-memory",
                hint="Let ema_on_host be true or the optimiser adamw-8bit, or use a larger device.",
                field="ema_on_host",
            )


def _count(parameters: Iterable[nn.Parameter]) -> int:
    return sum(parameter.numel() for parameter in parameters)


def _size(number: int) -> str:
    return f"{number / 1e6:.1f} MB" if number < 1e9 else f"{number / 1e9:.1f} GB"
