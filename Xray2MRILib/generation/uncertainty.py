"""Several volumes of one radiograph, and how much they differ: where the model is free to guess.

The deviation is always that of volumes sampled as printed. Guidance and a narrower noise make samples alike, and would
show a certainty that the model does not have. It is no measure of how far the picture is from the knee.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..diffusion.sampling_settings import PAPER_DEFAULTS, check_integer, sampling_of_model
from ..volume.deviation import RunningDeviation

if TYPE_CHECKING:
    from ..volume.pseudo_mri import PseudoMRI
    from .pipeline import Xray2MRIPipeline


def sample_deviation(
    pipeline: Xray2MRIPipeline, radiograph: Any, samples: int, *, seed: int = 0,
    callback: Callable[[dict[str, Any]], None] | None = None, **choices: Any,
) -> PseudoMRI:  # fmt: skip
    """The volume of ``seed`` with the voxel-wise standard deviation over ``samples`` (2 to 100) seeds from it on.

    ``choices`` are those of a pipeline's call. Where they, or the model's card, ask for another guidance or noise than
    printed, that volume is one more, and ``deviation_sampling`` in its provenance says how the others were made. Raises
    InputError for numbers out of range.
    """
    check_integer("samples", samples, 2, 100)
    check_integer("seed", seed, 0, 2**63 - samples)
    own = sampling_of_model(pipeline.model_card, **{name: choices.pop(name, None) for name in PAPER_DEFAULTS})
    runs = [(seed + done, PAPER_DEFAULTS) for done in range(samples)]
    if own != PAPER_DEFAULTS:
        runs.insert(0, (seed, own))

    def share(event: dict[str, Any], done: int) -> None:
        if callback is None or (event["stage"] == "slice" and done):
            return
        if "fraction" in event:
            event = {**event, "fraction": (done + event["fraction"]) / len(runs)}
        callback(event)

    shown: PseudoMRI | None = None
    deviation: RunningDeviation | None = None
    for done, (number, sampling) in enumerate(runs):
        volume = pipeline(
            radiograph, seed=number, callback=lambda event, done=done: share(event, done), **sampling, **choices
        )
        if shown is None:
            shown = volume
        if sampling is not PAPER_DEFAULTS:
            continue
        if deviation is None:
            deviation = RunningDeviation(volume.array)
        else:
            deviation.add(volume.array)
    shown.deviation = deviation.value()
    shown.provenance["sampling"]["seeds"] = list(range(seed, seed + samples))
    if own != PAPER_DEFAULTS:
        shown.provenance["sampling"]["deviation_sampling"] = dict(PAPER_DEFAULTS)
    return shown
