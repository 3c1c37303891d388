"""The recipe of the student of super-resolution, which needs one pass."""

from __future__ import annotations

from dataclasses import dataclass

from ..recipe import Recipe, entry
from . import shared_entries as shared
from .super_resolution import (
    EnhancementNetworkSection,
    blocks_of_a_step,
    fine_volumes,
    guidance_missing,
    held_out_volumes,
    pictures_of_a_block,
    stored_in_eight_bits,
    tile_size,
    volumes_read,
)


@dataclass(frozen=True)
class SuperResolutionStudentRecipe(Recipe):
    """What ``xray2mri train super-resolution-student`` reads; its loop is ``training/super_resolution_student.py``."""

    data: str = fine_volumes()
    held_out: str | None = held_out_volumes()
    knees: int | None = volumes_read()
    teacher: str | None = entry("the folder of the trained teacher, null to learn from the truth alone")
    network: EnhancementNetworkSection = entry("the sizes of the network")  # noqa: RUF009
    blocks: int = blocks_of_a_step()
    slices: int = pictures_of_a_block()
    tile: int = tile_size()
    guidance_missing: float = guidance_missing()
    stages: int = entry("the stages in which the teacher's pictures become sharp; 1 for none", low=1)
    blur_px: float = entry("the standard deviation of the blur in the first stage", unit="pixels", low=0)
    teacher_pictures: int = entry("the pictures that the teacher makes before", unit="pictures", low=1)
    teacher_samples: int = entry("the teacher's samples whose mean is learned", unit="samples", low=1)
    teacher_steps: int = entry("the steps of each sample", unit="steps", low=1)
    feature_weight: float = entry("the weight of the teacher's feature maps, 0 for none", low=0)
    truth_weight: float = entry("the weight of the truth in the second half, beside the teacher", low=0)
    edge_weight: float = entry("the weight of the differences between neighbouring pixels", low=0)
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
