"""From one radiograph to files: the procedure of both the command line and the background worker."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..diffusion.sampling_settings import SamplingSettings
from ..errors import InputError
from ..files.atomic_write import AtomicFiles
from ..preparation.recorded_radiograph import crop_digest
from ..radiograph.photometric import recorded_photometric
from .generation_result import generation_result
from .job_progress import StageTimer
from .pipeline_cache import PipelineCache
from .preflight import check_destinations, check_memory, expected_seconds
from .prepared_knee import PreparedKnee, prepare_knee
from .scanner_noise import (
    SECTION,
    ShownSlices,
    acquisition_record,
    keep_shown_slices,
    recorded_acquisition,
)
from .settings import GenerationSettings

if TYPE_CHECKING:
    from ..radiograph.reading import Radiograph
    from ..volume.pseudo_mri import PseudoMRI
    from .volume_pipeline import VolumePipeline

Report = Callable[[dict[str, Any]], None]

# bytes of a volume's voxels, beyond which its picture is not drawn while its files are written
_LARGE = 100_000_000


@dataclass(frozen=True)
class Generation:
    """A finished volume, the knee and settings that ``densify`` needs, and its generation_result."""

    volume: PseudoMRI
    knee: PreparedKnee
    settings: GenerationSettings
    result: dict[str, Any]


def generate(
    radiograph: str | Path | Radiograph | np.ndarray,
    output: str | Path,
    settings: GenerationSettings | None = None,
    *,
    montage: str | Path | None = None,
    pipelines: PipelineCache | None = None,
    on_progress: Report | None = None,
    on_slice: Report | None = None,
    should_cancel: Callable[[], bool] | None = None,
) -> Generation:
    """Generate a volume (and, with several samples, its deviation) from one radiograph and write the files.

    Parameters
    ----------
    radiograph
        A file, a Radiograph, or an array [H, W].
    output
        Path of the volume, ending in .nrrd, .nii.gz or .mha; side-car and deviation go into the same folder. Either all
        files are written completely or none is.
    settings
        None takes the defaults.
    montage
        Path of the overview image (.png).
    pipelines
        Keeps the model between calls.
    on_progress
        Receives ``{"stage", "step", "of", "fraction", "eta_s"}``.
    on_slice
        Receives each finished slice of the first sample: ``{"depth_index", "file_index", "of", "u", "image"}`` with
        image [H, W] float32 in [0, 1] in the orientation of the volume, with scanner noise where the settings ask it.
    should_cancel
        Called between stages and before every denoising step; True cancels.

    Raises InputError, ProcessingError and Cancelled.
    """
    settings = settings or GenerationSettings()
    pipelines = pipelines or PipelineCache()
    output = Path(output)
    montage = None if montage is None else Path(montage)
    check_destinations(radiograph, output, montage, settings)
    check_memory(settings)
    expected = expected_seconds(settings, pipelines.holds(settings.model, settings.device), montage is not None)
    timer = StageTimer(expected, "volume", on_progress, should_cancel)

    timer.enter("read")
    opened = open_radiograph(radiograph, settings.photometric)
    knee = prepare_knee(opened, settings, timer.enter)
    timer.enter("load model")
    pipeline = pipelines.get(settings.model, settings.device, settings.precision)
    timer.enter("volume")
    shown = ShownSlices(recorded_acquisition({SECTION: _noise_of(knee, settings)}))
    volume = sample_prepared(pipeline, knee, settings, timer.listener(shown.receiver(on_slice)), should_cancel)
    add_noise(volume, knee, settings, shown)
    with AtomicFiles() as atomic, ThreadPoolExecutor(1) as beside:
        drawn = None if montage is None else beside.submit(_draw, volume, knee, atomic.stage(montage))
        complete_provenance(volume, knee, pipeline, settings, radiograph)
        timer.enter("write")
        if drawn is not None and volume.nbytes > _LARGE:
            drawn.result()  # one after the other, or both need their memory at once
        # the volume does not appear without its overview
        paths = write_files(volume, output, montage, settings, (lambda: None) if drawn is None else drawn.result)
    timer.finished()
    return Generation(volume, knee, settings, generation_result(volume, knee, paths, timer.timings_s))


def densify(
    earlier: Generation,
    num_slices: int,
    output: str | Path,
    *,
    pipelines: PipelineCache | None = None,
    on_progress: Report | None = None,
    on_slice: Report | None = None,
    should_cancel: Callable[[], bool] | None = None,
) -> Generation:
    """The volume of an earlier generation at another number of depths (2 to 500); shared depths are copied.

    The scanner noise of shared depths is the same as well. All other settings are those of the earlier generation.
    Raises InputError, ProcessingError and Cancelled.
    """
    settings = replace(earlier.settings, num_slices=num_slices, samples=1)
    pipelines = pipelines or PipelineCache()
    output = Path(output)
    check_destinations(None, output, None, settings)
    check_memory(settings)
    expected = expected_seconds(settings, pipelines.holds(settings.model, settings.device))
    timer = StageTimer(expected, "volume", on_progress, should_cancel)
    timer.enter("load model")
    pipeline = pipelines.get(settings.model, settings.device, settings.precision)
    timer.enter("volume")
    shown = ShownSlices(recorded_acquisition(earlier.volume.provenance))
    volume = pipeline.densify(
        earlier.volume,
        num_slices,
        radiograph=earlier.knee.prepared,
        callback=timer.listener(shown.receiver(on_slice)),
        should_cancel=should_cancel,
    )
    volume.provenance["reprojection"] = _measure_reprojection(volume, earlier.knee, pipeline)
    shown.add_to(volume)
    keep_shown_slices(volume, earlier.volume)
    timer.enter("write")
    paths = write_files(volume, output, None, settings)
    timer.finished()
    return Generation(volume, earlier.knee, settings, generation_result(volume, earlier.knee, paths, timer.timings_s))


def reopen(
    volume: str | Path, radiograph: str | Path, model: str = "compact", device: str = "auto", precision: str = "auto"
) -> Generation:
    """Load a generation for ``densify`` from its files: the volume with its side-car, and its radiograph.

    Raises InputError when they cannot be read. ``densify`` checks that radiograph and model belong to the volume.
    """
    from ..localization.knee_box import KneeBox
    from ..preparation.joint_crop import prepare_radiograph
    from ..preparation.plausibility import Plausibility
    from ..volume.pseudo_mri import PseudoMRI

    pseudo_mri = PseudoMRI.load(volume)
    record = pseudo_mri.provenance
    try:
        about = record["radiograph"]
        box = KneeBox(**about["box"]) if about["box"] else None
        photometric = recorded_photometric(about)
        opened = open_radiograph(radiograph, photometric)
        prepared = prepare_radiograph(opened, box, about["side"], about["side_source"])
        plausibility = Plausibility(**about["plausibility"])
        settings = GenerationSettings(
            num_slices=pseudo_mri.num_slices, sampling=SamplingSettings.from_record(record["sampling"]),
            side=about["side"], model=model, device=device, photometric=photometric,
            precision=precision, scanner_noise=(record.get(SECTION) or {}).get("scanner_noise") or 0.0,
        )  # fmt: skip
        knee = PreparedKnee(prepared, [] if box is None else [box], box, about["box_source"], plausibility, [])
    except (KeyError, TypeError) as error:
        raise InputError(
            f"The side-car of {Path(volume).name} has no complete record of the volume's generation.",
            code="bad-side-car",
            hint="Generate the volume again.",
        ) from error
    return Generation(pseudo_mri, knee, settings, {})


def open_radiograph(radiograph: str | Path | Radiograph | np.ndarray, photometric: str) -> Radiograph:
    """The radiograph of a file or an array. Raises InputError."""
    from ..radiograph.reading import radiograph_from_array, read_radiograph

    if isinstance(radiograph, (str, Path)):
        return read_radiograph(radiograph, photometric=photometric)
    if isinstance(radiograph, np.ndarray):
        return radiograph_from_array(radiograph, photometric=photometric)
    return radiograph


def sample_prepared(
    pipeline: VolumePipeline,
    knee: PreparedKnee,
    settings: GenerationSettings,
    listener: Report,
    should_cancel: Callable[[], bool] | None,
    batch_size: int | None = None,
) -> PseudoMRI:
    """The volume of a prepared knee, with its deviation if the settings ask for several samples."""
    choices: dict[str, Any] = {
        "koa": settings.koa(), "told": settings.told(), "batch_size": batch_size, "callback": listener,
        "should_cancel": should_cancel,
    }  # fmt: skip
    asked = (knee.prepared, settings.num_slices, settings.sampling)
    if settings.samples > 1:
        return pipeline.volume_with_deviation(*asked, settings.samples, **choices)
    return pipeline.volume(*asked, **choices)


def add_noise(
    volume: PseudoMRI, knee: PreparedKnee, settings: GenerationSettings, shown: ShownSlices | None = None
) -> None:
    """Add the scanner noise of the settings and its record; ``shown`` holds slices whose noise is there already."""
    volume.provenance[SECTION] = _noise_of(knee, settings)
    (shown or ShownSlices(None)).add_to(volume)


def complete_provenance(
    volume: PseudoMRI,
    knee: PreparedKnee,
    pipeline: VolumePipeline,
    settings: GenerationSettings,
    radiograph: str | Path | Radiograph | np.ndarray,
) -> None:
    """Add warnings, agreement with the radiograph and, if asked for, the radiograph's path."""
    volume.provenance["warnings"] = list(knee.warnings)
    volume.provenance["reprojection"] = _measure_reprojection(volume, knee, pipeline)
    if settings.keep_identifiers and isinstance(radiograph, (str, Path)):
        volume.provenance["identifiers"] = {"radiograph": str(radiograph)}


def _noise_of(knee: PreparedKnee, settings: GenerationSettings) -> dict[str, Any]:
    return acquisition_record(settings.scanner_noise, settings.sampling.seed, crop_digest(knee.prepared.image))


def _measure_reprojection(volume: PseudoMRI, knee: PreparedKnee, pipeline: VolumePipeline) -> dict[str, Any]:
    from ..reprojection.record import reprojection_record

    return reprojection_record(volume, knee.prepared, pipeline)


def _draw(volume: PseudoMRI, knee: PreparedKnee, path: Path) -> None:
    from ..conditions.koa_probabilities import KoaProbabilities
    from ..rendering.montage import write_montage

    write_montage(knee.prepared, KoaProbabilities(**volume.provenance["koa"]), volume, path)


def write_files(
    volume: PseudoMRI,
    output: Path,
    montage: Path | None,
    settings: GenerationSettings,
    before_they_appear: Callable[[], object] = lambda: None,
) -> dict[str, str | None]:
    """Write the volume's files; returns the paths of all, and of a montage that is written beside."""
    from ..volume.writing import write_volume

    files = write_volume(
        volume, output, keep_identifiers=settings.keep_identifiers, before_they_appear=before_they_appear
    )
    return {
        "volume": str(files.volume),
        "provenance": str(files.record),
        "deviation": None if volume.deviation is None else str(files.deviation),
        "noise_free": None if volume.acquired is None else str(files.noise_free),
        "montage": None if montage is None else str(montage),
    }
