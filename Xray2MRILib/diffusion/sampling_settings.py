"""The choices that, together with weights and radiograph, determine a volume; refused here when out of range."""

from __future__ import annotations

import numbers
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import InputError
from .initial_noise import NOISES
from .schedule import SAMPLERS, TRAIN_TIMESTEPS

# What Algorithm 2 does; a model's card may ask for something else under "sampling" (see sampling_of_model).
PAPER_DEFAULTS = {"guidance_scale": 1.0, "guidance_share": 1.0, "noise_scale": 1.0}


@dataclass(frozen=True)
class SamplingSettings:
    """The choices of one volume. Raises InputError (code ``bad-option``) for a value out of its range.

    Attributes
    ----------
    steps, seed
        Denoising steps, 1 to 1000; seed of the noise.
    sampler, noise
        Words of schedule.SAMPLERS and initial_noise.NOISES.
    guidance_scale, guidance_share
        Classifier-free guidance (A19), 0 to 20, 1 is off; the share of the steps, noisiest first, that are guided, 0 to
        1. The noisy steps place the anatomy; guiding the later ones as well costs likeness (Kynkäänniemi et al.,
        arXiv 2404.07724).
    noise_scale
        Standard deviation of z_T, above 0, at most 1. Below 1 the model keeps nearer to what the radiograph makes
        likely, and different seeds differ less.
    """

    steps: int
    seed: int
    sampler: str
    noise: str
    guidance_scale: float = PAPER_DEFAULTS["guidance_scale"]
    guidance_share: float = PAPER_DEFAULTS["guidance_share"]
    noise_scale: float = PAPER_DEFAULTS["noise_scale"]

    def __post_init__(self) -> None:
        check_integer("num_inference_steps", self.steps, 1, TRAIN_TIMESTEPS)
        check_integer("seed", self.seed, 0, 2**63 - 1)
        for name, low, high in (("guidance_scale", 0, 20), ("guidance_share", 0, 1), ("noise_scale", 0.01, 1)):
            value = getattr(self, name)
            if not isinstance(value, numbers.Real) or not low <= value <= high:
                raise bad_choice(name, value, f"choose a number from {low} to {high}")
        for name, words in (("sampler", SAMPLERS), ("noise", NOISES)):
            if getattr(self, name) not in words:
                raise bad_choice(name, getattr(self, name), f"choose one of {', '.join(words)}")


def sampling_of_model(card: Mapping[str, Any], **given: float | None) -> dict[str, float]:
    """The values of PAPER_DEFAULTS's names: those given, else those of a model card's ``sampling``, else as printed.

    No guidance is written in one way only, as scale 1 of all steps.
    """
    own = card.get("sampling") or {}
    chosen = {
        name: own.get(name, printed) if given.get(name) is None else given[name]
        for name, printed in PAPER_DEFAULTS.items()
    }
    if chosen["guidance_scale"] == 1 or chosen["guidance_share"] == 0:
        chosen |= {"guidance_scale": 1.0, "guidance_share": 1.0}
    return chosen


def check_sampling(asked: Any) -> None:
    """Raise InputError (code ``bad-option``) unless ``asked`` may stand as ``sampling`` in a model's card."""
    if asked is None:
        return
    if not isinstance(asked, Mapping) or not set(asked) <= set(PAPER_DEFAULTS):
        raise bad_choice("sampling", asked, f"name {', '.join(PAPER_DEFAULTS)}")
    SamplingSettings(1, 0, SAMPLERS[0], NOISES[0], **asked)


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
