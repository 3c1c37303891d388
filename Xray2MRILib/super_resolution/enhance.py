"""The whole procedure: read a volume, enhance it, write it with its provenance. The shell and the worker call it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .model_choice import DEFAULT_MODEL, INTERPOLATION, check_enhancement_model, load_enhancement_network
from .spacing_plan import DEFAULT_SPACING_MM, SpacingPlan, plan_spacing

if TYPE_CHECKING:
    import SimpleITK
    import torch

    from .enhancement_network import EnhancementUNet
    from .fine_volume import FineResult
    from .source_volume import SourceVolume

_EXPECTED_SECONDS = {"read": 1.0, "load model": 1.0, "estimate bias": 6.0, "enhance": 40.0, "write": 4.0}


@dataclass(frozen=True)
class EnhancementSettings:
    """What a user chooses.

    Attributes
    ----------
    spacing_mm
        Of the finest voxels that are wanted, for all axes.
    model
        A name, the folder of a model, or ``interpolation``.
    teacher
        Whether the teacher enhances, slowly, instead of the student.
    steps
        Of the teacher.
    seed
        Of the teacher's noise.
    thickness_mm
        Of the slices; None takes the header's, or the distance between slices.
    bias_map
        Whether the bias field is estimated and told to the network.
    device
        auto, cpu, cuda, ...
    """

    spacing_mm: float = DEFAULT_SPACING_MM
    model: str = DEFAULT_MODEL
    teacher: bool = False
    steps: int = 20
    seed: int = 0
    thickness_mm: float | None = None
    bias_map: bool = False
    device: str = "auto"


def enhance(
    volume: str | Path,
    output: str | Path,
    settings: EnhancementSettings | None = None,
    *,
    on_progress: Callable[[dict[str, Any]], None] | None = None,
    should_cancel: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Enhance the volume at ``volume`` and write ``output`` with its side-car.

    Returns {"volume", "record", "spacing_mm", "size", "residual_in_noise", "warnings", "notice", "seconds"}. Raises
    InputError, ProcessingError and Cancelled; then nothing is written.
    """
    import SimpleITK as sitk
    import torch

    from ..generation.job_progress import StageTimer
    from .enhanced_file import check_enhanced_destination, write_enhanced
    from .fine_volume import Guidance, compute_fine_volume
    from .knee_check import knee_warnings
    from .source_volume import read_source

    settings = settings or EnhancementSettings()
    check_enhancement_model(settings.model, teacher=settings.teacher)
    course = StageTimer(_EXPECTED_SECONDS, "enhance", on_progress, should_cancel)
    course.enter("read")
    source = read_source(volume)
    measured = sitk.GetArrayFromImage(source.image)
    thickness = settings.thickness_mm or source.thickness_mm
    plan = plan_spacing(measured.shape, source.spacing_mm, settings.spacing_mm, thickness)
    check_enhanced_destination(output, plan.fine_size[0] * plan.fine_size[1] * plan.fine_size[2])
    warnings = list(source.warnings)
    if source.provenance is None:
        warnings += knee_warnings(measured, source.spacing_mm, source.leg_axis)
    course.enter("load model")
    network = _on_device(load_enhancement_network(settings.model, teacher=settings.teacher), settings.device)
    guidance = Guidance()
    if settings.bias_map and network is not None:
        from .bias_map import log_bias_map

        course.enter("estimate bias")
        guidance = Guidance(log_bias=log_bias_map(measured, plan.fine_size))
    course.enter("enhance")
    listen = course.listener(None)
    found = compute_fine_volume(
        torch.from_numpy(measured), plan, network, guidance=guidance, steps=settings.steps, seed=settings.seed,
        on_share=lambda share: listen({"stage": "enhance", "step": round(100 * share), "of": 100, "fraction": share}),
        should_cancel=should_cancel,
    )  # fmt: skip
    course.enter("write")
    image = _image(found.values, source, plan, whole=bool((measured == measured.round()).all()))
    record = _record(settings, source, plan, network, found, warnings)
    files = write_enhanced(image, record, output)
    course.finished()
    return {
        "volume": str(files.volume),
        "record": str(files.record),
        "spacing_mm": list(image.GetSpacing()),
        "size": list(image.GetSize()),
        "residual_in_noise": record["enhancement"]["residual_in_noise"],
        "warnings": warnings,
        "notice": record["notice"],
        "seconds": round(sum(course.timings_s.values()), 2),
    }


def _on_device(network: EnhancementUNet | None, device: str) -> EnhancementUNet | None:
    from ..device import choose_device

    return None if network is None else network.to(choose_device(device))


def _image(values: torch.Tensor, source: SourceVolume, plan: SpacingPlan, *, whole: bool) -> SimpleITK.Image:
    """The fine voxels in the measured volume's frame: both cover the same field. Whole numbers stay whole numbers."""
    import numpy as np
    import SimpleITK as sitk

    from ..volume.intensity_mapping import STANDARD_MAPPING

    array = values.numpy()
    if source.provenance is not None:
        array = STANDARD_MAPPING.to_stored(np.clip(array, 0, 1))
    elif whole and abs(array).max() < 32_000:
        array = np.round(array).astype(np.int16)
    image = sitk.GetImageFromArray(array)
    spacing = plan.spacing_mm[::-1]
    direction = np.reshape(source.image.GetDirection(), (3, 3))
    # the centre stays: the fine grid may cover a fraction of a voxel more or less
    moved = [
        ((n - 1) * m - (f - 1) * s) / 2
        for n, m, f, s in zip(plan.size[::-1], plan.measured_mm[::-1], plan.fine_size[::-1], spacing, strict=True)
    ]
    image.SetSpacing(spacing)
    image.SetDirection(source.image.GetDirection())
    image.SetOrigin((np.array(source.image.GetOrigin()) + direction @ moved).tolist())
    return image


def _record(
    settings: EnhancementSettings, source: SourceVolume, plan: SpacingPlan, network: EnhancementUNet | None,
    found: FineResult, warnings: list[str],
) -> dict[str, Any]:  # fmt: skip
    from ..volume import provenance
    from .enhanced_file import NOTICE

    model: dict[str, Any] = {"name": INTERPOLATION}
    if network is not None:
        model = {"name": Path(settings.model).name, "network": "teacher" if settings.teacher else "student",
                 "weights_sha256": network.weights_sha256}  # fmt: skip
        if settings.teacher:
            model |= {"steps": settings.steps, "seed": settings.seed}
    record: dict[str, Any] = {
        "schema": provenance.SCHEMA,
        "schema_version": provenance.SCHEMA_VERSION,
        "notice": NOTICE if source.provenance is None else f"{provenance.notice()} {NOTICE}",
        "created_utc": provenance.creation_time(),
        "enhancement": {
            "model": model,
            "measured_spacing_mm": list(plan.measured_mm[::-1]),
            "spacing_mm": list(plan.spacing_mm[::-1]),
            "scales": [round(scale, 4) for scale in plan.scales[::-1]],
            "slice_thickness_mm": plan.thickness_mm,
            "slice_thickness_source": _thickness_source(settings, source),
            "bias_map": settings.bias_map,
            "noise": found.noise,
            "residual_in_noise": round(found.consistent.residual, 4),
            "residual_in_noise_before_consistency": round(found.consistent.residual_before, 4),
            "consistency_iterations": found.consistent.iterations,
            "detail": "detail beyond the acquired resolution is computed",
        },
        "warnings": warnings,
        "libraries": provenance.library_versions(),
    }
    if source.provenance is not None:
        record["pseudo_mri"] = source.provenance
    return record


def _thickness_source(settings: EnhancementSettings, source: SourceVolume) -> str:
    if settings.thickness_mm is not None:
        return "given"
    return "file" if source.thickness_mm is not None else "distance between slices"
