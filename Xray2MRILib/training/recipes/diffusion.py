"""The recipe of the U-Net and the radiograph encoder, for the paper's system and the systems compared with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...baselines.registry import METHOD_NAMES
from ...conditions.registry import REGISTRY, told_conditions
from ..recipe import Recipe, entry
from . import shared_entries as shared


@dataclass(frozen=True)
class DiffusionRecipe(Recipe):
    """What ``xray2mri train diffusion`` reads; its loop is ``training/diffusion.py``."""

    data: str = shared.pairs_folder()
    held_out: str = shared.held_out_folder()
    autoencoder: str = entry("the folder that train autoencoder wrote, or compact for the shipped one")
    latents: str | None = entry("the folder of the encoded knees, which runs may share; null for the output folder")
    initial: str | None = entry(
        "the model folder whose tensors are copied where they fit, compact for the shipped model"
    )
    clip_weights: str | None = entry(
        "the file ViT-L-14.pt that OpenAI published, for a model with a CLIP token that begins without one; null looks "
        "for it in the caches of open_clip and of the Hugging Face hub"
    )
    method: str = entry("the system to train", words=METHOD_NAMES)
    preset: str = shared.preset()
    changes: Mapping[str, Any] = entry("changes of the preset's components, an object per component")
    told: tuple[str, ...] = entry(
        "the conditions that the network may be told besides the radiograph: age, sex, bmi, r",
        words=tuple(told_conditions(tuple(REGISTRY))),
        may_be_empty=True,
    )
    knees: int | None = shared.knees()
    growing: bool = shared.growing()
    variants: int = shared.variants()
    bend_mm: float = shared.bend_mm()
    exposures: int = shared.exposures()
    unreadable_share: float = shared.unreadable_share()
    regraded_share: float = shared.regraded_share()
    steps: int = shared.steps()
    minutes: float | None = shared.minutes()
    clock_minutes: float | None = shared.clock_minutes()
    keep: str = shared.keep()
    knees_per_batch: int = entry("the number of knees of a step", unit="knees", low=1)
    depths_per_knee: int = entry("the number of slices of each of these knees", unit="slices", low=1)
    accumulation: int = entry(
        "the number of parts of the batch that each process computes one after the other, to save memory", low=1
    )
    noise_emphasis: float = entry(
        "the emphasis of noisy steps t: 1 draws all equally often, 2 in proportion to t", above=0, high=100
    )
    learning_rate: float = shared.learning_rate()
    added_learning_rate: float | None = entry(
        "the rate of the parts that a pre-trained base lacks (reading A14); null for the same rate", above=0
    )
    schedule: str = entry("how the rate goes on after the warm-up", words=("cosine", "constant"))
    warm_up_steps: int | None = shared.warm_up_steps_or_constant()
    weight_decay: float = shared.weight_decay()
    optimiser: str = entry(
        "the optimiser: adamw, or adamw-8bit of the package bitsandbytes, whose moments take a quarter of the memory",
        words=("adamw", "adamw-8bit"),
    )
    clip: float | None = entry("the largest norm of the gradient, null for no limit", above=0)
    ema_decay: float = shared.ema_decay()
    ema_warm_up: str = entry(
        "how that decay is reached after k steps: power as 1 - (1 + k)^(-3/4), ratio as (1 + k) / (10 + k)",
        words=("power", "ratio"),
    )
    ema_on_host: bool = entry("whether the averaged weights lie in main memory instead of the device's")
    min_snr_gamma: float = entry("the limit of min-SNR weighting (Hang et al. 2023), 0 for none", low=0)
    monitor_reconstruction: bool = entry(
        "whether L_rec of the decoded one-step estimate is measured on held-out knees (reading A10)"
    )
    sampling: Mapping[str, Any] | None = entry(
        "what the model's card asks of the sampler: guidance_scale, guidance_share, noise_scale; null as in the paper"
    )
    eight_bit: bool = entry("whether the model is stored as int8 instead of float16")
    precision: str = shared.precision()
    gradient_checkpointing: bool = entry(
        "whether the U-Net's blocks are computed again for the gradient, which saves memory and costs time"
    )
    device: str = shared.device()
    threads: int = shared.threads()
    workers: int = shared.workers()
    compile: bool = shared.compile()
    seed: int = shared.seed()
    log_every: int = shared.log_every()
    save_every: int = shared.save_every()
