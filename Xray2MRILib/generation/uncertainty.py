"""Several volumes of one radiograph and their standard deviation, which shows where the radiograph leaves a choice.

The deviation always comes from volumes sampled as in the paper. Guidance and lower noise make samples similar and would
suggest a certainty that the model does not have. The deviation does not measure the error of the volume.
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
    """The volume of ``sampling`` with the voxel-wise standard deviation over ``samples`` (2 to 100) consecutive seeds.

    The seeds start at the one of ``sampling``. ``choices`` are those of the pipeline's ``volume``. If sampling or model
    card set another guidance or noise than the paper, the volume is computed in addition to the samples, and
    ``deviation_sampling`` in its provenance records the settings of the samples. Raises InputError for numbers out of
    range.
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
    assert shown is not None  # at least two runs have the settings of the paper
    assert deviation is not None
    shown.deviation = deviation.value()
    shown.provenance["sampling"]["seeds"] = [own.seed + done for done in range(samples)]
    if own != printed:
        shown.provenance["sampling"]["deviation_sampling"] = dict(PAPER_DEFAULTS)
    return shown
