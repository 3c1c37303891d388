"""What the training loops share: AdamW, averaged weights, warm-up and cosine, checkpoints, a limit of wall time.

Nothing here depends on how long a piece of a run lasts: the rate of a step follows from its number alone, so that a run
in pieces equals an uninterrupted one.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from ..errors import InputError
from .checkpoint import load_checkpoint, save_checkpoint
from .precision import measured_precision

KEEP = ("last", "best")


def learning_rate_factor(step: int, warm_up: int, total: int) -> float:
    """Linear warm-up over ``warm_up`` steps, then a half cosine to zero at ``total``."""
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm_up) / max(1, total - warm_up))))


def step_generator(seed: int, step: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Random numbers of one step, the same whether the run was stopped before it or not."""
    return torch.Generator(device).manual_seed(seed * 1_000_003 + step)


class EmaTrainer:
    """One network on its way from step 0 to the last, able to go on after a stop or a kill at any moment.

    Parameters
    ----------
    network
        On its device, with its initial weights.
    config
        steps, learning_rate, warm_up_steps (absent: the rate stays), weight_decay (absent: 0), ema_decay, save_every,
        minutes (wall time of this piece, from here on; null or absent: no limit), keep ("last", or "best": the averaged
        weights with the least held-out loss that ``note`` was told).
    output
        Folder of checkpoint.safetensors and, with "best", best.safetensors.
    resume
        Go on from the checkpoint when there is one.
    clip
        Largest norm of the gradient.

    Raises InputError for an unusable checkpoint and for other words or numbers.

    Attributes
    ----------
    progress
        What a checkpoint remembers besides tensors: "step" (how many are done) and what a loop adds (JSON-able).
    """

    def __init__(
        self, network: nn.Module, config: dict[str, Any], output: Path, *, resume: bool, clip: float = 1.0
    ) -> None:
        keep, minutes = config.get("keep", "last"), config.get("minutes")
        if keep not in KEEP:
            raise InputError(f"The entry keep cannot be {keep!r}.", code="bad-recipe", hint="Choose last or best.")
        if minutes is not None and not (isinstance(minutes, int | float) and minutes > 0):
            raise InputError(
                f"The entry minutes cannot be {minutes!r}.", code="bad-recipe", hint="Give a number above 0, or null."
            )
        self._keeps_best = keep == "best"
        self._ends = math.inf if minutes is None else time.monotonic() + 60 * minutes
        self.network, self._config, self._clip = network, config, clip
        self._checkpoint, self._best = output / "checkpoint.safetensors", output / "best.safetensors"
        self._device = next(network.parameters()).device
        cuda = self._device.type == "cuda"  # there, few large operations instead of many small ones
        if cuda:
            torch.backends.cudnn.benchmark = True  # shapes are the same at every step
        self.average = EMAModel(
            network.parameters(), decay=config["ema_decay"], use_ema_warmup=True, power=0.75, foreach=cuda
        )
        self._optimiser = torch.optim.AdamW(
            network.parameters(),
            lr=config["learning_rate"],
            weight_decay=config.get("weight_decay", 0.0),
            fused=cuda or None,
        )
        self.progress: dict[str, Any] = {"step": 0}
        if resume and self._checkpoint.exists():
            self.progress |= load_checkpoint(self._checkpoint, network, self.average, self._optimiser)

    def precision(self, trial: Callable[[], Tensor]) -> str:
        """What the recipe says or, with "auto", what was faster in a ``trial`` forward pass: "float32", "bfloat16".

        That is found once: pieces of one run must not differ because the machine was busy when one of them began.
        """
        wish = self._config["precision"]
        if wish != "auto":
            return wish
        if "precision" not in self.progress:
            self.progress["precision"] = measured_precision(wish, self._device, trial)
        return self.progress["precision"]

    @property
    def finished(self) -> bool:
        """Whether the last step is done."""
        return self.progress["step"] >= self._config["steps"]

    def steps(self) -> Iterator[int]:
        """The steps that are still to do, counted from 0; when the minutes are over, a checkpoint and no more.

        Every piece does one step at least, so that pieces come to an end however short they are.
        """
        while not self.finished:
            yield self.progress["step"]
            if not self.finished and time.monotonic() >= self._ends:
                self.save()
                return

    def descend(self, loss: Tensor) -> None:
        """One step down the loss: rate, gradients, clipping, AdamW, averaging. Never waits for the device."""
        step = self.progress["step"]
        rate, warm_up = self._config["learning_rate"], self._config.get("warm_up_steps")
        for group in self._optimiser.param_groups:
            group["lr"] = rate if warm_up is None else rate * learning_rate_factor(step, warm_up, self._config["steps"])
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), self._clip)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        self.average.step(self.network.parameters())
        self.progress["step"] = step + 1

    @property
    def due(self) -> bool:
        """Whether it is time to measure and to save, after a step: every ``save_every`` and after the last."""
        return self.finished or self.progress["step"] % self._config["save_every"] == 0

    def save(self) -> None:
        """Write the checkpoint; the file is at any moment the earlier or the new one, complete."""
        save_checkpoint(self._checkpoint, self.network, self.average, self._optimiser, self.progress)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The network with its averaged weights, as long as it is measured, shown or written."""
        self.average.store(self.network.parameters())
        self.average.copy_to(self.network.parameters())
        try:
            yield
        finally:
            self.average.restore(self.network.parameters())

    def note(self, held_out_loss: float) -> bool:
        """Hear how the network, ``averaged`` now, does on held-out data; True when it is the one to keep so far."""
        if not self._keeps_best:
            return True
        if held_out_loss >= self.progress.get("best_loss", math.inf):
            return False
        from safetensors.torch import save_file

        temporary = self._best.with_name(self._best.name + ".tmp")
        state = {name: tensor.detach().contiguous().clone() for name, tensor in self.network.state_dict().items()}
        save_file(state, temporary)
        os.replace(temporary, self._best)
        self.progress |= {"best_loss": held_out_loss, "best_step": self.progress["step"]}
        return True

    def take_result(self) -> int:
        """Leave in the network what the run is for, the averaged weights of the last or the best step; which step."""
        if not self._keeps_best or "best_step" not in self.progress:
            self.average.copy_to(self.network.parameters())
            return self.progress["step"]
        from safetensors.torch import load_file

        self.network.load_state_dict(load_file(self._best))
        return self.progress["best_step"]

    def pause(self) -> dict[str, Any]:
        """Say that the run stopped before its end; {"step", "steps"}."""
        step, steps = self.progress["step"], self._config["steps"]
        print(
            f"Stopped after {self._config['minutes']} minutes at step {step} of {steps}, with a checkpoint.",
            flush=True,
        )
        return {"step": step, "steps": steps}
