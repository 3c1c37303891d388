"""The gradients of one step's batch, added up over parts of it and averaged over processes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from .processes import Processes
from .slice_batch import SliceBatch


def check_parts(knees_per_batch: int, accumulation: int, processes: int) -> None:
    """Refuse a batch that has fewer knees than parts. Raises InputError (code ``bad-recipe``)."""
    if knees_per_batch < accumulation * processes:
        shared = f"in {accumulation} parts" + (f" of each of {processes} processes" if processes > 1 else "")
        raise InputError(
            f"The {knees_per_batch} knees of a batch cannot be divided {shared}.",
            code="bad-recipe",
            hint="Give more knees_per_batch, or less accumulation.",
            field="accumulation",
        )


def own_parts(batch: SliceBatch, accumulation: int, processes: Processes) -> list[SliceBatch]:
    """The ``accumulation`` parts of a step's batch that this process computes one after the other."""
    parts = batch.divided(accumulation * processes.count)
    return parts[processes.index * accumulation : (processes.index + 1) * accumulation]


def accumulate_gradients(
    loss_of: Callable[[nn.Module, SliceBatch], Tensor], shared: nn.Module, batch: SliceBatch, accumulation: int,
    processes: Processes, cast: Callable[[], Any],
) -> Tensor:  # fmt: skip
    """Compute the gradients of the mean loss of a whole batch; returns that loss.

    ``shared`` is the network as ``Processes.shared`` returns it; ``loss_of`` gives the mean loss of a part.
    """
    own = own_parts(batch, accumulation, processes)
    losses = []
    for number, part in enumerate(own, start=1):
        with processes.keeping_gradients(shared) if number < len(own) else contextlib.nullcontext():
            with cast():
                loss = loss_of(shared, part) * (len(part) / len(batch))
            (loss * processes.count).backward()  # because gradients are averaged over the processes
        losses.append(loss.detach())
    return processes.total(torch.stack(losses).sum())
