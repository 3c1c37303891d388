"""The choices of one generation with their defaults and limits: what the command line and the worker both accept.

Only the standard library is imported, so that a wrong choice is refused before anything heavy is loaded.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from ..conditions.koa_probabilities import KoaProbabilities
from ..errors import InputError

DEVICES = ("auto", "cpu", "cuda", "mps")
SIDES = ("auto", "left", "right")
SAMPLERS = ("ddim", "dpm")
PHOTOMETRIC = ("auto", "normal", "inverted")

_LIMITS: dict[str, tuple[float, float]] = {
    "slices": (2, 500),
    "steps": (1, 1000),
    "seed": (0, 2**63 - 1),
    "samples": (1, 100),
    "knee": (1, 20),
    "guidance_scale": (0.0, 20.0),
    "noise_scale": (0.01, 1.0),
}
_WORDS = {"device": DEVICES, "side": SIDES, "sampler": SAMPLERS, "photometric": PHOTOMETRIC}


def _bad(option: str, value: object, rule: str) -> InputError:
    shown = str(value)[:60]
    return InputError(f"The option {option} cannot be {shown}: {rule}.", code="bad-option", hint="")


@dataclass(frozen=True)
class GenerationSettings:
    """One generation's settings. Raises InputError (code ``bad-option``) for a value out of its range.

    ``slices`` is the number of depths (the paper calls it inference steps), ``steps`` the number of denoising
    steps. ``photometric`` says whether bone is bright (normal) or dark (inverted) as the radiograph is stored; auto
    asks file and picture. ``roi`` is x, y, width, height in radiograph pixels. ``kl`` holds five probabilities,
    ``kl_grade`` a grade; at most one of them may be given.
    """

    slices: int = 50
    steps: int = 20
    model: str = "compact"
    device: str = "auto"
    seed: int = 0
    samples: int = 1
    side: str = "auto"
    roi: tuple[float, float, float, float] | None = None
    kl: tuple[float, ...] | None = None
    kl_grade: int | None = None
    guidance_scale: float | None = None  # None: what the model's card asks for
    noise_scale: float | None = None
    sampler: str = "ddim"
    knee: int | None = None
    keep_identifiers: bool = False
    photometric: str = "auto"

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise _bad(_option(name), value, f"choose a number from {low:g} to {high:g}")
        for name, words in _WORDS.items():
            if getattr(self, name) not in words:
                raise _bad(_option(name), getattr(self, name), f"choose one of {', '.join(words)}")
        if not self.model or "\0" in self.model:
            raise _bad("--model", "empty", "name compact, a model folder or a hub name")
        if self.seed + self.samples - 1 > _LIMITS["seed"][1]:
            raise _bad("--seed", self.seed, "the seeds of all samples must stay below 2^63")
        self._check_roi()
        self.koa()

    def _check_roi(self) -> None:
        if self.roi is None:
            return
        if len(self.roi) != 4 or not all(math.isfinite(value) for value in self.roi):
            raise _bad("--roi", self.roi, "give four numbers X,Y,W,H in radiograph pixels")
        if self.roi[2] < 8 or self.roi[3] < 8:
            raise _bad("--roi", self.roi, "the rectangle must be at least 8 pixels wide and high")
        if max(abs(value) for value in self.roi) > 1e6:
            raise _bad("--roi", self.roi, "the rectangle lies beyond any radiograph")
        if self.knee is not None:
            raise _bad("--knee", self.knee, "a rectangle given by --roi already chooses the knee")

    def koa(self) -> KoaProbabilities | None:
        """The grade probabilities that the user chose; None leaves them to the classifier. Raises InputError."""
        if self.kl is not None and self.kl_grade is not None:
            raise _bad("--kl-grade", self.kl_grade, "give it or --kl, not both")
        if self.kl is not None:
            return KoaProbabilities.given(self.kl)
        return None if self.kl_grade is None else KoaProbabilities.reader(self.kl_grade)

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> GenerationSettings:
        """Settings from a worker request; absent and null fields take the defaults, others are ignored."""
        values = {field.name: message.get(field.name) for field in dataclasses.fields(cls)}
        chosen = {name: value for name, value in values.items() if value is not None}
        for name in ("roi", "kl"):
            if name in chosen:
                chosen[name] = tuple(float(value) for value in chosen[name])
        return cls(**chosen)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
