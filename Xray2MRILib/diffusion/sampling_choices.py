"""The choices that, together with weights and radiograph, determine a volume; refused here when out of range."""

from __future__ import annotations

import numbers
import os
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import InputError
from .schedule import SAMPLERS, TRAIN_TIMESTEPS
from .starting_noise import NOISES


@dataclass(frozen=True)
class SamplingChoices:
    """Denoising steps (1 to 1000), seed, sampler, kind of noise and guidance scale (0 to 20).

    Raises InputError (code ``bad-option``) for a value out of its range.
    """

    steps: int
    seed: int
    sampler: str
    noise: str
    guidance_scale: float

    def __post_init__(self) -> None:
        check_integer("num_inference_steps", self.steps, 1, TRAIN_TIMESTEPS)
        check_integer("seed", self.seed, 0, 2**63 - 1)
        if not isinstance(self.guidance_scale, numbers.Real) or not 0 <= self.guidance_scale <= 20:
            raise bad_choice("guidance_scale", self.guidance_scale, "choose a number from 0 to 20")
        for name, words in (("sampler", SAMPLERS), ("noise", NOISES)):
            if getattr(self, name) not in words:
                raise bad_choice(name, getattr(self, name), f"choose one of {', '.join(words)}")


def chosen_seed(seed: int | None, generator: torch.Generator | None = None) -> int:
    """The seed itself, one drawn from the generator when given, or a random one for None."""
    if generator is not None:
        return int(torch.randint(2**31, (1,), generator=generator, device=generator.device))
    if seed is None:
        return int.from_bytes(os.urandom(4), "little") >> 1
    return seed


def check_integer(name: str, value: Any, low: int, high: int) -> None:
    """Raise InputError unless the value is an integer from low to high."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not low <= value <= high:
        raise bad_choice(name, value, f"choose an integer from {low} to {high}")


def bad_choice(name: str, value: Any, rule: str) -> InputError:
    """The refusal of a value by the rule it breaks."""
    return InputError(f"{name} cannot be {str(value)[:60]}: {rule}.", code="bad-option")
