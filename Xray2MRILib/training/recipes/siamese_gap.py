"""The recipe of Siamese-GAP."""

from __future__ import annotations

from dataclasses import dataclass

from ..recipe import Recipe, entry
from . import shared_entries as shared
from .augmentation import Augmentation


@dataclass(frozen=True)
class SiameseGapRecipe(Recipe):
    """What ``xray2mri train siamese-gap`` reads; its loop is ``training/siamese_gap.py``."""

    data: str | None = shared.graded_folder()
    limit: int = shared.limit()
    poolings: tuple[str, ...] = entry("the poolings to train, a network each", words=("average", "max"))
    channels: tuple[int, int, int, int] = entry("the channels of the stages", low=1)
    dropout: float = entry("the dropout before the two classes", low=0, high=1)
    variation: Augmentation = entry("the limits of the random changes of a crop")  # noqa: RUF009
    epochs: int = entry("the length of the run", unit="epochs", low=1)
    batch_size: int = shared.batch_size("crops", low=2)
    learning_rate: float = shared.learning_rate()
    weight_decay: float = shared.weight_decay()
    warm_up_steps: int | None = shared.warm_up_steps_or_constant()
    ema_decay: float = shared.ema_decay()
    precision: str = shared.precision()
    device: str = shared.device()
    threads: int = shared.threads()
    seed: int = shared.seed()
