"""Progress events while a volume is computed: stages with a fraction that never decreases, and finished slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..volume.geometry import depth_positions, file_index

Callback = Callable[[dict[str, Any]], None]

DECODING_IN_STEPS = 2.0  # decoding a slice costs about as much as two denoising steps
ENCODING_SHARE = 0.01


class SliceProgress:
    """Turns the pipeline's steps into events for the caller."""

    def __init__(self, callback: Callback | None, num_slices: int, mirrored: bool) -> None:
        self._callback = callback
        self._depths = depth_positions(num_slices)
        self._mirrored = mirrored

    def at(self, stage: str, step: int, of: int, fraction: float) -> None:
        """Report that ``step`` of ``of`` steps of a stage are done, with the fraction in [0, 1] of the whole call."""
        if self._callback:
            self._callback({"stage": stage, "step": step, "of": of, "fraction": fraction})

    def slice(self, index: int, image: np.ndarray) -> None:
        """Report a finished slice [H, W] in [0, 1] in right-knee space."""
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
    """Progress of the slice loop, counted in denoising steps per slice."""

    def __init__(self, progress: SliceProgress, num_slices: int, num_inference_steps: int) -> None:
        self._progress = progress
        self._per_slice = num_inference_steps + DECODING_IN_STEPS
        self._slices, self._steps = num_slices, num_inference_steps
        self._done = self._steps_done = 0
        self._fraction = 0.0

    def step(self, batch: int, step: int) -> None:
        """Report that ``step`` denoising steps of the current batch of slices are done."""
        work = self._done * self._per_slice + batch * step
        # neither decreases, even when a batch is repeated with fewer slices
        self._fraction = max(self._fraction, work / (self._slices * self._per_slice))
        stage = "decode" if step == self._steps else "sample"
        self._steps_done = max(self._steps_done, self._done * self._steps + batch * step)
        fraction = ENCODING_SHARE + (1 - ENCODING_SHARE) * self._fraction
        self._progress.at(stage, self._steps_done, self._slices * self._steps, fraction)

    def finish(self, slices: int) -> None:
        """Report that ``slices`` are decoded, a batch or a part of one."""
        self._done += slices
        self.step(0, 0)
