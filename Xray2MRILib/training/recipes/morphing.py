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
    simulated_knees: int = entry(
        "the number of simulated knees whose radiographs at two grades make half of each batch, 0 for none",
        unit="knees",
        low=0,
    )
    candidates: int = entry(
        "the number of random severe radiographs of which the closest becomes a healthy one's partner",
        unit="radiographs",
        low=1,
    )
    steps: int = shared.steps()
    minutes: float | None = shared.minutes()
    batch_size: int = shared.batch_size("pairs of crops", low=2)
    learning_rate: float = shared.learning_rate()
    warm_up_steps: int | None = shared.warm_up_steps_or_constant()
    likeness_weight: float = entry("the weight of the mean difference to the simulated severe radiograph", low=0)
    motion_weight: float = entry("the weight of the simulated motion of the joint surfaces, a pixel of 128", low=0)
    people_weight: float = entry("the weight of the local correlation of two people's radiographs", low=0)
    judges: tuple[str, ...] = entry(
        "the folders of classifiers that supervise beside the one that ships", may_be_empty=True
    )
    supervision_weight: float = entry("the weight of the grade classifiers' supervision", low=0)
    supervision_from: float = entry("the share of the run after which the supervision begins", low=0, high=1)
    ema_decay: float = shared.ema_decay()
    device: str = shared.device()
    threads: int = shared.threads()
    seed: int = shared.seed()
    log_every: int = shared.log_every()
    save_every: int = shared.save_every()
