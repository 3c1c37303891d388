"""A volume of any SliceModel: checks, conditions, slices and provenance, for a new volume and for a denser one."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..conditions.koa_probabilities import KoaProbabilities
from ..diffusion.depth_grid import shared_depths
from ..diffusion.progress import ENCODING_SHARE, Callback, SliceProgress
from ..diffusion.radiograph_conditions import hash_crop, unpack_crop
from ..diffusion.sampling_settings import SamplingSettings
from ..diffusion.setting import Setting
from ..volume.geometry import depth_positions
from ..volume.provenance import build_provenance
from ..volume.pseudo_mri import PseudoMRI
from .condition_encoding import classify_grades
from .settings import SETTINGS
from .settings_from_provenance import settings_from_provenance
from .told_conditions import TOLD_SECTION, checked_told

if TYPE_CHECKING:
    import torch

    from ..preparation.joint_crop import PreparedRadiograph
    from .slice_model import SliceModel

BATCH_SIZE = Setting("batch_size", None, "integer", "batch size", "slices denoised together", low=1, high=500)
NO_GRADES_NOTE = "This model does not use the grade of the knee; all five are recorded as equally likely."


def sample_volume(
    model: SliceModel,
    radiograph: PreparedRadiograph | np.ndarray | torch.Tensor,
    num_slices: int,
    sampling: SamplingSettings | None = None,
    *,
    known: PseudoMRI | None = None,
    koa: KoaProbabilities | None = None,
    told: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
    callback: Callback | None = None,
    should_cancel: Callable[[], bool] | None = None,
) -> PseudoMRI:
    """A volume of ``num_slices`` synthetic slices.

    Parameters
    ----------
    sampling
        The sampling settings; a None in them leaves that setting to the model's card.
    known
        A volume of the same radiograph and model. Its slices are copied at shared depths, and ``sampling`` and ``koa``
        come from its provenance.
    radiograph, koa, told, batch_size, callback, should_cancel
        As in VolumePipeline's ``__call__``.

    Raises InputError for settings out of range, an invalid crop, or a ``known`` volume of another origin;
    ProcessingError when memory runs out; and Cancelled.
    """
    started = time.monotonic()
    SETTINGS["slices"].check(num_slices)
    BATCH_SIZE.check(batch_size)
    crop, mirrored, record = unpack_crop(radiograph)
    notes = [*model.model_notes, *model.precision_notes]
    if known is None:
        sampling = (sampling or SamplingSettings()).for_model(model.model_card)
        koa = koa or choose_grades(model, crop, notes)
        told = checked_told(told or {}, model)
    else:
        sampling, koa = settings_from_provenance(known, hash_crop(crop), model.weights_sha256)
        told = known.provenance.get(TOLD_SECTION) or {}
        mirrored = known.mirrored
    progress = SliceProgress(callback, num_slices, mirrored)
    progress.at("encode", 0, 1, 0.0)
    conditions = model.encode(crop, koa, told)
    progress.at("encode", 1, 1, ENCODING_SHARE)

    slices = _empty_slices(num_slices, mirrored, crop)
    if known is not None and known.contains_noise:
        notes.append("All slices were computed again, because the noise-free slices of the volume were not kept.")
    copied = {} if known is None or known.contains_noise else _copy_shared_depths(known, slices, progress)
    missing = [index for index in range(num_slices) if index not in copied]
    notes += model.fill(
        slices, missing, conditions, sampling, progress, batch_size=batch_size, should_cancel=should_cancel
    )
    run = {
        "device": model.device.type,
        "dtype": str(model.dtype).removeprefix("torch."),
        "precision": model.precision,
        "seconds": round(time.monotonic() - started, 3),
        "notes": notes,
    }
    recorded = {"num_slices": num_slices, **sampling.record()}
    if known is not None:
        before = known.provenance.get("run", {}).get("precision", "fp32")
        if copied and before != model.precision:
            notes.append(f"The slices taken over were computed in {before}, the others in {model.precision}.")
        run["slices_taken_over"] = len(copied)
        provenance = {**known.provenance, "sampling": recorded, "run": run}
        return PseudoMRI.from_depth_slices(slices, mirrored, provenance)
    provenance = build_provenance(
        model={**model.model_card, "name": model.model_name, "weights_sha256": model.weights_sha256},
        sampling=recorded,
        radiograph={**record, "crop_sha256": hash_crop(crop)},
        koa={"values": list(koa.values), "source": koa.source},
        plausibility=record.get("plausibility"),
    )
    if told:
        provenance[TOLD_SECTION] = dict(told)
    return PseudoMRI.from_depth_slices(slices, mirrored, {**provenance, "run": run})


def choose_grades(model: SliceModel, crop: torch.Tensor, notes: list[str]) -> KoaProbabilities:
    """Grade probabilities of a crop when the caller gives none; remarks on them are added to ``notes``."""
    if not model.uses_grades:
        notes.append(NO_GRADES_NOTE)
        return KoaProbabilities.uniform()
    koa, remarks = classify_grades(crop)
    notes += remarks
    return koa


def _copy_shared_depths(known: PseudoMRI, slices: np.ndarray, progress: SliceProgress) -> dict[int, int]:
    """Copy and report the slices at shared depths; returns their index in ``slices`` -> their index in ``known``."""
    shared = shared_depths(depth_positions(known.num_slices), depth_positions(len(slices)))
    earlier: Any = known.depth_slices()
    for index, place in shared.items():
        slices[index] = earlier[place]
        progress.slice(index, slices[index])
    return shared


def _empty_slices(num_slices: int, mirrored: bool, crop: torch.Tensor) -> np.ndarray:
    """Zeros [S, H, W] in depth order and right-knee space.

    The array is a view whose reordering into the file's order is contiguous, so that the volume needs no copy.
    """
    array = np.zeros((num_slices, *crop.shape[-2:]), np.float32)
    return array[::-1, :, ::-1] if mirrored else array[::-1]
