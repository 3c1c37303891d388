"""Several volumes of one radiograph, and how much they differ: where the model is free to guess.

The deviation is always that of volumes sampled as printed. Guidance and a narrower noise make samples alike, and would
show a certainty that the model does not have. It is no measure of how far the picture is from the knee.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..diffusion.sampling_settings import PAPER_DEFAULTS, SamplingSettings
from ..volume.deviation import RunningDeviation
from .settings import SETTINGS

if TYPE_CHECKING:
    from ..volume.pseudo_mri import PseudoMRI
    from .volume_pipeline import VolumePipeline


def sample_deviation(
    pipeline: VolumePipeline,
    radiograph: Any,
    num_slices: int,
    sampling: SamplingSettings,
    samples: int,
    *,
    callback: Callable[[dict[str, Any]], None] | None = None,
    **choices: Any,
) -> PseudoMRI:
    """The volume of ``sampling`` with the voxel-wise standard deviation over ``samples`` (2 to 100) seeds from its own.

    ``choices`` are those of the pipeline's ``volume``. Where the sampling, or the model's card, asks for another
    guidance or noise than printed, that volume is one more, and ``deviation_sampling`` in its provenance says how the
    others were made. Raises InputError for numbers out of range.
    """
    replace(SETTINGS["samples"], low=2).check(samples)
    replace(SETTINGS["seed"], high=SETTINGS["seed"].high - samples + 1).check(sampling.seed)
    own = sampling.for_model(pipeline.model_card)
    printed = own.as_printed()
    runs = [replace(printed, seed=own.seed + done) for done in range(samples)]
    if own != printed:
        runs.insert(0, own)

    def share(event: dict[str, Any], done: int) -> None:
        if callback is None or (event["stage"] == "slice" and done):
            return
        if "fraction" in event:
            event = {**event, "fraction": (done + event["fraction"]) / len(runs)}
        callback(event)

    shown: PseudoMRI | None = None
    deviation: RunningDeviation | None = None
    for done, chosen in enumerate(runs):
        volume = pipeline.volume(
            radiograph, num_slices, chosen, callback=lambda event, done=done: share(event, done), **choices
        )
        if shown is None:
            shown = volume
        if chosen.as_printed() != chosen:
            continue
        if deviation is None:
            deviation = RunningDeviation(volume.array)
        else:
            deviation.add(volume.array)
    assert shown is not None  # there are two runs as printed or more
    assert deviation is not None
    shown.deviation = deviation.value()
    shown.provenance["sampling"]["seeds"] = [own.seed + done for done in range(samples)]
    if own != printed:
        shown.provenance["sampling"]["deviation_sampling"] = dict(PAPER_DEFAULTS)
    return shown
