"""The log of a training run: lines on the terminal, TensorBoard scalars and sample pictures."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from torch import Tensor

from ..generation.time_left import Pace, TimeLeft, duration_text


class TrainingLog:
    """Prints, and writes TensorBoard events to ``folder``/tensorboard where that package is installed.

    Parameters
    ----------
    folder
        Output folder of the run.
    every
        Number of steps per line and per point; both show the mean loss of these steps.
    steps
        Steps of the whole run, for the time left; None leaves that out.
    writes
        False makes a log that neither prints nor writes: that of the processes beside the first.
    """

    def __init__(self, folder: Path, every: int, steps: int | None = None, *, writes: bool = True) -> None:
        self._every, self._since = every, time.monotonic()
        self._losses: list[Tensor] = []
        self._steps, self._pace, self._left = steps, Pace(), TimeLeft()
        self._folder, self._writer = folder, None
        self._writes = writes
        if not writes:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:  # an extra of the package; training works without it
            pass
        else:
            self._writer = SummaryWriter(str(folder / "tensorboard"))

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def loss(self, step: int, value: Tensor) -> None:
        """Record the loss of a step, counted from 1; every ``every`` steps print their mean and the pace.

        Only then the host waits for the device.
        """
        if not self._writes:
            return
        self._losses.append(value.detach())
        if step % self._every:
            return
        losses = torch.stack(self._losses).tolist()
        mean, pace = sum(losses) / len(losses), (time.monotonic() - self._since) / len(losses)
        print(f"step {step} loss {mean:.4f} {pace:.2f} s/step{self._time_left(step)}", flush=True)
        self.scalars(step, {"loss": mean, "seconds_per_step": pace})
        self._losses, self._since = [], time.monotonic()

    def _time_left(self, step: int) -> str:
        """ ", about 12 min left" after the first few lines."""
        if not self._steps:
            return ""
        self._pace.report(step / self._steps)
        whole = self._pace.whole_s()
        left = self._left.show(None if whole is None else whole * (1 - step / self._steps))
        return "" if left is None else f", about {duration_text(left)} left"

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Add a point to each named curve."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, grey: np.ndarray) -> Path:
        """Write a picture [H, W] in [0, 1] as ``folder``/samples/NAME-STEP.png."""
        from PIL import Image

        path = self._folder / "samples" / f"{name}-{step:06d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray((np.clip(grey, 0, 1) * 255).round().astype(np.uint8)).save(path)
        if self._writer is not None:
            self._writer.add_image(name, np.clip(grey, 0, 1)[None], step)
        return path
