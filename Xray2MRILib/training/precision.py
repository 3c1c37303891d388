"""The arithmetic of a training run: float32, or bfloat16 by autocast."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import torch


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """bfloat16 autocast on ``device`` when ``precision`` is "bfloat16", else nothing."""
    if precision != "bfloat16":
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def measured_precision(wish: str, device: torch.device, step: Callable[[], torch.Tensor]) -> str:
    """``wish`` or, with "auto", the faster of bfloat16 and float32 in a trial of ``step`` (a forward pass).

    Processors with matrix units for bfloat16 gain several times; others emulate it and lose a hundredfold.
    """
    if wish != "auto":
        return wish
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    seconds = {}
    for precision in ("float32", "bfloat16"):
        for _ in range(2):  # the first run includes one-time preparation
            started = time.perf_counter()
            try:
                with autocast(device, precision), torch.no_grad():
                    step()
            except NotImplementedError:  # an operation that this device knows in float32 only
                break
            seconds[precision] = time.perf_counter() - started
    return min(seconds, key=seconds.__getitem__)
