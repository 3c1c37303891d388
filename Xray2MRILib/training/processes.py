"""The processes that train one network together: one by default, several by the package accelerate.

Every process holds the whole network and computes its part of each batch; gradients are averaged, so that all processes
make the same step. Only the first one prints, measures and writes. With one process accelerate is not needed.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from typing import Any

import torch
from torch import Tensor, nn

from ..device import choose_device
from ..errors import ProcessingError

# a process waits this long for the others, e.g. for the first one while it encodes all knees
_PATIENCE = datetime.timedelta(hours=24)


class Processes:
    """A single process, which needs nothing of all this; base class of several.

    Attributes
    ----------
    device
        The device of this process.
    index, count
        Number of this process, from 0, and number of all.
    """

    index, count = 0, 1

    def __init__(self, device: str) -> None:
        self.device = torch.device(choose_device(device))

    @property
    def is_first(self) -> bool:
        """Whether this process prints, measures and writes."""
        return self.index == 0

    def shared(self, network: nn.Module) -> nn.Module:
        """The network to call in training: its gradients are averaged over the processes."""
        return network

    def keeping_gradients(self, network: nn.Module) -> contextlib.AbstractContextManager[Any]:
        """While it lasts, gradients are added up in this process and not averaged yet."""
        return contextlib.nullcontext()

    def first_one_first(self) -> contextlib.AbstractContextManager[Any]:
        """The first process does the block, then the others, which find its files."""
        return contextlib.nullcontext()

    def total(self, value: Tensor) -> Tensor:
        """The sum of a value over the processes."""
        return value

    def agreed(self, value: Any) -> Any:
        """The first process's value of something that the processes may see differently, such as a time."""
        return value

    def wait(self) -> None:
        """Wait until all processes are here."""


class AcceleratedProcesses(Processes):
    """Several processes that were started with RANK and WORLD_SIZE, as torchrun and accelerate launch do it."""

    def __init__(self, device: str) -> None:
        try:
            from accelerate import Accelerator
            from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
        except ImportError as error:
            raise ProcessingError(
                "Training in several processes needs the package accelerate, which is not installed.",
                code="missing-package",
                hint="Install it with: pip install 'xray2mri[train]', or train in one process.",
            ) from error
        # precision is the recipe's affair, see precision.autocast
        self._accelerator = Accelerator(
            cpu=device == "cpu" or (device == "auto" and not torch.cuda.is_available()),
            mixed_precision="no",
            kwargs_handlers=[
                InitProcessGroupKwargs(timeout=_PATIENCE),
                # an ablation may leave layers without influence, such as those of tokens that nobody reads
                DistributedDataParallelKwargs(find_unused_parameters=True),
            ],
        )
        self.device = self._accelerator.device
        if self.device.type == "cpu":
            self.device = torch.device("cpu")
        self.index, self.count = self._accelerator.process_index, self._accelerator.num_processes

    def shared(self, network: nn.Module) -> nn.Module:
        """The network in torch's DistributedDataParallel."""
        return self._accelerator.prepare_model(network)

    def keeping_gradients(self, network: nn.Module) -> contextlib.AbstractContextManager[Any]:
        """See the base class."""
        return self._accelerator.no_sync(network)

    def first_one_first(self) -> contextlib.AbstractContextManager[Any]:
        """See the base class."""
        return self._accelerator.main_process_first()

    def total(self, value: Tensor) -> Tensor:
        """See the base class."""
        return self._accelerator.reduce(value, reduction="sum")

    def agreed(self, value: Any) -> Any:
        """See the base class."""
        from accelerate.utils import broadcast_object_list

        return broadcast_object_list([value])[0]

    def wait(self) -> None:
        """See the base class."""
        self._accelerator.wait_for_everyone()


def join_processes(device: str) -> Processes:
    """The processes that this one was started with, on ``device`` (auto, cpu, cuda).

    Raises InputError for a device that this machine lacks, ProcessingError when several processes have no accelerate.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        choose_device(device)  # the refusal is the same as for a single process
        return AcceleratedProcesses(device)
    return Processes(device)
