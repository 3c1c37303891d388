"""The recipe of the CAE generator."""

from __future__ import annotations

from dataclasses import dataclass

from ..recipe import Recipe, entry
from . import shared_entries as shared


@dataclass(frozen=True)
class CaeRecipe(Recipe):
    """What ``xray2mri train cae`` reads; its loop is ``training/cae.py``."""

    data: str = shared.pairs_folder()
    held_out: str = shared.held_out_folder()
    preset: str = shared.preset()
    knees: int | None = shared.knees()
    variants: int = shared.variants()
    bend_mm: float = shared.bend_mm()
    exposures: int = shared.exposures()
    steps: int = shared.steps()
    minutes: float | None = shared.minutes()
    batch_size: int = shared.batch_size("knees", low=2)
    volume_weight: float = entry("the weight lambda of the volume's error", low=0)
    learning_rate: float = shared.learning_rate()
    warm_up_steps: int | None = shared.warm_up_steps_or_constant()
    weight_decay: float = shared.weight_decay()
    ema_decay: float = shared.ema_decay()
    precision: str = shared.precision()
    device: str = shared.device()
    threads: int = shared.threads()
    seed: int = shared.seed()
    log_every: int = shared.log_every()
    save_every: int = shared.save_every()
