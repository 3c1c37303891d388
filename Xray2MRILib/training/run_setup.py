"""The first steps of every training: output folder, seed, threads, device, and the length of an epoch."""

from __future__ import annotations

from pathlib import Path

import torch

from ..device import choose_device
from ..errors import InputError


def prepare_run(output: Path, *, seed: int, threads: int, device: str = "cpu") -> torch.device:
    """Choose the device, make the folder ``output``, seed PyTorch and limit its threads (0: PyTorch's choice).

    Raises InputError for a device that this machine lacks.
    """
    chosen = torch.device(choose_device(device))
    output.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    if threads:
        torch.set_num_threads(threads)
    return chosen


def steps_per_epoch(crops: int, batch_size: int) -> int:
    """Whole batches among the training crops. Raises InputError when there is none."""
    if batch_size > crops:
        raise InputError(
            f"The entry batch_size of the recipe cannot be {batch_size}: there are only {crops} training crops.",
            code="bad-recipe",
            hint="Give a smaller batch or more crops.",
            field="batch_size",
        )
    return crops // batch_size
