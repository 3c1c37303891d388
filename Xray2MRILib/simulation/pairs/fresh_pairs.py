"""Pairs for training that are simulated when they are needed: nothing is stored, and no knee comes twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from ..mr.image_signal import PreparedTemplate
from .image_knee import ImageKnee, draw_image_knee, image_pair_tensors
from .population import HELD_OUT_OFFSET

GRADES = 5


@dataclass
class PairBatch:
    """Pairs on the device where they were simulated.

    Attributes
    ----------
    knees
        What was drawn for each pair.
    volumes
        float32 [B, 50, 256, 256] in [0, 1], posterior slice first, noise-free.
    radiographs
        float32 [B, 2, 288, 288]: attenuation integrals of bone mineral and of all other tissue.
    """

    knees: list[ImageKnee]
    volumes: torch.Tensor
    radiographs: torch.Tensor


def fresh_batches(
    sources: Sequence[PreparedTemplate], batch_size: int, *, seed: int = 0, first: int = 0, step: int = 1
) -> Iterator[PairBatch]:
    """Batches without end: knees ``first``, ``first + step``, ... with seeds from ``seed`` on.

    Knee k has KL grade k mod 5 and the template k // 5 mod their number, so every template has every grade. Several
    processes share the knees by ``first`` and ``step``. All templates must lie on one device. The seeds of held-out
    knees are left out. Raises ValueError without a template and for templates on several devices.
    """
    if len({source.device for source in sources}) != 1:
        raise ValueError("Fresh pairs need at least one template, and all of them on one device.")
    index = first
    while True:
        knees, pairs = [], []
        for _ in range(batch_size):
            source = sources[index // GRADES % len(sources)]
            knee = draw_image_knee(training_seed(seed + index), index % GRADES, source.template)
            knees.append(knee)
            pairs.append(image_pair_tensors(source, knee))
            index += step
        yield PairBatch(
            knees, torch.stack([pair.volume for pair in pairs]), torch.stack([pair.radiograph for pair in pairs])
        )


def training_seed(number: int) -> int:
    """``number``, or the one beyond the held-out seeds that stands for it."""
    return number if number < HELD_OUT_OFFSET else number + HELD_OUT_OFFSET


__all__ = ["PairBatch", "fresh_batches", "training_seed"]
