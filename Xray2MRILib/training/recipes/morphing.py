"""The recipe of the morphing model."""

from __future__ import annotations

from dataclasses import dataclass

from ..recipe import Recipe, entry
from . import shared_entries as shared


@dataclass(frozen=True)
class MorphingRecipe(Recipe):
    """What ``xray2mri train morphing`` reads; its loop is ``training/morphing.py``."""

    data: str | None = shared.graded_folder()
    limit: int = shared.limit()
    steps: int = shared.steps()
    minutes: float | None = shared.minutes()
    batch_size: int = shared.batch_size("pairs of crops")
    learning_rate: float = shared.learning_rate()
    morphing_weight: float = entry("the weight of the registration's loss", low=0)
    ema_decay: float = shared.ema_decay()
    code_pairs: int = entry("the number of training pairs over which the mean code is taken", unit="pairs", low=1)
    device: str = shared.device()
    threads: int = shared.threads()
    seed: int = shared.seed()
    log_every: int = shared.log_every()
    save_every: int = shared.save_every()
