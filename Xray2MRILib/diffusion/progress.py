"""What the caller hears while a volume is made: stages with a fraction that never falls, and finished slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..volume.geometry import depth_positions, file_index

Callback = Callable[[dict[str, Any]], None]

DECODING_IN_STEPS = 2.0  # decoding a slice costs about as much as two denoising steps
ENCODING_SHARE = 0.01


class SliceProgress:
    """Turns the pipeline's doings into events for the caller."""

    def __init__(self, callback: Callback | None, num_slices: int, mirrored: bool) -> None:
        self._callback = callback
        self._depths = depth_positions(num_slices)
        self._mirrored = mirrored

    def at(self, stage: str, step: int, of: int, fraction: float) -> None:
        """Report that ``step`` of ``of`` steps of a stage are done, and the fraction 0 to 1 of the whole call."""
        if self._callback:
            self._callback({"stage": stage, "step": step, "of": of, "fraction": fraction})

    def slice(self, index: int, image: np.ndarray) -> None:
        """Report a finished slice [H, W] in [0, 1], given in right-knee space."""
        if self._callback:
            count = len(self._depths)
            self._callback(
                {
                    "stage": "slice",
                    "depth_index": index,
                    "file_index": file_index(index, count),
                    "of": count,
                    "u": float(self._depths[index]),
                    "image": np.ascontiguousarray(image[:, ::-1] if self._mirrored else image),
                }
            )


class LoopProgress:
    """How much of the slice loop is done, counted in denoising steps of single slices."""

    def __init__(self, progress: SliceProgress, num_slices: int, num_inference_steps: int) -> None:
        self._progress = progress
        self._per_slice = num_inference_steps + DECODING_IN_STEPS
        self._slices, self._steps = num_slices, num_inference_steps
        self._done = 0
        self._fraction = 0.0

    def step(self, batch: int, step: int) -> None:
        """Report that the current batch of slices has ``step`` denoising steps behind it."""
        work = self._done * self._per_slice + batch * step
        # never back, even when a batch is repeated with fewer slices
        self._fraction = max(self._fraction, work / (self._slices * self._per_slice))
        stage = "decode" if step == self._steps else "sample"
        steps_done = self._done * self._steps + batch * step
        fraction = ENCODING_SHARE + (1 - ENCODING_SHARE) * self._fraction
        self._progress.at(stage, steps_done, self._slices * self._steps, fraction)

    def batch_over(self, batch: int) -> None:
        """Report that the slices of a batch are decoded."""
        self._done += batch
        self.step(0, 0)
