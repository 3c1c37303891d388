"""The recipe of the Kellgren-Lawrence classifier."""

from __future__ import annotations

from dataclasses import dataclass

from ..recipe import Recipe, entry
from . import shared_entries as shared
from .augmentation import Augmentation


@dataclass(frozen=True)
class KneeGradeNetworkSection(Recipe):
    """Arguments of ``KneeGradeNetwork``."""

    size: int = entry("the edge of the crop that the network sees", unit="pixels", low=16)
    overlap: int = entry("the width that the two halves of a crop share", unit="pixels", low=0)
    channels: tuple[int, int, int, int, int] = entry("the channels of the stages", low=1)
    blocks: tuple[int, int, int, int] = entry("the residual blocks of the stages", low=1)
    dropout: float = entry("the dropout before the grades", low=0, high=1)


@dataclass(frozen=True)
class Cycle(Recipe):
    """One cosine cycle of the learning rate."""

    epochs: int = entry("the length of the cycle", unit="epochs", low=1)
    learning_rate: float = shared.learning_rate()


@dataclass(frozen=True)
class ClassifierRecipe(Recipe):
    """What ``xray2mri train classifier`` reads; its loop is ``training/classifier.py``."""

    data: str | None = shared.graded_folder()
    external_radiographs: str | None = entry(
        "the folder of whole radiographs with index.csv that are only measured", key="external_films"
    )
    limit: int = shared.limit()
    network: KneeGradeNetworkSection = entry("the sizes of the network")  # noqa: RUF009
    variation: Augmentation = entry("the limits of the random changes of a crop")  # noqa: RUF009
    mirror: float = entry("the probability that a crop is mirrored", low=0, high=1)
    cycles: tuple[Cycle, ...] = entry("the cosine cycles of the learning rate")
    batch_size: int = shared.batch_size("crops", low=2)
    weight_decay: float = shared.weight_decay()
    warm_up_steps: int = entry(
        "the number of steps in which the rate of each cycle rises linearly", unit="steps", low=0
    )
    ema_decay: float = shared.ema_decay()
    smoothing: float = entry("the weight of a neighbouring grade relative to the grade itself", low=0, high=1)
    emd_weight: float = entry("the weight of the squared earth mover's distance", low=0)
    precision: str = shared.precision()
    threads: int = shared.threads()
    seed: int = shared.seed()
    validate_every: int = entry("the number of epochs between two validations and checkpoints", unit="epochs", low=1)
