"""The choices that, together with weights and radiograph, determine a volume; refused here when out of range.

Only the standard library is imported, so that a wrong choice is refused before anything heavy is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .setting import setting, settings_of

if TYPE_CHECKING:
    import torch

TRAIN_TIMESTEPS = 1000
SAMPLERS = ("ddim", "dpm")
NOISES = ("shared", "drifting", "independent")
# What Algorithm 2 does; a model's card may ask for something else under "sampling" (see SamplingSettings.for_model).
PAPER_DEFAULTS: dict[str, Any] = {"guidance_scale": 1.0, "guidance_share": 1.0, "noise_scale": 1.0}
_STEPS = 20  # of a model whose card does not say
# what a model's card may choose
_OF_MODEL = ("num_inference_steps", *PAPER_DEFAULTS)


@dataclass(frozen=True)
class SamplingSettings:
    """The choices of one volume. Raises InputError (code ``bad-option``) for a value out of its range.

    None leaves a choice to the model's card (``for_model``).

    Attributes
    ----------
    num_inference_steps
        Denoising steps per slice.
    seed
        Of the noise.
    sampler
        ``ddim`` (eq. 16) or ``dpm`` (DPM-Solver++, good with few steps).
    noise
        How the noises of the depths hang together, see initial_noise.
    guidance_scale, guidance_share
        Classifier-free guidance (A19), 1 is off; the share of the steps, noisiest first, that are guided. The noisy
        steps place the anatomy; guiding the later ones as well costs likeness (Kynkäänniemi et al., arXiv 2404.07724).
    noise_scale
        Standard deviation of z_T. Below 1 the model keeps nearer to what the radiograph makes likely, and different
        seeds differ less.
    """

    num_inference_steps: int | None = setting(
        "steps", None, "integer", "number of denoising steps", "denoising steps per slice", low=1, high=TRAIN_TIMESTEPS,
        symbol="T", otherwise=f"the model's, else {_STEPS}", fallback=_STEPS,
    )  # fmt: skip
    seed: int = setting(
        "seed", 0, "integer", "seed", "the same seed gives the same volume", low=0, high=2**63 - 1,
        panel=(0, 2**31 - 1),
    )  # fmt: skip
    sampler: str = setting(
        "sampler", SAMPLERS[0], "text", "sampler", "ddim as in the paper, or dpm, which needs fewer steps",
        words=SAMPLERS,
    )  # fmt: skip
    noise: str = setting(
        "noise", NOISES[0], "text", "noise", "how the noises of the depths hang together", words=NOISES
    )
    guidance_scale: float | None = setting(
        "guidance_scale", None, "number", "guidance scale",
        "strength of classifier-free guidance (1: off) in the share of steps that the model asks for", low=0, high=20,
        symbol="W", otherwise="the model's", fallback=PAPER_DEFAULTS["guidance_scale"],
    )  # fmt: skip
    guidance_share: float | None = setting(
        "guidance_share", None, "number", "guided share of the steps", "share of the steps that are guided", low=0,
        high=1, otherwise="the model's", fallback=PAPER_DEFAULTS["guidance_share"],
    )  # fmt: skip
    noise_scale: float | None = setting(
        "noise_scale", None, "number", "noise scale",
        "spread of the noise that sampling begins with (less: nearer to what is likely, and seeds differ less)",
        low=0.01, high=1, symbol="S", otherwise="the model's", fallback=PAPER_DEFAULTS["noise_scale"],
    )  # fmt: skip

    def __post_init__(self) -> None:
        for name, described in settings_of(self).items():
            described.check(getattr(self, name))

    def for_model(self, card: Mapping[str, Any] = MappingProxyType({})) -> SamplingSettings:
        """The same with every choice made: those left open by the card's ``sampling``, else as printed.

        No guidance is written in one way only, as scale 1 of all steps.
        """
        own, described = card.get("sampling") or {}, settings_of(self)
        chosen: dict[str, Any] = {
            name: own.get(name, described[name].fallback) if getattr(self, name) is None else getattr(self, name)
            for name in _OF_MODEL
        }
        if chosen["guidance_scale"] == 1 or chosen["guidance_share"] == 0:
            chosen |= {"guidance_scale": 1.0, "guidance_share": 1.0}
        return replace(self, **chosen)

    def as_printed(self) -> SamplingSettings:
        """The same steps, seed and noise without guidance and with noise of unit spread, as in Algorithm 2."""
        return replace(self, **PAPER_DEFAULTS)

    def record(self) -> dict[str, Any]:
        """The choices under their names in the provenance."""
        return {_RECORDED.get(field.name, field.name): getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of_record(cls, recorded: Mapping[str, Any]) -> SamplingSettings:
        """The choices that a provenance names. Raises KeyError when it lacks one, InputError for an impossible one.

        Volumes made before guidance and spread of the noise could be chosen were made as printed.
        """
        known = PAPER_DEFAULTS | {name: value for name, value in recorded.items() if value is not None}
        return cls(**{field.name: known[_RECORDED.get(field.name, field.name)] for field in fields(cls)})


_RECORDED = {"num_inference_steps": "steps"}  # the name in files


def sampling_of_model(card: Mapping[str, Any], **given: Any) -> dict[str, float]:
    """The values of PAPER_DEFAULTS's names: those given, else those of a model card's ``sampling``, else as printed.

    Raises InputError for a value given that is out of its range.
    """
    chosen = SamplingSettings(**given).for_model(card)
    return {name: getattr(chosen, name) for name in PAPER_DEFAULTS}


def check_sampling(asked: Any) -> None:
    """Raise InputError (code ``bad-option``) unless ``asked`` may stand as ``sampling`` in a model's card."""
    if asked is None:
        return
    if not isinstance(asked, Mapping) or not set(asked) <= set(_OF_MODEL):
        raise InputError(f"The sampling cannot be {str(asked)[:60]}: name {', '.join(_OF_MODEL)}.", code="bad-option")
    for name, value in asked.items():
        if value is None:
            raise settings_of(SamplingSettings)[name].refusal("null", "leave the entry out")
    SamplingSettings(**asked)


def chosen_seed(seed: int | None, generator: torch.Generator | None = None) -> int:
    """The seed itself, one drawn from the generator when given, or a random one for None."""
    if generator is not None:
        import torch

        return int(torch.randint(2**31, (1,), generator=generator, device=generator.device))
    if seed is None:
        return int.from_bytes(os.urandom(4), "little") >> 1
    return seed
