"""The recipe of the knee detector."""

from __future__ import annotations

from dataclasses import dataclass

from ..recipe import Recipe, entry
from . import shared_entries as shared


@dataclass(frozen=True)
class BoxSource(Recipe):
    """Radiographs with known knee boxes."""

    folder: str = entry("the folder of the radiographs")
    boxes: str = entry("the JSON file with their boxes")
    split: str | None = entry("the split to read, null for all", default=None)


@dataclass(frozen=True)
class LocalizerRecipe(Recipe):
    """What ``xray2mri train localizer`` reads; its loop is ``training/localizer.py``."""

    data: str | None = shared.graded_folder()
    crop_limit: int = entry("the number of joint crops to read, 0 for all", unit="crops", low=0)
    radiographs: tuple[BoxSource, ...] = entry(
        "the radiographs with known boxes, besides the composites", may_be_empty=True, key="films"
    )
    radiograph_share: float = entry("the share of pictures that show such radiographs", low=0, high=1, key="film_share")
    canvas_size: int = entry("the edge of a picture", unit="pixels", low=32, multiple_of=32)
    channels: tuple[int, int, int, int, int] = entry("the channels of the stages", low=8, multiple_of=8)
    seed: int = shared.seed()
    steps: int = shared.steps()
    minutes: float | None = entry(
        "the wall time of the whole run, with which the learning rate ends; null for no limit", unit="minutes", above=0
    )
    batch_size: int = shared.batch_size("pictures")
    learning_rate: float = shared.learning_rate()
    weight_decay: float = shared.weight_decay()
    warm_up_steps: int = shared.warm_up_steps()
    ema_decay: float = shared.ema_decay()
    precision: str = shared.precision()
    device: str = shared.device()
    threads: int = shared.threads()
    start_from: str | None = entry("the weights folder of an earlier detector to begin with")
    confidence_threshold: float = entry("the confidence from which the detector reports a knee", low=0, high=1)
    overlap_threshold: float = entry("the overlap (IoU) above which the weaker of two boxes is dropped", low=0, high=1)
    checkpoint_every: int = entry("the number of steps between two checkpoints", unit="steps", low=1)
    log_every: int = shared.log_every()
