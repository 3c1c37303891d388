"""The recipe of a whole model: simulated pairs, autoencoder, U-Net with radiograph encoder, few-step student."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..recipe import Recipe, entry
from . import shared_entries as shared


@dataclass(frozen=True)
class WholeModelRecipe(Recipe):
    """What ``xray2mri train model`` reads; its stages are those of ``training/whole_model.py``."""

    pairs: str = entry("the folder of simulated pairs to learn from; missing ones are simulated")
    held_out: str = entry("the folder of held-out pairs; missing ones are simulated")
    knees: int = entry("the number of pairs to simulate", unit="pairs", low=1)
    held_out_knees: int = entry("the number of held-out pairs to simulate", unit="pairs", low=1)
    first_knees: int = entry("the number of pairs with which the autoencoder begins", unit="pairs", low=1)
    growing: bool = entry(
        "whether pairs go on being simulated, and taken in, while the autoencoder and the diffusion model learn"
    )
    regraded_every: int = entry(
        "which of these pairs are made a second time, at another grade: every how many; 0 for none", unit="pairs", low=0
    )
    simulators: int = entry("the number of processes that simulate pairs", unit="processes", low=1)
    simulate_device: str | None = entry(
        "the device, such as cuda, on which one more process simulates until the autoencoder begins; null for none"
    )
    parts: str | None = entry("the shipped set whose recipes the parts take, such as compact-gpu; null for the default")
    autoencoder: Mapping[str, Any] = entry("changes of the autoencoder's recipe")
    diffusion: Mapping[str, Any] = entry("changes of the diffusion model's recipe")
    distillation: Mapping[str, Any] | None = entry("changes of the distillation's recipe; null leaves the student out")
    minutes: float | None = shared.minutes()
    seed: int = shared.seed()
