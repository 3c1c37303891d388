"""The training loop of all networks: AdamW, averaged weights (EMA), learning rate, checkpoints, a limit of wall time.

Nothing here depends on how long a piece of a run lasts: the learning rate of a step follows from its number, so that a
run in pieces equals an uninterrupted one.
"""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from .checkpoint import host_copy, load_checkpoint, save_checkpoint
from .optimiser import build_optimiser, host_copies
from .precision import measured_precision
from .processes import Processes
from .recipe import Recipe

N = TypeVar("N", bound=nn.Module)


def learning_rate_factor(step: int, warm_up: int, total: int, schedule: str = "cosine") -> float:
    """Linear warm-up over ``warm_up`` steps, then a half cosine to zero at ``total``, or "constant" ones."""
    if step < warm_up:
        return (step + 1) / warm_up
    if schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm_up) / max(1, total - warm_up))))


def step_generator(seed: int, step: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Random numbers of one step, the same whether the run was stopped before it or not."""
    return torch.Generator(device).manual_seed(seed * 1_000_003 + step)


@dataclass(frozen=True)
class LoopSettings:
    """What the loop takes from a recipe, and what a network fixes in its own code.

    Attributes
    ----------
    steps, learning_rate, weight_decay, ema_decay, precision
        As in the recipe.
    warm_up_steps
        Steps in which the rate rises; None keeps it constant.
    schedule
        What follows: "cosine" or "constant", see ``learning_rate_factor``.
    save_every
        Steps between checkpoints; the last step always has one.
    minutes
        Wall time of this piece from here on; None for no limit.
    clock_minutes
        Time in the loop, over all pieces, after which the run ends, even if steps are left; the cosine then follows
        this time. Such a run does not repeat itself exactly. None counts the steps alone.
    keep
        "last", or "best": the averaged weights with the least loss that ``record_validation`` received.
    clip
        Largest norm of the gradient; None does not clip.
    ema_warm_up
        How the decay of the average rises to ``ema_decay`` after k steps: "power" as 1 - (1 + k)^(-3/4), "ratio" as
        (1 + k) / (10 + k).
    ema_on_host
        Whether the averages lie in main memory instead of the device's.
    optimiser
        "adamw", or "adamw-8bit", whose moments take a quarter of the memory (package bitsandbytes).
    """

    steps: int
    learning_rate: float
    warm_up_steps: int | None
    weight_decay: float
    ema_decay: float
    save_every: int
    minutes: float | None
    keep: str
    precision: str
    schedule: str = "cosine"
    clock_minutes: float | None = None
    clip: float | None = 1.0
    ema_warm_up: str = "power"
    ema_on_host: bool = False
    optimiser: str = "adamw"

    @classmethod
    def of(cls, recipe: Recipe, **own: Any) -> LoopSettings:
        """The entries of the recipe that have these names, and what the network fixes by ``own``."""
        names = (known.name for known in fields(cls))
        return cls(**{name: getattr(recipe, name) for name in names if hasattr(recipe, name)} | own)


class EmaTrainer(Generic[N]):
    """One network on its way from step 0 to the last; it resumes after a stop or a kill at any moment.

    Parameters
    ----------
    network
        On its device, with its initial weights.
    settings
        See LoopSettings.
    output
        Folder of checkpoint.safetensors and, with "best", best.safetensors.
    resume
        Resume from the checkpoint when it exists.
    parameter_groups
        AdamW's groups, when not all parameters have the same weight decay or rate: ``rate_factor`` of a group
        multiplies the rate.
    processes
        Those that train this network together; None for this one alone.

    Raises InputError for an unusable checkpoint.

    Attributes
    ----------
    progress
        The counters of a checkpoint: "step" (number of finished steps) and what a network adds (JSON-able).
    average
        The averaged weights.
    """

    def __init__(
        self,
        network: N,
        settings: LoopSettings,
        output: Path,
        *,
        resume: bool,
        parameter_groups: list[dict[str, Any]] | None = None,
        processes: Processes | None = None,
    ) -> None:
        self.network, self.settings = network, settings
        self._processes = processes or Processes("cpu")
        self._ends = math.inf if settings.minutes is None else time.monotonic() + 60 * settings.minutes
        self._checkpoint, self._best = output / "checkpoint.safetensors", output / "best.safetensors"
        self._device = next(network.parameters()).device
        cuda = self._device.type == "cuda"  # there, few large operations instead of many small ones
        if cuda:
            torch.backends.cudnn.benchmark = True  # shapes are the same at every step
        power = settings.ema_warm_up == "power"
        averaged = host_copies(network.parameters()) if settings.ema_on_host else network.parameters()
        self.average = EMAModel(
            averaged, decay=settings.ema_decay, use_ema_warmup=power, power=0.75,
            foreach=cuda and not settings.ema_on_host,
        )  # fmt: skip
        self._optimiser = build_optimiser(
            settings.optimiser, parameter_groups or network.parameters(), learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay, cuda=cuda,
        )  # fmt: skip
        self._clock_began = time.monotonic()
        self.progress: dict[str, Any] = {"step": 0}
        if resume and self._checkpoint.exists():
            self.progress |= load_checkpoint(self._checkpoint, network, self.average, self._optimiser)

    def precision(self, trial: Callable[[], Tensor]) -> str:
        """The precision of the settings or, for "auto", the faster one in a ``trial`` forward pass.

        "float32" or "bfloat16". It is measured once per run, so that pieces of one run compute alike.
        """
        if self.settings.precision != "auto":
            return self.settings.precision
        if "precision" not in self.progress:
            self.progress["precision"] = self._processes.agreed(measured_precision("auto", self._device, trial))
        return self.progress["precision"]

    @property
    def finished(self) -> bool:
        """Whether the last step is done."""
        return self.progress["step"] >= self.settings.steps or self._clock_share() >= 1

    def _clock_share(self) -> float:
        """The share of ``clock_minutes`` that is over; 0 where steps alone are counted."""
        if self.settings.clock_minutes is None:
            return 0.0
        return self.progress.get("seconds", 0.0) / (60 * self.settings.clock_minutes)

    def steps(self) -> Iterator[int]:
        """The numbers of the remaining steps, counted from 0. When the minutes are over, it saves and ends.

        Every piece does at least one step, so that a run in pieces ends however short they are.
        """
        self._clock_began = time.monotonic() - self.progress.get("seconds", 0.0)
        while not self.finished:
            yield self.progress["step"]
            if not self.finished and self._is_over():
                self.save()
                return

    def _is_over(self) -> bool:
        """Whether the minutes are over; all processes find the same."""
        if self.settings.minutes is None:
            return False
        return self._processes.agreed(time.monotonic() >= self._ends)

    def step(self, loss: Tensor, rate: float | None = None) -> None:
        """One optimiser step: gradients, clipping, AdamW, averaging. It never waits for the device.

        ``rate`` is the learning rate of a network with a schedule of its own; None takes that of the settings.
        """
        loss.backward()
        self.update(rate)

    def update(self, rate: float | None = None) -> None:
        """The same with gradients that are there already."""
        for group in self._optimiser.param_groups:
            group["lr"] = (self._scheduled_rate() if rate is None else rate) * group.get("rate_factor", 1.0)
        if self.settings.clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.settings.clip)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        self.average.step(
            host_copies(self.network.parameters()) if self.settings.ema_on_host else self.network.parameters()
        )
        self.progress["step"] += 1
        if self.settings.clock_minutes is not None:
            self.progress["seconds"] = self._processes.agreed(time.monotonic() - self._clock_began)

    def _scheduled_rate(self) -> float:
        rate, warm_up = self.settings.learning_rate, self.settings.warm_up_steps
        if warm_up is None:
            return rate
        if self.settings.clock_minutes is not None and self.progress["step"] >= warm_up:
            return rate * learning_rate_factor(round(1e6 * self._clock_share()), 0, 1_000_000, self.settings.schedule)
        return rate * learning_rate_factor(self.progress["step"], warm_up, self.settings.steps, self.settings.schedule)

    @property
    def save_due(self) -> bool:
        """Whether to measure and save after this step: every ``save_every`` steps and after the last."""
        return self.finished or self.progress["step"] % self.settings.save_every == 0

    def save(self) -> None:
        """Write the checkpoint; the file is at any moment the earlier or the new one, complete.

        The first process writes, the others wait for it.
        """
        if self._processes.is_first:
            save_checkpoint(self._checkpoint, self.network, self.average, self._optimiser, self.progress)
        self._processes.wait()

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The network with its averaged weights, while it is measured, shown or written."""
        self.average.store(self.network.parameters())
        self.average.copy_to(self.network.parameters())
        try:
            yield
        finally:
            self.average.restore(self.network.parameters())

    def averaged_copy(self, batches: Iterable[Tensor]) -> N:
        """A copy with averaged weights, for evaluation; its batch-norm statistics are measured on ``batches``.

        The running statistics of the network belong to the weights before averaging.
        """
        copied = copy.deepcopy(self.network)
        self.average.copy_to(copied.parameters())
        torch.optim.swa_utils.update_bn(batches, copied)
        return copied.eval()

    def record_validation(self, loss: float) -> bool:
        """Record the held-out loss of the network, ``averaged`` now; True when these weights are the ones to keep."""
        if self.settings.keep == "last":
            return True
        if loss >= self.progress.get("best_loss", math.inf):
            return False
        from safetensors.torch import save_file

        temporary = self._best.with_name(self._best.name + ".tmp")
        state = {name: host_copy(tensor) for name, tensor in self.network.state_dict().items()}
        save_file(state, temporary)
        os.replace(temporary, self._best)
        self.progress |= {"best_loss": loss, "best_step": self.progress["step"]}
        return True

    def load_best(self) -> int:
        """Load the averaged weights of the last or the best step (see ``keep``) into the network; returns the step."""
        if self.settings.keep == "last" or "best_step" not in self.progress:
            self.average.copy_to(self.network.parameters())
            return self.progress["step"]
        from safetensors.torch import load_file

        self.network.load_state_dict(load_file(self._best))
        return self.progress["best_step"]

    def report_stop(self) -> dict[str, Any]:
        """Print that the run stopped before its end; returns {"step", "steps"}."""
        step, steps = self.progress["step"], self.settings.steps
        print(
            f"Stopped after {self.settings.minutes} minutes at step {step} of {steps}; a checkpoint is saved.",
            flush=True,
        )
        return {"step": step, "steps": steps}
