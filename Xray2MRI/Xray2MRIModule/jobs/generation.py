"""Generations and densifications: their requests, and their slices and volumes in the scene."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from ..application import Application
from ..failure import Failure
from ..scene import density_sequence, subject_folder
from ..scene.volume_file import VolumeFiles
from ..scene.volume_nodes import notify_voxels_changed, slice_count
from ..translation import tr as _
from . import generation_nodes
from .job import Job, Progress
from .job_control import JobControl
from .radiograph_input import RadiographInput
from .result_import import Steps

VOLUME_GONE = Failure("volume-deleted", _("The volume was deleted during the job."), _("Generate it again."))
# every new slice makes all views draw; a user sees no difference at a shorter interval
_SHOW_EVERY_S = 0.25
_NAME = _("Pseudo-MRI (synthetic)")


class Generation:
    """Makes pseudo-MRI volumes and adds slices to them."""

    def __init__(
        self, application: Application, jobs: JobControl, radiographs: RadiographInput, files: VolumeFiles
    ) -> None:
        self._application = application
        self._jobs = jobs
        self._radiographs = radiographs
        self._files = files
        self._origins: dict[str, tuple[str, int]] = {}  # volume ID -> request that made it, incarnation of the worker
        self._models: dict[str, dict[str, str]] = {}  # volume ID -> model, device and precision
        self._pending: Job | None = None  # has slices that the views do not show yet
        self._shownAt = 0.0
        self._finished: list[Job] = []
        jobs.polled.connect(self.showPendingSlices)

    @property
    def finished(self) -> list[Job]:
        """Finished generations, oldest first, whose volume is still in the scene."""
        return [job for job in self._finished if job.volumeNode is not None]

    def generate(
        self,
        radiographNode: Any,
        settings: dict[str, Any] | None = None,
        *,
        name: str | None = None,
        group: int | None = None,
        onProgress: Callable[[Progress], None] | None = None,
        onSlice: Callable[[dict[str, Any]], None] | None = None,
        onDone: Callable[[Job], None] | None = None,
        onError: Callable[[Failure], None] | None = None,
    ) -> Job:
        """See ModuleLogic.generate; ``group`` is a folder of the subject hierarchy for the volume's own folder."""
        job = self._jobs.newJob("generate")
        job.groupItem = group
        job.signals.connect(onProgress=onProgress, onSlice=onSlice, onDone=onDone, onError=onError)
        job.name = name or _NAME
        chosen = dict(settings or {})
        job.choices = {key: chosen[key] for key in ("model", "device", "precision") if chosen.get(key)}

        def fields() -> dict[str, Any]:
            radiograph = self._radiographs.fields(job, radiographNode)
            output = {"output": str(job.folder / "volume.nrrd"), "slice_folder": str(job.folder / "slices")}
            return {**chosen, **radiograph, **output}

        self._jobs.beginAlone(job, fields)
        return job

    def densify(
        self,
        volumeNode: Any,
        slices: int,
        *,
        onProgress: Callable[[Progress], None] | None = None,
        onDone: Callable[[Job], None] | None = None,
        onError: Callable[[Failure], None] | None = None,
    ) -> Job:
        """See ModuleLogic.densify."""
        job = self._jobs.newJob("densify")
        job.signals.connect(onProgress=onProgress, onDone=onDone, onError=onError)
        job.remember("volume", volumeNode)
        job.remember("browser", density_sequence.browser_of(volumeNode))
        slices = int(slices)
        if slices in density_sequence.densities(volumeNode) and self._select(volumeNode, slices):
            job.folderItem = subject_folder.run_folder(self._application.scene, volumeNode)
            self._jobs.end(job)
            return job

        def fields() -> dict[str, Any]:
            volume = self._files.path(volumeNode, job.folder)
            radiograph = volumeNode.GetNodeReference(generation_nodes.RADIOGRAPH_ROLE)
            origin, incarnation = self._origins.get(volumeNode.GetID(), ("", -1))
            request = {"slices": slices, "output": str(job.folder / f"volume_{slices}.nrrd")}
            if self._jobs.workerState in ("ready", "busy") and incarnation == self._jobs.workerIncarnation:
                return {**request, "of_job": origin}
            return {
                **request, **self._radiographs.fields(job, radiograph), **self._models.get(volumeNode.GetID(), {}),
                "volume": str(volume),
            }  # fmt: skip

        self._jobs.beginAlone(job, fields)
        return job

    def takeSlice(self, job: Job, report: dict[str, Any]) -> None:
        """Put a slice into the volume; views show it at the next interval."""
        if job.isOver:
            return
        try:
            present = generation_nodes.take_slice(self._application, job, report)
        except (OSError, ValueError):
            logging.exception("Xray2MRI: a slice could not be shown")
            return  # the finished file holds it all the same
        if not present:
            self._jobs.cancel(job)
            return
        self._pending = job
        self.showPendingSlices()
        job.signals.slice.emit(report)

    def showPendingSlices(self) -> None:
        """Let the views show new slices, at most four times a second."""
        if self._pending is None or time.monotonic() - self._shownAt < _SHOW_EVERY_S:
            return
        job, self._pending = self._pending, None
        self._shownAt = time.monotonic()
        volume = None if job.isOver else job.volumeNode
        if volume is not None:
            notify_voxels_changed(volume)

    def finishVolume(self, job: Job) -> Steps:
        """Complete the volume of a generation."""
        if not (yield from generation_nodes.finish(self._application, job)):
            return VOLUME_GONE
        self._rememberOrigin(job)
        self._models[job.volumeNode.GetID()] = job.choices
        self._finished.append(job)
        return None

    def finishDensity(self, job: Job) -> Steps:
        """Add the new density to its volume."""
        if not (yield from generation_nodes.take_density(self._application, job)):
            return VOLUME_GONE
        self._rememberOrigin(job)
        job.remember("browser", density_sequence.browser_of(job.volumeNode))
        return None

    def undo(self, job: Job) -> None:
        """Remove what an unfinished generation put into the scene."""
        if job is self._pending:
            self._pending = None
        generation_nodes.take_back(self._application, job)

    def forgetAll(self) -> None:
        """The scene was closed: IDs will mean other nodes."""
        self._pending = None
        self._finished.clear()
        self._origins.clear()
        self._models.clear()

    def _rememberOrigin(self, job: Job) -> None:
        volume = job.volumeNode
        self._files.remember(volume, slice_count(volume), job.result["volume"])
        self._origins[volume.GetID()] = (job.request.identifier, self._jobs.workerIncarnation)

    def _select(self, volume: Any, slices: int) -> bool:
        return density_sequence.select(volume, slices, self._application.moduleLogic("Sequences"))
