"""Makes the volumes of a cohort in one process: the same steps as ``generate``, of several radiographs at a time.

Several threads call ``carry_out``. The model works on one radiograph at a time; meanwhile other threads read and locate
the next one and write the last one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import Cancelled, InputError, ProcessingError
from ..files.atomic_write import AtomicFiles
from ..files.checksums import sha256_of
from ..generation.settings import GenerationSettings
from .task import Task, is_volume, thumbnail_path, volume_path

if TYPE_CHECKING:
    from ..generation.prepared_knee import PreparedKnee
    from ..generation.volume_pipeline import VolumePipeline
    from ..volume.pseudo_mri import PseudoMRI
    from .shared_batches import SharedBatches

# tasks that one process has in hand: one is read, one is with the model, one is written
IN_HAND = 3


class ReturnedWork(Exception):  # noqa: N818 (not a fault)
    """The work was handed back before the model began with it."""


class VolumeMaker:
    """Carries out tasks; keeps the model between them."""

    def __init__(self) -> None:
        from ..generation.pipeline_cache import PipelineCache

        self._pipelines = PipelineCache()
        self._model = threading.Lock()
        self._checked: dict[str, str] = {}
        self._draining = threading.Event()
        self._shared: SharedBatches | None = None

    def drain(self) -> None:
        """Hand back all work that the model has not begun with; what it has begun with is finished."""
        self._draining.set()

    def carry_out(self, task: Task, on_stage: Callable[[str], None] = lambda stage: None) -> dict[str, Any]:
        """Make the volume, or compare it; returns the fields of the manifest's line.

        ``on_stage`` receives the stage, again and again while the model works. Raises InputError, ProcessingError and
        ReturnedWork.
        """
        began = time.monotonic()
        self._check_versions(task)
        result = self._make(task, on_stage) if is_volume(task) else self._evaluate(task, on_stage)
        waited = result.get("timings_s", {}).get("wait", 0.0)
        return {**result, "seconds": round(time.monotonic() - began - waited, 3)}

    def _check_versions(self, task: Task) -> None:
        from .content_key import model_digest

        model = task.settings["model"]
        if model not in self._checked:
            self._checked[model] = model_digest(model)
        if task.program != __version__ or self._checked[model] != task.model_sha256:
            what = f"Xray2MRI {__version__}" if task.program != __version__ else f"another model {Path(model).name}"
            raise ProcessingError(
                f"A worker has {what}.",
                code="other-version",
                hint="Install the same program and the same model on all machines.",
            )

    def _make(self, task: Task, on_stage: Callable[[str], None]) -> dict[str, Any]:
        from ..generation.preflight import check_destinations, check_memory
        from ..generation.prepared_knee import prepare_knee
        from ..generation.volume_from_radiograph import add_noise, complete_provenance, open_radiograph, write_files

        settings = GenerationSettings.from_message(task.settings)
        radiograph, output = Path(task.radiograph), Path(task.folder) / volume_path(task.key)
        timings = _Timings(on_stage)
        timings.enter("read")
        self._hand_back_when_draining()
        output.parent.mkdir(parents=True, exist_ok=True)
        check_destinations(radiograph, output, None, settings)
        check_memory(settings)
        opened = open_radiograph(radiograph, settings.photometric)
        knee = prepare_knee(opened, settings, timings.enter)
        if knee.box is None:
            raise InputError(
                "No knee was found on the radiograph.",
                code="no-knee",
                hint="Give the rectangle of the knee, or leave the radiograph out.",
                field="roi",
            )
        timings.enter("wait")
        volume, pipeline = self._compute(task, knee, settings, timings)
        timings.enter("reproject")
        add_noise(volume, knee, settings)
        complete_provenance(volume, knee, pipeline, settings, radiograph)
        measures = _measures(volume, knee)
        timings.enter("write")
        paths = write_files(volume, output, None, settings)
        small = Path(task.folder) / thumbnail_path(task.key)
        small.parent.mkdir(parents=True, exist_ok=True)
        from .thumbnail import write_thumbnail

        with AtomicFiles() as atomic:
            write_thumbnail(knee.prepared, volume, atomic.stage(small))
        timings.leave()
        names = {name: path for name, path in paths.items() if path is not None} | {"thumbnail": str(small)}
        run = volume.provenance.get("run", {})
        return {
            "files": {name: file_entry(Path(path), Path(task.folder)) for name, path in names.items()},
            "warnings": [str(text) for text in (*knee.warnings, *run.get("notes", []))],
            "measures": measures,
            "timings_s": timings.seconds,
            "device": run.get("device"),
        }

    def _compute(
        self, task: Task, knee: PreparedKnee, settings: GenerationSettings, timings: _Timings
    ) -> tuple[PseudoMRI, VolumePipeline]:
        from ..generation.volume_from_radiograph import sample_prepared
        from .shared_batches import SharedBatches, shares

        def listener(event: dict[str, Any]) -> None:
            timings.again()

        with self._model:
            self._hand_back_when_draining()
            timings.enter("load model")
            pipeline: Any = self._pipelines.get(settings.model, settings.device, settings.precision)
            if self._shared is None or self._shared.pipeline is not pipeline:
                self._shared = SharedBatches(pipeline, IN_HAND)
            timings.enter("volume")
            if task.halvings or not shares(pipeline, settings):
                batch = _halved_batch(pipeline, settings.num_slices, task.halvings) if task.halvings else None
                return sample_prepared(pipeline, knee, settings, listener, None, batch_size=batch), pipeline
            model = self._shared.as_model()
        # several threads at a time, which share batches
        return sample_prepared(model, knee, settings, listener, None), pipeline

    def _evaluate(self, task: Task, on_stage: Callable[[str], None]) -> dict[str, Any]:
        from ..comparison.compare import compare
        from .evaluation import evaluation_measures

        self._hand_back_when_draining()
        on_stage("evaluate")
        volume = Path(task.folder) / volume_path(task.key)
        try:
            found = compare(volume, task.reference, on_progress=lambda event: on_stage("evaluate"))
        except Cancelled:  # compare is never asked to stop
            raise ReturnedWork from None
        return {
            "mri": task.signature,
            "measures": evaluation_measures(found.result),
            "warnings": [str(text) for text in found.result["warnings"]],
        }

    def _hand_back_when_draining(self) -> None:
        if self._draining.is_set():
            raise ReturnedWork


class _Timings:
    """Seconds of each stage of one task."""

    def __init__(self, on_stage: Callable[[str], None]) -> None:
        self._on_stage = on_stage
        self._stage = ""
        self._since = time.monotonic()
        self.seconds: dict[str, float] = {}

    def enter(self, stage: str) -> None:
        self.leave()
        self._stage = stage
        self._on_stage(stage)

    def again(self) -> None:
        self._on_stage(self._stage)

    def leave(self) -> None:
        now = time.monotonic()
        if self._stage:
            self.seconds[self._stage] = round(now - self._since, 3)
        self._stage, self._since = "", now


def file_entry(path: Path, folder: Path) -> dict[str, Any]:
    """Path within the cohort, size, time of change and SHA-256 of a written file."""
    about = path.stat()
    return {
        "path": path.relative_to(folder).as_posix(),
        "size": about.st_size,
        "mtime_ns": about.st_mtime_ns,
        "sha256": sha256_of(path),
    }


def _measures(volume: PseudoMRI, knee: PreparedKnee) -> dict[str, Any]:
    """What the table shows of a volume."""
    from ..conditions.koa_probabilities import KoaProbabilities
    from ..generation.prepared_knee import describe_knee
    from ..volume.provenance import plain
    from .joint_band import COMPARTMENTS

    record = volume.provenance
    about, koa = describe_knee(knee), KoaProbabilities(**record["koa"])
    placed = (record.get("reprojection") or {}).get("as_placed") or {}
    bands = _bands(volume) if (record.get("reprojection") or {}).get("applies") else dict.fromkeys(COMPARTMENTS)
    return plain(
        {
            "side": about["side"],
            "side_source": about["side_source"],
            "knees_found": about["knees_found"],
            "grade": koa.grade,
            "grade_source": koa.source,
            "grade_probabilities": [round(value, 4) for value in koa.values],
            "plausible": about["plausible"],
            "plausibility": round(about["plausibility"]["score"], 4),
            **{f"joint_band_{side}_mm": height for side, height in bands.items()},
            "joint_line_mm": placed.get("joint_line_mm"),
            "outline_mm": placed.get("outline_mm"),
        }
    )


def _bands(volume: PseudoMRI) -> dict[str, float | None]:
    from ..reprojection.bone_projection import volume_outline
    from .joint_band import joint_band_mm

    return joint_band_mm(volume_outline(volume.depth_slices()))


def _halved_batch(pipeline: VolumePipeline, num_slices: int, halvings: int) -> int | None:
    """The batch that would be chosen, halved so often; None for a model that has no batches of slices."""
    unet = getattr(pipeline, "unet", None)
    if unet is None:
        return None
    from ..diffusion.batch_size import choose_batch_size

    return max(1, choose_batch_size(unet, num_slices) >> halvings)
