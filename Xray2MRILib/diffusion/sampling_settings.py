"""The sampling settings that, together with weights and radiograph, determine a volume, and their checks.

Only the standard library is imported, so that a wrong value is rejected before heavy libraries load.
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
# The values of Algorithm 2; a model's card may set others under "sampling" (see SamplingSettings.for_model).
PAPER_DEFAULTS: dict[str, Any] = {
    "guidance_scale": 1.0, "guidance_share": 1.0, "noise_scale": 1.0, "renewed_noise": 0.0,
}  # fmt: skip
# noise scales above it count as the printed algorithm's 1, those below as a model's reduced noise
_PRINTED_NOISE = 0.75
_STEPS = 20  # for a model whose card does not set them
# settings that a model's card may set
_OF_MODEL = ("num_inference_steps", *PAPER_DEFAULTS)


@dataclass(frozen=True)
class SamplingSettings:
    """The sampling settings of one volume. Raises InputError (code ``bad-option``) for a value out of range.

    None leaves a setting to the model's card (``for_model``).

    Attributes
    ----------
    num_inference_steps
        Denoising steps per slice.
    seed
        Seed of the initial noise.
    sampler
        ``ddim`` (eq. 16) or ``dpm`` (DPM-Solver++, good with few steps).
    noise
        How the initial noises of different depths are related, see initial_noise.
    guidance_scale, guidance_share
        Strength of classifier-free guidance (A19), where 1 means off; and the share of guided steps, noisiest first.
        The noisy steps determine the anatomy; guidance in later steps lowers the similarity to real slices
        (Kynkäänniemi et al., arXiv 2404.07724).
    noise_scale
        Standard deviation of z_T. Values below 1 give more likely volumes, and different seeds differ less.
    renewed_noise
        Share of the noise that every slice draws anew half way, see slice_loop.denoise; with one step nothing. The
        outlines are determined by then; neighbouring slices no longer share their fine detail.
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
        "noise", NOISES[0], "text", "noise", "how the initial noises of different depths are related", words=NOISES
    )
    guidance_scale: float | None = setting(
        "guidance_scale", None, "number", "guidance scale",
        "strength of classifier-free guidance (1: off) in the model's share of guided steps", low=0, high=20,
        symbol="W", otherwise="the model's", fallback=PAPER_DEFAULTS["guidance_scale"],
    )  # fmt: skip
    guidance_share: float | None = setting(
        "guidance_share", None, "number", "share of guided steps", "share of guided steps, noisiest first", low=0,
        high=1, otherwise="the model's", fallback=PAPER_DEFAULTS["guidance_share"],
    )  # fmt: skip
    noise_scale: float | None = setting(
        "noise_scale", None, "number", "noise scale",
        "standard deviation of the initial noise (lower: more likely volumes, and seeds differ less)",
        low=0.01, high=1, symbol="S", otherwise="the model's", fallback=PAPER_DEFAULTS["noise_scale"],
    )  # fmt: skip
    renewed_noise: float | None = setting(
        "renewed_noise", None, "number", "renewed noise",
        "share of the noise that every slice draws anew half way (0: none)",
        low=0, high=1, symbol="R", otherwise="the model's", fallback=PAPER_DEFAULTS["renewed_noise"],
    )  # fmt: skip

    def __post_init__(self) -> None:
        for name, described in settings_of(self).items():
            described.check(getattr(self, name))

    def for_model(self, card: Mapping[str, Any] = MappingProxyType({})) -> SamplingSettings:
        """These settings with every None filled in from the card's ``sampling``, or else with the paper's values.

        Guidance that has no effect is always given as scale 1 in all steps. Asking for no guidance and for noise of its
        full spread asks for the algorithm as printed, so that no noise is renewed then unless that is asked for too.
        """
        own, described = dict(card.get("sampling") or {}), settings_of(self)
        if self.noise_scale == 1 and (self.guidance_scale == 1 or self.guidance_share == 0):
            own["renewed_noise"] = PAPER_DEFAULTS["renewed_noise"]
        chosen: dict[str, Any] = {
            name: own.get(name, described[name].fallback) if getattr(self, name) is None else getattr(self, name)
            for name in _OF_MODEL
        }
        if chosen["guidance_scale"] == 1 or chosen["guidance_share"] == 0:
            chosen |= {"guidance_scale": 1.0, "guidance_share": 1.0}
        return replace(self, **chosen)

    def as_printed(self) -> SamplingSettings:
        """The same steps, seed and noise, without guidance, with unit noise that is not renewed (Algorithm 2)."""
        return replace(self, **PAPER_DEFAULTS)

    def record(self) -> dict[str, Any]:
        """The settings under their names in the provenance."""
        return {_RECORDED.get(field.name, field.name): getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_record(cls, recorded: Mapping[str, Any]) -> SamplingSettings:
        """The settings in a provenance. Raises KeyError for a missing setting, InputError for a value out of range.

        A provenance from before guidance, noise scale and renewed noise were settings takes the paper's values.
        """
        known = PAPER_DEFAULTS | {name: value for name, value in recorded.items() if value is not None}
        return cls(**{field.name: known[_RECORDED.get(field.name, field.name)] for field in fields(cls)})


_RECORDED = {"num_inference_steps": "steps"}  # the name in files


def is_printed(sampling: SamplingSettings) -> bool:
    """Whether a network of two modes works in that for samples as printed: wide noise, none of it renewed."""
    return (sampling.noise_scale or 0.0) > _PRINTED_NOISE and not sampling.renewed_noise


def sampling_of_model(card: Mapping[str, Any], **given: Any) -> dict[str, float]:
    """The value of each setting in PAPER_DEFAULTS: as given, else from a model card's ``sampling``, else the paper's.

    Raises InputError for a value out of range.
    """
    chosen = SamplingSettings(**given).for_model(card)
    return {name: getattr(chosen, name) for name in PAPER_DEFAULTS}


def check_sampling(asked: Any) -> None:
    """Raise InputError (code ``bad-option``) unless ``asked`` is a valid ``sampling`` entry of a model's card."""
    if asked is None:
        return
    if not isinstance(asked, Mapping) or not set(asked) <= set(_OF_MODEL):
        raise InputError(f"The sampling cannot be {str(asked)[:60]}: name {', '.join(_OF_MODEL)}.", code="bad-option")
    for name, value in asked.items():
        if value is None:
            raise settings_of(SamplingSettings)[name].refusal("null", "leave the entry out")
    SamplingSettings(**asked)


def choose_seed(seed: int | None, generator: torch.Generator | None = None) -> int:
    """A seed drawn from the generator when there is one, else ``seed`` itself, else a random one."""
    if generator is not None:
        import torch

        return int(torch.randint(2**31, (1,), generator=generator, device=generator.device))
    if seed is None:
        return int.from_bytes(os.urandom(4), "little") >> 1
    return seed
