"""The settings of one generation with their defaults and limits, shared by the command line and the worker.

Only the standard library is imported, so that a wrong value is rejected before heavy libraries load.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..conditions.koa_probabilities import GRADES, KoaProbabilities
from ..conditions.registry import AGE_RANGE, BMI_RANGE, SEXES
from ..diffusion.sampling_settings import SamplingSettings
from ..diffusion.setting import Setting, setting, settings_of
from ..errors import InputError
from ..volume.geometry import OAI_FIELD

DEVICES = ("auto", "cpu", "cuda", "mps")
SIDES = ("auto", "left", "right")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
PHOTOMETRIC = ("auto", "normal", "inverted")
_FARTHEST_PIXEL = 1e6
_SMALLEST_RECTANGLE = 8
_OPEN = SamplingSettings()  # leaves the choice to the model


@dataclass(frozen=True, init=False)
class GenerationSettings:
    """The settings of one generation. Raises InputError (code ``bad-option``) for a value out of range.

    Keywords are the names of the fields or those of the worker's protocol (SETTINGS), which include the fields of
    ``sampling``: ``GenerationSettings(slices=50, steps=20, seed=1)``. Both names also work for reading.

    Attributes
    ----------
    num_slices
        Number of depths (called inference steps in the paper).
    sampling
        The sampling settings.
    model, device, precision
        "compact", a model folder or a hub name; the compute device; the number format of U-Net and decoder.
    samples
        Number of seeds; more than one also gives the standard deviation over them.
    side, roi, knee
        The knee to use: its side; its rectangle x, y, width, height in radiograph pixels; its number, counted from 1 at
        the left edge. ``roi`` and ``knee`` exclude each other.
    kl, kl_grade
        Five grade probabilities, or one grade; they exclude each other.
    age, sex, bmi
        What is known of the person, for models that were trained with it; None tells nothing.
    keep_identifiers
        Whether the provenance names the radiograph.
    scanner_noise
        Strength of the scanner noise that is added after the decoder, relative to the measured one; 0 adds none.
    photometric
        How bone is stored: "normal" (bright) or "inverted" (dark); "auto" asks file and picture.
    """

    num_slices: int = setting(
        "slices", OAI_FIELD.num_slices, "integer", "number of slices",
        f"number of slices over {OAI_FIELD.extent_mm} mm", low=2, high=500, symbol="S", panel=(30, 500),
    )  # fmt: skip
    sampling: SamplingSettings = _OPEN
    model: str = setting(
        "model", "compact", "text", "model", "the shipped model compact, a model folder or one on the Hugging Face hub",
        symbol="compact|DIR|HUB-ID",
    )  # fmt: skip
    device: str = setting("device", DEVICES[0], "text", "device", "compute device", words=DEVICES)
    precision: str = setting(
        "precision", PRECISIONS[0], "text", "precision",
        "number format of U-Net and decoder: auto (bf16 on GPUs and processors that compute it, fp32 elsewhere), fp32, "
        "bf16 or fp16",
        words=PRECISIONS,
    )  # fmt: skip
    samples: int = setting(
        "samples", 1, "integer", "number of samples",
        "number of seeds (more than one: also write the voxel-wise standard deviation over them, sampled without "
        "guidance and with unit-variance noise)", low=1, high=100, symbol="K", panel=(1, 20),
    )  # fmt: skip
    side: str = setting(
        "side", SIDES[0], "text", "side", "side of the knee", words=SIDES,
        otherwise="from the header, the file name, then the image",
    )  # fmt: skip
    roi: tuple[float, float, float, float] | None = setting(
        "roi", None, "numbers", "rectangle of the knee",
        "rectangle of the knee in radiograph pixels: x, y, width, height", symbol="X,Y,W,H",
    )  # fmt: skip
    kl: tuple[float, ...] | None = setting(
        "kl", None, "numbers", "grade probabilities",
        f"{GRADES} probabilities of the Kellgren-Lawrence grades 0 to {GRADES - 1}", symbol="P0,P1,P2,P3,P4",
        otherwise="from the classifier",
    )  # fmt: skip
    kl_grade: int | None = setting(
        "kl_grade", None, "integer", "Kellgren-Lawrence grade", "a reader's Kellgren-Lawrence grade", low=0,
        high=GRADES - 1, symbol="G",
    )  # fmt: skip
    age: float | None = setting(
        "age", None, "number", "age", "age of the person in years, for models that were trained with it",
        low=AGE_RANGE[0], high=AGE_RANGE[1], symbol="YEARS", otherwise="not told",
    )  # fmt: skip
    sex: str | None = setting(
        "sex", None, "text", "sex", "sex of the person, for models that were trained with it", words=SEXES,
        otherwise="not told",
    )  # fmt: skip
    bmi: float | None = setting(
        "bmi", None, "number", "body mass index",
        "body mass index of the person in kg per square metre, for models that were trained with it",
        low=BMI_RANGE[0], high=BMI_RANGE[1], symbol="BMI", otherwise="not told",
    )  # fmt: skip
    knee: int | None = setting(
        "knee", None, "integer", "number of the knee",
        "which knee to use if there are several, counted from 1 at the left edge of the radiograph", low=1, high=20,
        symbol="N", otherwise="the clearest",
    )  # fmt: skip
    keep_identifiers: bool = setting(
        "keep_identifiers", False, "flag", "choice of identifiers",
        "record the path of the radiograph in the provenance (never by default)",
    )  # fmt: skip
    scanner_noise: float = setting(
        "scanner_noise", 1.0, "number", "scanner noise",
        "strength of the scanner noise added for viewing, relative to the measured one (0: none; measurements are made "
        "without it)", low=0, high=5, symbol="X",
    )  # fmt: skip
    photometric: str = setting(
        "photometric", PHOTOMETRIC[0], "text", "sense of bone",
        "how bone is stored in the radiograph: normal (bright) or inverted (dark)", words=PHOTOMETRIC,
        otherwise="from the header, then the picture",
    )  # fmt: skip

    def __init__(self, **chosen: Any) -> None:
        # the protocol's name takes precedence, so that dataclasses.replace accepts it too
        named = {name: value for name, value in chosen.items() if _FIELDS.get(name, name) == name}
        named |= {_FIELDS[name]: value for name, value in chosen.items() if name not in named}
        in_sampling = {name: named.pop(name) for name in settings_of(SamplingSettings) if name in named}
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, named.pop(field.name, field.default))
        if named:
            raise TypeError(f"GenerationSettings has no setting {next(iter(named))!r}")
        object.__setattr__(self, "sampling", dataclasses.replace(self.sampling, **in_sampling))
        self._check()

    def __getattr__(self, name: str) -> Any:
        """A setting under its name in the worker's protocol."""
        field = _FIELDS.get(name)
        if field is None or "sampling" not in self.__dict__:
            raise AttributeError(f"GenerationSettings has no setting {name!r}")
        return getattr(self if field in self.__dict__ else self.sampling, field)

    def _check(self) -> None:
        for name, described in settings_of(self).items():
            described.check(getattr(self, name))
        if not self.model or "\0" in self.model:
            raise SETTINGS["model"].refusal("empty", "name compact, a model folder or a hub name")
        if self.sampling.seed + self.samples - 1 > SETTINGS["seed"].high:
            raise SETTINGS["seed"].refusal(self.sampling.seed, "the seeds of all samples must stay below 2^63")
        self._check_roi()
        self.koa()

    def _check_roi(self) -> None:
        if self.roi is None:
            return
        refusal = SETTINGS["roi"].refusal
        if len(self.roi) != 4 or not all(math.isfinite(value) for value in self.roi):
            raise refusal(self.roi, "give x, y, width and height in radiograph pixels")
        if min(self.roi[2:]) < _SMALLEST_RECTANGLE:
            raise refusal(self.roi, f"it must be at least {_SMALLEST_RECTANGLE} pixels wide and high")
        if max(abs(value) for value in self.roi) > _FARTHEST_PIXEL:
            raise refusal(self.roi, "it lies beyond any radiograph")
        if self.knee is not None:
            raise SETTINGS["knee"].refusal(self.knee, "the given rectangle already determines the knee")

    def koa(self) -> KoaProbabilities | None:
        """The user's grade probabilities; None leaves them to the classifier. Raises InputError."""
        if self.kl is not None and self.kl_grade is not None:
            raise InputError("A grade and grade probabilities exclude each other.", code="bad-option",
                             hint="Give one of them.", field="kl_grade")  # fmt: skip
        if self.kl is not None:
            return KoaProbabilities.given(self.kl)
        return None if self.kl_grade is None else KoaProbabilities.reader(self.kl_grade)

    def told(self) -> dict[str, Any]:
        """What the user tells of the person, by the names of ``conditions.registry``."""
        found = {"age": self.age, "sex": self.sex, "bmi": self.bmi}
        return {name: value for name, value in found.items() if value is not None}

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> GenerationSettings:
        """Settings from a worker request; absent and null fields take the defaults, others are ignored."""
        chosen = {name: message[name] for name in SETTINGS if message.get(name) is not None}
        for name in ("roi", "kl"):
            if name in chosen:
                chosen[name] = tuple(float(value) for value in chosen[name])
        return cls(**chosen)


# settings for Python callers only
_EXPERT = ("noise", "guidance_share", "renewed_noise")
_BY_FIELD = settings_of(GenerationSettings) | settings_of(SamplingSettings)
_FIELDS = {described.name: field for field, described in _BY_FIELD.items()}
# name in the worker's protocol -> its Setting; the options of the command line have the same names with dashes
SETTINGS: dict[str, Setting] = {name: _BY_FIELD[field] for name, field in _FIELDS.items() if name not in _EXPERT}
