"""The recipe of the autoencoder E1 and D."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...volume.geometry import OAI_FIELD
from ..recipe import Recipe, entry, refuse
from . import shared_entries as shared


@dataclass(frozen=True)
class AutoencoderRecipe(Recipe):
    """What ``xray2mri train autoencoder`` reads; its loop is ``training/autoencoder.py``."""

    data: str = shared.pairs_folder()
    held_out: str = shared.held_out_folder()
    preset: str = shared.preset()
    changes: Mapping[str, Any] = entry("changes of the preset's components, an object per component")
    initial: str | None = entry(
        "the folder of an earlier autoencoder whose tensors are copied where they fit, compact for the shipped one"
    )
    trained: str = entry("what learns; decoder leaves the encoder as in 'initial'", words=("all", "decoder"))
    knees: int | None = shared.knees()
    growing: bool = shared.growing()
    held_out_knees: int | None = entry("the number of held-out pairs to measure on, null for all", unit="pairs", low=1)
    steps: int = shared.steps()
    minutes: float | None = shared.minutes()
    clock_minutes: float | None = shared.clock_minutes()
    keep: str = shared.keep()
    batch_size: int = shared.batch_size("patches")
    patch: int = entry("the edge of a patch", unit="pixels", low=8, high=OAI_FIELD.pixels, multiple_of=8)
    radiograph_share: float = entry("the share of patches that show radiographs", low=0, high=1)
    learning_rate: float = shared.learning_rate()
    warm_up_steps: int | None = shared.warm_up_steps_or_constant()
    weight_decay: float = shared.weight_decay()
    ema_decay: float = shared.ema_decay()
    edge_weight: float = entry("the weight of the error of grey-value gradients", low=0)
    kl_weight: float = entry("the weight of the Kullback-Leibler term", low=0)
    grey_exponent: float = entry("the exponent that spreads the dark end in the loss, 1 for none", above=0, high=10)
    precision: str = shared.precision()
    device: str = shared.device()
    threads: int = shared.threads()
    workers: int = shared.workers()
    compile: bool = shared.compile()
    seed: int = shared.seed()
    log_every: int = shared.log_every()
    save_every: int = shared.save_every()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.trained == "decoder" and not self.initial:
            raise refuse("trained", self.trained, "all, or an 'initial' autoencoder whose encoder stays")
