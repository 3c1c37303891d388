"""The recipe of the teacher of super-resolution, a diffusion model, and what its student's recipe shares with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..recipe import Recipe, entry
from . import shared_entries as shared


@dataclass(frozen=True)
class EnhancementNetworkSection(Recipe):
    """Sizes of ``super_resolution.enhancement_network.EnhancementUNet``."""

    width: int = entry("the channels of the first level", low=4)
    multipliers: tuple[int, ...] = entry("the width of each level against the first", low=1)
    blocks: int = entry("the residual blocks of each level and way", low=1)
    unshuffle: int = entry("the edge of the squares of pixels that become channels first", unit="pixels", low=1, high=4)
    attention: bool = entry("whether the middle has self-attention where few places remain")


def fine_volumes() -> Any:
    """``data``: what xray2mri simulate wrote in high resolution."""
    return entry("the folder that xray2mri simulate wrote in high resolution")


def held_out_volumes() -> Any:
    """``held_out``: other knees."""
    return entry("a folder of other such volumes to measure on, null for none")


def volumes_read() -> Any:
    """How many volumes are read."""
    return entry("the number of volumes to read, null for all", unit="volumes", low=1)


def blocks_of_a_step() -> Any:
    """Blocks of a batch."""
    return entry("the blocks of a step, each with a scanner of its own", unit="blocks", low=1)


def pictures_of_a_block() -> Any:
    """Pictures of each."""
    return entry("the pictures of each block", unit="pictures", low=1)


def tile_size() -> Any:
    """Edge of a picture."""
    return entry("rows and columns of a picture", unit="pixels", low=16, multiple_of=16)


def stored_in_eight_bits() -> Any:
    """How the weights are stored."""
    return entry("whether the weights are stored as int8 instead of float16")


def guidance_missing() -> Any:
    """How often guidance is missing."""
    return entry("the share in which bias field and gradients are not known, each by itself", low=0, high=1)


@dataclass(frozen=True)
class SuperResolutionRecipe(Recipe):
    """What ``xray2mri train super-resolution`` reads; its loop is ``training/super_resolution.py``."""

    data: str = fine_volumes()
    held_out: str | None = held_out_volumes()
    knees: int | None = volumes_read()
    network: EnhancementNetworkSection = entry("the sizes of the network")  # noqa: RUF009
    blocks: int = blocks_of_a_step()
    slices: int = pictures_of_a_block()
    tile: int = tile_size()
    guidance_missing: float = guidance_missing()
    steps: int = shared.steps()
    minutes: float | None = shared.minutes()
    learning_rate: float = shared.learning_rate()
    warm_up_steps: int = shared.warm_up_steps()
    weight_decay: float = shared.weight_decay()
    ema_decay: float = shared.ema_decay()
    eight_bit: bool = stored_in_eight_bits()
    precision: str = shared.precision()
    device: str = shared.device()
    threads: int = shared.threads()
    seed: int = shared.seed()
    log_every: int = shared.log_every()
    save_every: int = shared.save_every()
